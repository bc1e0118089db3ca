"""Values, batches and errors on their way between a caller and its worker: JSON trees, and the memory of arrays."""

from __future__ import annotations

import builtins
import datetime as dt
import decimal
import math
import re
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors
from ..defects import Defect
from ..errors import InputError, ModelwheelError, OutputError
from ..proof.codec import SparseRows, as_scipy
from ..show.codes import CODES
from ..text import clip, safe, shown
from ..validate.batch import Array, Batch, Column, is_null, objects

if TYPE_CHECKING:
    from ..opening.schema import Schema

ALIGNMENT = 64


class Buffers:
    """The memory that goes beside a tree: pieces with their place, each aligned for numpy."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, Any]] = []
        self.size = 0

    def add(self, piece: Any, size: int) -> int:
        """Put down a piece (bytes, or an array of `size` bytes, or a list of such in one row) and give its place."""
        start = -(-self.size // ALIGNMENT) * ALIGNMENT
        self.pieces.append((start, piece))
        self.size = start + size
        return start

    def write(self, target: memoryview) -> None:
        """Copy all pieces to their places."""
        for start, piece in self.pieces:
            if isinstance(piece, bytes):
                target[start : start + len(piece)] = piece
            elif isinstance(piece, list):
                first = piece[0]
                np.concatenate(piece, out=np.frombuffer(target, first.dtype, len(piece) * len(first), start))
            else:
                place: Array = np.frombuffer(target, piece.dtype, piece.size, start)
                np.copyto(place.reshape(piece.shape), piece)


# Nothing is pickled, so what comes from a worker can only ever become data. Arrays are raw memory with a dtype from a
# fixed list. A tree is a JSON scalar, or an object with one key that says what it is:
#
# | key | value |
# | --- | ----- |
# | `a` | an array: dtype, shape, order (`C` or `F`), where its bytes begin |
# | `t` | an array of texts: shape, where the bytes begin, how many (UTF-8, separated by NUL) |
# | `o` | an array of other objects: shape, the tree of the list of them |
# | `n` | a numpy scalar: the tree of the array of no axes |
# | `p` | a list of JSON scalars, as it is |
# | `l`, `u` | a list, a tuple: of trees |
# | `d` | a dict: a list of keys and a list of values, as trees |
# | `b`, `D`, `date`, `time`, `T`, `s` | bytes (base64), Decimal, date, time, datetime (ISO 8601), timedelta |
# | `csr` | a sparse matrix: SciPy's class, shape, and the trees of data, indices and row pointers |


_PLAIN = frozenset({str, int, float, bool, type(None)})
_DTYPE = re.compile(
    r"[<>|=]?([biufc](1|2|4|8|16|32)|[SU][1-9]\d{0,8}|[mM]8(\[(\d{1,6})?(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?)"
)
_SEPARATOR = "\0"
_DEEPEST = 200


class WireError(ValueError):
    """What came does not follow the rules of this module, or a value cannot be sent."""


# --- writing ---


def encode(value: Any, buffers: Buffers, depth: int = 0) -> Any:
    """The tree of `value`, with its arrays in `buffers`; raises `WireError` for what cannot travel."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is np.ndarray:
        return _encode_array(value, buffers, depth)
    if depth > _DEEPEST:
        raise WireError("it is nested too deeply")
    if kind is list:
        return {"p": value} if _PLAIN.issuperset(map(type, value)) else {"l": _encode_all(value, buffers, depth)}
    if kind is dict:
        return {"d": [_encode_all(value, buffers, depth), _encode_all(value.values(), buffers, depth)]}
    for base, write in _WRITERS:
        if isinstance(value, base):
            return write(value, buffers, depth)
    if hasattr(value, "tocsr"):
        return _encode_sparse(value, buffers, depth)
    if is_null(value):
        return None
    raise WireError(f"{shown(value)} cannot be sent between processes")


def _encode_all(values: Any, buffers: Buffers, depth: int) -> list[Any]:
    return [encode(value, buffers, depth + 1) for value in values]


def encode_together(columns: Sequence[Array], buffers: Buffers) -> Any:
    """The tree of a 2-D array whose rows are `columns`: 1-D arrays of one dtype, one length, and no objects."""
    first = columns[0]
    start = buffers.add(list(columns), len(columns) * first.nbytes)
    return {"a": [first.dtype.str, [len(columns), len(first)], "C", start]}


