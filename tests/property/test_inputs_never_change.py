"""What is passed in is never changed: not by the checks, and not by a model that destroys all that it is fed.

`docs/contract.md`: "it never changes what it is passed".
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Physical, Schema
from modelwheel_loader.opening.types import Category, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

DAY = dt.date(2026, 1, 31)
COLUMNS: dict[str, list[Any]] = {
    "f": [1.5, None, 2.5],
    "g": [1.5, 2.5, 3.5],
    "i": [1, 2, None],
    "b": [True, None, False],
    "s": ["a", None, "b"],
    "c": ["lo", "hi", None],
    "d": [DAY, None, DAY],
    "t": [dt.datetime(2026, 1, 31, 12), None, dt.datetime(2026, 1, 31)],  # noqa: DTZ001
    "l": [[1, 2], [], None],
    "r": [{"x": [1.5]}, {"x": []}, None],
    "v": [[1.0, 2.0], [3.0, 4.0], None],
    "y": [b"a", b"", None],
}
TYPES: dict[str, Any] = {
    "f": "float64",
    "g": "float32",
    "i": "int64",
    "b": "bool",
    "s": "string",
    "c": Category(("lo", "hi")),
    "d": "date",
    "t": "timestamp[us]",
    "l": List(parse_type("int64")),
    "r": Struct((Field(name="x", type=List(parse_type("float64"))),)),
    "v": Tensor("float32", (2,)),
    "y": "binary",
}
DTYPES = {"i": "Int64", "b": "boolean", "s": "str", "c": "category", "t": "datetime64[us]"}


def arrow() -> pa.Table:
    kinds = {"g": pa.float32(), "v": pa.list_(pa.float32(), 2)}
    return pa.table({name: pa.array(values, kinds.get(name)) for name, values in COLUMNS.items()})


def objects(values: list[Any]) -> np.ndarray[Any, Any]:
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(copy.deepcopy(values)):
        made[index] = value
    return made


def rows() -> list[dict[str, Any]]:
    columns = copy.deepcopy(COLUMNS)
    return [{name: values[row] for name, values in columns.items()} for row in range(3)]


DOORS: dict[str, Callable[[], Any]] = {
    "one row": lambda: rows()[0],
    "rows": rows,
    "ordered rows": lambda: [OrderedDict(row) for row in rows()],
    "dict of lists": lambda: copy.deepcopy(COLUMNS),
    "dict of objects": lambda: {name: objects(values) for name, values in COLUMNS.items()},
    "dict of arrays": lambda: {
        **copy.deepcopy(COLUMNS),
        "f": np.array([1.5, np.nan, 2.5]),
        "g": np.array([1.5, 2.5, 3.5], dtype=np.float32),
        "t": np.array(["2026-01-31", "NaT", "2026-02-01"], dtype="M8[us]"),
        "d": np.array(["2026-01-31", "NaT", "2026-02-01"], dtype="M8[D]"),
        "v": np.arange(6, dtype=np.float32).reshape(3, 2),
        "i": np.ma.masked_array([1, 2, 3], mask=[False, False, True]),
    },
    "pandas": lambda: pd.DataFrame({name: objects(values) for name, values in COLUMNS.items()}),
    "pandas dtypes": lambda: pd.DataFrame({n: pd.Series(objects(v), dtype=DTYPES.get(n)) for n, v in COLUMNS.items()}),
    "pandas of arrow": lambda: arrow().to_pandas(types_mapper=pd.ArrowDtype),
    "pandas series": lambda: {name: pd.Series(objects(values)) for name, values in COLUMNS.items()},
    "polars": lambda: pl.DataFrame(
        copy.deepcopy(COLUMNS), schema_overrides={"g": pl.Float32, "v": pl.Array(pl.Float32, 2)}
    ),
    "arrow": arrow,
    "narwhals": lambda: nw.from_native(arrow()),
}
MODELS: dict[str, dict[str, Any]] = {
    "frame of pandas": {"layout": "frame", "container": "pandas"},
    "frame of polars": {"layout": "frame", "container": "polars"},
    "table of arrow": {"layout": "frame", "container": "pyarrow"},
    "records": {"layout": "records", "container": "list"},
    "columns": {"layout": "columns"},
}


def schema_of(dtypes: dict[str, str], **options: Any) -> Schema:
    fields = []
    for name, kind in TYPES.items():
        physical = Physical(dtype=dtypes[name], null="na" if name in "ib" else "nan") if name in dtypes else None
        fields.append(Field(name=name, type=kind, nullable=True, physical=physical))
    return Schema(fields=tuple(fields), **options)


def frozen(value: Any) -> Any:
    """Everything that `value` holds, as a value that compares."""
    if isinstance(value, np.ma.MaskedArray):
        return "masked", frozen(np.asarray(value.data)), value.mask.tolist()
    if isinstance(value, np.ndarray):
        held = [frozen(item) for item in value.ravel().tolist()] if value.dtype.hasobject else value.tobytes()
        return str(value.dtype), value.shape, value.strides, held
    if isinstance(value, pd.DataFrame):
        return [frozen(label) for label in value.columns], frozen(list(value.index)), [frozen(value[n]) for n in value]
    if isinstance(value, pd.Series):
        return str(value.dtype), [repr(frozen(item)) for item in value.tolist()]
    if sparse.issparse(value):
        return frozen(value.data), frozen(value.indices), frozen(value.indptr)
    if isinstance(value, dict):
        return type(value).__name__, [(name, frozen(item)) for name, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [frozen(item) for item in value]
    if hasattr(value, "to_native"):
        return frozen(value.to_native())
    if isinstance(value, pl.DataFrame | pl.Series):
        return str(value.to_dict()) if isinstance(value, pl.DataFrame) else str(value.to_list())
    return value.to_pydict() if isinstance(value, pa.Table) else repr(value)


def destroy(value: Any) -> None:
    """Write into all that can be written into, as a careless model does, and past what only asks not to."""
    if isinstance(value, pd.DataFrame | pd.Series):
        columns = [value[name] for name in value] if isinstance(value, pd.DataFrame) else [value]
        for column in columns:
            inner = column.array
            for name in ("_ndarray", "_data", "_mask", "_codes"):
                destroy(getattr(inner, name, None))
    elif sparse.issparse(value):
        for part in (value.data, value.indices):
            destroy(part)
    elif isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            for item in value.ravel().tolist():
                destroy(item)
        with contextlib.suppress(ValueError):  # memory that is nobody's to write into
            value.flags.writeable = True
            value[...] = np.zeros((), dtype=value.dtype) if not value.dtype.hasobject else None
    elif isinstance(value, list):
        for item in value:
            destroy(item)
        value.clear()
    elif isinstance(value, dict):
        for item in value.values():
            destroy(item)
        value.clear()


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("dtypes", [{}, DTYPES], ids=["plain", "of pandas"])
def test_no_door_and_no_model(door: str, model: str, dtypes: dict[str, str]) -> None:
    schema = schema_of(dtypes if model == "frame of pandas" else {}, **MODELS[model])
    data = DOORS[door]()
    before = frozen(data)
    bound = compile_native(schema)(compile_input(schema)(data))
    assert frozen(data) == before
    destroy(bound)
    assert frozen(data) == before


@pytest.mark.parametrize("door", DOORS)
def test_not_when_it_is_refused(door: str) -> None:
    schema = Schema(fields=tuple(Field(name=name, type="uint8") for name in (*COLUMNS, "other")), extra="error")  # type: ignore[arg-type]
    data = DOORS[door]()
    before = frozen(data)
    with pytest.raises(InputError) as caught:
        compile_input(schema)(data)
    str(caught.value)
    assert frozen(data) == before


NUMBERS = np.arange(12.0).reshape(4, 3)
BLOCKS: dict[str, Callable[[], Any]] = {
    "array": NUMBERS.copy,
    "in columns": lambda: np.asfortranarray(NUMBERS),
    "narrow": lambda: NUMBERS.astype(np.float32),
    "whole": lambda: NUMBERS.astype(np.int16),
    "the other way round": lambda: NUMBERS.astype(">f8"),
    "every second": lambda: np.repeat(NUMBERS, 2, axis=0)[::2],
    "frame": lambda: pd.DataFrame(NUMBERS.copy(), columns=["x0", "x1", "x2"]),
    "lists": NUMBERS.tolist,
    "rows": lambda: pd.DataFrame(NUMBERS, columns=["x0", "x1", "x2"]).to_dict("records"),
    "sparse": lambda: sparse.csr_matrix(NUMBERS),
}


@pytest.mark.parametrize("door", BLOCKS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "object"])
@pytest.mark.parametrize("layout", ["matrix", "frame", "array", "sparse"])
def test_no_matrix(door: str, dtype: str, layout: str) -> None:
    if layout in ("array", "sparse"):
        if door in ("frame", "rows") or (layout == "sparse" and door != "sparse") or dtype == "object":
            return
        kind = Tensor(dtype, (3,), sparse=layout == "sparse")
        schema = Schema(fields=(Field(name="x", type=kind),), layout="array")
    else:
        fields = tuple(Field(name=f"x{i}", type="float64", nullable=True) for i in range(3))  # type: ignore[arg-type]
        schema = Schema(fields=fields, layout="matrix", dtype=dtype)
        if layout == "frame":
            if door not in ("frame", "rows"):
                return
            schema = Schema(fields=fields, layout="frame", container="pandas")
    data = BLOCKS[door]()
    before = frozen(data)
    bound = compile_native(schema)(compile_input(schema)(data))
    destroy(bound)
    assert frozen(data) == before
