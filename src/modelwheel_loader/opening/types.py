"""The data types of the contract: Arrow's names, as small immutable records.

Every type has a text (`str(type)`: `int64`, `timestamp[us, UTC]`, `list[float32?]`, where `?` is nullable), which
`parse_type` reads back. It leaves out the values of a category, and of a struct's members all but name, type and null.
The canonical numpy dtype of a type is the one that checked data of it has inside modelwheel.
"""

from __future__ import annotations

import re
from json import dumps
from typing import TYPE_CHECKING, Any, Literal

from ..doors import door

if TYPE_CHECKING:
    from .schema import Field


Unit = Literal["s", "ms", "us", "ns"]
CategoryValue = str | int | float | bool
TENSOR_DTYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
)
"""The numpy dtypes that a tensor may have, by name. A dtype from a file is only ever looked up here."""


BARE_NAME = r"[^\s:,\[\]\"]+"
"""Names in the text of a struct that need no quotes."""


class TypeTextError(ValueError):
    """The text or JSON of a type is wrong; readers turn this into a defect."""


class DataType:
    """The base of all types: immutable, equal when class and attributes are.

    Plain classes, not dataclasses: they are made at every start of a service, and a dataclass costs half a
    millisecond to define.
    """

    __slots__: tuple[str, ...] = ()
    family = ""
    """The file of `validate` that has the rules of the type."""

    def _set(self, *values: object) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__slots__)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"types are immutable: {name!r} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataType) and type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._values()))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._values()

    @property
    def canonical(self) -> str:
        """The numpy dtype of checked values; `object` for those that numpy does not hold."""
        return "object"


class Bool(DataType):
    """True or false."""

    __slots__ = ()
    family = "numbers"

    def __str__(self) -> str:
        return "bool"

    @property
    def canonical(self) -> str:  # noqa: D102
        return "bool"


class Integer(DataType):
    """A whole number of `bits` 8, 16, 32 or 64."""

    __slots__ = ("bits", "signed")
    family = "numbers"
    bits: int
    signed: bool

    def __init__(self, bits: int = 64, signed: bool = True) -> None:
        self._set(bits, signed)

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}"

    @property
    def canonical(self) -> str:  # noqa: D102
        return str(self)

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)


class Float(DataType):
    """An IEEE 754 number of `bits` 16, 32 or 64."""

    __slots__ = ("bits",)
    family = "numbers"
    bits: int

    def __init__(self, bits: int = 64) -> None:
        self._set(bits)

    def __str__(self) -> str:
        return f"float{self.bits}"

    @property
    def canonical(self) -> str:  # noqa: D102
        return str(self)


class String(DataType):
    """Unicode text."""

    __slots__ = ()
    family = "texts"

    def __str__(self) -> str:
        return "string"


class Binary(DataType):
    """Bytes; base64 in JSON."""

    __slots__ = ()
    family = "texts"

    def __str__(self) -> str:
        return "binary"


class Date(DataType):
    """A calendar day; ISO 8601 in JSON."""

    __slots__ = ()
    family = "times"

    def __str__(self) -> str:
        return "date"

    @property
    def canonical(self) -> str:  # noqa: D102
        return "datetime64[D]"


class Timestamp(DataType):
    """A point in time counted in `unit`; with a `zone` (IANA name or UTC offset) it is an instant, else a wall clock.

    Checked values are in UTC when there is a zone.
    """

    __slots__ = ("unit", "zone")
    family = "times"
    unit: Unit
    zone: str | None

    def __init__(self, unit: Unit = "us", zone: str | None = None) -> None:
        self._set(unit, zone)

    def __str__(self) -> str:
        return f"timestamp[{self.unit}, {self.zone}]" if self.zone else f"timestamp[{self.unit}]"

    @property
    def canonical(self) -> str:  # noqa: D102
        return f"datetime64[{self.unit}]"


class Duration(DataType):
    """A length of time counted in `unit`; ISO 8601 in JSON."""

    __slots__ = ("unit",)
    family = "times"
    unit: Unit

    def __init__(self, unit: Unit = "us") -> None:
        self._set(unit)

    def __str__(self) -> str:
        return f"duration[{self.unit}]"

    @property
    def canonical(self) -> str:  # noqa: D102
        return f"timedelta64[{self.unit}]"


class Decimal(DataType):
    """A decimal number of `precision` digits, `scale` of them after the point."""

    __slots__ = ("precision", "scale")
    family = "decimals"
    precision: int
    scale: int

    def __init__(self, precision: int = 38, scale: int = 0) -> None:
        self._set(precision, scale)

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})"


