"""One named answer of a model: its checks, its conversion from what a runtime gives, and its value for a single row.

A check costs about a microsecond for one row and never walks numbers, unless the schema says what they must be: an
inferred output is nullable and may be infinite, for a model may answer NaN tomorrow that did not in the sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..defects import Defect
from ..errors import MissingExtra, OutputError
from ..opening.types import Binary, Bool, DataType, Float, Integer, List, String, Struct, Tensor
from ..text import clip, shown

if TYPE_CHECKING:
    from ..opening.schema import Field, Schema


Array = np.ndarray[Any, Any]
Check = Callable[[Any, int], Any]
First = Callable[[Any], Any]

_OBJECT = np.dtype(object)
_STR = np.dtype(str)
_BYTES = np.dtype(bytes)
_REAL = "biuf"
_TIMES = "mM"
_PYTHON_TYPES: dict[type[DataType], tuple[type, ...]] = {
    Bool: (bool, np.bool_),
    Integer: (int, np.integer),
    Float: (float, int, np.floating, np.integer),
    String: (str,),
    Binary: (bytes,),
    List: (list, tuple, np.ndarray),
    Struct: (dict,),
}
_NULL_TYPES = frozenset({"NoneType", "float", "NaTType", "NAType"})


def refuse(code: str, message: str, field: Field | None = None, **details: str) -> NoReturn:
    """Raise the `OutputError` for one answer."""
    raise OutputError.of(code, message, field=field.name if field else None, **details)


def answer_dtype(field: Field) -> np.dtype[Any]:
    """The numpy dtype in which `field` is answered; `str` and `bytes` have no width."""
    physical = field.physical.dtype if field.physical else ""
    if physical == "str_" and isinstance(field.type, String):
        return _STR
    if physical == "bytes_" and isinstance(field.type, Binary):
        return _BYTES
    return _OBJECT if physical == "object" else np.dtype(field.type.canonical)


def trailing_shape(field: Field) -> tuple[int | None, ...]:
    """The shape of one row's answer: `()` for a scalar."""
    return field.type.shape if isinstance(field.type, Tensor) else ()


def compile_array(field: Field) -> tuple[Check, First]:
    """For an answer that is one numpy array: its check, and what a single row's caller gets of it."""
    dtype, trailing = answer_dtype(field), trailing_shape(field)
    look = _compile_look(field, dtype)
    fixed = None not in trailing
    axes = len(trailing) + 1

    def check(value: Any, rows: int) -> Any:
        right = (
            type(value) is np.ndarray
            and value.ndim == axes
            and value.shape[0] == rows
            and (value.dtype == dtype or (dtype.itemsize == 0 and value.dtype.kind == dtype.kind))
            and (value.shape[1:] == trailing or (not fixed and _fits(value.shape[1:], trailing)))
        )
        if not right:
            value = _adapt(value, rows, field, dtype, trailing)
        return value if look is None else look(value)

    return check, _first_row if trailing else first_scalar


def _first_row(value: Any) -> Any:
    return value[0]


def first_scalar(value: Any) -> Any:
    """The one element as a Python scalar; times in nanoseconds stay numpy's, for Python has none so fine."""
    item = value[0]
    if isinstance(item, np.generic):
        plain = item.item()
        return item if item.dtype.kind in _TIMES and isinstance(plain, int) else plain
    return item


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(b is None or a == b for a, b in zip(shape, wanted, strict=True))


def _adapt(value: Any, rows: int, field: Field, dtype: np.dtype[Any], trailing: tuple[int | None, ...]) -> Array:
    """`value` in the shape and dtype of the original's answer: a graph answers (n, 1) for (n,), or float32."""
    if not isinstance(value, np.ndarray):
        refuse("output.type", "the answer is no numpy array", field, expected="an array", found=shown(value))
    if value.ndim == 0 or value.shape[0] != rows:
        found = f"shape {value.shape}"
        refuse("output.rows", "the answer has another number of rows", field, expected=f"{rows} rows", found=found)
    if not _fits(value.shape[1:], trailing):
        inner = [axis for axis in value.shape[1:] if axis != 1]
        if inner != [axis for axis in trailing if axis != 1] or None in trailing:
            expected = f"({', '.join('*' if axis is None else str(axis) for axis in (rows, *trailing))})"
            refuse("output.shape", "the answer has another shape", field, expected=expected, found=str(value.shape))
        value = value.reshape(rows, *[axis for axis in trailing if axis is not None])
    return cast(np.asarray(value), dtype, field)


