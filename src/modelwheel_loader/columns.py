"""One field, many values: a plainly right dtype is taken as it is, everything else goes value by value (`values.py`).

`compile_column(field)` gives a function from raw values (a list, or an array of any dtype) to the canonical `Column`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .batch import Array, Column
from .constraints import compile_rules
from .problems import Problems
from .schema import Field
from .temporal import convert_unit
from .text import shown
from .types import (
    Bool,
    Category,
    DataType,
    Date,
    Duration,
    Float,
    Integer,
    String,
    Tensor,
    Timestamp,
)
from .values import EXACT_IN_FLOAT, Mismatch, converter, is_null

NONE = type(None)
Quick = Callable[[Array, Field], Column | None]


class Raw(NamedTuple):
    """Values as they came: a list or an array; `missing` where the container itself says so; `utc` for instants."""

    values: Any
    missing: Array | None = None
    utc: bool = False


Check = Callable[[Raw, Problems], Column | None]


def compile_column(field: Field) -> Check:
    """The check of one field: canonical values, or None after the problems were told."""
    kind = field.type
    quick_list = _QUICK_LISTS.get(type(kind))
    quick_array = _QUICK_ARRAYS.get(type(kind))
    slowly = _one_by_one(field)
    rules = compile_rules(field)

    def check(raw: Raw, problems: Problems) -> Column | None:
        before = problems.counted
        column = None
        if isinstance(raw.values, list):
            column = quick_list(raw.values, kind) if quick_list else None
        elif quick_array is not None and (isinstance(raw.values, np.ndarray) or hasattr(raw.values, "tocsr")):
            column = quick_array(raw, kind)
        if column is None:
            column = slowly(raw, problems)
        for rule in rules:
            rule(column, problems)
        return column if problems.counted == before else None

    return check


def _one_by_one(field: Field) -> Callable[[Raw, Problems], Column]:
    """The rule of the type on each value; what it refuses is told and counts as missing no more."""
    convert = converter(field.type)
    filler = _filler(field.type)

    def check(raw: Raw, problems: Problems) -> Column:
        items = _items(raw)
        values = [filler] * len(items)
        missing = np.zeros(len(items), dtype=bool)
        for row, item in enumerate(items):
            if is_null(item):
                missing[row] = True
                continue
            try:
                values[row] = convert(item)
            except Mismatch as error:
                place = {"row": row, "field": field.name, "found": shown(item)}
                problems.add(error.code, error.message, expected=error.expected, hint=error.hint, **place)
        return Column(build(values, field.type), missing if missing.any() else None)

    return check


def _items(raw: Raw) -> list[Any]:
    values = raw.values
    if hasattr(values, "toarray"):
        values = values.toarray()
    if isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype.kind not in "mM":
        items = values.tolist()
    else:
        items = list(values)
    if raw.missing is not None:
        items = [None if absent else item for item, absent in zip(items, raw.missing.tolist(), strict=True)]
    return items


def _filler(kind: DataType) -> Any:
    """What stands where a value is missing."""
    if isinstance(kind, Tensor):
        return np.zeros(tuple(axis or 0 for axis in kind.shape), dtype=kind.dtype)
    if isinstance(kind, Float):
        return np.nan
    return 0 if kind.canonical != "object" and not isinstance(kind, Bool) else None if not isinstance(kind, Bool) else False


def build(values: list[Any], kind: DataType) -> Any:
    """Canonical scalars as the canonical array."""
    if isinstance(kind, Tensor):
        if values and len({value.shape for value in values}) == 1 and None not in kind.shape:
            return np.stack(values)
        if not values:
            return np.zeros((0, *(axis or 0 for axis in kind.shape)), dtype=kind.dtype)
        return np.stack(values) if len({value.shape for value in values}) == 1 else objects(values)
    if isinstance(kind, Date | Timestamp | Duration):
        return np.array(values, dtype=np.int64).view(kind.canonical)
    if kind.canonical == "object":
        return objects(values)
    with np.errstate(over="ignore"):
        return np.array(values, dtype=kind.canonical)


def objects(values: list[Any]) -> Array:
    """A 1-D array of objects, whatever they are; numpy would make a matrix of lists of equal length."""
    made = np.empty(len(values), dtype=object)
    made[:] = values if not any(isinstance(value, list | tuple | np.ndarray) for value in values[:1]) else None
    if len(values) and isinstance(values[0], list | tuple | np.ndarray):
        for index, value in enumerate(values):
            made[index] = value
    return made


# -- lists: Python values of one plain type ---------------------------------------------------------------------


def _split_none(values: list[Any], wanted: set[type]) -> tuple[list[Any], Array | None] | None:
    """The values without None, and the mask of None; None when there is any other type than `wanted`."""
    kinds = set(map(type, values))
    if kinds <= wanted:
        return values, None
    if NONE in kinds and kinds - {NONE} <= wanted:
        return values, np.fromiter((value is None for value in values), dtype=bool, count=len(values))
    return None


def _list_bool(values: list[Any], kind: Bool) -> Column | None:
    split = _split_none(values, {bool})
    return None if split is None else Column(np.array(values, dtype=object).astype(bool), split[1])


def _list_integer(values: list[Any], kind: Integer) -> Column | None:
    split = _split_none(values, {int})
    if split is None:
        return None
    if split[1] is not None:
        values = [0 if value is None else value for value in values]
    try:
        made = np.array(values, dtype=kind.canonical)
    except OverflowError:
        return None
    return Column(made, split[1])


def _list_float(values: list[Any], kind: Float) -> Column | None:
    split = _split_none(values, {float, int})
    if split is None:
        return None
    if split[1] is not None:
        values = [np.nan if value is None else value for value in values]
    try:
        made = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    if int in set(map(type, values)) and bool((np.abs(made) > EXACT_IN_FLOAT).any()):
        return None
    return narrow(made, kind)


def narrow(values: Array, kind: Float) -> Column | None:
    """Floats in the width of `kind`; None when a finite one becomes infinite. NaN is missing."""
    if values.dtype != kind.canonical:
        with np.errstate(over="ignore"):
            narrowed = values.astype(kind.canonical)
        if kind.bits < 8 * values.dtype.itemsize and bool((np.isinf(narrowed) & np.isfinite(values)).any()):
            return None
        values = narrowed
    missing = np.isnan(values)
    return Column(values, missing if missing.any() else None)


def _list_string(values: list[Any], kind: String) -> Column | None:
    split = _split_none(values, {str})
    if split is None:
        return None
    try:
        "".join(values if split[1] is None else [value or "" for value in values]).encode("utf-8")
    except UnicodeEncodeError:
        return None
    return Column(objects(values), split[1])


def _list_category(values: list[Any], kind: Category) -> Column | None:
    wanted = {type(value) for value in kind.values}
    split = _split_none(values, wanted)
    if split is None or wanted == {float} or not set(values) - {None} <= set(kind.values):
        return None
    return Column(objects(values), split[1])


_QUICK_LISTS: dict[type, Callable[[list[Any], Any], Column | None]] = {
    Bool: _list_bool,
    Integer: _list_integer,
    Float: _list_float,
    String: _list_string,
    Category: _list_category,
}


# -- arrays: a dtype that says what the values are --------------------------------------------------------------


def _array_bool(raw: Raw, kind: Bool) -> Column | None:
    return Column(raw.values, raw.missing) if raw.values.dtype == bool else _array_objects(raw, kind, _list_bool)


def _array_objects(raw: Raw, kind: Any, quick: Callable[[list[Any], Any], Column | None]) -> Column | None:
    if raw.values.dtype != object or raw.values.ndim != 1 or raw.missing is not None:
        return None
    return quick(raw.values.tolist(), kind)


def _array_integer(raw: Raw, kind: Integer) -> Column | None:
    values: Array = raw.values
    if values.dtype == kind.canonical:
        return Column(values, raw.missing)
    if values.dtype.kind in "iu":
        low, high = kind.range
        inside = not len(values) or (int(values.min()) >= low and int(values.max()) <= high)
        return Column(values.astype(kind.canonical), raw.missing) if inside else None
    if values.dtype.kind == "f":
        return _whole(values, raw.missing, kind)
    return _array_objects(raw, kind, _list_integer)


def _whole(values: Array, missing: Array | None, kind: Integer) -> Column | None:
    """Floats that are whole numbers as integers, NaN as missing; None when one is not whole or does not fit."""
    low, high = kind.range
    absent = np.isnan(values) if missing is None else np.isnan(values) | missing
    filled = np.where(absent, 0, values)
    if not bool(((filled == np.floor(filled)) & (filled >= low) & (filled < float(high) + 1)).all()):
        return None
    return Column(filled.astype(kind.canonical), absent if absent.any() else None)


def _array_float(raw: Raw, kind: Float) -> Column | None:
    values: Array = raw.values
    if values.dtype.kind == "f":
        column = narrow(values, kind)
        return column if raw.missing is None or column is None else _also_missing(column, raw.missing)
    if values.dtype.kind in "iu":
        if len(values) and max(abs(int(values.min())), abs(int(values.max()))) > min(EXACT_IN_FLOAT, 60_000 if kind.bits == 16 else EXACT_IN_FLOAT):
            return None
        return Column(values.astype(kind.canonical), raw.missing)
    return _array_objects(raw, kind, _list_float)


def _also_missing(column: Column, missing: Array) -> Column:
    return Column(column.values, missing if column.missing is None else column.missing | missing)


def _array_string(raw: Raw, kind: String) -> Column | None:
    if raw.values.dtype.kind == "U":
        return _list_string(raw.values.tolist(), kind)
    return _array_objects(raw, kind, _list_string)


def _array_category(raw: Raw, kind: Category) -> Column | None:
    return _array_objects(raw, kind, _list_category)


def _array_time(raw: Raw, kind: Any) -> Column | None:
    values: Array = raw.values
    if values.dtype.kind != ("m" if isinstance(kind, Duration) else "M"):
        return None
    if not isinstance(kind, Duration) and raw.utc != bool(getattr(kind, "zone", None)):
        return None
    converted, lost = convert_unit(values, kind.canonical)
    if lost is not None:
        return None
    missing = np.isnat(converted)
    return _also_missing(Column(converted, missing if missing.any() else None), raw.missing) if raw.missing is not None else Column(converted, missing if missing.any() else None)


def _array_tensor(raw: Raw, kind: Tensor) -> Column | None:
    values: Array = raw.values
    if hasattr(values, "tocsr"):
        if not kind.sparse:
            values = values.toarray()
        else:
            values = values.tocsr()
    axes = values.shape[1:]
    if values.dtype == object or len(axes) != len(kind.shape) or raw.missing is not None:
        return None
    if any(axis not in (None, found) for axis, found in zip(kind.shape, axes, strict=True)):
        return None
    if values.dtype == kind.dtype:
        return Column(values)
    if np.can_cast(values.dtype, kind.dtype, "safe") and values.dtype.kind != "b":
        return Column(values.astype(kind.dtype))
    return Column(values.astype(kind.dtype)) if values.dtype.kind == "f" and kind.dtype.startswith("float") else None


_QUICK_ARRAYS: dict[type, Callable[[Raw, Any], Column | None]] = {
    Bool: _array_bool,
    Integer: _array_integer,
    Float: _array_float,
    String: _array_string,
    Category: _array_category,
    Date: _array_time,
    Timestamp: _array_time,
    Duration: _array_time,
    Tensor: _array_tensor,
}
