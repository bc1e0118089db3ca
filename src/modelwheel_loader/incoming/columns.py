"""Columns of pandas and Polars as arrays, not copied where their memory is as numpy's. Neither is imported.

`arrow.py` has Arrow's.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..batch import Raw, objects
from .arrow import arrow_column
from .nested import holds_times, polars_nested

_POLARS_PLAIN = frozenset({"Float32", "Float64", "Date", "Duration"})
_POLARS_INTEGERS = frozenset(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))


def _with_none(values: Any, missing: Any) -> Any:
    """Objects in which every kind of null is None; the caller's array is not touched."""
    if missing is None or not missing.any():
        return values
    values = values.copy()
    values[missing] = None
    return values


def pandas_column(values: Any) -> Raw | None:
    """A Series, Index or extension array."""
    if not hasattr(values, "dtype") or not hasattr(values, "to_numpy"):
        return None
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return Raw(values.to_numpy())
    kind = type(dtype).__name__
    if kind == "DatetimeTZDtype":
        return _pandas_instants(values)
    if kind == "CategoricalDtype":
        return _pandas_categories(values)
    if kind == "ArrowDtype" or (kind == "StringDtype" and getattr(dtype, "storage", "") == "pyarrow"):
        array = getattr(values, "array", values)
        return arrow_column(array.__arrow_array__())
    missing: Any = np.asarray(values.isna())
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "biuf":
        filled = values.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0))
        return Raw(filled, missing if missing.any() else None)
    if not missing.any():
        missing = None
    return Raw(_with_none(values.to_numpy(dtype=object), missing))


def _pandas_instants(values: Any) -> Raw:
    times = values.dt if hasattr(values, "dt") else values
    utc = times.tz_convert("UTC")
    naive = (utc.dt if hasattr(utc, "dt") else utc).tz_localize(None)
    return Raw(naive.to_numpy(), utc=True)


def _pandas_categories(values: Any) -> Raw:
    codes = np.asarray(values.cat.codes if hasattr(values, "cat") else values.codes)
    categories = objects(values.dtype.categories.tolist())
    taken = categories[codes] if len(categories) else np.full(len(codes), None, dtype=object)
    return Raw(_with_none(taken, codes == -1))


def polars_column(values: Any) -> Raw:
    """A Polars Series."""
    kind = str(values.dtype.base_type())
    if kind in ("Categorical", "Enum"):
        return Raw(values.cast(sys.modules["polars"].String).to_list())
    if kind == "Datetime":
        return Raw(values.to_numpy(), utc=values.dtype.time_zone is not None)
    if kind in _POLARS_PLAIN:
        return Raw(values.to_numpy())
    if kind == "Boolean" or kind in _POLARS_INTEGERS:
        if not values.null_count():
            return Raw(values.to_numpy())
        filled = values.fill_null(value=False) if kind == "Boolean" else values.fill_null(strategy="zero")
        return Raw(filled.to_numpy(), values.is_null().to_numpy())
    if kind == "Array" and not values.null_count() and not values.explode().null_count():
        return Raw(values.to_numpy())
    return Raw(polars_nested(values, polars_column) if holds_times(values.dtype) else values.to_list())
