"""Times as whole counts of a unit since the epoch, without losing anything: Python's, numpy's, pandas' and ISO 8601."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, NamedTuple

import numpy as np

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


class Instant(NamedTuple):
    """A moment in UTC from a column whose container says that it has a zone."""

    value: Any

    def __str__(self) -> str:
        return f"{self.value}Z"


class LossyError(ValueError):
    """The time cannot be held in the unit without losing something, or is out of its range."""


class ZoneError(ValueError):
    """The time has a zone and should not, or the other way round."""


def _scaled(nanoseconds: int, unit: str) -> int:
    count, rest = divmod(nanoseconds, _NANOS[unit])
    if rest:
        raise LossyError(f"is finer than the unit {unit}")
    if not _INT64[0] <= count <= _INT64[1]:
        raise LossyError(f"is beyond the range of the unit {unit}")
    return count


def timestamp_count(value: Any, unit: str, *, zoned: bool) -> int:
    """The count of `unit` since 1970 of a datetime, date, numpy datetime or ISO text; UTC when `zoned`.

    Raises `LossyError`, `ZoneError`, and `ValueError` for text that is no time, `TypeError` for other types.
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


def convert_unit(values: np.ndarray[Any, Any], dtype: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]:
    """`values` (datetime64, timedelta64) in the unit of `dtype`, and where that loses something; None when nowhere."""
    if values.dtype == dtype:
        return values, None
    with np.errstate(all="ignore"):
        converted = values.astype(dtype)
        lost = (converted.astype(values.dtype) != values) & ~np.isnat(values)
        lost |= np.isnat(converted) & ~np.isnat(values)
    return converted, lost if bool(lost.any()) else None
