"""Canonical columns as the model saw them: the dtype and the null of the sample, restored exactly.

To the caller all nulls are one; to the model they are not (an encoder fitted on None answers differently to NaN).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..batch import Array, Column, objects
from ..contract.fields import Field, Physical, usual_physical
from ..contract.types import (
    TENSOR_DTYPES,
    Bool,
    Date,
    Duration,
    Float,
    Integer,
    List,
    Struct,
    Tensor,
    Timestamp,
)
from ..errors import MissingExtra
from .python_times import compile_inner, compile_times

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
