"""The careful check of data of any kind: explains every defect, or accepts what the quick path did not recognise.

Columns are bound by name wherever names are there. Rows and columns rest on `columns.py`, so they are judged alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..batch import Array, Batch, Column, Raw
from ..contract.schema import Field, Schema
from ..contract.types import Tensor
from ..errors import InputError
from ..incoming.frames import is_a, is_sequence, is_sparse, is_table, native, raw, table_columns
from ..nearest import nearest
from ..problems import Inside, Problems
from ..text import clip, shown, shown_safely
from .blocks import Block
from .columns import Check
from .unnamed import container_error, matrix_of, shape_error
from .votes import is_columns

_HINTS = 10
"""For how many missing fields the nearest name is looked for."""

_FEW = 256
"""Rows up to which columns of numbers are copied together: a column costs more than what is in it."""


class Careful:
    """Call it with data of any supported kind; it gives a `Batch`, or raises `InputError` with every defect."""

    def __init__(self, schema: Schema, checks: Mapping[str, Check], block: Block) -> None:
        self.schema = schema
        self._names = schema.names
        self._known = frozenset(schema.names)
        self._checks = checks
        self._block = block
        self._refuse_extra = schema.extra == "error"
        self._has_numbers = any(
            field.physical is not None and field.physical.label is not None for field in schema.fields
        )
        self._by_position = schema.layout == "matrix" or _has_bare_labels(schema)

    def __call__(self, data: Any) -> Batch:
        """The checked batch. Never changes `data`."""
        data = native(data) if not self._has_numbers else _named_by_text(native(data))
        if isinstance(data, Mapping):
            if is_columns(self.schema, data):
                return self._columns(data)
            return self._records([dict(data)], Problems(), single=True)
        if isinstance(data, list | tuple) and data:
            kinds = set(map(type, data))
            if kinds == {dict}:
                return self._records(data, Problems())
            if any(issubclass(kind, Mapping) for kind in kinds):
                return self._mixed(data)
        elif is_table(data):
            return self._matrix_frame(data) or self._table(table_columns(data))
        return self._bare(data)

    # -- rows ---------------------------------------------------------------------------------------------------

    def _mixed(self, data: Sequence[Any]) -> Batch:
        """Rows of which some may be no mappings."""
        problems = Problems()
        here = [row for row, value in enumerate(data) if isinstance(value, Mapping)]
        for row, value in enumerate(data):
            if not isinstance(value, Mapping):
                problems.add("input.container", "is no row", row=row, found=shown(value), expected="a dict")
        # as plain dicts: others may make the values that they lack when they are asked
        rows = [dict(data[row]) for row in here]
        return self._records(rows, Inside(problems, here, "") if problems.counted else problems)

    def _records(self, rows: Sequence[Mapping[str, Any]], problems: Problems, *, single: bool = False) -> Batch:
        if self._block.is_whole and not self._refuse_extra and not problems.counted:
            block = self._block.rows(rows)
            if block is not None:
                return self._whole(block, single=single)
        hints: dict[str, str] = {}
        if self._refuse_extra:
            for number, row in enumerate(rows):
                self._tell_extra(row, problems, number)
        columns: dict[str, Column] = {}
        for field in self.schema.fields:
            column = self._from_rows(field, rows, problems, hints)
            if column is not None:
                columns[field.name] = column
        if problems.counted:
            problems.raise_all(len(rows), self._names)
        return Batch(len(rows), columns, single=single)

    def _whole(self, block: Array, *, single: bool = False) -> Batch:
        """All fields together, as the sample lay: sums of products depend on it."""
        block = np.asarray(block, order=self.schema.memory_order)
        return Batch(len(block), {}, single=single, block=block, block_names=self._block.names)

    def _from_rows(
        self, field: Field, rows: Sequence[Mapping[str, Any]], problems: Problems, hints: dict[str, str]
    ) -> Column | None:
        """One field of all rows; what is missing is told, and what is there is checked nevertheless."""
        name, check = field.name, self._checks[field.name]
        try:
            return check(Raw([row[name] for row in rows]), problems)
        except KeyError:
            pass
        if not field.required:
            return check(Raw([row.get(name, field.default) for row in rows]), problems)
        here = [number for number, row in enumerate(rows) if name in row]
        for number, row in enumerate(rows):
            if name not in row:
                self._tell_missing(field, row, problems, hints, number)
        return check(Raw([rows[number][name] for number in here]), Inside(problems, here, name))

    def _tell_missing(
        self, field: Field, present: Iterable[Any], problems: Problems, hints: dict[str, str], row: int | None = None
    ) -> None:
        name = field.name
        if name not in hints and len(hints) < _HINTS:
            others = (other for other in present if other not in self._known)
            hints[name] = nearest(name, others, f"{{}} is there: did you mean {clip(name, 40)!r}?")
        hint = hints.get(name, "")
        problems.add("input.missing-field", "is missing", row=row, field=name, expected=str(field.type), hint=hint)

    def _tell_extra(self, present: Iterable[Any], problems: Problems, row: int | None = None) -> None:
        for name in present:
            if name not in self._known:
                problems.add("input.extra-field", "is no field of the model", row=row, field=clip(name, 80))

    # -- columns ------------------------------------------------------------------------------------------------

    def _table(self, columns: dict[Any, Any]) -> Batch:
        """A DataFrame: by name; by position only for a matrix whose labels are bare numbers from 0."""
        if self.schema.layout == "matrix" and list(columns) == list(range(len(self._names))) and columns:
            return self._columns(dict(zip(self._names, columns.values(), strict=True)))
        return self._columns({str(label): values for label, values in columns.items()})

    def _matrix_frame(self, frame: Any) -> Batch | None:
        """A pandas DataFrame of nothing but the floats that are wanted: its memory as it is, whatever its width."""
        if not self._block.is_whole or not is_a(frame, "pandas", "DataFrame") or frame.shape[1] != len(self._names):
            return None
        # `tolist` is quick: iterating over an index, as `tuple` does, makes a scalar of pandas of each label
        if set(frame.dtypes.tolist()) != {self._block.dtype} or tuple(frame.columns.tolist()) != self._names:
            return None
        block = self._block.array(frame.to_numpy())
        return None if block is None else Batch(len(frame), {}, block=block, block_names=self._block.names)

    def _columns(self, data: Mapping[str, Any]) -> Batch:
        problems = Problems()
        raws = self._raws(data, problems)
        if self._refuse_extra:
            self._tell_extra(data, problems)
        lengths = {name: _rows(column) for name, column in raws.items()}
        rows = Counter(lengths.values()).most_common(1)[0][0] if lengths else 0
        for name, length in lengths.items():
            if length != rows:
                message, found = "has another number of rows", f"{length:,}"
                problems.add("input.rows-differ", message, field=name, found=found, expected=f"{rows:,}")
        if self._block.is_whole and rows <= _FEW and len(raws) == len(self._names) and not problems.counted:
            block = self._block.columns(list(raws.values()))
            if block is not None:
                return self._whole(block)
        checked: dict[str, Column] = {}
        for field in self.schema.fields:
            values = raws.get(field.name)
            if values is None:
                if field.required:
                    continue
                values = Raw([field.default] * rows)
            column = self._checks[field.name](values, problems)
            if column is not None:
                checked[field.name] = column
        if problems.counted:
            problems.raise_all(rows, self._names)
        return Batch(rows, checked)

    def _raws(self, data: Mapping[str, Any], problems: Problems) -> dict[str, Raw]:
        """The columns that are there, of whatever library; what is missing or no column is told."""
        raws: dict[str, Raw] = {}
        hints: dict[str, str] = {}
        for field in self.schema.fields:
            name = field.name
            if name not in data:
                if field.required:
                    self._tell_missing(field, data, problems, hints)
                continue
            value = data[name]
            found = None if is_sparse(value) and not isinstance(field.type, Tensor) else raw(value)
            if found is None:
                expected = "an array, a list or a Series"
                problems.add("input.container", "is no column", field=name, found=shown(value), expected=expected)
                found = Raw([])
                continue
            raws[name] = found
        return raws

    # -- without names ------------------------------------------------------------------------------------------

    def _bare(self, data: Any) -> Batch:
        """Data without names: an array for a matrix, or the values of the one field."""
        schema = self.schema
        if isinstance(data, list | tuple) and not data:
            return self._columns({field.name: [] for field in schema.fields})
        if schema.layout == "array" and (is_sequence(data) or is_sparse(data) or raw(data) is not None):
            return self._columns({schema.fields[0].name: data})
        if self._by_position:
            array = matrix_of(data)
            if array is not None:
                return self._matrix(array)
        raise container_error(schema, data)

    def _matrix(self, data: Any) -> Batch:
        if data.ndim != 2 or data.shape[1] != len(self._names):
            raise shape_error(data, self._names)
        if self._block.is_whole and type(data) is np.ndarray and data.dtype.kind in "fiu":
            block = self._block.array(data)
            if block is not None:
                return Batch(len(data), {}, block=block, block_names=self._block.names)
        return self._columns({name: data[:, index] for index, name in enumerate(self._names)})


def _has_bare_labels(schema: Schema) -> bool:
    """Whether the model was fitted on `DataFrame(array)`: its columns are called 0, 1, 2, … and have no other names."""
    labels = [field.physical.label if field.physical is not None else None for field in schema.fields]
    return schema.layout == "frame" and len(labels) > 0 and labels == list(range(len(labels)))


def _named_by_text(data: Any) -> Any:
    """Mappings whose keys are whole numbers, as labels of a DataFrame may be, with the texts that name the fields."""
    if isinstance(data, Mapping):
        return {str(key) if type(key) is int or isinstance(key, np.integer) else key: data[key] for key in data}
    if isinstance(data, list | tuple):
        return [_named_by_text(row) if isinstance(row, Mapping) else row for row in data]
    return data


def unreadable(error: Exception, data: Any) -> InputError:
    """The error for data of which an object raised when it was read."""
    message = f"an object in the data raised {clip(type(error).__name__)} when it was read"
    return InputError.of("input.unreadable", message, found=shown_safely(data))


def _rows(column: Raw) -> int:
    values = column.values
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)
