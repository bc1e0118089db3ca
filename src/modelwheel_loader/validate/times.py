"""Times: whole counts of a unit since the epoch. From Python, numpy, pandas and ISO 8601, without loss, and back."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, MissingExtra
from ..opening.types import DataType, Date, Duration, Timestamp
from ..text import clip
from .batch import Array, Column, Instant, Raw, filled, objects, where_null
from .kinds import Kind, Mismatch, found, some
from .numbers import also_missing
from .problems import Problems

if TYPE_CHECKING:
    from ..opening.schema import Field


PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NANOS = {**{unit: 10**9 // count for unit, count in PER_SECOND.items()}, "m": 60 * 10**9, "h": 3600 * 10**9}
_NANOS |= {"D": 86400 * 10**9, "W": 7 * 86400 * 10**9}
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - wall clocks are counted from here without a zone
_DAY = dt.date(1970, 1, 1)
_INT64 = (-(2**63) + 1, 2**63 - 1)  # the smallest int64 is NaT
# patterns are texts here: `re` compiles them when they are first used, and keeps them
_ISO = r"(?a)(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,18}))?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?"
_ISO_DAY = r"(?a)\d{4}-\d\d-\d\d"
_DURATION = (
    r"(?a)([+-])?P(?:(\d{1,9})W)?(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12})(?:[.,](\d{1,18}))?S)?)?"
)


class LossyError(ValueError):
    """The time cannot be held in the unit without losing something, or is out of its range."""


class ZoneError(ValueError):
    """A timestamp has a time zone and must not have one, or lacks one and needs it."""


def _scaled(nanoseconds: int, unit: str) -> int:
    count, rest = divmod(nanoseconds, _NANOS[unit])
    if rest:
        raise LossyError(f"is finer than the unit {unit}")
    if not _INT64[0] <= count <= _INT64[1]:
        raise LossyError(f"is beyond the range of the unit {unit}")
    return count


def timestamp_count(value: Any, unit: str, *, zoned: bool) -> int:
    """The count of `unit` since 1970 of a datetime, date, numpy datetime or ISO text; UTC when `zoned`.

    Raises `LossyError`, `ZoneError`, and `ValueError` for text that is not a time, `TypeError` for other types.
    """
    if isinstance(value, str):
        return _scaled(_parse_timestamp(value, zoned=zoned), unit)
    if isinstance(value, np.datetime64 | Instant):
        _check_zone(has_zone=isinstance(value, Instant), zoned=zoned)
        return _scaled(_numpy_nanoseconds(value.value if isinstance(value, Instant) else value), unit)
    if isinstance(value, dt.datetime):
        return _scaled(_datetime_nanoseconds(value, zoned=zoned), unit)
    if isinstance(value, dt.date):
        _check_zone(has_zone=False, zoned=zoned)
        return _scaled((value - _DAY).days * _NANOS["D"], unit)
    raise TypeError


def _check_zone(*, has_zone: bool, zoned: bool) -> None:
    if has_zone != zoned:
        raise ZoneError("has no zone" if zoned else "has a zone")


def _datetime_nanoseconds(value: dt.datetime, *, zoned: bool) -> int:
    offset = value.utcoffset()
    _check_zone(has_zone=offset is not None, zoned=zoned)
    if hasattr(value, "to_datetime64"):  # pandas.Timestamp: in UTC when it has a zone, beyond the year 9999 too
        return _numpy_nanoseconds(value.to_datetime64())
    wall = dt.datetime(value.year, value.month, value.day, value.hour, value.minute, value.second)  # noqa: DTZ001
    elapsed = (wall - _EPOCH) - (offset or dt.timedelta())
    return (elapsed.days * 86400 + elapsed.seconds) * 10**9 + (elapsed.microseconds + value.microsecond) * 1000


def _parse_timestamp(text: str, *, zoned: bool) -> int:
    match = re.fullmatch(_ISO, text.strip())
    if match is None:
        raise ValueError
    day, clock, fraction, zone = match.groups()
    _check_zone(has_zone=zone is not None, zoned=zoned)
    moment = dt.datetime.fromisoformat(f"{day}T{clock or '00:00'}{(zone or '').upper()}")
    return _datetime_nanoseconds(moment, zoned=zoned) + _fraction(fraction)


def _fraction(digits: str | None) -> int:
    if not digits:
        return 0
    if digits[9:].strip("0"):
        raise LossyError("is finer than nanoseconds")
    return int(digits[:9].ljust(9, "0"))


def _numpy_nanoseconds(value: Any) -> int:
    unit, count = np.datetime_data(value.dtype)
    if unit in ("M", "Y"):
        value, unit, count = value.astype("datetime64[D]"), "D", 1
    if unit not in _NANOS:
        raise TypeError
    return int(value.view("int64")) * count * _NANOS[unit]


def day_count(value: Any) -> int:
    """The days since 1970 of a date, a datetime at midnight, a numpy datetime or ISO text."""
    if isinstance(value, str):
        if not re.fullmatch(_ISO_DAY, value.strip()):
            raise ValueError
        return (dt.date.fromisoformat(value.strip()) - _DAY).days
    return timestamp_count(value, "D", zoned=False)


def duration_count(value: Any, unit: str) -> int:
    """The count of `unit` of a timedelta, a numpy timedelta, or an ISO 8601 duration without years and months."""
    if isinstance(value, str):
        return _scaled(_parse_duration(value), unit)
    if isinstance(value, np.timedelta64):
        of, count = np.datetime_data(value.dtype)
        if of not in _NANOS:
            raise TypeError
        return _scaled(int(value.view("int64")) * count * _NANOS[of], unit)
    if isinstance(value, dt.timedelta):
        fine = value.microseconds * 1000 + getattr(value, "nanoseconds", 0)  # pandas.Timedelta counts nanoseconds
        return _scaled((value.days * 86400 + value.seconds) * 10**9 + fine, unit)
    raise TypeError


def _parse_duration(text: str) -> int:
    match = re.fullmatch(_DURATION, text.strip())
    if match is None or not any(match.groups()[1:]) or text.strip().endswith("T"):
        raise ValueError
    sign, weeks, days, hours, minutes, seconds, fraction = match.groups()
    whole = ((int(weeks or 0) * 7 + int(days or 0)) * 24 + int(hours or 0)) * 60 + int(minutes or 0)
    total = (whole * 60 + int(seconds or 0)) * 10**9 + _fraction(fraction)
    return -total if sign == "-" else total


def convert_unit(values: Array, dtype: str) -> tuple[Array, Array | None]:
    """`values` (datetime64, timedelta64) in the unit of `dtype`, and where that loses something; None when nowhere."""
    if values.dtype == dtype:
        return values, None
    with np.errstate(all="ignore"):
        converted = values.astype(dtype)
        lost = converted.astype(values.dtype) != values
    nulls, made = where_null(values), where_null(converted)
    if made is not None:
        lost |= made
    if nulls is not None:
        lost &= ~nulls
    return converted, some(lost)


# -- Python's objects: they end with the year 9999 and at microseconds. What they cannot hold is rejected ----------


_FIRST, _LAST = np.datetime64("0001-01-01T00:00:00.000000", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")
_OFFSET = r"(?a)(?:UTC)?([+-])(\d\d):?(\d\d)"
_UTC = frozenset({"UTC", "Etc/UTC", "Z"})


def zone_of(name: str) -> dt.tzinfo:
    """The zone of that IANA name or UTC offset; raises `MissingExtra` when it is unknown here."""
    if name in _UTC:
        return dt.UTC
    if match := re.fullmatch(_OFFSET, name):
        offset = dt.timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset < dt.timedelta(days=1):
            return dt.timezone(-offset if match[1] == "-" else offset)
    return iana_zone(name)


def iana_zone(name: str) -> dt.tzinfo:
    """The zone of that IANA name; raises `MissingExtra` when it is unknown here."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # no such key, or no data of zones at all
        raise MissingExtra.of("schema.zone", f"the time zone {clip(name)!r} is not known here") from None


