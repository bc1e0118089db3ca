"""Tensors: the shape of every row is checked, and all numbers of all rows as one column of scalars."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from ..opening.schema import Field
from ..opening.types import TENSOR_DTYPES, DataType, Tensor, parse_scalar
from .batch import Array, Column, Raw, is_null, objects, with_none
from .kinds import Compile, Judge, Judged, Kind, Mismatch, kind_of, some
from .nested import joined
from .problems import Inside, Problems

_SEQUENCES = frozenset({list, tuple, np.ndarray})


class _Tensor(Kind):
    type: Tensor

    def misfit(self) -> str:
        kind = self.type
        right = kind.dtype in TENSOR_DTYPES and all(axis is None or type(axis) is int for axis in kind.shape)
        return "" if right else f"is a tensor of {str(kind.dtype)[:60]!r} with the axes {str(kind.shape)[:60]}"

    def levels(self) -> int:
        return len(self.type.shape)

    def bound(self, value: Any) -> Any:  # noqa: ARG002
        raise Mismatch("schema.bound", "has no order and no allowed values", str(self.type))

    def compile(self, field: Field, compile_column: Compile) -> Judge:
        """An array (rows, …) is canonical; an array of arrays when the rows have different shapes.

        A sparse field that is passed a sparse matrix gives a CSR matrix. NaN inside needs `allow_infinity`.
        """
        kind, free = self.type, field.allow_infinity
        check = compile_column(
            Field(name=f"{field.name}[]", type=parse_scalar(kind.dtype), nullable=free, allow_infinity=free)
        )

        def judge(raw: Raw, problems: Problems) -> Judged:
            values = raw.values
            if hasattr(values, "tocsr"):
                return _sparse(values, field, kind, check, problems), None
            if isinstance(values, np.ndarray) and values.dtype != object and raw.missing is None and kind.shape:
                return _dense(values, field, kind, check, problems), None
            items = with_none(values if isinstance(values, list) else list(values), raw.missing)
            return _by_row(items, field, kind, check, problems)

        return judge

    def arrow(self, pyarrow: Any) -> Any:
        made = kind_of(parse_scalar(self.type.dtype)).arrow(pyarrow)
        for axis in reversed(self.type.shape):
            made = pyarrow.list_(made, -1 if axis is None else axis)
        return made

    def polars(self, polars: Any) -> Any:
        made = kind_of(parse_scalar(self.type.dtype)).polars(polars)
        for axis in reversed(self.type.shape):
            made = polars.List(made) if axis is None else polars.Array(made, axis)
        return made


KINDS: dict[type[DataType], type[Kind]] = {Tensor: _Tensor}


def _misfit(kind: Tensor, shape: tuple[int, ...]) -> bool:
    if len(shape) != len(kind.shape):
        return True
    return any(axis not in (None, length) for axis, length in zip(kind.shape, shape, strict=True))


def _dense(values: Array, field: Field, kind: Tensor, check: Any, problems: Problems) -> Column:
    """One array for all rows; the same memory where its dtype is right."""
    shape = values.shape[1:]
    if _misfit(kind, shape):
        expected = str((len(values), *("*" if axis is None else axis for axis in kind.shape))).replace("'", "")
        problems.add("input.shape", "has another shape", field=field.name, found=str(values.shape), expected=expected)
        return _none(kind, len(values))
    size = int(np.prod(shape))
    flat = values.reshape(-1)
    inside = Inside(problems, _Owners(size), field.name, lambda item: _index(np.unravel_index(item % size, shape)))
    column = check(Raw(flat), inside)
    return _none(kind, len(values)) if column is None else Column(column.values.reshape(values.shape))


class _Owners:
    """The row of each number when all rows have as many, without a table of them."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def __getitem__(self, item: int) -> int:
        return item // self._size


def _index(place: Any) -> str:
    return f"[{', '.join(str(int(axis)) for axis in place)}]"


def _none(kind: Tensor, rows: int, missing: Array | None = None) -> Column:
    """Rows that hold nothing, without memory for them."""
    shape = (rows, *(axis or 0 for axis in kind.shape))
    return Column(np.broadcast_to(np.zeros((), dtype=kind.dtype), shape), missing)


