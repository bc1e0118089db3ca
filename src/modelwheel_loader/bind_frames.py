"""DataFrames and Series as the model saw them, in pandas, Polars or Arrow, imported when a model needs them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from .batch import Batch, Column
from .errors import MissingExtra
from .physical import compile_numpy, compile_objects, null_of, physical_of
from .schema import Field, Schema
from .types import (
    Bool,
    Category,
    DataType,
    Date,
    Decimal,
    Duration,
    Float,
    Integer,
    List,
    String,
    Struct,
    Tensor,
    Timestamp,
)

Bind = Callable[[Batch], Any]
Make = Callable[[Column], Any]
_MASKED = ("Int", "UInt", "Float", "boolean")


def library(name: str) -> Any:
    """The library `name`; raises `MissingExtra` when it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"the model is fed {name} data, and {name} is not installed"
        raise MissingExtra.of("native.module", message) from error


def compile_frame(schema: Schema) -> Bind:
    """The function that makes the DataFrame that the model saw."""
    if schema.container == "polars":
        return _polars_frame(schema)
    if schema.container == "pyarrow":
        return _arrow_table(schema)
    return _pandas_frame(schema)


def compile_series(schema: Schema) -> Bind:
    """The function that makes the Series or Arrow array that the model saw."""
    field = schema.fields[0]
    name = field.name
    if schema.container == "polars":
        polars = library("polars")
        make = _polars_series(field, polars)
        return lambda batch: make(batch.column(name))
    if schema.container == "pyarrow":
        pyarrow = library("pyarrow")
        make = _arrow_array(field, pyarrow)
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
    if all(physical_of(field).dtype == "float64" for field in schema.fields):
        return lambda batch: pandas.DataFrame(
            batch.matrix(names, "float64", own=True, order="F"), columns=index, copy=False
        )

    def bind(batch: Batch) -> Any:
        frame = pandas.DataFrame(
            {number: make(batch.column(name)) for number, (name, make) in enumerate(makes)}, copy=False
        )
        frame.columns = index
        return frame

    return bind


def _pandas_column(field: Field, pandas: Any) -> Make:
    """A function from a column to the array that a Series of the sample's dtype holds."""
    seen = physical_of(field)
    kind = field.type
    if seen.dtype == "category" and isinstance(kind, Category):
        return _pandas_categories(kind, pandas)
    if isinstance(kind, Timestamp) and kind.zone and seen.dtype.startswith("datetime64["):
        return _zoned(compile_instants(seen.dtype), seen.dtype, pandas)
    if seen.dtype.startswith(_MASKED) and not seen.dtype.endswith("]"):
        return _masked(seen.dtype, field.type, pandas)
    if seen.dtype in ("str", "string") or seen.dtype.startswith("string["):
        dtype, null = seen.dtype, pandas.NA if seen.null == "na" or seen.dtype != "str" else np.nan
        return lambda column: pandas.array(_filled(column, null), dtype=dtype)
    if seen.dtype.endswith("[pyarrow]"):
        as_objects = compile_objects(field)
        return lambda column: pandas.array(_filled(Column(as_objects(column), column.missing), None), dtype=seen.dtype)
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


def _zoned(instants: Make, dtype: str, pandas: Any) -> Make:
    zone = dtype.partition(", ")[2].rstrip("]")
    return lambda column: pandas.DatetimeIndex(instants(column)).tz_localize("UTC").tz_convert(zone).array


def _filled(column: Column, null: Any) -> Any:
    if column.missing is None:
        return column.values
    values = column.values.copy()
    values[column.missing] = null
    return values


def _masked(dtype: str, kind: DataType, pandas: Any) -> Make:
    name = "BooleanArray" if dtype == "boolean" else "FloatingArray" if dtype.startswith("F") else "IntegerArray"
    array = getattr(pandas.arrays, name)
    canonical = kind.canonical

    def make(column: Column) -> Any:
        missing = column.missing if column.missing is not None else np.zeros(len(column.values), dtype=bool)
        values = column.values.astype(canonical, copy=False)
        return array(_filled(Column(values, column.missing), 1), missing.copy())

    return make


def _pandas_categories(kind: Category, pandas: Any) -> Make:
    dtype = pandas.CategoricalDtype(list(kind.values), ordered=kind.ordered)
    codes = {value: code for code, value in enumerate(kind.values)}

    def make(column: Column) -> Any:
        found = np.fromiter(
            (codes.get(value, -1) for value in column.values.tolist()), dtype=np.int64, count=len(column.values)
        )
        if column.missing is not None:
            found[column.missing] = -1
        return pandas.Categorical.from_codes(found, dtype=dtype)

    return make


# -- Polars and Arrow: null is null ---------------------------------------------------------------------------------


def _values(field: Field) -> Callable[[Column], list[Any]]:
    """Python values with None for null, or NaN where the sample had that."""
    as_objects = compile_objects(field)
    null = np.nan if physical_of(field).null == "nan" else None

    def values(column: Column) -> list[Any]:
        found = (
            as_objects(Column(column.values)).tolist() if not isinstance(field.type, Tensor) else list(column.values)
        )
        if column.missing is None:
            return list(found)
        return [null if absent else value for value, absent in zip(found, column.missing.tolist(), strict=True)]

    return values


def _polars_frame(schema: Schema) -> Bind:
    polars = library("polars")
    makes = [(field.name, _polars_series(field, polars)) for field in schema.fields]
    return lambda batch: polars.DataFrame([make(batch.column(name)) for name, make in makes])


