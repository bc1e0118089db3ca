"""One value at a time: the rule by which each type takes a Python, numpy or pandas scalar. Lossless, or refused.

`converter(type)` gives a function from a value that is not null to the canonical scalar; it raises `Mismatch`. Both
validators rest on it: columns of a plainly right dtype skip it, everything else goes through it.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import math
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from . import temporal
from .types import (
    Binary,
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

Convert = Callable[[Any], Any]
EXACT_IN_FLOAT = 2**53
"""Whole numbers up to here are exact in float64."""
_LARGEST = {16: 65504.0, 32: float(np.finfo(np.float32).max), 64: float(np.finfo(np.float64).max)}
_NULL_NAMES = frozenset({"NAType", "NaTType"})


class Mismatch(Exception):  # noqa: N818 - never leaves the validators
    """A value does not have its type: `code`, a sentence, and what was expected."""

    def __init__(self, code: str, message: str, expected: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expected = expected
        self.hint = hint


def is_null(value: object) -> bool:
    """Whether a value is null: None, NaN, NaT, pandas.NA, or a decimal NaN."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)  # noqa: PLR0124 - NaN differs from itself
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if isinstance(value, decimal.Decimal):
        return value.is_nan()
    return type(value).__name__ in _NULL_NAMES and type(value).__module__.startswith("pandas")


def converter(kind: DataType) -> Convert:
    """The rule for values of `kind`."""
    return _RULES[type(kind)](kind)


def _wrong(kind: object, hint: str = "") -> NoReturn:
    raise Mismatch("input.wrong-type", "has the wrong type", str(kind), hint)


def _bool(kind: Bool) -> Convert:
    def convert(value: Any) -> bool:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        _wrong(kind, "true or false, not 0 or 1" if isinstance(value, int) else "")

    return convert


def _integer(kind: Integer) -> Convert:
    low, high = kind.range

    def convert(value: Any) -> int:
        if isinstance(value, bool | np.bool_):
            _wrong(kind)
        if isinstance(value, int | np.integer):
            number = int(value)
        elif isinstance(value, float | np.floating | decimal.Decimal):
            number = whole(value, kind)
        else:
            _wrong(kind, _unquote(value))
        if not low <= number <= high:
            raise Mismatch("input.out-of-range", f"does not fit {kind}", f"{low} … {high}")
        return number

    return convert


def whole(value: Any, kind: DataType) -> int:
    """The whole number that a float or decimal is; raises `Mismatch` when it has a fraction or is infinite."""
    if not math.isfinite(value) or value != int(value):
        raise Mismatch("input.not-whole", "is not a whole number", str(kind))
    return int(value)


def _unquote(value: object) -> str:
    """A hint for numbers that are sent as text."""
    if not isinstance(value, str) or len(value) > 40:
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return "send the number itself, not text"


def _float(kind: Float) -> Convert:
    largest = _LARGEST[kind.bits]

    def convert(value: Any) -> float:
        if isinstance(value, bool | np.bool_):
            _wrong(kind)
        if isinstance(value, int | np.integer):
            return _exact(int(value), kind)
        if not isinstance(value, float | np.floating | decimal.Decimal):
            _wrong(kind, _unquote(value))
        number = float(value)
        if abs(number) > largest and not (isinstance(value, float | np.floating) and math.isinf(value)):
            raise Mismatch("input.out-of-range", f"does not fit {kind}", f"at most {largest:.4g} in size")
        return number

    return convert


def _exact(value: int, kind: Float) -> float:
    """A whole number as a float; refused where digits would be lost without a word."""
    if abs(value) > EXACT_IN_FLOAT and (value.bit_length() > 1023 or int(float(value)) != value):
        raise Mismatch("input.out-of-range", f"has more digits than {kind} holds", f"at most {EXACT_IN_FLOAT:,} in size")
    if abs(value) > _LARGEST[kind.bits]:
        raise Mismatch("input.out-of-range", f"does not fit {kind}", f"at most {_LARGEST[kind.bits]:.4g} in size")
    return float(value)


def _string(kind: String) -> Convert:
    def convert(value: Any) -> str:
        if not isinstance(value, str):
            _wrong(kind)
        return checked_text(str(value))

    return convert