def _sparse(values: Any, field: Field, kind: Tensor, check: Any, problems: Problems) -> Column:
    """Rows of a SciPy matrix; only what it stores is checked."""
    width = tuple(values.shape[1:])
    if _misfit(kind, width):
        expected = f"(rows, {kind.shape[0] if kind.shape else ''})"
        problems.add("input.shape", "has another shape", field=field.name, found=str(values.shape), expected=expected)
        return _none(kind, values.shape[0])
    matrix = values.tocsr()
    if not kind.sparse:
        return _dense(matrix.toarray(), field, kind, check, problems)
    owners = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    column = check(Raw(matrix.data), Inside(problems, owners, field.name, lambda item: f"[{matrix.indices[item]}]"))
    if column is None:
        return _none(kind, matrix.shape[0])
    if column.values is matrix.data:
        return Column(matrix)
    return Column(type(matrix)((column.values, matrix.indices, matrix.indptr), shape=matrix.shape))


def _by_row(items: list[Any], field: Field, kind: Tensor, check: Any, problems: Problems) -> Judged:
    """Rows one by one: nested lists or arrays."""
    missing = np.zeros(len(items), dtype=bool)
    rejected = np.zeros(len(items), dtype=bool)
    shapes: list[tuple[int, ...]] = [tuple(axis or 0 for axis in kind.shape)] * len(items)
    flats: list[Any] = [()] * len(items)
    for row, item in enumerate(items):
        if is_null(item):
            missing[row] = True
            continue
        try:
            shapes[row], flats[row] = _take_apart(item, kind)
        except Mismatch as error:
            rejected[row] = True
            problems.refuse(error, item, row=row, field=field.name)
    lengths = np.fromiter(map(len, flats), dtype=np.int64, count=len(flats))
    starts = np.cumsum(lengths) - lengths
    owners = np.repeat(np.arange(len(items)), lengths)

    def place(item: int) -> str:
        row = int(owners[item])
        return _index(np.unravel_index(item - int(starts[row]), shapes[row]))

    column = check(Raw(joined(flats)), Inside(problems, owners, field.name, place))
    absent, bad = some(missing), some(rejected)
    if column is None or bad is not None:
        return _none(kind, len(items), absent), bad
    return Column(_put_together(column.values, starts, lengths, shapes, kind), absent), None


def _take_apart(value: Any, kind: Tensor) -> tuple[tuple[int, ...], Any]:
    """The shape of one row and its numbers in C order; raises `Mismatch` when it is ragged or of another shape."""
    if not isinstance(value, list | tuple | int | float):
        value = _as_array(value, kind)
    shape: tuple[int, ...]
    flat: Any
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        shape, flat = value.shape, value.reshape(-1)
    else:
        shape, flat = _walk(value, len(kind.shape), kind)
    if _misfit(kind, shape):
        raise Mismatch("input.shape", f"has the shape {shape}".replace(",)", ")"), str(kind))
    return shape, flat


def _as_array(value: Any, kind: Tensor) -> Any:
    """Arrays of other libraries; scalars as they are."""
    if isinstance(value, np.ndarray) or not hasattr(value, "__array__"):
        return value
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        raise Mismatch("input.wrong-type", "cannot be read as an array", str(kind)) from None


def _walk(value: Any, depth: int, kind: Tensor) -> tuple[tuple[int, ...], list[Any]]:
    """The shape and the leaves of nested sequences, level by level."""
    shape: list[int] = []
    level: list[Any] = [value]
    for _ in range(depth):
        if not set(map(type, level)) <= _SEQUENCES:
            raise Mismatch("input.wrong-type", "has the wrong type", str(kind))
        try:
            lengths = set(map(len, level))
        except TypeError:  # an array without axes
            raise Mismatch("input.wrong-type", "has the wrong type", str(kind)) from None
        if len(lengths) > 1:
            raise Mismatch("input.shape", "has rows of different lengths", str(kind))
        # below a free axis of no length nothing tells the others
        shape.append(lengths.pop() if lengths else kind.shape[len(shape)] or 0)
        level = list(chain.from_iterable(level))
    if any(kind_ in _SEQUENCES for kind_ in set(map(type, level))):
        raise Mismatch("input.shape", f"has more than {depth} axes", str(kind))
    return tuple(shape), level


def _put_together(values: Array, starts: Array, lengths: Array, shapes: list[tuple[int, ...]], kind: Tensor) -> Array:
    if len(set(shapes)) == 1 and int(lengths.sum()) == len(shapes) * int(np.prod(shapes[0])):
        return values.reshape(len(shapes), *shapes[0])
    if not shapes:
        return np.zeros((0, *(axis or 0 for axis in kind.shape)), dtype=kind.dtype)
    rows = [
        values[start : start + length].reshape(shape) if length == np.prod(shape) else np.zeros(shape, dtype=kind.dtype)
        for start, length, shape in zip(starts.tolist(), lengths.tolist(), shapes, strict=True)
    ]
    return np.stack(rows) if len(set(shapes)) == 1 else objects(rows)
