"""The data types of the contract: Arrow's names, as small immutable records.

Every type has a text (`str(type)`: `int64`, `timestamp[us, UTC]`, `list[float32]`), which `parse_type` reads back.
The canonical numpy dtype of a type is the one that checked data of it has inside modelwheel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from .schema import Field

Unit = Literal["s", "ms", "us", "ns"]
CategoryValue = str | int | float | bool
UNITS: tuple[str, ...] = get_args(Unit)
TENSOR_DTYPES = (
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(f"float{bits}" for bits in (16, 32, 64)),
)
"""The numpy dtypes that a tensor may have, by name. A dtype from a file is only ever looked up here."""


class TypeTextError(ValueError):
    """The text or JSON of a type is wrong; readers turn this into a defect."""


@dataclass(frozen=True, slots=True)
class DataType:
    """The base of all types."""

    @property
    def canonical(self) -> str:
        """The numpy dtype of checked values; `object` for those that numpy does not hold."""
        return "object"


@dataclass(frozen=True, slots=True)
class Bool(DataType):
    """True or false."""

    def __str__(self) -> str:
        return "bool"

    @property
    def canonical(self) -> str:  # noqa: D102
        return "bool"


@dataclass(frozen=True, slots=True)
class Integer(DataType):
    """A whole number of `bits` 8, 16, 32 or 64."""

    bits: int = 64
    signed: bool = True

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}"

    @property
    def canonical(self) -> str:  # noqa: D102
        return str(self)

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        return (-(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1) if self.signed else (0, 2**self.bits - 1)


@dataclass(frozen=True, slots=True)
class Float(DataType):
    """An IEEE 754 number of `bits` 16, 32 or 64."""

    bits: int = 64

    def __str__(self) -> str:
        return f"float{self.bits}"

    @property
    def canonical(self) -> str:  # noqa: D102
        return str(self)


@dataclass(frozen=True, slots=True)
class String(DataType):
    """Unicode text."""

    def __str__(self) -> str:
        return "string"


@dataclass(frozen=True, slots=True)
class Binary(DataType):
    """Bytes; base64 in JSON."""

    def __str__(self) -> str:
        return "binary"


@dataclass(frozen=True, slots=True)
class Date(DataType):
    """A calendar day; ISO 8601 in JSON."""

    def __str__(self) -> str:
        return "date"

    @property
    def canonical(self) -> str:  # noqa: D102
        return "datetime64[D]"


@dataclass(frozen=True, slots=True)
class Timestamp(DataType):
    """A point in time counted in `unit`; with a `zone` (IANA name or UTC offset) it is an instant, else a wall clock.

    Checked values are in UTC when there is a zone.
    """

    unit: Unit = "us"
    zone: str | None = None

    def __str__(self) -> str:
        return f"timestamp[{self.unit}, {self.zone}]" if self.zone else f"timestamp[{self.unit}]"

    @property
    def canonical(self) -> str:  # noqa: D102
        return f"datetime64[{self.unit}]"


@dataclass(frozen=True, slots=True)
class Duration(DataType):
    """A length of time counted in `unit`; ISO 8601 in JSON."""

    unit: Unit = "us"

    def __str__(self) -> str:
        return f"duration[{self.unit}]"

    @property
    def canonical(self) -> str:  # noqa: D102
        return f"timedelta64[{self.unit}]"


@dataclass(frozen=True, slots=True)
class Decimal(DataType):
    """A decimal number of `precision` digits, `scale` of them after the point."""

    precision: int = 38
    scale: int = 0

    def __str__(self) -> str:
        return f"decimal({self.precision}, {self.scale})"


@dataclass(frozen=True, slots=True)
class Category(DataType):
    """One of a fixed set of values, all of one Python type; `ordered` when their order means something."""

    values: tuple[CategoryValue, ...] = ()
    ordered: bool = False

    def __str__(self) -> str:
        return "category"


@dataclass(frozen=True, slots=True)
class List(DataType):
    """A list of any length of values of one type."""

    item: DataType
    nullable: bool = False

    def __str__(self) -> str:
        return f"list[{self.item}{'?' if self.nullable else ''}]"


@dataclass(frozen=True, slots=True)
class Struct(DataType):
    """A record with named fields."""

    fields: tuple[Field, ...] = ()

    def __str__(self) -> str:
        return f"struct[{', '.join(f'{field.name}: {field.type}' for field in self.fields)}]"


@dataclass(frozen=True, slots=True)
class Tensor(DataType):
    """An array per row: `shape` is that of one row, with None for axes whose length is free.

    `sparse` tensors have one axis and travel as rows of a SciPy CSR matrix.
    """

    dtype: str = "float64"
    shape: tuple[int | None, ...] = ()
    sparse: bool = False

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
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, ([A-Za-z0-9_+\-/:]{1,64}))?\]")
_DECIMAL = re.compile(r"decimal\((\d{1,2}), (\d{1,2})\)")
_MAX_PRECISION = 76  # Arrow's decimal256


def parse_type(text: str) -> DataType:
    """The scalar type that `text` names, such as `int64` or `timestamp[us, UTC]`; raises `TypeTextError`."""
    if text in _SIMPLE:
        return _SIMPLE[text]
    if match := _TIMESTAMP.fullmatch(text):
        unit: Any = match[1]
        return Timestamp(unit, match[2])
    if match := _DECIMAL.fullmatch(text):
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