class Category(DataType):
    """One of a fixed set of values, all of one Python type; `ordered` when their order means something."""

    __slots__ = ("values", "ordered")
    family = "texts"
    values: tuple[CategoryValue, ...]
    ordered: bool

    def __init__(self, values: tuple[CategoryValue, ...] = (), ordered: bool = False) -> None:
        self._set(tuple(values), ordered)

    def __str__(self) -> str:
        return "category"


class List(DataType):
    """A list of any length of values of one type."""

    __slots__ = ("item", "nullable")
    family = "nested"
    item: DataType
    nullable: bool

    def __init__(self, item: DataType, nullable: bool = False) -> None:
        self._set(item, nullable)

    def __str__(self) -> str:
        return f"list[{self.item}{'?' if self.nullable else ''}]"


class Struct(DataType):
    """A record with named fields."""

    __slots__ = ("fields",)
    family = "nested"
    fields: tuple[Field, ...]

    def __init__(self, fields: tuple[Field, ...] = ()) -> None:
        self._set(tuple(fields))

    def __str__(self) -> str:
        return f"struct[{', '.join(map(_member, self.fields))}]"


def _member(field: Field) -> str:
    name = field.name if re.fullmatch(BARE_NAME, field.name) else dumps(field.name, ensure_ascii=False)
    return f"{name}: {field.type}{'?' if field.nullable else ''}"


class Tensor(DataType):
    """An array per row: `shape` is that of one row, with None for axes whose length is free.

    `sparse` tensors have one axis and travel as rows of a SciPy CSR matrix.
    """

    __slots__ = ("dtype", "shape", "sparse")
    family = "tensors"
    dtype: str
    shape: tuple[int | None, ...]
    sparse: bool

    def __init__(self, dtype: str = "float64", shape: tuple[int | None, ...] = (), sparse: bool = False) -> None:
        self._set(dtype, tuple(shape), sparse)

    def __str__(self) -> str:
        axes = ", ".join("*" if axis is None else str(axis) for axis in self.shape)
        return f"{'sparse ' if self.sparse else ''}tensor[{self.dtype}, ({axes})]"

    @property
    def canonical(self) -> str:  # noqa: D102
        return self.dtype


_SIMPLE: dict[str, DataType] = {
    str(kind): kind
    for kind in (
        Bool(),
        *(Integer(bits, signed) for bits in (8, 16, 32, 64) for signed in (True, False)),
        *(Float(bits) for bits in (16, 32, 64)),
        String(),
        Binary(),
        Date(),
        *(Duration(unit) for unit in ("s", "ms", "us", "ns")),
    )
}
# patterns are texts here: `re` compiles them when they are first used, and keeps them
_TIMESTAMP = r"timestamp\[(s|ms|us|ns)(?:, ([A-Za-z0-9_+\-/:]{1,64}))?\]"
_DECIMAL = r"decimal\((\d{1,2}), (\d{1,2})\)"
_MAX_PRECISION = 76  # Arrow's decimal256


def parse_type(text: str, *, complete: bool = False) -> DataType:
    """The type that `text` names, as `str(type)` writes it; raises `TypeTextError`.

    A category has no values then; with `complete` it is an error.
    """
    try:
        return parse_scalar(text)
    except TypeTextError:
        found: DataType = door("type.nested")(text, complete=complete)
        return found


def parse_scalar(text: str) -> DataType:
    """The scalar type that `text` names, such as `int64` or `timestamp[us, UTC]`; raises `TypeTextError`."""
    if text in _SIMPLE:
        return _SIMPLE[text]
    if match := re.fullmatch(_TIMESTAMP, text):
        unit: Any = match[1]
        return Timestamp(unit, match[2])
    if match := re.fullmatch(_DECIMAL, text):
        precision, scale = int(match[1]), int(match[2])
        if 0 < precision <= _MAX_PRECISION and scale <= precision:
            return Decimal(precision, scale)
    raise TypeTextError(f"unknown type {text[:60]!r}")


NESTED = ("category", "list", "struct", "tensor")
"""The kinds that JSON writes as an object with one key, the kind; all other types are a text."""


def type_to_json(kind: DataType) -> Any:
    """The type as JSON: a text for scalar types, an object for those that hold others."""
    match kind:
        case Category():
            return {"category": {"values": list(kind.values), "ordered": kind.ordered}}
        case List():
            return {"list": {"item": type_to_json(kind.item), "nullable": kind.nullable}}
        case Struct():
            return {"struct": {"fields": [field.to_dict() for field in kind.fields]}}
        case Tensor():
            return {"tensor": {"dtype": kind.dtype, "shape": list(kind.shape), "sparse": kind.sparse}}
    return str(kind)