# -- the types ----------------------------------------------------------------------------------------------------


class _Time(Kind):
    filler = 0
    has_order = at_once = True
    zoned = False
    expected = ""
    python_dtype = "datetime64[us]"
    python_name = "datetime"
    python_range = "a year of 1 … 9999, whole microseconds"

    def count(self, value: Any) -> int:
        """The count of the type's unit; raises as `timestamp_count` does."""
        raise NotImplementedError

    def convert(self, value: Any) -> int:
        try:
            return self.count(value)
        except LossyError as error:
            raise Mismatch("input.out-of-range", str(error), self.expected) from None
        except ZoneError as error:
            raise Mismatch("input.zone", str(error), self.expected) from None
        except (ValueError, TypeError, OverflowError):
            raise Mismatch("input.wrong-type", "has the wrong type", self.expected) from None

    def bound(self, value: Any) -> Any:
        return self.build([self.convert(value)])[0]

    def build(self, values: list[Any]) -> Array:
        return np.array(values, dtype=np.int64).view(self.type.canonical)

    def from_array(self, raw: Raw) -> Column | None:
        if raw.values.dtype.kind != np.dtype(self.type.canonical).kind or raw.utc != self.zoned:
            return None
        converted, lost = convert_unit(raw.values, self.type.canonical)
        return None if lost is not None else also_missing(Column(converted, where_null(converted)), raw.missing)

    def to_objects(self, field: Field) -> Callable[[Column], Array]:
        """Dates, datetimes and timedeltas; raises `InputError` with every time that Python has no object for.

        Compiling raises `MissingExtra` for a time zone that is unknown here.
        """
        zone = zone_of(self.type.zone) if isinstance(self.type, Timestamp) and self.type.zone else None

        def convert(column: Column) -> Array:
            values, missing = column
            made, beyond = self._as_python(values)
            if missing is not None:
                beyond = beyond & ~missing
            if beyond.any():
                problems = Problems()
                problems.rows(beyond, lambda row: self._beyond(field, values[row]))
                problems.raise_all(len(values))
            made_objects: Array = made.astype(object)
            if zone is None:
                return made_objects
            return objects([self._in_zone(value, zone, field) for value in made_objects.tolist()])

        return convert

    def inside(self, field: Field) -> Callable[[Any], Any] | None:
        """Those in nanoseconds stay numpy's, for Python has none so fine."""
        if self.type.canonical.endswith("[ns]"):
            return None
        times = self.to_objects(field)

        def convert(value: Any) -> Any:
            try:
                return times(Column(np.array([value])))[0]
            except InputError:
                raise self._error(field, value) from None

        return convert

    def _as_python(self, values: Array) -> tuple[Array, Array]:
        """The times in the unit of Python's objects, and where those cannot hold them."""
        made, lost = convert_unit(values, self.python_dtype)
        beyond = np.zeros(len(values), dtype=bool) if lost is None else lost
        if made.dtype.kind == "M":
            beyond = beyond | (made < _FIRST.astype(made.dtype)) | (made > _LAST.astype(made.dtype))
        return made, beyond

    def _in_zone(self, value: Any, zone: dt.tzinfo, field: Field) -> Any:
        """A naive UTC datetime as an aware one in `zone`; null stays null."""
        if not isinstance(value, dt.datetime):
            return value
        aware = value.replace(tzinfo=dt.UTC)
        if zone is dt.UTC:
            return aware
        try:
            return aware.astimezone(zone)
        except OverflowError:
            raise self._error(field, value) from None

    def _error(self, field: Field, value: Any) -> InputError:
        """The error for a time whose row is not known."""
        place = self._beyond(field, value)
        return InputError.of(place.pop("code"), place.pop("message"), **place)

    def _beyond(self, field: Field, value: Any) -> dict[str, Any]:
        message = f"cannot be a Python {self.python_name}, which the model needs"
        place = {"field": field.name, "expected": self.python_range, "found": found(value)}
        return {"code": "input.out-of-range", "message": message, **place}

    def polars_series(self, name: str, column: Column, dtype: Any, polars: Any) -> Any:
        counts = polars.Series(name, filled(Column(column.values.view(np.int64), column.missing), 0))
        if getattr(self.type, "unit", "") == "s":  # which Polars has not
            counts = counts * 1000
        return counts.cast(self.polars(polars)).cast(dtype)


