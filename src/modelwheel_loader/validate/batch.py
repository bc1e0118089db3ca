"""Checked data on its way to a model: canonical arrays with masks of what is missing. No copy where none is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ..errors import InputError

Array = np.ndarray[Any, Any]
_HOLD_NARROW = frozenset({"float32", "float64"})


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
    holds every number in the block.
    """

    __slots__ = ("_index", "block", "block_names", "columns", "narrow", "owned", "rows", "single")

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
        self._index: dict[str, int] | None = None

    def column(self, name: str) -> Column:
        """The values of one field."""
        if self.block is None or name in self.columns:
            return self.columns[name]
        if self._index is None:
            self._index = {known: index for index, known in enumerate(self.block_names)}
        values = self.block[:, self._index[name]]
        missing = np.isnan(values)
        return Column(values, missing if missing.any() else None)

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


def items(raw: Raw) -> list[Any]:
    """The values one by one as Python has them; None where the container says that they are missing."""
    values = raw.values
    if isinstance(values, list):
        made = values
    elif values.dtype.kind in "mM":
        from .temporal import Instant

        made = [Instant(value) if not np.isnat(value) else None for value in values] if raw.utc else list(values)
    else:
        made = values.tolist()
    if raw.missing is None:
        return made
    return [None if absent else item for item, absent in zip(made, raw.missing.tolist(), strict=True)]
