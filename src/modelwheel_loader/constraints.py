"""What a field allows beyond its type, checked on whole columns: null, infinity, range, allowed values, pattern, length."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .batch import Array, Column
from .errors import UsageError
from .problems import Problems
from .schema import Field
from .text import clip, shown
from .types import Category, DataType, Date, Duration, Float, Tensor, Timestamp
from .values import Mismatch, converter, not_allowed

Rule = Callable[[Column, Problems], None]


def compile_rules(field: Field) -> list[Rule]:
    """The checks that `field` needs, in the order in which their defects are told."""
    return list(_rules(field))


def _rules(field: Field) -> Iterator[Rule]:
    if not field.nullable:
        yield _no_nulls(field)
    if isinstance(field.type, Float) and not field.allow_infinity:
        yield _finite(field)
    if isinstance(field.type, Tensor) and field.type.dtype.startswith("float") and not field.allow_infinity:
        yield _finite_tensor(field)
    if field.minimum is not None:
        low = bound(field, field.minimum)
        yield _compare(field, "input.too-small", "is too small", f"at least {field.minimum}", lambda values: values < low)
    if field.maximum is not None:
        high = bound(field, field.maximum)
        yield _compare(field, "input.too-large", "is too large", f"at most {field.maximum}", lambda values: values > high)
    if field.allowed is not None:
        yield _allowed(field)
    if field.pattern is not None:
        yield _pattern(field)
    if field.min_length is not None or field.max_length is not None:
        yield _length(field)


def bound(field: Field, value: Any) -> Any:
    """A bound as a canonical scalar; raises `UsageError` when it does not have the field's type."""
    kind: DataType = field.type
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


def _no_nulls(field: Field) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        if column.missing is not None and column.missing.any():
            expected = str(field.type)
            problems.rows(
                column.missing,
                lambda _: {"code": "input.null", "message": "is null", "field": field.name, "expected": expected},
            )

    return check


def _finite(field: Field) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        bad = np.isinf(column.values)
        if bad.any():
            problems.rows(_present(column, bad), lambda row: _found(field, "input.not-finite", "is infinite", "", column, row))

    return check


def _finite_tensor(field: Field) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        if hasattr(column.values, "tocsr"):
            matrix = column.values
            if not np.isfinite(matrix.data).all():
                rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
                bad = np.zeros(matrix.shape[0], dtype=bool)
                bad[rows[~np.isfinite(matrix.data)]] = True
                _report(bad, column, problems)
            return
        values = column.values
        if values.dtype == object:
            bad = np.array([not np.isfinite(value).all() for value in values], dtype=bool)
        else:
            bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
        if bad.any():
            _report(bad, column, problems)

    def _report(bad: Array, column: Column, problems: Problems) -> None:
        code, message = "input.not-finite", "holds NaN or an infinite number"
        problems.rows(_present(column, bad), lambda _: {"code": code, "message": message, "field": field.name})

    return check


def _found(field: Field, code: str, message: str, expected: str, column: Column, row: int) -> dict[str, Any]:
    value = column.values[row]
    if isinstance(value, np.datetime64 | np.timedelta64):
        value = str(value)
    found = shown(value.item() if isinstance(value, np.generic) else value)
    return {"code": code, "message": message, "expected": clip(expected, 200), "found": found, "field": field.name}


def _compare(field: Field, code: str, message: str, expected: str, outside: Callable[[Any], Any]) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        with np.errstate(invalid="ignore"):
            bad = np.asarray(outside(column.values), dtype=bool)
        if bad.any():
            problems.rows(_present(column, bad), lambda row: _found(field, code, message, expected, column, row))

    return check


def _each(field: Field, refuse: Callable[[Any], dict[str, Any] | None]) -> Rule:
    """A rule for one value at a time; each different value is judged once."""

    def check(column: Column, problems: Problems) -> None:
        items = column.values.tolist() if column.values.dtype.kind not in "mM" else list(column.values)
        verdicts = {item: refuse(item) for item in set(_visible(items, column.missing))}
        if not any(verdict is not None for verdict in verdicts.values()):
            return
        bad = np.fromiter((verdicts.get(item) is not None for item in items), dtype=bool, count=len(items))
        problems.rows(
            _present(column, bad),
            lambda row: {**(verdicts[items[row]] or {}), "field": field.name, "found": shown(items[row])},
        )

    return check


def _visible(items: list[Any], missing: Array | None) -> Iterator[Any]:
    if missing is None:
        yield from items
    else:
        yield from (item for item, absent in zip(items, missing.tolist(), strict=True) if not absent)


def _allowed(field: Field) -> Rule:
    values = field.allowed or ()
    kind = Float(64) if isinstance(field.type, Float) else field.type
    known = frozenset(bound(field, value) if not isinstance(kind, Category) else value for value in values)

    def refuse(value: Any) -> dict[str, Any] | None:
        if value in known:
            return None
        error = not_allowed(value, values)
        return {"code": error.code, "message": error.message, "expected": error.expected, "hint": error.hint}

    return _each(field, refuse)


def _pattern(field: Field) -> Rule:
    try:
        pattern = re.compile(field.pattern or "")
    except re.error as error:
        message = f"the pattern of {clip(field.name)!r} is no regular expression: {clip(error)}"
        raise UsageError.of("schema.bound", message) from None
    expected = clip(f"text matching {field.pattern}", 100)

    def refuse(value: Any) -> dict[str, Any] | None:
        if pattern.fullmatch(value):
            return None
        return {"code": "input.pattern", "message": "does not match the pattern", "expected": expected}

    return _each(field, refuse)


def _length(field: Field) -> Rule:
    low, high = field.min_length or 0, field.max_length
    expected = f"a length of {low} … {high}" if high is not None else f"a length of at least {low}"

    def check(column: Column, problems: Problems) -> None:
        lengths = np.array([len(value) if hasattr(value, "__len__") else low for value in column.values], dtype=np.int64)
        for code, message, bad in (
            ("input.too-short", "is too short", lengths < low),
            ("input.too-long", "is too long", lengths > (high if high is not None else np.iinfo(np.int64).max)),
        ):
            if bad.any():
                problems.rows(
                    _present(column, bad),
                    lambda row, code=code, message=message: _found(field, code, message, expected, column, row),  # type: ignore[misc]
                )

    return check


