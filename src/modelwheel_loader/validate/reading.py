"""Takes apart what callers pass: DataFrames of any library, Arrow, dicts, lists, arrays. Imports no library.

A library is looked up in `sys.modules`: callers cannot pass objects of one that they have not imported. Numbers, times
and texts are read in the library's own memory where it has numpy's layout. The libraries' own conversions are avoided
where they lose something: `to_pylist` and `to_list` cut nanoseconds off, or raise where a time is beyond the year 9999
or a text is not Unicode; and pyarrow's conversion to numpy imports pandas wherever that is installed, a third of a
second at the first request.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import InputError
from ..text import clip, shown
from .batch import Array, Raw, items, objects

_ARROW_LISTS = ("list<", "large_list<", "fixed_size_list<")


def _arrow_nested(values: Any) -> list[Any]:
    """The rows of an Arrow array of lists or structs."""
    if not len(values):
        return []
    valid = values.is_valid().to_pylist()
    if str(values.type).startswith("struct<"):
        names = [values.type.field(index).name for index in range(values.type.num_fields)]
        return _structs(names, [items(arrow_column(member)) for member in values.flatten()], valid)
    inner, ends = _arrow_lists(values)
    made = items(arrow_column(inner))
    bounds = zip(ends, ends[1:], valid, strict=False)
    return [made[start:end] if present else None for start, end, present in bounds]


def _arrow_lists(values: Any) -> tuple[Any, list[int]]:
    """The items of all lists, and where each list ends in them, after a 0."""
    if str(values.type).startswith("fixed_size_list<"):
        size = values.type.list_size
        inner = values.values.slice(values.offset * size, len(values) * size)
        return inner, list(range(0, len(inner) + 1, size)) if size else [0] * (len(values) + 1)
    ends = arrow_column(values.offsets).values.tolist()
    return values.values.slice(ends[0], ends[-1] - ends[0]), [end - ends[0] for end in ends]


def _holds_times(dtype: Any) -> bool:
    """Whether a Polars type has times inside."""
    if dtype.is_temporal():
        return True
    members = [field.dtype for field in getattr(dtype, "fields", ())]
    inner = getattr(dtype, "inner", None)
    return any(map(_holds_times, members if inner is None else [inner]))


def _polars_nested(series: Any) -> list[Any]:
    """The rows of a Polars Series of lists, arrays or structs."""
    kind = str(series.dtype.base_type())
    if kind == "Struct":
        names = [field.name for field in series.dtype.fields]
        members = [items(polars_column(series.struct.field(name))) for name in names]
        return _structs(names, members, series.is_not_null().to_list())
    lists = series.arr.to_list() if kind == "Array" else series
    lengths = lists.list.len()
    full = lists.filter(lengths > 0)
    made = iter(items(polars_column(full.explode())) if len(full) else ())
    return [None if length is None else [next(made) for _ in range(length)] for length in lengths.to_list()]


def _type_depth(kind: Any) -> int:
    """How deep lists are nested in a type of Arrow or Polars."""
    if hasattr(kind, "storage_type"):  # an extension; a tensor says its shape
        return len(kind.shape) if hasattr(kind, "shape") else _type_depth(kind.storage_type)
    inner = getattr(kind, "inner", None) if hasattr(kind, "base_type") else getattr(kind, "value_type", None)
    is_list = inner is not None and str(kind).lower().startswith(("list", "large_list", "fixed_size_list", "array"))
    return 1 + _type_depth(inner) if is_list else 0


def _structs(names: Sequence[str], members: list[list[Any]], valid: Sequence[bool]) -> list[Any]:
    if len(set(names)) != len(names):
        found = clip(", ".join(names))
        raise InputError.of("input.duplicate-field", "two fields of a struct have the same name", found=found)
    rows = zip(*members, strict=True) if names else [()] * len(valid)
    return [dict(zip(names, row, strict=True)) if present else None for row, present in zip(rows, valid, strict=True)]


# -- Arrow --------------------------------------------------------------------------------------------------------


_FIXED = {"date32[day]": "int32", "halffloat": "float16", "float": "float32", "double": "float64"}
_FIXED |= {f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_VIEWS = {"string_view": "large_string", "binary_view": "large_binary"}
_SURVEYED = 1000
"""How many texts show whether they repeat."""


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
    nested = name.startswith((*_ARROW_LISTS, "struct<"))
    return Raw(_arrow_nested(values) if nested else values.to_pylist())


def _one_chunk(values: Any, pyarrow: Any) -> Any:
    if not isinstance(values, pyarrow.ChunkedArray):
        return values
    return values.chunk(0) if values.num_chunks == 1 else values.combine_chunks()


def unwrapped(values: Any, pyarrow: Any) -> Any:
    """The values themselves, where a type says only how they are stored or what they mean to others."""
    if isinstance(values, pyarrow.ExtensionArray):
        if values.type.extension_name == "arrow.fixed_shape_tensor":
            return _nested_lists(values.storage, values.type.shape, values.type.permutation, pyarrow)
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


def _nested_lists(storage: Any, shape: Any, permutation: Any, pyarrow: Any) -> Any:
    """The flat lists of a tensor column as lists in lists; those in another order than C stay flat."""
    if permutation is not None and list(permutation) != sorted(permutation):
        return storage
    made = storage.values[storage.offset * storage.type.list_size :][: len(storage) * storage.type.list_size]
    for axis in reversed(shape[1:]):
        made = pyarrow.FixedSizeListArray.from_arrays(made, axis)
    mask = storage.is_null() if storage.null_count else None
    return pyarrow.FixedSizeListArray.from_arrays(made, shape[0], mask=mask)


def _fixed(values: Any, name: str) -> Raw:
    """Numbers and times, in Arrow's own memory; where null is, the value is replaced by one that no check rejects."""
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
        # so few texts come again and again that making each once is quicker
        if len(values) > 2 * _SURVEYED and len(values[:_SURVEYED].unique()) < _SURVEYED // 2:
            return Raw(_by_dictionary(values, missing), missing, texts=True)
        if "pandas" in sys.modules:
            return Raw(values.to_numpy(zero_copy_only=False), missing, texts=True)
        return Raw(_decoded(values, missing, "strict"), missing, texts=True)
    except (UnicodeDecodeError, sys.modules["pyarrow"].ArrowException):
        # Arrow does not check its texts; these become what the check rejects
        return Raw(_decoded(values, missing, "surrogateescape"), missing)


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


