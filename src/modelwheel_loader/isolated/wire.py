"""Values, batches and errors on their way between a caller and its worker: JSON trees, and the memory of arrays."""

from __future__ import annotations

import builtins
import contextlib
import datetime as dt
import decimal
import math
import re
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from functools import cache, lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import errors
from ..defects import Defect
from ..errors import InputError, ModelwheelError, OutputError
from ..proof.codec import as_scipy, sparse_rows
from ..show.codes import CODES
from ..text import clip, safe, shown
from ..validate.batch import Array, Batch, Column, filled, is_null, objects

if TYPE_CHECKING:
    from ..opening.schema import Schema

ALIGNMENT = 64


class Buffers:
    """The memory that goes beside a tree: pieces with their place, each aligned for numpy."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, Any]] = []
        self.size = 0

    def add(self, piece: Any, size: int) -> int:
        """Add a piece of `size` bytes (bytes, an array, or a list of arrays in one row) and give its place."""
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


# Nothing is pickled, so a worker can send nothing but data. Arrays are raw memory with a dtype from a fixed list. A
# tree is a JSON scalar, or an object with one key that names its form:
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
    """A message breaks the rules of this module, or a value cannot be sent."""


def encode(value: Any, buffers: Buffers, depth: int = 0) -> Any:
    """The tree of `value`, with its arrays in `buffers`; raises `WireError` for what cannot be sent."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, np.ndarray):
        return _encode_array(value if kind is np.ndarray else np.asarray(value), buffers, depth)
    if depth > _DEEPEST:
        raise WireError("the value is nested too deeply")
    if kind is list and _PLAIN.issuperset(map(type, value)):
        return {"p": value}
    if isinstance(value, _TIMES) and (exact := getattr(value, "to_numpy", None)):  # pandas' times: nanoseconds
        value = exact() if getattr(value, "tzinfo", None) is None else value.to_pydatetime()  # type: ignore[union-attr]
    for key, (base, write, _) in _FORMS.items():
        if isinstance(value, base):
            return {key: write(value, buffers, depth)}
    if isinstance(value, str):
        return str.__str__(value)
    if hasattr(value, "tocsr"):
        return {"csr": _encode_sparse(value, buffers, depth)}
    if is_null(value):
        return None
    raise WireError(f"{shown(value)} cannot be sent between processes")


def decode(tree: Any, memory: memoryview) -> Any:
    """The value of `tree`, whose arrays lie in `memory` and stay there; raises `WireError` for anything irregular."""
    if type(tree) in _PLAIN:
        return tree
    if type(tree) is not dict or len(tree) != 1:
        raise WireError("a value is neither a scalar nor a tree")
    ((key, content),) = tree.items()
    read = _READERS.get(key)
    if read is None:
        raise WireError(f"unknown form {shown(key)} of a value")
    try:
        return read(content, memory)
    except WireError:
        raise
    except (ValueError, TypeError, ArithmeticError, RecursionError, KeyError, MemoryError) as error:
        raise WireError(f"a value of the form {key!r} is broken: {shown(str(error))}") from None


# --- arrays ---


def _encode_array(array: Array, buffers: Buffers, depth: int) -> Any:
    shape = list(array.shape)
    if array.dtype.kind in "OT":
        values = array.ravel().tolist()
        if values and set(map(type, values)) == {str}:
            joined = _SEPARATOR.join(values)
            if joined.count(_SEPARATOR) == len(values) - 1:
                data = joined.encode("utf-8", "surrogatepass")
                return {"t": [shape, buffers.add(data, len(data)), len(data)]}
        return {"o": [shape, encode(values, buffers, depth + 1)]}
    if array.dtype.kind == "V" or (array.dtype.kind == "f" and array.dtype.itemsize > 8):
        raise WireError(f"an array of {shown(str(array.dtype))} cannot be sent between processes")
    order = "F" if array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return {"a": [array.dtype.str, shape, order, buffers.add(array.T if order == "F" else array, array.nbytes)]}


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise WireError(f"{shown(value)} is not a count")
    return value


def _shape(axes: Any) -> tuple[int, ...]:
    if type(axes) is not list or len(axes) > 32:
        raise WireError("a shape must be a list of lengths")
    return tuple(map(_count, axes))


def _piece(memory: memoryview, start: Any, size: int) -> memoryview:
    if _count(start) + size > len(memory):
        raise WireError("an array lies outside of the memory that was sent")
    return memory[start : start + size]