def cast(value: Array, dtype: np.dtype[Any], field: Field) -> Array:
    """`value` as `dtype`. Floats change their width as floats do; every other change must keep each value."""
    source = value.dtype
    if source == dtype or (dtype.itemsize == 0 and source.kind == dtype.kind):
        return value
    if source.kind == "f" and dtype.kind == "f":
        return value.astype(dtype)
    if dtype == _OBJECT and source.kind in "US":
        return value.astype(object)
    if source == _OBJECT and dtype.kind in "US" and _all_of(value, str if dtype.kind == "U" else bytes):
        return value.astype(dtype)
    if (source.kind in _REAL and dtype.kind in _REAL) or (source.kind == dtype.kind and dtype.kind in _TIMES):
        with np.errstate(all="ignore"):
            made = value.astype(dtype)
            back = made.astype(source)
        if np.array_equal(back, value) and np.array_equal(made < 0, value < 0):
            return made
    if dtype == _OBJECT and source.kind in _REAL and isinstance(field.type, Bool | Integer | Float):
        return cast(value, np.dtype(field.type.canonical), field).astype(object)
    refuse("output.dtype", "the answer is of another type", field, expected=_named(dtype, field), found=str(source))


def _all_of(value: Array, kind: type) -> bool:
    return all(isinstance(item, kind) for item in value.flat)


def _named(dtype: np.dtype[Any], field: Field) -> str:
    return str(field.type) if dtype.kind in "OUS" else str(dtype)


def _compile_look(field: Field, dtype: np.dtype[Any]) -> Callable[[Array], Array] | None:
    """What must be looked at in the values themselves; None when nothing must."""
    if dtype == _OBJECT:
        return _compile_objects(field)
    if dtype.kind not in _REAL:
        return None
    finite = dtype.kind == "f" and not (field.nullable and field.allow_infinity)
    if not finite and field.minimum is None and field.maximum is None:
        return None

    def look(value: Array) -> Array:
        if finite:
            _check_finite(value, field)
        _check_bounds(value, field)
        return value

    return look


def _check_finite(value: Array, field: Field) -> None:
    if np.isfinite(value).all():
        return
    if not field.nullable and np.isnan(value).any():
        refuse("output.null", "the answer holds NaN", field, expected="numbers")
    if not field.allow_infinity and np.isinf(value).any():
        refuse("output.infinite", "the answer holds an infinite number", field, expected="finite numbers")


def _check_bounds(value: Array, field: Field) -> None:
    low, high = field.minimum, field.maximum
    if value.size == 0 or isinstance(low, str) or isinstance(high, str):
        return
    if low is not None and bool((value < low).any()):
        refuse(
            "output.range",
            "the answer is too small",
            field,
            expected=f"at least {low}",
            found=shown(value.min().item()),
        )
    if high is not None and bool((value > high).any()):
        refuse(
            "output.range",
            "the answer is too large",
            field,
            expected=f"at most {high}",
            found=shown(value.max().item()),
        )


def _compile_objects(field: Field) -> Callable[[Array], Array] | None:
    wanted = _PYTHON_TYPES.get(type(field.type))
    if wanted is None:
        return None
    known = set(wanted)  # grows by what was judged once

    def look(value: Array) -> Array:
        kinds = set(map(type, value.tolist() if value.ndim == 1 else value.ravel().tolist()))
        if not kinds <= known:
            check_types(kinds - known, wanted, field)
            known.update(kind for kind in kinds if issubclass(kind, wanted))
        return value

    return look


