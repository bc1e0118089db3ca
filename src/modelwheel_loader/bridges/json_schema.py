"""A schema as JSON Schema 2020-12: what one row, or a list of rows, looks like in JSON.

It accepts what the row validator accepts, as far as JSON Schema can say it. It cannot say the range of times, the
length of binary data and which fields are a key; where the row validator takes several forms (a duration as text or as
seconds), it names the one that JSON has.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..opening.schema import compile_pattern
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
    Tensor,
    Timestamp,
    parse_type,
)
from ..text import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..opening.schema import Field, Schema


DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_FLAGS = r"\(\?([aiLmsux]+)\)"
_NAIVE = r"^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,18})?)?)?$"
_LARGEST_FLOATS = {16: 65504.0, 32: 3.4028234663852886e38}
_TYPE_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def to_json_schema(schema: Schema, *, rows: Literal["one", "many"] = "one", title: str = "") -> dict[str, Any]:
    """The JSON Schema of one row, an object; or of many, a list of such objects."""
    row = _object(schema.fields, closed=schema.extra == "error")
    if title:
        row = {"title": title, **row}
    if rows == "one":
        return {"$schema": DIALECT, **row}
    counts = {"minItems": schema.min_rows, "maxItems": schema.max_rows}
    limits = {name: count for name, count in counts.items() if count is not None}
    return {"$schema": DIALECT, "type": "array", "items": row, **limits}


def _object(fields: tuple[Field, ...], *, closed: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: field_schema(field) for field in fields},
        "required": [field.name for field in fields if field.required],
    }
    return made | ({"additionalProperties": False} if closed else {})


def field_schema(field: Field) -> dict[str, Any]:
    """The JSON Schema of one field, with its constraints and what people want to know of it."""
    made = _nullable(_allowed(bounded(type_schema(field.type), field), field), nullable=field.nullable)
    notes = {"description": _description(field), "deprecated": field.deprecated}
    made |= {key: value for key, value in notes.items() if value}
    return made if field.required else made | {"default": field.default}


def _description(field: Field) -> str:
    unit = f"Unit: {field.unit}." if field.unit else ""
    return f"{field.description} {unit}".strip()


def bounded(made: dict[str, Any], field: Field) -> dict[str, Any]:
    """The type with the constraints of the field, where JSON Schema has them."""
    if isinstance(field.type, Integer | Float):
        for limit in (field.minimum, field.maximum):
            if isinstance(limit, str):
                message = "the limit of a number is a text"
                raise UsageError.of("schema.bound", message, field=field.name, found=shown(limit))
        low = [bound for bound in (made.get("minimum"), field.minimum) if bound is not None]
        high = [bound for bound in (made.get("maximum"), field.maximum) if bound is not None]
        made |= ({"minimum": max(low)} if low else {}) | ({"maximum": min(high)} if high else {})
    if field.pattern is not None and isinstance(field.type, String):
        made["pattern"] = anchored(field.pattern)
    names = {String: ("minLength", "maxLength"), List: ("minItems", "maxItems")}.get(type(field.type))
    if names is not None:
        lengths = zip(names, (field.min_length, field.max_length), strict=True)
        made |= {name: length for name, length in lengths if length is not None}
    return made


def anchored(pattern: str) -> str:
    """The pattern of a field for those who search: the whole text must match, and `$` lets a final newline through."""
    flags = re.match(_FLAGS, pattern)  # which may stand only at the very beginning
    end = "\n" if flags and "x" in flags[1] else ""  # a comment ends with its line
    inner = f"(?{flags[1]}:{pattern[flags.end() :]}{end})" if flags else f"(?:{pattern})"
    return f"^{inner}(?![\\s\\S])"


def _allowed(made: dict[str, Any], field: Field) -> dict[str, Any]:
    values = enumerated(field)
    return made if values is None else made | {"enum": list(values)}


def enumerated(field: Field) -> tuple[Any, ...] | None:
    """The only values of a field, where JSON has one way to write each; None for all others."""
    kind = field.type
    if isinstance(kind, Category):
        values = kind.values if field.allowed is None else tuple(v for v in kind.values if v in field.allowed)
        pattern = compile_pattern(field)  # none takes every text
        return tuple(v for v in values if field.pattern is None or pattern.fullmatch(str(v)))
    return field.allowed if isinstance(kind, Bool | Integer | Float | String) else None


def _nullable(made: dict[str, Any], *, nullable: bool) -> dict[str, Any]:
    if not nullable:
        return made
    if "enum" in made:
        made = made | {"enum": [*made["enum"], None]}
    kinds = made["type"] if isinstance(made["type"], list) else [made["type"]]
    return made | {"type": [*kinds, "null"]}


def type_schema(kind: DataType) -> dict[str, Any]:
    """The JSON Schema of a type without the constraints of a field."""
    return dict(_TYPES[type(kind)](kind))


def _integer(kind: Integer) -> dict[str, Any]:
    low, high = kind.range
    return {"type": "integer", "minimum": low, "maximum": high}


def _float(kind: Float) -> dict[str, Any]:
    largest = _LARGEST_FLOATS.get(kind.bits)
    return {"type": "number"} | ({} if largest is None else {"minimum": -largest, "maximum": largest})


def _timestamp(kind: Timestamp) -> dict[str, Any]:
    if kind.zone:
        return {"type": "string", "format": "date-time"}
    return {"type": "string", "pattern": _NAIVE}  # the format date-time demands an offset


def _decimal(kind: Decimal) -> dict[str, Any]:
    whole, scale = kind.precision - kind.scale, kind.scale
    fraction = rf"(?:\.[0-9]{{1,{scale}}})?" if scale else ""
    largest = 10**whole - 1
    pattern = rf"^-?[0-9]{{1,{max(whole, 1)}}}{fraction}$"
    return {"type": ["string", "integer"], "pattern": pattern, "minimum": -largest, "maximum": largest}


def _category(kind: Category) -> dict[str, Any]:
    name = _TYPE_NAMES[type(kind.values[0])] if kind.values else "string"
    return {"type": name, "enum": list(kind.values)}


def _list(kind: List) -> dict[str, Any]:
    return {"type": "array", "items": _nullable(type_schema(kind.item), nullable=kind.nullable)}


def _tensor(kind: Tensor) -> dict[str, Any]:
    """Nested lists: one level for each axis, of its length when that is fixed."""
    made = type_schema(parse_type(kind.dtype if kind.dtype in TENSOR_DTYPES else "float64"))
    for axis in reversed(kind.shape):
        made = {"type": "array", "items": made} | ({} if axis is None else {"minItems": axis, "maxItems": axis})
    return made


_TYPES: dict[type[DataType], Callable[[Any], dict[str, Any]]] = {
    Bool: lambda _: {"type": "boolean"},
    Integer: _integer,
    Float: _float,
    String: lambda _: {"type": "string"},
    Binary: lambda _: {"type": "string", "contentEncoding": "base64", "pattern": _BASE64},
    Date: lambda _: {"type": "string", "format": "date"},
    Timestamp: _timestamp,
    Duration: lambda _: {"type": "string", "format": "duration"},
    Decimal: _decimal,
    Category: _category,
    List: _list,
    Struct: lambda kind: _object(kind.fields, closed=False),
    Tensor: _tensor,
}