@lru_cache(256)
def _dtype(name: str) -> np.dtype[Any]:
    if not _DTYPE.fullmatch(name):
        raise WireError(f"{shown(name)} is not a dtype of an array")
    return np.dtype(name)


def _decode_array(content: Any, memory: memoryview) -> Array:
    name, axes, order, start = content
    dtype, shape = _dtype(name), _shape(axes)
    if order not in ("C", "F"):
        raise WireError(f"{shown(order)} is not an order of an array")
    size = math.prod(shape) * dtype.itemsize
    if not size:
        return np.zeros(shape, dtype)
    flat: Array = np.frombuffer(_piece(memory, start, size), dtype)
    if dtype.kind == "b" and flat.view(np.uint8).max() > 1:
        raise WireError("the bytes of Booleans are neither 0 nor 1")
    return flat.reshape(shape, order=order)


def _decode_texts(content: Any, memory: memoryview) -> Array:
    axes, start, size = content
    texts = str(_piece(memory, start, _count(size)), "utf-8", "surrogatepass").split(_SEPARATOR)
    return objects(texts).reshape(_shape(axes))


def _decode_objects(content: Any, memory: memoryview) -> Array:
    axes, tree = content
    values = decode(tree, memory)
    if type(values) is not list:
        raise WireError("the objects of an array must be a list")
    return objects(values).reshape(_shape(axes))


def _encode_sparse(value: Any, buffers: Buffers, depth: int) -> Any:
    rows = value.tocsr()
    parts = [encode(np.asarray(part), buffers, depth + 1) for part in (rows.data, rows.indices, rows.indptr)]
    return [type(value).__name__, list(map(int, rows.shape)), *parts]


def _decode_sparse(content: Any, memory: memoryview) -> Any:
    kind, axes, *trees = content
    shape, parts = _shape(axes), [decode(tree, memory) for tree in trees]
    arrays = len(shape) == 2 and all(type(part) is np.ndarray and part.ndim == 1 for part in parts)
    if not arrays or any(part.dtype.kind != "i" for part in parts[1:]):
        raise WireError("a sparse matrix must have three arrays")
    data, indices, pointers = parts
    rows = sparse_rows(data, indices, pointers, shape)
    made = as_scipy(rows)
    if made is rows or kind == type(rows).__name__:
        return made
    from ..validate.outputs import SPARSE_KINDS

    if kind not in SPARSE_KINDS:
        raise WireError(f"{shown(kind)} is not a class of sparse matrices")
    from scipy import sparse

    return getattr(sparse, kind)(made)


# --- other values: one row for each form, which writes and reads it ---


def _encode_all(values: Any, buffers: Buffers, depth: int) -> list[Any]:
    return [encode(value, buffers, depth + 1) for value in values]


def _decode_all(content: Any, memory: memoryview) -> list[Any]:
    if type(content) is not list:
        raise WireError("the content of a list must be a list")
    return [decode(item, memory) for item in content]


def _decode_dict(content: Any, memory: memoryview) -> dict[Any, Any]:
    keys, values = (_decode_all(part, memory) for part in content)
    return dict(zip(keys, values, strict=True))


def _decode_plain(content: Any, _: memoryview) -> list[Any]:
    if type(content) is not list or not _PLAIN.issuperset(map(type, content)):
        raise WireError("a plain list must hold scalars")
    return content


def _encode_moment(moment: dt.datetime, *_: Any) -> Any:
    text = moment.isoformat()
    return text if moment.tzinfo is None else [text, str(getattr(moment.tzinfo, "key", "") or "")]


def _decode_moment(content: Any, _: memoryview) -> dt.datetime:
    text, zone = (content, "") if isinstance(content, str) else content
    moment = dt.datetime.fromisoformat(text)
    if not zone:
        return moment
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone))


_Form = tuple[type, Callable[[Any, Buffers, int], Any], Callable[[Any, memoryview], Any]]


def _scalar(base: type, write: Callable[[Any], Any], read: Callable[[Any], Any]) -> _Form:
    return base, lambda value, *_: write(value), lambda content, _: read(content)


