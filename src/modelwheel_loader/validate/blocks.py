"""The quick check of one value of one field: takes what is plainly right, and leaves all else to `columns.py`."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import countOf, itemgetter
from typing import Any

import numpy as np

from ..opening.schema import Field, Schema, compile_pattern
from ..opening.types import Bool, Category, DataType, Float, Integer, String
from .batch import Array, Column, Raw
from .constraints import bound, canonical
from .quick import all_finite
from .values import EXACT_IN_FLOAT, OVERFLOW

Accept = Callable[[Any], bool]
Quick = Callable[[Any], Column | None]
_MISSING = np.array([True])
_MISSING.setflags(write=False)


def compile_scalar(field: Field) -> Quick | None:
    """A function from a value to its one-row column, or to None when a closer look is needed; None for other types."""
    accept = _compile_accept(field)
    if accept is None:
        return None
    accepts: Accept = accept
    dtype = field.type.canonical
    filler: Any = None if dtype == "object" else 0
    # one null for all calls: nobody may write into a checked batch
    null = Column(np.array([filler], dtype=dtype), _MISSING) if field.nullable else None

    def check(value: Any) -> Column | None:
        if value is None:
            return null
        return Column(np.array([value], dtype=dtype)) if accepts(value) else None

    return check


def _compile_accept(field: Field) -> Accept | None:
    kind: DataType = field.type
    if isinstance(kind, Bool):
        return _all((lambda value: type(value) is bool), *_allowed(field))
    if isinstance(kind, Integer):
        return _all(_number(field, int, *kind.range), *_allowed(field))
    if isinstance(kind, Float):
        return None if field.allow_infinity else _all(_number(field, float, *_open(kind)), *_allowed(field))
    if isinstance(kind, String):
        # text that is not ASCII might hold half of a surrogate pair
        return _all((lambda value: type(value) is str and value.isascii()), *_allowed(field), *_text(field))
    return _category(field, kind) if isinstance(kind, Category) else None


def _all(*accepts: Accept) -> Accept:
    if len(accepts) == 1:
        return accepts[0]
    return lambda value: all(accept(value) for accept in accepts)


def _number(field: Field, wanted: type, low: float, high: float) -> Accept:
    """Numbers of exactly this type within the type's range and the field's own."""
    if field.minimum is not None:
        low = max(low, bound(field, field.minimum))
    if field.maximum is not None:
        high = min(high, bound(field, field.maximum))

    def accept(value: Any) -> bool:
        number: Any = value
        return type(value) is wanted and bool(low <= number <= high)

    return accept


def _open(kind: Float) -> tuple[float, float]:
    limit = float(np.nextafter(OVERFLOW[kind.bits], 0))
    return -limit, limit


def _allowed(field: Field) -> tuple[Accept, ...]:
    if field.allowed is None:
        return ()
    known = frozenset(canonical(field, value) for value in field.allowed)
    return (known.__contains__,)


def _text(field: Field) -> tuple[Accept, ...]:
    accepts: list[Accept] = []
    if field.pattern is not None:
        pattern = compile_pattern(field)
        accepts.append(lambda value: pattern.fullmatch(value) is not None)
    if field.min_length is not None or field.max_length is not None:
        low = field.min_length or 0
        high = field.max_length if field.max_length is not None else float("inf")
        accepts.append(lambda value: low <= len(value) <= high)
    return tuple(accepts)


def _category(field: Field, kind: Category) -> Accept | None:
    if any(part is not None for part in (field.minimum, field.maximum, field.pattern)):
        return None
    values = frozenset(kind.values) & frozenset(field.allowed or kind.values)
    types = {type(value) for value in kind.values}
    return lambda value: type(value) in types and value in values


# The fields that are plain floats, checked together as one 2-D array: the quick path for rows and matrices of numbers.
#
# It takes only what is plainly right. Whatever it leaves, `columns.py` converts or explains.


_FLOAT64 = np.dtype(np.float64)
_FLOATS = frozenset({float, np.float64})
_NUMBERS = frozenset({float, int, np.float64})


class Block:
    """The plain float fields of a schema that have the most common width; `names` may be empty."""

    __slots__ = (
        "_has_bounds",
        "_high",
        "_limit",
        "_low",
        "_nullable",
        "_pack",
        "_row_limit",
        "_row_shape",
        "dtype",
        "get",
        "is_whole",
        "names",
    )

    def __init__(self, schema: Schema) -> None:
        plain = [field for field in schema.fields if _is_plain(field)]
        widths = Counter(field.type for field in plain)
        kind = max(widths, key=widths.__getitem__, default=Float())
        fields = [field for field in plain if field.type == kind]
        self.names = tuple(field.name for field in fields)
        self.dtype = np.dtype(kind.canonical)
        self.is_whole = len(fields) == len(schema.fields) > 0
        self.get = getter(self.names)
        self._limit = OVERFLOW[kind.bits] if isinstance(kind, Float) else math.inf
        self._row_limit = min(self._limit, OVERFLOW[32])
        self._row_shape = (1, len(fields))
        self._pack = struct.Struct(f"{len(fields)}d").pack
        self._nullable = np.array([field.nullable for field in fields], dtype=bool)
        self._low = _bounds(fields, "minimum", -math.inf, self.dtype)
        self._high = _bounds(fields, "maximum", math.inf, self.dtype)
        self._has_bounds = any(field.minimum is not None or field.maximum is not None for field in fields)

    def row(self, row: Mapping[str, Any]) -> Array | None:
        """One row as an array (1, fields); None when it needs a closer look; `KeyError` when a field is missing.

        No number in it is beyond what float32 holds. The array may be one that cannot be written into.
        """
        values = self.get(row)
        limit = self._row_limit
        if countOf(map(type, values), float) != len(values):
            kinds = set(map(type, values))
            if not kinds <= _NUMBERS:
                found = self._from_rows([values], kinds)
                # in double precision, for the limit of a narrower float does not fit into that float itself
                wide = found is None or bool((np.abs(found, dtype=np.float64) >= limit).any())
                return None if wide else found
            if not kinds <= _FLOATS:
                limit = min(limit, EXACT_IN_FLOAT)
        try:
            size = math.hypot(*values)
        except OverflowError:
            return None
        # a length below the limit says that each is below it; NaN compares as false
        if not size < limit:
            return None
        block: Array = np.ndarray(self._row_shape, _FLOAT64, self._pack(*values))
        if self.dtype != _FLOAT64:
            block = block.astype(self.dtype)
        return block if not self._has_bounds or self._within(block) else None

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> Array | None:
        """Many rows as an array (rows, fields); None when one needs a closer look."""
        try:
            values = [self.get(row) for row in rows]
        except KeyError:
            return None
        return self._from_rows(values, set(map(type, chain.from_iterable(values))))

    def columns(self, columns: Sequence[Raw]) -> Array | None:
        """The columns of all fields, all of one length, as an array (rows, fields); None as above."""
        values = [column.values for column in columns if column.missing is None]
        if len(values) != len(self.names):
            return None
        kinds = set(map(type, values))
        if kinds == {list}:
            block = _numbers(values, set(map(type, chain.from_iterable(values))))
            return None if block is None else self.array(block.T)
        if kinds != {np.ndarray} or len({item.dtype for item in values}) != 1 or any(item.ndim != 1 for item in values):
            return None
        return self.array(np.array(values).T) if values[0].dtype.kind == "f" else None

    def _from_rows(self, rows: Sequence[Sequence[Any]], kinds: set[type]) -> Array | None:
        block = _numbers(rows, kinds)
        return None if block is None else self.array(block.reshape(len(rows), len(self.names)))

    def array(self, block: Array) -> Array | None:
        """A 2-D array of numbers in the width of the fields, the same memory where it is that; None as above."""
        made = block
        if block.dtype.kind in "iu":
            largest = min(self._limit, EXACT_IN_FLOAT)
            if block.size and max(abs(int(block.min())), abs(int(block.max()))) >= largest:
                return None
            made = block.astype(self.dtype)
        elif block.dtype != self.dtype:
            with np.errstate(over="ignore"):
                made = block.astype(self.dtype)
        if not all_finite(made) and not self._only_nulls(block, made):
            return None
        return made if not self._has_bounds or self._within(made) else None

    def _only_nulls(self, before: Array, after: Array) -> bool:
        """Whether all that is not finite is NaN, was so before, and stands where null may be."""
        if bool(np.isinf(after).any()):
            return False
        absent = np.isnan(before).any(axis=0)
        return bool(self._nullable[absent].all())

    def _within(self, block: Array) -> bool:
        return not bool(((block < self._low) | (block > self._high)).any())


def _numbers(values: Sequence[Sequence[Any]], kinds: set[type]) -> Array | None:
    """Floats, whole numbers and None as an array of two axes; `kinds` are the types among them. None as above."""
    if not kinds - {type(None)} <= _NUMBERS:
        return None
    try:
        made = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    return None if int in kinds and bool((np.abs(made) >= EXACT_IN_FLOAT).any()) else made


def _is_plain(field: Field) -> bool:
    """Whether nothing but finiteness, null and range has to be checked."""
    return isinstance(field.type, Float) and field.allowed is None and not field.allow_infinity


def _bounds(fields: Sequence[Field], attribute: str, free: float, dtype: np.dtype[Any]) -> Array:
    """The bound of each field, in the same rounding as the values that are compared with it."""
    limits = [getattr(field, attribute) for field in fields]
    with np.errstate(over="ignore"):
        bounds = [free if limit is None else bound(field, limit) for field, limit in zip(fields, limits, strict=True)]
        return np.array(bounds, dtype=dtype)


def getter(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """A function from a mapping to the values of `names`."""
    if len(names) == 1:
        name = names[0]
        return lambda row: (row[name],)
    return itemgetter(*names) if names else lambda _: ()
