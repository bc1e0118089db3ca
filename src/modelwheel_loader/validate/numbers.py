"""Booleans, integers and floats. Numbers are rounded only to the width of a float, as floats do everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opening.types import Bool, DataType, Float, Integer
from .batch import Array, Column, Raw, is_decimal, where_null
from .kinds import Accept, Kind, Mismatch, split

if TYPE_CHECKING:
    from ..opening.schema import Field


EXACT_IN_FLOAT = 2**53
"""Whole numbers up to here are exact in float64."""
OVERFLOW = {16: 65520.0, 32: 3.4028235677973366e38, 64: math.inf}
"""The smallest number that becomes infinite in a float of so many bits: half a step above the largest one."""
NO_NUMBERS = bool | np.bool_ | np.timedelta64
"""What Python or numpy count among the integers, and the contract does not."""
_FEW = 32


class _Number(Kind):
    at_once = True
    _plain: set[type]
    """The Python types of values that are plainly right in a list, and the dtype that holds them all."""
    _dtype: str

    def from_list(self, values: list[Any]) -> Column | None:
        parts = split(values, self._plain, self.filler)
        if parts is None:
            return None
        try:
            return Column(np.array(parts[0], dtype=self._dtype), parts[1])
        except OverflowError:
            return None

    def build(self, values: list[Any]) -> Array:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=self.type.canonical)

    def to_objects(self, field: Field) -> Callable[[Column], Array]:  # noqa: ARG002
        return lambda column: column.values.astype(object)

    def arrow(self, pyarrow: Any) -> Any:
        return pyarrow.type_for_alias(str(self.type).replace("float16", "halffloat"))

    def polars(self, polars: Any) -> Any:
        name = str(self.type).capitalize().replace("Uint", "UInt")
        return getattr(polars, name.replace("Bool", "Boolean"))


class _Bool(_Number):
    filler = False
    answers = (bool, np.bool_)
    _plain = {bool}  # noqa: RUF012 - never changed
    _dtype = "bool"

    def convert(self, value: Any) -> bool:
        if not isinstance(value, bool | np.bool_):
            self.wrong("true or false, not 0 or 1" if isinstance(value, int) else "")
        return bool(value)

    def accepts(self, field: Field) -> Accept:  # noqa: ARG002
        return lambda value: type(value) is bool

    def from_array(self, raw: Raw) -> Column | None:
        return Column(raw.values, raw.missing) if raw.values.dtype == bool else None


class _Integer(_Number):
    type: Integer
    filler = 0
    has_order = True
    answers = (int, np.integer)
    _plain = {int}  # noqa: RUF012

    def __init__(self, kind: Integer) -> None:
        super().__init__(kind)
        self.range, self._dtype = kind.range, kind.canonical

    def convert(self, value: Any) -> int:
        if isinstance(value, NO_NUMBERS):
            self.wrong()
        if isinstance(value, int | np.integer):
            number = int(value)
        elif isinstance(value, float | np.floating) or is_decimal(value):
            number = self._whole(value)
        else:
            self.wrong(lambda: _unquote(value))
        low, high = self.range
        if not low <= number <= high:
            raise Mismatch("input.out-of-range", f"does not fit {self.type}", f"{low} … {high}")
        return number

    def _whole(self, value: Any) -> int:
        """The whole number that a float or decimal is."""
        if isinstance(value, np.float16):
            value = float(value)  # the limits below overflow in its own width
        if not math.isfinite(value):
            raise Mismatch("input.not-finite", "is infinite", str(self.type))
        if abs(value) >= 2**64:  # before int(), which writes out every digit of Decimal("1e999999")
            raise Mismatch("input.out-of-range", f"does not fit {self.type}", str(self.type))
        if value != int(value):
            raise Mismatch("input.not-whole", "is not a whole number", str(self.type))
        return int(value)

    def accepts(self, field: Field) -> Accept:
        return _within(self, field, int, *self.range)

    def from_array(self, raw: Raw) -> Column | None:
        values: Array = raw.values
        if values.dtype == self.type.canonical:
            return Column(values, raw.missing)
        if values.dtype.kind == "f":
            return self._from_floats(values, raw.missing)
        if values.dtype.kind not in "iu":
            return None
        low, high = self.range
        inside = not len(values) or (int(values.min()) >= low and int(values.max()) <= high)
        return Column(values.astype(self.type.canonical), raw.missing) if inside else None

    def _from_floats(self, values: Array, missing: Array | None) -> Column | None:
        """Floats that are whole numbers, NaN as missing; None when one is not whole or does not fit."""
        low, high = self.range
        nulls = where_null(values)
        absent = missing if nulls is None else nulls if missing is None else nulls | missing
        wide = values.astype(np.promote_types(values.dtype, np.float64), copy=False)
        filled = wide if absent is None else np.where(absent, 0, wide)
        if not bool(((filled == np.floor(filled)) & (filled >= low) & (filled < float(high) + 1)).all()):
            return None
        return Column(filled.astype(self.type.canonical), absent)


class _Float(_Number):
    type: Float
    filler = math.nan
    has_order = True
    answers = (float, int, np.floating, np.integer)
    _plain = {float, int, np.float64}  # noqa: RUF012
    _dtype = "float64"

    def convert(self, value: Any) -> float:
        if isinstance(value, NO_NUMBERS):
            self.wrong()
        overflow = OVERFLOW[self.type.bits]
        if isinstance(value, int | np.integer):
            return self._exact(int(value), overflow)
        if not (isinstance(value, float | np.floating) or is_decimal(value)):
            self.wrong(lambda: _unquote(value))
        number = float(value)
        if abs(number) >= overflow and abs(value) != math.inf:
            self._too_large(overflow)
        return number

    def _exact(self, value: int, overflow: float) -> float:
        """A whole number as a float; rejected where digits would be lost silently."""
        if abs(value) > EXACT_IN_FLOAT and (value.bit_length() > 1023 or int(float(value)) != value):
            message, expected = f"has more digits than {self.type} holds", f"at most {EXACT_IN_FLOAT:,} in size"
            raise Mismatch("input.out-of-range", message, expected)
        if abs(value) >= overflow:
            self._too_large(overflow)
        return float(value)

    def _too_large(self, overflow: float) -> None:
        raise Mismatch("input.out-of-range", f"does not fit {self.type}", f"less than {overflow:.4g} in size")

    def accepts(self, field: Field) -> Accept | None:
        limit = float(np.nextafter(OVERFLOW[self.type.bits], 0))
        return None if field.allow_infinity else _within(self, field, float, -limit, limit)

    def bound(self, value: Any) -> Any:
        return _Float(Float(64)).convert(value)

    def from_list(self, values: list[Any]) -> Column | None:
        column = super().from_list(values)
        if column is None or (int in set(map(type, values)) and bool((np.abs(column.values) >= EXACT_IN_FLOAT).any())):
            return None
        return self._narrow(column.values)

    def from_array(self, raw: Raw) -> Column | None:
        values: Array = raw.values
        if values.dtype.kind == "f":
            column = self._narrow(values)
            return column if raw.missing is None or column is None else also_missing(column, raw.missing)
        if values.dtype.kind not in "iu":
            return None
        largest = 65504 if self.type.bits == 16 else EXACT_IN_FLOAT
        if len(values) and max(abs(int(values.min())), abs(int(values.max()))) > largest:
            return None
        return Column(values.astype(self.type.canonical), raw.missing)

    def _narrow(self, values: Array) -> Column | None:
        """Floats in the width of the type, the same memory where it is that; None when one would become infinite."""
        made = values
        if values.dtype != self.type.canonical:
            with np.errstate(over="ignore"):
                made = values.astype(self.type.canonical)
        if all_finite(made):
            return Column(made)
        if made.dtype.itemsize < values.dtype.itemsize and bool((np.isinf(made) & np.isfinite(values)).any()):
            return None
        return Column(made, where_null(made))


def _within(kind: Kind, field: Field, wanted: type, low: float, high: float) -> Accept:
    """Numbers of exactly this Python type within the type's range and the field's own."""
    if field.minimum is not None:
        low = max(low, kind.bound(field.minimum))
    if field.maximum is not None:
        high = min(high, kind.bound(field.maximum))

    def accept(value: Any) -> bool:
        number: Any = value
        return type(value) is wanted and bool(low <= number <= high)

    return accept


def _unquote(value: object) -> str:
    """A hint for numbers that are sent as text."""
    if not isinstance(value, str) or len(value) > 40:
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return "send the number itself, not text"


def all_finite(values: Array) -> bool:
    """Whether floats hold no NaN and no infinity; one pass over the memory and no mask when they do not."""
    if values.ndim == 1 and len(values) <= _FEW:  # a call of numpy costs more than that
        return all(map(math.isfinite, values.tolist()))
    if values.dtype.itemsize > 2:  # half floats overflow soon
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(values.sum()):
                return True
    return bool(np.isfinite(values).all())


def also_missing(column: Column, missing: Array | None) -> Column:
    """The column in which more values are missing."""
    if missing is None:
        return column
    return Column(column.values, missing if column.missing is None else column.missing | missing)


KINDS: dict[type[DataType], type[Kind]] = {Bool: _Bool, Integer: _Integer, Float: _Float}
