"""Answers that are tables, columns of tables, or sparse matrices: checked, and built from what a graph gives.

No library is imported but the one whose objects the original answers with, and only to build one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Defect, MissingExtra
from ..text import clip, shown
from .answers import (
    Check,
    First,
    answer_dtype,
    check_names,
    compile_array,
    family,
    first_scalar,
    refuse,
    several,
    trailing_shape,
)

if TYPE_CHECKING:
    from ..contract.schema import Field, Schema

_FORMS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
SPARSE_KINDS = tuple(f"{form}_{kind}" for form in _FORMS for kind in ("matrix", "array"))
"""The classes of `scipy.sparse` that an answer may be of, by name."""


def compile_frame(schema: Schema) -> tuple[Check, First]:
    """For an answer that is a table."""
    families = [family(field.physical.dtype) if field.physical else None for field in schema.fields]

    def check(raw: Any, rows: int) -> Any:
        if isinstance(raw, list | np.ndarray):
            raw = build_frame(_columns_of(raw, schema), schema)
        _check_frame(raw, rows, schema, families)
        return raw

    return check, lambda value: _first_record(value, schema)


def _columns_of(raw: Any, schema: Schema) -> list[Any]:
    """The columns in a graph's answer, which is one matrix or one array per column."""
    columns = list(np.atleast_2d(raw).T) if isinstance(raw, np.ndarray) else raw
    if len(columns) != len(schema.fields):
        refuse(
            "output.shape", "the answer has another shape", expected=f"{len(schema.fields)} columns", found=shown(raw)
        )
    checks = [compile_array(field)[0] for field in schema.fields]
    return [check(np.ascontiguousarray(column), len(column)) for check, column in zip(checks, columns, strict=True)]


def _check_frame(raw: Any, rows: int, schema: Schema, families: list[str | None]) -> None:
    if type(raw).__module__.partition(".")[0] != schema.container:
        refuse("output.type", "the answer is no table", expected=f"a {schema.container} table", found=shown(raw))
    check_names(dict.fromkeys(map(str, _labels(raw))), schema.names)
    if len(raw) != rows:
        refuse("output.rows", "the answer has another number of rows", expected=f"{rows}", found=f"{len(raw)}")
    defects = []
    for field, wanted, found in zip(schema.fields, families, _dtypes(raw), strict=True):
        if wanted is not None and family(found) != wanted:
            message = "the answer is of another type"
            details = Defect(code="output.dtype", message=message, field=field.name, expected=wanted, found=clip(found))
            defects.append(details)
    if defects:
        raise several(defects)


def _labels(frame: Any) -> list[Any]:
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def _dtypes(frame: Any) -> list[Any]:
    return list(frame.schema.types if hasattr(frame, "column_names") else frame.dtypes)


def _first_record(frame: Any, schema: Schema) -> dict[str, Any]:
    if schema.container == "pandas":
        cells = [first_scalar(frame.iloc[:, index].array) for index in range(len(schema.fields))]
        return dict(zip(schema.names, cells, strict=True))
    record = frame.to_pylist()[0] if schema.container == "pyarrow" else frame.row(0, named=True)
    return dict(record)


def build_frame(columns: list[Any], schema: Schema) -> Any:
    """A table of `schema.container` with these columns, for an answer that a graph gave."""
    library = _library(schema)
    labels = [_label(field) for field in schema.fields]
    named = dict(zip(labels, columns, strict=True))
    return library.table(named) if schema.container == "pyarrow" else library.DataFrame(named)


def _label(field: Field) -> str | int:
    return field.name if field.physical is None or field.physical.label is None else field.physical.label


def _library(schema: Schema) -> Any:
    """The library whose tables the original answers: a fixed name from the schema's list, never one from a file."""
    name = schema.container
    if name not in ("pandas", "polars", "pyarrow"):
        refuse("output.type", f"the output schema wants a table of {name}, which has none")
    try:
        return import_module(name)
    except ImportError:
        message = f"the model answers with a {name} table, and {name} is missing"
        raise MissingExtra.of("output.library", message) from None


def compile_series(schema: Schema) -> tuple[Check, First]:
    """For an answer that is one column of a library of tables."""
    (field,) = schema.fields
    wanted = family(field.physical.dtype) if field.physical else None

    def check(raw: Any, rows: int) -> Any:
        if isinstance(raw, np.ndarray):
            raw = wrap_series(compile_array(field)[0](raw, rows), schema)
        if type(raw).__module__.partition(".")[0] != schema.container:
            refuse("output.type", "the answer is no column", field, expected=f"of {schema.container}", found=shown(raw))
        if len(raw) != rows:
            refuse(
                "output.rows", "the answer has another number of rows", field, expected=f"{rows}", found=f"{len(raw)}"
            )
        found = raw.type if schema.container == "pyarrow" else raw.dtype
        if wanted is not None and family(found) != wanted:
            refuse("output.dtype", "the answer is of another type", field, expected=wanted, found=clip(found))
        return raw

    def first(value: Any) -> Any:
        if schema.container == "pyarrow":
            return value[0].as_py()
        return first_scalar(value.array if schema.container == "pandas" else value)

    return check, first


def wrap_series(values: Any, schema: Schema) -> Any:
    """An array as the column that the original gives."""
    (field,) = schema.fields
    if schema.container in ("numpy", "list"):
        return values
    library = _library(schema)
    if schema.container == "pyarrow":
        return library.array(values)
    return (
        library.Series(values, name=field.name) if schema.container == "pandas" else library.Series(field.name, values)
    )


def width(field: Field) -> int:
    """The number of columns of a sparse answer."""
    return trailing_shape(field)[0] or 0


def compile_sparse(field: Field) -> tuple[Check, First]:
    """Rows of a sparse matrix; one row stays a matrix of one row, for as a vector it may be enormous."""
    dtype, (columns,) = answer_dtype(field), trailing_shape(field)

    def check(raw: Any, rows: int) -> Any:
        graph = isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.dtype.kind in "biuf"
        value = csr(raw, field) if graph else raw
        if not (hasattr(value, "tocsr") and hasattr(value, "shape")):
            refuse("output.type", "the answer is no sparse matrix", field, expected="a sparse matrix", found=shown(raw))
        if value.shape[0] != rows:
            refuse(
                "output.rows",
                "the answer has another number of rows",
                field,
                expected=f"{rows}",
                found=str(value.shape),
            )
        if columns is not None and value.shape[1] != columns:
            refuse(
                "output.shape",
                "the answer has another shape",
                field,
                expected=f"{columns} columns",
                found=str(value.shape),
            )
        if value.dtype != dtype and value.dtype.kind != dtype.kind:
            refuse("output.dtype", "the answer is of another type", field, expected=str(dtype), found=str(value.dtype))
        return value if value.dtype == dtype else value.astype(dtype)

    return check, lambda value: value


def csr(dense: Any, field: Field) -> Any:
    """A dense answer as the sparse matrix that the original gives."""
    try:
        sparse: Any = import_module("scipy.sparse")
    except ImportError:
        raise MissingExtra.of(
            "output.library", "the model answers with a sparse matrix, and scipy is missing"
        ) from None
    kind = field.physical.dtype if field.physical else "csr_matrix"
    make = getattr(sparse, kind if kind in SPARSE_KINDS else "csr_matrix")
    return make(np.asarray(dense, dtype=answer_dtype(field)))
