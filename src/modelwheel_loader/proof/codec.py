"""Values as strict JSON and back, exactly: the form in which golden examples are stored.

| type            | JSON                                                                                       |
| --------------- | ------------------------------------------------------------------------------------------ |
| bool, integers  | as they are                                                                                |
| floats          | the shortest text that gives the same 64 bits; `"NaN"`, `"Infinity"`, `"-Infinity"` as text |
| text, category  | as they are                                                                                |
| binary          | base64                                                                                     |
| date, timestamp | ISO 8601 in the unit of the type; `Z` after those with a zone                              |
| duration        | the count of the type's unit                                                               |
| decimal         | text                                                                                       |
| list, struct    | a list, an object                                                                          |
| null            | null                                                                                       |

Null is what `null_name` says; NaN among floats is a number.
"""

from __future__ import annotations

import decimal
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opening.types import Binary, Category, DataType, Decimal, Float, List, String, Struct, Tensor
from ..text import shown
from ..validate.batch import Array, null_name
from ..validate.numbers import OVERFLOW

if TYPE_CHECKING:
    from ..opening.schema import Field

Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ISO = re.compile(r"-?\d{4,12}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?")
_DECIMAL = re.compile(r"-?\d{1,80}(\.\d{1,80})?(E[+-]?\d{1,3})?")


class CodecError(ValueError):
    """A value cannot be written, or a text read, as its type requires; the reader or writer adds the place."""


def encoder(kind: DataType) -> Encode:
    """The function that writes one value of `kind` as JSON. Null becomes null; NaN too, except among floats."""
    write, _ = _form(kind)
    numbers = (None, "nan") if isinstance(kind, Float) else (None,)
    return lambda value: write(value) if null_name(value) in numbers else None


def decoder(kind: DataType) -> Decode:
    """The function that reads one value of `kind` from JSON, strictly; raises `CodecError`. Null becomes None."""
    _, read = _form(kind)
    return lambda value: None if value is None else read(value)


def _form(kind: DataType) -> tuple[Encode, Decode]:
    """What writes and what reads one value that is not null."""
    make = _FORMS.get(type(kind)) or _FORMS.get(np.dtype(kind.canonical).kind)
    if make is None or isinstance(kind, Tensor):
        raise CodecError(f"values of type {kind} cannot be inside others")
    return make(kind)


def _of_type(value: Any, *types: type) -> Any:
    if type(value) not in types:
        raise CodecError(f"{shown(value)} is not of type {types[0].__name__}")
    return value


def _booleans(_: DataType) -> tuple[Encode, Decode]:
    return bool, lambda value: _of_type(value, bool)


def _integers(kind: Any) -> tuple[Encode, Decode]:
    low, high = kind.range

    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise CodecError(f"{shown(value)} is not a value of {kind}")
        return value

    return int, read


def _floats(kind: Any) -> tuple[Encode, Decode]:
    def write(value: Any) -> float | str:
        number = float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"

    def read(value: Any) -> float:
        if type(value) is str and value in _SPECIAL:
            return _SPECIAL[value]
        if abs(_of_type(value, float, int)) >= OVERFLOW[kind.bits]:
            raise CodecError(f"{shown(value)} is not a value of {kind}")
        return float(value)

    return write, read


def _write_text(value: Any) -> str:
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CodecError("a text holds half of a surrogate pair, which is not Unicode") from None
    return text


def _texts(_: DataType) -> tuple[Encode, Decode]:
    return _write_text, lambda value: _of_type(value, str)


def _categories(_: DataType) -> tuple[Encode, Decode]:
    def write(value: Any) -> Any:
        plain = value.item() if isinstance(value, np.generic) else value
        return _write_text(plain) if isinstance(plain, str) else plain

    return write, lambda value: _of_type(value, str, int, float, bool)


def _binaries(_: DataType) -> tuple[Encode, Decode]:
    return lambda value: b64encode(value).decode("ascii"), read_base64


