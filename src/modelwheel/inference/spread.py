"""A spread of rows for golden examples: few rows that show what a sample holds. Deterministic."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from .containers import kind_of, rows_of
from .objects import null_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .columns import Array

_LOOKED_AT = 256
"""Columns beyond these are not looked at: they could not all have a row of their own."""


def choose_rows(sample: Any, rows: int) -> Array:
    """At most `rows` row numbers, ascending: the first and last row, rows with nulls, extremes and rare values."""
    total = rows_of(sample)
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


def _remarkable(sample: Any, chosen: dict[int, None]) -> Iterator[int]:
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


def _columns(sample: Any) -> Iterator[tuple[Array, Array]]:
    """The first columns as arrays, each with the mask of its nulls. Tensors are not looked into."""
    for values in _raw_columns(sample):
        array = _as_array(values)
        if array.dtype.kind == "O":
            mask = np.fromiter((null_of(item) is not None for item in array.tolist()), dtype=bool, count=len(array))
        elif array.dtype.kind == "f":
            mask = np.isnan(array)
        elif array.dtype.kind in "mM":
            mask = np.isnat(array)
        else:
            mask = np.zeros(len(array), dtype=bool)
        yield array, mask


def _raw_columns(sample: Any) -> Iterator[Any]:
    match kind_of(sample):
        case "pandas":
            yield from (sample.iloc[:, index] for index in range(min(sample.shape[1], _LOOKED_AT)))
        case "polars":
            yield from sample.get_columns()[:_LOOKED_AT]
        case "pyarrow":
            yield from sample.columns[:_LOOKED_AT]
        case "numpy" if sample.ndim <= 2:
            matrix = sample.reshape(len(sample), -1)
            yield from (matrix[:, index] for index in range(min(matrix.shape[1], _LOOKED_AT)))
        case "series":
            yield sample
        case "columns":
            plain = (
                values for values in sample.values() if getattr(values, "ndim", 1) == 1 and not hasattr(values, "tocsr")
            )
            yield from (values for values, _ in zip(plain, range(_LOOKED_AT), strict=False))
        case "list" if isinstance(sample[0], dict):
            yield from ([record.get(name) for record in sample] for name in list(sample[0])[:_LOOKED_AT])
        case "list":
            yield sample


def _flat(values: Any) -> bool:
    return getattr(values, "ndim", 1) == 1 and not hasattr(values, "tocsr")


def _as_array(values: Any) -> Array:
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "to_pylist"):
        values = values.to_pylist()
    elif hasattr(values, "to_numpy") and isinstance(getattr(values, "dtype", None), np.dtype):
        return np.asarray(values.to_numpy())
    items = values.to_list() if hasattr(values, "to_list") else list(values)
    made = np.empty(len(items), dtype=object)
    for index, item in enumerate(items):
        made[index] = item
    return made
