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
"""

from __future__ import annotations

import binascii
import decimal
import math
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opening.types import (
    Binary,
    Bool,
    Category,
    DataType,
    Date,
    Decimal,
    Duration,
    Float,
    Integer,
    List,
    String,
    Struct,
    Timestamp,
)
from ..text import shown
from ..validate.numbers import OVERFLOW

if TYPE_CHECKING:
    from ..opening.types import Tensor


Encode = Callable[[Any], Any]
Decode = Callable[[Any], Any]

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NULL_TYPES = frozenset({"NoneType", "NaTType", "NAType"})
_ISO = re.compile(r"-?\d{4,12}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?")
_DECIMAL = re.compile(r"-?\d{1,80}(\.\d{1,80})?(E[+-]?\d{1,3})?")


class CodecError(ValueError):
    """A value cannot be written, or a text read, as its type demands; the reader or writer adds the place."""


def is_null(value: object) -> bool:
    """Whether `value` is None, NaT or NA. NaN is a number here."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return type(value).__name__ in _NULL_TYPES


def is_nan(value: object) -> bool:
    """Whether `value` is a float that is not a number."""
    return isinstance(value, float) and value != value  # noqa: PLR0124 - NaN differs from itself


def encoder(kind: DataType) -> Encode:
    """The function that writes one value of `kind` as JSON. Null becomes null; NaN too, except among floats."""
    write = _writer(kind)
    if isinstance(kind, Float):
        return lambda value: None if is_null(value) else write(value)
    return lambda value: None if is_null(value) or is_nan(value) else write(value)


def _writer(kind: DataType) -> Encode:
    if type(kind) not in _WRITERS:
        raise CodecError(f"values of type {kind} cannot be written inside others")
    return _WRITERS[type(kind)](kind)


def _list_writer(kind: List) -> Encode:
    item = encoder(kind.item)
    return lambda value: [item(part) for part in value]


def _struct_writer(kind: Struct) -> Encode:
    inner = {field.name: encoder(field.type) for field in kind.fields}
    return lambda value: {name: write(value.get(name)) for name, write in inner.items()}


def _write_float(value: Any) -> float | str:
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"  # noqa: PLR0124 - NaN differs


