"""Arrow in all its layouts, and tables of any library by the PyCapsule interface."""

from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
from pathlib import Path
from typing import Any

import narwhals
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import modelwheel
from modelwheel_loader.errors import InputError, PackError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import (
    Category,
    DataType,
    Decimal,
    Float,
    Integer,
    List,
    Struct,
    Tensor,
    parse_type,
)
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

STRUCT = Struct((Field(name="a", type=Integer()),))
FLAT = Tensor("float32", (2,))
HALF = [1.0, 1.0, None]


def runs(ends: list[int], values: pa.Array) -> pa.Array:
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int32()), values)


def extension(kind: Any, storage: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, storage)


LAYOUTS: dict[str, tuple[pa.Array, str | DataType, list[Any]]] = {
    "float with null": (pa.array(HALF), "float64", HALF),
    "float16": (pa.array([np.float16(1.5), None], pa.float16()), "float16", [1.5, None]),
    "sliced float": (pa.array([9.0, 1.0, None, 2.0])[1:], "float64", [1.0, None, 2.0]),
    "sliced bool": (pa.array([True] * 9 + [False, None, True])[9:], "bool", [False, None, True]),
    "no rows": (pa.array([], pa.int8()), "int8", []),
    "uint8": (pa.array([255, None], pa.uint8()), "uint8", [255, None]),
    "date32": (pa.array([dt.date(2026, 1, 31), None]), "date", [dt.date(2026, 1, 31), None]),
    "date64": (pa.array([dt.date(2026, 1, 31), None], pa.date64()), "date", [dt.date(2026, 1, 31), None]),
    "string": (pa.array(["a", None, "", "grün"]), "string", ["a", None, "", "grün"]),
    "string without ends": (pa.array([], pa.string()), "string", []),
    "sliced string": (pa.array(["aa", "b", "cc"])[1:], "string", ["b", "cc"]),
    "large_string": (pa.array(["a", None], pa.large_string()), "string", ["a", None]),
    "string_view": (pa.array(["a", None], pa.string_view()), "string", ["a", None]),
    "binary_view": (pa.array([b"a", None], pa.binary_view()), "binary", [b"a", None]),
    "large_binary": (pa.array([b"a", None], pa.large_binary()), "binary", [b"a", None]),
    "fixed_size_binary": (pa.array([b"ab", None], pa.binary(2)), "binary", [b"ab", None]),
    "dictionary": (pa.array(["a", "b", None]).dictionary_encode(), Category(("a", "b")), ["a", "b", None]),
    "dictionary of text": (pa.array(["a", None]).dictionary_encode(), "string", ["a", None]),
    "dictionary of numbers": (
        pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int8()), pa.array([1.5, 2.5])),
        "float64",
        [1.5, 2.5, None],
    ),
    "list": (pa.array([[1, 2], None]), List(Integer()), [[1, 2], None]),
    "large_list": (pa.array([[1, 2], None], pa.large_list(pa.int64())), List(Integer()), [[1, 2], None]),
    "list_view": (pa.array([[1, 2], None], pa.list_view(pa.int64())), List(Integer()), [[1, 2], None]),
    "large_list_view": (pa.array([[1, 2]], pa.large_list_view(pa.int64())), List(Integer()), [[1, 2]]),
    "fixed_size_list": (pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2)), FLAT, [[1, 2], [3, 4]]),
    "fixed_size_list with null": (pa.array([[1, 2], None], pa.list_(pa.float32(), 2)), FLAT, [[1, 2], None]),
    "sliced fixed_size_list": (pa.array([[1, 2], [3, 4]], pa.list_(pa.float32(), 2))[1:], FLAT, [[3, 4]]),
    "fixed_size_list of bool": (
        pa.array([[True, False]], pa.list_(pa.bool_(), 2)),
        Tensor("bool", (2,)),
        [[True, False]],
    ),
    "lists in lists": (
        pa.array([[[1, 2], [3, 4]]], pa.list_(pa.list_(pa.int8(), 2), 2)),
        Tensor("int8", (2, 2)),
        [[[1, 2], [3, 4]]],
    ),
    "struct": (pa.array([{"a": 1}, None]), STRUCT, [{"a": 1}, None]),
    "decimal32": (pa.array([1, None], pa.decimal32(5, 2)), Decimal(5, 2), [decimal.Decimal("1.00"), None]),
    "decimal128": (pa.array([1, None], pa.decimal128(5, 2)), Decimal(5, 2), [decimal.Decimal("1.00"), None]),
    "null": (pa.nulls(2), "float64", [None, None]),
    "runs": (runs([2, 3], pa.array([1.0, None])), "float64", [1.0, 1.0, None]),
    "runs of text": (runs([2, 3], pa.array(["a", "b"])), "string", ["a", "a", "b"]),
    "bool8": (extension(pa.bool8(), pa.array([1, 0], pa.int8())), "bool", [True, False]),
    "uuid": (extension(pa.uuid(), pa.array([b"a" * 16], pa.binary(16))), "binary", [b"a" * 16]),
    "json": (extension(pa.json_(), pa.array(['{"a": 1}'])), "string", ['{"a": 1}']),
    "tensor": (
        pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(8, dtype=np.float32).reshape(2, 2, 2)),
        Tensor("float32", (2, 2)),
        [[[0, 1], [2, 3]], [[4, 5], [6, 7]]],
    ),
}


