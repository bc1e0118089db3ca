"""Python's type hints as types of the contract: scalars, `Literal`, enumerations, lists, and classes with fields.

| annotation                            | type                                            |
| ------------------------------------- | ----------------------------------------------- |
| bool, int, float, str, bytes          | bool, int64, float64, string, binary            |
| numpy.int32, numpy.float32, …         | int32, float32, …                               |
| date, datetime, timedelta, Decimal    | date, timestamp[us], duration[us], decimal      |
| Literal["a", "b"], an Enum of values  | category                                        |
| list[T], Sequence[T], tuple[T, ...]   | list                                            |
| dataclass, TypedDict, pydantic model  | struct                                          |
| T | None                              | T, nullable                                     |
"""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import types
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np

from .errors import Defect, UsageError
from .fields import NO_DEFAULT, Field
from .pydantic_model import Origin
from .text import clip
from .types import (
    TENSOR_DTYPES,
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
    Timestamp,
    parse_type,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SCALARS: dict[Any, DataType] = {
    bool: Bool(),
    int: Integer(64),
    float: Float(64),
    str: String(),
    bytes: Binary(),
    dt.date: Date(),
    dt.datetime: Timestamp("us"),
    dt.timedelta: Duration("us"),
    decimal.Decimal: Decimal(38, 10),
    **{np.dtype(name).type: parse_type(name) for name in TENSOR_DTYPES},
}
_LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_CONSTRAINTS = {"ge": "minimum", "le": "maximum", "min_length": "min_length", "max_length": "max_length"}


class HintError(ValueError):
    """No type of the contract describes an annotation; whoever reads several adds the name and collects."""


def field_of(name: str, annotation: Any, default: Any = NO_DEFAULT) -> Field:
    """The field that an annotation describes; raises `HintError`.

    `Annotated` may hold the constraints of `annotated_types` (`Ge`, `Le`, `Gt`, `Lt`, `MinLen`, `MaxLen`), a whole
    `modelwheel.Field` (its name does not matter), or a text, which is the description.
    """
    inner, extras = _unwrapped(annotation)
    inner, nullable = _without_none(inner)
    inner, more = _unwrapped(inner)
    made: dict[str, Any] = {"name": name, "nullable": nullable, "default": default}
    for extra in (*extras, *more):
        if isinstance(extra, Origin):  # the model class was made from a schema
            return extra.field
        if isinstance(extra, Field):
            changes: dict[str, Any] = {"name": name} if default is NO_DEFAULT else {"name": name, "default": default}
            return extra.replace(**changes)
    kind = type_of(inner)
    for extra in (*extras, *more):
        made |= _constraint(extra, kind)
    return Field(type=kind, **made)


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type inside `Annotated`, `Required` and `NotRequired`, and what was annotated."""
    extras: tuple[Any, ...] = ()
    while get_origin(annotation) in (Annotated, Required, NotRequired):
        arguments = get_args(annotation)
        annotation, extras = arguments[0], (*extras, *arguments[1:])
    return annotation, extras


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]
    if len(kinds) != 1:
        raise HintError("is a union of several types")
    return kinds[0], True


def type_of(annotation: Any) -> DataType:
    """The type that an annotation describes; raises `HintError`."""
    annotation, _ = _unwrapped(annotation)
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    if getattr(annotation, "__name__", "") in ("AwareDatetime", "NaiveDatetime"):  # pydantic's
        return Timestamp("us", "UTC" if annotation.__name__ == "AwareDatetime" else None)
    origin = get_origin(annotation)
    if origin is Literal:
        return _category(get_args(annotation))
    if origin in _LISTS:
        item = field_of("item", get_args(annotation)[0])
        return List(item.type, item.nullable)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _category(tuple(member.value for member in annotation))
    if isinstance(annotation, type) and _has_fields(annotation):
        return Struct(fields_of(annotation))
    raise HintError(f"has the type {clip(getattr(annotation, '__qualname__', annotation))}, which the contract has not")


def _category(values: tuple[Any, ...]) -> Category:
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        raise HintError("has literals that are not all texts, or all numbers")
    return Category(values)


def _constraint(extra: Any, kind: DataType) -> dict[str, Any]:
    """What an object inside `Annotated` says of a field; nothing when it is not known."""
    if isinstance(extra, str):
        return {"description": extra}
    made = {
        ours: getattr(extra, theirs)
        for theirs, ours in _CONSTRAINTS.items()
        if getattr(extra, theirs, None) is not None
    }
    for theirs, ours, step in (("gt", "minimum", 1), ("lt", "maximum", -1)):
        bound = getattr(extra, theirs, None)
        if bound is not None:
            made[ours] = bound + step if isinstance(kind, Integer) else float(np.nextafter(bound, step * np.inf))
    pattern = getattr(extra, "pattern", None)
    if isinstance(pattern, str):
        made["pattern"] = pattern
    if getattr(extra, "allow_inf_nan", None):
        made["allow_infinity"] = True
    return made


def _has_fields(kind: type) -> bool:
    return dataclasses.is_dataclass(kind) or is_typeddict(kind) or hasattr(kind, "model_fields")


def fields_of(kind: type) -> tuple[Field, ...]:
    """The fields of a dataclass, a TypedDict or a pydantic model; raises `UsageError` with every one of no type."""
    if hasattr(kind, "model_fields"):
        return _model_fields(kind)
    hints = get_type_hints(kind, include_extras=True)
    if is_typeddict(kind):
        optional: frozenset[str] = getattr(kind, "__optional_keys__", frozenset())
        return collect({name: _key(hint, name in optional) for name, hint in hints.items()})
    if not dataclasses.is_dataclass(kind):
        message = f"{clip(kind.__qualname__)} is no dataclass, TypedDict or pydantic model"
        raise UsageError.of("schema.hint", message)
    return collect({item.name: (hints[item.name], _default(item)) for item in dataclasses.fields(kind) if item.init})


def _key(hint: Any, optional: bool) -> tuple[Any, Any]:  # noqa: FBT001
    """A key of a TypedDict; one that may be missing is null then."""
    # where annotations are text, as with `from __future__ import annotations`, only the hint itself is right
    origin = get_origin(hint)
    if origin is NotRequired or (optional and origin is not Required):
        return Union[_unwrapped(hint)[0], None], None  # noqa: UP007 - any annotation
    return hint, NO_DEFAULT


def _model_fields(kind: Any) -> tuple[Field, ...]:
    """The fields of a pydantic model, named by their alias where they have one."""
    notes: list[dict[str, Any]] = []
    hints: dict[str, tuple[Any, Any]] = {}
    for attribute, info in kind.model_fields.items():
        name = next((text for text in (info.validation_alias, info.alias) if isinstance(text, str)), attribute)
        extras = tuple(info.metadata) or ("",)
        hints[name] = (Annotated[info.annotation, *extras], _model_default(info))
        unit = info.json_schema_extra.get("x-unit", "") if isinstance(info.json_schema_extra, dict) else ""
        notes.append({"description": info.description or "", "deprecated": bool(info.deprecated), "unit": str(unit)})
    return tuple(field.replace(**more) for field, more in zip(collect(hints), notes, strict=True))


def _model_default(info: Any) -> Any:
    if info.is_required():
        return NO_DEFAULT
    return plain_default(info.get_default(call_default_factory=info.default_factory is not None))


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return plain_default(item.default_factory())
    return NO_DEFAULT if item.default is dataclasses.MISSING else plain_default(item.default)


def plain_default(value: Any) -> Any:
    """A default as a JSON type: times as ISO 8601 text, members of enumerations as their values."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    return value


def collect(hints: Mapping[str, tuple[Any, Any]]) -> tuple[Field, ...]:
    """The fields of several annotations with defaults; raises `UsageError` with every one that has no type."""
    fields, defects = [], []
    for name, (hint, default) in hints.items():
        try:
            fields.append(field_of(name, hint, default))
        except HintError as error:
            defects.append(Defect(code="schema.hint", message=str(error), field=name))
    if defects:
        raise UsageError("no schema can be made from the type hints", defects)
    return tuple(fields)


def class_extra(kind: type) -> Literal["ignore", "error"]:
    """What a class says of keys that it does not name: only pydantic models with `extra="forbid"` refuse them."""
    return "error" if getattr(kind, "model_config", {}).get("extra") == "forbid" else "ignore"


def arguments_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The arguments of a callable that have a name: neither `self`, nor `*args` and `**kwargs`."""
    listed = inspect.signature(function).parameters.values()
    return [item for item in listed if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD) and item.name != "self"]


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of a callable; none where they name what is not there."""
    source: Any = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(source, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def row_class(function: Callable[..., Any]) -> type | None:
    """The class with fields that the first argument is, or is a list of; None when the arguments are the fields."""
    first = next(iter(arguments_of(function)), None)
    hint = None if first is None else hints_of(function).get(first.name)
    if get_origin(hint) in _LISTS:
        hint = get_args(hint)[0]
    return hint if isinstance(hint, type) and _has_fields(hint) else None


def fields_of_callable(function: Callable[..., Any]) -> tuple[Field, ...]:
    """A field for each argument of a callable; raises `UsageError` for those without a type hint."""
    hints = hints_of(function)
    arguments = arguments_of(function)
    bare = [item.name for item in arguments if item.name not in hints]
    if bare:
        defects = [Defect(code="schema.hint", message="has no type hint", field=name) for name in bare]
        raise UsageError("no schema can be made from the type hints", defects)
    return collect({item.name: (hints[item.name], argument_default(item)) for item in arguments})


def argument_default(item: inspect.Parameter) -> Any:
    """The default of an argument as a JSON type, or `NO_DEFAULT`."""
    return NO_DEFAULT if item.default is item.empty else plain_default(item.default)
