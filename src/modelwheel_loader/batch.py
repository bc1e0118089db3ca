"""Checked data on its way to a model: canonical arrays with masks of what is missing. No copy where none is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]


class Column(NamedTuple):
    """The canonical values of a field, and where they are missing (None when nowhere).

    `values` has shape (rows,), or (rows, …) for tensors; what it holds where `missing` is true means nothing.
    """

    values: Any
    missing: Array | None = None


class Batch:
    """`rows` checked rows; `single` when the caller passed one bare row.

    Fields that are floats may lie together in `block`, a float array of shape (rows, fields in `block_names`) in
    which null is NaN; all others are in `columns`.
    """

    __slots__ = ("_index", "block", "block_names", "columns", "rows", "single")

    def __init__(
        self,
        rows: int,
        columns: Mapping[str, Column],
        *,
        single: bool = False,
        block: Array | None = None,
        block_names: tuple[str, ...] = (),
    ) -> None:
        self.rows = rows
        self.columns = columns
        self.single = single
        self.block = block
        self.block_names = block_names
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

    def matrix(self, names: Sequence[str], dtype: str) -> Array:
        """A 2-D array of the given numeric fields as columns, null as NaN; the caller's own memory where that fits."""
        if self.block is not None and tuple(names) == self.block_names:
            return np.ascontiguousarray(self.block, dtype=dtype)
        matrix = np.empty((self.rows, len(names)), dtype=dtype)
        for position, name in enumerate(names):
            values, missing = self.column(name)
            matrix[:, position] = values
            if missing is not None:
                matrix[missing, position] = np.nan
        return matrix
