"""Columns of Arrow as arrays: numbers, times and texts are read where they lie.

pyarrow's own conversion to numpy imports pandas wherever that is installed, a third of a second at the first request;
so it is left alone unless the caller has imported pandas.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np

from ..batch import Array, Raw, objects
from .nested import arrow_nested, is_arrow_nested

_FIXED = {"date32[day]": "int32", "halffloat": "float16", "float": "float32", "double": "float64"}
_FIXED |= {f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_VIEWS = {"string_view": "large_string", "binary_view": "large_binary"}
_LOOKED_AT = 1000
"""How many texts are looked at to see whether they repeat."""


def arrow_column(values: Any) -> Raw:
    """An Arrow array or chunked array."""
    pyarrow: Any = sys.modules["pyarrow"]
    if isinstance(values, pyarrow.ChunkedArray) and not values.num_chunks:
        return Raw([])
    values = unwrapped(_one_chunk(values, pyarrow), pyarrow)
    kind, name = values.type, str(values.type)
    if name == "bool":
        return Raw(_bits(values, 1), _missing(values))
    if name in _FIXED or name.startswith(("timestamp[", "duration[", "date64[")):
        return _fixed(values, name)
    if name in ("string", "large_string"):
        return _texts(values)
    if name.startswith("fixed_size_list<"):
        inner = _tensor(values, kind)
        if inner is not None:
            return Raw(inner)
    return Raw(arrow_nested(values, arrow_column) if is_arrow_nested(name) else values.to_pylist())


def _one_chunk(values: Any, pyarrow: Any) -> Any:
    if not isinstance(values, pyarrow.ChunkedArray):
        return values
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def unwrapped(values: Any, pyarrow: Any) -> Any:
    """The values themselves, where a type says only how they are stored or what they mean to others."""
    if isinstance(values, pyarrow.ExtensionArray):
        if values.type.extension_name == "arrow.fixed_shape_tensor":
            return nested_lists(values.storage, values.type.shape, values.type.permutation, pyarrow)
        if values.type.extension_name == "arrow.bool8":
            return values.cast(pyarrow.bool_())
        return unwrapped(values.storage, pyarrow)
    if isinstance(values, pyarrow.DictionaryArray):
        return unwrapped(values.dictionary_decode(), pyarrow)
    if str(values.type) in _VIEWS:
        return values.cast(_VIEWS[str(values.type)])
    if isinstance(values, pyarrow.RunEndEncodedArray):
        from pyarrow import compute

        return unwrapped(compute.run_end_decode(values), pyarrow)
    return values


def nested_lists(storage: Any, shape: Any, permutation: Any, pyarrow: Any) -> Any:
    """The flat lists of a tensor column as lists in lists; those in another order than C stay flat."""
    if permutation is not None and list(permutation) != sorted(permutation):
        return storage
    made = storage.values[storage.offset * storage.type.list_size :][: len(storage) * storage.type.list_size]
    for axis in reversed(shape[1:]):
        made = pyarrow.FixedSizeListArray.from_arrays(made, axis)
    mask = storage.is_null() if storage.null_count else None
    return pyarrow.FixedSizeListArray.from_arrays(made, shape[0], mask=mask)


def _fixed(values: Any, name: str) -> Raw:
    """Numbers and times, in Arrow's own memory; what lies where null is, is made nothing that could be refused."""
    dtype = np.dtype(_FIXED.get(name, "int64"))
    buffer = values.buffers()[1]
    if buffer is None or not len(values):
        found: Array = np.zeros(len(values), dtype=dtype)
    else:
        found = np.frombuffer(buffer, dtype=dtype, count=len(values), offset=values.offset * dtype.itemsize)
    missing = _missing(values)
    if missing is not None:
        found = np.where(missing, dtype.type(np.nan if dtype.kind == "f" else 0), found)
    if name == "date32[day]":
        return Raw(found.astype(np.int64).view("datetime64[D]"), missing)
    if name == "date64[ms]":
        return Raw(found.view("datetime64[ms]"), missing)
    if name.startswith("timestamp["):
        return Raw(found.view(f"datetime64[{values.type.unit}]"), missing, utc=values.type.tz is not None)
    if name.startswith("duration["):
        return Raw(found.view(f"timedelta64[{values.type.unit}]"), missing)
    return Raw(found, missing)