def checked_text(value: str) -> str:
    """`value` when it is Unicode text; raises `Mismatch` for half of a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise Mismatch("input.wrong-type", "holds half of a surrogate pair", "Unicode text") from None
    return value


def _binary(kind: Binary) -> Convert:
    def convert(value: Any) -> bytes:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value)
        if not isinstance(value, str):
            _wrong(kind)
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise Mismatch("input.wrong-type", "is text that is not base64", "bytes, or base64 as text") from None

    return convert


def _category(kind: Category) -> Convert:
    values = frozenset(kind.values)
    first = kind.values[0] if kind.values else ""
    inner: DataType = {bool: Bool(), int: Integer(), float: Float()}.get(type(first), String())
    convert_inner = converter(inner)

    def convert(value: Any) -> Any:
        found = convert_inner(value)
        if found not in values:
            raise not_allowed(found, kind.values)
        return found

    return convert


def not_allowed(value: object, values: tuple[Any, ...]) -> Mismatch:
    """The mismatch for a value that is none of `values`, with the nearest one as a hint."""
    import difflib

    shown = ", ".join(str(item)[:40] for item in values[:10]) + (", …" if len(values) > 10 else "")
    close = difflib.get_close_matches(str(value)[:100], [str(item) for item in values[:1000]], n=1)
    hint = f"did you mean {close[0][:40]!r}?" if close else ""
    return Mismatch("input.not-allowed", "is none of the allowed values", f"one of {shown}", hint)


def _temporal(count: Callable[[Any], int], expected: str) -> Convert:
    def convert(value: Any) -> int:
        try:
            return count(value)
        except temporal.LossyError as error:
            raise Mismatch("input.out-of-range", str(error), expected) from None
        except temporal.ZoneError as error:
            raise Mismatch("input.zone", str(error), expected) from None
        except (ValueError, TypeError, OverflowError):
            raise Mismatch("input.wrong-type", "has the wrong type", expected) from None

    return convert


def _date(kind: Date) -> Convert:  # noqa: ARG001 - all rules are made alike
    return _temporal(temporal.day_count, "a date, or ISO 8601 text such as 2026-01-31")


def _timestamp(kind: Timestamp) -> Convert:
    example = "2026-01-31T12:00:00Z" if kind.zone else "2026-01-31T12:00:00"
    expected = f"{kind}, or ISO 8601 text such as {example}"
    return _temporal(lambda value: temporal.timestamp_count(value, kind.unit, zoned=bool(kind.zone)), expected)


def _duration(kind: Duration) -> Convert:
    expected = f"{kind}, or ISO 8601 text such as PT1H30M"
    return _temporal(lambda value: temporal.duration_count(value, kind.unit), expected)


def _decimal(kind: Decimal) -> Convert:
    def convert(value: Any) -> decimal.Decimal:
        if isinstance(value, bool | np.bool_):
            _wrong(kind)
        if isinstance(value, int | np.integer):
            number = decimal.Decimal(int(value))
        elif isinstance(value, decimal.Decimal):
            number = value
        elif isinstance(value, str):
            number = _decimal_text(value, kind)
        else:
            _wrong(kind, "floats have no exact decimal: send text such as '1.10'" if isinstance(value, float) else "")
        return _quantized(number, kind)

    return convert


def _decimal_text(value: str, kind: Decimal) -> decimal.Decimal:
    try:
        number = decimal.Decimal(value) if len(value) <= 100 else decimal.Decimal("NaN")
    except decimal.InvalidOperation:
        _wrong(kind)
    if not number.is_finite():
        _wrong(kind)
    return number


def _quantized(number: decimal.Decimal, kind: Decimal) -> decimal.Decimal:
    context = decimal.Context(prec=kind.precision, traps=[decimal.Inexact, decimal.InvalidOperation])
    try:
        return number.quantize(decimal.Decimal(1).scaleb(-kind.scale), context=context)
    except (decimal.Inexact, decimal.InvalidOperation):
        raise Mismatch("input.out-of-range", f"does not fit {kind} exactly", str(kind)) from None


def _list(kind: List) -> Convert:
    item = nested(kind.item)

    def convert(value: Any) -> list[Any]:
        if isinstance(value, str | bytes | dict) or not hasattr(value, "__iter__"):
            _wrong(kind)
        found = [None if is_null(part) else item(part) for part in value]
        if not kind.nullable and None in found:
            raise Mismatch("input.null", "holds a null", str(kind))
        return found

    return convert


def _struct(kind: Struct) -> Convert:
    items = [(field, nested(field.type)) for field in kind.fields]

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _wrong(kind)
        return {field.name: _member(field, item, value) for field, item in items}

    return convert


def _member(field: Any, item: Convert, value: Mapping[str, Any]) -> Any:
    if field.name not in value and field.required:
        raise Mismatch("input.missing-field", f"lacks {field.name!r}", str(field.type))
    found = value.get(field.name, field.default)
    if is_null(found):
        if not field.nullable:
            raise Mismatch("input.null", f"has null for {field.name!r}", str(field.type))
        return None
    return item(found)


def nested(kind: DataType) -> Convert:
    """The rule for a value inside a list or a struct: times are numpy scalars there, for no array gives them a unit."""
    convert = converter(kind)
    if isinstance(kind, Date):
        return lambda value: np.datetime64(convert(value), "D")
    if isinstance(kind, Timestamp):
        return lambda value: np.datetime64(convert(value), kind.unit)
    if isinstance(kind, Duration):
        return lambda value: np.timedelta64(convert(value), kind.unit)
    return convert


def _tensor(kind: Tensor) -> Convert:
    convert_item = converter(tensor_item(kind))

    def convert(value: Any) -> np.ndarray[Any, Any]:
        try:
            array = np.asarray(value)
        except ValueError:
            raise Mismatch("input.shape", "has rows of different lengths", str(kind)) from None
        if array.ndim != len(kind.shape) or any(
            axis not in (None, found) for axis, found in zip(kind.shape, array.shape, strict=True)
        ):
            raise Mismatch("input.shape", f"has the shape {array.shape}", str(kind))
        if array.dtype == kind.dtype or (array.dtype.kind == "f" and kind.dtype.startswith("float")):
            return array.astype(kind.dtype, copy=False)
        flat = [convert_item(item) for item in array.ravel().tolist()]
        return np.array(flat, dtype=kind.dtype).reshape(array.shape)

    return convert


def tensor_item(kind: Tensor) -> DataType:
    """The scalar type of a tensor's elements."""
    return parse_type(kind.dtype)


_RULES: dict[type[DataType], Callable[[Any], Convert]] = {
    Bool: _bool,
    Integer: _integer,
    Float: _float,
    String: _string,
    Binary: _binary,
    Date: _date,
    Timestamp: _timestamp,
    Duration: _duration,
    Decimal: _decimal,
    Category: _category,
    List: _list,
    Struct: _struct,
    Tensor: _tensor,
}
