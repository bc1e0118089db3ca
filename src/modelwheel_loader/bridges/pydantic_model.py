"""A schema as a pydantic model class: one row, good as the body of a web framework's request.

It accepts the JSON that the row validator accepts, except that whole numbers beyond 2^53 are rounded into floats. Names
that cannot be attributes in Python or pydantic become aliases, so call the model by alias:
`model.predict(row.model_dump(by_alias=True))`.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import keyword
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Optional

from ..errors import MissingExtra
from ..opening.schema import Field
from ..opening.types import (
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
from ..validate.kinds import Mismatch, kind_of
from ..validate.times import PER_SECOND
from .json_schema import anchored, bounded, enumerated, type_schema

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..opening.schema import Schema


_FORMATS = {"int64": "int64", "uint64": "uint64", "float32": "float"}


class Origin:
    """Kept in the annotation of a field, so that `from_pydantic` gives the field back as it was."""

    __slots__ = ("field",)

    def __init__(self, field: Field) -> None:
        self.field = field


def to_pydantic(schema: Schema, name: str = "Row") -> type[BaseModel]:
    """The model class `name` of one row; raises `MissingExtra` when pydantic is not installed."""
    try:
        import pydantic
    except ImportError:
        message = "a pydantic model class needs pydantic"
        hint = 'pip install "modelwheel[pydantic]"'
        raise MissingExtra.of("schema.pydantic", message, hint=hint) from None
    return _Maker(pydantic).model(name, schema.fields, extra="forbid" if schema.extra == "error" else "ignore")


def attribute_name(name: str, taken: Mapping[str, Any], base: type) -> str:
    """The attribute for a field: its name, or a Python name near to it that neither `base` nor another field has."""
    made = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_") or "field"
    made = f"field_{made}" if made[0].isdigit() else made
    if keyword.iskeyword(made) or hasattr(base, made):
        made = f"{made}_"
    while made in taken:
        made = f"{made}_"
    return made


class _Maker:
    """Makes annotations with the pydantic that is installed."""

    def __init__(self, pydantic: Any) -> None:
        self.pydantic = pydantic

    def model(self, name: str, fields: tuple[Field, ...], *, extra: str) -> type[BaseModel]:
        config = self.pydantic.ConfigDict(
            extra=extra,
            populate_by_name=True,
            protected_namespaces=(),
            ser_json_bytes="base64",
            regex_engine="python-re",  # as the row validator's: pydantic's own has no look-ahead
            validate_default=True,
        )
        members: dict[str, Any] = {}
        for field in fields:
            attribute = attribute_name(field.name, members, self.pydantic.BaseModel)
            members[attribute] = self._member(field, attribute, name)
        made: type[BaseModel] = self.pydantic.create_model(name, __config__=config, **members)
        return made

    def _member(self, field: Field, attribute: str, parent: str) -> tuple[Any, Any]:
        details: dict[str, Any] = {"description": field.description or None, "deprecated": field.deprecated or None}
        if attribute != field.name:
            details["alias"] = field.name
        if field.unit:
            details["json_schema_extra"] = {"x-unit": field.unit}
        if not field.required:
            details["default"] = field.default
        annotation = self.annotation(field, f"{parent}_{attribute}")
        info = self.pydantic.Field(
            **{key: value for key, value in details.items() if value is not None or key == "default"}
        )
        return Annotated[annotation, Origin(field)], info

    def annotation(self, field: Field, name: str) -> Any:
        """The type with the constraints of the field; None joins it where the field is nullable."""
        values = enumerated(field)
        if values is not None:
            made = self._one_of(values, field.type)
        else:
            made = self._constrained(self.type(field.type, name), field)
        return Optional[made] if field.nullable else made  # noqa: UP045 - `made` is not a class that has |

    def _constrained(self, made: Any, field: Field) -> Any:
        bounds: dict[str, Any] = {"ge": field.minimum, "le": field.maximum}
        bounds["pattern"] = field.pattern and anchored(field.pattern)
        bounds |= {"min_length": field.min_length, "max_length": field.max_length}
        if isinstance(field.type, Float):
            bounds["allow_inf_nan"] = field.allow_infinity
        used = {key: value for key, value in bounds.items() if value is not None}
        if isinstance(field.type, Date | Timestamp | Duration | Decimal):
            used = {key: _moment(value, field.type) for key, value in used.items()}
        made = Annotated[made, self.pydantic.Field(**used)] if used else made
        if isinstance(field.type, Integer | Float):
            made = Annotated[made, self.pydantic.WithJsonSchema(_for_people(field))]
        if field.allowed is None:
            return made
        known = frozenset(map(kind_of(field.type).convert, field.allowed))
        return Annotated[made, self.pydantic.AfterValidator(lambda value: _member_of(value, known, field.type))]

    def _one_of(self, values: tuple[Any, ...], kind: DataType) -> Any:
        if values and isinstance(values[0], str):
            return Literal[values]
        known = frozenset(values)  # no literal is a float, and to pydantic the literal 1 is True as well
        python: Any = float if isinstance(kind, Float) or not values else type(values[0])
        return Annotated[
            python,
            self.pydantic.Strict(),
            *([self.pydantic.BeforeValidator(_whole)] if python is int else []),
            self.pydantic.AfterValidator(lambda value: _member_of(value, known)),
            self.pydantic.Field(json_schema_extra={"enum": list(values)}),
        ]

    def type(self, kind: DataType, name: str) -> Any:
        """The annotation of a type without the constraints of a field."""
        match kind:
            case Category():
                return self._one_of(kind.values, kind)
            case List():
                item = self._item(kind.item, name)
                return list[Optional[item] if kind.nullable else item]  # type: ignore[misc]  # noqa: UP045
            case Struct():
                return self.model(name, kind.fields, extra="ignore")
            case Tensor():
                return self._tensor(kind, name)
        return SCALARS[type(kind)].annotation(self.pydantic, kind)

    def _item(self, kind: DataType, name: str) -> Any:
        made = self.type(kind, name)
        if not isinstance(kind, Integer | Float):
            return made
        return Annotated[made, self.pydantic.WithJsonSchema(_for_people(Field(name=name, type=kind)))]

    def _tensor(self, kind: Tensor, name: str) -> Any:
        made: Any = self._item(parse_type(kind.dtype), name)
        for axis in reversed(kind.shape):
            limits = {} if axis is None else {"min_length": axis, "max_length": axis}
            nested: Any = list.__class_getitem__(made)
            made = Annotated[nested, self.pydantic.Field(**limits)]
        return made


def _for_people(field: Field) -> dict[str, Any]:
    """The JSON Schema of a number for an OpenAPI page: the limits of wide types as their format."""
    kind = field.type
    own, made = type_schema(kind), bounded(type_schema(kind), field)
    if str(kind) not in _FORMATS:
        return made
    limits = {key: made.pop(key) for key in ("minimum", "maximum")}
    return made | {"format": _FORMATS[str(kind)]} | {key: value for key, value in limits.items() if value != own[key]}


def _member_of(value: Any, known: frozenset[Any], kind: DataType | None = None) -> Any:
    if (value if kind is None else kind_of(kind).convert(value)) not in known:
        raise ValueError("is not one of the allowed values")
    return value


def _whole(value: Any) -> Any:
    """3.0 is the integer 3, as in the row validator."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _from_base64(value: Any) -> Any:
    """Text is base64, strictly: pydantic's own type skips what does not belong there."""
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _exactly(pydantic: Any, kind: DataType, made: Any) -> Any:
    """The annotation `made`, for what the row validator takes: pydantic alone reads 3600 as an hour, and P1Y."""
    convert = kind_of(kind).convert

    def check(value: Any) -> Any:
        if not isinstance(value, str | bool | int | float):
            return value
        try:
            count = convert(value)
            return count if isinstance(kind, Decimal) else _python_time(count, kind)
        except (Mismatch, OverflowError) as error:
            raise ValueError(str(error)) from None

    return Annotated[made, pydantic.BeforeValidator(check), pydantic.WithJsonSchema(type_schema(kind))]


