"""What a column of Python objects shows: by the types of all its values, never of the first."""

from __future__ import annotations

import datetime as dt
import decimal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from modelwheel_loader.opening import (
    NO_DEFAULT,
    Binary,
    Bool,
    DataType,
    Date,
    Decimal,
    Field,
    Float,
    Integer,
    List,
    Null,
    String,
    Struct,
    Timestamp,
    parse_type,
)
from modelwheel_loader.validate import may_be_null, null_name

from .columns import Column, ColumnError, Note, from_array

Array = np.ndarray[Any, Any]

# the order matters: bool is an int, datetime is a date, and to numpy a timedelta64 is an integer
_GROUPS: tuple[tuple[str, tuple[type, ...]], ...] = (
    ("bool", (bool, np.bool_)),
    ("datetime", (dt.datetime, np.datetime64)),
    ("date", (dt.date,)),
    ("timedelta", (dt.timedelta, np.timedelta64)),
    ("int", (int, np.integer)),
    ("float", (float, np.floating)),
    ("str", (str,)),
    ("bytes", (bytes, bytearray)),
    ("Decimal", (decimal.Decimal,)),
    ("list", (list, tuple, np.ndarray)),
    ("dict", (Mapping,)),
)
_NUMPY_TIMES = (np.datetime64, np.timedelta64)
_LARGEST_PRECISION = 76


def from_values(values: Array) -> Column:
    """What any 1-D array shows; raises `ColumnError`."""
    return from_objects(values) if values.dtype.kind == "O" else from_array(values)


def from_objects(values: Array | Sequence[Any]) -> Column:
    """What a column of Python objects shows; raises `ColumnError` for mixed or unknown types."""
    items = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind != "O" else list(values)
    groups, nulls = _survey(items)
    null, count = _usual(nulls), sum(nulls.values())
    notes: list[Note] = []
    present = [item for item in items if null_name(item) is None] if count else items
    mixed = len(nulls) > 1
    if mixed:
        notes.append(
            Note(code="mixed-nulls", message=f"null was written as {_listed(nulls)}: made {null!r} everywhere")
        )
    if groups == {"int", "float"}:
        notes.append(Note(code="widened", message="holds integers and floats: taken as floats"))
        groups, present = {"float"}, [float(item) for item in present]
        mixed = True
    if not groups:
        notes.append(Note(code="all-null", message="has no value in the whole sample: taken as text"))
    kind = _type_of(groups, present)
    if isinstance(kind, Struct) and not all(field.required for field in kind.fields):
        notes.append(Note(code="absent", message="has keys that are missing in some rows: taken as null"))
        items = [
            item if null_name(item) else {field.name: item.get(field.name) for field in kind.fields} for item in items
        ]
        mixed = True
    return Column(
        type=kind,
        dtype="object",
        nulls=count,
        null=null,
        present=_statistics(kind, present),
        infinite=isinstance(kind, Float) and any(item in (float("inf"), float("-inf")) for item in present),
        notes=tuple(notes),
        normalised=_rebuilt(items, null, kind) if mixed else None,
    )


def _survey(items: Sequence[Any]) -> tuple[set[str], Counter[Null]]:
    """The groups of types that the values belong to, and how often each way to write null occurs."""
    groups: set[str] = set()
    nulls: Counter[Null] = Counter()
    for kind, number in Counter(map(type, items)).items():
        if may_be_null(kind) or issubclass(kind, (*_NUMPY_TIMES, decimal.Decimal)):
            found = Counter(name for item in items if type(item) is kind and (name := null_name(item)))
            nulls.update(found)
            if found.total() == number:
                continue
        group = next((name for name, types in _GROUPS if issubclass(kind, types)), "")
        if not group:
            raise ColumnError("holds objects that are not data", found=f"{kind.__module__}.{kind.__qualname__}")
        groups.add(group)
    return groups, nulls


def _usual(nulls: Counter[Null]) -> Null | None:
    """The way to write null that occurs most; of equals the first in the schema's order."""
    order = get_args(Null)
    return min(nulls.items(), key=lambda item: (-item[1], order.index(item[0])))[0] if nulls else None


def _listed(nulls: Counter[Null]) -> str:
    return " and ".join(f"{null!r} ({number:,})" for null, number in sorted(nulls.items()))


def _rebuilt(items: Sequence[Any], null: Null | None, kind: DataType) -> list[Any]:
    """The column with one way to write null and one type of number."""
    marker = next((item for item in items if null_name(item) == null), None)
    number = isinstance(kind, Float)
    return [marker if null_name(item) else float(item) if number else item for item in items]