def _polars_series(field: Field, polars: Any) -> Make:
    dtype = polars_type(field, polars)
    name = field.name
    values = _values(field)
    if isinstance(field.type, Integer | Float | Bool | Date | Timestamp | Duration):
        return lambda column: _polars_fixed(name, column, dtype, polars, field)
    if physical_of(field).dtype == "Categorical":
        return lambda column: polars.Series(name, values(column), dtype=polars.String).cast(dtype)
    return lambda column: polars.Series(name, values(column), dtype=dtype)


def _polars_fixed(name: str, column: Column, dtype: Any, polars: Any, field: Field) -> Any:
    """Numbers and times: the whole column at once, then null where it is missing."""
    values = column.values
    if isinstance(field.type, Date | Timestamp | Duration):
        series = polars.Series(name, values.view(np.int64)).cast(
            polars.Int32 if isinstance(field.type, Date) else polars.Int64
        )
        series = (
            series.cast(polars.Date) if isinstance(field.type, Date) else _polars_instant(series, dtype, field, polars)
        )
    else:
        series = polars.Series(name, values, dtype=dtype, nan_to_null=False)
    if column.missing is None:
        return series
    null = null_of("nan") if physical_of(field).null == "nan" else None
    return series.set(polars.Series(column.missing), null)


def _polars_instant(series: Any, dtype: Any, field: Field, polars: Any) -> Any:
    unit = getattr(field.type, "unit", "us")
    if unit == "s":  # which Polars has not
        series, unit = series * 1000, "ms"
    plain = (
        polars.Duration(unit)
        if isinstance(field.type, Duration)
        else polars.Datetime(unit, getattr(field.type, "zone", None))
    )
    return series.cast(plain).cast(dtype)


def polars_type(field: Field, polars: Any) -> Any:
    """The Polars dtype that the sample had."""
    kind, name = field.type, physical_of(field).dtype
    if isinstance(kind, Category):
        return polars.Enum(list(map(str, kind.values))) if name == "Enum" else polars.Categorical
    return _polars_type(kind, polars)


def _polars_type(kind: DataType, polars: Any) -> Any:
    match kind:
        case Bool():
            return polars.Boolean
        case Integer():
            return getattr(polars, f"{'' if kind.signed else 'U'}Int{kind.bits}")
        case Float():
            return getattr(polars, f"Float{kind.bits}")
        case Date():
            return polars.Date
        case Timestamp():
            return polars.Datetime(kind.unit if kind.unit != "s" else "ms", kind.zone)
        case Duration():
            return polars.Duration(kind.unit if kind.unit != "s" else "ms")
        case Decimal():
            return polars.Decimal(kind.precision, kind.scale)
        case List():
            return polars.List(_polars_type(kind.item, polars))
        case Struct():
            return polars.Struct({inner.name: _polars_type(inner.type, polars) for inner in kind.fields})
        case Tensor():
            inner = getattr(polars, kind.dtype.capitalize().replace("Uint", "UInt"))
            return polars.Array(inner, tuple(kind.shape)) if None not in kind.shape else polars.List(inner)
        case String() | Category():
            return polars.String
    return polars.Binary


def _arrow_table(schema: Schema) -> Bind:
    pyarrow = library("pyarrow")
    makes = [(field.name, _arrow_array(field, pyarrow)) for field in schema.fields]
    return lambda batch: pyarrow.table({name: make(batch.column(name)) for name, make in makes})


def _arrow_array(field: Field, pyarrow: Any) -> Make:
    dtype = pyarrow.type_for_alias(alias) if (alias := physical_of(field).dtype) in _ARROW_TEXT else None
    kind = dtype or _arrow_type(field.type, pyarrow)
    values = _values(field)
    index = physical_of(field).dtype
    if isinstance(field.type, Category) and index.startswith("dictionary"):
        text = "values=large_string" in index
        order = pyarrow.array(list(field.type.values), type=pyarrow.large_string() if text else None)
        codes = {value: code for code, value in enumerate(field.type.values)}
        width = "int8" if "indices=int8" in index else "int32"
        return lambda column: pyarrow.DictionaryArray.from_arrays(
            pyarrow.array([None if v is None else codes[v] for v in values(column)], type=width),
            order,
            ordered=field.type.ordered,  # type: ignore[attr-defined]
        )
    if isinstance(field.type, Timestamp | Date | Duration | Integer | Float | Bool):
        return lambda column: _arrow_fixed(column, kind, field, pyarrow)
    return lambda column: pyarrow.array(values(column), type=kind)


_ARROW_TEXT = frozenset({"string", "large_string", "binary", "large_binary"})


def _arrow_fixed(column: Column, kind: Any, field: Field, pyarrow: Any) -> Any:
    if column.missing is not None and physical_of(field).null == "nan":
        return pyarrow.array(_filled(column, np.nan), type=kind, from_pandas=False)
    plain = pyarrow.array(column.values, mask=column.missing, from_pandas=False)
    return plain if plain.type == kind else plain.cast(kind)


def _arrow_type(kind: DataType, pyarrow: Any) -> Any:
    match kind:
        case Timestamp():
            return pyarrow.timestamp(kind.unit, kind.zone)
        case Duration():
            return pyarrow.duration(kind.unit)
        case Date():
            return pyarrow.date32()
        case Decimal():
            return (pyarrow.decimal128 if kind.precision <= 38 else pyarrow.decimal256)(kind.precision, kind.scale)
        case List():
            return pyarrow.list_(_arrow_type(kind.item, pyarrow))
        case Struct():
            return pyarrow.struct([(inner.name, _arrow_type(inner.type, pyarrow)) for inner in kind.fields])
        case Tensor():
            return pyarrow.list_(pyarrow.type_for_alias(kind.dtype.replace("float16", "halffloat")))
        case String() | Category():
            return pyarrow.string()
    return pyarrow.type_for_alias(
        {"float64": "double", "float32": "float", "float16": "halffloat"}.get(str(kind), str(kind))
    )
