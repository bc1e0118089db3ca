"""What changed between two schemas, and whether data that was valid may be refused now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..opening.types import Category, DataType, Date, Float, Integer, Timestamp
from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..opening.schema import Field, Schema


class Change(Record):
    """One difference. `breaking` when data that was valid for the old schema may be refused by the new one."""

    what: str
    field: str | None
    old: Any
    new: Any
    breaking: bool

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field is not None else ""
        mark = " (breaking)" if self.breaking else ""
        if self.what in ("added", "removed"):
            return f"{place}{self.what}{mark}"
        return f"{place}{self.what} {_shown(self.old)} → {_shown(self.new)}{mark}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


class SchemaDiff(Record):
    """All differences, in the order of the new schema's fields. False when there are none."""

    changes: tuple[Change, ...]

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes by which data that was valid may be refused now."""
        return tuple(change for change in self.changes if change.breaking)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.changes)) or "no difference"

    def to_dict(self) -> dict[str, Any]:
        """The differences as JSON types."""
        parts = ("what", "field", "breaking")
        return {
            "breaking": bool(self.breaking),
            "changes": [
                {name: getattr(change, name) for name in parts} | {"old": _plain(change.old), "new": _plain(change.new)}
                for change in self.changes
            ],
        }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def diff(old: Schema, new: Schema) -> SchemaDiff:
    """What changed from `old` to `new`, for those who send data. Fields are matched by name; their order is free."""
    return SchemaDiff(changes=tuple(_changes(old, new)))


def _changes(old: Schema, new: Schema) -> Iterator[Change]:
    before = {field.name: field for field in old.fields}
    after = {field.name: field for field in new.fields}
    for name, field in after.items():
        if name not in before:
            yield Change(what="added", field=name, old=None, new=str(field.type), breaking=field.required)
        else:
            yield from _field_changes(before[name], field)
    for name, field in before.items():
        if name not in after:
            closed = new.extra == "error"
            yield Change(what="removed", field=name, old=str(field.type), new=None, breaking=closed)
    if old.extra != new.extra:
        yield Change(what="extra", field=None, old=old.extra, new=new.extra, breaking=new.extra == "error")
    for what, breaks in _TABLE_BREAKS.items():
        was, will = getattr(old, what), getattr(new, what)
        if was != will:
            yield Change(what=what, field=None, old=was, new=will, breaking=breaks(was, will))
    for what in ("layout", "container", "dtype"):
        if getattr(old, what) != getattr(new, what):
            yield Change(what=what, field=None, old=getattr(old, what), new=getattr(new, what), breaking=False)
    if list(before) != list(after) and set(before) == set(after):
        bare = new.layout == "matrix"  # arrays without names are bound by position
        yield Change(what="order", field=None, old=", ".join(before), new=", ".join(after), breaking=bare)


def _field_changes(old: Field, new: Field) -> Iterator[Change]:
    for what, breaks in _BREAKS.items():
        before, after = getattr(old, what), getattr(new, what)
        if before != after:
            breaking = new.required if what == "default" else breaks(before, after)
            yield Change(what=what, field=new.name, old=before, new=after, breaking=breaking)


def _raised(old: Any, new: Any) -> bool:
    return new is not None and (old is None or bool(new > old))


def _lowered(old: Any, new: Any) -> bool:
    return new is not None and (old is None or bool(new < old))


def _fewer(old: Any, new: Any) -> bool:
    return new is not None and (old is None or not set(old) <= set(new))


def _holds(new: DataType, old: DataType) -> bool:
    """Whether every value of `old` is one of `new`: the conversions that the validators make without loss."""
    match old, new:
        case Integer(), Integer():
            return new.range[0] <= old.range[0] and old.range[1] <= new.range[1]
        case Integer(), Float():
            return old.bits <= {16: 8, 32: 16, 64: 32}[new.bits]
        case Float(), Float():
            return new.bits >= old.bits
        case Category(), Category():
            return set(old.values) <= set(new.values)
        case Date(), Timestamp():
            return new.zone is None
        case Timestamp(), Timestamp():
            order = ("s", "ms", "us", "ns")
            return bool(old.zone) == bool(new.zone) and order.index(old.unit) <= order.index(new.unit)
        case Category(), _:
            return bool(old.values) and _python_type(new) == type(old.values[0]).__name__
    return False


def _python_type(kind: DataType) -> str:
    return {"string": "str", "int64": "int", "float64": "float", "bool": "bool"}.get(str(kind), "")


_TABLE_BREAKS: dict[str, Callable[[Any, Any], bool]] = {
    "min_rows": _raised,
    "max_rows": _lowered,
    # rows that agree in more fields agree in fewer
    "unique": lambda old, new: bool(new) and not (old and set(old) <= set(new)),
}
_BREAKS: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda old, new: not _holds(new, old),
    "nullable": lambda _, new: not new,
    "allow_infinity": lambda _, new: not new,
    "minimum": _raised,
    "min_length": _raised,
    "maximum": _lowered,
    "max_length": _lowered,
    "allowed": _fewer,
    "pattern": lambda _, new: new is not None,
    **dict.fromkeys(("default", "unit", "description", "deprecated", "physical", "observed"), lambda _old, _new: False),
}
"""What is compared of a field, and whether a change of it from old to new can refuse what was valid."""
