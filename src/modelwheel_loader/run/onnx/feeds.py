"""From a checked batch to the inputs of a graph, which only reads: they are the caller's memory where it fits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ...opening.manifest import GraphInput
from ...opening.schema import Field, Schema
from ...opening.types import Category, Float, String, Tensor
from ...text import clip
from ...validate.batch import Array, Batch, objects

Feeds = dict[str, Any]
Fill = Callable[[Batch, Feeds], None]


def compile_feeds(schema: Schema, inputs: Sequence[GraphInput]) -> Callable[[Batch], Feeds]:
    """The function that makes the inputs of a graph: one column each, or a matrix of several fields."""
    fields = {field.name: field for field in schema.fields}
    alone = [item for item in inputs if _is_float_column(item, fields)]
    widths = {item.dtype for item in alone}
    fills: list[Fill] = [_together([item for item in alone if item.dtype == dtype], dtype) for dtype in sorted(widths)]
    told = {item.name for item in alone}
    fills += [_one(item.name, _feed(fields, item)) for item in inputs if item.name not in told]
    if len(fills) == 1 and len(inputs) == 1 and not alone:
        name, feed = inputs[0].name, _feed(fields, inputs[0])
        return lambda batch: {name: feed(batch)}

    def bind(batch: Batch) -> Feeds:
        feeds: Feeds = {}
        for fill in fills:
            fill(batch, feeds)
        return feeds

    return bind


def _is_float_column(item: GraphInput, fields: dict[str, Field]) -> bool:
    return len(item.fields) == 1 and len(item.shape) == 2 and isinstance(fields[item.fields[0]].type, Float)


def _one(name: str, feed: Callable[[Batch], Any]) -> Fill:
    def fill(batch: Batch, feeds: Feeds) -> None:
        feeds[name] = feed(batch)

    return fill


def _together(items: Sequence[GraphInput], dtype: str) -> Fill:
    """Inputs of one float column each: the block is converted once, and each is a view of it."""
    pairs = [(item.name, item.fields[0], _column(item.fields[0], dtype)) for item in items]
    positions: dict[str, int] = {}
    known: tuple[str, ...] = ()

    def fill(batch: Batch, feeds: Feeds) -> None:
        nonlocal positions, known
        if batch.block is None:
            for name, _, feed in pairs:
                feeds[name] = feed(batch)
            return
        if batch.block_names is not known:
            positions = {field: index for index, field in enumerate(batch.block_names)}
            known = batch.block_names
        block = np.asfortranarray(batch.matrix(batch.block_names, dtype))
        for name, field, feed in pairs:
            index = positions.get(field)
            feeds[name] = feed(batch) if index is None else block[:, index : index + 1]

    return fill


def _feed(fields: dict[str, Field], item: GraphInput) -> Callable[[Batch], Any]:
    names, dtype = item.fields, item.dtype
    if len(names) == 1 and isinstance(fields[names[0]].type, Tensor):
        return _tensor(names[0], dtype)
    flat = len(item.shape) == 1
    if dtype == "string":
        return _texts([fields[name] for name in names], item.null_text, flat=flat)
    if len(names) == 1:
        feed = _column(names[0], dtype)
        return (lambda batch: feed(batch)[:, 0]) if flat else feed
    return lambda batch: np.ascontiguousarray(batch.matrix(names, dtype))


def _column(name: str, dtype: str) -> Callable[[Batch], Array]:
    """One column as (rows, 1)."""
    names = (name,)

    def feed(batch: Batch) -> Array:
        column = batch.columns.get(name)
        if column is None or column.missing is not None or column.values.dtype != dtype:
            return np.ascontiguousarray(batch.matrix(names, dtype))
        return np.ascontiguousarray(column.values).reshape(-1, 1)

    return feed


def _tensor(name: str, dtype: str) -> Callable[[Batch], Any]:
    def feed(batch: Batch) -> Array:
        values, missing = batch.column(name)
        dense = values.toarray() if hasattr(values, "toarray") else values
        if missing is not None and (not dtype.startswith("float") or dense.dtype == object):
            raise InputError.of("input.null", f"the graph is fed {dtype} in one array, which has no null", field=name)
        if dense.dtype == object:
            dense = _stacked(dense, name)
        made = np.ascontiguousarray(dense, dtype=dtype)
        if missing is not None:
            made = made.copy()
            made[missing] = np.nan
        return made

    return feed


def _stacked(rows: Array, name: str) -> Array:
    """Rows of one shape as one array."""
    shapes = {row.shape for row in rows}
    if len(shapes) > 1:
        message, hint = "rows of different shapes do not go into a graph at once", "Pass rows of one shape at a time."
        raise InputError.of("input.shape", message, field=name, found=clip(", ".join(map(str, shapes))), hint=hint)
    return np.stack(list(rows))


def _texts(fields: Sequence[Field], null_text: str | None, *, flat: bool) -> Callable[[Batch], Array]:
    columns = [_text(field, null_text) for field in fields]
    if len(columns) == 1:
        column = columns[0]
        return column if flat else lambda batch: column(batch).reshape(-1, 1)
    return lambda batch: np.stack([column(batch) for column in columns], axis=1)


def _text(field: Field, null_text: str | None) -> Callable[[Batch], Array]:
    """One column of texts; null is `null_text`."""
    name, kind = field.name, field.type
    are_texts = isinstance(kind, String) or (
        isinstance(kind, Category) and {type(part) for part in kind.values} == {str}
    )

    def feed(batch: Batch) -> Array:
        values, missing = batch.column(name)
        if not are_texts:
            values = objects([str(value) for value in values.tolist()])
        if null_text is not None:
            # a text that happens to be the graph's word for null is none: it must stay a value that no category has
            same = values == null_text
            if same.any():
                values = values.copy()
                values[same] = f"{null_text}\0"
        if missing is not None:
            values = values.copy()
            values[missing] = null_text
        return values  # type: ignore[no-any-return]

    return feed