def _python_time(count: int, kind: Any) -> Any:
    """The object of Python for a count since 1970; raises `ValueError` for one that is finer than it can be."""
    if isinstance(kind, Date):
        return dt.date(1970, 1, 1) + dt.timedelta(days=count)
    microseconds, rest = divmod(count * 1_000_000, PER_SECOND[kind.unit])
    if rest:
        raise ValueError("is finer than microseconds")
    length = dt.timedelta(microseconds=microseconds)
    if not isinstance(kind, Timestamp):
        return length
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC if kind.zone else None) + length


def _number(pydantic: Any, kind: Integer | Float) -> Any:
    """Strict, within the limits of the type; 3.0 is the integer 3."""
    own = type_schema(kind)
    made: Any = Annotated[int if isinstance(kind, Integer) else float, pydantic.Strict()]
    if "minimum" in own:
        made = Annotated[made, pydantic.Field(ge=own["minimum"], le=own["maximum"])]
    return Annotated[made, pydantic.BeforeValidator(_whole)] if isinstance(kind, Integer) else made


def _moment(bound: Any, kind: DataType) -> Any:
    """A bound of times or decimals, which may be text, as Python's object."""
    count = kind_of(kind).convert(bound)
    return count if isinstance(kind, Decimal) else _python_time(count, kind)


