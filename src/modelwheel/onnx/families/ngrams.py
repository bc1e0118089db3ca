"""N-grams of words and of characters as numbers: the places of their parts, read as digits."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from ..arrays import WHOLE, Array
from ..numpy_names import np


def code_of(places: Iterable[int], base: int) -> int:
    """The number whose digits to `base` are these places."""
    return functools.reduce(lambda total, place: total * base + place, places, 0)


def windows(ids: Array, length: int, base: int) -> Array:
    """The code of the words in each window; -1 where one of them is unknown."""
    if length == 1:
        return ids
    padded = np.concatenate([ids, np.full((1, length - 1), -1) + ids[:, :1] * 0], axis=1)
    total: Any = None
    known: Any = None
    for start in range(length):
        part = padded[:, start : start - length + 1 or None]
        total = part if total is None else total * np.int64(base) + part
        known = part >= 0 if known is None else known & (part >= 0)
    return np.where(known, total, np.int64(-1))


def moved_behind(ids: Array, stops: Array) -> Array:
    """The words without those to stop at, which go to the end of the row and count as unknown."""
    width = ids.emit("Shape", dtype=WHOLE, shape=(1,), start=1, end=2)
    order = (ids * 0 + np.int64(1)).emit("CumSum", np.array(1, np.int64)) + stops * width
    names = ids.graph.node("TopK", [order.name, width.name], 2, axis=1, largest=0, sorted=1)
    places = Array(ids.graph, names[1], WHOLE, ids.shape)
    return np.where(stops > 0, np.int64(-1), ids).emit("GatherElements", places, axis=1)
