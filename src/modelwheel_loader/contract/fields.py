"""A field of a schema: a name, a type, its limits, and what people and the model need to know of it. And its reader."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, get_args

from ..documents import Cursor
from ..errors import UsageError
from ..records import Record
from ..text import clip, shown
from .types import (
    NESTED,
    TENSOR_DTYPES,
    Category,
    CategoryValue,
    DataType,
    Float,
    List,
    Struct,
    Tensor,
    Timestamp,
    TypeTextError,
    parse_type,
    type_to_json,
)

Null = Literal["none", "nan", "nat", "na"]
NULLS: tuple[str, ...] = get_args(Null)


class _NoDefault:
    """The type of `NO_DEFAULT`: None is a default that a field may have."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"

    def __reduce__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()


class Physical(Record):
    """How the model saw a column, restored exactly when it is called.

    `dtype` is the name of the numpy or pandas dtype (`object`, `float64`, `Int64`, `category`, `str`); `null` is what
    stood for a missing value, None when none was seen; `label` is the column's label when that was an integer.
    """

    dtype: str
    null: Null | None = None
    label: int | None = None


class Observed(Record):
    """What the sample held: information for people, never a limit.

    `minimum` and `maximum` are of numbers and times (as text); `distinct` counts values up to a bound, None above it.
    """

    rows: int
    nulls: int
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    distinct: int | None = None


class Field(Record):
    """One named value. `type` may be given as text (`"int64"`).

    `minimum` and `maximum` are inclusive, in the unit of the type (times as ISO 8601 text); `allowed` lists the only
    values that are accepted; `pattern` is a regular expression that the whole text matches; lengths count characters,
    bytes or list items. Floats are finite unless `allow_infinity`.
    """

    name: str
    type: DataType
    nullable: bool = False
    default: Any = NO_DEFAULT
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    allowed: tuple[CategoryValue, ...] | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    allow_infinity: bool = False
    unit: str = ""
    description: str = ""
    deprecated: bool = False
    physical: Physical | None = None
    observed: Observed | None = None

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str):
            raise UsageError.of("schema.name", "the name of a field is no text", found=shown(name))
        self.__dict__["type"] = _type(self.type, name)
        allowed: object = self.allowed
        if isinstance(allowed, str | bytes):
            message = "the allowed values are one text, and must be several"
            raise UsageError.of("schema.bound", message, field=name, found=shown(allowed))
        if self.allowed is not None:
            self.__dict__["allowed"] = tuple(self.allowed)

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.nullable))  # defaults may be lists

    @property
    def required(self) -> bool:
        """Whether the field must be present in every row."""
        return isinstance(self.default, _NoDefault)

    def to_dict(self) -> dict[str, Any]:
        """The field as JSON types, without what is at its default."""
        made: dict[str, Any] = {"name": self.name, "type": type_to_json(self.type)}
        for name in self._fields[2:]:
            value, usual = getattr(self, name), getattr(Field, name)
            if value is usual or value == usual:
                continue
            if isinstance(value, Record):
                value = {k: v for k, v in value.attributes().items() if v is not None}
            made[name] = list(value) if isinstance(value, tuple) else value
        return made


def _type(kind: object, name: str) -> DataType:
    """The type that was given, or that its text names; raises `UsageError`."""
    if isinstance(kind, DataType):
        return kind
    if isinstance(kind, str):
        try:
            return parse_type(kind)
        except TypeTextError as error:
            raise UsageError.of("schema.type", str(error), field=name) from None
    message, expected = "the type of a field is no type", "a text such as 'int64', or a type of modelwheel"
    raise UsageError.of("schema.type", message, field=name, found=shown(kind), expected=expected)


UNREADABLE: Final = (re.error, OverflowError, RecursionError, Warning)
"""What `re` raises for a text that is no pattern; a warning when the process makes errors of warnings."""


def compile_pattern(field: Field) -> re.Pattern[str]:
    """The pattern of a field; raises `UsageError` when Python cannot read it."""
    try:
        return re.compile(field.pattern or "")
    except UNREADABLE as error:
        message = f"the pattern of {clip(field.name)!r} is no regular expression: {clip(error)}"
        raise UsageError.of("schema.bound", message) from None


