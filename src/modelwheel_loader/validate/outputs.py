"""Checks a model's answer against its output schema, cheaply, and gives it as the original did.

Many rows come back in the original's container. One row comes back as people expect it: Python scalars, one-axis
arrays for vectors, and a dict of those where the answers have names. A check costs about a microsecond for one row and
never walks numbers, unless the schema says what they must be: an inferred output is nullable and may be infinite, for a
model may answer NaN tomorrow that did not in the sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..defects import Defect
from ..errors import MissingExtra, OutputError
from ..opening.types import Binary, Bool, String, Tensor
from ..text import clip, shown
from .batch import Array, may_be_null, where_null
from .kinds import Types, kind_of
from .numbers import all_finite

if TYPE_CHECKING:
    from ..opening.schema import Field, Schema


Answer = Callable[[Any, int, bool], Any]
_OBJECT = np.dtype(object)
_REAL = "biuf"
_TIMES = "mM"
_FORMS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
SPARSE_KINDS = tuple(f"{form}_{kind}" for form in _FORMS for kind in ("matrix", "array"))
"""The classes of `scipy.sparse` that an answer may be of, by name."""


def compile_output(schema: Schema) -> Answer:
    """A function of (what the model answered, how many rows it predicted, whether the caller passed one bare row).

    It returns the checked answer, or raises `OutputError` with every defect. Answers of a graph are converted to what
    the original gives: float32 to float64, text to the original's text dtype, (n, 1) to (n,).
    """
    form = _form(schema)
    check, first = form.check, form.first

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001 - called once per prediction, by position
        value = check(raw, rows)
        return first(value) if single else value

    return answer


def empty_output(schema: Schema) -> Any:
    """The answer for no rows, in the original's container."""
    return _form(schema).empty()


def answer_dtype(field: Field) -> np.dtype[Any]:
    """The numpy dtype of the answers of `field`; `str` and `bytes` have no width."""
    physical = field.physical.dtype if field.physical else ""
    if physical == "str_" and isinstance(field.type, String):
        return np.dtype(str)
    if physical == "bytes_" and isinstance(field.type, Binary):
        return np.dtype(bytes)
    return _OBJECT if physical == "object" else np.dtype(field.type.canonical)


# -- refusals -----------------------------------------------------------------------------------------------------


def _refuse(code: str, message: str, field: Field | None = None, **details: str) -> NoReturn:
    raise OutputError.of(code, f"the answer {message}", field=field.name if field else None, **details)


def _wrong_kind(message: str, expected: str, found: Any, field: Field | None = None) -> NoReturn:
    _refuse("output.type", message, field, expected=expected, found=shown(found))


def _check_rows(found: int, rows: int, field: Field | None = None) -> None:
    if found != rows:
        _refuse("output.rows", "has another number of rows", field, expected=f"{rows:,}", found=f"{found:,}")


def _wrong_shape(expected: str, found: Any, field: Field | None = None) -> NoReturn:
    _refuse("output.shape", "has another shape", field, expected=expected, found=str(found))


def _wrong_type(expected: str, found: str, field: Field) -> NoReturn:
    _refuse("output.dtype", "has another type", field, expected=expected, found=clip(found))


def _several(defects: list[Defect]) -> OutputError:
    """All defects of an answer as one error."""
    return OutputError(defects[0].message if len(defects) == 1 else "the answers do not fit the output schema", defects)


def _check_names(raw: Any, names: tuple[str, ...]) -> None:
    """Reject an answer whose names are not those of the schema, in any order."""
    if not isinstance(raw, Mapping):
        _wrong_kind("has no names", "a dict", raw)
    if tuple(raw) == names or (len(raw) == len(names) and set(raw) == set(names)):
        return
    missing = [name for name in names if name not in raw]
    more = [name for name in raw if name not in names]
    defects = [Defect(code="output.names", message="is missing in the answer", field=name) for name in missing]
    defects += [Defect(code="output.names", message="is not in the schema", field=clip(name, 80)) for name in more]
    raise _several(defects)


# -- one array ----------------------------------------------------------------------------------------------------


class _Form:
    """One kind of answer: its check, what a single row's caller gets of it, and the answer for no rows."""

    def check(self, raw: Any, rows: int) -> Any:
        raise NotImplementedError

    def first(self, value: Any) -> Any:
        return value[0]

    def empty(self) -> Any:
        return []


