"""Checks what a caller passes against the input schema. Compiled once; the quick paths take only what is plainly right.

Columns are bound by name wherever names are there. The slow path explains every defect, or accepts what the quick
paths did not recognise; both rest on `columns.py`, so rows and columns are judged alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

from .batch import Array, Batch, Column
from .columns import Raw, compile_column
from .errors import InputError
from .frames import depth, is_sequence, is_sparse, is_table, raw, table_columns
from .problems import Problems
from .scalars import compile_scalar
from .schema import Field, Schema
from .text import clip, shown
from .types import Float, List, Tensor
from .values import EXACT_IN_FLOAT

_FLOATS = frozenset({float, int})
_JUST_FLOAT = frozenset({float})


def compile_input(schema: Schema) -> InputCheck:
    """The check for `schema`; raises `UsageError` when a bound or pattern of a field does not fit its type."""
    return InputCheck(schema)


class InputCheck:
    """Call it with data of any supported kind; it gives a `Batch`, or raises `InputError` with every defect."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._names = schema.names
        self._checks = {field.name: compile_column(field) for field in schema.fields}
        self._block = tuple(f.name for f in schema.fields if _is_plain_float(f))
        self._block_getter = _getter(self._block)
        self._nullable = np.array([schema[name].nullable for name in self._block], dtype=bool)
        quick = {f.name: compile_scalar(f) for f in schema.fields if f.name not in self._block}
        self._scalars = [(name, check) for name, check in quick.items() if check is not None]
        self._has_quick_row = len(self._scalars) == len(quick) and len(self._names) > 0
        self._narrow = [schema[name].type for name in self._block if schema[name].type != Float(64)]
        self._all_block = self._block == self._names
        self._refuse_extra = schema.extra == "error"

    def __call__(self, data: object) -> Batch:
        """The checked batch. Never changes `data`."""
        if type(data) is dict and self._has_quick_row:
            batch = self._quick_row(data)
            if batch is not None:
                return batch
        if isinstance(data, Mapping):
            return self._mapping(data)
        if isinstance(data, list | tuple) and data and all(isinstance(row, Mapping) for row in data):
            return self._records(data, single=False)
        if is_table(data):
            return self._table(table_columns(data))
        return self._bare(data)

    # -- one row ------------------------------------------------------------------------------------------------

    def _quick_row(self, row: dict[str, Any]) -> Batch | None:
        if self._refuse_extra and len(row) != len(self._names):
            return None
        try:
            block = self._quick_block(self._block_getter(row)) if self._block else None
            if self._block and block is None:
                return None
            columns = {}
            for name, check in self._scalars:
                column = check(row[name])
                if column is None:
                    return None
                columns[name] = column
        except KeyError:
            return None
        return Batch(1, columns, single=True, block=block, block_names=self._block)

    def _quick_block(self, values: Sequence[Any]) -> Array | None:
        kinds = set(map(type, values))
        if kinds == _JUST_FLOAT:
            # NaN, infinities and sums beyond the range all fail here, and the slow path looks closer
            if not math.isfinite(sum(values)):
                return None
            block = np.array((values,), dtype=np.float64)
        else:
            found = self._float_block([values], kinds)
            if found is None:
                return None
            block = found
        return block if not self._narrow or self._fits(block) else None

    def _float_block(self, rows: Sequence[Sequence[Any]], kinds: set[type]) -> Array | None:
        """Rows of floats, whole numbers and None as a 2-D array; None when anything needs a closer look."""
        if not kinds - {type(None)} <= _FLOATS:
            return None
        try:
            block = np.array(rows, dtype=np.float64)
        except (OverflowError, TypeError, ValueError):
            return None
        if int in kinds and bool((np.abs(block) > EXACT_IN_FLOAT).any()):
            return None
        return block if self._finite_or_null(block) else None

    def _finite_or_null(self, block: Array) -> bool:
        """Whether a block has no infinity, and NaN only where null may be."""
        if math.isfinite(block.sum()):
            return True
        finite = np.isfinite(block)
        if finite.all():
            return True
        return bool(self._nullable[np.nonzero(~finite)[1]].all()) and not bool(np.isinf(block).any())

    def _fits(self, block: Array) -> bool:
        """Whether every value fits the narrower floats among the fields."""
        smallest = min(np.finfo(kind.canonical).max for kind in self._narrow)
        with np.errstate(invalid="ignore"):
            return not bool((np.abs(block) > smallest).any())

    # -- mappings -----------------------------------------------------------------------------------------------

    def _mapping(self, data: Mapping[str, Any]) -> Batch:
        """One row when the values are scalars, columns when they are sequences."""
        votes = {name: _is_column(self.schema[name], data[name]) for name in self._names if name in data}
        if not votes:
            return self._records([data], single=True)
        if all(votes.values()):
            return self._columns(data)
        if not any(votes.values()):
            return self._records([data], single=True)
        problems = Problems()
        column = next(name for name, vote in votes.items() if vote)
        scalar = next(name for name, vote in votes.items() if not vote)
        problems.add(
            "input.ambiguous",
            f"is a column while {clip(scalar)!r} is a single value",
            field=clip(column),
            found=shown(data[column]),
            hint="Pass either one row (scalars only) or columns (sequences only).",
        )
        problems.raise_all()

    def _records(self, rows: Sequence[Mapping[str, Any]], *, single: bool) -> Batch:
        columns: dict[str, Raw] = {}
        problems = Problems()
        if not self._refuse_extra:
            batch = self._quick_records(rows, single=single)
            if batch is not None:
                return batch
        else:
            self._extra_in_rows(rows, problems)
        for field in self.schema.fields:
            columns[field.name] = Raw(self._gather(field, rows, problems))
        return self._checked(columns, len(rows), problems, single=single)

    def _quick_records(self, rows: Sequence[Mapping[str, Any]], *, single: bool) -> Batch | None:
        """Rows of nothing but floats, without a list per field."""
        if not self._all_block:
            return None
        try:
            values = [self._block_getter(row) for row in rows]
        except KeyError:
            return None
        block = self._float_block(values, set(map(type, chain.from_iterable(values))))
        if block is None or (self._narrow and not self._fits(block)):
            return None
        return Batch(len(rows), {}, single=single, block=block, block_names=self._block)

    def _gather(self, field: Field, rows: Sequence[Mapping[str, Any]], problems: Problems) -> list[Any]:
        name = field.name
        try:
            return [row[name] for row in rows]
        except KeyError:
            pass
        if field.required:
            for number, row in enumerate(rows):
                if name not in row:
                    problems.add(**_missing(field, self._unknown(row)), row=number)
        # what is missing is told once; the type check sees a value only where there is one
        absent = _Absent if field.required else field.default
        return [row.get(name, absent) for row in rows]

    def _unknown(self, names: Mapping[Any, Any] | Sequence[Any]) -> list[str]:
        known = set(self._names)
        return [str(name) for name in names if name not in known][:1000]

    def _extra_in_rows(self, rows: Sequence[Mapping[str, Any]], problems: Problems) -> None:
        for number, row in enumerate(rows):
            for name in self._unknown(row):
                problems.add(**_extra(name), row=number)

    # -- columns ------------------------------------------------------------------------------------------------

    def _table(self, columns: dict[Any, Any]) -> Batch:
        """A DataFrame: by name; by position only for a matrix whose labels are the bare numbers 0, 1, 2, …"""
        if self.schema.layout == "matrix" and list(columns) == list(range(len(self._names))) and columns:
            return self._columns(dict(zip(self._names, columns.values(), strict=True)))
        return self._columns({str(label): values for label, values in columns.items()})

    def _columns(self, data: Mapping[str, Any]) -> Batch:
        problems = Problems()
        columns: dict[str, Raw] = {}
        lengths: dict[str, int] = {}
        for field in self.schema.fields:
            if field.name not in data:
                if field.required:
                    problems.add(**_missing(field, self._unknown(data)))
                continue
            found = raw(data[field.name])
            if found is None:
                problems.add("input.container", "is no column", field=field.name, found=shown(data[field.name]))
                continue
            columns[field.name] = found
            lengths[field.name] = found.values.shape[0] if hasattr(found.values, "shape") else len(found.values)
        if self._refuse_extra:
            for name in self._unknown(data):
                problems.add(**_extra(name))
        rows = next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != rows:
                problems.add("input.rows-differ", "has another number of rows", field=name, found=f"{length:,}", expected=f"{rows:,}")
        if problems.counted and len(set(lengths.values())) > 1:
            problems.raise_all()
        for field in self.schema.fields:
            if field.name not in columns and not field.required:
                columns[field.name] = Raw([field.default] * rows)
        return self._checked(columns, rows, problems, single=False)

    def _checked(self, columns: Mapping[str, Raw], rows: int, problems: Problems, *, single: bool) -> Batch:
        checked: dict[str, Column] = {}
        for name, values in columns.items():
            if problems.counted and isinstance(values.values, list) and any(item is _Absent for item in values.values):
                here = [index for index, item in enumerate(values.values) if item is not _Absent]
                self._check_some(name, values.values, here, problems)
                continue
            column = self._checks[name](values, problems)
            if column is not None:
                checked[name] = column
        if problems.counted:
            problems.raise_all(rows, self._names)
        return Batch(rows, checked, single=single)

    def _check_some(self, name: str, values: list[Any], here: list[int], problems: Problems) -> None:
        """Check only the values that are there, so that a missing key does not hide what is wrong elsewhere."""
        inner = Problems()
        self._checks[name](Raw([values[index] for index in here]), inner)
        for defect in inner.defects:
            place = {part: getattr(defect, part) for part in ("field", "found", "expected", "hint")}
            problems.add(defect.code, defect.message, row=here[defect.row or 0], **place)
        problems.counted += inner.counted - len(inner.defects)

    # -- arrays -------------------------------------------------------------------------------------------------

    def _bare(self, data: Any) -> Batch:
        """Data without names: an array for a matrix, or the values of the one field."""
        schema = self.schema
        if isinstance(data, list | tuple) and not data:
            return self._columns({field.name: [] for field in schema.fields})
        if schema.layout == "array":
            return self._columns({schema.fields[0].name: data})
        if is_sparse(data) and schema.layout == "matrix":
            data = data.toarray()
        if isinstance(data, list | tuple) and all(isinstance(row, list | tuple) for row in data) and schema.layout == "matrix":
            data = _matrix_of(data)
        if isinstance(data, np.ndarray) and schema.layout == "matrix":
            return self._matrix(data)
        names = ", ".join(clip(name, 30) for name in self._names[:8]) + (", …" if len(self._names) > 8 else "")
        expected = f"named columns or rows with {names}"
        if schema.layout == "matrix":
            expected += f", or a 2-D array with {len(self._names)} columns"
        hint = "" if isinstance(data, np.ndarray) else "Wrap rows in a list of dicts, or columns in a dict or DataFrame."
        if isinstance(data, np.ndarray):
            hint = "The model knows its columns by name: pass a DataFrame, a dict of arrays, or a list of dicts."
        raise InputError.of("input.container", "this is no data that the model takes", found=shown(data), expected=expected, hint=hint)

    def _matrix(self, data: Array) -> Batch:
        if data.ndim != 2 or data.shape[1] != len(self._names):
            expected = f"(rows, {len(self._names)})"
            raise InputError.of("input.shape", "the array has another shape", found=str(data.shape), expected=expected)
        if self._all_block and data.dtype.kind == "f":
            if data.dtype != self.schema.dtype and self._narrow:
                with np.errstate(over="ignore"):
                    data = data.astype(self.schema.dtype or np.float64)
            if self._finite_or_null(data):
                return Batch(len(data), {}, block=data, block_names=self._block)
        return self._columns({name: data[:, index] for index, name in enumerate(self._names)})


