"""The fields of numpy arrays and sparse matrices: named columns of a matrix, or a tensor per row."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import (
    TENSOR_DTYPES,
    Field,
    Float,
    Integer,
    Observed,
    Order,
    Physical,
    Tensor,
    parse_type,
)
from modelwheel_loader.validate import where_null

from .columns import Array, Note, constant

MATRIX_COLUMNS = 4096
"""Arrays with more columns than this are one tensor, not that many fields."""


def memory_order(values: Any) -> Order | None:
    """How a table or matrix of numbers lies in memory, where it is not as usual for its kind: see `Schema.order`."""
    if isinstance(values, np.ndarray):
        array, usual = values, "C"
    else:
        if len(set(values.dtypes)) != 1 or not isinstance(values.dtypes.iloc[0], np.dtype):
            return None
        array, usual = values.to_numpy(), "F"
    rows, columns = array.strides
    if rows == columns or array.itemsize not in (rows, columns):
        return None
    found: Order = "C" if columns == array.itemsize else "F"
    return None if found == usual else found


def matrix_fields(values: Array) -> tuple[list[Field], list[Note]] | None:
    """The fields of a numeric matrix, all columns at once, in three passes over its memory; None for other dtypes."""
    dtype = str(values.dtype)
    if values.dtype.kind not in "biuf" or dtype not in TENSOR_DTYPES:
        return None
    kind, rows = parse_type(dtype), len(values)
    nulls: Array = np.zeros(values.shape[1], np.int64)
    infinite: Array = np.zeros(values.shape[1], bool)
    finite = values
    if isinstance(kind, Float):
        missing = where_null(values)
        nulls = nulls if missing is None else np.asarray(missing.sum(axis=0))
        infinite = np.asarray(np.isinf(values).any(axis=0))
        if infinite.any():
            finite = np.where(np.isinf(values), np.nan, values)
    low, high = np.fmin.reduce(finite, axis=0).tolist(), np.fmax.reduce(finite, axis=0).tolist()
    fields, notes = [], []
    for index, count in enumerate(nulls.tolist()):
        bounds: Any = (low[index], high[index])
        if not isinstance(kind, Integer | Float) or bounds[0] != bounds[0]:  # NaN: nothing finite
            bounds = (None, None)
        observed = Observed(rows=rows, nulls=count, minimum=bounds[0], maximum=bounds[1])
        field = Field(
            name=f"x{index}",
            type=kind,
            nullable=count > 0,
            allow_infinity=bool(infinite[index]),
            physical=Physical(dtype=dtype, null="nan" if count else None),
            observed=observed,
        )
        fields.append(field)
        if rows > 1 and bounds[0] is not None and bounds[0] == bounds[1] and not (infinite[index] or count):
            notes.append(constant(field.name))
    return fields, notes


def tensor_field(name: str, values: Array) -> Field:
    """An array of more axes, or of too many columns: one tensor per row. Raises `PackError` for what is not numbers."""
    return _field(name, values, Tensor(_dtype(name, values), tuple(values.shape[1:])), values, str(values.dtype))


def sparse_field(name: str, values: Any) -> Field:
    """A sparse matrix of SciPy: one sparse tensor per row. Raises `PackError` for what is not numbers."""
    kind = Tensor(_dtype(name, values), (int(values.shape[1]),), sparse=True)
    return _field(name, values, kind, values.tocsr().data, type(values).__name__)


def _dtype(name: str, values: Any) -> str:
    dtype = str(values.dtype)
    if dtype not in TENSOR_DTYPES:
        message, expected = "the array does not hold numbers", "numbers or Booleans"
        raise PackError.of("infer.column", message, found=dtype, expected=expected, field=name)
    return dtype


def _field(name: str, values: Any, kind: Tensor, numbers: Array, dtype: str) -> Field:
    # null is for whole rows: NaN inside a tensor is a number
    finite = numbers.dtype.kind != "f" or bool(np.isfinite(numbers).all())
    observed = Observed(rows=int(values.shape[0]), nulls=0)
    return Field(name=name, type=kind, allow_infinity=not finite, physical=Physical(dtype=dtype), observed=observed)
