"""Many values of one field at once, when their types say plainly that they are right; else None, for a closer look.

Each function takes a list or an array and a scalar type, and gives the canonical `Column`. What they accept is exactly
what `validate/values.py` accepts one by one; a property test holds them together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..opening.types import Bool, Category, DataType, Date, Duration, Float, Integer, String, Timestamp
from .batch import Array, Column, Raw, objects
from .values import EXACT_IN_FLOAT, is_null

NONE = type(None)
_NULL_TYPES = frozenset({"NoneType", "float", "float64", "NAType", "NaTType"})
_TEXTS_AT_ONCE = 10_000
_FEW = 32


def quick_list(values: list[Any], kind: DataType) -> Column | None:
    """The column of a list of Python values."""
    if isinstance(kind, String | Category):
        return _objects(objects(values), values, kind)
    quick = _LISTS.get(type(kind))
    return None if quick is None else quick(values, kind)


def quick_array(raw: Raw, kind: DataType) -> Column | None:
    """The column of an array of one axis."""
    values: Array = raw.values
    if values.ndim != 1:
        return None
    if raw.texts and isinstance(kind, String):
        return Column(values, raw.missing)
    if raw.missing is None and values.dtype == object and isinstance(kind, String | Category):
        return _objects(values, values.tolist(), kind)
    if values.dtype == object or values.dtype.kind in "UT":
        return None if raw.missing is not None else quick_list(values.tolist(), kind)
    quick = _ARRAYS.get(type(kind))
    return None if quick is None else quick(raw, kind)


# -- lists --------------------------------------------------------------------------------------------------------


def _split(values: list[Any], wanted: set[type], filler: Any) -> tuple[list[Any], Array | None] | None:
    """The values with `filler` for null, and the mask of null; None when there is any type beside `wanted` and null."""
    others = set(map(type, values)) - wanted
    if not others:
        return values, None
    if not all(other.__name__ in _NULL_TYPES for other in others):
        return None
    missing = np.fromiter((type(value) in others for value in values), dtype=bool, count=len(values))
    if others != {NONE} and not all(is_null(values[index]) for index in missing.nonzero()[0].tolist()):
        return None
    return [filler if absent else value for value, absent in zip(values, missing.tolist(), strict=True)], missing


def _list_bool(values: list[Any], kind: Bool) -> Column | None:  # noqa: ARG001 - all are made alike
    split = _split(values, {bool}, False)  # noqa: FBT003
    return None if split is None else Column(np.array(split[0], dtype=bool), split[1])


def _list_integer(values: list[Any], kind: Integer) -> Column | None:
    split = _split(values, {int}, 0)
    if split is None:
        return None
    try:
        return Column(np.array(split[0], dtype=kind.canonical), split[1])
    except OverflowError:
        return None


def _list_float(values: list[Any], kind: Float) -> Column | None:
    split = _split(values, {float, int, np.float64}, math.nan)
    if split is None:
        return None
    try:
        made = np.array(split[0], dtype=np.float64)
    except OverflowError:
        return None
    if int in set(map(type, values)) and bool((np.abs(made) >= EXACT_IN_FLOAT).any()):
        return None
    return narrow(made, kind)


def narrow(values: Array, kind: Float) -> Column | None:
    """Floats in the width of `kind`, the same memory where it is that; None when a finite one becomes infinite."""
    made = values
    if values.dtype != kind.canonical:
        with np.errstate(over="ignore"):
            made = values.astype(kind.canonical)
    if all_finite(made):
        return Column(made)
    if made.dtype.itemsize < values.dtype.itemsize and bool((np.isinf(made) & np.isfinite(values)).any()):
        return None
    missing = np.isnan(made)
    return Column(made, missing if missing.any() else None)


def all_finite(values: Array) -> bool:
    """Whether floats hold no NaN and no infinity; one pass over the memory and no mask when they do not."""
    if values.ndim == 1 and len(values) <= _FEW:  # a call of numpy costs more than that
        return all(map(math.isfinite, values.tolist()))
    if values.dtype.itemsize > 2:  # half floats overflow soon
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(values.sum()):
                return True
    return bool(np.isfinite(values).all())


def _objects(values: Array, items: list[Any], kind: String | Category) -> Column | None:
    """Texts and categories: the array of objects itself, when null is None alone."""
    wanted: set[type] = {str} if isinstance(kind, String) else {type(value) for value in kind.values}
    others = set(map(type, items)) - wanted
    if others <= {NONE}:
        missing = values == None if others else None  # noqa: E711 - one by one
    else:
        split = _split(items, wanted, None)
        if split is None:
            return None
        items, missing = split
        values = objects(items)
    if isinstance(kind, Category):
        right = float not in wanted and set(items) - {None} <= set(kind.values)
    else:
        right = _are_unicode(items if missing is None else list(filter(None, items)))
    return Column(values, missing) if right else None


def _are_unicode(texts: list[str]) -> bool:
    """Whether no text holds half of a surrogate pair."""
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        joined = "".join(texts[start : start + _TEXTS_AT_ONCE])
        try:
            if not joined.isascii():
                joined.encode("utf-8")
        except UnicodeEncodeError:
            return False
    return True


_LISTS: dict[type[DataType], Callable[[list[Any], Any], Column | None]] = {
    Bool: _list_bool,
    Integer: _list_integer,
    Float: _list_float,
}


# -- arrays -------------------------------------------------------------------------------------------------------


def _array_bool(raw: Raw, kind: Bool) -> Column | None:  # noqa: ARG001 - all are made alike
    return Column(raw.values, raw.missing) if raw.values.dtype == bool else None


def _array_integer(raw: Raw, kind: Integer) -> Column | None:
    values: Array = raw.values
    if values.dtype == kind.canonical:
        return Column(values, raw.missing)
    if values.dtype.kind == "f":
        return _whole(values, raw.missing, kind)
    if values.dtype.kind not in "iu":
        return None
    low, high = kind.range
    inside = not len(values) or (int(values.min()) >= low and int(values.max()) <= high)
    return Column(values.astype(kind.canonical), raw.missing) if inside else None


def _whole(values: Array, missing: Array | None, kind: Integer) -> Column | None:
    """Floats that are whole numbers as integers, NaN as missing; None when one is not whole or does not fit."""
    low, high = kind.range
    absent = np.isnan(values) if missing is None else np.isnan(values) | missing
    filled = np.where(absent, 0, values).astype(np.promote_types(values.dtype, np.float64), copy=False)
    if not bool(((filled == np.floor(filled)) & (filled >= low) & (filled < float(high) + 1)).all()):
        return None
    return Column(filled.astype(kind.canonical), absent if absent.any() else None)


def _array_float(raw: Raw, kind: Float) -> Column | None:
    values: Array = raw.values
    if values.dtype.kind == "f":
        column = narrow(values, kind)
        return column if raw.missing is None or column is None else also_missing(column, raw.missing)
    if values.dtype.kind not in "iu":
        return None
    largest = 65504 if kind.bits == 16 else EXACT_IN_FLOAT
    if len(values) and max(abs(int(values.min())), abs(int(values.max()))) > largest:
        return None
    return Column(values.astype(kind.canonical), raw.missing)


def also_missing(column: Column, missing: Array | None) -> Column:
    """The column in which more values are missing."""
    if missing is None:
        return column
    return Column(column.values, missing if column.missing is None else column.missing | missing)


def _array_category(raw: Raw, kind: Category) -> Column | None:
    if raw.values.dtype.kind not in "biu" or raw.missing is not None:
        return None
    return quick_list(raw.values.tolist(), kind)


def _array_time(raw: Raw, kind: Any) -> Column | None:
    values: Array = raw.values
    if values.dtype.kind != ("m" if isinstance(kind, Duration) else "M"):
        return None
    if not isinstance(kind, Duration) and raw.utc != bool(getattr(kind, "zone", None)):
        return None
    from .temporal import convert_unit

    converted, lost = convert_unit(values, kind.canonical)
    if lost is not None:
        return None
    missing = np.isnat(converted)
    return also_missing(Column(converted, missing if missing.any() else None), raw.missing)


_ARRAYS: dict[type[DataType], Callable[[Raw, Any], Column | None]] = {
    Bool: _array_bool,
    Integer: _array_integer,
    Float: _array_float,
    Category: _array_category,
    Date: _array_time,
    Timestamp: _array_time,
    Duration: _array_time,
}
