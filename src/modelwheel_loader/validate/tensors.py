"""Tensors: the shape of every row is checked, and all numbers of all rows as one column of scalars."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from ..opening.schema import Field
from ..opening.types import TENSOR_DTYPES, DataType, Tensor, parse_scalar
from .batch import Array, Column, Raw, objects, with_none
from .kinds import Check, Compile, ConvertColumn, Converted, Kind, Mismatch, each, kind_of
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

    def compile(self, field: Field, compile_column: Compile) -> ConvertColumn:
        """An array (rows, …) is canonical; an array of arrays when the rows have different shapes.

        A sparse field that is passed a sparse matrix gives a CSR matrix. NaN inside needs `allow_infinity`.
        """
        name, free = field.name, field.allow_infinity
        number = Field(name=f"{name}[]", type=parse_scalar(self.type.dtype), nullable=free, allow_infinity=free)
        check = compile_column(number)

        def convert(raw: Raw, problems: Problems) -> Converted:
            values = raw.values
            if hasattr(values, "tocsr"):
                return self._sparse(values, name, check, problems), None
            if isinstance(values, np.ndarray) and values.dtype != object and raw.missing is None and self.type.shape:
                return self._dense(values, name, check, problems), None
            items = with_none(values if isinstance(values, list) else list(values), raw.missing)
            return self._by_row(items, name, check, problems)

        return convert

    def _fits(self, shape: tuple[int, ...]) -> bool:
        wanted = self.type.shape
        return len(shape) == len(wanted) and all(
            axis in (None, length) for axis, length in zip(wanted, shape, strict=True)
        )

    def _nothing(self, rows: int, missing: Array | None = None) -> Column:
        """Rows that hold nothing, without memory for them."""
        shape = (rows, *(axis or 0 for axis in self.type.shape))
        return Column(np.broadcast_to(np.zeros((), dtype=self.type.dtype), shape), missing)

    def _dense(self, values: Array, name: str, check: Check, problems: Problems) -> Column:
        """One array for all rows; the same memory where its dtype is right."""
        shape = values.shape[1:]
        if not self._fits(shape):
            axes = ", ".join("*" if axis is None else str(axis) for axis in (len(values), *self.type.shape))
            place = {"found": str(values.shape), "expected": f"({axes}{',' if not self.type.shape else ''})"}
            problems.add("input.shape", "has another shape", field=name, **place)
            return self._nothing(len(values))
        size = int(np.prod(shape))
        inside = Inside(problems, _Owners(size), name, lambda item: _index(item % size, shape))
        column = check(Raw(values.reshape(-1)), inside)
        return self._nothing(len(values)) if column is None else Column(column.values.reshape(values.shape))

    def _sparse(self, values: Any, name: str, check: Check, problems: Problems) -> Column:
        """Rows of a SciPy matrix; only what it stores is checked."""
        if not self._fits(tuple(values.shape[1:])):
            place = {"found": str(values.shape), "expected": f"(rows, {(*self.type.shape, '')[0]})"}
            problems.add("input.shape", "has another shape", field=name, **place)
            return self._nothing(values.shape[0])
        matrix = values.tocsr()
        if not self.type.sparse:
            return self._dense(matrix.toarray(), name, check, problems)
        owners = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        column = check(Raw(matrix.data), Inside(problems, owners, name, lambda item: f"[{matrix.indices[item]}]"))
        if column is None:
            return self._nothing(matrix.shape[0])
        if column.values is matrix.data:
            return Column(matrix)
        return Column(type(matrix)((column.values, matrix.indices, matrix.indptr), shape=matrix.shape))

    def _by_row(self, items: list[Any], name: str, check: Check, problems: Problems) -> Converted:
        """Rows one by one: nested lists or arrays."""
        empty = (tuple(axis or 0 for axis in self.type.shape), ())
        rows, missing, rejected = each(items, self.convert, empty, name, problems)
        shapes, flats = [shape for shape, _ in rows], [flat for _, flat in rows]
        lengths = np.fromiter(map(len, flats), dtype=np.int64, count=len(flats))
        starts = np.cumsum(lengths) - lengths
        owners = np.repeat(np.arange(len(items)), lengths)

        def place(item: int) -> str:
            row = int(owners[item])
            return _index(item - int(starts[row]), shapes[row])

        column = check(Raw(joined(flats)), Inside(problems, owners, name, place))
        if column is None or rejected is not None:
            return self._nothing(len(items), missing), rejected
        return Column(self._put_together(column.values, starts, lengths, shapes), missing), None

    def convert(self, value: Any) -> tuple[tuple[int, ...], Any]:
        """The shape of one row and its numbers in C order; raises `Mismatch` when it is ragged or of another shape."""
        if not isinstance(value, list | tuple | int | float | np.ndarray) and hasattr(value, "__array__"):
            try:
                value = np.asarray(value)
            except (TypeError, ValueError, RuntimeError):
                raise Mismatch("input.wrong-type", "cannot be read as an array", str(self.type)) from None
        shape: tuple[int, ...]
        flat: Any
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            shape, flat = value.shape, value.reshape(-1)
        else:
            shape, flat = self._walk(value)
        if not self._fits(shape):
            raise Mismatch("input.shape", f"has the shape {shape}".replace(",)", ")"), str(self.type))
        return shape, flat

    def _walk(self, value: Any) -> tuple[tuple[int, ...], list[Any]]:
        """The shape and the leaves of nested sequences, level by level."""
        shape: list[int] = []
        level: list[Any] = [value]
        for axis in self.type.shape:
            if not set(map(type, level)) <= _SEQUENCES:
                self.wrong()
            try:
                lengths = set(map(len, level))
            except TypeError:  # an array without axes
                self.wrong()
            if len(lengths) > 1:
                raise Mismatch("input.shape", "has rows of different lengths", str(self.type))
            shape.append(lengths.pop() if lengths else axis or 0)  # nothing is below a free axis of no length
            level = list(chain.from_iterable(level))
        if not _SEQUENCES.isdisjoint(map(type, level)):
            raise Mismatch("input.shape", f"has more than {len(shape)} axes", str(self.type))
        return tuple(shape), level

    def _put_together(self, values: Array, starts: Array, lengths: Array, shapes: list[tuple[int, ...]]) -> Array:
        if len(set(shapes)) == 1 and int(lengths.sum()) == len(shapes) * int(np.prod(shapes[0])):
            return values.reshape(len(shapes), *shapes[0])
        if not shapes:
            return self._nothing(0).values.copy()  # type: ignore[no-any-return]
        rows = [
            values[start : start + size].reshape(shape) if size == np.prod(shape) else np.zeros(shape, self.type.dtype)
            for start, size, shape in zip(starts.tolist(), lengths.tolist(), shapes, strict=True)
        ]
        return np.stack(rows) if len(set(shapes)) == 1 else objects(rows)

    def to_objects(self, field: Field) -> Callable[[Column], Array]:  # noqa: ARG002
        dtype = self.type.dtype
        return lambda column: objects([np.array(row, dtype=dtype) for row in _dense_rows(column.values)])

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


def _dense_rows(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else values


class _Owners:
    """The row of each number when all rows have as many, without a table of them."""

    __slots__ = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size

    def __getitem__(self, item: int) -> int:
        return item // self._size


def _index(item: int, shape: tuple[int, ...]) -> str:
    return f"[{', '.join(str(int(axis)) for axis in np.unravel_index(item, shape))}]"


KINDS: dict[type[DataType], type[Kind]] = {Tensor: _Tensor}
