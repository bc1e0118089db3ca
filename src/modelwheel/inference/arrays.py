"""What numpy arrays and sparse matrices show: a column, a matrix with named columns, or a tensor per row."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Field, Observed, Order, Physical, Schema
from modelwheel_loader.opening.types import TENSOR_DTYPES, Bool, Float, Integer, Tensor

from .columns import Array, Note, from_array
from .objects import from_values
from .walk import Inferred, object_array, single, walk

MATRIX_COLUMNS = 4096
"""Arrays with more columns than this are one tensor, not that many fields."""


def read_numpy(sample: Array, rows: int) -> Inferred:
    """A numpy array of one, two or more axes; the first counts the rows."""
    if sample.dtype.names is not None:
        hint = "Pass a dict of arrays: {name: sample[name] for name in sample.dtype.names}."
        raise PackError.of("infer.column", "a structured array has no layout in the contract", hint=hint)
    if sample.ndim == 1:
        inferred = single(lambda: from_values(sample), sample, rows, "numpy")
        made = inferred.sample
        return inferred if made is sample else dataclasses.replace(inferred, sample=object_array(made))
    if sample.ndim == 2 and 0 < sample.shape[1] <= MATRIX_COLUMNS:
        return _read_matrix(sample, rows)
    return read_tensor(sample, rows)


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


def _read_matrix(sample: Array, rows: int) -> Inferred:
    seen = walk(rows)
    order = memory_order(sample) if min(sample.shape) > 1 else None
    if sample.dtype.kind in "US":
        sample = sample.astype(object)  # texts of any length are objects
        seen.notes.append(Note(code="converted", message="an array of fixed-width text: taken as one of objects"))
    replaced: dict[int, Any] = {}
    if sample.dtype.kind in "biuf" and str(sample.dtype) in TENSOR_DTYPES:
        seen.fields, seen.notes = _numeric_fields(sample, rows)
    else:
        for index in range(sample.shape[1]):
            made = seen.add(f"x{index}", lambda index=index: from_values(sample[:, index]))  # type: ignore[misc]
            if made is not None:
                replaced[index] = made
    seen.finish()
    if replaced:
        sample = sample.copy()
        for index, values in replaced.items():
            sample[:, index] = object_array(values)
    dtype = str(sample.dtype) if str(sample.dtype) in (*TENSOR_DTYPES, "object") else None
    schema = Schema(fields=tuple(seen.fields), layout="matrix", dtype=dtype, order=order)
    return Inferred(schema=schema, notes=tuple(seen.notes), sample=sample, rows=rows)


def _numeric_fields(sample: Array, rows: int) -> tuple[list[Field], list[Note]]:
    """The fields of a numeric matrix, all columns at once: in three passes over its memory."""
    dtype = str(sample.dtype)
    kind = Bool() if dtype == "bool" else from_array(sample[:1, 0]).type
    nulls: Array = np.zeros(sample.shape[1], np.int64)
    infinite: Array = np.zeros(sample.shape[1], bool)
    finite = sample
    if isinstance(kind, Float):
        nulls = np.asarray(np.isnan(sample).sum(axis=0))
        infinite = np.asarray(np.isinf(sample).any(axis=0))
        if infinite.any():
            finite = np.where(np.isinf(sample), np.nan, sample)
    low, high = np.fmin.reduce(finite, axis=0).tolist(), np.fmax.reduce(finite, axis=0).tolist()
    fields, notes = [], []
    for index, missing in enumerate(nulls.tolist()):
        bounds: Any = (low[index], high[index])
        if not isinstance(kind, Integer | Float) or bounds[0] != bounds[0]:  # NaN: nothing finite
            bounds = (None, None)
        observed = Observed(rows=rows, nulls=missing, minimum=bounds[0], maximum=bounds[1])
        field = Field(
            name=f"x{index}",
            type=kind,
            nullable=missing > 0,
            allow_infinity=bool(infinite[index]),
            physical=Physical(dtype=dtype, null="nan" if missing else None),
            observed=observed,
        )
        fields.append(field)
        if rows > 1 and bounds[0] is not None and bounds[0] == bounds[1] and not (infinite[index] or missing):
            message = "has one value in the whole sample"
            notes.append(Note(code="constant", message=message, field=field.name))
    return fields, notes


def read_tensor(sample: Array, rows: int) -> Inferred:
    """An array of more axes, or of too many columns: one tensor per row."""
    dtype = str(sample.dtype)
    if dtype not in TENSOR_DTYPES:
        expected = "numbers or Booleans"
        raise PackError.of("infer.column", "the array holds no numbers", found=dtype, expected=expected, field="x")
    field = Field(
        name="x",
        type=Tensor(dtype, tuple(sample.shape[1:])),
        allow_infinity=not _finite(sample),
        physical=Physical(dtype=dtype),
        observed=Observed(rows=rows, nulls=0),
    )
    return Inferred(schema=Schema(fields=(field,), layout="array"), notes=(), sample=sample, rows=rows)


def read_sparse(sample: Any, rows: int) -> Inferred:
    """A sparse matrix of SciPy: one sparse tensor per row."""
    if str(sample.dtype) not in TENSOR_DTYPES:
        raise PackError.of("infer.column", "the sparse matrix holds no numbers", found=str(sample.dtype))
    field = Field(
        name="x",
        type=Tensor(str(sample.dtype), (int(sample.shape[1]),), sparse=True),
        allow_infinity=not _finite(sample.tocsr().data),
        physical=Physical(dtype=type(sample).__name__),
        observed=Observed(rows=rows, nulls=0),
    )
    return Inferred(schema=Schema(fields=(field,), layout="array"), notes=(), sample=sample, rows=rows)


def _finite(values: Array) -> bool:
    """Whether a tensor holds neither NaN nor infinity. Null is for whole rows: NaN inside one is a number."""
    return values.dtype.kind != "f" or bool(np.isfinite(values).all())
