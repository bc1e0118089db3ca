"""Lists and structs of Arrow and Polars keep every digit of what lies in them, at any depth, sliced or in chunks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import DataType, Date, Duration, Integer, List, String, Struct, Tensor, Timestamp
from modelwheel_loader.validate.inputs import compile_input

DAYS = st.integers(-(2**31), 2**31 - 1)
COUNTS = st.integers(-(2**63) + 1, 2**63 - 1)
LEAVES: dict[str, tuple[pa.DataType, DataType, st.SearchStrategy[Any]]] = {
    "date": (pa.date32(), Date(), DAYS),
    **{unit: (pa.timestamp(unit), Timestamp(unit), COUNTS) for unit in ("s", "ms", "us", "ns")},
    "zone": (pa.timestamp("ns", "Europe/Berlin"), Timestamp("ns", "Europe/Berlin"), COUNTS),
    "duration": (pa.duration("ns"), Duration("ns"), COUNTS),
    "int8": (pa.int8(), Integer(8), st.integers(-128, 127)),
    "string": (pa.string(), String(), st.text(st.characters(codec="utf-8"), max_size=3)),
}
Kind = tuple[pa.DataType, DataType, st.SearchStrategy[Any]]


def lists(kind: Kind) -> Kind:
    arrow, ours, values = kind
    return pa.list_(arrow), List(ours, nullable=True), st.lists(st.none() | values, max_size=3)


def structs(kind: Kind) -> Kind:
    arrow, ours, values = kind
    fields = (Field(name="x", type=ours, nullable=True), Field(name="y", type=Integer(), nullable=True))
    made = st.fixed_dictionaries({"x": st.none() | values, "y": st.none() | st.integers(0, 9)})
    return pa.struct([("x", arrow), ("y", pa.int64())]), Struct(fields), made


def kinds(leaf: str, shape: str) -> Kind:
    kind = LEAVES[leaf]
    for letter in reversed(shape):
        kind = lists(kind) if letter == "l" else structs(kind)
    return kind


def integers(kind: pa.DataType) -> pa.DataType:
    """The type in which the leaves of `kind` are the integers that they are stored as."""
    if pa.types.is_list(kind):
        return pa.list_(integers(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, integers(field.type)) for field in kind])
    if pa.types.is_temporal(kind):
        return pa.int32() if pa.types.is_date(kind) else pa.int64()
    return kind


def plain(value: Any) -> Any:
    """Times as the counts that they are."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return int(value.view("int64"))
    if isinstance(value, list):
        return [plain(item) for item in value]
    return {name: plain(item) for name, item in value.items()} if isinstance(value, dict) else value


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(sorted(LEAVES)), st.sampled_from(["l", "s", "ll", "ls", "sl", "lsl"]))
def test_nothing_inside_is_lost(data: st.DataObject, leaf: str, shape: str) -> None:
    arrow, ours, values = kinds(leaf, shape)
    rows = data.draw(st.lists(st.none() | values, min_size=1, max_size=5))
    column = pa.array([None, *rows], integers(arrow)).cast(arrow)[1:]
    cut = data.draw(st.integers(0, len(rows)))
    check = compile_input(Schema(fields=(Field(name="a", type=ours, nullable=True),)))
    tables = [pa.table({"a": column}), pa.table({"a": pa.chunked_array([column[:cut], column[cut:]], arrow)})]
    series = pl.from_arrow(column)
    assert isinstance(series, pl.Series)
    tables += [{"a": column}, *([pl.DataFrame({"a": series}), {"a": series}] if leaf != "s" else [])]  # Polars has no s
    for table in tables:
        found, missing = check(table).column("a")
        absent = [False] * len(rows) if missing is None else missing.tolist()
        assert [None if no else plain(item) for item, no in zip(found, absent, strict=True)] == rows