class _Date(_Time):
    expected = "a date, or ISO 8601 text such as 2026-01-31"
    python_dtype = "datetime64[D]"
    python_name = "date"
    arrow_name = "date32"
    polars_name = "Date"

    def count(self, value: Any) -> int:
        return day_count(value)

    def polars_series(self, name: str, column: Column, dtype: Any, polars: Any) -> Any:
        days = filled(Column(column.values.view(np.int64), column.missing), 0)
        return polars.Series(name, days.astype(np.int32)).cast(dtype)


class _Timestamp(_Time):
    type: Timestamp

    def __init__(self, kind: Timestamp) -> None:
        super().__init__(kind)
        self.zoned = bool(kind.zone)
        self.expected = f"{kind}, or ISO 8601 text such as 2026-01-31T12:00:00{'Z' if kind.zone else ''}"

    def count(self, value: Any) -> int:
        return timestamp_count(value, self.type.unit, zoned=self.zoned)

    def arrow(self, pyarrow: Any) -> Any:
        return pyarrow.timestamp(self.type.unit, self.type.zone)

    def polars(self, polars: Any) -> Any:
        return polars.Datetime(self.type.unit if self.type.unit != "s" else "ms", self.type.zone)


class _Duration(_Time):
    type: Duration
    python_dtype = "timedelta64[us]"
    python_name = "timedelta"
    python_range = "whole microseconds"

    def __init__(self, kind: Duration) -> None:
        super().__init__(kind)
        self.expected = f"{kind}, or ISO 8601 text such as PT1H30M"

    def count(self, value: Any) -> int:
        return duration_count(value, self.type.unit)

    def arrow(self, pyarrow: Any) -> Any:
        return pyarrow.duration(self.type.unit)

    def polars(self, polars: Any) -> Any:
        return polars.Duration(self.type.unit if self.type.unit != "s" else "ms")


KINDS: dict[type[DataType], type[Kind]] = {Date: _Date, Timestamp: _Timestamp, Duration: _Duration}
