"""Canonical columns as the model saw them: the dtype and the null of the sample, restored exactly.

To the caller all nulls are one; to the model they are not (an encoder fitted on None answers differently to NaN).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from itertools import repeat
from typing import Any

import numpy as np

from ..errors import MissingExtra
from ..opening.schema import Field, Physical, Schema, usual_physical
from ..opening.types import (
    TENSOR_DTYPES,
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
    parse_type,
)
from .batch import Array, Batch, Column, objects
from .python_times import compile_inner, compile_times, iana_zone, zone_of

Restore = Callable[[Column], Any]


def physical_of(field: Field) -> Physical:
    """How the model saw the field; by its type alone for a field that no sample described."""
    return field.physical if field.physical is not None else usual_physical(field.type)


def compile_numpy(field: Field) -> Restore:
    """A function from a column to the array, of numpy's dtypes, that the model saw."""
    seen = physical_of(field)
    dtype = _numpy_dtype(seen.dtype)
    if dtype is None or dtype.hasobject:
        return compile_objects(field)
    if dtype.kind in "biuU":
        return _without_null(dtype, field)
    absent = np.datetime64("NaT") if dtype.kind == "M" else np.timedelta64("NaT") if dtype.kind == "m" else np.nan

    def restore(column: Column) -> Array:
        values: Array = column.values.astype(dtype)  # always a copy: the model may work in place
        if column.missing is not None:
            values[column.missing] = absent
        return values

    return restore


def _without_null(dtype: np.dtype[Any], field: Field) -> Restore:
    """Arrays of a dtype that has no null; where there is one, what pandas makes of such columns: floats, or objects."""
    as_objects = compile_objects(field)

    def restore(column: Column) -> Array:
        if column.missing is None:
            values = column.values.tolist() if dtype.kind == "U" else column.values
            return np.array(values, dtype=dtype)
        if dtype.kind in "bU":
            return as_objects(column)  # type: ignore[no-any-return]
        floats: Array = column.values.astype(np.float64)
        floats[column.missing] = np.nan
        return floats

    return restore


def _numpy_dtype(name: str) -> np.dtype[Any] | None:
    """The numpy dtype of that name, from a fixed list; None for those of other libraries."""
    if name == "object":
        return np.dtype(object)
    plain = name.lstrip("<>=|")
    if plain in TENSOR_DTYPES:
        return np.dtype(plain)
    if plain in {f"{kind}64[{unit}]" for kind in ("datetime", "timedelta") for unit in ("D", "s", "ms", "us", "ns")}:
        return np.dtype(plain)
    return np.dtype(np.str_) if plain.startswith("U") or plain == "str_" else None


def null_of(name: str | None) -> Any:
    """The object that stands for null."""
    if name == "nan":
        return np.nan
    if name == "nat":
        pandas = sys.modules.get("pandas")
        return pandas.NaT if pandas is not None else np.datetime64("NaT")
    if name == "na":
        return sys.modules["pandas"].NA
    return None


def compile_objects(field: Field) -> Restore:
    """A function from a column to an array of Python objects, null as the model saw it."""
    if isinstance(field.type, Tensor):
        return own_rows(field, cells=True)
    null_name = physical_of(field).null
    python = _python_values(field)

    def restore(column: Column) -> Array:
        values = python(column)
        if values is column.values:
            values = values.copy()
        if column.missing is not None:
            values[column.missing] = null_of(null_name)
        return values

    return restore


def own_rows(field: Field, *, cells: bool = False) -> Restore:
    """A function from a column of tensors to one array of its own memory; with `cells`, to an array of arrays.

    It is an array of arrays too where a row is null or the rows have different shapes.
    """
    kind = field.type
    if not isinstance(kind, Tensor):
        raise TypeError
    dtype, null = kind.dtype, physical_of(field).null

    def restore(column: Column) -> Array:
        values = column.values.toarray() if hasattr(column.values, "toarray") else column.values
        if not cells and column.missing is None and values.dtype != object:
            return np.array(values, dtype=dtype)
        made = objects([np.array(row, dtype=dtype) for row in values])
        if column.missing is not None:
            made[column.missing] = null_of(null)
        return made

    return restore


