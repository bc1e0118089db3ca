"""Arrow's types as the contract's. Reads pyarrow's objects without importing pyarrow."""

from __future__ import annotations

from typing import Any

from .fields import Field
from .types import (
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

_NAMES: dict[str, DataType] = {
    "bool": Bool(),
    "halffloat": Float(16),
    "float": Float(32),
    "double": Float(64),
    "string": String(),
    "large_string": String(),
    "string_view": String(),
    "binary": Binary(),
    "large_binary": Binary(),
    "binary_view": Binary(),
    "date32[day]": Date(),
    "date64[ms]": Date(),
    "null": String(),
}


def from_arrow_type(kind: Any) -> DataType:
    """The type of the contract for a `pyarrow.DataType`; raises `TypeTextError` for one that it does not have.

    Dictionaries give a category without values: those are in the data, not in the type.
    """
    name = str(kind)
    if name in _NAMES:
        return _NAMES[name]
    return _parametric(kind, name) or parse_type(name)


def _parametric(kind: Any, name: str) -> DataType | None:
    """Types with parameters; None for others."""
    word = name.partition("[")[0].partition("<")[0].partition("(")[0]
    match word:
        case "timestamp":
            return Timestamp(kind.unit, kind.tz)
        case "duration":
            return Duration(kind.unit)
        case "decimal32" | "decimal64" | "decimal128" | "decimal256" if kind.scale >= 0:
            return Decimal(kind.precision, kind.scale)
        case "dictionary":
            return Category((), ordered=bool(kind.ordered))
    return _nested(kind, word)


def _nested(kind: Any, word: str) -> DataType | None:
    match word:
        case "list" | "large_list" | "list_view" | "large_list_view":
            return List(from_arrow_type(kind.value_type), bool(kind.value_field.nullable))
        case "fixed_size_list":
            return _tensor(kind)
        case "fixed_size_binary":
            return Binary()
        case "struct":
            return Struct(tuple(from_arrow_field(kind.field(index)) for index in range(kind.num_fields)))
    return None


def _tensor(kind: Any) -> DataType:
    """Lists of one length are tensors when they hold numbers."""
    inner = from_arrow_type(kind.value_type)
    if isinstance(inner, Tensor):
        return Tensor(inner.dtype, (kind.list_size, *inner.shape))
    number = isinstance(inner, Bool | Integer | Float)
    return Tensor(inner.canonical, (kind.list_size,)) if number else List(inner)


def from_arrow_field(field: Any) -> Field:
    """The field for a `pyarrow.Field`."""
    return Field(name=field.name, type=from_arrow_type(field.type), nullable=bool(field.nullable))
