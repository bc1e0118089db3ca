"""The types of fields; they are the loader's own. `str(type)` gives the text of a type, `parse_type` reads it."""

from modelwheel_loader.opening import (
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
    TypeTextError,
    parse_type,
)

__all__ = [
    "Binary",
    "Bool",
    "Category",
    "DataType",
    "Date",
    "Decimal",
    "Duration",
    "Float",
    "Integer",
    "List",
    "String",
    "Struct",
    "Tensor",
    "Timestamp",
    "TypeTextError",
    "parse_type",
]
