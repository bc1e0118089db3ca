"""One value at a time: the rule by which each scalar type takes a Python, numpy or pandas scalar. Lossless, or refused.

`converter(type)` gives a function from a value that is not null to the canonical scalar; it raises `Mismatch`. Both
validators rest on it: columns of a plainly right dtype skip it, everything else goes through it.
"""

from __future__ import annotations

import binascii
import datetime as dt
import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

import numpy as np

from ..opening.types import Binary, Bool, Category, DataType, Date, Decimal, Duration, Float, Integer, String, Timestamp
from ..text import clip, shown

if TYPE_CHECKING:
    import decimal


Convert = Callable[[Any], Any]
EXACT_IN_FLOAT = 2**53
"""Whole numbers up to here are exact in float64."""
OVERFLOW = {16: 65520.0, 32: 3.4028235677973366e38, 64: math.inf}
"""The smallest number that becomes infinite in a float of so many bits: half a step above the largest one."""
_NO_NUMBERS = bool | np.bool_ | np.timedelta64
"""What Python or numpy count among the integers, and the contract does not."""
_DECIMAL_TEXT = r"(?a)[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?"
_NULL_NAMES = frozenset({"NAType", "NaTType"})


def found(item: object) -> str:
    """A bounded piece of a value for an error, times and decimals written out."""
    if isinstance(item, np.generic) and not isinstance(item, np.datetime64 | np.timedelta64):
        item = item.item()
    from .temporal import Instant

    if isinstance(item, dt.date | dt.timedelta | np.datetime64 | np.timedelta64 | Instant) or is_decimal(item):
        return clip(item)
    return shown(item)


class Mismatch(Exception):
    """A value does not have its type: `code`, a sentence, what was expected, and a hint made when it is shown."""

    def __init__(self, code: str, message: str, expected: str, hint: Callable[[], str] | str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expected = expected
        self.hint = hint

    def describe(self, value: object) -> dict[str, Any]:
        """The parts of the defect of this value."""
        hint = self.hint if isinstance(self.hint, str) else self.hint()
        if not hint and getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic):
            hint = "an array without axes is no number: send value.item()"
        parts = {"code": self.code, "message": self.message, "expected": self.expected}
        return {**parts, "hint": hint, "found": found(value)}


def is_decimal(value: object) -> TypeGuard[decimal.Decimal]:
    """Whether a value is a decimal. The module is not imported for it: who has a decimal has imported it."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)


def is_null(value: object) -> bool:
    """Whether a value is null: None, NaN, NaT, pandas.NA, or a decimal NaN."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return bool(value != value)  # noqa: PLR0124 - NaN differs from itself
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    if is_decimal(value):
        return value.is_nan()
    return type(value).__name__ in _NULL_NAMES and type(value).__module__.startswith("pandas")


def converter(kind: DataType) -> Convert:
    """The rule for values of `kind`."""
    return _RULES[type(kind)](kind)


def _wrong(kind: object, hint: Callable[[], str] | str = "") -> NoReturn:
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
        if isinstance(value, _NO_NUMBERS):
            _wrong(kind)
        if isinstance(value, int | np.integer):
            number = int(value)
        elif isinstance(value, float | np.floating) or is_decimal(value):
            number = whole(value, kind)
        else:
            _wrong(kind, lambda: _unquote(value))
        if not low <= number <= high:
            raise Mismatch("input.out-of-range", f"does not fit {kind}", f"{low} … {high}")
        return number

    return convert


def whole(value: Any, kind: DataType) -> int:
    """The whole number that a float or decimal is; raises `Mismatch` when it has a fraction or is infinite."""
    if not math.isfinite(value):
        raise Mismatch("input.not-finite", "is infinite", str(kind))
    if abs(value) >= 2**64:  # before int(), which writes out every digit of Decimal("1e999999")
        raise Mismatch("input.out-of-range", f"does not fit {kind}", str(kind))
    if value != int(value):
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
    overflow = OVERFLOW[kind.bits]

    def convert(value: Any) -> float:
        if isinstance(value, _NO_NUMBERS):
            _wrong(kind)
        if isinstance(value, int | np.integer):
            return _exact(int(value), kind)
        if not (isinstance(value, float | np.floating) or is_decimal(value)):
            _wrong(kind, lambda: _unquote(value))
        number = float(value)
        if abs(number) >= overflow and abs(value) != math.inf:
            raise Mismatch("input.out-of-range", f"does not fit {kind}", f"less than {overflow:.4g} in size")
        return number

    return convert