def _encode_array(array: Array, buffers: Buffers, depth: int) -> Any:
    if array.dtype.kind in "OT":
        return _encode_objects(array, buffers, depth)
    if array.dtype.kind == "V" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise WireError(f"an array of {shown(str(array.dtype))} cannot be sent between processes")
    order = "F" if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    laid = array.T if order == "F" else array
    return {"a": [array.dtype.str, list(array.shape), order, buffers.add(laid, array.nbytes)]}


def _encode_objects(array: Array, buffers: Buffers, depth: int) -> Any:
    values = array.ravel().tolist()
    if values and set(map(type, values)) == {str}:
        joined = _SEPARATOR.join(values)
        if joined.count(_SEPARATOR) == len(values) - 1:
            data = joined.encode("utf-8", "surrogatepass")
            return {"t": [list(array.shape), buffers.add(data, len(data)), len(data)]}
    return {"o": [list(array.shape), encode(values, buffers, depth + 1)]}


def _encode_sparse(value: Any, buffers: Buffers, depth: int) -> Any:
    rows = value.tocsr()
    parts = [encode(np.asarray(part), buffers, depth + 1) for part in (rows.data, rows.indices, rows.indptr)]
    return {"csr": [type(value).__name__, [int(axis) for axis in rows.shape], *parts]}


def _encode_scalar(value: Any, buffers: Buffers, depth: int) -> Any:
    return {"n": encode(np.asarray(value), buffers, depth + 1)}


def _encode_datetime(value: Any, buffers: Buffers, depth: int) -> Any:
    if hasattr(value, "to_datetime64"):  # pandas.Timestamp
        return _encode_scalar(value.to_datetime64(), buffers, depth) if value.tzinfo is None else _encode_aware(value)
    return {"T": value.isoformat()} if value.tzinfo is None else _encode_aware(value)


def _encode_aware(value: Any) -> Any:
    moment = value.to_pydatetime() if hasattr(value, "to_pydatetime") else value
    return {"T": [moment.isoformat(), str(getattr(moment.tzinfo, "key", "") or "")]}


def _encode_delta(value: Any, buffers: Buffers, depth: int) -> Any:
    if hasattr(value, "to_timedelta64"):  # pandas.Timedelta
        return _encode_scalar(value.to_timedelta64(), buffers, depth)
    return {"s": [value.days, value.seconds, value.microseconds]}


_WRITERS: tuple[tuple[type, Callable[[Any, Buffers, int], Any]], ...] = (
    (np.generic, _encode_scalar),
    (str, lambda value, _, __: str.__str__(value)),
    (bytes, lambda value, _, __: {"b": b64encode(value).decode("ascii")}),
    (decimal.Decimal, lambda value, _, __: {"D": str(value)}),
    (dt.datetime, _encode_datetime),
    (dt.date, lambda value, _, __: {"date": value.isoformat()}),
    (dt.time, lambda value, _, __: {"time": value.isoformat()}),
    (dt.timedelta, _encode_delta),
    (np.ndarray, lambda value, buffers, depth: _encode_array(np.asarray(value), buffers, depth)),
    (tuple, lambda value, buffers, depth: {"u": _encode_all(value, buffers, depth)}),
    (list, lambda value, buffers, depth: {"l": _encode_all(value, buffers, depth)}),
    (dict, lambda value, buffers, depth: encode(dict(value), buffers, depth + 1)),
)


# --- reading ---


def decode(tree: Any, memory: memoryview) -> Any:
    """The value of `tree`, whose arrays lie in `memory` and stay there; raises `WireError` for anything irregular."""
    if type(tree) in _PLAIN:
        return tree
    if type(tree) is not dict or len(tree) != 1:
        raise WireError("a value is neither a scalar nor a tree")
    ((key, content),) = tree.items()
    read = _READERS.get(key)
    if read is None:
        raise WireError(f"unknown kind of value {shown(key)}")
    try:
        return read(content, memory)
    except WireError:
        raise
    except (ValueError, TypeError, ArithmeticError, RecursionError, KeyError, MemoryError) as error:
        raise WireError(f"a value of kind {key!r} is broken: {shown(str(error))}") from None


def _shape(axes: Any) -> tuple[int, ...]:
    if type(axes) is not list or len(axes) > 32:
        raise WireError("a shape is a list of lengths")
    for axis in axes:
        if type(axis) is not int or axis < 0:
            raise WireError("a length is a whole number")
    return tuple(axes)


def _piece(memory: memoryview, start: Any, size: int) -> memoryview:
    if type(start) is not int or start < 0 or start + size > len(memory):
        raise WireError("an array lies outside of the memory that was sent")
    return memory[start : start + size]


