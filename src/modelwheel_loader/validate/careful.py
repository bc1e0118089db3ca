"""The careful check of data of any kind: explains every defect, or accepts what the quick path did not recognise.

Columns are bound by name wherever there are names. Rows and columns go through `compile_column`, so they follow the
same rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..errors import InputError, UsageError
from ..opening.schema import Field, Schema
from ..opening.types import Tensor
from ..text import clip, nearest, shown
from .batch import Array, Batch, Column, Raw, with_none
from .kinds import Check, found, kind_of
from .problems import Inside, Problems
from .reading import depth, is_a, is_pandas, is_sequence, is_sparse, is_table, native, raw, table_columns

if TYPE_CHECKING:
    from .inputs import Block


_HINTS = 10
"""For how many missing fields the nearest name is searched."""

_FEW = 256
"""Rows up to which columns of numbers are copied together: the cost is per column, not per value."""


class Careful:
    """Call it with data of any supported kind; it gives a `Batch`, or raises `InputError` with every defect."""

    def __init__(self, schema: Schema, checks: Mapping[str, Check], block: Block) -> None:
        self.schema = schema
        self._names = schema.names
        self._known = frozenset(schema.names)
        self._levels = {field.name: kind_of(field.type).levels() for field in schema.fields}
        self._checks = checks
        self._block = block
        self._refuse_extra = schema.extra == "error"
        self._has_numbers = any(
            field.physical is not None and field.physical.label is not None for field in schema.fields
        )
        self._by_position = schema.layout == "matrix" or _has_bare_labels(schema)
        _check_key(schema)

    def __call__(self, data: Any) -> Batch:
        """The checked batch. Never changes `data`."""
        batch = self._batch(data)
        _check_count(batch.rows, self.schema)
        if self.schema.unique:
            _check_unique(batch, self.schema.unique)
        if is_pandas(data := native(data)):
            batch.index = data.index
        return batch

    def _batch(self, data: Any) -> Batch:
        data = native(data) if not self._has_numbers else _named_by_text(native(data))
        if isinstance(data, Mapping):
            if _is_columns(self._levels, data):
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
        """Rows of which some are not mappings."""
        problems = Problems()
        here = [row for row, value in enumerate(data) if isinstance(value, Mapping)]
        for row, value in enumerate(data):
            if not isinstance(value, Mapping):
                problems.add("input.container", "is not a row", row=row, found=shown(value), expected="a dict")
        # as plain dicts: a defaultdict would make the values that it lacks
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
                self._add_extra(row, problems, number)
        columns: dict[str, Column] = {}
        for field in self.schema.fields:
            column = self._from_rows(field, rows, problems, hints)
            if column is not None:
                columns[field.name] = column
        if problems.counted:
            problems.raise_all(len(rows), self._names)
        return Batch(len(rows), columns, single=single)

    def _whole(self, block: Array, *, single: bool = False) -> Batch:
        """All fields together, in the memory order of the sample: sums of products depend on it."""
        block = np.asarray(block, order=self.schema.memory_order)
        return Batch(len(block), {}, single=single, block=block, block_names=self._block.names)

    def _from_rows(
        self, field: Field, rows: Sequence[Mapping[str, Any]], problems: Problems, hints: dict[str, str]
    ) -> Column | None:
        """One field of all rows; what is missing is reported, and the rest is checked nevertheless."""
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
                self._add_missing(field, row, problems, hints, number)
        return check(Raw([rows[number][name] for number in here]), Inside(problems, here, name))

    def _add_missing(
        self, field: Field, present: Iterable[Any], problems: Problems, hints: dict[str, str], row: int | None = None
    ) -> None:
        name = field.name
        if name not in hints and len(hints) < _HINTS:
            others = (other for other in present if other not in self._known)
            hints[name] = nearest(name, others, f"{{}} is there: did you mean {clip(name, 40)!r}?")
        hint = hints.get(name, "")
        problems.add("input.missing-field", "is missing", row=row, field=name, expected=str(field.type), hint=hint)

    def _add_extra(self, present: Iterable[Any], problems: Problems, row: int | None = None) -> None:
        for name in present:
            if name not in self._known:
                problems.add("input.extra-field", "is not a field of the model", row=row, field=clip(name, 80))

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
            self._add_extra(data, problems)
        lengths = {name: _rows(column) for name, column in raws.items()}
        rows = Counter(lengths.values()).most_common(1)[0][0] if lengths else 0
        for name, length in lengths.items():
            if length != rows:
                place = {"found": f"{length:,}", "expected": f"{rows:,}"}
                problems.add("input.rows-differ", "has another number of rows", field=name, **place)
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
        """The columns that are there, of whatever library; what is missing or not a column is reported."""
        raws: dict[str, Raw] = {}
        hints: dict[str, str] = {}
        for field in self.schema.fields:
            name = field.name
            if name not in data:
                if field.required:
                    self._add_missing(field, data, problems, hints)
                continue
            value = data[name]
            column = None if is_sparse(value) and not isinstance(field.type, Tensor) else raw(value)
            if column is None:
                expected = "an array, a list or a Series"
                problems.add("input.container", "is not a column", field=name, found=shown(value), expected=expected)
                continue
            raws[name] = column
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
            array = _matrix_of(data)
            if array is not None:
                return self._matrix(array)
        raise _container_error(schema, data)

    def _matrix(self, data: Any) -> Batch:
        if data.ndim != 2 or data.shape[1] != len(self._names):
            raise _shape_error(data, self._names)
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


# -- one row or columns -------------------------------------------------------------------------------------------


def _is_columns(levels: Mapping[str, int], data: Mapping[str, Any]) -> bool:
    """Whether the values of a mapping are columns: decided by how deep the fields are nested, never by one value.

    Raises `InputError` when some are and some are not.
    """
    present = [name for name in levels if name in data]
    # fields of single values say it plainly; only without them the depth of lists and tensors decides
    deciding = [name for name in present if not levels[name]] or present
    votes = {name: _vote(levels[name], data[name]) for name in deciding}
    column = next((name for name, vote in votes.items() if vote is True), None)
    single = next((name for name, vote in votes.items() if vote is False), None)
    if column is not None and single is not None:
        _refuse(column, single, data)
    return column is not None


def _refuse(column: str, single: str, data: Mapping[str, Any]) -> NoReturn:
    problems = Problems()
    problems.add(
        "input.ambiguous",
        f"is a column while {clip(single)!r} is a single value",
        field=column,
        found=shown(data[column]),
        hint="Pass either one row (scalars only) or columns (sequences only).",
    )
    problems.raise_all()


def _vote(levels: int, value: Any) -> bool | None:
    """True for a column, False for a single value, None for what may be either, such as an empty list of lists."""
    if not levels:
        return is_sequence(value) or is_sparse(value)
    if is_sparse(value):
        return True
    if not is_sequence(value):
        return None if value is None else False
    deep = depth(value)
    if deep == levels and len(value):
        return False
    return True if deep > levels else None


# -- data without names -------------------------------------------------------------------------------------------


def _matrix_of(data: Any) -> Array | None:
    """An array, sparse matrix or list of rows as an array; None for anything else."""
    if is_sparse(data):
        return data.toarray()  # type: ignore[no-any-return]
    if isinstance(data, np.ndarray):
        return np.asarray(data) if getattr(data, "mask", None) is None else data
    if isinstance(data, list | tuple):
        return _from_rows(data) if all(_is_row(row) for row in data) else None
    if hasattr(data, "__array__") and not isinstance(data, np.generic) and not is_a(data, "pandas", "Series"):
        try:
            return np.asarray(data)
        except (TypeError, ValueError, RuntimeError):
            return None
    return None


def _is_row(row: Any) -> bool:
    return isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim > 0)


def _from_rows(rows: Sequence[Any]) -> Array:
    """Lists of rows as an array of objects, whose values are checked one by one."""
    width = len(rows[0])
    problems = Problems()
    made = np.empty((len(rows), width), dtype=object)
    for index, row in enumerate(rows):
        if len(row) != width:
            place = {"found": f"{len(row)} values", "expected": f"{width}, as in row 0"}
            problems.add("input.shape", "has another length", row=index, **place)
        elif not problems.counted:
            made[index] = row if not isinstance(row, np.ndarray) or row.ndim == 1 else list(row)
    if problems.counted:
        problems.raise_all(len(rows))
    return made


def _shape_error(data: Array, names: Sequence[str]) -> InputError:
    """The error for an array of another shape."""
    hint = ""
    if data.ndim == 1:
        hint = "one row is data.reshape(1, -1)" if len(data) == len(names) else "pass a 2-D array, one row for each row"
    place = {"found": str(data.shape), "expected": f"(rows, {len(names)})", "hint": hint}
    return InputError.of("input.shape", "the array has another shape", **place)


def _container_error(schema: Schema, data: Any) -> InputError:
    """The error for data of another kind."""
    names = ", ".join(clip(name, 30) for name in schema.names[:8]) + (", …" if len(schema) > 8 else "")
    expected = f"rows or columns named {names}"
    if schema.layout == "matrix":
        expected = f"a 2-D array with {len(schema)} columns, or {expected}"
    elif schema.layout == "array":
        expected = f"a list or array of {schema.fields[0].type}, one for each row"
    given = shown(data)
    if isinstance(data, list | tuple) and data:
        given += f", the first of its items {shown(data[0])}"
    place = {"found": clip(given, 120), "expected": expected, "hint": _hint(schema, data)}
    return InputError.of("input.container", "unsupported input type", **place)


def _hint(schema: Schema, data: Any) -> str:
    if is_a(data, "pandas", "Series"):
        return (
            "A Series has no columns: for one row pass series.to_dict(), or frame.iloc[[0]] instead of frame.iloc[0]."
        )
    several = isinstance(data, list | tuple) and len(data) > 0 and not hasattr(data, "_asdict")
    if record := _as_dict(data[0] if several else data):
        return f"Pass rows as dicts: {record}."
    if isinstance(data, Iterator):
        return "Reading an iterator would use it up: pass list(…)."
    if isinstance(data, str | bytes):
        return "Parse JSON first: json.loads(…)." if schema.layout != "array" else "Pass a list: [text]."
    if isinstance(data, np.ndarray):
        return "The model knows its columns by name: pass a DataFrame, a dict of arrays, or a list of dicts."
    return "Pass one row as a dict, rows as a list of dicts, columns as a dict of arrays, or a DataFrame."


def _as_dict(row: Any) -> str:
    """How a row that is an object of a class is made a dict; empty for anything else."""
    if isinstance(row, type):
        return ""
    if hasattr(row, "model_dump"):
        return "row.model_dump(by_alias=True)"
    if hasattr(row, "__dataclass_fields__"):
        return "dataclasses.asdict(row)"
    return "row._asdict()" if hasattr(row, "_asdict") else ""


# -- the table as a whole, checked when every value is right ------------------------------------------------------


def _check_key(schema: Schema) -> None:
    """Raise `UsageError` when a field of the key cannot be one."""
    for name in schema.unique:
        if schema[name].type.family in ("nested", "tensors"):
            message = f"the field {clip(name)!r} is a {clip(schema[name].type)}, and only single values can be a key"
            raise UsageError.of("schema.bound", message, field=name)


def _check_count(rows: int, schema: Schema) -> None:
    low = schema.min_rows or 0
    if rows < low or (schema.max_rows is not None and rows > schema.max_rows):
        expected = f"at least {low:,}" if schema.max_rows is None else f"{low:,} … {schema.max_rows:,}"
        raise InputError.of("input.row-count", "the number of rows is not right", found=f"{rows:,}", expected=expected)


def _check_unique(batch: Batch, names: Sequence[str]) -> None:
    """Raise `InputError` with every row whose key an earlier row has. Null is a value like any other.

    The cost is one set of the keys: linear in rows.
    """
    columns = [with_none(batch.column(name).values.tolist(), batch.column(name).missing) for name in names]
    keys = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    if len(set(keys)) == len(keys):
        return
    problems = Problems()
    first: dict[Any, int] = {}
    for row, key in enumerate(keys):
        before = first.setdefault(key, row)
        if before == row:
            continue
        if problems.full:
            problems.count()
        else:
            value = ", ".join(found(part) for part in (key if len(columns) > 1 else (key,)))
            place = {"found": clip(value), "expected": f"other values than in row {before:,}"}
            problems.add("input.not-unique", "comes twice", row=row, field=", ".join(names), **place)
    problems.raise_all(batch.rows)


def unreadable(error: Exception, data: Any) -> InputError:
    """The error for data of which an object raised when it was read."""
    message = f"an object in the data raised {clip(type(error).__name__)} when it was read"
    return InputError.of("input.unreadable", message, found=_shown_safely(data))


def _shown_safely(value: object) -> str:
    """`shown`, for an object that may raise when it is asked for its length: then only its type."""
    try:
        return shown(value)
    except Exception:  # noqa: BLE001 - the border to the caller's objects
        return clip(f"a {type(value).__qualname__}")


def _rows(column: Raw) -> int:
    values = column.values
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)