def _type_of(groups: set[str], present: Sequence[Any]) -> DataType:
    if len(groups) > 1:
        hint = "Give the column one type: convert the values, or split it into several columns."
        raise ColumnError("mixes types", expected="values of one type", found=" and ".join(sorted(groups)), hint=hint)
    (group,) = groups or {"str"}
    return _TYPES[group](present)


def _integer(present: Sequence[Any]) -> Integer:
    low, high = min(present), max(present)
    for kind in (Integer(64), Integer(64, signed=False)):
        if kind.range[0] <= low and high <= kind.range[1]:
            return kind
    raise ColumnError("holds integers that no 64-bit type holds", found=f"{int(high).bit_length()} bits")


def _python_unit(present: Sequence[Any]) -> Literal["us"]:
    """Microseconds, which is as fine as Python's own times are; raises `ColumnError` for finer ones."""
    if any(_nanoseconds(item) for item in present):
        hint = "Convert the column to datetime64[ns] or timedelta64[ns]."
        raise ColumnError("holds objects finer than a microsecond", expected="a column of a time dtype", hint=hint)
    return "us"


def _nanoseconds(item: Any) -> bool:
    """Whether a time is finer than Python's microseconds: pandas' and numpy's may be."""
    if isinstance(item, _NUMPY_TIMES):
        return np.datetime_data(item.dtype)[0] == "ns"
    return bool(getattr(item, "nanosecond", 0) or getattr(item, "nanoseconds", 0))


def _timestamp(present: Sequence[Any]) -> Timestamp:
    zones = {_zone(item) for item in present}
    if len(zones) > 1:
        found = " and ".join(sorted(zone or "no zone" for zone in zones))
        raise ColumnError("mixes time zones", expected="one zone, or none", found=found, hint="Convert all to UTC.")
    (zone,) = zones
    return Timestamp(_python_unit(present), zone)


def _zone(item: Any) -> str | None:
    zone = getattr(item, "tzinfo", None)
    return None if zone is None else str(zone)


def _decimal(present: Sequence[decimal.Decimal]) -> Decimal:
    if not all(item.is_finite() for item in present):
        raise ColumnError("holds decimals that are not finite", expected="finite decimals")
    parts = [item.as_tuple() for item in present]
    scales = [max(-int(part.exponent), 0) for part in parts]
    scale = max(scales)
    whole = max(max(len(part.digits) + int(part.exponent), 1) for part in parts)
    if whole + scale > _LARGEST_PRECISION:
        raise ColumnError("holds decimals of too many digits", found=f"{whole + scale} digits", expected="at most 76")
    return Decimal(whole + scale, scale)


def _list(present: Sequence[Any]) -> List:
    inner = from_objects(
        [part for item in present for part in (item.tolist() if isinstance(item, np.ndarray) else item)]
    )
    return List(inner.type, inner.nulls > 0)


def _struct(present: Sequence[Mapping[Any, Any]]) -> Struct:
    names = list(dict.fromkeys(key for item in present for key in item))
    if wrong := [name for name in names if not isinstance(name, str)]:
        raise ColumnError("holds dicts whose keys are not text", found=type(wrong[0]).__name__)
    return Struct(tuple(_member(name, present) for name in names))


def _member(name: str, present: Sequence[Mapping[Any, Any]]) -> Field:
    column = from_objects([item.get(name) for item in present])
    default = NO_DEFAULT if all(name in item for item in present) else None
    return Field(
        name=name, type=column.type, nullable=column.nulls > 0, default=default, allow_infinity=column.infinite
    )


_TYPES: dict[str, Callable[[Sequence[Any]], DataType]] = {
    "bool": lambda _: Bool(),
    "int": _integer,
    "float": lambda _: Float(64),
    "str": lambda _: String(),
    "bytes": lambda _: Binary(),
    "datetime": _timestamp,
    "date": lambda _: Date(),
    "timedelta": lambda present: parse_type(f"duration[{_python_unit(present)}]"),
    "Decimal": _decimal,
    "list": _list,
    "dict": _struct,
}


def _statistics(kind: DataType, present: Sequence[Any]) -> Array | Sequence[Any] | None:
    """The values in a form whose range can be taken; None for those that have none."""
    match kind:
        case List() | Struct() | Decimal():
            return None
        case String() | Binary():
            return present
        case Timestamp() if kind.zone is not None:
            present = [item.astimezone(dt.UTC).replace(tzinfo=None) for item in present]
    return np.array(present, dtype=kind.canonical)
