"""The output schema of a method, from what it answered for the sample.

Outputs are described loosely on purpose: floats may be NaN or infinite even where the sample's were not, for a model
may answer so tomorrow, and refusing its own answer would help nobody. An author who knows better narrows the schema
(`schema.with_field("value", nullable=False, minimum=0, maximum=1)`), and then every answer is checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import DataType, Float, List, Struct, Tensor
from modelwheel_loader.text import shown

from .arrays import read_numpy, read_sparse, read_tensor
from .containers import library_of
from .objects import from_objects, from_values
from .samples import read_series, read_table
from .walk import single, walk

if TYPE_CHECKING:
    from .columns import Array

VALUE = "value"
"""The name of an answer that has none of its own."""
_TABLES = frozenset({"DataFrame", "Table"})
_SERIES = frozenset({"Series", "ChunkedArray", "Array"})


def read_answer(answer: Any, rows: int) -> Schema:
    """The schema of an answer for `rows` rows; raises `PackError` when no layout describes it."""
    schema = _read(answer, rows)
    return schema.replace(fields=tuple(_loose(field) for field in schema.fields))


def _read(answer: Any, rows: int) -> Schema:
    if isinstance(answer, np.ndarray):
        return _read_array(answer, rows)
    if hasattr(answer, "tocsr"):
        _check_rows(answer.shape[0], rows)
        return _renamed(read_sparse(answer, rows).schema)
    kind = type(answer).__name__
    if library_of(answer) in ("pandas", "polars", "pyarrow") and kind in _TABLES | _SERIES:
        _check_rows(len(answer), rows)
        if kind in _TABLES:
            return read_table(answer, rows, _ALL_CATEGORIES).schema
        return _renamed(read_series(answer, rows, _ALL_CATEGORIES).schema)
    if isinstance(answer, Mapping):
        return _read_named(answer, rows)
    if isinstance(answer, list | tuple):
        return _read_list(answer, rows)
    raise PackError.of(
        "infer.answer", "the method answers with something that no output schema describes", found=shown(answer)
    )


_ALL_CATEGORIES = 100_000
"""Categories of an answer are the model's own, so they are all stored."""


def _check_rows(found: int, rows: int) -> None:
    if found != rows:
        message = "the method does not answer one row for each row of the sample"
        raise PackError.of("infer.answer", message, expected=f"{rows} rows", found=f"{found}")


def _renamed(schema: Schema) -> Schema:
    """The schema of an unnamed answer, its one field called `value`."""
    (field,) = schema.fields
    name = VALUE if field.name in ("x", "text") else field.name
    return schema.replace(fields=(field.replace(name=name),))


def _loose(field: Field) -> Field:
    """The field as a promise that a model can keep: without ranges seen, and floats of any kind."""
    free = isinstance(field.type, Float) or (isinstance(field.type, Tensor) and field.type.dtype.startswith("float"))
    nullable, infinite = field.nullable or free, field.allow_infinity or free
    return field.replace(type=_free_type(field.type), nullable=nullable, allow_infinity=infinite, observed=None)


def _free_type(kind: DataType) -> DataType:
    match kind:
        case List():
            return List(_free_type(kind.item), kind.nullable)
        case Struct():
            return Struct(tuple(_loose(field) for field in kind.fields))
    return kind


def _read_array(answer: Array, rows: int) -> Schema:
    if answer.ndim == 0:
        raise PackError.of("infer.answer", "the method answers with one value for all rows", found=str(answer.dtype))
    _check_rows(answer.shape[0], rows)
    if answer.ndim == 1:
        return _renamed(single(lambda: from_values(answer), answer, rows, "numpy").schema)
    if answer.dtype.kind in "biuf":
        return _renamed(read_tensor(answer, rows).schema)
    if answer.ndim == 2 and answer.dtype.kind in "US":
        return _read_texts(answer, rows)
    return read_numpy(answer, rows).schema  # objects and times: columns with types of their own


def _read_texts(answer: Array, rows: int) -> Schema:
    """The labels of several outputs: a matrix of fixed-width text."""
    seen = walk(rows)
    for index in range(answer.shape[1]):
        seen.add(f"x{index}", lambda index=index: from_values(answer[:, index]))  # type: ignore[misc]
    return Schema(fields=tuple(seen.fields), layout="matrix")


def _read_named(answer: Mapping[Any, Any], rows: int) -> Schema:
    if not all(isinstance(name, str) for name in answer):
        raise PackError.of("infer.answer", "the names of the answers are no text", found=shown(next(iter(answer))))
    fields = []
    for name, values in answer.items():
        if not isinstance(values, np.ndarray) or values.ndim == 0:
            raise PackError.of(
                "infer.answer", "a named answer is no array", field=name, found=shown(values), expected="a NumPy array"
            )
        fields.append(_array_field(values, rows, name))
    return Schema(fields=tuple(fields), layout="columns")


def _array_field(values: Array, rows: int, name: str) -> Field:
    """One array among several: a column, or a tensor per row."""
    _check_rows(values.shape[0], rows)
    if values.ndim > 1:
        field = read_tensor(values, rows).schema.fields[0]
        return field.replace(name=name)
    seen = walk(rows)
    seen.add(name, lambda: from_values(values))
    seen.finish()
    return seen.fields[0]


def _read_list(answer: Sequence[Any], rows: int) -> Schema:
    """A list of arrays is one answer per output; any other list has one item per row."""
    if answer and all(isinstance(part, np.ndarray) and part.ndim and part.shape[0] == rows for part in answer):
        fields = [_array_field(part, rows, f"{VALUE}{index}") for index, part in enumerate(answer)]
        return Schema(fields=tuple(fields), layout="arrays")
    _check_rows(len(answer), rows)
    if all(isinstance(item, Mapping) for item in answer):
        return _read_records(answer, rows)
    return _renamed(single(lambda: from_objects(answer), answer, rows, "list").schema)


def _read_records(answer: Sequence[Mapping[Any, Any]], rows: int) -> Schema:
    names = list(answer[0])
    if any(list(record) != names and set(record) != set(names) for record in answer):
        raise PackError.of("infer.answer", "the rows of the answer have different names")
    seen = walk(rows)
    for name in names:
        seen.add(str(name), lambda name=name: from_objects([record[name] for record in answer]))  # type: ignore[misc]
    seen.finish()
    return Schema(fields=tuple(seen.fields), layout="records", container="list")