@pytest.mark.parametrize("shape", ["l", "ll"])
def test_a_column_of_another_library_is_a_column_for_lists_too(shape: str) -> None:
    arrow, ours, _ = kinds("int8", shape)
    rows = [[1, 2], [], [3]] if shape == "l" else [[[1], []], [], [[3]]]
    column = pa.chunked_array([pa.array(rows, arrow)])

    class Capsule:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return column.__arrow_c_stream__(requested_schema)

    check = compile_input(Schema(fields=(Field(name="a", type=ours),)))
    for values in (column, column.chunk(0), Capsule(), pl.Series(rows, dtype=pl.from_arrow(column).dtype)):  # type: ignore[union-attr]
        assert check({"a": values}).column("a").values.tolist() == rows


def test_fixed_size_lists_of_times() -> None:
    column = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int64(), 2)).cast(pa.list_(pa.timestamp("ns"), 2))[1:]
    check = compile_input(Schema(fields=(Field(name="a", type=List(Timestamp("ns")), nullable=True),)))
    ours = pl.Series("a", [None, [3, 4]], dtype=pl.Array(pl.Int64, 2)).cast(pl.Array(pl.Datetime("ns"), 2))
    for table in (pa.table({"a": column}), ours.to_frame()):
        values, missing = check(table).column("a")
        assert missing is not None
        assert (missing.tolist(), plain(values[1])) == ([True, False], [3, 4])


def test_texts_inside_that_are_no_unicode_are_refused() -> None:
    offsets = pa.py_buffer(np.array([0, 1], dtype=np.int32))
    text = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(b"\xff")])
    column = pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), text)
    with pytest.raises(InputError, match="surrogate"):
        compile_input(Schema(fields=(Field(name="a", type=List(String())),)))(pa.table({"a": column}))


def test_structs_with_a_name_twice_are_refused() -> None:
    column = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["x", "x"])
    schema = Schema(fields=(Field(name="a", type=Struct((Field(name="x", type="int64"),))),))  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        compile_input(schema)(pa.table({"a": column}))
    assert caught.value.code == "input.duplicate-field"


def test_structs_without_fields() -> None:
    column = pa.array([{}, None, {}], pa.struct([]))
    schema = Schema(fields=(Field(name="a", type=Struct(()), nullable=True),))
    values, missing = compile_input(schema)(pa.table({"a": column})).column("a")
    assert (values[0], missing.tolist()) == ({}, [False, True, False])


def test_what_has_no_python_value_is_no_column() -> None:
    inner = pa.array([2**62], pa.int64()).cast(pa.timestamp("s"))
    column = pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["k"]), inner)
    with pytest.raises(InputError) as caught:
        compile_input(Schema(fields=(Field(name="a", type=List(String())),)))(pa.table({"a": column}))
    assert caught.value.code == "input.container"


def test_tensors_without_axes_are_numbers_with_null() -> None:
    check = compile_input(Schema(fields=(Field(name="a", type=Tensor("float32", ()), nullable=True),)))
    for data in ({"a": np.array([1.5, np.nan])}, [{"a": 1.5}, {"a": None}], pl.DataFrame({"a": [1.5, None]})):
        values, missing = check(data).column("a")
        assert missing is not None
        assert (values[0], missing.tolist()) == (1.5, [False, True])


ALONE = """
import sys
import pyarrow as pa, pyarrow.ipc
from modelwheel_loader import Schema
from modelwheel_loader.validate.inputs import compile_input
table = pa.ipc.open_file(sys.argv[1]).read_all()
values = compile_input(Schema.from_arrow(table.schema))(table).column("a").values
assert [int(moment.view("int64")) for moment in values[0]] == [5, 1769862600000000001]
assert "pandas" not in sys.modules, "pandas was imported"
"""


def test_nanoseconds_in_lists_are_read_without_pandas(tmp_path: Path) -> None:
    column = pa.array([[5, 1769862600000000001]], pa.list_(pa.int64())).cast(pa.list_(pa.timestamp("ns")))
    table = pa.table({"a": column})
    path = tmp_path / "table.arrow"
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    subprocess.run([sys.executable, "-I", "-c", ALONE, str(path)], check=True)
