"""Checked data on its way to a model: canonical arrays with masks of what is missing. And what null is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeGuard

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    import decimal

    from ..opening.schema import Null


Array = np.ndarray[Any, Any]
_HOLD_NARROW = frozenset({"float32", "float64"})
_NULL_NAMES: dict[str, Null] = {"NoneType": "none", "NaTType": "nat", "NAType": "na"}


def null_name(value: object) -> Null | None:
    """How a value writes null: None, NaN (of floats and decimals), NaT, or pandas.NA; None when it is not null."""
    if value is None:
        return "none"
    if isinstance(value, float | np.floating):
        return "nan" if value != value else None  # noqa: PLR0124 - NaN differs from itself
    if isinstance(value, np.datetime64 | np.timedelta64):
        return "nat" if np.isnat(value) else None
    if is_decimal(value):
        return "nan" if value.is_nan() else None
    name = type(value).__name__
    return _NULL_NAMES[name] if name in _NULL_NAMES and type(value).__module__.startswith("pandas") else None


def is_null(value: object) -> bool:
    """Whether a value is null."""
    return null_name(value) is not None


def may_be_null(kind: type) -> bool:
    """Whether values of a Python type may be null, and no value of another type than a float or time is."""
    return kind.__name__ in _NULL_NAMES or issubclass(kind, float | np.floating)


def where_null(values: Array) -> Array | None:
    """Where an array of any dtype is null; None when it is nowhere."""
    match values.dtype.kind:
        case "f":
            missing: Array = np.isnan(values)
        case "m" | "M":
            missing = np.isnat(values)
        case "O":
            missing = np.fromiter(map(is_null, values.flat), dtype=bool, count=values.size).reshape(values.shape)
        case _:
            return None
    return missing if missing.any() else None


def is_decimal(value: object) -> TypeGuard[decimal.Decimal]:
    """Whether a value is a decimal. The module is not imported for it: who has a decimal has imported it."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)


class Instant(NamedTuple):
    """A moment in UTC from a column whose container says that it has a zone."""

    value: Any

    def __str__(self) -> str:
        return f"{self.value}Z"


class Column:
    """The canonical values of a field, and where they are missing (None when nowhere).

    `values` has shape (rows,), or (rows, …) for tensors; what it holds where `missing` is true means nothing.
    """

    __slots__ = ("missing", "values")

    def __init__(self, values: Any, missing: Array | None = None) -> None:
        self.values = values
        self.missing = missing

    def __iter__(self) -> Iterator[Any]:
        return iter((self.values, self.missing))


def filled(column: Column, null: Any) -> Any:
    """The values with `null` where they are missing."""
    if column.missing is None:
        return column.values
    values = column.values.copy()
    values[column.missing] = null
    return values


class Raw:
    """Values as they came: a list or an array; `missing` where the container itself says so; `utc` for instants.

    `texts` when the container knows that its objects are Unicode texts, or None.
    """

    __slots__ = ("missing", "texts", "utc", "values")

    def __init__(self, values: Any, missing: Array | None = None, *, utc: bool = False, texts: bool = False) -> None:
        self.values = values
        self.missing = missing
        self.utc = utc
        self.texts = texts


class Batch:
    """`rows` checked rows; `single` when the caller passed one bare row.

    Fields that are floats may lie together in `block`, a float array of shape (rows, fields in `block_names`) in
    which null is NaN; all others are in `columns`. Both may be the caller's own memory: never write into them, unless
    `owned`: then the memory came with the batch, and the model may have it. `narrow` when it is known that float32
    holds every number in the block. `index` is that of a DataFrame or Series of
    pandas, for the answer; no model sees it.
    """

    __slots__ = ("_index", "block", "block_names", "columns", "index", "narrow", "owned", "rows", "single")

    def __init__(
        self,
        rows: int,
        columns: Mapping[str, Column],
        *,
        single: bool = False,
        block: Array | None = None,
        block_names: tuple[str, ...] = (),
        owned: bool = False,
        narrow: bool = False,
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.single = single
        self.block = block
        self.block_names = block_names
        self.owned = owned
        self.narrow = narrow
        self.index: Any = None
        self._index: dict[str, int] | None = None

    def column(self, name: str) -> Column:
        """The values of one field."""
        if self.block is None or name in self.columns:
            return self.columns[name]
        if self._index is None:
            self._index = {known: index for index, known in enumerate(self.block_names)}
        values = self.block[:, self._index[name]]
        return Column(values, where_null(values))

    def matrix(self, names: Sequence[str], dtype: str, *, own: bool = False, order: Literal["C", "F"] = "C") -> Array:
        """A 2-D array of the given numeric fields as columns, null as NaN.

        It is the batch's own memory where that fits, unless `own` asks for memory that nobody else has. Raises
        `InputError` where a finite number would become infinite in a narrower `dtype`.
        """
        if self.block is not None and self.block_names == names:
            if (self.owned or not own) and self.block.dtype == dtype:
                return self.block
            if self.narrow and dtype in _HOLD_NARROW:
                return self.block.astype(dtype)
            with np.errstate(over="raise"):
                try:
                    return np.array(self.block, dtype=dtype)
                except FloatingPointError:
                    raise _too_large(dtype) from None
        matrix = np.empty((self.rows, len(names)), dtype=dtype, order=order)
        with np.errstate(over="raise"):
            for position, name in enumerate(names):
                values, missing = self.column(name)
                try:
                    matrix[:, position] = values
                except FloatingPointError:
                    raise _too_large(dtype, name) from None
                if missing is not None:
                    if matrix.dtype.kind != "f":
                        message = f"the model is fed {dtype}, which has no null"
                        raise InputError.of("input.null", message, field=name)
                    matrix[missing, position] = np.nan
        return matrix


def _too_large(dtype: str, name: str | None = None) -> InputError:
    return InputError.of(
        "input.out-of-range", "a number does not fit what the model computes with", field=name, expected=dtype
    )


def objects(values: Sequence[Any]) -> Array:
    """A 1-D array of objects, whatever they are; `numpy.array` would make a matrix of lists of equal length."""
    return np.fromiter(values, dtype=object, count=len(values))


def with_none(values: list[Any], missing: Array | None) -> list[Any]:
    """The values with None where they are missing."""
    if missing is None:
        return values
    return [None if absent else item for item, absent in zip(values, missing.tolist(), strict=True)]


def items(raw: Raw) -> list[Any]:
    """The values one by one as Python has them; None where the container says that they are missing."""
    values = raw.values
    if isinstance(values, list):
        made = values
    elif values.dtype.kind in "mM":
        made = [Instant(value) if not is_null(value) else None for value in values] if raw.utc else list(values)
    else:
        made = values.tolist()
    return with_none(made, raw.missing)
