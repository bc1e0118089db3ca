"""A spread of rows for golden examples: few rows that show what a sample holds. Deterministic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from modelwheel_loader.validate import where_null

from .columns import Array, object_array
from .samples import Sample

_MOST_COLUMNS = 256
"""Columns that are searched: more could not all have a row of their own."""


def choose_rows(sample: Sample, rows: int) -> Array:
    """At most `rows` row numbers, ascending: the first and last row, rows with nulls, extremes and rare values."""
    total = sample.rows
    if total <= rows:
        return np.arange(total)
    chosen: dict[int, None] = dict.fromkeys(() if rows < 1 else (0,) if rows == 1 else (0, total - 1))
    wanted = rows - rows // 4  # a quarter is left for ordinary rows
    for row in _remarkable(sample, chosen):
        if len(chosen) >= wanted:
            break
        chosen.setdefault(row)
    spacing = np.linspace(0, total - 1, num=4 * rows).astype(np.int64).tolist()
    # a fixed shuffle: taking them in order would leave the end of the sample out
    for row in (spacing[index] for index in np.random.default_rng(0).permutation(len(spacing))):
        if len(chosen) >= rows:
            break
        chosen.setdefault(row)
    return np.array(sorted(chosen), dtype=np.int64)


def _remarkable(sample: Sample, chosen: dict[int, None]) -> Iterator[int]:
    """Rows that show something, the most telling first: nulls, then rare values, then extremes."""
    columns = list(_columns(sample))
    for _, nulls in columns:
        if nulls.any() and not nulls[list(chosen)].any():
            yield int(nulls.argmax())
        if not nulls.all() and nulls[list(chosen)].all():
            yield int((~nulls).argmax())
    for values, nulls in columns:
        if values.dtype.kind == "O":
            yield from _rarest(values, nulls)
    for values, nulls in columns:
        if values.dtype.kind in "iufmM" and not nulls.all():
            present = np.flatnonzero(~nulls)
            yield int(present[values[present].argmin()])
            yield int(present[values[present].argmax()])


def _rarest(values: Array, nulls: Array) -> Iterator[int]:
    """The first row of the value that occurs least, when values repeat at all."""
    items, missing = values.tolist(), nulls.tolist()
    try:
        counts = Counter(item for item, null in zip(items, missing, strict=True) if not null)
    except TypeError:  # lists and dicts
        return
    if 1 < len(counts) < len(items) // 2:
        rare = min(counts, key=counts.__getitem__)
        yield next(row for row, item in enumerate(items) if not missing[row] and item == rare)


def _columns(sample: Sample) -> Iterator[tuple[Array, Array]]:
    """The first columns as arrays, each with the mask of its nulls."""
    for values in islice(sample.columns(), _MOST_COLUMNS):
        array = _as_array(values)
        mask = where_null(array)
        yield array, np.zeros(len(array), dtype=bool) if mask is None else mask


def _as_array(values: Any) -> Array:
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_pylist"):
        return object_array(values.to_pylist())
    if hasattr(values, "to_numpy") and isinstance(getattr(values, "dtype", None), np.dtype):
        return np.asarray(values.to_numpy())
    return object_array(values.to_list() if hasattr(values, "to_list") else list(values))