class _Array(_Form):
    """An array for one field. It is the part of most other kinds."""

    def __init__(self, field: Field) -> None:
        self.field, self.dtype = field, answer_dtype(field)
        self.trailing = field.type.shape if isinstance(field.type, Tensor) else ()
        self._axes = len(self.trailing) + 1
        self._look = _compile_look(field, self.dtype)

    def check(self, raw: Any, rows: int) -> Any:
        dtype = self.dtype
        right = (
            type(raw) is np.ndarray
            and raw.ndim == self._axes
            and raw.shape[0] == rows
            and (raw.dtype == dtype or (dtype.itemsize == 0 and raw.dtype.kind == dtype.kind))
            and (raw.shape[1:] == self.trailing or self._fits(raw.shape[1:]))
        )
        value = raw if right else self._adapt(raw, rows)
        return value if self._look is None else self._look(value)

    def first(self, value: Any) -> Any:
        return value[0] if self.trailing else _first_scalar(value)

    def empty(self) -> Array:
        return np.zeros((0, *(axis or 0 for axis in self.trailing)), self.dtype)

    def _fits(self, shape: tuple[int, ...]) -> bool:
        wanted = self.trailing
        return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))

    def _adapt(self, value: Any, rows: int) -> Array:
        """The array in the shape and dtype of the original's answer: a graph answers (n, 1) for (n,), or float32."""
        field, trailing = self.field, self.trailing
        if not isinstance(value, np.ndarray):
            _wrong_kind("is not a numpy array", "an array", value, field)
        if value.ndim == 0 or value.shape[0] != rows:
            found = f"shape {value.shape}"
            _refuse("output.rows", "has another number of rows", field, expected=f"{rows} rows", found=found)
        if not self._fits(value.shape[1:]):
            inner = [axis for axis in value.shape[1:] if axis != 1]
            if inner != [axis for axis in trailing if axis != 1] or None in trailing:
                axes = ", ".join("*" if axis is None else str(axis) for axis in (rows, *trailing))
                _wrong_shape(f"({axes})", value.shape, field)
            value = value.reshape(rows, *[axis for axis in trailing if axis is not None])
        return _cast(np.asarray(value), self.dtype, field)


def _first_scalar(value: Any) -> Any:
    """The one element as a Python scalar; times in nanoseconds stay numpy's, for Python has none so fine."""
    item = value[0]
    if isinstance(item, np.generic):
        plain = item.item()
        return item if item.dtype.kind in _TIMES and isinstance(plain, int) else plain
    return item


def _cast(value: Array, dtype: np.dtype[Any], field: Field) -> Array:
    """`value` as `dtype`. Floats change their width as floats do; every other change must keep each value."""
    source = value.dtype
    if source == dtype or (dtype.itemsize == 0 and source.kind == dtype.kind):
        return value
    if source.kind == "f" and dtype.kind == "f":
        with np.errstate(over="ignore") if dtype.itemsize < source.itemsize else nullcontext():
            return value.astype(dtype)
    if dtype == _OBJECT and source.kind in "US":
        return value.astype(object)
    text = str if dtype.kind == "U" else bytes
    if source == _OBJECT and dtype.kind in "US" and all(isinstance(item, text) for item in value.flat):
        return value.astype(dtype)
    if (source.kind in _REAL and dtype.kind in _REAL) or (source.kind == dtype.kind and dtype.kind in _TIMES):
        with np.errstate(all="ignore"):
            made = value.astype(dtype)
            back = made.astype(source)
        if np.array_equal(back, value) and np.array_equal(made < 0, value < 0):
            return made
    if dtype == _OBJECT and source.kind in _REAL and field.type.family == "numbers":
        return _cast(value, np.dtype(field.type.canonical), field).astype(object)
    _wrong_type(str(field.type) if dtype.kind in "OUS" else str(dtype), str(source), field)


def _compile_look(field: Field, dtype: np.dtype[Any]) -> Callable[[Array], Array] | None:
    """What must be checked in the values themselves; None when nothing must."""
    if dtype == _OBJECT:
        return _compile_objects(field)
    low, high = (None if isinstance(limit, str) else limit for limit in (field.minimum, field.maximum))
    finite = dtype.kind == "f" and not (field.nullable and field.allow_infinity)
    if dtype.kind not in _REAL or not (finite or low is not None or high is not None):
        return None

    def look(value: Array) -> Array:
        if finite and not all_finite(value):
            if not field.nullable and where_null(value) is not None:
                _refuse("output.null", "holds NaN", field, expected="numbers")
            if not field.allow_infinity and np.isinf(value).any():
                _refuse("output.infinite", "holds an infinite number", field, expected="finite numbers")
        with np.errstate(over="ignore"):  # a limit may be beyond what the dtype holds
            if low is not None and bool((value < low).any()):
                _out_of_range("is too small", f"at least {low}", value.min(), field)
            if high is not None and bool((value > high).any()):
                _out_of_range("is too large", f"at most {high}", value.max(), field)
        return value

    return look


