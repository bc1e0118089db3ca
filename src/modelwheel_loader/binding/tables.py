"""Polars and Arrow tables and columns as the model saw them. Null is null there, unless the sample had NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..batch import Batch, Column, objects
from ..contract.schema import Field, Schema
from ..contract.types import (
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
from .physical import compile_objects, filled, library, null_of, physical_of
from .python_times import iana_zone

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