def check_types(kinds: set[type], wanted: tuple[type, ...], field: Field) -> None:
    """Refuse Python types that are not `wanted`; null is accepted where the field is nullable."""
    for kind in kinds:
        right = issubclass(kind, wanted) and (kind is not bool or isinstance(field.type, Bool))
        if not right and not (field.nullable and kind.__name__ in _NULL_TYPES):
            refuse(
                "output.dtype",
                "the answer is of another type",
                field,
                expected=str(field.type),
                found=clip(kind.__name__),
            )


def python_types(field: Field) -> tuple[type, ...] | None:
    """The Python types whose values `field` answers; None when that is not checked."""
    return _PYTHON_TYPES.get(type(field.type))


_FAMILIES = {"uint": "int", "object": "string", "str": "string", "large_string": "string", "boolean": "bool"}
_WORD = r"[a-z_]+"


def family(dtype: object) -> str:
    """The kind of a library's dtype by its name, whatever the width: `Int64`, `int32` and `uint8` are all `int`."""
    match = re.match(_WORD, str(dtype).lower())
    word = match[0].removesuffix("_") if match else ""
    return _FAMILIES.get(word, word)


def several(defects: list[Defect]) -> OutputError:
    """All defects of an answer as one error."""
    return OutputError(defects[0].message if len(defects) == 1 else "the answers do not fit the output schema", defects)


def check_names(raw: Any, names: tuple[str, ...]) -> None:
    """Refuse an answer whose names are not those of the schema, in any order."""
    if not isinstance(raw, Mapping):
        refuse("output.type", "the answer has no names", expected="a dict", found=shown(raw))
    if tuple(raw) == names or (len(raw) == len(names) and set(raw) == set(names)):
        return
    missing = [name for name in names if name not in raw]
    more = [name for name in raw if name not in names]
    defects = [Defect(code="output.names", message="is missing in the answer", field=name) for name in missing]
    defects += [Defect(code="output.names", message="is not in the schema", field=clip(name, 80)) for name in more]
    raise several(defects)


def is_sparse(field: Field) -> bool:
    """Whether `field` is answered as a sparse matrix."""
    return isinstance(field.type, Tensor) and field.type.sparse


# Checks a model's answer against its output schema, cheaply, and gives it as the original did.
#
# Many rows come back in the original's container. One row comes back as people expect it: Python scalars, one-axis
# arrays for vectors, and a dict of those where the answers have names.


Answer = Callable[[Any, int, bool], Any]


def compile_output(schema: Schema) -> Answer:
    """A function of (what the model answered, how many rows were asked, whether the caller passed one bare row).

    It returns the checked answer, or raises `OutputError` with every defect. Answers of a graph are converted to what
    the original gives: float32 to float64, text to the original's text dtype, (n, 1) to (n,).
    """
    return _COMPILERS[schema.layout](schema)


def empty_output(schema: Schema) -> Any:
    """The answer for no rows, in the original's container."""
    arrays = [np.zeros((0, *(axis or 0 for axis in trailing_shape(f))), answer_dtype(f)) for f in schema.fields]
    match schema.layout:
        case "array" if is_sparse(schema.fields[0]):
            return csr(np.zeros((0, width(schema.fields[0]))), schema.fields[0])
        case "array" if schema.container == "list":
            return []
        case "array":
            return wrap_series(arrays[0], schema)
        case "arrays":
            return arrays
        case "columns":
            return dict(zip(schema.names, arrays, strict=True))
        case "records":
            return []
        case "matrix":
            return np.zeros((0, len(arrays)), _matrix_dtype(schema))
    return build_frame(arrays, schema)


def _compile_one(schema: Schema) -> Answer:
    """Layout `array`."""
    (field,) = schema.fields
    check: Check
    first: First
    if is_sparse(field):
        check, first = compile_sparse(field)
    elif schema.container == "list":
        check, first = _compile_list(field)
    elif schema.container == "numpy":
        check, first = compile_array(field)
    else:
        check, first = compile_series(schema)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001 - called once per prediction, by position
        value = check(raw, rows)
        return first(value) if single else value

    return answer


