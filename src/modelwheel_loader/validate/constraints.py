"""What a field allows beyond its type, checked on whole columns: null, infinity, range, values, pattern, length."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..opening.schema import Field, compile_pattern
from ..opening.types import (
    TENSOR_DTYPES,
    Binary,
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
    TypeTextError,
    parse_type,
)
from ..text import clip, shown
from .batch import Array, Column
from .quick import all_finite
from .values import Mismatch, converter, not_allowed
from .values import found as piece

if TYPE_CHECKING:
    from .problems import Problems


_ORDERED = (Integer, Float, Decimal, Date, Timestamp, Duration)
Rule = Callable[[Column, "Problems"], None]


def compile_rules(field: Field) -> list[Rule]:
    """The checks that `field` needs beside that for null, in the order in which their defects are told."""
    return list(_rules(field))


def _rules(field: Field) -> Iterator[Rule]:
    if isinstance(field.type, Float) and not field.allow_infinity:
        yield _finite(field)
    _check_order(field)
    if field.minimum is not None:
        low = bound(field, field.minimum)
        yield _compare(
            field, "input.too-small", "is too small", f"at least {field.minimum}", lambda values: values < low
        )
    if field.maximum is not None:
        high = bound(field, field.maximum)
        yield _compare(
            field, "input.too-large", "is too large", f"at most {field.maximum}", lambda values: values > high
        )
    if field.allowed is not None:
        yield _allowed(field)
    if field.pattern is not None:
        yield _pattern(field)
    if field.min_length is not None or field.max_length is not None:
        yield _length(field)


def _check_order(field: Field) -> None:
    """Raise `UsageError` for a minimum or maximum where there is no order, or that leaves no value."""
    given = [value for value in (field.minimum, field.maximum) if value is not None]
    if given and not isinstance(field.type, _ORDERED):
        message = f"{clip(field.type)} has no order: only numbers and times have a minimum and a maximum"
        raise UsageError.of("schema.bound", message, field=field.name)
    if len(given) == 2 and bound(field, given[0]) > bound(field, given[1]):
        message = "the minimum is above the maximum"
        raise UsageError.of("schema.bound", message, field=field.name, found=f"{clip(given[0])} > {clip(given[1])}")


def bound(field: Field, value: Any) -> Any:
    """A bound as a canonical scalar; raises `UsageError` when it does not have the field's type."""
    kind: DataType = field.type
    if isinstance(kind, List | Struct | Tensor):
        message = f"the field {clip(field.name)!r} of type {clip(kind)} has no order and no allowed values"
        raise UsageError.of("schema.bound", message)
    if isinstance(value, float) and not math.isfinite(value):
        message = "a limit is no finite number"
        raise UsageError.of("schema.bound", message, field=field.name, found=shown(value))
    if isinstance(kind, Float):
        kind = Float(64)
    try:
        count = converter(kind)(value)
    except Mismatch as error:
        message = f"the bound {shown(value)} of {clip(field.name)!r} {error.message}"
        raise UsageError.of("schema.bound", message, expected=error.expected) from None
    if isinstance(kind, Date):
        return np.datetime64(count, "D")
    if isinstance(kind, Timestamp):
        return np.datetime64(count, kind.unit)
    return np.timedelta64(count, kind.unit) if isinstance(kind, Duration) else count


def _present(column: Column, bad: Array) -> Array:
    return bad if column.missing is None else bad & ~column.missing


def null_rule(field: Field) -> Rule:
    """The check of a field that is never null."""
    place = {"code": "input.null", "message": "is null", "field": field.name, "expected": str(field.type)}

    def check(column: Column, problems: Problems) -> None:
        if column.missing is not None:
            problems.rows(column.missing, lambda _: place)

    return check


def _finite(field: Field) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        if all_finite(column.values):
            return
        bad = np.isinf(column.values)
        problems.rows(
            _present(column, bad), lambda row: _found(field, "input.not-finite", "is infinite", "", column, row)
        )

    return check


def _found(field: Field, code: str, message: str, expected: str, column: Column, row: int) -> dict[str, Any]:
    place = {"expected": clip(expected, 200), "found": piece(column.values[row]), "field": field.name}
    return {"code": code, "message": message, **place}


def _compare(field: Field, code: str, message: str, expected: str, outside: Callable[[Any], Any]) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        values = column.values
        if values.dtype == object:  # decimals, and None where one is missing
            bad = np.fromiter((item is not None and outside(item) for item in values), dtype=bool, count=len(values))
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                bad = np.asarray(outside(values), dtype=bool)
        if bad.any():
            problems.rows(_present(column, bad), lambda row: _found(field, code, message, expected, column, row))

    return check


