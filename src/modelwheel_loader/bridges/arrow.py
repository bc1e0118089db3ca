"""Arrow's types as the contract's. Reads pyarrow's objects without importing pyarrow."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..defects import Defect
from ..errors import UsageError
from ..opening.schema import FIELD, Field
from ..opening.strictjson import Cursor
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
    TypeTextError,
    parse_type,
)

if TYPE_CHECKING:
    from ..opening.schema import Schema


_PLAIN: tuple[tuple[DataType, str, str], ...] = (
    (Bool(), "bool_", "bool"),
    (Float(16), "float16", "halffloat"),
    (Float(32), "float32", "float"),
    (Float(64), "float64", "double"),
    (String(), "string", "string large_string string_view null"),
    (Binary(), "binary", "binary large_binary binary_view"),
    (Date(), "date32", "date32[day] date64[ms]"),
    *((Integer(bits, signed), str(Integer(bits, signed)), "") for bits in (8, 16, 32, 64) for signed in (True, False)),
)
"""Types without parameters: the type, pyarrow's function for it, and the names of Arrow's types that become it."""
_FROM_ARROW = {name: kind for kind, _, names in _PLAIN for name in names.split()}
_TO_ARROW = {kind: function for kind, function, _ in _PLAIN}


def from_arrow_type(kind: Any) -> DataType:
    """The type of the contract for a `pyarrow.DataType`; raises `TypeTextError` for one that it does not have.

    Dictionaries give a category without values: those are in the data, not in the type.
    """
    name = str(kind)
    match name.partition("[")[0].partition("<")[0].partition("(")[0]:
        case "timestamp":
            return Timestamp(kind.unit, kind.tz)
        case "duration":
            return Duration(kind.unit)
        case "decimal32" | "decimal64" | "decimal128" | "decimal256" if kind.scale >= 0:
            return Decimal(kind.precision, kind.scale)
        case "dictionary":
            return Category((), ordered=bool(kind.ordered))
        case "list" | "large_list" | "list_view" | "large_list_view":
            return List(from_arrow_type(kind.value_type), bool(kind.value_field.nullable))
        case "fixed_size_list":
            return _tensor(kind)
        case "fixed_size_binary":
            return Binary()
        case "struct":
            return Struct(tuple(from_arrow_field(kind.field(index)) for index in range(kind.num_fields)))
    return _FROM_ARROW[name] if name in _FROM_ARROW else parse_type(name)


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


# --- schemas: what Arrow cannot express of a field is stored in the field's metadata, and read back ---


_KEY = b"modelwheel"


def to_arrow(schema: Schema) -> Any:
    """The `pyarrow.Schema` of the fields; each field's metadata holds the whole field as JSON."""
    import pyarrow as pa

    rest = {key: value for key, value in schema.to_dict().items() if key != "fields"}
    return pa.schema([_to_field(field, pa) for field in schema.fields], metadata={_KEY: json.dumps(rest).encode()})


def _to_field(field: Field, pa: Any) -> Any:
    metadata = {_KEY: json.dumps(field.to_dict(), ensure_ascii=False).encode()}
    return pa.field(field.name, to_arrow_type(field.type, pa), nullable=field.nullable, metadata=metadata)


def to_arrow_type(kind: DataType, pa: Any) -> Any:
    """The Arrow type for values of `kind`."""
    if kind in _TO_ARROW:
        return getattr(pa, _TO_ARROW[kind])()
    match kind:
        case Timestamp():
            return pa.timestamp(kind.unit, kind.zone)
        case Duration():
            return pa.duration(kind.unit)
        case Decimal():
            return (pa.decimal128 if kind.precision <= 38 else pa.decimal256)(kind.precision, kind.scale)
        case Category():
            first = type(kind.values[0]) if kind.values else str
            values = {str: pa.string, int: pa.int64, float: pa.float64, bool: pa.bool_}[first]()
            return pa.dictionary(pa.int32(), values, ordered=kind.ordered)
        case List():
            return pa.list_(pa.field("item", to_arrow_type(kind.item, pa), nullable=kind.nullable))
        case Struct():
            return pa.struct([pa.field(f.name, to_arrow_type(f.type, pa), nullable=f.nullable) for f in kind.fields])
        case Tensor():
            made = to_arrow_type(parse_type(kind.dtype), pa)
            for axis in reversed(kind.shape):
                made = pa.list_(made, -1 if axis is None else axis)
            return made
    raise UsageError.of("schema.arrow", f"Arrow has no type for {kind}")


def read_arrow(schema: Any) -> tuple[tuple[Field, ...], dict[str, Any] | None]:
    """The fields of a `pyarrow.Schema`, and what `to_arrow` stored of the rest; raises `UsageError`."""
    fields, defects = [], []
    for item in schema:
        try:
            fields.append(_from_field(item))
        except TypeTextError:
            message = f"the contract has no type for Arrow's {item.type}"
            defects.append(Defect(code="schema.arrow", message=message, field=item.name))
    if defects:
        raise UsageError("no schema can be made from the Arrow schema", defects)
    return tuple(fields), _metadata(schema)


def _from_field(item: Any) -> Field:
    stored = _metadata(item)
    if stored is not None:
        defects: list[Defect] = []
        found: Field = FIELD.read_from(Cursor(stored, "", defects))
        if not defects and _still_fits(found, item):
            return found
    return from_arrow_field(item)


def _still_fits(field: Field, item: Any) -> bool:
    """Whether stored metadata still describes the Arrow field: someone may have changed the type since."""
    plain = from_arrow_field(item)
    same = _bare(plain.type) == _bare(field.type)
    return same and plain.name == field.name and plain.nullable == field.nullable


def _bare(kind: DataType) -> str:
    """A type as far as Arrow says it."""
    match kind:
        case Category():
            return f"category {kind.ordered}"
        case Tensor() if None in kind.shape:
            return "list"
        case List() if isinstance(kind.item, List | Tensor) or kind.item.canonical != "object":
            return "list"
        case Struct():
            return ",".join(f"{field.name}:{_bare(field.type)}" for field in kind.fields)
    return str(kind).removeprefix("sparse ")


def _metadata(item: Any) -> dict[str, Any] | None:
    text = (item.metadata or {}).get(_KEY)
    if text is None:
        return None
    try:
        stored = json.loads(text)
    except ValueError:
        return None
    return stored if isinstance(stored, dict) else None
