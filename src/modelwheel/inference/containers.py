"""The kinds of sample that there are, their number of rows, and picking rows from them.

Libraries are recognised by the module of an object's type; none is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.text import shown

Kind = Literal["pandas", "polars", "pyarrow", "series", "sparse", "numpy", "columns", "list"]
Array = np.ndarray[Any, Any]

_TABLES = {("pandas", "DataFrame"): "pandas", ("polars", "DataFrame"): "polars", ("pyarrow", "Table"): "pyarrow"}
_SERIES = {("pandas", "Series"), ("polars", "Series"), ("pyarrow", "ChunkedArray")}


def library_of(value: object) -> str:
    """The top-level name of the package that the type of `value` comes from."""
    return type(value).__module__.partition(".")[0]


def kind_of(sample: object) -> Kind:
    """What kind of sample this is; raises `UsageError` for anything else."""
    for base in type(sample).__mro__:  # subclasses, such as GeoDataFrame, are what they derive from
        place = (base.__module__.partition(".")[0], base.__name__)
        if place in _TABLES:
            return _TABLES[place]  # type: ignore[return-value]
        if place in _SERIES:
            return "series"
    if hasattr(sample, "tocsr"):
        return "sparse"
    if isinstance(sample, np.ma.MaskedArray):
        raise UsageError.of("infer.sample", "a masked array is ambiguous", hint="Fill it, with NaN for instance.")
    if isinstance(sample, np.ndarray):
        return "numpy"
    if isinstance(sample, Mapping):
        return "columns"
    if isinstance(sample, list | tuple):
        return "list"
    raise UsageError.of(
        "infer.sample",
        "no schema can be inferred from this",
        found=shown(sample),
        expected="a DataFrame, an array, a sparse matrix, a dict of arrays, or a list of texts or dicts",
    )


def rows_of(sample: object) -> int:
    """The number of rows of a sample of any kind; raises `PackError` when its columns have different lengths."""
    data: Any = sample
    kind = kind_of(sample)
    if kind == "columns":
        lengths = {name: _length(values) for name, values in data.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name}: {length}" for name, length in list(lengths.items())[:5])
            raise PackError.of("infer.lengths", "the columns have different lengths", found=found)
        return next(iter(lengths.values()), 0)
    if kind in ("numpy", "sparse"):
        return int(data.shape[0]) if data.ndim else 0
    return len(data)


def _length(values: Any) -> int:
    if isinstance(values, str | bytes) or not (hasattr(values, "shape") or hasattr(values, "__len__")):
        message = "a dict of single values is one row, and a sample is many"
        raise UsageError.of("infer.sample", message, found=shown(values), hint="Pass a list of such dicts.")
    shape = getattr(values, "shape", None)
    if shape == ():
        raise UsageError.of("infer.sample", "a dict of single values is one row, and a sample is many")
    return int(shape[0]) if shape else len(values)


def take(sample: Any, indices: Sequence[int] | Array) -> Any:
    """The rows at `indices`, in that order, in a sample of the same kind."""
    places = np.asarray(indices, dtype=np.int64)
    kind = kind_of(sample)
    if kind == "columns":
        return {name: _take_one(values, places) for name, values in sample.items()}
    return _take_one(sample, places)


def _take_one(values: Any, places: Array) -> Any:
    if hasattr(values, "iloc"):
        return values.iloc[places]
    if hasattr(values, "tocsr"):
        return values.tocsr()[places].asformat(values.format)
    if isinstance(values, list | tuple):
        return [values[index] for index in places.tolist()]
    if library_of(values) == "pyarrow":
        return values.take(sys.modules["pyarrow"].array(places))
    return values[places]