def _out_of_range(message: str, expected: str, value: Any, field: Field) -> NoReturn:
    _refuse("output.range", message, field, expected=expected, found=shown(value.item()))


def _compile_objects(field: Field) -> Callable[[Array], Array] | None:
    wanted = kind_of(field.type).answers
    if wanted is None:
        return None
    types = wanted
    known = set(types)  # grows by the types that were checked once

    def look(value: Array) -> Array:
        kinds = set(map(type, value.tolist() if value.ndim == 1 else value.ravel().tolist()))
        if not kinds <= known:
            _check_types(kinds - known, types, field)
            known.update(kind for kind in kinds if issubclass(kind, types))
        return value

    return look


def _check_types(kinds: set[type], wanted: Types | None, field: Field) -> None:
    """Reject Python types that are not `wanted`; null is accepted where the field is nullable."""
    for kind in kinds if wanted is not None else ():
        right = issubclass(kind, wanted or ()) and (kind is not bool or isinstance(field.type, Bool))
        if not right and not (field.nullable and may_be_null(kind)):
            _wrong_type(str(field.type), kind.__name__, field)


# -- several arrays, lists and dicts ------------------------------------------------------------------------------


class _Arrays(_Form):
    """A list of one array for each field."""

    def __init__(self, schema: Schema) -> None:
        self._forms = [_Array(field) for field in schema.fields]
        self._checks = [form.check for form in self._forms]

    def check(self, raw: Any, rows: int) -> Any:
        values = [raw] if isinstance(raw, np.ndarray) and len(self._forms) == 1 else raw
        if not isinstance(values, list | tuple) or len(values) != len(self._forms):
            _wrong_kind("has another number of parts", f"{len(self._forms)} arrays", raw)
        return self._check_all(values, rows)

    def _check_all(self, values: Sequence[Any], rows: int) -> list[Any]:
        try:
            return [check(value, rows) for check, value in zip(self._checks, values, strict=True)]
        except OutputError:
            raise _several(list(self._defects(values, rows))) from None

    def _defects(self, values: Sequence[Any], rows: int) -> Iterator[Defect]:
        for check, value in zip(self._checks, values, strict=True):
            try:
                check(value, rows)
            except OutputError as error:
                yield from error.defects

    def first(self, value: Any) -> Any:
        return [form.first(part) for form, part in zip(self._forms, value, strict=True)]

    def empty(self) -> Any:
        return [form.empty() for form in self._forms]