def _python_values(field: Field) -> Callable[[Column], Array]:
    kind = field.type
    if isinstance(kind, Date | Timestamp | Duration):
        times = compile_times(field)
        return lambda column: times(column.values, column.missing)
    if isinstance(kind, Bool | Integer | Float):
        return lambda column: column.values.astype(object)
    if isinstance(kind, List | Struct) and (inner := compile_inner(field)) is not None:
        return lambda column: objects([value if value is None else inner(value) for value in column.values])
    return lambda column: column.values


def filled(column: Column, null: Any) -> Any:
    """The values with `null` where they are missing."""
    if column.missing is None:
        return column.values
    values = column.values.copy()
    values[column.missing] = null
    return values


def library(name: str) -> Any:
    """The library `name`; raises `MissingExtra` when it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"the model is fed {name} data, and {name} is not installed"
        raise MissingExtra.of("native.module", message) from error


# Polars and Arrow tables and columns as the model saw them. Null is null there, unless the sample had NaN.


Bind = Callable[[Batch], Any]
Make = Callable[[Column], Any]


def _values(field: Field) -> Callable[[Column], list[Any]]:
    """Python values with None for null, or NaN where the sample had that."""
    as_objects = compile_objects(field)
    null = np.nan if physical_of(field).null == "nan" else None

    def values(column: Column) -> list[Any]:
        found = column.values if isinstance(field.type, Tensor) else as_objects(Column(column.values))
        if isinstance(field.type, Tensor) and found.dtype == object:  # rows of different shapes
            found = objects([row.tolist() for row in found])
        found = found.tolist()
        if column.missing is None:
            return list(found)
        return [null if absent else value for value, absent in zip(found, column.missing.tolist(), strict=True)]

    return values


def polars_frame(schema: Schema) -> Bind:
    """The function that makes a Polars DataFrame."""
    polars = library("polars")
    makes = [(field.name, polars_series(field, polars)) for field in schema.fields]
    return lambda batch: polars.DataFrame([make(batch.column(name)) for name, make in makes])


def polars_series(field: Field, polars: Any) -> Make:
    """A function from a column to the Polars Series of the sample's dtype."""
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
        counts = filled(Column(values.view(np.int64), column.missing), 0)
        series = polars.Series(name, counts).cast(polars.Int32 if isinstance(field.type, Date) else polars.Int64)
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
    """The Polars dtype that the sample had; raises `MissingExtra` for a time zone that is not known here."""
    kind, name = field.type, physical_of(field).dtype
    if isinstance(kind, Timestamp) and kind.zone:
        iana_zone(kind.zone)  # Polars knows no offsets
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
            made = _polars_type(parse_type(kind.dtype), polars)
            for axis in reversed(kind.shape):
                made = polars.List(made) if axis is None else polars.Array(made, axis)
            return made
        case String() | Category():
            return polars.String
    return polars.Binary


def arrow_table(schema: Schema) -> Bind:
    """The function that makes an Arrow table."""
    pyarrow = library("pyarrow")
    makes = [(field.name, arrow_array(field, pyarrow)) for field in schema.fields]
    return lambda batch: pyarrow.table({name: make(batch.column(name)) for name, make in makes})


