"""The check of one field, for many values: its type, null, and what the field allows beyond its type.

`compile_column(field)` gives a function from raw values (a list, or an array of any dtype) to the canonical `Column`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..opening.schema import Field, compile_pattern
from ..opening.types import Category, Float
from ..text import clip, shown
from .batch import Array, Column, Raw
from .kinds import Check, Kind, Mismatch, found, kind_of, not_allowed
from .numbers import all_finite, also_missing

if TYPE_CHECKING:
    from .problems import Problems


Rule = Callable[[Column, "Problems"], None]


def compile_column(field: Field) -> Check:
    """The check of one field: canonical values, or None after its defects were recorded.

    Raises `UsageError` when the type is not valid, or a limit or the default does not fit it.
    """
    kind = kind_of(field.type)
    if message := kind.misfit():
        raise UsageError.of("schema.type", f"the type {message}", field=field.name)
    convert = kind.compile(field, compile_column)
    nulls = None if field.nullable else _never_null(field)
    rules = list(_rules(field, kind))

    def check(raw: Raw, problems: Problems) -> Column | None:
        before = problems.counted
        column, rejected = convert(raw, problems)
        if nulls is not None and column.missing is not None:
            nulls(column, problems)
        if rules:
            visible = column if rejected is None else also_missing(column, rejected)
            for rule in rules:
                rule(visible, problems)
        return column if problems.counted == before else None

    if not field.required:
        _check_default(field, check)
    return check


def _check_default(field: Field, check: Check) -> None:
    from .problems import Problems

    problems = Problems()
    check(Raw([field.default]), problems)
    for defect in problems.defects:
        message = f"the default {defect.message}"
        given = defect.found or shown(field.default)
        raise UsageError.of("schema.default", message, field=defect.field, found=given, expected=defect.expected)


def _never_null(field: Field) -> Rule:
    place = {"code": "input.null", "message": "is null", "field": field.name, "expected": str(field.type)}

    def check(column: Column, problems: Problems) -> None:
        if column.missing is not None:
            problems.rows(column.missing, lambda _: place)

    return check


# -- limits of the field ------------------------------------------------------------------------------------------


def _rules(field: Field, kind: Kind) -> Iterator[Rule]:
    """The checks that the field needs beside that for null, in the order in which their defects are reported."""
    if isinstance(field.type, Float) and not field.allow_infinity:
        yield _finite(field)
    low = high = None
    if field.minimum is not None or field.maximum is not None:
        low, high = _limits(field, kind)
    if low is not None:
        expected = f"at least {field.minimum}"
        yield _compare(field, "input.too-small", "is too small", expected, lambda values: values < low)
    if high is not None:
        expected = f"at most {field.maximum}"
        yield _compare(field, "input.too-large", "is too large", expected, lambda values: values > high)
    if field.allowed is not None:
        known, values = allowed_values(field), field.allowed
        yield _each(field, known.__contains__, lambda value: not_allowed(value, values).describe(value))
    if field.pattern is not None:
        yield _pattern(field, kind)
    if field.min_length is not None or field.max_length is not None:
        yield _length(field, kind)


def _wrong(field: Field, message: str, **place: str) -> UsageError:
    return UsageError.of("schema.bound", message, field=field.name, **place)


def _limits(field: Field, kind: Kind) -> tuple[Any, Any]:
    """The minimum and maximum; raises `UsageError` where there is no order, or when they leave no value."""
    given = [value for value in (field.minimum, field.maximum) if value is not None]
    if given and not kind.has_order:
        message = f"{clip(field.type)} has no order: only numbers and times have a minimum and a maximum"
        raise _wrong(field, message)
    low, high = (None if value is None else bound(field, value) for value in (field.minimum, field.maximum))
    if low is not None and high is not None and low > high:
        raise _wrong(field, "the minimum is above the maximum", found=f"{clip(given[0])} > {clip(given[1])}")
    return low, high


def bound(field: Field, value: Any) -> Any:
    """A limit as a scalar that compares with canonical ones; raises `UsageError` when it does not have the type."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(field, "a limit is not a finite number", found=shown(value))
    try:
        return kind_of(field.type).bound(value)
    except Mismatch as error:
        raise _wrong(field, f"the bound {shown(value)} {error.message}", expected=error.expected) from None


