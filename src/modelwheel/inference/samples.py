"""A sample, recognised once: its kind, its rows, its columns, and how to take some of its rows.

Libraries are recognised by the module of an object's type; none is imported.
"""

from __future__ import annotations

import dataclasses
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwheel_loader.errors import Defect, PackError, UsageError
from modelwheel_loader.opening import Field, Schema
from modelwheel_loader.text import clip, shown
from modelwheel_loader.validate import is_a, is_table, library_of, native

from .arrays import MATRIX_COLUMNS, matrix_fields, memory_order, sparse_field, tensor_field
from .columns import Array, Column, ColumnError, Note, object_array, to_field
from .objects import from_objects, from_values
from .tables import READERS

_EXPECTED = "a DataFrame, an array, a sparse matrix, a dict of arrays, or a list of texts or dicts"
_TABLES = {"pandas": "DataFrame", "polars": "DataFrame", "pyarrow": "Table"}
_SERIES = {"pandas": "Series", "polars": "Series", "pyarrow": "ChunkedArray"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Inferred:
    """A schema inferred from a sample, notes for the author, and the sample as it was taken.

    `taken` holds the caller's own data, unless two ways to write null or two types of number were made one in it.
    """

    schema: Schema
    notes: tuple[Note, ...]
    taken: Sample

    @property
    def sample(self) -> Any:
        """The data of the sample as it was taken."""
        return self.taken.data

    @property
    def rows(self) -> int:
        """The number of rows of the sample."""
        return self.taken.rows


class Sample(ABC):
    """Data of one kind with `rows` rows. `Sample.of` recognises the kind; nothing else has to."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.rows = self._count()

    @staticmethod
    def of(data: Any) -> Sample:
        """The sample in `data`.

        Raises `UsageError` for an object of no known kind, `PackError` for columns of different lengths.
        """
        data = native(data)
        for kind in (_Table, _Series, _Sparse, _Numpy, _Columns, _Items):
            if kind.holds(data):
                return kind(data)
        raise UsageError.of(
            "infer.sample", "no schema can be inferred from this", found=shown(data), expected=_EXPECTED
        )

    @staticmethod
    @abstractmethod
    def holds(data: Any) -> bool:
        """Whether `data` is of this kind."""

    def _count(self) -> int:
        return len(self.data)

    def take(self, indices: Sequence[int] | Array) -> Any:
        """The rows at `indices`, in that order, as data of the same kind."""
        return _take(self.data, np.asarray(indices, dtype=np.int64))

    @property
    def labels(self) -> list[Any] | None:
        """The labels of the columns, where columns have some."""
        return None

    def select(self, places: Sequence[int]) -> Any:
        """The labelled columns at `places`, in that order, as data of the same kind."""
        raise NotImplementedError

    @abstractmethod
    def columns(self) -> Iterator[Any]:
        """The columns, but for tensors."""

    @abstractmethod
    def infer(self, max_categories: int) -> Inferred:
        """The schema of the sample; raises `PackError` with all defects."""


class _Table(Sample):
    """A DataFrame of pandas or Polars, or a pyarrow Table."""

    @staticmethod
    def holds(data: Any) -> bool:
        return bool(_library(data, _TABLES))

    def __init__(self, data: Any) -> None:
        super().__init__(data)
        self.library: Any = _library(data, _TABLES)

    @property
    def labels(self) -> list[Any] | None:
        return list(self.data.column_names if self.library == "pyarrow" else self.data.columns)

    def select(self, places: Sequence[int]) -> Any:
        if self.library == "pandas":
            return self.data.iloc[:, list(places)]
        return self.data.select(list(places)) if self.library == "pyarrow" else self.data[:, list(places)]

    def columns(self) -> Iterator[Any]:
        if self.library == "pandas":
            return (self.data.iloc[:, index] for index in range(self.data.shape[1]))
        return iter(self.data.columns if self.library == "pyarrow" else self.data.get_columns())

    def infer(self, max_categories: int) -> Inferred:
        labels = self.labels or []
        read = READERS[self.library]
        seen = Fields(self.rows)
        replaced: dict[int, Any] = {}
        for index, (name, values) in enumerate(zip(field_names(labels), self.columns(), strict=True)):
            number = None if isinstance(labels[index], str) else int(labels[index])
            made = seen.add(name, lambda column: read(column, max_categories), values, number)
            if made is not None:
                replaced[index] = made
        fields, order = seen.done(), None
        if self.library == "pandas":
            if self.data.index.nlevels > 1 or self.data.index.name is not None:
                message = "the index of the DataFrame is not part of the schema"
                seen.notes.append(Note(code="index-ignored", message=message))
            order = memory_order(self.data.iloc[:2]) if min(self.data.shape) > 1 else None
        schema = Schema(fields=fields, layout="frame", container=self.library, order=order)
        return Inferred(schema=schema, notes=tuple(seen.notes), taken=_Table(self._with(replaced)))

    def _with(self, columns: Mapping[int, Any]) -> Any:
        """The table with some columns replaced; the caller's own stays as it is."""
        changed = self.data
        if columns and self.library == "pandas":
            changed = changed.copy(deep=False)
        for index, values in columns.items():
            if self.library == "pandas":
                changed.isetitem(index, values)
            elif self.library == "polars":
                changed = changed.with_columns(values.alias(changed.columns[index]))
            else:
                changed = changed.set_column(index, changed.column_names[index], values)
        return changed


class _Series(Sample):
    """A column of a library of tables, alone."""

    @staticmethod
    def holds(data: Any) -> bool:
        return bool(_library(data, _SERIES))

    def columns(self) -> Iterator[Any]:
        yield self.data

    def infer(self, max_categories: int) -> Inferred:
        library: Any = _library(self.data, _SERIES)
        read = READERS[library]
        label = getattr(self.data, "name", None)
        return single(self, lambda values: read(values, max_categories), library, label)


class _Sparse(Sample):
    """A sparse matrix of SciPy: one sparse tensor per row."""

    @staticmethod
    def holds(data: Any) -> bool:
        return hasattr(data, "tocsr")

    def _count(self) -> int:
        return int(self.data.shape[0])

    def columns(self) -> Iterator[Any]:
        return iter(())

    def infer(self, max_categories: int) -> Inferred:  # noqa: ARG002 - of one kind of sample only
        schema = Schema(fields=(sparse_field("x", self.data),), layout="array")
        return Inferred(schema=schema, notes=(), taken=self)


class _Numpy(Sample):
    """A numpy array of one, two or more axes; the first counts the rows."""

    @staticmethod
    def holds(data: Any) -> bool:
        if isinstance(data, np.ma.MaskedArray):
            raise UsageError.of("infer.sample", "a masked array is ambiguous", hint="Fill it, with NaN for instance.")
        return isinstance(data, np.ndarray)

    def _count(self) -> int:
        return int(self.data.shape[0]) if self.data.ndim else 0

    def columns(self) -> Iterator[Any]:
        if self.data.ndim <= 2:
            yield from self.data.reshape(self.rows, -1).T

    def infer(self, max_categories: int) -> Inferred:  # noqa: ARG002 - of one kind of sample only
        if self.data.dtype.names is not None:
            hint = "Pass a dict of arrays: {name: sample[name] for name in sample.dtype.names}."
            raise PackError.of("infer.column", "a structured array has no layout in the contract", hint=hint)
        if self.data.ndim == 1:
            return single(self, from_values, "numpy")
        if self.data.ndim == 2 and 0 < self.data.shape[1] <= MATRIX_COLUMNS:
            return self._matrix()
        schema = Schema(fields=(tensor_field("x", self.data),), layout="array")
        return Inferred(schema=schema, notes=(), taken=self)

    def _matrix(self) -> Inferred:
        values, seen = self.data, Fields(self.rows)
        order = memory_order(values) if min(values.shape) > 1 else None
        if values.dtype.kind in "US":
            values = values.astype(object)  # texts of any length are objects
            seen.notes.append(Note(code="converted", message="an array of fixed-width text: taken as one of objects"))
        replaced: dict[int, Any] = {}
        known = matrix_fields(values)
        if known is not None:
            seen.fields, seen.notes = known
        else:
            for index, column in enumerate(values.T):
                made = seen.add(f"x{index}", from_values, column)
                if made is not None:
                    replaced[index] = made
        fields = seen.done()
        if replaced:
            values = values.copy()
            for index, made in replaced.items():
                values[:, index] = object_array(made)
        dtype = str(values.dtype) if known is not None or values.dtype.kind == "O" else None
        schema = Schema(fields=fields, layout="matrix", dtype=dtype, order=order)
        return Inferred(schema=schema, notes=tuple(seen.notes), taken=_Numpy(values))


class _Columns(Sample):
    """A dict of columns: each an array, a list or a Series; tensors and sparse matrices too."""

    @staticmethod
    def holds(data: Any) -> bool:
        return isinstance(data, Mapping)

    def _count(self) -> int:
        lengths = {name: _length(values) for name, values in self.data.items()}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{name}: {length}" for name, length in list(lengths.items())[:5])
            raise PackError.of("infer.lengths", "the columns have different lengths", found=found)
        return next(iter(lengths.values()), 0)

    @property
    def labels(self) -> list[Any] | None:
        return list(self.data)

    def select(self, places: Sequence[int]) -> Any:
        labels = list(self.data)
        return {labels[place]: self.data[labels[place]] for place in places}

    def take(self, indices: Sequence[int] | Array) -> Any:
        places = np.asarray(indices, dtype=np.int64)
        return {name: _take(values, places) for name, values in self.data.items()}

    def columns(self) -> Iterator[Any]:
        return (values for values in self.data.values() if not _is_tensor(values))

    def infer(self, max_categories: int) -> Inferred:  # noqa: ARG002 - of one kind of sample only
        seen = Fields(self.rows)
        taken: dict[Any, Any] = dict(self.data)
        for name, values in zip(key_names(list(self.data)), self.data.values(), strict=True):
            plain = values if isinstance(values, np.ndarray) or hasattr(values, "tocsr") else _to_array(values)
            if _is_tensor(plain):
                seen.fields.append((sparse_field if hasattr(plain, "tocsr") else tensor_field)(name, plain))
            else:
                made = seen.add(name, from_values, plain)
                plain = plain if made is None else object_array(made)
            taken[name] = plain
        schema = Schema(fields=seen.done(), layout="columns")
        changed = any(taken[name] is not values for name, values in self.data.items())
        return Inferred(schema=schema, notes=tuple(seen.notes), taken=_Columns(taken) if changed else self)


class _Items(Sample):
    """A list of dicts (records), of equally long rows of numbers (a matrix), or of single values such as texts."""

    @staticmethod
    def holds(data: Any) -> bool:
        return isinstance(data, list | tuple)

    def columns(self) -> Iterator[Any]:
        if isinstance(self.data[0], dict):
            return ([record.get(name) for record in self.data] for name in self.data[0])
        return iter([self.data])

    def infer(self, max_categories: int) -> Inferred:
        if all(isinstance(item, Mapping) for item in self.data):
            return self._records()
        if any(is_table(item) for item in self.data):
            hint = "Pass only the input data, without its target: sample=X, not (X, y)."
            raise UsageError.of("infer.sample", "the sample is a list of tables", found=shown(self.data), hint=hint)
        matrix = _rectangle(self.data)
        if matrix is None:
            return single(self, from_objects, "list")
        inferred = _Numpy(matrix).infer(max_categories)
        message = "a list of rows of numbers: taken as an array, and passed as one"
        return dataclasses.replace(inferred, notes=(Note(code="taken-as-array", message=message), *inferred.notes))

    def _records(self) -> Inferred:
        names = key_names(list(dict.fromkeys(key for record in self.data for key in record)))
        absent = [name for name in names if any(name not in record for record in self.data)]
        seen = Fields(self.rows)
        changed: dict[str, Any] = {}
        for name in names:
            made = seen.add(name, from_objects, [record.get(name) for record in self.data])
            if made is not None:
                changed[name] = made
        fields = seen.done()
        message = "is missing in some rows: taken as null"
        seen.notes += [Note(code="absent", message=message, field=name) for name in absent]
        taken: Any = self.data
        if changed or absent:
            taken = [{name: record.get(name) for name in names} for record in self.data]
            for name, values in changed.items():
                for record, value in zip(taken, values, strict=True):
                    record[name] = value
        schema = Schema(fields=fields, layout="records", container="list")
        return Inferred(schema=schema, notes=tuple(seen.notes), taken=_Items(taken))


def single(sample: Sample, read: Callable[[Any], Column], container: Any, label: Any = None) -> Inferred:
    """Layout `array`: one field, named by its label, or `text` or `x`."""
    seen = Fields(sample.rows)
    made = seen.add("x", read, sample.data)
    (field,) = seen.done()
    name = str(label) if isinstance(label, str | int) and str(label) else "text" if str(field.type) == "string" else "x"
    notes = tuple(dataclasses.replace(note, field=name) for note in seen.notes)
    schema = Schema(fields=(field.replace(name=name),), layout="array", container=container)
    if made is None:
        return Inferred(schema=schema, notes=notes, taken=sample)
    return Inferred(
        schema=schema, notes=notes, taken=type(sample)(object_array(made) if container == "numpy" else made)
    )


class Fields:
    """The fields of columns, one by one, with notes; what is wrong with any of them is collected."""

    def __init__(self, rows: int) -> None:
        self.fields: list[Field] = []
        self.notes: list[Note] = []
        self._rows = rows
        self._defects: list[Defect] = []

    def add(self, name: str, read: Callable[[Any], Column], values: Any, label: int | None = None) -> Any:
        """Infer the column `values`; the column that replaces it, or None."""
        try:
            column = read(values)
        except ColumnError as error:
            self._defects.append(error.defect(name))
            return None
        field, notes = to_field(name, column, self._rows, label=label)
        self.fields.append(field)
        self.notes += notes
        return column.normalised

    def done(self) -> tuple[Field, ...]:
        """The fields; raises `PackError` with every column that no type describes."""
        if self._defects:
            raise PackError("no schema can be inferred from the sample", self._defects)
        return tuple(self.fields)


def key_names(keys: Sequence[Any]) -> list[str]:
    """The names of the fields for the keys of dicts, which must be text."""
    wrong = [key for key in keys if not isinstance(key, str)]
    if wrong:
        found = f"{clip(wrong[0])} ({type(wrong[0]).__name__})"
        raise PackError.of("infer.labels", "a key is not text", found=found)
    return field_names(keys)


def field_names(labels: Sequence[Any]) -> list[str]:
    """The names of the fields for a table's labels: text, or integers written as text."""
    defects = []
    for label in labels:
        if isinstance(label, bool | np.bool_) or not isinstance(label, str | int | np.integer):
            message, found = "a column's label is neither text nor integer", f"{clip(label)} ({type(label).__name__})"
            defects.append(Defect(code="infer.labels", message=message, found=found))
    names = [str(label) for label in labels]
    for name, count in Counter(names).items():
        same = Defect(code="infer.labels", message="two columns have the same label", field=name)
        defects += [same] * (count - 1)
    if not names:
        defects.append(Defect(code="infer.empty", message="the sample has no columns"))
    if defects:
        raise PackError("the columns cannot be told apart by name" if names else "the sample has no columns", defects)
    return names


# --- columns of any kind ---


def _library(data: Any, classes: Mapping[str, str]) -> str:
    """The library that `data` is an object of; a subclass, such as a GeoDataFrame, is what it derives from."""
    return next((library for library, name in classes.items() if is_a(data, library, name)), "")


def _take(values: Any, places: Array) -> Any:
    if hasattr(values, "iloc"):
        return values.iloc[places]
    if hasattr(values, "tocsr"):
        return values.tocsr()[places].asformat(values.format)
    if isinstance(values, list | tuple):
        return [values[index] for index in places.tolist()]
    if library_of(values) == "pyarrow":
        return values.take(sys.modules["pyarrow"].array(places))
    return values[places]


def _is_tensor(values: Any) -> bool:
    """Whether a column has a tensor or a sparse vector in each row."""
    return hasattr(values, "tocsr") or getattr(values, "ndim", 1) != 1


def _length(values: Any) -> int:
    shape = getattr(values, "shape", None)
    if shape == () or isinstance(values, str | bytes) or (shape is None and not hasattr(values, "__len__")):
        message = "a dict of single values is one row, and a sample is many"
        raise UsageError.of("infer.sample", message, found=shown(values), hint="Pass a list of such dicts.")
    return len(values) if shape is None else int(shape[0])


def _to_array(values: Any) -> Array:
    """A list or a Series as an array: of its own dtype when its values have one, of objects when they do not."""
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    items = list(values)
    kinds = {type(item) for item in items}
    if not any(issubclass(kind, list | tuple) for kind in kinds) and not (kinds <= {bool} or kinds <= {float, int}):
        return object_array(items)
    try:
        return np.array(items)
    except (ValueError, OverflowError):
        return object_array(items)


def _rectangle(sample: Sequence[Any]) -> Array | None:
    """Rows of numbers, all of one length, as a matrix."""
    if not all(isinstance(item, list | tuple | np.ndarray) for item in sample):
        return None
    try:
        made = np.array(sample)
    except ValueError:  # rows of different lengths
        return None
    return made if made.dtype.kind in "biuf" and made.ndim > 1 else None
