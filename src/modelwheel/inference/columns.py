"""What one column shows: its type, how null was written, its range. Everything is linear in the number of values."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwheel_loader.errors import Defect
from modelwheel_loader.opening import (
    Binary,
    Bool,
    DataType,
    Date,
    Field,
    Float,
    Integer,
    Null,
    Observed,
    Physical,
    String,
    parse_type,
)
from modelwheel_loader.validate import where_null

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Array = np.ndarray[Any, Any]

COUNTED_VALUES = 1000
"""Distinct values are counted up to here."""
_CHUNK = 4096
_TIME_UNITS = ("s", "ms", "us", "ns")
_FLOAT_BITS = (16, 32, 64)


class ColumnError(ValueError):
    """A column that no type of the contract describes. Whoever walks the columns adds its name and collects."""

    def __init__(self, message: str, *, expected: str = "", found: str = "", hint: str = "") -> None:
        super().__init__(message)
        self._defect = Defect(code="infer.column", message=message, expected=expected, found=found, hint=hint)

    def defect(self, name: str) -> Defect:
        """The defect of the column `name`."""
        return self._defect.replace(field=name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Something about the sample that the author should know: a stable code, a sentence, and the field."""

    code: str
    message: str
    field: str | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """What a column showed. `present` are its values without nulls, for statistics; None when they say nothing.

    `normalised` replaces the column where two ways to write null, or two types of number, were made one.
    """

    type: DataType
    dtype: str
    nulls: int = 0
    null: Null | None = None
    present: Array | Sequence[Any] | None = None
    infinite: bool = False
    distinct: int | None = None
    notes: tuple[Note, ...] = ()
    normalised: Any = field(default=None, compare=False)


def object_array(values: Sequence[Any]) -> Array:
    """The values as an array of objects, whatever they are: numpy would make a matrix of equal lists."""
    return np.fromiter(values, dtype=object, count=len(values))


def from_array(values: Array) -> Column:
    """What a 1-D array of numbers, text or times shows; raises `ColumnError`. `objects.py` takes those of objects."""
    dtype = values.dtype
    match dtype.kind:
        case "b":
            return Column(type=Bool(), dtype="bool", present=values)
        case "i" | "u":
            kind = Integer(dtype.itemsize * 8, dtype.kind == "i")
            return Column(type=kind, dtype=str(kind), present=values)
        case "f" if dtype.itemsize * 8 in _FLOAT_BITS:
            return _from_floats(values)
        case "U":
            return Column(type=String(), dtype="str_", present=values)
        case "S":
            return Column(type=Binary(), dtype="bytes_", present=values)
        case "M" | "m":
            return _from_times(values)
    raise ColumnError("holds values of a type that the contract does not have", found=str(dtype))


def _from_floats(values: Array) -> Column:
    nulls, present = _without_null(values)
    infinite = bool(np.isinf(present).any())
    kind = Float(values.dtype.itemsize * 8)
    null: Null | None = "nan" if nulls else None
    return Column(type=kind, dtype=str(kind), nulls=nulls, null=null, present=present, infinite=infinite)


def _from_times(values: Array) -> Column:
    unit, count = np.datetime_data(values.dtype)
    calendar = values.dtype.kind == "M"
    if count != 1 or unit not in (*_TIME_UNITS, *(("D",) if calendar else ())):
        hint = "Convert it to seconds, milliseconds, microseconds or nanoseconds."
        raise ColumnError("counts time in a unit that the contract does not have", found=str(values.dtype), hint=hint)
    nulls, present = _without_null(values)
    kind = Date() if unit == "D" else parse_type(f"{'timestamp' if calendar else 'duration'}[{unit}]")
    dtype = str(values.dtype).lstrip("<>")
    return Column(type=kind, dtype=dtype, nulls=nulls, null="nat" if nulls else None, present=present)


def _without_null(values: Array) -> tuple[int, Array]:
    """How many values are null, and the others."""
    missing = where_null(values)
    return (0, values) if missing is None else (int(missing.sum()), values[~missing])


def to_field(name: str, column: Column, rows: int, *, label: int | None = None) -> tuple[Field, tuple[Note, ...]]:
    """The field for a column of `rows` values, and what is to be noted about it."""
    low, high = _range(column)
    distinct = column.distinct if column.present is None else count_distinct(column.present)
    observed = Observed(rows=rows, nulls=column.nulls, minimum=low, maximum=high, distinct=distinct)
    made = Field(
        name=name,
        type=column.type,
        nullable=column.nulls > 0,
        allow_infinity=column.infinite,
        physical=Physical(dtype=column.dtype, null=column.null, label=label),
        observed=observed,
    )
    notes = (*column.notes, *_notes(column, observed))
    return made, tuple(dataclasses.replace(note, field=name) for note in notes)


def _notes(column: Column, observed: Observed) -> Iterable[Note]:
    present = observed.rows - observed.nulls
    plain = not observed.nulls and not column.infinite  # else what is missing, or infinite, tells something
    one = observed.distinct == 1 or (observed.minimum is not None and observed.minimum == observed.maximum)
    if plain and present > 1 and one:
        yield constant()
    elif isinstance(column.type, Integer | String) and present > 2 and _all_distinct(column, observed.distinct):
        yield Note(code="identifier", message="never repeats a value: it looks like an identifier, not like a feature")


def constant(field: str | None = None) -> Note:
    """The note on a column that tells nothing."""
    return Note(code="constant", message="has one value in the whole sample", field=field)


def _all_distinct(column: Column, distinct: int | None) -> bool:
    """Whether no value comes twice. Looks at all values only when the first `COUNTED_VALUES` differ."""
    values = column.present
    if values is None:
        return False
    if distinct is not None:
        return distinct == len(values) > 20  # a handful of rows says nothing
    return len(set(_plain(values))) == len(values)


def count_distinct(values: Array | Sequence[Any]) -> int | None:
    """How many different values there are, None when more than `COUNTED_VALUES`."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "fmM":
        return None  # of numbers on a scale the range says more
    found: set[Any] = set()
    for start in range(0, len(values), _CHUNK):
        found.update(_plain(values[start : start + _CHUNK]))
        if len(found) > COUNTED_VALUES:
            return None
    return len(found)


def _plain(values: Array | Sequence[Any]) -> Iterable[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else values


def has_range(kind: DataType) -> bool:
    """Whether the smallest and largest values of that type are recorded."""
    return kind.family in ("numbers", "times") and not isinstance(kind, Bool)


def _range(column: Column) -> tuple[Any, Any]:
    """The smallest and the largest finite value, as JSON types: times as text."""
    values = column.present
    if values is None or len(values) == 0 or not has_range(column.type):
        return None, None
    array = values if isinstance(values, np.ndarray) else np.array(list(values))
    if column.infinite:
        array = array[np.isfinite(array)]
    if array.size == 0:
        return None, None
    return tuple(_json(bound, column.type) for bound in (array.min(), array.max()))


def _json(value: Any, kind: DataType) -> Any:
    if kind.family == "times":
        return str(np.datetime64(value, "D") if isinstance(kind, Date) else value) + (
            "Z" if getattr(kind, "zone", None) else ""
        )
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if not isinstance(plain, float) or math.isfinite(plain) else None