# -- pandas and Polars --------------------------------------------------------------------------------------------


_POLARS_INTEGERS = frozenset(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))


def _with_none(values: Any, missing: Any) -> Any:
    """Objects in which every kind of null is None; the caller's array is not touched."""
    if missing is None or not missing.any():
        return values
    values = values.copy()
    values[missing] = None
    return values


def pandas_column(values: Any) -> Raw | None:
    """A Series, Index or extension array."""
    if not hasattr(values, "dtype") or not hasattr(values, "to_numpy"):
        return None
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return Raw(values.to_numpy())
    kind = type(dtype).__name__
    if kind == "DatetimeTZDtype":
        utc = (values.dt if hasattr(values, "dt") else values).tz_convert("UTC")
        return Raw((utc.dt if hasattr(utc, "dt") else utc).tz_localize(None).to_numpy(), utc=True)
    if kind == "CategoricalDtype":
        return _pandas_categories(values)
    if kind == "ArrowDtype" or (kind == "StringDtype" and getattr(dtype, "storage", "") == "pyarrow"):
        array = getattr(values, "array", values)
        return arrow_column(array.__arrow_array__())
    missing: Any = np.asarray(values.isna())
    numpy_dtype = getattr(dtype, "numpy_dtype", None)
    if isinstance(numpy_dtype, np.dtype) and numpy_dtype.kind in "biuf":
        filled = values.to_numpy(dtype=numpy_dtype, na_value=numpy_dtype.type(0))
        return Raw(filled, missing if missing.any() else None)
    if not missing.any():
        missing = None
    return Raw(_with_none(values.to_numpy(dtype=object), missing))


def _pandas_categories(values: Any) -> Raw:
    codes = np.asarray(values.cat.codes if hasattr(values, "cat") else values.codes)
    categories = objects(values.dtype.categories.tolist())
    taken = categories[codes] if len(categories) else np.full(len(codes), None, dtype=object)
    return Raw(_with_none(taken, codes == -1))