class _Columns(_Arrays):
    """A dict of one array for each field. The answers of a graph have the schema's order."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema)
        self._names = schema.names

    def check(self, raw: Any, rows: int) -> Any:
        names = self._names
        if isinstance(raw, list | np.ndarray):
            raw = dict(zip(names, [raw] if isinstance(raw, np.ndarray) else raw, strict=False))
        _check_names(raw, names)
        return dict(zip(names, self._check_all([raw[name] for name in names], rows), strict=True))

    def first(self, value: Any) -> Any:
        return dict(zip(self._names, super().first(value.values()), strict=True))

    def empty(self) -> Any:
        return dict(zip(self._names, super().empty(), strict=True))


class _Records(_Form):
    """A list of dicts."""

    def __init__(self, schema: Schema) -> None:
        self._names = schema.names
        self._types = [(field, kind_of(field.type).answers) for field in schema.fields]

    def check(self, raw: Any, rows: int) -> Any:
        if not isinstance(raw, list | tuple):
            _wrong_kind("is not a list", "a list of dicts", raw)
        _check_rows(len(raw), rows)
        for record in raw:
            _check_names(record, self._names)
        for field, wanted in self._types:
            _check_types({type(record[field.name]) for record in raw}, wanted, field)
        return raw


class _List(_Form):
    """A list of the values of one field."""

    def __init__(self, field: Field) -> None:
        self._field, self._types = field, kind_of(field.type).answers

    def check(self, raw: Any, rows: int) -> Any:
        values = raw.tolist() if isinstance(raw, np.ndarray) and raw.ndim == 1 else raw
        if not isinstance(values, list | tuple):
            _wrong_kind("is not a list", "a list", raw, self._field)
        _check_rows(len(values), rows, self._field)
        _check_types(set(map(type, values)), self._types, self._field)
        return values


class _ListOfArrays(_Array):
    """A list of one array for each row."""

    def check(self, raw: Any, rows: int) -> Any:
        if not isinstance(raw, list | tuple):
            _wrong_kind("is not a list", "a list of arrays", raw, self.field)
        _check_rows(len(raw), rows, self.field)
        try:
            stacked = np.stack(raw) if raw else super().empty()
        except ValueError:
            _wrong_shape("arrays of one shape", ", ".join(str(np.shape(item)) for item in raw[:3]), self.field)
        value = super().check(stacked, rows)
        return raw if value is stacked else list(value)

    def empty(self) -> Any:
        return []


class _Matrix(_Form):
    """A 2-D array whose columns have names and, when it holds objects, types of their own."""

    def __init__(self, schema: Schema) -> None:
        self._schema, dtype = schema, schema.dtype
        kinds = {answer_dtype(field) for field in schema.fields}
        if dtype is None and schema.fields:  # the dtype that holds the values of all fields
            self._dtype = kinds.pop() if len(kinds) == 1 else _OBJECT
        else:
            self._dtype = np.dtype(dtype or "float64")

    def check(self, raw: Any, rows: int) -> Any:
        if not isinstance(raw, np.ndarray):
            _wrong_kind("is not a numpy array", "an array", raw)
        shape = (rows, len(self._schema))
        if raw.shape != shape:
            code = "output.rows" if raw.ndim == 0 or raw.shape[0] != rows else "output.shape"
            _refuse(code, "has another shape", expected=str(shape), found=str(raw.shape))
        return raw if raw.dtype.kind == self._dtype.kind else _cast(raw, self._dtype, self._schema.fields[0])

    def empty(self) -> Array:
        return np.zeros((0, len(self._schema)), self._dtype)


# -- tables, columns of tables and sparse matrices ----------------------------------------------------------------
#
# No library is imported but the one whose objects the original answers with, and only to build one.


def _library(name: str, what: str, module: str = "") -> Any:
    """The library whose objects the original answers with: a fixed name, never one from a file."""
    try:
        return import_module(module or name)
    except ImportError:
        raise MissingExtra.of("output.library", f"the model answers with {what}, and {name} is missing") from None


def _of_tables(schema: Schema) -> Any:
    name = schema.container
    if name not in ("pandas", "polars", "pyarrow"):
        raise OutputError.of("output.type", f"the output schema needs a table of {name}, which has no tables")
    return _library(name, f"a {name} table")


def _is_from(value: object, library: str) -> bool:
    return type(value).__module__.partition(".")[0] == library


_FAMILIES = {"uint": "int", "object": "string", "str": "string", "large_string": "string", "boolean": "bool"}


def _family(dtype: object) -> str:
    """The family of a library's dtype by its name, whatever the width: `Int64`, `int32` and `uint8` are all `int`."""
    match = re.match(r"[a-z_]+", str(dtype).lower())
    word = match[0].removesuffix("_") if match else ""
    return _FAMILIES.get(word, word)


def _families(schema: Schema) -> list[str | None]:
    """The family of each field's dtype in the sample; None where it is not checked."""
    return [_family(field.physical.dtype) if field.physical else None for field in schema.fields]


class _Frame(_Form):
    """A table of some library. The answer of a graph is one matrix, or one array for each column."""

    def __init__(self, schema: Schema) -> None:
        self._schema, self._families = schema, _families(schema)
        self._forms = [_Array(field) for field in schema.fields]

    def check(self, raw: Any, rows: int) -> Any:
        schema = self._schema
        if isinstance(raw, list | np.ndarray):
            raw = self._build(self._columns_of(raw))
        if not _is_from(raw, schema.container):
            _wrong_kind("is not a table", f"a {schema.container} table", raw)
        arrow = hasattr(raw, "column_names")
        _check_names(dict.fromkeys(map(str, raw.column_names if arrow else raw.columns)), schema.names)
        _check_rows(len(raw), rows)
        defects = []
        dtypes = raw.schema.types if arrow else raw.dtypes
        for field, wanted, found in zip(schema.fields, self._families, dtypes, strict=True):
            if wanted is not None and _family(found) != wanted:
                message, seen = "the answer has another type", clip(found)
                defects.append(
                    Defect(code="output.dtype", message=message, field=field.name, expected=wanted, found=seen)
                )
        if defects:
            raise _several(defects)
        return raw

    def _columns_of(self, raw: Any) -> list[Any]:
        columns = list(np.atleast_2d(raw).T) if isinstance(raw, np.ndarray) else raw
        if len(columns) != len(self._forms):
            _wrong_shape(f"{len(self._forms)} columns", shown(raw))
        pairs = zip(self._forms, columns, strict=True)
        return [form.check(np.ascontiguousarray(column), len(column)) for form, column in pairs]

    def _build(self, columns: list[Any]) -> Any:
        library = _of_tables(self._schema)
        seen = [(field.name, field.physical) for field in self._schema.fields]
        labels = [name if known is None or known.label is None else known.label for name, known in seen]
        named = dict(zip(labels, columns, strict=True))
        return library.table(named) if self._schema.container == "pyarrow" else library.DataFrame(named)

    def first(self, value: Any) -> dict[str, Any]:
        if self._schema.container == "pandas":
            cells = [_first_scalar(value.iloc[:, index].array) for index in range(len(self._forms))]
            return dict(zip(self._schema.names, cells, strict=True))
        return dict(value.to_pylist()[0] if self._schema.container == "pyarrow" else value.row(0, named=True))

    def empty(self) -> Any:
        return self._build([form.empty() for form in self._forms])


