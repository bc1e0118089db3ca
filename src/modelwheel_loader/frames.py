"""Takes apart what callers pass: DataFrames of any library, Arrow, dicts, lists, arrays. Imports none of the libraries.

A library is recognised by the module of the object's type; one that the caller has not imported cannot be met here.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from .columns import Raw, objects
from .errors import InputError
from .text import shown


def library_of(value: object) -> str:
    """The top-level module of the value's type: `pandas`, `polars`, `pyarrow`, `numpy`, `scipy`, `builtins`, …"""
    return type(value).__module__.partition(".")[0]


def is_sparse(value: object) -> bool:
    """Whether the value is a SciPy sparse matrix or array."""
    return library_of(value) == "scipy" and hasattr(value, "tocsr")


def is_table(value: object) -> bool:
    """Whether the value is a DataFrame or a table that can be taken apart by `table_columns`."""
    if library_of(value) in ("pandas", "polars", "pyarrow"):
        return hasattr(value, "columns") and not hasattr(value, "cat")
    return not isinstance(value, np.ndarray) and (hasattr(value, "__arrow_c_stream__") or hasattr(value, "__dataframe__"))


def table_columns(table: Any) -> dict[Any, Any]:
    """The columns of a table by their labels, untouched; raises `InputError` when two have the same label."""
    library = library_of(table)
    if library == "pandas":
        labels = list(table.columns)
        columns = [table.iloc[:, index] for index in range(len(labels))]
    elif library == "polars":
        if hasattr(table, "collect"):
            message = "a LazyFrame has no data yet"
            raise InputError.of("input.container", message, found=shown(table), hint="call .collect() first")
        labels, columns = table.columns, table.get_columns()
    elif library == "pyarrow":
        labels, columns = table.schema.names, table.columns
    else:
        return table_columns(_through_arrow(table))
    if len(set(map(str, labels))) != len(labels):
        twice = sorted({str(label) for label in labels if list(map(str, labels)).count(str(label)) > 1})
        raise InputError.of("input.duplicate-field", "two columns have the same name", found=shown(twice[0]))
    return dict(zip(labels, columns, strict=True))


def _through_arrow(table: Any) -> Any:
    """Another library's table by the Arrow PyCapsule interface, with whichever reader the caller has imported."""
    if hasattr(table, "__arrow_c_stream__"):
        if (pyarrow := sys.modules.get("pyarrow")) is not None:
            return pyarrow.table(table)
        if (polars := sys.modules.get("polars")) is not None:
            return polars.from_arrow(table)
    hint = "import pyarrow before, or pass pandas, polars, Arrow, a dict of arrays or a list of dicts"
    raise InputError.of("input.container", "this table cannot be read without pyarrow", found=shown(table), hint=hint)


def raw(values: Any) -> Raw | None:
    """A column of any library as a list or array; None when it is no column at all."""
    if isinstance(values, np.ndarray):
        return Raw(values) if values.ndim else None
    if isinstance(values, list):
        return Raw(values)
    if isinstance(values, tuple | range):
        return Raw(list(values))
    library = library_of(values)
    if library == "pandas":
        return _pandas(values)
    if library == "polars" and hasattr(values, "to_numpy"):
        return _polars(values)
    if library == "pyarrow" and hasattr(values, "null_count"):
        return _arrow(values)
    if is_sparse(values):
        return Raw(values)
    if hasattr(values, "__array__") and not isinstance(values, Mapping | str | bytes | np.generic):
        array = np.asarray(values)
        return Raw(array) if array.ndim else None
    return None


def _with_none(values: Any, missing: Any) -> Any:
    """Objects in which every kind of null is None; the caller's array is not touched."""
    if not missing.any():
        return values
    values = values.copy()
    values[missing] = None
    return values