def schema_of(kind: str | DataType) -> Schema:
    made = parse_type(kind) if isinstance(kind, str) else kind
    return Schema(fields=(Field(name="v", type=made, nullable=True),), container="pyarrow")


def values_of(schema: Schema, table: object) -> list[Any]:
    found, missing = compile_input(schema)(table).column("v")
    absent = missing if missing is not None else np.zeros(len(found), dtype=bool)
    return [None if hidden else value for value, hidden in zip(found.tolist(), absent, strict=True)]


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_every_layout_is_bound(name: str, chunks: int) -> None:
    array, kind, expected = LAYOUTS[name]
    chunked = pa.chunked_array([array] * chunks, type=array.type)
    assert values_of(schema_of(kind), pa.table({"v": chunked})) == expected * chunks
    if chunks == 1:
        assert values_of(schema_of(kind), pa.record_batch({"v": array})) == expected


@pytest.mark.parametrize("name", [name for name, (array, _, _) in LAYOUTS.items() if len(array)])
def test_every_layout_is_inferred_and_fed_as_the_model_was(name: str) -> None:
    table = pa.table({"v": LAYOUTS[name][0]})
    inferred = modelwheel.infer_schema(table)
    fed = compile_native(inferred.schema)(compile_input(inferred.schema)(table))
    assert fed.column("v").type == inferred.sample.column("v").type
    assert fed.column("v").to_pylist() == inferred.sample.column("v").to_pylist()
    converted = table.column("v").type != inferred.sample.column("v").type
    assert converted == any(note.code == "converted" for note in inferred.notes)


@pytest.mark.parametrize("index", ["int8", "int16", "uint8", "int64"])
def test_indices_of_categories_keep_their_width(index: str) -> None:
    kind = pa.dictionary(getattr(pa, index)(), pa.string())
    table = pa.table({"v": pa.array(["a", "b", None], type=kind)})
    schema = modelwheel.infer_schema(table).schema
    assert compile_native(schema)(compile_input(schema)(table)).column("v").type == kind


REFUSED = {
    "time": pa.array([dt.time(1)]),
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1]), pa.array(["a"])]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_types_are_refused_in_our_words(name: str) -> None:
    table = pa.table({"v": REFUSED[name]})
    with pytest.raises(PackError, match="Arrow type that the contract does not have"):
        modelwheel.infer_schema(table)
    with pytest.raises(InputError):
        compile_input(schema_of("string"))(table)


def test_lists_that_cannot_be_tensors_are_refused() -> None:
    inner_null = pa.table({"v": pa.array([[1, None]], pa.list_(pa.float32(), 2))})
    with pytest.raises(InputError):
        compile_input(schema_of(FLAT))(inner_null)
    dates = pa.table({"v": pa.array([[dt.date(2026, 1, 1)]], pa.list_(pa.date32(), 1))})
    with pytest.raises(InputError):
        compile_input(schema_of(Tensor("int32", (1,))))(dates)


def test_tensors_in_another_order_are_not_misread() -> None:
    kind = pa.fixed_shape_tensor(pa.float32(), (2, 3), permutation=[1, 0])
    storage = pa.array([[0, 1, 2, 3, 4, 5]], pa.list_(pa.float32(), 6))
    with pytest.raises(InputError):
        compile_input(schema_of(Tensor("float32", (2, 3))))(pa.table({"v": extension(kind, storage)}))


def test_bytes_that_are_no_text_are_refused() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")]
    )
    with pytest.raises(InputError, match="half of a surrogate pair") as caught:
        compile_input(schema_of("string"))(pa.table({"v": broken}))
    assert caught.value.defects[0].row == 1