def polars_column(values: Any) -> Raw:
    """A Polars Series."""
    kind = str(values.dtype.base_type())
    if kind in ("Categorical", "Enum"):
        return Raw(values.cast(sys.modules["polars"].String).to_list())
    if kind == "Datetime":
        return Raw(values.to_numpy(), utc=values.dtype.time_zone is not None)
    if values.dtype.is_float() or (values.dtype.is_temporal() and kind != "Time"):
        return Raw(values.to_numpy())
    if kind == "Boolean" or kind in _POLARS_INTEGERS:
        if not values.null_count():
            return Raw(values.to_numpy())
        filled = values.fill_null(value=False) if kind == "Boolean" else values.fill_null(strategy="zero")
        return Raw(filled.to_numpy(), values.is_null().to_numpy())
    if kind == "Array" and not values.null_count() and not values.explode().null_count():
        return Raw(values.to_numpy())
    return Raw(_polars_nested(values) if _holds_times(values.dtype) else values.to_list())


# -- any container ------------------------------------------------------------------------------------------------


_CAPSULES = ("__arrow_c_stream__", "__arrow_c_array__")
"""The methods of the Arrow PyCapsule interface that give data."""
_DEEPEST = 64
"""How deep lists are searched: one that holds itself has no end."""


def library_of(value: object) -> str:
    """The top-level module of the value's type, such as `pandas`, `numpy` or `builtins`."""
    return type(value).__module__.partition(".")[0]


def is_sparse(value: object) -> bool:
    """Whether the value is a SciPy sparse matrix or array."""
    return library_of(value) == "scipy" and hasattr(value, "tocsr")


def is_a(value: object, library: str, *names: str) -> bool:
    """Whether the value is an instance of one of these classes of a library that the caller has imported."""
    module = sys.modules.get(library)
    if module is None:
        return False
    classes = tuple(kind for name in names if isinstance(kind := getattr(module, name, None), type))
    return isinstance(value, classes)


def is_pandas(value: Any) -> bool:
    """Whether the value is a DataFrame or Series of pandas: what has an index of its rows."""
    return is_a(value, "pandas", "DataFrame", "Series")


def native(value: Any) -> Any:
    """What a narwhals DataFrame or Series stands for; anything else as it is."""
    if library_of(value) == "narwhals" and hasattr(value, "to_native"):
        return value.to_native()
    return value


def is_table(value: object) -> bool:
    """Whether the value is a DataFrame or a table that can be taken apart by `table_columns`."""
    if isinstance(value, np.ndarray):
        return value.dtype.names is not None
    if is_a(value, "pandas", "DataFrame") or is_a(value, "polars", "DataFrame", "LazyFrame"):
        return True
    if library_of(value) in ("pandas", "polars", "pyarrow"):
        return is_a(value, "pyarrow", "Table", "RecordBatch", "RecordBatchReader")
    return not isinstance(value, type) and any(hasattr(value, name) for name in (*_CAPSULES, "__dataframe__"))


def table_columns(table: Any) -> dict[Any, Any]:
    """The columns of a table by their labels, untouched; raises `InputError` when two have the same label."""
    if isinstance(table, np.ndarray):  # a structured array
        if table.ndim != 1:
            raise InputError.of("input.shape", "the structured array has not one axis", found=str(table.shape))
        labels: Any = table.dtype.names
        columns: Any = [table[name] for name in labels]
    elif is_a(table, "pandas", "DataFrame"):
        labels = list(table.columns)
        columns = [column for _, column in table.items()]
    elif is_a(table, "polars", "DataFrame"):
        labels, columns = table.columns, table.get_columns()
    elif is_a(table, "polars", "LazyFrame"):
        message = "a LazyFrame has no data yet"
        raise InputError.of("input.container", message, found="a polars.LazyFrame", hint="call .collect() first")
    elif is_a(table, "pyarrow", "Table", "RecordBatch"):
        labels, columns = table.schema.names, table.columns
    else:
        return table_columns(_through_arrow(table))
    texts = Counter(map(str, labels))
    if len(texts) != len(labels):
        twice = next(label for label, count in texts.items() if count > 1)
        raise InputError.of("input.duplicate-field", "two columns have the same name", found=shown(twice))
    return dict(zip(labels, columns, strict=True))