def _write_text(value: Any) -> str:
    text = str(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise CodecError("a text holds half of a surrogate pair, which is no Unicode text") from None
    return text


def _write_category(value: Any) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    return _write_text(plain) if isinstance(plain, str) else plain


def to_datetime64(value: Any, kind: Timestamp) -> Any:
    """A datetime of Python, numpy or pandas as numpy's, in the unit of `kind`, in UTC when it has a zone."""
    if isinstance(value, np.datetime64):
        return value.astype(f"datetime64[{kind.unit}]")
    if hasattr(value, "to_datetime64"):  # pandas.Timestamp: nanoseconds, already UTC
        return np.datetime64(value.to_datetime64(), kind.unit)
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(value, kind.unit)


def _to_timedelta64(value: Any, kind: Duration) -> np.timedelta64:
    exact = value.to_timedelta64() if hasattr(value, "to_timedelta64") else value  # pandas.Timedelta has nanoseconds
    return np.timedelta64(exact, kind.unit)


_WRITERS: dict[type[DataType], Callable[[Any], Encode]] = {
    Bool: lambda _: bool,
    Integer: lambda _: int,
    Float: lambda _: _write_float,
    String: lambda _: _write_text,
    Binary: lambda _: lambda value: b64encode(value).decode("ascii"),
    Date: lambda _: lambda value: str(np.datetime64(value, "D")),
    Timestamp: lambda kind: lambda value: str(to_datetime64(value, kind)) + ("Z" if kind.zone else ""),
    Duration: lambda kind: lambda value: int(_to_timedelta64(value, kind).astype(np.int64)),
    Decimal: lambda _: str,
    Category: lambda _: _write_category,
    List: _list_writer,
    Struct: _struct_writer,
}


def decoder(kind: DataType) -> Decode:
    """The function that reads one value of `kind` from JSON, strictly; raises `CodecError`. Null becomes None."""
    read = _reader(kind)
    return lambda value: None if value is None else read(value)


def _reader(kind: DataType) -> Decode:
    if type(kind) not in _READERS:
        raise CodecError(f"values of type {kind} cannot be read inside others")
    return _READERS[type(kind)](kind)


def _of_type(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise CodecError(f"{shown(value)} is no {kind.__name__}")
    return value


def _read_integer(value: Any, kind: Integer) -> int:
    low, high = kind.range
    if type(value) is not int or not low <= value <= high:
        raise CodecError(f"{shown(value)} is no {kind}")
    return value


def _read_float(value: Any, kind: Float) -> float:
    if type(value) is str and value in _SPECIAL:
        return _SPECIAL[value]
    if type(value) not in (int, float):
        raise CodecError(f"{shown(value)} is no number")
    if abs(value) >= OVERFLOW[kind.bits]:
        raise CodecError(f"{shown(value)} is no {kind}")
    return float(value)


def read_base64(value: Any) -> bytes:
    """The bytes that a base64 text holds."""
    try:
        return b64decode(_of_type(value, str), validate=True)
    except (binascii.Error, ValueError):
        raise CodecError("a text is not base64") from None


def _read_time(value: Any, unit: str, suffix: str) -> np.datetime64:
    text = _of_type(value, str)
    if not text.endswith(suffix) or not _ISO.fullmatch(text.removesuffix(suffix)):
        raise CodecError(f"{shown(value)} is no ISO 8601 time")
    day: Any = np.datetime64  # numpy's annotations want the unit as a literal
    try:
        made: np.datetime64 = day(text.removesuffix(suffix), unit)
    except (ValueError, OverflowError, TypeError):  # a day that no month has, or beyond the unit's range
        made = np.datetime64("NaT")
    if str(made) != text.removesuffix(suffix):  # numpy wraps around where the unit's range ends
        raise CodecError(f"{shown(value)} is no time in the unit {unit}")
    return made


def _read_decimal(value: Any) -> decimal.Decimal:
    if not _DECIMAL.fullmatch(_of_type(value, str)):
        raise CodecError(f"{shown(value)} is no decimal number")
    return decimal.Decimal(value)


def _read_category(value: Any) -> Any:
    if type(value) not in (str, int, float, bool):
        raise CodecError(f"{shown(value)} is no value of a category")
    return value


def _read_struct(value: dict[str, Any], inner: Mapping[str, Decode]) -> dict[str, Any]:
    if set(value) != set(inner):
        raise CodecError("the names in a struct are not those of its type")
    return {name: read(value[name]) for name, read in inner.items()}


def _list_reader(kind: List) -> Decode:
    item = decoder(kind.item)
    return lambda value: [item(part) for part in _of_type(value, list)]


def _struct_reader(kind: Struct) -> Decode:
    inner = {field.name: decoder(field.type) for field in kind.fields}
    return lambda value: _read_struct(_of_type(value, dict), inner)


_READERS: dict[type[DataType], Callable[[Any], Decode]] = {
    Bool: lambda _: lambda value: _of_type(value, bool),
    Integer: lambda kind: lambda value: _read_integer(value, kind),
    Float: lambda kind: lambda value: _read_float(value, kind),
    String: lambda _: lambda value: _of_type(value, str),
    Binary: lambda _: read_base64,
    Date: lambda _: lambda value: _read_time(value, "D", ""),
    Timestamp: lambda kind: lambda value: _read_time(value, kind.unit, "Z" if kind.zone else ""),
    Duration: lambda kind: lambda value: np.timedelta64(_read_integer(value, Integer()), kind.unit),
    Decimal: lambda _: _read_decimal,
    Category: lambda _: _read_category,
    List: _list_reader,
    Struct: _struct_reader,
}


# Columns of tensors as JSON and back: dtype from the schema, shape checked against it and against the bytes.
#
# No pickle and no dtype from a file is ever used (THREATS rows 10 and 12).


Array = np.ndarray[Any, Any]


class SparseRows:
    """A CSR matrix with the attributes that readers of SciPy's look at, for where SciPy is not installed."""

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
    """A whole column of tensors: (rows, …), as its shape and the base64 of its little-endian values."""
    return {"shape": list(np.shape(values)), "data": _base64(values, kind.dtype)}


def write_sparse(values: Any, kind: Tensor) -> dict[str, Any]:
    """A sparse matrix of SciPy, or `SparseRows`, as its three arrays."""
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
        raise CodecError("the bytes are no whole number of values")
    array: Array = np.frombuffer(data, dtype=kind).astype(dtype)
    if dtype == "bool" and data.strip(b"\x00\x01"):
        raise CodecError("the bytes of Booleans are neither 0 nor 1")
    return array


def read_tensor(value: Any, kind: Tensor, rows: int) -> Array:
    """The column that `write_tensor` wrote. The size is checked before anything is shaped."""
    entry = _exactly(value, {"shape", "data"})
    shape = _read_shape(entry["shape"])
    right = len(shape) == len(kind.shape) + 1 and shape[0] == rows
    if not right or any(b is not None and a != b for a, b in zip(shape[1:], kind.shape, strict=True)):
        raise CodecError(f"the shape {shown(str(shape))} does not fit {rows} rows of {kind}")
    array = _read_array(entry["data"], kind.dtype)
    if math.prod(shape) != array.size:
        raise CodecError(f"the shape {shown(str(shape))} is not that of {array.size} values")
    return array.reshape(shape)


def read_sparse(value: Any, kind: Tensor, rows: int) -> SparseRows:
    """The column that `write_sparse` wrote, its structure checked."""
    entry = _exactly(value, {"shape", "data", "indices", "indptr"})
    shape = _read_shape(entry["shape"])
    if len(shape) != 2 or shape[0] != rows or kind.shape[0] not in (None, shape[1]):
        raise CodecError(f"the shape {shown(str(shape))} does not fit {rows} rows of {kind}")
    data = _read_array(entry["data"], kind.dtype)
    indices, indptr = _read_array(entry["indices"], "int64"), _read_array(entry["indptr"], "int64")
    right = indptr.size == rows + 1 and indptr[0] == 0 and indptr[-1] == data.size == indices.size
    if not right or bool((np.diff(indptr) < 0).any()):
        raise CodecError("the row pointers are not those of the values")
    if indices.size and not (int(indices.min()) >= 0 and int(indices.max()) < shape[1]):
        raise CodecError("a column number is outside the matrix")
    return SparseRows(data, indices, indptr, (shape[0], shape[1]))


def _exactly(value: Any, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != keys:
        raise CodecError(f"must be an object with {', '.join(sorted(keys))}")
    return value


def _read_shape(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(axis) is int and axis >= 0 for axis in value) or len(value) > 32:
        raise CodecError("a shape must be a list of lengths")
    return tuple(value)