def arrow_array(field: Field, pyarrow: Any) -> Make:
    """A function from a column to the Arrow array of the sample's type."""
    index = physical_of(field).dtype
    kind = arrow_type_of(field.type, index, pyarrow)
    values = _values(field)
    if isinstance(field.type, Category) and index.startswith("dictionary"):
        text = "values=large_string" in index
        order = pyarrow.array(list(field.type.values), type=pyarrow.large_string() if text else None)
        codes = {value: code for code, value in enumerate(field.type.values)}
        width = index.partition("indices=")[2].partition(",")[0] or "int32"
        return lambda column: pyarrow.DictionaryArray.from_arrays(
            pyarrow.array([None if v is None else codes[v] for v in values(column)], type=width),
            order,
            ordered=field.type.ordered,  # type: ignore[attr-defined]
        )
    if isinstance(field.type, Timestamp | Date | Duration | Integer | Float | Bool):
        return lambda column: _arrow_fixed(column, kind, field, pyarrow)
    if isinstance(field.type, Tensor) and None not in field.type.shape:
        return lambda column: _arrow_lists(column, kind, pyarrow)
    return lambda column: pyarrow.array(values(column), type=kind)


def arrow_type_of(kind: DataType, dtype: str, pyarrow: Any) -> Any:
    """The Arrow type in which a column of `kind` comes back that was of the Arrow type named `dtype`."""
    return pyarrow.type_for_alias(dtype) if dtype in _ARROW_TEXT else _arrow_type(kind, pyarrow)


_ARROW_TEXT = frozenset({"string", "large_string", "binary", "large_binary"})


def _arrow_fixed(column: Column, kind: Any, field: Field, pyarrow: Any) -> Any:
    if column.missing is not None and physical_of(field).null == "nan":
        return pyarrow.array(filled(column, np.nan), type=kind, from_pandas=False)
    plain = pyarrow.array(column.values, mask=column.missing, from_pandas=False)
    return plain if plain.type == kind else plain.cast(kind)


def _arrow_lists(column: Column, kind: Any, pyarrow: Any) -> Any:
    """Tensors as lists of one length, the innermost made of all numbers at once."""
    shape = column.values.shape[1:]
    made = pyarrow.array(np.ascontiguousarray(column.values).reshape(-1))
    for axis in reversed(shape):
        made = pyarrow.FixedSizeListArray.from_arrays(made, axis)
    if column.missing is not None:
        made = pyarrow.compute.if_else(pyarrow.array(column.missing), None, made)
    return made.cast(kind)


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
            made = _arrow_type(parse_type(kind.dtype), pyarrow)
            for axis in reversed(kind.shape):
                made = pyarrow.list_(made, -1 if axis is None else axis)
            return made
        case String() | Category():
            return pyarrow.string()
    return pyarrow.type_for_alias(
        {"float64": "double", "float32": "float", "float16": "halffloat"}.get(str(kind), str(kind))
    )


# DataFrames and Series as the model saw them.


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


# From a checked batch to what the original model saw: its own containers, dtypes, labels and nulls.
#
# It is always memory of its own: a model that works in place must not change the caller's data.
# `run/onnx_runtime.py` has the inputs of graphs.


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
    dtype = schema.dtype or "float64"
    if dtype == "object":
        return _object_matrix(schema)
    if all(isinstance(field.type, Bool | Integer | Float) for field in schema.fields):
        return _number_matrix(schema, dtype)
    return _object_matrix(schema)


def _number_matrix(schema: Schema, dtype: str) -> Bind:
    names, order = schema.names, schema.memory_order
    nullable = [field.name for field in schema.fields if field.nullable]
    if dtype.startswith("float") or not nullable:
        return lambda batch: batch.matrix(names, dtype, own=True, order=order)

    def bind(batch: Batch) -> Array:
        """Whole numbers; floats, as numpy would make of it, where one is null."""
        absent = any(batch.column(name).missing is not None for name in nullable)
        return batch.matrix(names, "float64" if absent else dtype, own=True, order=order)

    return bind


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
    return own_rows(field)


def _sparse(field: Field) -> Callable[[Column], Any]:
    """Rows as the SciPy class and format of the sample."""
    name = physical_of(field).dtype
    dtype = field.type.canonical

    def restore(column: Column) -> Any:
        from scipy import sparse

        kind = sparse.csr_array if name.endswith("_array") else sparse.csr_matrix
        made = kind(column.values, dtype=dtype, copy=True)
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