@lru_cache(256)
def _dtype(name: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(name):
        raise WireError(f"no array can be of {shown(name)}")
    return np.dtype(name)


def _decode_array(content: Any, memory: memoryview) -> Array:
    name, axes, order, start = content
    dtype, shape = _dtype(name), _shape(axes)
    if order not in ("C", "F"):
        raise WireError(f"no array has the order {shown(order)}")
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return np.zeros(shape, dtype)
    flat: Array = np.frombuffer(_piece(memory, start, size), dtype)
    if dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise WireError("the bytes of Booleans are neither 0 nor 1")
    return flat.reshape(shape, order=order)


def _decode_texts(content: Any, memory: memoryview) -> Array:
    axes, start, size = content
    shape = _shape(axes)
    if type(size) is not int or size < 0:
        raise WireError("a size is a whole number")
    texts = str(_piece(memory, start, size), "utf-8", "surrogatepass").split(_SEPARATOR)
    return objects(texts).reshape(shape)


def _decode_objects(content: Any, memory: memoryview) -> Array:
    axes, tree = content
    values = decode(tree, memory)
    if type(values) is not list:
        raise WireError("the objects of an array are a list")
    return objects(values).reshape(_shape(axes))


def _decode_plain(content: Any, _: memoryview) -> list[Any]:
    if type(content) is not list or not _PLAIN.issuperset(map(type, content)):
        raise WireError("a plain list holds scalars")
    return content


def _decode_all(content: Any, memory: memoryview) -> list[Any]:
    if type(content) is not list:
        raise WireError("a list is a list")
    return [decode(item, memory) for item in content]


def _decode_dict(content: Any, memory: memoryview) -> dict[Any, Any]:
    keys, values = content
    return dict(zip(_decode_all(keys, memory), _decode_all(values, memory), strict=True))


def _decode_moment(content: Any, _: memoryview) -> dt.datetime:
    if isinstance(content, str):
        return dt.datetime.fromisoformat(content)
    text, zone = content
    moment = dt.datetime.fromisoformat(text)
    if not zone:
        return moment
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone))


def _decode_sparse(content: Any, memory: memoryview) -> Any:
    kind, axes, *parts = content
    shape = _shape(axes)
    data, indices, pointers = (decode(part, memory) for part in parts)
    _check_sparse(shape, data, indices, pointers)
    made = as_scipy(SparseRows(data, indices, pointers, (shape[0], shape[1])))
    return made if SparseRows.__name__ in (kind, type(made).__name__) else _of_class(made, kind)


def _check_sparse(shape: Sequence[int], data: Any, indices: Any, pointers: Any) -> None:
    """SciPy's compiled code reads wherever the indices point: they must point inside."""
    right = len(shape) == 2 and all(type(part) is np.ndarray and part.ndim == 1 for part in (data, indices, pointers))
    if not right or not all(part.dtype.kind == "i" for part in (indices, pointers)):
        raise WireError("a sparse matrix is three arrays")
    inside = len(pointers) == shape[0] + 1 and pointers[0] == 0 and pointers[-1] == len(data) == len(indices)
    if not inside or bool((np.diff(pointers) < 0).any()):
        raise WireError("the row pointers are not those of the values")
    if len(indices) and not (int(indices.min()) >= 0 and int(indices.max()) < shape[1]):
        raise WireError("a column number is outside the matrix")


def _of_class(rows: Any, kind: Any) -> Any:
    from ..validate.outputs import SPARSE_KINDS

    if kind not in SPARSE_KINDS:
        raise WireError(f"unknown sparse matrix {shown(kind)}")
    from scipy import sparse

    return getattr(sparse, kind)(rows)


_READERS: dict[str, Callable[[Any, memoryview], Any]] = {
    "a": _decode_array,
    "t": _decode_texts,
    "o": _decode_objects,
    "n": lambda content, memory: decode(content, memory)[()],
    "p": _decode_plain,
    "l": _decode_all,
    "u": lambda content, memory: tuple(_decode_all(content, memory)),
    "d": _decode_dict,
    "b": lambda content, _: b64decode(content, validate=True),
    "D": lambda content, _: decimal.Decimal(content),
    "date": lambda content, _: dt.date.fromisoformat(content),
    "time": lambda content, _: dt.time.fromisoformat(content),
    "T": _decode_moment,
    "s": lambda content, _: dt.timedelta(*content),
    "csr": _decode_sparse,
}


# Validated batches, and outputs that are tables: as batches too, since a caller may lack their library.


_NUMBERS = frozenset("biufcmM")
_TABLES = frozenset({"pandas", "polars", "pyarrow"})