def _present(column: Column, bad: Array) -> Array:
    return bad if column.missing is None else bad & ~column.missing


def _finite(field: Field) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        if not all_finite(column.values):
            bad = _present(column, np.isinf(column.values))
            problems.rows(bad, _describe(field, "input.not-finite", "is infinite", "", column))

    return check


def _describe(field: Field, code: str, message: str, expected: str, column: Column) -> Callable[[int], dict[str, Any]]:
    """A function from a row to the parts of its defect."""
    place = {"code": code, "message": message, "expected": clip(expected, 200), "field": field.name}
    return lambda row: {**place, "found": found(column.values[row])}


def _compare(field: Field, code: str, message: str, expected: str, outside: Callable[[Any], Any]) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        values = column.values
        if values.dtype == object:  # decimals, and None where one is missing
            bad = np.fromiter((item is not None and outside(item) for item in values), dtype=bool, count=len(values))
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                bad = np.asarray(outside(values), dtype=bool)
        if bad.any():
            problems.rows(_present(column, bad), _describe(field, code, message, expected, column))

    return check


def _each(field: Field, accepts: Callable[[Any], bool], describe: Callable[[Any], dict[str, Any]]) -> Rule:
    """A rule for one value at a time; each different value is checked once, and described only when it is shown."""

    def check(column: Column, problems: Problems) -> None:
        values, missing = column
        items = list(values) if values.dtype.kind in "mM" else values.tolist()
        visible = items if missing is None else [items[row] for row in (~missing).nonzero()[0].tolist()]
        rejected = {item for item in set(visible) if not accepts(item)}
        if not rejected:
            return
        bad = np.fromiter((item in rejected for item in items), dtype=bool, count=len(items))
        problems.rows(
            _present(column, bad), lambda row: {"found": found(items[row]), **describe(items[row]), "field": field.name}
        )

    return check


def allowed_values(field: Field) -> frozenset[Any]:
    """The allowed values as `tolist` of the canonical array gives them: a float32 has fewer digits than its text."""
    values = [value if isinstance(field.type, Category) else bound(field, value) for value in field.allowed or ()]
    if isinstance(field.type, Float):
        with np.errstate(over="ignore"):
            return frozenset(np.array(values, dtype=field.type.canonical).tolist())
    return frozenset(values)


def _pattern(field: Field, kind: Kind) -> Rule:
    if not kind.is_text:
        raise _wrong(field, f"only texts have a pattern, and not {clip(field.type)}")
    pattern = compile_pattern(field)
    expected = clip(f"text matching {field.pattern}", 100)
    place = {"code": "input.pattern", "message": "does not match the pattern", "expected": expected}
    return _each(field, lambda value: pattern.fullmatch(value) is not None, lambda _: place)


def _length(field: Field, kind: Kind) -> Rule:
    if not kind.has_length:
        raise _wrong(field, f"only texts, bytes and lists have a length, and not {clip(field.type)}")
    for length in (field.min_length, field.max_length):
        if length is not None and (type(length) is not int or length < 0):
            raise _wrong(field, "a length must be a whole number from 0", found=shown(length))
    low = field.min_length or 0
    high = field.max_length if field.max_length is not None else np.iinfo(np.int64).max
    if low > high:
        raise _wrong(field, "the minimum length is above the maximum", found=f"{low} > {high}")
    expected = f"a length of {low} … {high}" if field.max_length is not None else f"a length of at least {low}"

    def check(column: Column, problems: Problems) -> None:
        lengths = np.array([low if value is None else len(value) for value in column.values], dtype=np.int64)
        for code, message, bad in (
            ("input.too-short", "is too short", lengths < low),
            ("input.too-long", "is too long", lengths > high),
        ):
            if bad.any():
                problems.rows(_present(column, bad), _describe(field, code, message, expected, column))

    return check
