"""From a checked batch to what the original model saw: its own containers, dtypes, labels and nulls, restored exactly.

To the caller all nulls are one; to the model they are not (an encoder fitted on None answers differently to NaN). What
is built is always memory of its own: a model that works in place must not change the caller's data.
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
from ..opening.types import TENSOR_DTYPES, Category, DataType, Tensor, Timestamp
from .batch import Array, Batch, Column, filled, objects, with_none
from .kinds import kind_of

Make = Callable[[Column], Any]
Bind = Callable[[Batch], Any]


def physical_of(field: Field) -> Physical:
    """How the model saw the field; by its type alone for a field that no sample described."""
    return field.physical if field.physical is not None else usual_physical(field.type)


def compile_numpy(field: Field) -> Make:
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


def _without_null(dtype: np.dtype[Any], field: Field) -> Make:
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


def null_object(name: str | None) -> Any:
    """The object that stands for null."""
    if name == "nan":
        return np.nan
    if name == "nat":
        pandas = sys.modules.get("pandas")
        return pandas.NaT if pandas is not None else np.datetime64("NaT")
    if name == "na":
        return sys.modules["pandas"].NA
    return None


def compile_objects(field: Field) -> Make:
    """A function from a column to an array of Python objects, null as the model saw it."""
    null_name = physical_of(field).null
    python = kind_of(field.type).to_objects(field)

    def restore(column: Column) -> Array:
        values = python(column)
        if values is column.values:
            values = values.copy()
        if column.missing is not None:
            values[column.missing] = null_object(null_name)
        return values

    return restore


def _restore(field: Field) -> Make:
    """A function from a column to the array that the model saw; to a sparse matrix for a sparse tensor."""
    if not isinstance(field.type, Tensor):
        return compile_numpy(field)
    dtype, name, cells = field.type.canonical, physical_of(field).dtype, compile_objects(field)

    def sparse(column: Column) -> Any:
        from scipy import sparse

        kind = sparse.csr_array if name.endswith("_array") else sparse.csr_matrix
        made = kind(column.values, dtype=dtype, copy=True)
        found = name.partition("_")[0]
        return made.asformat(found) if found in ("csc", "coo", "lil", "dok", "bsr", "dia") else made

    def dense(column: Column) -> Array:
        """An array of arrays where a row is null or the rows have different shapes."""
        values = column.values.toarray() if hasattr(column.values, "toarray") else column.values
        return np.array(values, dtype=dtype) if column.missing is None and values.dtype != object else cells(column)

    return sparse if field.type.sparse else dense


def library(name: str) -> Any:
    """The library `name`; raises `MissingExtra` when it is not installed."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"the model is fed {name} data, and {name} is not installed"
        raise MissingExtra.of("native.module", message) from error


# -- Polars and Arrow: null is null there, unless the sample had NaN ----------------------------------------------


def _values(field: Field) -> Callable[[Column], list[Any]]:
    """Python values with None for null, or NaN where the sample had that."""
    as_objects = compile_objects(field)
    null = np.nan if physical_of(field).null == "nan" else None

    def values(column: Column) -> list[Any]:
        found = column.values if isinstance(field.type, Tensor) else as_objects(Column(column.values))
        if isinstance(field.type, Tensor) and found.dtype == object:  # rows of different shapes
            found = objects([row.tolist() for row in found])
        made: list[Any] = found.tolist()
        if null is None or column.missing is None:
            return with_none(made, column.missing)
        return [null if absent else value for value, absent in zip(made, column.missing.tolist(), strict=True)]

    return values


def _polars_series(field: Field, polars: Any) -> Make:
    """A function from a column to the Polars Series of the sample's dtype."""
    kind, name, seen = kind_of(field.type), field.name, physical_of(field)
    dtype = polars_type(field, polars)
    if kind.at_once:

        def make(column: Column) -> Any:
            series = kind.polars_series(name, column, dtype, polars)
            if column.missing is None:
                return series
            return series.set(polars.Series(column.missing), np.nan if seen.null == "nan" else None)

        return make
    values = _values(field)
    if seen.dtype == "Categorical":
        return lambda column: polars.Series(name, values(column), dtype=polars.String).cast(dtype)
    return lambda column: polars.Series(name, values(column), dtype=dtype)


def polars_type(field: Field, polars: Any) -> Any:
    """The Polars dtype that the sample had; raises `MissingExtra` for a time zone that is not known here."""
    kind, name = field.type, physical_of(field).dtype
    if isinstance(kind, Timestamp) and kind.zone:
        from .times import iana_zone

        iana_zone(kind.zone)  # Polars knows no offsets
    if isinstance(kind, Category):
        return polars.Enum(list(map(str, kind.values))) if name == "Enum" else polars.Categorical
    return kind_of(kind).polars(polars)


def _arrow_array(field: Field, pyarrow: Any) -> Make:
    """A function from a column to the Arrow array of the sample's type."""
    index = physical_of(field).dtype
    kind = arrow_type_of(field.type, index, pyarrow)
    values = _values(field)
    if isinstance(field.type, Category) and index.startswith("dictionary"):
        return _arrow_dictionary(field.type, index, values, pyarrow)
    if kind_of(field.type).at_once:
        return lambda column: _arrow_fixed(column, kind, field, pyarrow)
    if isinstance(field.type, Tensor) and None not in field.type.shape:
        return lambda column: _arrow_lists(column, kind, pyarrow)
    return lambda column: pyarrow.array(values(column), type=kind)