def encode_batch(batch: Batch, buffers: Buffers) -> dict[str, Any]:
    """The tree of a checked batch.

    Columns of one dtype travel as one array, each a row of it: for few rows, a column costs more than what is in it.
    """
    tree: dict[str, Any] = {"rows": batch.rows}
    if batch.block is not None:
        tree["block"] = encode(batch.block, buffers)
    if batch.columns:
        together, alone = _grouped(batch)
        tree["together"] = [[list(group), _encode_group(list(group.values()), buffers)] for group in together]
        tree["alone"] = {name: encode(values, buffers) for name, values in alone.items()}
        missing = {name: column.missing for name, column in batch.columns.items() if column.missing is not None}
        if missing:
            tree["missing"] = [list(missing), encode_together(list(missing.values()), buffers)]
    return tree


def _grouped(batch: Batch) -> tuple[Iterable[dict[str, Array]], dict[str, Any]]:
    """The columns that can travel together, and all others; values at missing places have no meaning."""
    together: dict[str, dict[str, Array]] = {}
    alone: dict[str, Any] = {}
    for name, (values, missing) in batch.columns.items():
        if not isinstance(values, np.ndarray) or values.ndim != 1 or not batch.rows:
            alone[name] = values
        elif values.dtype.kind in _NUMBERS:
            together.setdefault(values.dtype.str, {})[name] = values
        elif values.dtype.kind != "O":
            alone[name] = values
        else:
            known = values if missing is None else _filled(values, missing)
            kind = "texts" if set(map(type, known.tolist())) == {str} else "objects"
            together.setdefault(kind, {})[name] = known
    return together.values(), alone


def _filled(values: Array, missing: Array) -> Array:
    """Objects of one kind: what is missing may be of any."""
    texts = set(map(type, values[~missing].tolist())) <= {str}
    filled = values.copy()
    filled[missing] = "" if texts else None
    return filled


def _encode_group(columns: list[Array], buffers: Buffers) -> Any:
    if columns[0].dtype.kind != "O":
        return encode_together(columns, buffers)
    return encode(np.concatenate(columns).reshape(len(columns), -1), buffers)


def compile_batch_decoder(schema: Schema) -> Callable[[Any, memoryview], Batch]:
    """The function that makes a batch of its tree. Memory belongs to the batch: who binds it need not copy it again."""
    every = schema.names
    known = frozenset(every)

    def read(tree: Any, memory: memoryview) -> Batch:
        try:
            rows, block = _number(tree["rows"]), decode(tree.get("block"), memory)
            columns = _decode_columns(tree, rows, memory) if "together" in tree else {}
        except WireError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise WireError(f"a batch is broken: {type(error).__name__}") from None
        names = tuple(name for name in every if name not in columns) if columns else every
        if not columns.keys() <= known or not _is_block(block, rows, len(names)):
            raise WireError("a batch does not fit its schema")
        return Batch(rows, columns, block=block, block_names=names if block is not None else (), owned=True)

    return read


def _number(rows: Any) -> int:
    if type(rows) is not int:
        raise WireError("the number of rows is a whole number")
    return rows


def _is_block(block: Any, rows: int, fields: int) -> bool:
    """Whether the fields that are in no column can be those of `block`."""
    return not fields if block is None else isinstance(block, np.ndarray) and block.shape == (rows, fields)


def _decode_columns(tree: dict[str, Any], rows: int, memory: memoryview) -> dict[str, Column]:
    missing: dict[str, Array] = {}
    if "missing" in tree:
        names, group = tree["missing"]
        missing.update(_decode_group(names, group, rows, memory))
        if any(mask.dtype != bool for mask in missing.values()):
            raise WireError("the mask of missing values must be Booleans")
    values: dict[str, Any] = {}
    for names, group in tree["together"]:
        values.update(_decode_group(names, group, rows, memory))
    for name, alone in tree["alone"].items():
        values[name] = decode(alone, memory)
        if getattr(values[name], "shape", ())[:1] != (rows,):
            raise WireError("a column does not have a value for each row")
    if not missing.keys() <= values.keys():
        raise WireError("what is missing belongs to no column")
    return {name: Column(column, missing.get(name)) for name, column in values.items()}


def _decode_group(names: list[str], tree: Any, rows: int, memory: memoryview) -> Iterable[tuple[str, Array]]:
    array = decode(tree, memory)
    if not isinstance(array, np.ndarray) or array.shape != (len(names), rows):
        raise WireError("columns that travel together are the rows of an array")
    return zip(names, array, strict=True)


def is_table(schema: Schema) -> bool:
    """Whether answers of `schema` are tables, or columns of tables, of some library."""
    return schema.container in _TABLES and schema.layout in ("frame", "array")