def test_what_lies_under_null_is_never_judged() -> None:
    data = pa.py_buffer(np.array([1.0, np.inf]))
    hidden = pa.Array.from_buffers(pa.float64(), 2, [pa.py_buffer(b"\x01"), data])
    assert values_of(schema_of("float64"), pa.table({"v": hidden})) == [1.0, None]


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b", None],
        ["a", "grün"],
        [None],
        ["a"] * 999 + [f"{number}" for number in range(4000)],
        [f"ä{n}" for n in range(4000)],
    ],
    ids=["few", "not ascii", "null alone", "few at first", "all differ"],
)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_many_texts_are_what_they_were(texts: list[str | None], kind: pa.DataType) -> None:
    many = texts * (6000 // len(texts))
    column = pa.array([*many, "cut off"], kind)[1:-1]
    assert values_of(schema_of("string"), pa.table({"v": column})) == many[1:]
    assert values_of(schema_of("string"), pd.DataFrame({"v": pd.Series(many, dtype="str")})) == many


def test_many_bytes_that_are_no_text_are_refused() -> None:
    ends = pa.py_buffer(np.arange(3002, dtype=np.int32))
    broken = pa.Array.from_buffers(pa.string(), 3001, [None, ends, pa.py_buffer(b"a" * 3000 + b"\xff")])
    with pytest.raises(InputError, match="half of a surrogate pair") as caught:
        compile_input(schema_of("string"))(pa.table({"v": broken}))
    assert caught.value.defects[0].row == 3000


# -- other libraries ----------------------------------------------------------------------------------------------


class Stream:
    """A table of a library that nobody knows."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Batch:
    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_array__(self, requested_schema: object = None) -> object:
        return self.table.to_batches()[0].__arrow_c_array__(requested_schema)


class Broken:
    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        raise KeyError("no")


TABLE = pa.table({"v": ["a", "b"]})
FRAME = {"v": ["a", "b"]}
TABLES = [
    Stream(TABLE),
    Batch(TABLE),
    narwhals.from_native(pl.DataFrame(FRAME)),
    narwhals.from_native(pd.DataFrame(FRAME)),
    narwhals.from_native(TABLE),
    {"v": narwhals.from_native(pl.Series(["a", "b"]), series_only=True)},
    {"v": Stream(pa.chunked_array([["a"], ["b"]]))},
    pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches()),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_tables_of_any_library(table: object) -> None:
    assert values_of(schema_of("string"), table) == ["a", "b"]


@pytest.mark.parametrize(
    "table",
    [Broken(), pa.Table, {"v": Broken()}, narwhals.from_native(pl.LazyFrame(FRAME))],
    ids=lambda t: type(t).__name__,
)
def test_what_gives_no_data_is_refused_in_our_words(table: object) -> None:
    with pytest.raises(InputError):
        compile_input(schema_of("string"))(table)


def test_a_sample_may_be_of_narwhals() -> None:
    made = modelwheel.infer_schema(narwhals.from_native(pl.DataFrame(FRAME)))
    assert made.schema == modelwheel.infer_schema(pl.DataFrame(FRAME)).schema


CHECKED_ALONE = """
import sys
import pyarrow as pa, pyarrow.ipc
table = pa.ipc.open_file(sys.argv[1]).read_all()
assert "pandas" not in sys.modules
from modelwheel_loader import Schema
from modelwheel_loader.validate.inputs import compile_input
check = compile_input(Schema.from_arrow(table.schema))
batch = check(table)
check(pa.RecordBatchReader.from_batches(table.schema, table.to_batches()))
assert batch.column("s").values.tolist() == ["a", None, "grün"], batch.column("s")
assert batch.column("t").values.tolist() == ["a", "", "b"]
many = pa.ipc.open_file(sys.argv[2]).read_all()
assert compile_input(Schema.from_arrow(many.schema))(many).column("s").values.tolist() == ["a", None, "grün"] * 1000
assert "pandas" not in sys.modules, "pandas was imported"
"""


def test_arrow_is_checked_without_pandas(tmp_path: Path) -> None:
    table = pa.table(
        {
            "f": pa.array([1.5, None, 2.5]),
            "i": pa.array([1, None, 3]),
            "b": pa.array([True, None, False]),
            "s": pa.array(["a", None, "grün"]),
            "t": pa.array(["a", "", "b"]),
            "at": pa.array([1, 2, None], pa.timestamp("us", "UTC")),
            "l": pa.array([[1], [2, 3], []]),
            "v": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.float32(), 2)),
            "d": pa.array([1, 2, None], pa.decimal128(5, 2)),
        }
    )
    path = tmp_path / "table.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    many = tmp_path / "many.arrow"
    with pa.ipc.new_file(many, (texts := pa.table({"s": ["a", None, "grün"] * 1000})).schema) as writer:
        writer.write_table(texts)
    subprocess.run([sys.executable, "-I", "-c", CHECKED_ALONE, str(path), str(many)], check=True)


CHECKED_BY_POLARS = """
import sys
import polars
class Stream:
    def __init__(self, frame): self.frame = frame
    def __arrow_c_stream__(self, requested_schema=None): return self.frame.__arrow_c_stream__()
from modelwheel_loader import Field, Schema
from modelwheel_loader.validate.inputs import compile_input
check = compile_input(Schema(fields=(Field(name="v", type="float64"),)))
for table in (Stream(polars.DataFrame({"v": [1.5]})), {"v": Stream(polars.Series([1.5]))}):
    assert check(table).column("v").values.tolist() == [1.5]
assert not {"pyarrow", "pandas"} & set(sys.modules)
"""


def test_polars_reads_other_tables_when_pyarrow_is_not_imported() -> None:
    subprocess.run([sys.executable, "-I", "-c", CHECKED_BY_POLARS], check=True)


def test_numbers_are_not_copied() -> None:
    table = pa.table({"v": np.arange(1000.0)})
    values, _ = compile_input(schema_of(Float()))(table).column("v")
    assert values.ctypes.data == table.column("v").chunk(0).buffers()[1].address