def usual_physical(kind: DataType, label: int | None = None) -> Physical:
    """How a model sees a field of that type, unless a sample said otherwise."""
    if isinstance(kind, Timestamp) and kind.zone:
        return Physical(dtype=f"datetime64[{kind.unit}, {kind.zone}]", null="nat", label=label)
    return Physical(dtype=kind.canonical, null="nan" if isinstance(kind, Float) else "none", label=label)


def read_field(cursor: Cursor) -> Field:
    """The field in an object of a schema; what is wrong is collected by the cursor."""
    optional: dict[str, Any] = {key: _bound(cursor, key) for key in ("minimum", "maximum") if cursor.has(key)}
    optional |= {key: cursor.integer(key) for key in ("min_length", "max_length") if cursor.has(key)}
    optional |= {key: cursor.flag(key, default=False) for key in ("nullable", "allow_infinity", "deprecated")}
    optional |= {key: cursor.text(key, "") for key in ("unit", "description")}
    if cursor.has("pattern"):
        optional["pattern"] = cursor.text("pattern")
    if cursor.has("allowed"):
        optional["allowed"] = _scalars(cursor, "allowed")
    if "default" in cursor.value:
        optional["default"] = cursor.value["default"]
    if cursor.has("physical"):
        optional["physical"] = _physical(cursor.object("physical"))
    if cursor.has("observed"):
        optional["observed"] = _observed(cursor.object("observed"))
    return Field(name=cursor.text("name"), type=read_type(cursor, "type"), **optional)


def read_type(cursor: Cursor, key: str) -> DataType:
    """The type at `key`: a text, or an object with one key that names a type which holds others."""
    value = cursor.value.get(key)
    if isinstance(value, str):
        try:
            return parse_type(value)
        except TypeTextError:
            cursor.wrong(key, "names no type", found=shown(value))
            return DataType()
    if not (isinstance(value, dict) and len(value) == 1 and next(iter(value)) in NESTED):
        cursor.wrong(
            key, f"must be the name of a type, or an object with one of {', '.join(NESTED)}", found=shown(value)
        )
        return DataType()
    (kind,) = value
    inner = cursor.object(key).object(kind)
    match kind:
        case "category":
            return Category(_scalars(inner, "values"), inner.flag("ordered", default=False))
        case "list":
            return List(read_type(inner, "item"), inner.flag("nullable", default=False))
        case "struct":
            return Struct(tuple(read_field(item) for item in inner.objects("fields")))
    return Tensor(inner.choice("dtype", TENSOR_DTYPES), _shape(inner), inner.flag("sparse", default=False))


def _scalars(cursor: Cursor, key: str) -> tuple[CategoryValue, ...]:
    values = cursor.list(key)
    if not all(type(value) in (str, int, float, bool) for value in values):
        cursor.wrong(key, "must hold texts, numbers or Booleans only")
        return ()
    if len({type(value) for value in values}) > 1 or len(set(values)) != len(values):
        cursor.wrong(key, "must hold different values of one type")
    return tuple(values)


def _shape(cursor: Cursor) -> tuple[int | None, ...]:
    axes = cursor.list("shape")
    if not all(axis is None or (type(axis) is int and axis >= 0) for axis in axes) or len(axes) > 32:
        cursor.wrong("shape", "must hold at most 32 lengths, each an integer or null")
        return ()
    return tuple(axes)


def _bound(cursor: Cursor, key: str) -> float | int | str | None:
    value = cursor.value[key]
    if type(value) not in (int, float, str):
        cursor.wrong(key, "must be a number, or a time as text", found=shown(value))
        return None
    return value  # type: ignore[no-any-return]


def _physical(cursor: Cursor) -> Physical:
    null: Any = cursor.choice("null", NULLS) if cursor.has("null") else None
    label = cursor.integer("label", minimum=-(2**63)) if cursor.has("label") else None
    return Physical(dtype=cursor.text("dtype", limit=100), null=null, label=label)


def _observed(cursor: Cursor) -> Observed:
    bounds = {key: _bound(cursor, key) for key in ("minimum", "maximum") if cursor.has(key)}
    distinct = cursor.integer("distinct") if cursor.has("distinct") else None
    return Observed(rows=cursor.integer("rows"), nulls=cursor.integer("nulls"), distinct=distinct, **bounds)