def _is_named(schema: Schema) -> bool:
    """Whether answers are columns with a name of their own, which the schema does not know."""
    return schema.layout == "array" and schema.container in ("pandas", "polars")


def compile_answer_encoder(schema: Schema) -> Callable[[Any, int, Buffers], Any]:
    """The function of the worker that turns an answer to some rows into a tree."""
    if not is_table(schema):
        return lambda answer, _, buffers: encode(answer, buffers)
    from ..validate.inputs import compile_input
    from ..validate.outputs import compile_output

    check, take_apart = compile_output(schema), compile_input(schema)
    named = _is_named(schema)

    def write(answer: Any, rows: int, buffers: Buffers) -> Any:
        try:
            checked = check(answer, rows, False)  # noqa: FBT003 - by position, as ever
            name = encode(checked.name if named else None, buffers)
            return {"name": name, "table": encode_batch(take_apart(checked), buffers)}
        except InputError as error:
            raise OutputError(error.message, error.defects, counted=error.counted) from error

    return write


def compile_answer_decoder(schema: Schema) -> Callable[[Any, memoryview], Any]:
    """The function of the caller that makes the answer of a tree; tables are built by the caller's own library."""
    if not is_table(schema):
        return decode
    bind: list[Callable[[Batch], Any]] = []
    batch = compile_batch_decoder(schema)

    def read(tree: Any, memory: memoryview) -> Any:
        if not bind:
            from ..validate.building import compile_native

            bind.append(compile_native(schema))
        try:
            name, table = tree["name"], tree["table"]
        except (KeyError, TypeError):
            raise WireError("an answer is not a table") from None
        made = bind[0](batch(table, memory))
        return made.rename(decode(name, memory)) if _is_named(schema) else made

    return read


# --- errors: as they were raised, rebuilt from a fixed list of classes ---


_LONGEST = 20_000
_OWN = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ModelwheelError)
}
_BUILTIN = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError | ImportError)
}
"""Exceptions of Python that are made from their message alone."""


class RemoteError(Exception):
    """An exception of a worker whose class is not rebuilt here; `kind` is its class, `traceback` its text."""

    def __init__(self, message: str, kind: str, traceback: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback

    def __str__(self) -> str:
        return f'{self.args[0]}\n"""\n{self.traceback}"""'

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.kind, self.traceback)


def to_document(error: ModelwheelError) -> dict[str, Any]:
    """An error, and the exception behind it, as JSON types."""
    cause = error.__cause__
    return {
        "error": type(error).__name__,
        "message": error.message,
        "defects": [defect.to_dict() for defect in error.defects],
        "counted": error.counted,
        "cause": None if cause is None else _cause(cause),
    }


def _cause(cause: BaseException) -> dict[str, str]:
    kind = type(cause)
    try:
        message = str(cause)
    except Exception:  # noqa: BLE001 - the border to foreign code: an exception whose text cannot be made
        message = ""
    lines = "".join(traceback.format_exception(cause))
    return {
        "kind": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "message": _printable(message),
        "traceback": _printable(lines[-_LONGEST:]),
    }


def _printable(text: str) -> str:
    """Safe to print, line by line."""
    return "\n".join(map(safe, text[:_LONGEST].split("\n")))


def from_document(document: Any) -> ModelwheelError:
    """The error of a document. What is not as it should be gives a `WorkerError`."""
    try:
        kind = _OWN[document["error"]]
        defects = [Defect(**_typed(item)) for item in document["defects"]]
        error = kind(str(document["message"]), defects, counted=_whole(document["counted"]))
        cause = document["cause"]
        if cause is not None:
            error.__cause__ = _rebuilt(str(cause["kind"]), str(cause["message"]), str(cause["traceback"]))
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        return errors.WorkerError.of(
            "worker.protocol", "the worker failed, and its error message is broken", found=clip(wrong, 200)
        )
    return error


def _typed(item: dict[str, Any]) -> dict[str, Any]:
    known = {name: item[name] for name in Defect._fields if name in item}
    if known["code"] not in CODES:
        raise ValueError("unknown code")
    row = known.pop("row", None)
    return {**{name: str(value) for name, value in known.items()}, "row": None if row is None else _whole(row)}


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a count is not a whole number")
    return value


def _rebuilt(kind: str, message: str, lines: str) -> Exception:
    """The original exception where Python itself has its class, with the remote traceback behind it."""
    remote = RemoteError(message, kind, lines)
    if kind not in _BUILTIN:
        return remote
    original = _BUILTIN[kind](message)
    original.__cause__ = remote
    return original