def _pandas(values: Any) -> Raw | None:
    """A Series, Index or extension array."""
    if not hasattr(values, "dtype") or not hasattr(values, "to_numpy"):
        return None
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        plain = values.to_numpy()
        if dtype != object:
            return Raw(plain)
        return Raw(_with_none(plain, np.asarray(values.isna())))
    kind = type(dtype).__name__
    if kind == "DatetimeTZDtype":
        naive = values.dt.tz_convert("UTC").dt.tz_localize(None) if hasattr(values, "dt") else values.tz_convert("UTC").tz_localize(None)
        return Raw(naive.to_numpy(), utc=True)
    if kind == "CategoricalDtype":
        codes = np.asarray(values.cat.codes if hasattr(values, "cat") else values.codes)
        categories = objects(dtype.categories.tolist())
        taken = categories[codes] if len(categories) else np.full(len(codes), None, dtype=object)
        return Raw(_with_none(taken, codes == -1))
    if kind == "ArrowDtype":
        return _arrow(values.array.__arrow_array__())
    missing = np.asarray(values.isna())
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "biuf":
        filled = values.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0))
        return Raw(filled, missing if missing.any() else None)
    return Raw(_with_none(values.to_numpy(dtype=object), missing))


def _polars(values: Any) -> Raw:
    kind = str(values.dtype.base_type()) if hasattr(values.dtype, "base_type") else str(values.dtype)
    if kind in ("Categorical", "Enum"):
        values = values.cast(sys.modules["polars"].String)
        kind = "String"
    if kind in ("Decimal", "List", "Struct", "Binary", "Object", "Time", "Null"):
        return Raw(values.to_list())
    if kind == "Datetime":
        return Raw(values.to_numpy(), utc=values.dtype.time_zone is not None)
    if values.null_count() and kind not in ("String", "Float32", "Float64", "Date", "Duration"):
        return Raw(values.fill_null(strategy="zero").to_numpy() if kind != "Boolean" else values.fill_null(value=False).to_numpy(), values.is_null().to_numpy())
    return Raw(objects(values.to_list()) if kind == "String" else values.to_numpy())


def _arrow(values: Any) -> Raw:
    pyarrow: Any = sys.modules["pyarrow"]
    types = pyarrow.types
    kind = values.type
    if types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = kind.value_type
    if isinstance(values, pyarrow.ChunkedArray):
        values = values.combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    if isinstance(values, pyarrow.ChunkedArray):  # no chunks at all
        values = pyarrow.array([], type=kind)
    if types.is_boolean(kind) or types.is_integer(kind):
        if not values.null_count:
            return Raw(values.to_numpy(zero_copy_only=False))
        zero: Any = False if types.is_boolean(kind) else 0
        filled = values.fill_null(zero)
        missing = values.is_null().to_numpy(zero_copy_only=False)
        return Raw(filled.to_numpy(zero_copy_only=False), missing)
    if types.is_floating(kind) or types.is_date32(kind) or types.is_duration(kind):
        return Raw(values.to_numpy(zero_copy_only=False))
    if types.is_timestamp(kind):
        return Raw(values.to_numpy(zero_copy_only=False), utc=kind.tz is not None)
    if types.is_string(kind) or types.is_large_string(kind):
        return Raw(values.to_numpy(zero_copy_only=False))
    return Raw(values.to_pylist())


def is_sequence(value: object) -> bool:
    """Whether a value in a mapping is a column rather than a scalar."""
    if isinstance(value, str | bytes | bytearray | Mapping | np.generic) or value is None:
        return False
    if isinstance(value, list | tuple | range):
        return True
    return (getattr(value, "ndim", 0) or 0) > 0 or hasattr(value, "__arrow_c_array__") or library_of(value) == "polars"


def depth(value: object) -> int:
    """How deep lists and arrays are nested, by their first elements."""
    found = 0
    while is_sequence(value):
        if isinstance(value, np.ndarray) and value.dtype != object:
            return found + value.ndim
        found += 1
        items: Any = value
        value = next(iter(items), None)
    return found