class Scalar(NamedTuple):
    """A type in pydantic: its annotation, the source of one, and the source of a bound. `kind` is in the texts."""

    annotation: Callable[[Any, Any], Any]
    source: str
    bound: str = "{bound!r}"


SCALARS: dict[type[DataType], Scalar] = {
    Bool: Scalar(lambda pydantic, _: Annotated[bool, pydantic.Strict()], "Annotated[bool, Strict()]"),
    Integer: Scalar(_number, "Annotated[int, Strict(), Field(ge={kind.range[0]}, le={kind.range[1]})]"),
    Float: Scalar(_number, "Annotated[float, Strict()]"),
    String: Scalar(lambda pydantic, _: Annotated[str, pydantic.Strict()], "Annotated[str, Strict()]"),
    Binary: Scalar(
        lambda pydantic, _: Annotated[
            bytes,
            pydantic.BeforeValidator(_from_base64),
            pydantic.WithJsonSchema({"type": "string", "format": "base64"}),
        ],
        "Annotated[bytes, BeforeValidator(from_base64)]",
    ),
    Date: Scalar(
        lambda pydantic, kind: _exactly(pydantic, kind, dt.date),
        "datetime.date",
        "datetime.date.fromisoformat({bound!r})",
    ),
    Timestamp: Scalar(
        lambda pydantic, kind: _exactly(pydantic, kind, getattr(pydantic, datetime_name(kind))),
        "{datetime}",
        "datetime.datetime.fromisoformat({bound!r})",
    ),
    Duration: Scalar(
        lambda pydantic, kind: _exactly(pydantic, kind, dt.timedelta),
        "datetime.timedelta",
        "datetime.timedelta(microseconds={microseconds})",
    ),
    Decimal: Scalar(
        lambda pydantic, kind: _exactly(
            pydantic,
            kind,
            Annotated[decimal.Decimal, pydantic.Field(max_digits=kind.precision, decimal_places=kind.scale)],
        ),
        "Annotated[decimal.Decimal, Field(max_digits={kind.precision!r}, decimal_places={kind.scale!r})]",
        "decimal.Decimal({bound!r})",
    ),
}
"""Every type that does not hold others: one row each."""


def datetime_name(kind: Timestamp) -> str:
    """Pydantic's type for times with a zone, or without."""
    return "AwareDatetime" if kind.zone else "NaiveDatetime"
