"""The memory of arrays that goes beside a tree: pieces, each at a place of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..batch import Array

ALIGNMENT = 64


class Buffers:
    """The memory that goes beside a tree: pieces with their place, each aligned for numpy."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, Any]] = []
        self.size = 0

    def add(self, piece: Any, size: int) -> int:
        """Put down a piece (bytes, or an array of `size` bytes, or a list of such in one row) and give its place."""
        start = -(-self.size // ALIGNMENT) * ALIGNMENT
        self.pieces.append((start, piece))
        self.size = start + size
        return start

    def write(self, target: memoryview) -> None:
        """Copy all pieces to their places."""
        for start, piece in self.pieces:
            if isinstance(piece, bytes):
                target[start : start + len(piece)] = piece
            elif isinstance(piece, list):
                first = piece[0]
                np.concatenate(piece, out=np.frombuffer(target, first.dtype, len(piece) * len(first), start))
            else:
                place: Array = np.frombuffer(target, piece.dtype, piece.size, start)
                np.copyto(place.reshape(piece.shape), piece)
