"""The values inside type hints as the contract writes them: defaults, bounds and patterns of pydantic and others."""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import inspect
import math
import re
import types
from collections.abc import Callable, Mapping
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Final,
    Literal,
    NewType,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import numpy as np

from ..defects import Defect
from ..errors import UsageError
from ..opening.schema import NO_DEFAULT, UNREADABLE, Field
from ..opening.types import (
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
from ..text import clip
from .pydantic_model import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator


_NAMES = {"ge": "minimum", "gt": "minimum", "le": "maximum", "lt": "maximum"}
_LENGTHS = ("min_length", "max_length")
_FLAGS = r"\(\?([aiLmsux]+)\)"
_END = r"(?<!\\)(?:\\\\)*\$\Z"
_ANYTHING = r"[\s\S]*"
_DEEPEST = 20


class HintError(ValueError):
    """No type of the contract describes an annotation; whoever reads several adds the name and collects."""


def plain_default(value: Any, depth: int = 0) -> Any:
    """A default as a JSON type, as the validators read it back; raises `HintError` for what JSON cannot hold."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, enum.Enum):
        return plain_default(value.value)
    if isinstance(value, np.generic):
        return plain_default(value.item())
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dt.date | dt.timedelta | decimal.Decimal):
        return plain_time(value)
    if depth < _DEEPEST:
        if isinstance(value, list | tuple):
            return [plain_default(item, depth + 1) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((plain_default(item, depth + 1) for item in value), key=repr)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return plain_default(dataclasses.asdict(value), depth + 1)
        if hasattr(value, "model_dump") and not isinstance(value, type):
            return plain_default(value.model_dump(by_alias=True), depth + 1)
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: plain_default(item, depth + 1) for key, item in value.items()}
    raise HintError(f"has the default {_piece(value)}, which a manifest cannot hold")


def _piece(value: Any) -> str:
    return clip(value) if isinstance(value, float) else f"of type {clip(type(value).__qualname__)}"


def plain_time(value: Any) -> Any:
    """Times as ISO 8601 text and decimals as text; anything else as it is."""
    if isinstance(value, dt.timedelta):
        sign, length = ("-", -value) if value < dt.timedelta() else ("", value)
        fraction = f".{length.microseconds:06}" if length.microseconds else ""
        return f"{sign}P{length.days}DT{length.seconds}{fraction}S"
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, decimal.Decimal) else value


def constraints_of(extra: Any, kind: DataType) -> dict[str, Any]:
    """What an object inside `Annotated` says of a field of type `kind`; nothing when it is not known."""
    if isinstance(extra, str):
        return {"description": extra}
    made: dict[str, Any] = {}
    for theirs, ours in _NAMES.items():
        value = getattr(extra, theirs, None)
        if value is not None and (limit := _bound(theirs, value, kind)) is not None:
            made[ours] = limit
    made |= {name: value for name in _LENGTHS if isinstance(value := getattr(extra, name, None), int) and value}
    pattern = getattr(extra, "pattern", None)
    if isinstance(pattern, str | re.Pattern):
        made["pattern"] = whole_pattern(pattern if isinstance(pattern, str) else pattern.pattern)
    if getattr(extra, "allow_inf_nan", None):
        made["allow_infinity"] = True
    return made


def _bound(name: str, value: Any, kind: DataType) -> Any:
    """A bound as a field has it, inclusive; None for none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    strict, up = name in ("gt", "lt"), name in ("ge", "gt")
    if isinstance(kind, Integer):
        whole = math.ceil(value) if up else math.floor(value)
        return whole + (1 if up else -1) if strict and whole == value else whole
    if not strict:
        return plain_time(value)
    if isinstance(kind, Float):
        width = np.dtype(kind.canonical).type
        return float(np.nextafter(width(value), width(math.inf if up else -math.inf)))
    step = _STEPS.get(type(kind), decimal.Decimal(1).scaleb(-kind.scale) if isinstance(kind, Decimal) else None)
    if step is None:
        raise HintError(f"has the limit {name}, which its type does not have")
    exact = decimal.Decimal(value) if isinstance(kind, Decimal) else value
    return plain_time(exact + step if up else exact - step)


_STEPS: dict[type[DataType], Any] = {
    Date: dt.timedelta(days=1),
    Timestamp: dt.timedelta(microseconds=1),
    Duration: dt.timedelta(microseconds=1),
}


def whole_pattern(pattern: str) -> str:
    """A pattern that is searched for, as pydantic does, as one that the whole text matches, as a field's is.

    Raises `HintError` when it is not a regular expression of Python.
    """
    try:
        re.compile(pattern)
    except UNREADABLE as error:
        raise HintError(f"has the pattern {clip(pattern)}, which Python cannot read: {clip(error)}") from None
    flags = re.match(_FLAGS, pattern)
    inner = pattern[flags.end() :] if flags else pattern
    front, back = inner.startswith("^"), re.search(_END, inner) is not None
    if "|" in inner or (flags and "m" in flags[1]):  # an anchor may belong to one branch, or to a line
        front = back = False
        core = f"(?:{inner})"
    else:
        core = inner[1 if front else 0 : -1 if back else None]
    if flags:
        core = f"(?{flags[1]}:{core}\n)" if "x" in flags[1] else f"(?{flags[1]}:{core})"
    return ("" if front else _ANYTHING) + core + ("" if back else _ANYTHING)


# Python's type hints as types of the contract: scalars, `Literal`, enumerations, lists, and classes with fields.
#
# | annotation                            | type                                            |
# | ------------------------------------- | ----------------------------------------------- |
# | bool, int, float, str, bytes          | bool, int64, float64, string, binary            |
# | numpy.int32, numpy.float32, …         | int32, float32, …                               |
# | date, datetime, timedelta, Decimal    | date, timestamp[us], duration[us], decimal      |
# | Literal["a", "b"], an Enum of values  | category                                        |
# | list[T], Sequence[T], tuple[T, ...]   | list                                            |
# | dataclass, TypedDict, pydantic model  | struct                                          |
# | T | None                              | T, nullable                                     |


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
LISTS = (list, tuple, set, frozenset, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
Inside = tuple[type, ...]
"""The classes in which an annotation stands: one that holds itself has no end."""


def field_of(name: str, annotation: Any, default: Any = NO_DEFAULT, inside: Inside = ()) -> Field:
    """The field that an annotation describes; raises `HintError`.

    `Annotated` may hold the constraints of `annotated_types` (`Ge`, `Le`, `Gt`, `Lt`, `MinLen`, `MaxLen`), a whole
    `modelwheel.Field` (its name does not matter), or a text, which is the description. The default is a JSON type.
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
    kind = _sized(type_of(inner, inside), (*extras, *more))
    if get_origin(inner) is tuple and Ellipsis not in get_args(inner):
        made |= dict.fromkeys(("min_length", "max_length"), len(get_args(inner)))
    for extra in (*extras, *more):
        made |= constraints_of(extra, kind)
    return Field(type=kind, **made)


def _unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type inside `Annotated`, `Required`, `Final`, new types and aliases, and what was annotated."""
    extras: tuple[Any, ...] = ()
    while True:
        if get_origin(annotation) in (Annotated, Required, NotRequired, Final):
            arguments = get_args(annotation)
            annotation, extras = arguments[0], (*extras, *_flat(arguments[1:]))
        elif isinstance(annotation, NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":  # `type Name = …`, from Python 3.12
            annotation = annotation.__value__
        else:
            return annotation, extras


def _flat(extras: tuple[Any, ...]) -> Iterator[Any]:
    """What is annotated, with the constraints inside pydantic's `Field(…)` one by one."""
    for extra in extras:
        if isinstance(getattr(extra, "metadata", None), list) and hasattr(extra, "validation_alias"):
            yield from extra.metadata
            if extra.description:
                yield extra.description
        else:
            yield extra


def _without_none(annotation: Any) -> tuple[Any, bool]:
    """The one type beside None, and whether None is there; whole numbers or floats are floats."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return annotation, False
    every = get_args(annotation)
    kinds = [kind for kind in every if kind is not type(None)]
    if set(kinds) == {int, float}:
        kinds = [float]
    if len(kinds) != 1:
        raise HintError("is a union of several types")
    return kinds[0], type(None) in every


def _sized(kind: DataType, extras: tuple[Any, ...]) -> DataType:
    """Decimals with the numbers of digits that pydantic has for them."""
    if not isinstance(kind, Decimal):
        return kind
    digits = next((found for extra in extras if (found := getattr(extra, "max_digits", None))), None)
    places = next((found for extra in extras if (found := getattr(extra, "decimal_places", None)) is not None), None)
    if digits is None:
        return kind if places is None else Decimal(38, places)
    # without a number of places they may all be behind the point, or all before it
    return Decimal(digits, places) if places is not None else Decimal(min(2 * digits, 76), digits)


def type_of(annotation: Any, inside: Inside = ()) -> DataType:
    """The type that an annotation describes; raises `HintError`."""
    annotation, _ = _unwrapped(annotation)
    try:
        if annotation in _SCALARS:
            return _SCALARS[annotation]
    except TypeError:  # what is not a type may have no hash
        raise HintError(f"has {clip(annotation)} for a type, which schemas do not have") from None
    if getattr(annotation, "__name__", "") in ("AwareDatetime", "NaiveDatetime"):  # pydantic's
        return Timestamp("us", "UTC" if annotation.__name__ == "AwareDatetime" else None)
    origin = get_origin(annotation)
    if origin is Literal:
        return _category(get_args(annotation))
    if origin in LISTS:
        return _list(get_args(annotation), inside)
    if getattr(annotation, "__pydantic_root_model__", False):
        return type_of(annotation.model_fields["root"].annotation, inside)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return _category(tuple(member.value for member in annotation))
    if isinstance(annotation, type) and has_fields(annotation):
        return Struct(fields_of(annotation, inside))
    raise HintError(f"has the type {clip(getattr(annotation, '__qualname__', annotation))}, which schemas do not have")


def _list(arguments: tuple[Any, ...], inside: Inside) -> List:
    """A list of one type. What is said of its items beside type and null has no place in the contract."""
    kinds = [argument for argument in arguments if argument is not Ellipsis]
    if not kinds or any(kind != kinds[0] for kind in kinds):
        raise HintError("is a tuple of several types")
    item = field_of("item", kinds[0], inside=inside)
    return List(item.type, item.nullable)


def _category(values: tuple[Any, ...]) -> Category:
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {str, int, float, bool}:
        raise HintError("has literals that are not all texts, or all numbers")
    return Category(values)


def has_fields(kind: type) -> bool:
    """Whether a class has fields that `fields_of` reads."""
    return dataclasses.is_dataclass(kind) or is_typeddict(kind) or _model_infos(kind) is not None


def _model_infos(kind: type) -> dict[str, Any] | None:
    """The fields of a pydantic model or dataclass; None for other classes."""
    found = getattr(kind, "model_fields", None) or getattr(kind, "__pydantic_fields__", None)
    return found if isinstance(found, dict) else None


def fields_of(kind: type, inside: Inside = ()) -> tuple[Field, ...]:
    """The fields of a dataclass, a TypedDict or a pydantic model; raises `UsageError` with every one of no type."""
    if kind in inside:
        raise HintError(f"holds {clip(kind.__qualname__)} inside itself, and a type must have an end")
    inside = (*inside, kind)
    infos = _model_infos(kind)
    if infos is not None and not getattr(kind, "__pydantic_root_model__", False):
        return _model_fields(infos, inside)
    if is_typeddict(kind):
        optional: frozenset[str] = getattr(kind, "__optional_keys__", frozenset())
        hints = _class_hints(kind)
        return collect({name: _key(hint, name in optional) for name, hint in hints.items()}, inside)
    if not dataclasses.is_dataclass(kind):
        message = f"{clip(kind.__qualname__)} is not a dataclass, TypedDict or pydantic model with fields"
        raise UsageError.of("schema.hint", message)
    hints = _class_hints(kind)
    items = [item for item in dataclasses.fields(kind) if item.init]
    return collect({item.name: (hints[item.name], _default(item)) for item in items}, inside)


def _class_hints(kind: type) -> dict[str, Any]:
    try:
        return get_type_hints(kind, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        message = f"the type hints of {clip(kind.__qualname__)} cannot be read: {clip(error, 200)}"
        raise UsageError.of("schema.hint", message) from None


def _key(hint: Any, optional: bool) -> tuple[Any, Any]:  # noqa: FBT001
    """A key of a TypedDict; one that may be missing is null then."""
    # where annotations are text, as with `from __future__ import annotations`, only the hint itself is right
    origin = get_origin(hint)
    if origin is NotRequired or (optional and origin is not Required):
        return Union[_unwrapped(hint)[0], None], None  # noqa: UP007 - any annotation
    return hint, NO_DEFAULT


def _model_fields(infos: Mapping[str, Any], inside: Inside) -> tuple[Field, ...]:
    """The fields of a pydantic model, named by their alias where they have one."""
    notes: list[dict[str, Any]] = []
    hints: dict[str, tuple[Any, Any]] = {}
    for attribute, info in infos.items():
        extras = tuple(info.metadata) or ("",)
        try:
            name = _model_name(attribute, info)
        except HintError as error:
            raise UsageError.of("schema.hint", str(error), field=attribute) from None
        hints[name] = (Annotated[info.annotation, *extras], _model_default(info))
        unit = info.json_schema_extra.get("x-unit", "") if isinstance(info.json_schema_extra, dict) else ""
        notes.append({"description": info.description or "", "deprecated": bool(info.deprecated), "unit": str(unit)})
    return tuple(field.replace(**more) for field, more in zip(collect(hints, inside), notes, strict=True))


def _model_name(attribute: str, info: Any) -> str:
    """The key under which pydantic looks for a field: the first, where it has several."""
    for alias in (info.validation_alias, info.alias):
        for choice in getattr(alias, "choices", [alias]):
            if isinstance(choice, str):
                return choice
        if alias is not None:
            raise HintError("is filled from inside another value, by an AliasPath")
    return attribute


def _model_default(info: Any) -> Any:
    return NO_DEFAULT if info.is_required() else info.get_default(call_default_factory=True)


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return NO_DEFAULT if item.default is dataclasses.MISSING else item.default


def collect(hints: Mapping[str, tuple[Any, Any]], inside: Inside = ()) -> tuple[Field, ...]:
    """The fields of several annotations with defaults; raises `UsageError` with every one that has no type."""
    fields, defects = [], []
    for name, (hint, default) in hints.items():
        try:
            plain = default if default is NO_DEFAULT else plain_default(default)
            fields.append(field_of(name, hint, plain, inside))
        except HintError as error:
            defects.append(Defect(code="schema.hint", message=str(error), field=name))
        except UsageError as error:  # of a class inside
            defects += [defect.replace(field=_path(name, defect.field)) for defect in error.defects]
    if defects:
        raise UsageError("no schema can be made from the type hints", defects)
    return tuple(fields)


def _path(name: str, inner: str | None) -> str:
    return name if inner is None else f"{name}.{inner}"


def class_extra(kind: type) -> Literal["ignore", "error"]:
    """What a class does with keys that it does not name: only pydantic models with `extra="forbid"` reject them."""
    config = getattr(kind, "model_config", None) or getattr(kind, "__pydantic_config__", None) or {}
    return "error" if config.get("extra") == "forbid" else "ignore"


# The fields that a callable takes, by its signature and type hints.


def arguments_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The arguments of a callable that have a name: neither `self`, nor `*args` and `**kwargs`.

    Raises `ValueError` for one without a signature, as some that are written in C.
    """
    listed = inspect.signature(function).parameters.values()
    return [item for item in listed if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD) and item.name != "self"]


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of a callable; none where they name what is not there."""
    if isinstance(function, functools.partial):
        return hints_of(function.func)
    source: Any = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(source, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def row_class(function: Callable[..., Any]) -> type | None:
    """The class with fields that the first argument is, or is a list of; None when the arguments are the fields.

    Raises `UsageError` for a callable without a signature.
    """
    try:
        first = next(iter(arguments_of(function)), None)
    except ValueError:
        raise UsageError.of("schema.hint", "the callable has no signature that Python can read") from None
    hint = None if first is None else hints_of(function).get(first.name)
    if get_origin(hint) in LISTS:
        hint = get_args(hint)[0]
    return hint if isinstance(hint, type) and has_fields(hint) else None


def fields_of_callable(function: Callable[..., Any]) -> tuple[Field, ...]:
    """A field for each argument of a callable; raises `UsageError` for those without a type hint."""
    hints = hints_of(function)
    arguments = arguments_of(function)
    bare = [item for item in arguments if item.name not in hints]
    if bare:
        unread = "has a type hint of which a name is not known here"
        messages = ["has no type hint" if item.annotation is item.empty else unread for item in bare]
        pairs = zip(bare, messages, strict=True)
        defects = [Defect(code="schema.hint", message=message, field=item.name) for item, message in pairs]
        raise UsageError("no schema can be made from the type hints", defects)
    return collect({item.name: (hints[item.name], _argument_default(item)) for item in arguments})


def _argument_default(item: inspect.Parameter) -> Any:
    return NO_DEFAULT if item.default is item.empty else item.default