def read_base64(value: Any) -> bytes:
    """The bytes that a base64 text holds."""
    try:
        return b64decode(_of_type(value, str), validate=True)
    except ValueError:
        raise CodecError("a text is not base64") from None


def _decimals(_: DataType) -> tuple[Encode, Decode]:
    def read(value: Any) -> decimal.Decimal:
        if not _DECIMAL.fullmatch(_of_type(value, str)):
            raise CodecError(f"{shown(value)} is not a decimal number")
        return decimal.Decimal(value)

    return str, read


def to_datetime64(value: Any, unit: Any) -> Any:
    """A date or time of Python, numpy or pandas as numpy's, in `unit`, in UTC when it has a zone."""
    if isinstance(value, np.datetime64):
        return value.astype(f"datetime64[{unit}]")
    if hasattr(value, "to_datetime64"):  # pandas.Timestamp: nanoseconds, already UTC
        return np.datetime64(value.to_datetime64(), unit)
    if getattr(value, "tzinfo", None) is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(value, unit)


def _moments(kind: DataType) -> tuple[Encode, Decode]:
    """Dates and timestamps."""
    unit: Any = np.datetime_data(kind.canonical)[0]
    suffix = "Z" if getattr(kind, "zone", None) else ""

    def read(value: Any) -> Any:
        text = _of_type(value, str).removesuffix(suffix)
        if not value.endswith(suffix) or not _ISO.fullmatch(text):
            raise CodecError(f"{shown(value)} is not an ISO 8601 time")
        try:
            made = np.datetime64(text, unit)
        except (ValueError, OverflowError, TypeError):  # a day that no month has, or beyond the unit's range
            made = np.datetime64("NaT")
        if str(made) != text:  # numpy wraps around where the unit's range ends
            raise CodecError(f"{shown(value)} is not a time in the unit {unit}")
        return made

    return lambda value: str(to_datetime64(value, unit)) + suffix, read


def _spans(kind: DataType) -> tuple[Encode, Decode]:
    """Lengths of time."""
    unit: Any = np.datetime_data(kind.canonical)[0]

    def write(value: Any) -> int:
        exact = value.to_timedelta64() if hasattr(value, "to_timedelta64") else value  # pandas' has nanoseconds
        return int(np.timedelta64(exact, unit).astype(np.int64))

    def read(value: Any) -> Any:
        if abs(_of_type(value, int)) >= 2**63:
            raise CodecError(f"{shown(value)} is not a value of {kind}")
        return np.timedelta64(value, unit)

    return write, read


def _lists(kind: Any) -> tuple[Encode, Decode]:
    write, read = encoder(kind.item), decoder(kind.item)
    return lambda value: list(map(write, value)), lambda value: list(map(read, _of_type(value, list)))


def _structs(kind: Any) -> tuple[Encode, Decode]:
    fields: tuple[Field, ...] = kind.fields
    writers = {field.name: encoder(field.type) for field in fields}
    readers = {field.name: decoder(field.type) for field in fields}

    def read(value: Any) -> dict[str, Any]:
        if set(_of_type(value, dict)) != set(readers):
            raise CodecError("the names in a struct are not those of its type")
        return {name: read_one(value[name]) for name, read_one in readers.items()}

    return lambda value: {name: write(value.get(name)) for name, write in writers.items()}, read


_FORMS: dict[object, Callable[[Any], tuple[Encode, Decode]]] = {
    String: _texts,
    Binary: _binaries,
    Category: _categories,
    Decimal: _decimals,
    List: _lists,
    Struct: _structs,
    "b": _booleans,
    "i": _integers,
    "u": _integers,
    "f": _floats,
    "M": _moments,
    "m": _spans,
}
"""The JSON forms: by type where numpy holds objects, else by the kind of the canonical dtype."""


# Columns of tensors as JSON and back: dtype from the schema, shape checked against it and against the bytes.
#
# No pickle and no dtype from a file is ever used (THREATS rows 10 and 12).


