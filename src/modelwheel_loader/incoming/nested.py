"""Lists and structs of Arrow and Polars as Python's lists and dicts, whose leaves are read as columns are.

The libraries' own `to_pylist` and `to_list` cut nanoseconds off, or raise where a time is beyond the year 9999 and
where a text is no Unicode.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..batch import Raw, items
from ..errors import InputError
from ..text import clip

ReadColumn = Callable[[Any], Raw]
_POLARS_TIMES = frozenset({"Date", "Datetime", "Duration"})
_ARROW_LISTS = ("list<", "large_list<", "fixed_size_list<")


def is_arrow_nested(name: str) -> bool:
    """Whether an Arrow type, by its name, is one of lists or structs that `arrow_nested` reads."""
    return name.startswith((*_ARROW_LISTS, "struct<"))


def arrow_nested(values: Any, column: ReadColumn) -> list[Any]:
    """The rows of an Arrow array of lists or structs; `column` reads what lies inside."""
    if not len(values):
        return []
    valid = values.is_valid().to_pylist()
    if str(values.type).startswith("struct<"):
        names = [values.type.field(index).name for index in range(values.type.num_fields)]
        return _structs(names, [items(column(member)) for member in values.flatten()], valid)
    inner, ends = _arrow_lists(values, column)
    made = items(column(inner))
    bounds = zip(ends, ends[1:], valid, strict=False)
    return [made[start:end] if present else None for start, end, present in bounds]


def _arrow_lists(values: Any, column: ReadColumn) -> tuple[Any, list[int]]:
    """The items of all lists, and where each list ends in them, after a 0."""
    if str(values.type).startswith("fixed_size_list<"):
        size = values.type.list_size
        inner = values.values.slice(values.offset * size, len(values) * size)
        return inner, list(range(0, len(inner) + 1, size)) if size else [0] * (len(values) + 1)
    ends = column(values.offsets).values.tolist()
    return values.values.slice(ends[0], ends[-1] - ends[0]), [end - ends[0] for end in ends]


def holds_times(dtype: Any) -> bool:
    """Whether a Polars type has times inside."""
    if str(dtype.base_type()) in _POLARS_TIMES:
        return True
    members = [field.dtype for field in getattr(dtype, "fields", ())]
    inner = getattr(dtype, "inner", None)
    return any(map(holds_times, members if inner is None else [inner]))


def polars_nested(series: Any, column: ReadColumn) -> list[Any]:
    """The rows of a Polars Series of lists, arrays or structs; `column` reads what lies inside."""
    kind = str(series.dtype.base_type())
    if kind == "Struct":
        names = [field.name for field in series.dtype.fields]
        members = [items(column(series.struct.field(name))) for name in names]
        return _structs(names, members, series.is_not_null().to_list())
    lists = series.arr.to_list() if kind == "Array" else series
    lengths = lists.list.len()
    full = lists.filter(lengths > 0)
    made = iter(items(column(full.explode())) if len(full) else ())
    return [None if length is None else [next(made) for _ in range(length)] for length in lengths.to_list()]


def type_depth(kind: Any) -> int:
    """How deep lists are nested in a type of Arrow or Polars."""
    if hasattr(kind, "storage_type"):  # an extension; a tensor says its shape
        return len(kind.shape) if hasattr(kind, "shape") else type_depth(kind.storage_type)
    inner = getattr(kind, "inner", None) if hasattr(kind, "base_type") else getattr(kind, "value_type", None)
    is_list = inner is not None and str(kind).lower().startswith(("list", "large_list", "fixed_size_list", "array"))
    return 1 + type_depth(inner) if is_list else 0


def _structs(names: Sequence[str], members: list[list[Any]], valid: Sequence[bool]) -> list[Any]:
    if len(set(names)) != len(names):
        found = clip(", ".join(names))
        raise InputError.of("input.duplicate-field", "two fields of a struct have the same name", found=found)
    rows = zip(*members, strict=True) if names else [()] * len(valid)
    return [dict(zip(names, row, strict=True)) if present else None for row, present in zip(rows, valid, strict=True)]