def _compile_many(schema: Schema) -> tuple[Callable[[list[Any], int], list[Any]], list[First]]:
    """The checks of several arrays, which collect all defects; and the way to the first row of each."""
    pairs = [compile_array(field) for field in schema.fields]
    checks = [check for check, _ in pairs]

    def check_all(values: list[Any], rows: int) -> list[Any]:
        try:
            return [check(value, rows) for check, value in zip(checks, values, strict=True)]
        except OutputError:
            defects: list[Defect] = []
            for check, value in zip(checks, values, strict=True):
                try:
                    check(value, rows)
                except OutputError as error:
                    defects += error.defects
            raise several(defects) from None

    return check_all, [first for _, first in pairs]


def _compile_arrays(schema: Schema) -> Answer:
    check_all, firsts = _compile_many(schema)
    wanted = len(schema.fields)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        values = [raw] if isinstance(raw, np.ndarray) and wanted == 1 else raw
        if not isinstance(values, list | tuple) or len(values) != wanted:
            refuse(
                "output.type", "the answer has another number of parts", expected=f"{wanted} arrays", found=shown(raw)
            )
        checked = check_all(list(values), rows)
        return [first(value) for first, value in zip(firsts, checked, strict=True)] if single else checked

    return answer


def _compile_columns(schema: Schema) -> Answer:
    check_all, firsts = _compile_many(schema)
    names = schema.names

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        if isinstance(raw, list | np.ndarray):  # a graph's answers have the schema's order
            raw = dict(zip(names, [raw] if isinstance(raw, np.ndarray) else raw, strict=False))
        check_names(raw, names)
        checked = check_all([raw[name] for name in names], rows)
        if single:
            return {name: first(value) for name, first, value in zip(names, firsts, checked, strict=True)}
        return dict(zip(names, checked, strict=True))

    return answer


def _compile_records(schema: Schema) -> Answer:
    names = schema.names

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        if not isinstance(raw, list | tuple):
            refuse("output.type", "the answer is no list", expected="a list of dicts", found=shown(raw))
        if len(raw) != rows:
            refuse("output.rows", "the answer has another number of rows", expected=f"{rows}", found=f"{len(raw)}")
        for record in raw:
            check_names(record, names)
        for field in schema.fields:
            _check_items([record[field.name] for record in raw], field)
        return raw[0] if single else raw

    return answer


def _check_items(values: list[Any], field: Field) -> None:
    wanted = python_types(field)
    if wanted is not None:
        check_types(set(map(type, values)), wanted, field)


def _compile_list(field: Field) -> tuple[Check, First]:
    def check(raw: Any, rows: int) -> Any:
        values = raw.tolist() if isinstance(raw, np.ndarray) and raw.ndim == 1 else raw
        if not isinstance(values, list | tuple):
            refuse("output.type", "the answer is no list", field, expected="a list", found=shown(raw))
        if len(values) != rows:
            refuse(
                "output.rows",
                "the answer has another number of rows",
                field,
                expected=f"{rows}",
                found=f"{len(values)}",
            )
        _check_items(list(values), field)
        return values

    return check, _first_item


def _first_item(values: Any) -> Any:
    return values[0]


def _matrix_dtype(schema: Schema) -> np.dtype[Any]:
    """The dtype of a matrix; of one without a dtype of its own, that which holds the values of all its fields."""
    if schema.dtype is not None or not schema.fields:
        return np.dtype(schema.dtype or "float64")
    kinds = {answer_dtype(field) for field in schema.fields}
    return kinds.pop() if len(kinds) == 1 else np.dtype(object)


def _compile_matrix(schema: Schema) -> Answer:
    """A 2-D array whose columns have names and, when it holds objects, types of their own."""
    wanted = len(schema.fields)
    dtype = _matrix_dtype(schema)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        if not isinstance(raw, np.ndarray):
            refuse("output.type", "the answer is no numpy array", expected="an array", found=shown(raw))
        if raw.shape != (rows, wanted):
            code = "output.rows" if raw.ndim == 0 or raw.shape[0] != rows else "output.shape"
            refuse(code, "the answer has another shape", expected=str((rows, wanted)), found=str(raw.shape))
        if raw.dtype.kind != dtype.kind:
            raw = cast(raw, dtype, schema.fields[0])
        return raw[0] if single else raw

    return answer


