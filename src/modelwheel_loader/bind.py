"""From a checked batch to what runs: the original's own containers and dtypes, or the inputs of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .batch import Array, Batch, Column
from .bind_frames import compile_frame, compile_series
from .batch import objects
from .manifest import GraphInput
from .physical import compile_numpy, compile_objects, physical_of
from .schema import Field, Schema
from .types import Bool, Float, Integer, Tensor

Bind = Callable[[Batch], Any]


def compile_native(schema: Schema) -> Bind:
    """The function that makes what the original model was fed: container, dtypes, labels and nulls of the sample."""
    match schema.layout:
        case "frame":
            return compile_frame(schema)
        case "matrix":
            return _matrix(schema)
        case "array":
            return _array(schema)
        case "records":
            return _records(schema)
    return _columns(schema)


def _matrix(schema: Schema) -> Bind:
    names, dtype = schema.names, schema.dtype or "float64"
    if dtype == "object":
        return _object_matrix(schema)
    if all(isinstance(field.type, Bool | Integer | Float) for field in schema.fields):
        return lambda batch: batch.matrix(names, dtype)
    return _object_matrix(schema)


def _object_matrix(schema: Schema) -> Bind:
    restores = [(field.name, compile_objects(field)) for field in schema.fields]

    def bind(batch: Batch) -> Array:
        matrix = np.empty((batch.rows, len(restores)), dtype=object)
        for index, (name, restore) in enumerate(restores):
            matrix[:, index] = restore(batch.column(name))
        return matrix

    return bind


def _array(schema: Schema) -> Bind:
    field = schema.fields[0]
    if schema.container in ("pandas", "polars", "pyarrow"):
        return compile_series(schema)
    restore = _restore(field)
    if schema.container == "list":
        as_list = compile_objects(field) if not isinstance(field.type, Tensor) else restore
        return lambda batch: list(as_list(batch.column(field.name)))
    return lambda batch: restore(batch.column(field.name))


def _restore(field: Field) -> Callable[[Column], Any]:
    if not isinstance(field.type, Tensor):
        return compile_numpy(field)
    if field.type.sparse:
        return _sparse(field)
    dtype = field.type.dtype
    return lambda column: column.values if column.values.dtype == object else column.values.astype(dtype, copy=False)


def _sparse(field: Field) -> Callable[[Column], Any]:
    """Rows as the SciPy class and format of the sample."""
    name = physical_of(field).dtype
    dtype = field.type.canonical

    def restore(column: Column) -> Any:
        from scipy import sparse

        kind = sparse.csr_array if name.endswith("_array") else sparse.csr_matrix
        values = kind(column.values)
        made = values if values.dtype == dtype else values.astype(dtype)
        found = name.partition("_")[0]
        return made.asformat(found) if found in ("csc", "coo", "lil", "dok", "bsr", "dia") else made

    return restore


def _columns(schema: Schema) -> Bind:
    restores = [(field.name, _restore(field)) for field in schema.fields]
    return lambda batch: {name: restore(batch.column(name)) for name, restore in restores}


def _records(schema: Schema) -> Bind:
    restores = [(field.name, compile_objects(field)) for field in schema.fields]

    def bind(batch: Batch) -> list[dict[str, Any]]:
        columns = [restore(batch.column(name)) for name, restore in restores]
        names = [name for name, _ in restores]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    return bind


def compile_feeds(schema: Schema, inputs: Sequence[GraphInput]) -> Callable[[Batch], dict[str, Any]]:
    """The function that makes the inputs of a graph, by name: one column each, or a matrix of several fields."""
    makers = [(item.name, _feed(schema, item)) for item in inputs]
    if len(makers) == 1:
        ((name, maker),) = makers
        return lambda batch: {name: maker(batch)}
    return lambda batch: {name: maker(batch) for name, maker in makers}


def _feed(schema: Schema, item: GraphInput) -> Callable[[Batch], Any]:
    names, dtype = item.fields, item.dtype
    if len(names) == 1 and isinstance(schema[names[0]].type, Tensor):
        return _tensor_feed(names[0], dtype)
    if dtype == "string":
        return lambda batch: _texts(batch, names, item.null_text, flat=len(item.shape) == 1)
    if len(item.shape) == 1:
        return lambda batch: batch.matrix(names, dtype)[:, 0]
    return lambda batch: batch.matrix(names, dtype)


def _tensor_feed(name: str, dtype: str) -> Callable[[Batch], Any]:
    def feed(batch: Batch) -> Array:
        values = batch.column(name).values
        dense = values.toarray() if hasattr(values, "toarray") else values
        return np.ascontiguousarray(dense, dtype=dtype)

    return feed


def _texts(batch: Batch, names: Sequence[str], null_text: str | None, *, flat: bool) -> Array:
    columns = []
    for name in names:
        values, missing = batch.column(name)
        if values.dtype != object:
            values = objects([str(value) for value in values.tolist()])
        if null_text is not None:
            # a text that happens to be the graph's word for null is none: it must stay a value that no category has
            same = values == null_text
            if missing is not None or same.any():
                values = values.copy()
                values[same] = null_text + "\0"
        if missing is not None:
            values[missing] = null_text
        columns.append(values)
    return columns[0] if flat else np.stack(columns, axis=1)