_TIMES = (dt.datetime, dt.timedelta)
_FORMS: dict[str, _Form] = {
    "n": (
        np.generic,
        lambda value, *place: encode(np.asarray(value), *place),
        lambda content, memory: decode(content, memory)[()],
    ),
    "b": _scalar(bytes, lambda value: b64encode(value).decode("ascii"), lambda text: b64decode(text, validate=True)),
    "D": _scalar(decimal.Decimal, str, decimal.Decimal),
    "T": (dt.datetime, _encode_moment, _decode_moment),
    "date": _scalar(dt.date, dt.date.isoformat, dt.date.fromisoformat),
    "time": _scalar(dt.time, dt.time.isoformat, dt.time.fromisoformat),
    "s": _scalar(dt.timedelta, lambda span: [span.days, span.seconds, span.microseconds], lambda c: dt.timedelta(*c)),
    "u": (tuple, _encode_all, lambda content, memory: tuple(_decode_all(content, memory))),
    "l": (list, _encode_all, _decode_all),
    "d": (dict, lambda value, *place: [_encode_all(part, *place) for part in (value, value.values())], _decode_dict),
}
"""By key: the class, what makes the content of a tree from a value of it, and what makes the value from the content."""
_READERS: dict[str, Callable[[Any, memoryview], Any]] = {
    "a": _decode_array,
    "t": _decode_texts,
    "o": _decode_objects,
    "p": _decode_plain,
    "csr": _decode_sparse,
    **{key: read for key, (_, _, read) in _FORMS.items()},
}


# --- validated batches, and outputs that are tables: as batches too, since a caller may lack their library ---


_TOGETHER = frozenset("biufcmMO")


def encode_batch(batch: Batch, buffers: Buffers) -> dict[str, Any]:
    """The tree of a checked batch.

    Columns of one dtype travel as one array, each a row of it: for few rows, a column costs more than its values.
    """
    tree: dict[str, Any] = {"rows": batch.rows}
    if batch.block is not None:
        tree["block"] = encode(batch.block, buffers)
    if not batch.columns:
        return tree
    together: dict[str, dict[str, Array]] = {}
    alone: dict[str, Any] = {}
    for name, column in batch.columns.items():
        values, missing = column
        if not (isinstance(values, np.ndarray) and values.ndim == 1 and batch.rows and values.dtype.kind in _TOGETHER):
            alone[name] = encode(values, buffers)
            continue
        kind = values.dtype.str
        if kind == "|O":  # texts have a form of their own, in which a missing value is a text too
            texts = set(map(type, (values if missing is None else values[~missing]).tolist())) <= {str}
            values, kind = filled(column, "" if texts else None), "texts" if texts else kind
        together.setdefault(kind, {})[name] = values
    tree |= {"together": [_encode_group(group, buffers) for group in together.values()], "alone": alone}
    masks = {name: column.missing for name, column in batch.columns.items() if column.missing is not None}
    if masks:
        tree["missing"] = _encode_group(masks, buffers)
    return tree


def _encode_group(group: dict[str, Array], buffers: Buffers) -> Any:
    """The names of columns, and the tree of the 2-D array whose rows they are: 1-D, of one dtype and one length."""
    columns = list(group.values())
    dtype, shape = columns[0].dtype, [len(columns), len(columns[0])]
    if dtype.kind == "O":
        return [list(group), encode(np.concatenate(columns).reshape(shape), buffers)]
    return [list(group), {"a": [dtype.str, shape, "C", buffers.add(columns, len(columns) * columns[0].nbytes)]}]


def compile_batch_decoder(schema: Schema) -> Callable[[Any, memoryview], Batch]:
    """The function that makes a batch of its tree. The batch owns its memory: the model need not copy it again."""
    every = schema.names
    known = frozenset(every)

    def read(tree: Any, memory: memoryview) -> Batch:
        try:
            rows, block = _count(tree["rows"]), decode(tree.get("block"), memory)
            columns = _decode_columns(tree, rows, memory) if "together" in tree else {}
        except WireError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise WireError(f"a batch is broken: {type(error).__name__}") from None
        names = tuple(name for name in every if name not in columns) if columns else every
        fits = not names if block is None else isinstance(block, np.ndarray) and block.shape == (rows, len(names))
        if not fits or not columns.keys() <= known:
            raise WireError("a batch does not fit its schema")
        return Batch(rows, columns, block=block, block_names=names if block is not None else (), owned=True)

    return read