def _missing(values: Any) -> Array | None:
    """Where null is; None when it is nowhere."""
    if not values.null_count:
        return None
    if values.buffers()[0] is None:  # of the type null
        return np.ones(len(values), dtype=bool)
    return ~_bits(values, 0)


def _bits(values: Any, number: int) -> Array:
    """A buffer of one bit per value as an array of Booleans."""
    buffer = values.buffers()[number]
    if buffer is None:
        return np.zeros(len(values), dtype=bool)
    first, start = values.offset // 8, values.offset % 8
    count = (start + len(values) + 7) // 8
    packed = np.frombuffer(buffer, dtype=np.uint8, count=count, offset=first)
    return np.unpackbits(packed, bitorder="little", count=start + len(values))[start:].view(bool)


def _texts(values: Any) -> Raw:
    """Texts as an array of objects, None where null is."""
    missing = _missing(values)
    try:
        if _repeats(values):
            return Raw(_by_dictionary(values, missing), missing, texts=True)
        if "pandas" in sys.modules:
            return Raw(values.to_numpy(zero_copy_only=False), missing, texts=True)
        return Raw(_decoded(values, missing, "strict"), missing, texts=True)
    except (
        UnicodeDecodeError,
        sys.modules["pyarrow"].ArrowException,
    ):  # Arrow does not look into its texts; here they become what the check refuses
        return Raw(_decoded(values, missing, "surrogateescape"), missing)


def _repeats(values: Any) -> bool:
    """Whether so few texts come again and again that making each once is quicker."""
    return len(values) > 2 * _LOOKED_AT and len(values[:_LOOKED_AT].unique()) < _LOOKED_AT // 2


def _by_dictionary(values: Any, missing: Array | None) -> Array:
    encoded = values.dictionary_encode()
    indices = _fixed(encoded.indices, "int32").values
    words = objects([*encoded.dictionary.to_pylist(), None])
    found: Array = words[indices if missing is None else np.where(missing, len(words) - 1, indices)]
    return found


def _decoded(values: Any, missing: Array | None, errors: str) -> Array:
    _, offsets, data = values.buffers()
    dtype = np.dtype(np.int32 if str(values.type) == "string" else np.int64)
    ends = [0] * (len(values) + 1)
    if offsets is not None and len(values):
        start = values.offset * dtype.itemsize
        ends = np.frombuffer(offsets, dtype=dtype, count=len(values) + 1, offset=start).tolist()
    raw = b"" if data is None else bytes(memoryview(data)[ends[0] : ends[-1]])
    ends = [end - ends[0] for end in ends]
    if raw.isascii():
        text = raw.decode("ascii")
        made = objects([text[start:end] for start, end in pairwise(ends)])
    else:
        made = objects([raw[start:end].decode("utf-8", errors) for start, end in pairwise(ends)])
    if missing is not None:
        made[missing] = None
    return made


def _tensor(values: Any, kind: Any) -> Array | None:
    """Lists of one length of numbers as one array (rows, length, …); None where any of them is null."""
    shape = [len(values)]
    while str(kind).startswith("fixed_size_list<"):
        if values.null_count:
            return None
        size = kind.list_size
        values = values.values[values.offset * size : (values.offset + len(values)) * size]
        shape.append(size)
        kind = kind.value_type
    name = str(kind)
    if values.null_count or (name != "bool" and name not in _FIXED) or name == "date32[day]":
        return None
    found = _bits(values, 1) if name == "bool" else _fixed(values, name).values
    return found.reshape(shape)
