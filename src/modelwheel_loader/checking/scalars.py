"""The quick check of one value of one field: takes what is plainly right, and leaves all else to `columns.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..batch import Column
from ..contract.fields import Field, compile_pattern
from ..contract.types import Bool, Category, DataType, Float, Integer, String
from ..contract.values import OVERFLOW
from .constraints import bound, canonical

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