def _decode_columns(tree: dict[str, Any], rows: int, memory: memoryview) -> dict[str, Column]:
    missing = dict(_decode_group(tree["missing"], rows, memory)) if "missing" in tree else {}
    alone = {name: decode(column, memory) for name, column in tree["alone"].items()}
    if any(getattr(column, "shape", ())[:1] != (rows,) for column in alone.values()):
        raise WireError("a column does not have a value for each row")
    values = dict(chain.from_iterable(_decode_group(group, rows, memory) for group in tree["together"])) | alone
    if not missing.keys() <= values.keys() or any(mask.dtype != bool for mask in missing.values()):
        raise WireError("missing values must be marked by Booleans, for columns of the batch")
    return {name: Column(column, missing.get(name)) for name, column in values.items()}


def _decode_group(group: Any, rows: int, memory: memoryview) -> Iterable[tuple[str, Array]]:
    names, tree = group
    array = decode(tree, memory)
    if not isinstance(array, np.ndarray) or array.shape != (len(names), rows):
        raise WireError("columns that travel together must be the rows of an array")
    return zip(names, array, strict=True)


def _is_table(schema: Schema) -> bool:
    """Whether answers of `schema` are tables, or columns of tables, of some library."""
    return schema.container in ("pandas", "polars", "pyarrow") and schema.layout in ("frame", "array")


def _is_named(schema: Schema) -> bool:
    """Whether such answers are columns with a name of their own, which the schema does not know."""
    return schema.layout == "array" and schema.container != "pyarrow"


def compile_answer_encoder(schema: Schema) -> Callable[[Any, int, Buffers], Any]:
    """The function of the worker that turns an answer to some rows into a tree."""
    if not _is_table(schema):
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
    if not _is_table(schema):
        return decode
    batch, named = compile_batch_decoder(schema), _is_named(schema)

    @cache
    def build() -> Callable[[Batch], Any]:  # at the first answer: it imports the library
        from ..validate.building import compile_native

        return compile_native(schema)

    def read(tree: Any, memory: memoryview) -> Any:
        make = build()
        try:
            name, table = tree["name"], tree["table"]
        except (KeyError, TypeError):
            raise WireError("an answer is not a table") from None
        made = make(batch(table, memory))
        return made.rename(decode(name, memory)) if named else made

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
    if isinstance(kind, type)
    and issubclass(kind, Exception)
    and not issubclass(kind, UnicodeError | ImportError | ExceptionGroup)
}
"""Exceptions of Python that take nothing but their message."""


class RemoteError(Exception):
    """An exception of a worker whose class is not rebuilt here; `kind` is its class, `traceback` its text."""

    def __init__(self, message: str, kind: str, traceback: str) -> None:
        super().__init__(message, kind, traceback)
        self.kind = kind
        self.traceback = traceback

    def __str__(self) -> str:
        return f'{self.args[0]}\n"""\n{self.traceback}"""'


def to_document(error: ModelwheelError) -> dict[str, Any]:
    """An error, and the exception behind it, as JSON types."""
    cause, message = error.__cause__, ""
    if cause is None:
        return {**error.to_dict(), "cause": None}
    with contextlib.suppress(Exception):  # the border to foreign code: an exception whose text cannot be made
        message = str(cause)
    kind, lines = type(cause), "".join(traceback.format_exception(cause))
    known = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return {**error.to_dict(), "cause": [_safe_lines(message[:_LONGEST]), known, _safe_lines(lines[-_LONGEST:])]}


def _safe_lines(text: str) -> str:
    return "\n".join(map(safe, text.split("\n")))


def from_document(document: Any) -> ModelwheelError:
    """The error of a document; a `WorkerError` when the document is broken.

    Its cause is the original exception where Python itself has the class, with the remote traceback behind it.
    """
    try:
        defects = [_defect(item) for item in document["defects"]]
        error = _OWN[document["error"]](str(document["message"]), defects, counted=_count(document["counted"]))
        if document["cause"] is not None:
            message, kind, lines = map(str, document["cause"])
            error.__cause__ = remote = RemoteError(message, kind, lines)
            if kind in _BUILTIN:
                error.__cause__ = _BUILTIN[kind](message)
                error.__cause__.__cause__ = remote
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        message = "the worker failed, and its error message is broken"
        return errors.WorkerError.of("worker.protocol", message, found=clip(wrong, 200))
    return error


def _defect(item: dict[str, Any]) -> Defect:
    parts: Any = {name: (_count if name == "row" else str)(item[name]) for name in Defect._fields if name in item}
    if parts["code"] not in CODES:
        raise ValueError("unknown code")
    return Defect(**parts)