class _AbsentType:
    """Stands where a row lacks a field."""


_Absent = _AbsentType()


def _is_plain_float(field: Field) -> bool:
    """Whether nothing but finiteness and null has to be checked, so that the field may lie in a block."""
    plain = field.minimum is None and field.maximum is None and field.allowed is None and not field.allow_infinity
    return isinstance(field.type, Float) and plain


def _getter(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    if len(names) == 1:
        name = names[0]
        return lambda row: (row[name],)
    return itemgetter(*names) if names else lambda _: ()


def _is_column(field: Field, value: Any) -> bool:
    if isinstance(field.type, Tensor):
        return is_sparse(value) or depth(value) > len(field.type.shape)
    if isinstance(field.type, List):
        return depth(value) > 1
    return is_sequence(value)


def _missing(field: Field, unknown: list[str]) -> dict[str, Any]:
    import difflib

    close = difflib.get_close_matches(field.name, unknown, n=1)
    hint = f"did you mean {clip(field.name)!r} by {clip(close[0])!r}?" if close else ""
    return {"code": "input.missing-field", "message": "is missing", "field": field.name, "expected": str(field.type), "hint": hint}


def _extra(name: str) -> dict[str, Any]:
    return {"code": "input.extra-field", "message": "is no field of the model", "field": clip(name, 80)}


def _matrix_of(rows: Sequence[Sequence[Any]]) -> Array:
    """Lists of rows as an array of objects, whose values are checked one by one."""
    width = len(rows[0])
    if any(len(row) != width for row in rows):
        raise InputError.of("input.shape", "the rows have different lengths")
    made = np.empty((len(rows), width), dtype=object)
    for index, row in enumerate(rows):
        made[index] = row
    return made