class SparseRows:
    """A CSR matrix with the attributes of SciPy's that readers use, for where SciPy is not installed."""

    format = "csr"

    def __init__(self, data: Array, indices: Array, indptr: Array, shape: tuple[int, int]) -> None:
        self.data, self.indices, self.indptr, self.shape, self.dtype = data, indices, indptr, shape, data.dtype

    def tocsr(self) -> SparseRows:
        """The matrix itself, as SciPy's CSR matrices answer."""
        return self


def as_scipy(rows: SparseRows) -> Any:
    """The matrix as SciPy's where SciPy is installed, else itself."""
    try:
        from scipy.sparse import csr_matrix
    except ImportError:
        return rows
    return csr_matrix((rows.data, rows.indices, rows.indptr), shape=rows.shape)


def write_tensor(values: Any, kind: Tensor) -> dict[str, Any]:
    """A whole column of tensors, (rows, …), as its shape and the base64 of its little-endian values.

    Of a sparse matrix, SciPy's or `SparseRows`, these are the values of its three arrays.
    """
    if not kind.sparse:
        return {"shape": list(np.shape(values)), "data": _base64(values, kind.dtype)}
    matrix = values.tocsr()
    parts = {"data": kind.dtype, "indices": "int64", "indptr": "int64"}
    texts = {name: _base64(getattr(matrix, name), dtype) for name, dtype in parts.items()}
    return {"shape": [int(axis) for axis in matrix.shape], **texts}


def _base64(values: Any, dtype: str) -> str:
    array = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    return b64encode(array.tobytes()).decode("ascii")


def _read_array(value: Any, dtype: str) -> Array:
    data = read_base64(value)
    kind = np.dtype(dtype).newbyteorder("<")
    if len(data) % kind.itemsize:
        raise CodecError("the bytes are not a whole number of values")
    array: Array = np.frombuffer(data, dtype=kind).astype(dtype)
    if dtype == "bool" and data.strip(b"\x00\x01"):
        raise CodecError("the bytes of Booleans are neither 0 nor 1")
    return array


def read_tensor(value: Any, kind: Tensor, rows: int) -> Any:
    """The column that `write_tensor` wrote: an array, or `SparseRows`. Sizes are checked before anything is shaped."""
    keys = {"shape", "data", "indices", "indptr"} if kind.sparse else {"shape", "data"}
    if not isinstance(value, dict) or set(value) != keys:
        raise CodecError(f"must be an object with {', '.join(sorted(keys))}")
    shape = value["shape"]
    if not isinstance(shape, list) or not all(type(axis) is int and axis >= 0 for axis in shape) or len(shape) > 32:
        raise CodecError("a shape must be a list of lengths")
    right = len(shape) == len(kind.shape) + 1 and shape[0] == rows
    if not right or any(b is not None and a != b for a, b in zip(shape[1:], kind.shape, strict=True)):
        raise CodecError(f"the shape {shown(str(shape))} does not fit {rows} rows of {kind}")
    data = _read_array(value["data"], kind.dtype)
    if kind.sparse:
        return sparse_rows(data, _read_array(value["indices"], "int64"), _read_array(value["indptr"], "int64"), shape)
    if math.prod(shape) != data.size:
        raise CodecError(f"the shape {shown(str(shape))} is not that of {data.size} values")
    return data.reshape(shape)


def sparse_rows(data: Array, indices: Array, indptr: Array, shape: Sequence[int]) -> SparseRows:
    """The matrix of three 1-D arrays, whose indices must point inside: SciPy's compiled code reads where they point."""
    right = indptr.size == shape[0] + 1 and indptr[0] == 0 and indptr[-1] == data.size == indices.size
    if not right or bool((np.diff(indptr) < 0).any()):
        raise CodecError("the row pointers are not those of the values")
    if indices.size and not (int(indices.min()) >= 0 and int(indices.max()) < shape[1]):
        raise CodecError("a column number is outside the matrix")
    return SparseRows(data, indices, indptr, (shape[0], shape[1]))