def _compile_frame(schema: Schema) -> Answer:

    check, first = compile_frame(schema)

    def answer(raw: Any, rows: int, single: bool) -> Any:  # noqa: FBT001
        value = check(raw, rows)
        return first(value) if single else value

    return answer


_COMPILERS: dict[str, Callable[[Schema], Answer]] = {
    "array": _compile_one,
    "arrays": _compile_arrays,
    "columns": _compile_columns,
    "records": _compile_records,
    "matrix": _compile_matrix,
    "frame": _compile_frame,
}


# -- tables, columns of tables and sparse matrices ---------------------------------------------------------------
#
# No library is imported but the one whose objects the original answers with, and only to build one.


_FORMS = ("csr", "csc", "coo", "bsr", "lil", "dok", "dia")
SPARSE_KINDS = tuple(f"{form}_{kind}" for form in _FORMS for kind in ("matrix", "array"))
"""The classes of `scipy.sparse` that an answer may be of, by name."""


def compile_frame(schema: Schema) -> tuple[Check, First]:
    """For an answer that is a table."""
    families = [family(field.physical.dtype) if field.physical else None for field in schema.fields]

    def check(raw: Any, rows: int) -> Any:
        if isinstance(raw, list | np.ndarray):
            raw = build_frame(_columns_of(raw, schema), schema)
        _check_frame(raw, rows, schema, families)
        return raw

    return check, lambda value: _first_record(value, schema)


def _columns_of(raw: Any, schema: Schema) -> list[Any]:
    """The columns in a graph's answer, which is one matrix or one array per column."""
    columns = list(np.atleast_2d(raw).T) if isinstance(raw, np.ndarray) else raw
    if len(columns) != len(schema.fields):
        refuse(
            "output.shape", "the answer has another shape", expected=f"{len(schema.fields)} columns", found=shown(raw)
        )
    checks = [compile_array(field)[0] for field in schema.fields]
    return [check(np.ascontiguousarray(column), len(column)) for check, column in zip(checks, columns, strict=True)]


def _check_frame(raw: Any, rows: int, schema: Schema, families: list[str | None]) -> None:
    if type(raw).__module__.partition(".")[0] != schema.container:
        refuse("output.type", "the answer is no table", expected=f"a {schema.container} table", found=shown(raw))
    check_names(dict.fromkeys(map(str, _labels(raw))), schema.names)
    if len(raw) != rows:
        refuse("output.rows", "the answer has another number of rows", expected=f"{rows}", found=f"{len(raw)}")
    defects = []
    for field, wanted, found in zip(schema.fields, families, _dtypes(raw), strict=True):
        if wanted is not None and family(found) != wanted:
            message = "the answer is of another type"
            details = Defect(code="output.dtype", message=message, field=field.name, expected=wanted, found=clip(found))
            defects.append(details)
    if defects:
        raise several(defects)


def _labels(frame: Any) -> list[Any]:
    return list(frame.column_names if hasattr(frame, "column_names") else frame.columns)


def _dtypes(frame: Any) -> list[Any]:
    return list(frame.schema.types if hasattr(frame, "column_names") else frame.dtypes)


def _first_record(frame: Any, schema: Schema) -> dict[str, Any]:
    if schema.container == "pandas":
        cells = [first_scalar(frame.iloc[:, index].array) for index in range(len(schema.fields))]
        return dict(zip(schema.names, cells, strict=True))
    record = frame.to_pylist()[0] if schema.container == "pyarrow" else frame.row(0, named=True)
    return dict(record)


def build_frame(columns: list[Any], schema: Schema) -> Any:
    """A table of `schema.container` with these columns, for an answer that a graph gave."""
    library = _library(schema)
    labels = [_label(field) for field in schema.fields]
    named = dict(zip(labels, columns, strict=True))
    return library.table(named) if schema.container == "pyarrow" else library.DataFrame(named)


