"""Columns of tensors as JSON and back: dtype from the schema, shape checked against it and against the bytes.

No pickle and no dtype from a file is ever used (THREATS rows 10 and 12).
"""

from __future__ import annotations

import math
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

from ..text import shown
from .codec import CodecError, read_base64

if TYPE_CHECKING:
    from ..contract.types import Tensor

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
