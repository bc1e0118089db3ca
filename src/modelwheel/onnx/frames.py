"""The input of an estimator in a graph: columns, in blocks of one dtype."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .arrays import FLOAT, SINGLE, Array
from .graph import STRING, Builder
from .numpy_names import np
from .result import Unconvertible


class Frame:
    """Blocks of shape (rows, columns) side by side; `names` when the columns have them.

    `nulls` has, for each block, the text that stands for null in it, if any.
    """

    def __init__(
        self, blocks: Sequence[Array], names: Sequence[str] | None = None, nulls: Sequence[str | None] | None = None
    ) -> None:
        self.blocks = tuple(blocks)
        self.names = tuple(names) if names is not None else None
        self.nulls = tuple(nulls) if nulls is not None else (None,) * len(self.blocks)
        self._matrix: Array | None = None

    @property
    def graph(self) -> Builder:
        """The graph that the columns belong to."""
        return self.blocks[0].graph

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(_width(block) for block in self.blocks)

    def matrix(self) -> Array:
        """All columns as one matrix of doubles; raises `Unconvertible` for texts."""
        if self._matrix is None:
            if any(block.dtype == STRING for block in self.blocks):
                raise Unconvertible("a numeric estimator receives text")
            self._matrix = np.concatenate([block.astype(FLOAT) for block in self.blocks], axis=1)
        return self._matrix

    def single(self) -> Array:
        """All columns as one matrix in single precision, rounded from doubles."""
        if all(block.dtype == SINGLE for block in self.blocks):
            return np.concatenate(self.blocks, axis=1)
        return self.matrix().astype(SINGLE)

    def column(self, index: int) -> tuple[Array, str | None]:
        """One column, of shape (rows, 1), and its text for null."""
        for block, null in zip(self.blocks, self.nulls, strict=True):
            width = _width(block)
            if index < width:
                return (block if width == 1 else block[:, [index]]), null
            index -= width
        raise Unconvertible("it uses a column that does not exist")

    def select(self, indices: Sequence[int]) -> Frame:
        """Some columns; neighbours in one block stay together."""
        wanted = [int(index) for index in indices]
        names = None if self.names is None else [self.names[index] for index in wanted]
        if wanted == list(range(self.width)):
            return self
        if len(self.blocks) == 1:
            return Frame([self.blocks[0][:, wanted]], names, self.nulls)
        columns = [self.column(index) for index in wanted]
        return Frame([column for column, _ in columns], names, [null for _, null in columns])


def frame(value: Any) -> Frame:
    """The output of a step as the input of the next one."""
    if isinstance(value, Frame):
        return value
    return Frame([value if value.ndim > 1 else value[:, None]])


def beside(frames: Sequence[Frame]) -> Frame:
    """Frames side by side."""
    blocks = [block for item in frames for block in item.blocks if _width(block)]
    return Frame(blocks, None, [null for item in frames for null in item.nulls])


def _width(block: Array) -> int:
    size = block.shape[1]
    if size is None:
        raise Unconvertible("the number of columns is known only at run time")
    return size
