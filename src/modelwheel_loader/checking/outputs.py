"""Checks a model's answer against its output schema, cheaply, and gives it as the original did.

Many rows come back in the original's container. One row comes back as people expect it: Python scalars, one-axis
arrays for vectors, and a dict of those where the answers have names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import Defect, OutputError
from ..text import shown
from .answers import (
    Check,
    First,
    answer_dtype,
    cast,
    check_names,
    check_types,
    compile_array,
    is_sparse,
    python_types,
    refuse,
    several,
    trailing_shape,
)

if TYPE_CHECKING:
    from ..contract.schema import Field, Schema

Answer = Callable[[Any, int, bool], Any]


def compile_output(schema: Schema) -> Answer:
    """A function of (what the model answered, how many rows were asked, whether the caller passed one bare row).

    It returns the checked answer, or raises `OutputError` with every defect. Answers of a graph are converted to what
    the original gives: float32 to float64, text to the original's text dtype, (n, 1) to (n,).
    """
    return _COMPILERS[schema.layout](schema)


def empty_output(schema: Schema) -> Any:
    """The answer for no rows, in the original's container."""
    from .output_tables import build_frame, csr, width, wrap_series

    arrays = [np.zeros((0, *(axis or 0 for axis in trailing_shape(f))), answer_dtype(f)) for f in schema.fields]
    match schema.layout:
        case "array" if is_sparse(schema.fields[0]):
            return csr(np.zeros((0, width(schema.fields[0]))), schema.fields[0])
        case "array" if schema.container == "list":
            return []
        case "array":
            return wrap_series(arrays[0], schema)
        case "arrays":
            return arrays
        case "columns":
            return dict(zip(schema.names, arrays, strict=True))
        case "records":
            return []
        case "matrix":
            return np.zeros((0, len(arrays)), _matrix_dtype(schema))
    return build_frame(arrays, schema)


def _compile_one(schema: Schema) -> Answer:
    """Layout `array`."""
    (field,) = schema.fields
    check: Check
    first: First
    if is_sparse(field):
        from .output_tables import compile_sparse

        check, first = compile_sparse(field)
    elif schema.container == "list":
        check, first = _compile_list(field)
    elif schema.container == "numpy":
        check, first = compile_array(field)
    else:
        from .output_tables import compile_series

        check, first = compile_series(schema)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001 - called once per prediction, by position
        value = check(raw, rows)
        return first(value) if single else value

    return answer


def _compile_many(schema: Schema) -> tuple[Callable[[list[Any], int], list[Any]], list[First]]:
    """The checks of several arrays, which collect all defects; and the way to the first row of each."""
    pairs = [compile_array(field) for field in schema.fields]
    checks = [check for check, _ in pairs]

    def check_all(values: list[Any], rows: int) -> list[Any]:
        try:
            return [check(value, rows) for check, value in zip(checks, values, strict=True)]
        except OutputError:
            defects: list[Defect] = []
            for check, value in zip(checks, values, strict=True):
                try:
                    check(value, rows)
                except OutputError as error:
                    defects += error.defects
            raise several(defects) from None

    return check_all, [first for _, first in pairs]


def _compile_arrays(schema: Schema) -> Answer:
    check_all, firsts = _compile_many(schema)
    wanted = len(schema.fields)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        values = [raw] if isinstance(raw, np.ndarray) and wanted == 1 else raw
        if not isinstance(values, list | tuple) or len(values) != wanted:
            refuse(
                "output.type", "the answer has another number of parts", expected=f"{wanted} arrays", found=shown(raw)
            )
        checked = check_all(list(values), rows)
        return [first(value) for first, value in zip(firsts, checked, strict=True)] if single else checked

    return answer


def _compile_columns(schema: Schema) -> Answer:
    check_all, firsts = _compile_many(schema)
    names = schema.names

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        if isinstance(raw, list | np.ndarray):  # a graph's answers have the schema's order
            raw = dict(zip(names, [raw] if isinstance(raw, np.ndarray) else raw, strict=False))
        check_names(raw, names)
        checked = check_all([raw[name] for name in names], rows)
        if single:
            return {name: first(value) for name, first, value in zip(names, firsts, checked, strict=True)}
        return dict(zip(names, checked, strict=True))

    return answer


def _compile_records(schema: Schema) -> Answer:
    names = schema.names

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        if not isinstance(raw, list | tuple):
            refuse("output.type", "the answer is no list", expected="a list of dicts", found=shown(raw))
        if len(raw) != rows:
            refuse("output.rows", "the answer has another number of rows", expected=f"{rows}", found=f"{len(raw)}")
        for record in raw:
            check_names(record, names)
        for field in schema.fields:
            _check_items([record[field.name] for record in raw], field)
        return raw[0] if single else raw

    return answer


def _check_items(values: list[Any], field: Field) -> None:
    wanted = python_types(field)
    if wanted is not None:
        check_types(set(map(type, values)), wanted, field)


def _compile_list(field: Field) -> tuple[Check, First]:
    def check(raw: Any, rows: int) -> Any:
        values = raw.tolist() if isinstance(raw, np.ndarray) and raw.ndim == 1 else raw
        if not isinstance(values, list | tuple):
            refuse("output.type", "the answer is no list", field, expected="a list", found=shown(raw))
        if len(values) != rows:
            refuse(
                "output.rows",
                "the answer has another number of rows",
                field,
                expected=f"{rows}",
                found=f"{len(values)}",
            )
        _check_items(list(values), field)
        return values

    return check, _first_item


def _first_item(values: Any) -> Any:
    return values[0]


def _matrix_dtype(schema: Schema) -> np.dtype[Any]:
    """The dtype of a matrix; of one without a dtype of its own, that which holds the values of all its fields."""
    if schema.dtype is not None or not schema.fields:
        return np.dtype(schema.dtype or "float64")
    kinds = {answer_dtype(field) for field in schema.fields}
    return kinds.pop() if len(kinds) == 1 else np.dtype(object)


def _compile_matrix(schema: Schema) -> Answer:
    """A 2-D array whose columns have names and, when it holds objects, types of their own."""
    wanted = len(schema.fields)
    dtype = _matrix_dtype(schema)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        if not isinstance(raw, np.ndarray):
            refuse("output.type", "the answer is no numpy array", expected="an array", found=shown(raw))
        if raw.shape != (rows, wanted):
            code = "output.rows" if raw.ndim == 0 or raw.shape[0] != rows else "output.shape"
            refuse(code, "the answer has another shape", expected=str((rows, wanted)), found=str(raw.shape))
        if raw.dtype.kind != dtype.kind:
            raw = cast(raw, dtype, schema.fields[0])
        return raw[0] if single else raw

    return answer


def _compile_frame(schema: Schema) -> Answer:
    from .output_tables import compile_frame

    check, first = compile_frame(schema)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        value = check(raw, rows)
        return first(value) if single else value

    return answer


_COMPILERS: dict[str, Callable[[Schema], Answer]] = {
    "array": _compile_one,
    "arrays": _compile_arrays,
    "columns": _compile_columns,
    "records": _compile_records,
    "matrix": _compile_matrix,
    "frame": _compile_frame,
}