def _arrow_dictionary(kind: Category, index: str, values: Callable[[Column], list[Any]], pyarrow: Any) -> Make:
    text = pyarrow.large_string() if "values=large_string" in index else None
    order = pyarrow.array(list(kind.values), type=text)
    codes = {value: code for code, value in enumerate(kind.values)}
    width = index.partition("indices=")[2].partition(",")[0] or "int32"

    def make(column: Column) -> Any:
        found = pyarrow.array([None if value is None else codes[value] for value in values(column)], type=width)
        return pyarrow.DictionaryArray.from_arrays(found, order, ordered=kind.ordered)

    return make


def arrow_type_of(kind: DataType, dtype: str, pyarrow: Any) -> Any:
    """The Arrow type in which a column of `kind` comes back that was of the Arrow type named `dtype`."""
    return pyarrow.type_for_alias(dtype) if dtype in _ARROW_TEXT else kind_of(kind).arrow(pyarrow)


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


# -- DataFrames and Series ----------------------------------------------------------------------------------------


_MASKED = ("Int", "UInt", "Float", "boolean")


def _compile_frame(schema: Schema) -> Bind:
    """The function that makes the DataFrame or table that the model saw."""
    container, names = schema.container, schema.names
    known = container if container in _SERIES else "pandas"
    module = library(known)
    makes = [(field.name, _SERIES[known](field, module)) for field in schema.fields]
    if known != "pandas":
        build = module.DataFrame if known == "polars" else module.table
        return lambda batch: build({name: make(batch.column(name)) for name, make in makes})
    labels = [(field.name, physical_of(field).label) for field in schema.fields]
    index = module.Index([name if label is None else label for name, label in labels])
    dtype, order = _one_dtype(schema), schema.memory_order

    def bind(batch: Batch) -> Any:
        if dtype is not None:
            return module.DataFrame(batch.matrix(names, dtype, own=True, order=order), columns=index, copy=False)
        columns = {number: make(batch.column(name)) for number, (name, make) in enumerate(makes)}
        frame = module.DataFrame(columns, copy=False)
        frame.columns = index
        return frame

    return bind


def _compile_series(schema: Schema) -> Bind:
    """The function that makes the Series or Arrow array that the model saw."""
    field = schema.fields[0]
    name, module = field.name, library(schema.container)
    make = _SERIES[schema.container](field, module)
    if schema.container == "polars":
        return lambda batch: make(batch.column(name))
    if schema.container == "pyarrow":
        return lambda batch: module.chunked_array([make(batch.column(name))])
    return lambda batch: module.Series(make(batch.column(name)), name=name, copy=False)


def _one_dtype(schema: Schema) -> str | None:
    """The dtype in which all columns lie in one block of memory; None where each has its own."""
    dtypes = {physical_of(field).dtype for field in schema.fields}
    dtype = dtypes.pop() if len(dtypes) == 1 else ""
    if dtype == "float64":
        return dtype
    numbers = all(field.type.family == "numbers" and field.type.canonical != "bool" for field in schema.fields)
    whole = dtype.startswith(("int", "uint")) and not any(field.nullable for field in schema.fields)
    return dtype if schema.order == "C" and numbers and (dtype in ("float16", "float32") or whole) else None


def _pandas_column(field: Field, pandas: Any) -> Make:
    """A function from a column to the array that a Series of the sample's dtype holds."""
    seen = physical_of(field)
    kind = field.type
    if isinstance(kind, Tensor):
        return compile_objects(field)
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


def _zoned(dtype: str, pandas: Any) -> Make:
    unit, _, name = dtype.partition("[")[2].rstrip("]").partition(", ")
    from .times import zone_of

    zone_of(name)  # raises where pandas would

    def make(column: Column) -> Any:
        instants = filled(column, np.datetime64("NaT")).astype(f"datetime64[{unit}]")
        return pandas.DatetimeIndex(instants).tz_localize("UTC").tz_convert(name).array

    return make


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


_SERIES = {"pandas": _pandas_column, "polars": _polars_series, "pyarrow": _arrow_array}


# -- layouts ------------------------------------------------------------------------------------------------------


def compile_native(schema: Schema) -> Bind:
    """The function that makes what the original model was fed: container, dtypes, labels and nulls of the sample."""
    match schema.layout:
        case "frame":
            return _compile_frame(schema)
        case "array":
            return _array(schema)
        case "matrix" if schema.dtype != "object" and all(field.type.family == "numbers" for field in schema.fields):
            return _number_matrix(schema)
        case "columns" | "arrays":
            restores = [(field.name, _restore(field)) for field in schema.fields]
            return lambda batch: {name: restore(batch.column(name)) for name, restore in restores}
    names, makes = schema.names, [(field.name, compile_objects(field)) for field in schema.fields]

    def records(batch: Batch) -> list[dict[str, Any]]:
        columns = [make(batch.column(name)) for name, make in makes]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def matrix(batch: Batch) -> Array:
        made = np.empty((batch.rows, len(makes)), dtype=object)
        for index, (name, make) in enumerate(makes):
            made[:, index] = make(batch.column(name))
        return made

    return records if schema.layout == "records" else matrix


def _number_matrix(schema: Schema) -> Bind:
    """Whole numbers become floats where one is null, as numpy would make of them."""
    names, order, dtype = schema.names, schema.memory_order, schema.dtype or "float64"
    nullable = [] if dtype.startswith("float") else [field.name for field in schema.fields if field.nullable]

    def bind(batch: Batch) -> Array:
        absent = any(batch.column(name).missing is not None for name in nullable)
        return batch.matrix(names, "float64" if absent else dtype, own=True, order=order)

    return bind


def _array(schema: Schema) -> Bind:
    field = schema.fields[0]
    if schema.container in _SERIES:
        return _compile_series(schema)
    if schema.container == "list":
        as_list = _restore(field) if isinstance(field.type, Tensor) else compile_objects(field)
        return lambda batch: list(as_list(batch.column(field.name)))
    restore = _restore(field)
    return lambda batch: restore(batch.column(field.name))
