"""Times as Python's own objects. They end with the year 9999 and at microseconds: what they cannot hold is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import numpy as np

from ..errors import InputError, MissingExtra
from ..opening.schema import Field
from ..opening.types import DataType, Date, Duration, List, Struct, Timestamp
from ..text import clip
from .batch import Array, objects
from .problems import Problems
from .temporal import convert_unit
from .values import found

_FIRST, _LAST = np.datetime64("0001-01-01T00:00:00.000000", "us"), np.datetime64("9999-12-31T23:59:59.999999", "us")
_OFFSET = r"(?a)(?:UTC)?([+-])(\d\d):?(\d\d)"
_UTC = frozenset({"UTC", "Etc/UTC", "Z"})
_PYTHON = {Date: "datetime64[D]", Timestamp: "datetime64[us]", Duration: "timedelta64[us]"}


def compile_times(field: Field) -> Callable[[Array, Array | None], Array]:
    """A function from canonical times, and where they are missing, to an array of date, datetime or timedelta objects.

    It raises `InputError` with every time that Python has no object for; compiling raises `MissingExtra` for a time
    zone that is unknown here.
    """
    kind = field.type
    zone = zone_of(kind.zone) if isinstance(kind, Timestamp) and kind.zone else None

    def convert(values: Array, missing: Array | None) -> Array:
        made, beyond = _as_python(values, kind)
        if missing is not None:
            beyond = beyond & ~missing
        if beyond.any():
            _refuse(field, values, beyond)
        made_objects: Array = made.astype(object)
        if zone is None:
            return made_objects
        return objects([_in_zone(value, zone, field) for value in made_objects.tolist()])

    return convert


def _as_python(values: Array, kind: DataType) -> tuple[Array, Array]:
    """The times in the unit of Python's objects, and where those cannot hold them."""
    made, lost = convert_unit(values, _PYTHON[type(kind)])
    beyond = np.zeros(len(values), dtype=bool) if lost is None else lost
    if not isinstance(kind, Duration):
        beyond = beyond | (made < _FIRST.astype(made.dtype)) | (made > _LAST.astype(made.dtype))
    return made, beyond


def _refuse(field: Field, values: Array, beyond: Array) -> None:
    """Raise `InputError` with every row where a time is beyond Python's."""
    problems = Problems()
    problems.rows(beyond, lambda row: _place(field, values[row]))
    problems.raise_all(len(values))


def _place(field: Field, value: Any) -> dict[str, Any]:
    name = {Date: "date", Timestamp: "datetime"}.get(type(field.type), "timedelta")
    message = f"cannot be a {name} of Python, which the model is fed"
    expected = "whole microseconds" if isinstance(field.type, Duration) else "a year of 1 … 9999, whole microseconds"
    details = {"field": field.name, "expected": expected, "found": found(value)}
    return {"code": "input.out-of-range", "message": message, **details}


def _beyond(field: Field, value: Any) -> InputError:
    """The error for a time whose row is not known."""
    place = _place(field, value)
    return InputError.of(place.pop("code"), place.pop("message"), **place)


def _in_zone(value: Any, zone: tzinfo, field: Field) -> Any:
    """A naive UTC datetime as an aware one in `zone`; null stays null."""
    if not isinstance(value, datetime):
        return value
    aware = value.replace(tzinfo=UTC)
    if zone is UTC:
        return aware
    try:
        return aware.astimezone(zone)
    except OverflowError:
        raise _beyond(field, value) from None


def zone_of(name: str) -> tzinfo:
    """The zone of that IANA name or UTC offset; raises `MissingExtra` when it is unknown here."""
    if name in _UTC:
        return UTC
    if match := re.fullmatch(_OFFSET, name):
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        if offset < timedelta(days=1):
            return timezone(-offset if match[1] == "-" else offset)
    return iana_zone(name)


def iana_zone(name: str) -> tzinfo:
    """The zone of that IANA name; raises `MissingExtra` when it is unknown here."""
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # no such key, or no data of zones at all
        message = f"the time zone {clip(name)!r} is not known here"
        raise MissingExtra.of("schema.zone", message) from None


def compile_inner(field: Field) -> Callable[[Any], Any] | None:
    """A function that makes the times inside a list or struct Python's; None when there are none.

    Those in nanoseconds stay numpy's, for Python has none so fine.
    """
    match field.type:
        case Date():
            return _one(field)
        case Timestamp() | Duration():
            return None if field.type.unit == "ns" else _one(field)
        case List() if (item := compile_inner(Field(name=f"{field.name}[]", type=field.type.item))) is not None:
            return lambda value: [part if part is None else item(part) for part in value]
        case Struct():
            named = [(inner.name, inner.replace(name=f"{field.name}.{inner.name}")) for inner in field.type.fields]
            members = {name: inner for name, member in named if (inner := compile_inner(member)) is not None}
            return _members(members) if members else None
    return None


def _one(field: Field) -> Callable[[Any], Any]:
    times = compile_times(field)

    def convert(value: Any) -> Any:
        try:
            return times(np.array([value]), None)[0]
        except InputError:
            raise _beyond(field, value) from None

    return convert


def _members(members: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def convert(value: dict[str, Any]) -> dict[str, Any]:
        changed = {name: inner(value[name]) for name, inner in members.items() if value[name] is not None}
        return {**value, **changed}

    return convert
