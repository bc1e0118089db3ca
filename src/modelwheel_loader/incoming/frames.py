"""Takes apart what callers pass: DataFrames of any library, Arrow, dicts, lists, arrays. Imports none of the libraries.

A library is looked up in `sys.modules`: one that the caller has not imported cannot be met here. `columns.py` has the
columns of each.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..batch import Raw
from ..errors import InputError
from ..text import shown
from .arrow import arrow_column
from .columns import pandas_column, polars_column
from .nested import type_depth

_CAPSULES = ("__arrow_c_stream__", "__arrow_c_array__")
"""The methods of the Arrow PyCapsule interface that give data."""
_DEEPEST = 64
"""How deep lists are looked into: one that holds itself has no end."""


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


def _arrow_reader(table: Any, pyarrow: Any) -> Any:
    """Pyarrow's reader; the one of streams does not import pandas, as `pyarrow.table` does."""
    if hasattr(table, "__arrow_c_stream__"):
        return lambda table: pyarrow.RecordBatchReader.from_stream(table).read_all()
    return pyarrow.record_batch


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
    if any(hasattr(table, name) for name in _CAPSULES):
        reader = _arrow_reader(table, pyarrow) if pyarrow is not None else getattr(polars, "DataFrame", None)
    elif pandas is not None and hasattr(pandas, "api"):
        reader = pandas.api.interchange.from_dataframe
    if reader is None:
        hint = "import pyarrow before, or pass pandas, Polars, Arrow, a dict of arrays or a list of dicts"
        raise InputError.of(
            "input.container", "this table cannot be read without pyarrow", found=shown(table), hint=hint
        )
    try:
        return reader(table)
    except Exception as error:  # the border to foreign code: whatever another library's table raises
        message = "the library of this table cannot give it to others"
        raise InputError.of("input.container", message, found=shown(table)) from error


def raw(values: Any) -> Raw | None:
    """A column of any library as a list or array; None when it is no column at all."""
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
        return _arrow(values)
    if is_a(values, "pandas", "Series", "Index") or library == "pandas":
        return pandas_column(values)
    if is_sparse(values):
        return Raw(values)
    if any(hasattr(values, name) for name in _CAPSULES) and not isinstance(values, type):
        return _capsule_column(values)
    if hasattr(values, "__array__") and not isinstance(values, Mapping | str | bytes | np.generic):
        try:
            return _array(np.asarray(values))
        except (
            TypeError,
            ValueError,
            RuntimeError,
        ):  # such as a tensor on another device, or one that needs a gradient
            return None
    return None


def _arrow(values: Any) -> Raw | None:
    try:
        return arrow_column(values)
    except InputError:
        raise
    except (ValueError, OverflowError):  # pyarrow has no Python value for some maps and unions
        return None


def _capsule_column(values: Any) -> Raw | None:
    """Another library's column by the Arrow PyCapsule interface; None when no reader of it is here."""
    pyarrow, polars = (sys.modules.get(name) for name in ("pyarrow", "polars"))
    try:
        if pyarrow is not None:
            stream = hasattr(values, "__arrow_c_stream__")
            return arrow_column(pyarrow.chunked_array(values) if stream else pyarrow.array(values))
        return None if polars is None else polars_column(polars.Series(values))
    except Exception:  # noqa: BLE001 - the border to foreign code: then it is no column
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
        return 1 + type_depth(typed.type if hasattr(typed, "type") else typed.dtype)
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
