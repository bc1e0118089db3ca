"""The data types of the contract: Arrow's names, as small immutable records.

Every type has a text (`str(type)`: `int64`, `timestamp[us, UTC]`, `list[float32?]`, where `?` is nullable), which
`parse_type` reads back. It leaves out the values of a category, and of a struct's members all but name, type and null.
The canonical numpy dtype of a type is the one that checked data of it has inside modelwheel. A type that cannot be is
refused where it is made, with `UsageError`.
"""

from __future__ import annotations

import re
from json import dumps
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..doors import door
from ..errors import UsageError
from ..text import clip

if TYPE_CHECKING:
    from .schema import Field


Unit = Literal["s", "ms", "us", "ns"]
_UNITS = get_args(Unit)
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
    _text = ""
    _canonical = "object"

    def _set(self, *values: object) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            object.__setattr__(self, name, value)

    def _must(self, right: bool, what: str) -> None:
        if not right:
            message = f"{type(self).__name__}: {what}"
            raise UsageError.of("schema.type", message, found=clip(repr(self)))

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

    def __str__(self) -> str:
        return self._text.format(self)

    @property
    def canonical(self) -> str:
        """The numpy dtype of checked values; `object` for those that numpy does not hold."""
        return self._canonical.format(self)


class Bool(DataType):
    """True or false."""

    __slots__ = ()
    family = "numbers"
    _text = _canonical = "bool"


class Integer(DataType):
    """A whole number of `bits` 8, 16, 32 or 64."""

    __slots__ = ("bits", "signed")
    family = "numbers"
    _canonical = "{0}"
    bits: int
    signed: bool

    def __init__(self, bits: int = 64, signed: bool = True) -> None:
        self._set(bits, signed)
        right = type(bits) is int and bits in (8, 16, 32, 64) and type(signed) is bool
        self._must(right, "bits must be 8, 16, 32 or 64, signed a Boolean")

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}"

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)


class Float(DataType):
    """An IEEE 754 number of `bits` 16, 32 or 64."""

    __slots__ = ("bits",)
    family = "numbers"
    _text = "float{0.bits}"
    _canonical = "{0}"
    bits: int

    def __init__(self, bits: int = 64) -> None:
        self._set(bits)
        self._must(type(bits) is int and bits in (16, 32, 64), "bits must be 16, 32 or 64")


class String(DataType):
    """Unicode text."""

    __slots__ = ()
    family = "texts"
    _text = "string"


class Binary(DataType):
    """Bytes; base64 in JSON."""

    __slots__ = ()
    family = "texts"
    _text = "binary"


class Date(DataType):
    """A calendar day; ISO 8601 in JSON."""

    __slots__ = ()
    family = "times"
    _text = "date"
    _canonical = "datetime64[D]"


class Timestamp(DataType):
    """A point in time counted in `unit`; with a `zone` (IANA name or UTC offset) it is an instant, else a wall clock.

    Checked values are in UTC when there is a zone.
    """

    __slots__ = ("unit", "zone")
    family = "times"
    _canonical = "datetime64[{0.unit}]"
    unit: Unit
    zone: str | None

    def __init__(self, unit: Unit = "us", zone: str | None = None) -> None:
        self._set(unit, zone)
        self._must(unit in _UNITS, "the unit must be s, ms, us or ns")
        self._must(zone is None or _is_zone(zone), "the zone must be the name of a time zone, such as 'Europe/Paris'")

    def __str__(self) -> str:
        return f"timestamp[{self.unit}, {self.zone}]" if self.zone else f"timestamp[{self.unit}]"


class Duration(DataType):
    """A length of time counted in `unit`; ISO 8601 in JSON."""

    __slots__ = ("unit",)
    family = "times"
    _text = "duration[{0.unit}]"
    _canonical = "timedelta64[{0.unit}]"
    unit: Unit

    def __init__(self, unit: Unit = "us") -> None:
        self._set(unit)
        self._must(unit in _UNITS, "the unit must be s, ms, us or ns")