def _each(field: Field, accepts: Callable[[Any], bool], describe: Callable[[Any], dict[str, Any]]) -> Rule:
    """A rule for one value at a time; each different value is judged once, and described only when it is shown."""

    def check(column: Column, problems: Problems) -> None:
        values = column.values
        items = list(values) if values.dtype.kind in "mM" else values.tolist()
        refused = {item for item in set(_visible(items, column.missing)) if not accepts(item)}
        if not refused:
            return
        bad = np.fromiter((item in refused for item in items), dtype=bool, count=len(items))
        problems.rows(
            _present(column, bad), lambda row: {"found": piece(items[row]), **describe(items[row]), "field": field.name}
        )

    return check


def _visible(items: list[Any], missing: Array | None) -> Iterator[Any]:
    if missing is None:
        yield from items
    else:
        yield from (item for item, absent in zip(items, missing.tolist(), strict=True) if not absent)


def _allowed(field: Field) -> Rule:
    values = field.allowed or ()
    known = frozenset(canonical(field, value) for value in values)
    return _each(field, known.__contains__, lambda value: not_allowed(value, values).describe(value))


def canonical(field: Field, value: Any) -> Any:
    """An allowed value as `tolist` of the canonical array gives it: a float32 has fewer digits than its text."""
    if isinstance(field.type, Category):
        return value
    found = bound(field, value)
    if isinstance(field.type, Float):
        with np.errstate(over="ignore"):
            return float(np.dtype(field.type.canonical).type(found))
    return found


def _pattern(field: Field) -> Rule:
    texts = field.type.values if isinstance(field.type, Category) else ()
    if not isinstance(field.type, String) and not (texts and isinstance(texts[0], str)):
        message = f"the field {clip(field.name)!r} is a {clip(field.type)}, and only texts have a pattern"
        raise UsageError.of("schema.bound", message)
    pattern = compile_pattern(field)
    expected = clip(f"text matching {field.pattern}", 100)
    place = {"code": "input.pattern", "message": "does not match the pattern", "expected": expected}
    return _each(field, lambda value: pattern.fullmatch(value) is not None, lambda _: place)


def _length(field: Field) -> Rule:
    if not isinstance(field.type, String | Binary | List):
        message = (
            f"the field {clip(field.name)!r} is a {clip(field.type)}, and only texts, bytes and lists have a length"
        )
        raise UsageError.of("schema.bound", message)
    for length in (field.min_length, field.max_length):
        if length is not None and (type(length) is not int or length < 0):
            message = "a length is no whole number from 0 on"
            raise UsageError.of("schema.bound", message, field=field.name, found=shown(length))
    low = field.min_length or 0
    high = field.max_length if field.max_length is not None else np.iinfo(np.int64).max
    if low > high:
        message = "the shortest length is above the longest"
        raise UsageError.of("schema.bound", message, field=field.name, found=f"{low} > {high}")
    expected = f"a length of {low} … {high}" if field.max_length is not None else f"a length of at least {low}"

    def check(column: Column, problems: Problems) -> None:
        lengths = np.array([low if value is None else len(value) for value in column.values], dtype=np.int64)
        for code, message, bad in (
            ("input.too-short", "is too short", lengths < low),
            ("input.too-long", "is too long", lengths > high),
        ):
            if bad.any():
                problems.rows(_present(column, bad), partial(_found, field, code, message, expected, column))

    return check


def type_misfit(kind: DataType) -> str:
    """What is wrong with a type that was made by hand, without what is inside lists and structs; empty when nothing."""
    match kind:
        case Category():
            kinds = {type(value) for value in kind.values}
            right = len(kinds) < 2 and kinds <= {str, int, float, bool} and len(set(kind.values)) == len(kind.values)
            return (
                "" if right else "is a category whose values are not different texts, numbers or Booleans of one type"
            )
        case Tensor():
            right = kind.dtype in TENSOR_DTYPES and all(axis is None or type(axis) is int for axis in kind.shape)
            return "" if right else f"is a tensor of {str(kind.dtype)[:60]!r} with the axes {str(kind.shape)[:60]}"
        case List() | Struct():
            inside = [kind.item] if isinstance(kind, List) else [field.type for field in kind.fields]
            return "" if all(isinstance(part, DataType) for part in inside) else "holds what is no type"
    try:
        known = parse_type(str(kind)) == kind
    except TypeTextError:
        known = False
    return "" if known else f"is no type of the contract: {str(kind)[:60]}"