class _Series(_Array):
    """One column of a library of tables."""

    def __init__(self, schema: Schema) -> None:
        super().__init__(schema.fields[0])
        self._schema, (self._family,) = schema, _families(schema)

    def check(self, raw: Any, rows: int) -> Any:
        name = self._schema.container
        if isinstance(raw, np.ndarray):
            raw = self._wrap(super().check(raw, rows))
        if not _is_from(raw, name):
            _wrong_kind("is not a column", f"of {name}", raw, self.field)
        _check_rows(len(raw), rows, self.field)
        found = raw.type if name == "pyarrow" else raw.dtype
        if self._family is not None and _family(found) != self._family:
            _wrong_type(self._family, found, self.field)
        return raw

    def _wrap(self, values: Array) -> Any:
        library, name = _of_tables(self._schema), self.field.name
        if self._schema.container == "pyarrow":
            return library.array(values)
        return library.Series(**{"name": name, "data" if self._schema.container == "pandas" else "values": values})

    def first(self, value: Any) -> Any:
        if self._schema.container == "pyarrow":
            return value[0].as_py()
        return _first_scalar(value.array if self._schema.container == "pandas" else value)

    def empty(self) -> Any:
        return self._wrap(super().empty())


class _Sparse(_Array):
    """Rows of a sparse matrix; one row stays a matrix of one row, for as a vector it may be enormous."""

    def check(self, raw: Any, rows: int) -> Any:
        field, dtype, columns = self.field, self.dtype, self.trailing[0]
        graph = isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.dtype.kind in _REAL
        value = self._matrix(raw) if graph else raw
        if not (hasattr(value, "tocsr") and hasattr(value, "shape")):
            _wrong_kind("is not a sparse matrix", "a sparse matrix", raw, field)
        _check_rows(value.shape[0], rows, field)
        if columns is not None and value.shape[1] != columns:
            _wrong_shape(f"{columns} columns", value.shape, field)
        if value.dtype != dtype and value.dtype.kind != dtype.kind:
            _wrong_type(str(dtype), str(value.dtype), field)
        return value if value.dtype == dtype else value.astype(dtype)

    def _matrix(self, dense: Any) -> Any:
        sparse = _library("scipy", "a sparse matrix", "scipy.sparse")
        kind = self.field.physical.dtype if self.field.physical else "csr_matrix"
        make = getattr(sparse, kind if kind in SPARSE_KINDS else "csr_matrix")
        return make(np.asarray(dense, dtype=self.dtype))

    def first(self, value: Any) -> Any:
        return value

    def empty(self) -> Any:
        return self._matrix(np.zeros((0, self.trailing[0] or 0)))


def _form(schema: Schema) -> _Form:
    if schema.layout != "array":
        return _LAYOUTS[schema.layout](schema)
    (field,) = schema.fields
    if isinstance(field.type, Tensor) and field.type.sparse:
        return _Sparse(field)
    if schema.container == "list":
        return (_ListOfArrays if isinstance(field.type, Tensor) else _List)(field)
    return _Array(field) if schema.container == "numpy" else _Series(schema)


_LAYOUTS: dict[str, Callable[[Schema], _Form]] = {
    "arrays": _Arrays,
    "columns": _Columns,
    "records": _Records,
    "matrix": _Matrix,
    "frame": _Frame,
}
