"""DataFrames and Series as the model saw them: pandas here, Polars and Arrow in `tables.py`."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from ..batch import Batch, Column
from ..contract.schema import Field, Schema
from ..contract.types import (
    Category,
    DataType,
    Float,
    Integer,
    Tensor,
    Timestamp,
)
from .physical import compile_numpy, compile_objects, filled, library, own_rows, physical_of
from .python_times import zone_of
from .tables import arrow_array, arrow_table, polars_frame, polars_series

Bind = Callable[[Batch], Any]
Make = Callable[[Column], Any]
_MASKED = ("Int", "UInt", "Float", "boolean")


def compile_frame(schema: Schema) -> Bind:
    """The function that makes the DataFrame that the model saw."""
    if schema.container == "polars":
        return polars_frame(schema)
    if schema.container == "pyarrow":
        return arrow_table(schema)
    return _pandas_frame(schema)


def compile_series(schema: Schema) -> Bind:
    """The function that makes the Series or Arrow array that the model saw."""
    field = schema.fields[0]
    name = field.name
    if schema.container == "polars":
        polars = library("polars")
        make = polars_series(field, polars)
        return lambda batch: make(batch.column(name))
    if schema.container == "pyarrow":
        pyarrow = library("pyarrow")
        make = arrow_array(field, pyarrow)
        return lambda batch: pyarrow.chunked_array([make(batch.column(name))])
    pandas = library("pandas")
    make = _pandas_column(field, pandas)
    return lambda batch: pandas.Series(make(batch.column(name)), name=name, copy=False)


# -- pandas -----------------------------------------------------------------------------------------------------


def _pandas_frame(schema: Schema) -> Bind:
    pandas = library("pandas")
    labels = [
        name if (label := physical_of(field).label) is None else label
        for name, field in zip(schema.names, schema.fields, strict=True)
    ]
    index = pandas.Index(labels)
    names = schema.names
    makes = [(name, _pandas_column(field, pandas)) for name, field in zip(names, schema.fields, strict=True)]
    dtype, order = _one_dtype(schema), schema.memory_order
    if dtype is not None:
        return lambda batch: pandas.DataFrame(
            batch.matrix(names, dtype, own=True, order=order), columns=index, copy=False
        )

    def bind(batch: Batch) -> Any:
        frame = pandas.DataFrame(
            {number: make(batch.column(name)) for number, (name, make) in enumerate(makes)}, copy=False
        )
        frame.columns = index
        return frame

    return bind


def _one_dtype(schema: Schema) -> str | None:
    """The dtype in which all columns lie in one block of memory; None where each has its own."""
    dtypes = {physical_of(field).dtype for field in schema.fields}
    dtype = dtypes.pop() if len(dtypes) == 1 else ""
    if dtype == "float64":
        return dtype
    numbers = all(isinstance(field.type, Integer | Float) for field in schema.fields)
    whole = dtype.startswith(("int", "uint")) and not any(field.nullable for field in schema.fields)
    return dtype if schema.order == "C" and numbers and (dtype in ("float16", "float32") or whole) else None


def _pandas_column(field: Field, pandas: Any) -> Make:
    """A function from a column to the array that a Series of the sample's dtype holds."""
    seen = physical_of(field)
    kind = field.type
    if isinstance(kind, Tensor):
        return own_rows(field, cells=True)
    if seen.dtype == "category" and isinstance(kind, Category):
        return _pandas_categories(kind, pandas)
    if isinstance(kind, Timestamp) and kind.zone and seen.dtype.startswith("datetime64["):
        return _zoned(seen.dtype, pandas)
    if seen.dtype.startswith(_MASKED) and not seen.dtype.endswith("]"):
        return _masked(seen.dtype, field.type, pandas)
    if seen.dtype in ("str", "string") or seen.dtype.startswith("string["):
        dtype, null = seen.dtype, pandas.NA if seen.null == "na" or seen.dtype != "str" else np.nan
        return lambda column: pandas.array(filled(column, null), dtype=dtype)
    if seen.dtype.endswith("[pyarrow]"):
        as_objects = compile_objects(field)
        return lambda column: pandas.array(filled(Column(as_objects(column), column.missing), None), dtype=seen.dtype)
    make = compile_numpy(field)
    if seen.dtype == "object":  # without a dtype, pandas takes objects that are all text for its own text type
        return lambda column: pandas.Series(make(column), dtype=object, copy=False)
    return make


def compile_instants(dtype: str) -> Make:
    """UTC instants as datetime64 of the unit in the name of a pandas dtype, `datetime64[ns, UTC]`."""
    unit = dtype.partition("[")[2].partition(",")[0]
    return lambda column: _with_nat(column).astype(f"datetime64[{unit}]")


def _with_nat(column: Column) -> Any:
    if column.missing is None:
        return column.values
    values = column.values.copy()
    values[column.missing] = np.datetime64("NaT")
    return values


def _zoned(dtype: str, pandas: Any) -> Make:
    instants = compile_instants(dtype)
    name = dtype.partition(", ")[2].rstrip("]")
    zone_of(name)  # raises where pandas would
    return lambda column: pandas.DatetimeIndex(instants(column)).tz_localize("UTC").tz_convert(name).array


def _masked(dtype: str, kind: DataType, pandas: Any) -> Make:
    name = "BooleanArray" if dtype == "boolean" else "FloatingArray" if dtype.startswith("F") else "IntegerArray"
    array = getattr(pandas.arrays, name)
    canonical = kind.canonical

    def make(column: Column) -> Any:
        missing = column.missing if column.missing is not None else np.zeros(len(column.values), dtype=bool)
        values = column.values.astype(canonical, copy=False)
        return array(filled(Column(values, column.missing), 1), missing.copy())

    return make


def _pandas_categories(kind: Category, pandas: Any) -> Make:
    dtype = pandas.CategoricalDtype(list(kind.values), ordered=kind.ordered)
    codes = {value: code for code, value in enumerate(kind.values)}

    def make(column: Column) -> Any:
        items = map(codes.get, column.values.tolist(), repeat(-1))
        found = np.fromiter(items, dtype=np.int64, count=len(column.values))
        if column.missing is not None:
            found[column.missing] = -1
        return pandas.Categorical.from_codes(found, dtype=dtype)

    return make