class Decimal(DataType):
    """A decimal number of `precision` digits, `scale` of them after the point."""

    __slots__ = ("precision", "scale")
    family = "decimals"
    _text = "decimal({0.precision}, {0.scale})"
    precision: int
    scale: int

    def __init__(self, precision: int = 38, scale: int = 0) -> None:
        self._set(precision, scale)
        whole = type(precision) is int and type(scale) is int
        rule = "the precision must be from 1 to 76, the scale from 0 to the precision"
        self._must(whole and 0 < precision <= _MAX_PRECISION and 0 <= scale <= precision, rule)


class Category(DataType):
    """One of a fixed set of values, all of one Python type; `ordered` when their order means something."""

    __slots__ = ("values", "ordered")
    family = "texts"
    _text = "category"
    values: tuple[CategoryValue, ...]
    ordered: bool

    def __init__(self, values: tuple[CategoryValue, ...] = (), ordered: bool = False) -> None:
        self._set(tuple(values), ordered)
        kinds = set(map(type, self.values))
        right = len(kinds) < 2 and kinds <= {str, int, float, bool} and len(set(self.values)) == len(self.values)
        self._must(right, "the values must be different texts, numbers or Booleans of one type")
        self._must(type(ordered) is bool, "ordered must be a Boolean")


class List(DataType):
    """A list of any length of values of one type."""

    __slots__ = ("item", "nullable")
    family = "nested"
    item: DataType
    nullable: bool

    def __init__(self, item: DataType, nullable: bool = False) -> None:
        self._set(item, nullable)
        self._must(isinstance(item, DataType), "the item must be a type")
        self._must(type(nullable) is bool, "nullable must be a Boolean")

    def __str__(self) -> str:
        return f"list[{self.item}{'?' if self.nullable else ''}]"


class Struct(DataType):
    """A record with named fields."""

    __slots__ = ("fields",)
    family = "nested"
    fields: tuple[Field, ...]

    def __init__(self, fields: tuple[Field, ...] = ()) -> None:
        self._set(tuple(fields))
        right = all(isinstance(getattr(field, "type", None), DataType) for field in self.fields)
        self._must(right, "every one of the fields must be a Field")

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
    _canonical = "{0.dtype}"
    dtype: str
    shape: tuple[int | None, ...]
    sparse: bool

    def __init__(self, dtype: str = "float64", shape: tuple[int | None, ...] = (), sparse: bool = False) -> None:
        self._set(dtype, tuple(shape), sparse)
        self._must(dtype in TENSOR_DTYPES, "the dtype must be that of numbers or Booleans, such as 'float64'")
        axes = all(axis is None or (type(axis) is int and axis >= 0) for axis in self.shape)
        self._must(axes and len(self.shape) <= 32, "the shape must be at most 32 lengths, None where one is free")
        self._must(type(sparse) is bool, "sparse must be a Boolean")

    def __str__(self) -> str:
        axes = ", ".join("*" if axis is None else str(axis) for axis in self.shape)
        return f"{'sparse ' if self.sparse else ''}tensor[{self.dtype}, ({axes})]"


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
_MAX_PRECISION = 76  # Arrow's decimal256
_ZONE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/:")


def _is_zone(text: object) -> bool:
    """Whether `text` has the form of a zone; that this machine knows it shows when data is checked."""
    return isinstance(text, str) and 0 < len(text) <= 64 and _ZONE.issuperset(text)


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
    # patterns are texts: `re` compiles them when they are first used, and keeps them
    unit: Any
    if match := re.fullmatch(r"timestamp\[(s|ms|us|ns)(?:, ([^\]]+))?\]", text):
        unit, zone = match.groups()
        if zone is None or _is_zone(zone):
            return Timestamp(unit, zone)
    if match := re.fullmatch(r"decimal\(([0-9]{1,2}), ([0-9]{1,2})\)", text):
        precision, scale = int(match[1]), int(match[2])
        if 0 < precision <= _MAX_PRECISION and scale <= precision:
            return Decimal(precision, scale)
    raise TypeTextError(f"unknown type {clip(text)!r}")
