"""What changed between two schemas, and whether the new one may reject data that was valid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..opening.types import Category, DataType, Date, Float, Integer, Timestamp
from ..records import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..opening.schema import Schema


class Change(Record):
    """One difference. `breaking` when the new schema may reject data that was valid for the old one."""

    what: str
    field: str | None
    old: Any
    new: Any
    breaking: bool

    def __str__(self) -> str:
        place = f"{self.field}: " if self.field is not None else ""
        values = "" if self.what in ("added", "removed") else f" {_shown(self.old)} → {_shown(self.new)}"
        return f"{place}{self.what}{values}{' (breaking)' if self.breaking else ''}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


class SchemaDiff(Record):
    """All differences, in the order of the new schema's fields. False when there are none."""

    changes: tuple[Change, ...]

    @property
    def breaking(self) -> tuple[Change, ...]:
        """The changes by which data that was valid may be rejected now."""
        return tuple(change for change in self.changes if change.breaking)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.changes)) or "no difference"

    def to_dict(self) -> dict[str, Any]:
        """The differences as JSON types."""
        changes = [{name: _plain(value) for name, value in change.attributes().items()} for change in self.changes]
        return {"breaking": bool(self.breaking), "changes": changes}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | type(None)) else str(value)


def diff(old: Schema, new: Schema) -> SchemaDiff:
    """What changed from `old` to `new`, for those who send data. Fields are matched by name; their order is free."""
    return SchemaDiff(changes=tuple(_changes(old, new)))


def _changes(old: Schema, new: Schema) -> Iterator[Change]:
    before, after = ({field.name: field for field in schema.fields} for schema in (old, new))
    for name, field in after.items():
        if name not in before:
            yield Change(what="added", field=name, old=None, new=str(field.type), breaking=field.required)
        else:
            yield from _compared(before[name], field, _FIELD, name)
    for name, field in before.items():
        if name not in after:
            yield Change(what="removed", field=name, old=str(field.type), new=None, breaking=new.extra == "error")
    yield from _compared(old, new, _TABLE, None)
    if list(before) != list(after) and set(before) == set(after):
        by_position = new.layout == "matrix"  # arrays without names
        yield Change(what="order", field=None, old=", ".join(before), new=", ".join(after), breaking=by_position)


def _compared(old: Any, new: Any, rules: dict[str, Callable[[Any, Any], bool]], name: str | None) -> Iterator[Change]:
    for what, breaks in rules.items():
        was, now = getattr(old, what), getattr(new, what)
        if was != now:
            breaking = new.required if what == "default" else breaks(was, now)
            yield Change(what=what, field=name, old=was, new=now, breaking=breaking)


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


_NEVER: Callable[[Any, Any], bool] = lambda _old, _new: False  # noqa: E731
_TABLE: dict[str, Callable[[Any, Any], bool]] = {
    "extra": lambda _, new: new == "error",
    "min_rows": _raised,
    "max_rows": _lowered,
    # rows that agree in more fields agree in fewer
    "unique": lambda old, new: bool(new) and not (old and set(old) <= set(new)),
    **dict.fromkeys(("layout", "container", "dtype"), _NEVER),
}
_FIELD: dict[str, Callable[[Any, Any], bool]] = {
    "type": lambda old, new: not _holds(new, old),
    "nullable": lambda _, new: not new,
    "allow_infinity": lambda _, new: not new,
    "minimum": _raised,
    "min_length": _raised,
    "maximum": _lowered,
    "max_length": _lowered,
    "allowed": _fewer,
    "pattern": lambda _, new: new is not None,
    **dict.fromkeys(("default", "unit", "description", "deprecated", "physical", "observed"), _NEVER),
}
"""The attributes that are compared, and whether a change from old to new can reject what was valid."""