def _label(field: Field) -> str | int:
    return field.name if field.physical is None or field.physical.label is None else field.physical.label


def _library(schema: Schema) -> Any:
    """The library whose tables the original answers: a fixed name from the schema's list, never one from a file."""
    name = schema.container
    if name not in ("pandas", "polars", "pyarrow"):
        refuse("output.type", f"the output schema wants a table of {name}, which has none")
    try:
        return import_module(name)
    except ImportError:
        message = f"the model answers with a {name} table, and {name} is missing"
        raise MissingExtra.of("output.library", message) from None


def compile_series(schema: Schema) -> tuple[Check, First]:
    """For an answer that is one column of a library of tables."""
    (field,) = schema.fields
    wanted = family(field.physical.dtype) if field.physical else None

    def check(raw: Any, rows: int) -> Any:
        if isinstance(raw, np.ndarray):
            raw = wrap_series(compile_array(field)[0](raw, rows), schema)
        if type(raw).__module__.partition(".")[0] != schema.container:
            refuse("output.type", "the answer is no column", field, expected=f"of {schema.container}", found=shown(raw))
        if len(raw) != rows:
            refuse(
                "output.rows", "the answer has another number of rows", field, expected=f"{rows}", found=f"{len(raw)}"
            )
        found = raw.type if schema.container == "pyarrow" else raw.dtype
        if wanted is not None and family(found) != wanted:
            refuse("output.dtype", "the answer is of another type", field, expected=wanted, found=clip(found))
        return raw

    def first(value: Any) -> Any:
        if schema.container == "pyarrow":
            return value[0].as_py()
        return first_scalar(value.array if schema.container == "pandas" else value)

    return check, first


def wrap_series(values: Any, schema: Schema) -> Any:
    """An array as the column that the original gives."""
    (field,) = schema.fields
    if schema.container in ("numpy", "list"):
        return values
    library = _library(schema)
    if schema.container == "pyarrow":
        return library.array(values)
    return (
        library.Series(values, name=field.name) if schema.container == "pandas" else library.Series(field.name, values)
    )


def width(field: Field) -> int:
    """The number of columns of a sparse answer."""
    return trailing_shape(field)[0] or 0


def compile_sparse(field: Field) -> tuple[Check, First]:
    """Rows of a sparse matrix; one row stays a matrix of one row, for as a vector it may be enormous."""
    dtype, (columns,) = answer_dtype(field), trailing_shape(field)

    def check(raw: Any, rows: int) -> Any:
        graph = isinstance(raw, np.ndarray) and raw.ndim == 2 and raw.dtype.kind in "biuf"
        value = csr(raw, field) if graph else raw
        if not (hasattr(value, "tocsr") and hasattr(value, "shape")):
            refuse("output.type", "the answer is no sparse matrix", field, expected="a sparse matrix", found=shown(raw))
        if value.shape[0] != rows:
            refuse(
                "output.rows",
                "the answer has another number of rows",
                field,
                expected=f"{rows}",
                found=str(value.shape),
            )
        if columns is not None and value.shape[1] != columns:
            refuse(
                "output.shape",
                "the answer has another shape",
                field,
                expected=f"{columns} columns",
                found=str(value.shape),
            )
        if value.dtype != dtype and value.dtype.kind != dtype.kind:
            refuse("output.dtype", "the answer is of another type", field, expected=str(dtype), found=str(value.dtype))
        return value if value.dtype == dtype else value.astype(dtype)

    return check, lambda value: value


def csr(dense: Any, field: Field) -> Any:
    """A dense answer as the sparse matrix that the original gives."""
    try:
        sparse: Any = import_module("scipy.sparse")
    except ImportError:
        raise MissingExtra.of(
            "output.library", "the model answers with a sparse matrix, and scipy is missing"
        ) from None
    kind = field.physical.dtype if field.physical else "csr_matrix"
    make = getattr(sparse, kind if kind in SPARSE_KINDS else "csr_matrix")
    return make(np.asarray(dense, dtype=answer_dtype(field)))