def _through_arrow(table: Any) -> Any:
    """Another library's table by the Arrow PyCapsule interface, with whichever reader the caller has imported."""
    pyarrow, polars, pandas = (sys.modules.get(name) for name in ("pyarrow", "polars", "pandas"))
    reader: Any = None
    if pyarrow is not None and hasattr(table, "__arrow_c_stream__"):  # `pyarrow.table` would import pandas
        reader = lambda table: pyarrow.RecordBatchReader.from_stream(table).read_all()  # noqa: E731
    elif any(hasattr(table, name) for name in _CAPSULES):
        reader = getattr(polars, "DataFrame", None) if pyarrow is None else pyarrow.record_batch
    elif pandas is not None and hasattr(pandas, "api"):
        reader = pandas.api.interchange.from_dataframe
    if reader is None:
        message = "this table cannot be read without pyarrow"
        hint = "import pyarrow before, or pass pandas, Polars, Arrow, a dict of arrays or a list of dicts"
        raise InputError.of("input.container", message, found=shown(table), hint=hint)
    try:
        return reader(table)
    except Exception as error:  # the border to foreign code: whatever another library's table raises
        message = "the library of this table cannot give it to others"
        raise InputError.of("input.container", message, found=shown(table)) from error


def raw(values: Any) -> Raw | None:
    """A column of any library as a list or array; None when it is not a column."""
    values = native(values)
    if type(values) is list:
        return Raw(values)
    if isinstance(values, np.ndarray):
        return _array(values)
    if isinstance(values, list | tuple | range):
        return Raw(list(values))
    library = library_of(values)
    if library == "polars" and hasattr(type(values), "to_numpy"):
        return polars_column(values)
    if library == "pyarrow" and hasattr(values, "null_count"):
        try:
            return arrow_column(values)
        except (ValueError, OverflowError) as error:  # pyarrow has no Python value for some maps and unions
            if isinstance(error, InputError):
                raise
            return None
    if is_a(values, "pandas", "Series", "Index") or library == "pandas":
        return pandas_column(values)
    if is_sparse(values):
        return Raw(values)
    if any(hasattr(values, name) for name in _CAPSULES) and not isinstance(values, type):
        return _capsule_column(values)
    if hasattr(values, "__array__") and not isinstance(values, Mapping | str | bytes | np.generic):
        try:
            return _array(np.asarray(values))
        except (TypeError, ValueError, RuntimeError):  # such as a tensor on another device
            return None
    return None


def _capsule_column(values: Any) -> Raw | None:
    """Another library's column by the Arrow PyCapsule interface; None when no reader of it is here."""
    pyarrow, polars = (sys.modules.get(name) for name in ("pyarrow", "polars"))
    try:
        if pyarrow is not None:
            stream = hasattr(values, "__arrow_c_stream__")
            return arrow_column(pyarrow.chunked_array(values) if stream else pyarrow.array(values))
        return None if polars is None else polars_column(polars.Series(values))
    except Exception:  # noqa: BLE001 - the border to foreign code: then it is not a column
        return None


def _array(values: Any) -> Raw | None:
    if type(values) is np.ndarray:
        return Raw(values) if values.ndim else None
    mask = getattr(values, "mask", None)
    plain = np.asarray(values)
    if not isinstance(mask, np.ndarray | np.bool_) or plain.ndim != 1:
        return Raw(plain) if plain.ndim and mask is None else None
    hidden = np.broadcast_to(mask, plain.shape)
    return Raw(plain, hidden if hidden.any() else None)


def is_sequence(value: object) -> bool:
    """Whether a value in a mapping is a column rather than a scalar."""
    if isinstance(value, list | tuple | range):
        return True
    if value is None or isinstance(value, str | bytes | bytearray | Mapping | np.generic | int | float):
        return False
    if library_of(value) in ("polars", "pyarrow"):
        return hasattr(value, "null_count")
    if any(hasattr(value, name) for name in _CAPSULES):
        return True
    dimensions = getattr(value, "ndim", 0)
    return isinstance(dimensions, int) and dimensions > 0


def depth(value: object) -> int:
    """How deep lists and arrays are nested: by their type, else by the first element of each that is not null."""
    value = native(value)
    if library_of(value) in ("pyarrow", "polars"):
        typed: Any = value
        return 1 + _type_depth(typed.type if hasattr(typed, "type") else typed.dtype)
    if is_sequence(value) and not isinstance(value, list | tuple | range | np.ndarray):
        column = raw(value)  # of a library whose columns may have no iterator, or one of its own scalars
        value = value if column is None else column.values
    deep = 0
    while deep < _DEEPEST and is_sequence(value):
        if isinstance(value, np.ndarray) and value.dtype != object:
            return deep + value.ndim
        deep += 1
        items: Any = value
        value = next((item for item in items if item is not None), None)
    return deep