def _exact(value: int, kind: Float) -> float:
    """A whole number as a float; refused where digits would be lost without a word."""
    if abs(value) > EXACT_IN_FLOAT and (value.bit_length() > 1023 or int(float(value)) != value):
        raise Mismatch(
            "input.out-of-range", f"has more digits than {kind} holds", f"at most {EXACT_IN_FLOAT:,} in size"
        )
    if abs(value) >= OVERFLOW[kind.bits]:
        raise Mismatch("input.out-of-range", f"does not fit {kind}", f"less than {OVERFLOW[kind.bits]:.4g} in size")
    return float(value)


def _string(kind: String) -> Convert:
    def convert(value: Any) -> str:
        if not isinstance(value, str):
            _wrong(kind)
        return checked_text(str.__str__(value))  # not str(): an enumeration of texts has another one

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
            return binascii.a2b_base64(value, strict_mode=True)
        except (binascii.Error, ValueError):
            raise Mismatch("input.wrong-type", "is text that is not base64", "bytes, or base64 as text") from None

    return convert


def _category(kind: Category) -> Convert:
    values = frozenset(kind.values)
    first = kind.values[0] if kind.values else ""
    inner: DataType = {bool: Bool(), int: Integer(), float: Float()}.get(type(first), String())
    convert_inner = converter(inner)

    def convert(value: Any) -> Any:
        plain = convert_inner(value)
        if plain not in values:
            raise not_allowed(plain, kind.values)
        return plain

    return convert


def not_allowed(value: object, values: tuple[Any, ...]) -> Mismatch:
    """The mismatch for a value that is none of `values`, with the nearest one as a hint."""
    from ..text import nearest

    listed = ", ".join(clip(item, 40) for item in values[:10]) + (", …" if len(values) > 10 else "")
    message = "is none of the allowed values"
    return Mismatch("input.not-allowed", message, f"one of {listed}", lambda: nearest(value, values))


def _temporal(count: Callable[[Any], int], expected: str) -> Convert:
    from .temporal import LossyError, ZoneError

    def convert(value: Any) -> int:
        try:
            return count(value)
        except LossyError as error:
            raise Mismatch("input.out-of-range", str(error), expected) from None
        except ZoneError as error:
            raise Mismatch("input.zone", str(error), expected) from None
        except (ValueError, TypeError, OverflowError):
            raise Mismatch("input.wrong-type", "has the wrong type", expected) from None

    return convert


def _date(kind: Date) -> Convert:  # noqa: ARG001 - all rules are made alike
    from .temporal import day_count

    return _temporal(day_count, "a date, or ISO 8601 text such as 2026-01-31")


def _timestamp(kind: Timestamp) -> Convert:
    from .temporal import timestamp_count

    example = "2026-01-31T12:00:00Z" if kind.zone else "2026-01-31T12:00:00"
    expected = f"{kind}, or ISO 8601 text such as {example}"
    return _temporal(lambda value: timestamp_count(value, kind.unit, zoned=bool(kind.zone)), expected)


def _duration(kind: Duration) -> Convert:
    from .temporal import duration_count

    expected = f"{kind}, or ISO 8601 text such as PT1H30M"
    return _temporal(lambda value: duration_count(value, kind.unit), expected)


def _decimal(kind: Decimal) -> Convert:
    import decimal

    def convert(value: Any) -> decimal.Decimal:
        if isinstance(value, _NO_NUMBERS):
            _wrong(kind)
        if isinstance(value, int | np.integer):
            number = decimal.Decimal(int(value))
        elif is_decimal(value):
            number = value
        elif isinstance(value, str):
            number = _decimal_text(str.__str__(value), kind)
        else:
            _wrong(kind, "floats have no exact decimal: send text such as '1.10'" if isinstance(value, float) else "")
        return _quantized(number, kind)

    return convert


def _decimal_text(value: str, kind: Decimal) -> decimal.Decimal:
    import decimal

    # Python's own reading takes underscores, blanks and the digits of every script
    if len(value) > 100 or re.fullmatch(_DECIMAL_TEXT, value) is None:
        _wrong(kind)
    return decimal.Decimal(value)


def _quantized(number: decimal.Decimal, kind: Decimal) -> decimal.Decimal:
    import decimal

    context = decimal.Context(prec=kind.precision, traps=[decimal.Inexact, decimal.InvalidOperation])
    try:
        return number.quantize(decimal.Decimal(1).scaleb(-kind.scale), context=context)
    except (decimal.Inexact, decimal.InvalidOperation):
        raise Mismatch("input.out-of-range", f"does not fit {kind} exactly", str(kind)) from None


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
}
