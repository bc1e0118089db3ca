"""What the model is passed is what it was fitted on: container, dtypes, labels, order, nulls. And memory of its own."""

from __future__ import annotations

import datetime as dt
import decimal
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from modelwheel.inference.infer import infer_schema
from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.opening.manifest import GraphInput
from modelwheel_loader.opening.schema import Field, Physical, Schema
from modelwheel_loader.opening.types import (
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
    Tensor,
    Timestamp,
)
from modelwheel_loader.run.onnx_runtime import compile_feeds
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input


def bound(schema: Schema, data: Any) -> Any:
    return compile_native(schema)(compile_input(schema)(data))


def feeds(schema: Schema, data: Any, *inputs: GraphInput) -> dict[str, Any]:
    return compile_feeds(schema, inputs)(compile_input(schema)(data))


FRAMES: dict[str, pd.DataFrame] = {
    "plain": pd.DataFrame({"a": [1, 2], "b": [1.5, np.nan], "c": [True, False]}),
    "floats": pd.DataFrame({"a": [1.0, 2.0], "b": [1.5, np.nan]}),
    "float32": pd.DataFrame({"a": np.array([1.0, 0.1], dtype=np.float32)}),
    "small": pd.DataFrame({"a": np.array([1, 2], dtype=np.int8), "b": np.array([1, 2], dtype=np.uint16)}),
    "bare numbers as labels": pd.DataFrame([[1.0, "x"], [2.0, "y"]]),
    "nullable": pd.DataFrame({"a": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
    "float with nulls of its own": pd.DataFrame({"a": pd.array([1.5, None], "Float64")}),
    "text": pd.DataFrame({"a": pd.Series(["x", None], dtype="str"), "b": pd.Series(["x", None], dtype="string")}),
    "objects": pd.DataFrame({"a": pd.Series(["x", None], dtype=object), "b": pd.Series(["x", np.nan], dtype=object)}),
    "categories": pd.DataFrame({"a": pd.Categorical(["lo", None], categories=["lo", "hi"], ordered=True)}),
    "numbers as categories": pd.DataFrame({"a": pd.Categorical([3, 1])}),
    "times": pd.DataFrame({"a": pd.to_datetime(["2026-01-01", None]), "b": pd.to_timedelta(["1h", None])}),
    "instants": pd.DataFrame({"a": pd.to_datetime(["2026-07-01", None]).tz_localize("Europe/Berlin")}),
    "arrow": pd.DataFrame({"a": pd.array([1, None], "int64[pyarrow]"), "b": pd.array(["x", None], "string[pyarrow]")}),
    "dates": pd.DataFrame({"a": pd.Series([dt.date(2026, 1, 1), None], dtype=object)}),
}


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): frame[name].iloc[row] for name in frame} for row in range(len(frame))]


@pytest.mark.parametrize("name", FRAMES)
def test_pandas_frames(name: str) -> None:
    inferred = infer_schema(FRAMES[name])
    expected = inferred.sample
    shuffled = expected[list(expected.columns)[::-1]].set_index(pd.Index(["q", "p"]))
    for data in (expected, shuffled, rows_of(expected), {str(n): expected[n] for n in expected}):
        pd.testing.assert_frame_equal(bound(inferred.schema, data), expected)
    for row in rows_of(expected):
        assert bound(inferred.schema, row).dtypes.tolist() == expected.dtypes.tolist()
    assert bound(inferred.schema, []).dtypes.tolist() == expected.dtypes.tolist()


POLARS: dict[str, pl.DataFrame] = {
    "numbers": pl.DataFrame({"a": [1, None], "b": [1.5, None], "c": [True, None]}, schema_overrides={"a": pl.UInt8}),
    "nan": pl.DataFrame({"a": [1.5, float("nan")]}),
    "text": pl.DataFrame({"a": ["x", None]}),
    "categories": pl.DataFrame({"a": pl.Series(["x", None], dtype=pl.Categorical)}),
    "enum": pl.DataFrame({"a": pl.Series(["hi", None], dtype=pl.Enum(["lo", "hi"]))}),
    "times": pl.DataFrame({"a": [dt.datetime(2026, 1, 1), None], "b": [dt.timedelta(1), None]}),  # noqa: DTZ001
    "dates": pl.DataFrame({"a": [dt.date(2026, 1, 1), None]}),
    "instants": pl.DataFrame({"a": pl.Series([dt.datetime(2026, 7, 1), None]).dt.replace_time_zone("Europe/Berlin")}),  # noqa: DTZ001
}


@pytest.mark.parametrize("name", POLARS)
def test_polars_frames(name: str) -> None:
    inferred = infer_schema(POLARS[name])
    for data in (inferred.sample, inferred.sample.to_dicts(), inferred.sample.to_pandas(), inferred.sample.to_arrow()):
        made = bound(inferred.schema, data)
        assert made.schema == inferred.sample.schema
        assert made.equals(inferred.sample)


ARROW: dict[str, pa.Table] = {
    "numbers": pa.table({"a": pa.array([1, None], pa.int32()), "b": [1.5, None], "c": [True, None]}),
    "text": pa.table({"a": ["x", None], "b": pa.array(["x", None], pa.large_string())}),
    "dictionary": pa.table({"a": pa.array(["x", None]).dictionary_encode()}),
    "times": pa.table({"a": pa.array([1, None], pa.timestamp("ms")), "b": pa.array([1, None], pa.duration("s"))}),
    "instants": pa.table({"a": pa.array([1, None], pa.timestamp("us", "UTC"))}),
    "dates": pa.table({"a": [dt.date(2026, 1, 1), None]}),
}


@pytest.mark.parametrize("name", ARROW)
def test_arrow_tables(name: str) -> None:
    inferred = infer_schema(ARROW[name])
    for data in (inferred.sample, inferred.sample.to_pylist()):
        made = bound(inferred.schema, data)
        assert made.schema == inferred.sample.schema
        assert made.equals(inferred.sample)


NESTED: list[tuple[DataType, list[Any]]] = [
    (Binary(), [b"\0\1", None]),
    (Decimal(6, 2), [decimal.Decimal("1.50"), None]),
    (List(Integer(16), nullable=True), [[1, None], [], None]),
    (List(List(String())), [[["a"], []], None]),
    (
        Struct((Field(name="x", type=Integer(8)), Field(name="y", type=String(), nullable=True))),
        [{"x": 1, "y": None}, None],
    ),
    (List(Date()), [[dt.date(2026, 1, 1)], []]),
    (List(Timestamp("us")), [[dt.datetime(2026, 1, 1)], []]),  # noqa: DTZ001
]


@pytest.mark.parametrize(("kind", "values"), NESTED, ids=[str(kind) for kind, _ in NESTED])
@pytest.mark.parametrize("container", ["polars", "pyarrow", "pandas"])
def test_types_that_hold_others(kind: DataType, values: list[Any], container: Any) -> None:
    physical = Physical(dtype="object", null="none")
    schema = Schema(fields=(Field(name="a", type=kind, nullable=True, physical=physical),), container=container)
    made = bound(schema, [{"a": value} for value in values])
    found = (
        made["a"].to_list()
        if container == "polars"
        else made["a"].to_pylist()
        if container == "pyarrow"
        else made["a"].tolist()
    )
    assert found == values


def test_dict_of_arrays_and_records() -> None:
    fields = (
        Field(name="a", type=Integer(32), physical=Physical(dtype="int32")),
        Field(name="b", type=String(), nullable=True, physical=Physical(dtype="object", null="nan")),
    )
    columns = bound(Schema(fields=fields, layout="columns"), [{"a": 1, "b": None}])
    assert (columns["a"].dtype, columns["b"].dtype) == (np.int32, object)
    assert np.isnan(columns["b"][0])
    [record] = bound(Schema(fields=fields, layout="records"), {"a": [1], "b": ["x"]})
    assert record == {"a": 1, "b": "x"}
    assert type(record["a"]) is int


@pytest.mark.parametrize("dtype", ["float64", "float32", "int64", "uint8", "bool"])
def test_matrices(dtype: str) -> None:
    sample = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    inferred = infer_schema(sample)
    for data in (sample, sample.tolist(), np.asfortranarray(sample), pd.DataFrame(sample)):
        made = bound(inferred.schema, data)
        np.testing.assert_array_equal(made, sample)
        assert made.dtype == dtype


def test_matrices_of_objects() -> None:
    sample = np.array([[1, "x"], [2, None]], dtype=object)
    inferred = infer_schema(sample)
    made = bound(inferred.schema, sample)
    assert made.dtype == object
    assert made.tolist() == sample.tolist()


def test_the_order_in_memory_stays() -> None:
    schema = infer_schema(np.ones((4, 3))).schema
    assert bound(schema, np.ones((4, 3), order="F")).flags.f_contiguous
    assert bound(schema, np.ones((4, 3))).flags.c_contiguous


@pytest.mark.parametrize(
    "sample",
    [np.arange(4.0), ["a", "b"], pd.Series(["a", "b"]), pl.Series("x", ["a", "b"]), pa.chunked_array([["a", "b"]])],
    ids=["array", "list", "pandas", "polars", "arrow"],
)
def test_one_thing_for_each_row(sample: Any) -> None:
    inferred = infer_schema(sample)
    made = bound(inferred.schema, sample)
    assert type(made) is type(sample)
    assert list(made) == list(sample)


def test_tensors_and_sparse_matrices() -> None:
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    inferred = infer_schema(images)
    assert bound(inferred.schema, images.tolist()).dtype == np.uint8
    for kind in (sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array):
        matrix = kind(np.eye(3))
        made = bound(infer_schema(matrix).schema, matrix)
        assert type(made) is kind
        np.testing.assert_array_equal(made.toarray(), np.eye(3))


def test_rows_of_different_shapes() -> None:
    schema = Schema(fields=(Field(name="x", type=Tensor("float32", (None, 2))),), layout="array")
    made = bound(schema, {"x": [[[1, 2]], [[3, 4], [5, 6]]]})
    assert [row.shape for row in made] == [(1, 2), (2, 2)]
    assert {row.dtype.name for row in made} == {"float32"}


@pytest.mark.parametrize(
    "data",
    [
        np.ones((3, 2)),
        pd.DataFrame({"x0": [1.0], "x1": [2.0]}),
        {"x0": np.ones(2), "x1": np.ones(2)},
    ],
)
@pytest.mark.parametrize("layout", ["matrix", "frame", "columns"])
def test_a_model_that_works_in_place_changes_nothing(data: Any, layout: Any) -> None:
    dtype = "float64" if layout == "matrix" else None
    fields = tuple(Field(name=f"x{i}", type=Float(), physical=Physical(dtype="float64")) for i in range(2))
    schema = Schema(fields=fields, layout=layout, dtype=dtype, container="pandas" if layout == "frame" else "numpy")
    if isinstance(data, np.ndarray) and layout != "matrix":
        data = {"x0": data[:, 0], "x1": data[:, 1]}  # views of one array: names are needed
    before = repr(data)
    made = bound(schema, data)
    if layout == "frame":
        made.iloc[0, 0] = -1.0
    elif layout == "columns":
        made["x0"][:] = -1.0
    else:
        made[:] = -1.0
    assert repr(data) == before


# -- graphs -------------------------------------------------------------------------------------------------------

MIXED = Schema(
    fields=(
        Field(name="a", type=Float(), nullable=True),
        Field(name="b", type=Float()),
        Field(name="n", type=Integer(), nullable=True),
        Field(name="s", type=String(), nullable=True),
        Field(name="c", type=Category((1, 2))),
        Field(name="f", type=Bool()),
    )
)
ROWS: list[dict[str, Any]] = [
    {"a": None, "b": 1.5, "n": None, "s": None, "c": 1, "f": True},
    {"a": 2.0, "b": 2.5, "n": 7, "s": "nan", "c": 2, "f": False},
]


def test_one_input_for_each_column() -> None:
    inputs = [
        GraphInput(name="a", dtype="float32", fields=("a",), shape=(None, 1)),
        GraphInput(name="b", dtype="float64", fields=("b",), shape=(None, 1)),
        GraphInput(name="n", dtype="float32", fields=("n",), shape=(None, 1)),
        GraphInput(name="s", dtype="string", fields=("s",), shape=(None, 1), null_text="nan"),
        GraphInput(name="c", dtype="string", fields=("c",), shape=(None,)),
        GraphInput(name="f", dtype="bool", fields=("f",), shape=(None, 1)),
    ]
    for data in (ROWS, pd.DataFrame(ROWS), {name: [row[name] for row in ROWS] for name in MIXED.names}):
        made = feeds(MIXED, data, *inputs)
        np.testing.assert_array_equal(made["a"], np.array([[np.nan], [2.0]], dtype=np.float32))
        np.testing.assert_array_equal(made["b"], [[1.5], [2.5]])
        np.testing.assert_array_equal(made["n"], np.array([[np.nan], [7.0]], dtype=np.float32))
        assert made["s"].tolist() == [["nan"], ["nan\0"]]
        assert made["c"].tolist() == ["1", "2"]
        assert made["f"].tolist() == [[True], [False]]
        assert [made[name].dtype.name for name in "abnf"] == ["float32", "float64", "float32", "bool"]
        assert all(array.flags.c_contiguous for array in made.values())
    single = feeds(MIXED, ROWS[1], *inputs)
    assert {name: array.shape for name, array in single.items()} == {n: (1,) if n == "c" else (1, 1) for n in "abnscf"}


def test_one_matrix_is_the_callers_memory() -> None:
    schema = infer_schema(np.ones((3, 2))).schema
    data = np.ones((3, 2))
    item = GraphInput(name="x", dtype="float64", fields=schema.names, shape=(None, 2))
    assert feeds(schema, data, item)["x"] is data
    turned = feeds(schema, np.asfortranarray(data), item)["x"]
    assert turned.flags.c_contiguous
    narrow = GraphInput(name="x", dtype="float32", fields=schema.names, shape=(None, 2))
    assert feeds(schema, data, narrow)["x"].dtype == np.float32
    backwards = GraphInput(name="x", dtype="float64", fields=schema.names[::-1], shape=(None, 2))
    assert feeds(schema, np.array([[1.0, 2.0]]), backwards)["x"].tolist() == [[2.0, 1.0]]


def test_matrices_of_texts_and_flat_inputs() -> None:
    schema = Schema(fields=(Field(name="a", type=String()), Field(name="b", type=String())))
    texts = GraphInput(name="x", dtype="string", fields=("a", "b"), shape=(None, 2))
    assert feeds(schema, {"a": ["p"], "b": ["q"]}, texts)["x"].tolist() == [["p", "q"]]
    flat = GraphInput(name="b", dtype="float64", fields=("b",), shape=(None,))
    assert feeds(MIXED, ROWS, flat)["b"].tolist() == [1.5, 2.5]
    numbers = Schema(fields=(Field(name="n", type=Integer()),))
    item = GraphInput(name="n", dtype="int64", fields=("n",), shape=(None,))
    assert feeds(numbers, {"n": [1, 2]}, item)["n"].tolist() == [1, 2]


def test_tensors_of_graphs() -> None:
    field = Field(name="x", type=Tensor("float64", (3,), sparse=True))
    schema = Schema(fields=(field,), layout="array")
    item = GraphInput(name="x", dtype="float32", fields=("x",), shape=(None, 3))
    made = feeds(schema, sparse.csr_matrix(np.eye(3)), item)["x"]
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, np.eye(3))


def test_a_number_that_becomes_infinite_in_the_graph() -> None:
    item = GraphInput(name="b", dtype="float32", fields=("b",), shape=(None, 1))
    for data in ({**ROWS[0], "b": 1e300}, [{**ROWS[0], "b": 1e300}]):
        with pytest.raises(InputError) as caught:
            feeds(MIXED, data, item)
        assert caught.value.code == "input.out-of-range"


def test_times_in_objects_keep_their_zone() -> None:
    instant = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
    for zone in ("UTC", "Europe/Berlin"):
        physical = Physical(dtype="object", null="none")
        field = Field(name="t", type=Timestamp("us", zone), nullable=True, physical=physical)
        schema = Schema(fields=(field,), layout="records")
        made = bound(schema, [{"t": instant}, {"t": None}])
        assert [row["t"] for row in made] == [instant, None]
    span = Field(name="t", type=Duration("ms"), physical=Physical(dtype="object"))
    assert bound(Schema(fields=(span,), layout="records"), {"t": "PT1S"}) == [{"t": dt.timedelta(seconds=1)}]


def test_times_inside_structs() -> None:
    members = (
        Field(name="d", type=Date(), nullable=True),
        Field(name="s", type=Duration("s")),
        Field(name="n", type=Integer()),
    )
    value = {"d": dt.date(2026, 1, 1), "s": dt.timedelta(seconds=5), "n": 1}
    empty = {"d": None, "s": dt.timedelta(0), "n": 2}
    schema = Schema(fields=(Field(name="a", type=Struct(members)),), layout="records")
    assert [row["a"] for row in bound(schema, [{"a": value}, {"a": empty}])] == [value, empty]
    zoned = Field(name="a", type=List(Timestamp("ms", "Europe/Berlin")))
    instant = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
    assert bound(Schema(fields=(zoned,), layout="records"), [{"a": [instant]}]) == [{"a": [instant]}]
    fine = Field(name="a", type=List(Timestamp("ns")))
    [row] = bound(Schema(fields=(fine,), layout="records"), [{"a": [np.datetime64("2026-01-01", "ns")]}])
    assert row["a"] == [np.datetime64("2026-01-01", "ns")]


def test_seconds_in_polars_which_has_none() -> None:
    fields = (Field(name="t", type=Timestamp("s")), Field(name="d", type=Duration("s")))
    made = bound(Schema(fields=fields, container="polars"), {"t": "2026-01-01T00:00:01", "d": "PT5S"})
    assert made.to_dicts() == [{"t": dt.datetime(2026, 1, 1, 0, 0, 1), "d": dt.timedelta(seconds=5)}]  # noqa: DTZ001


def test_tensors_in_polars_and_arrow() -> None:
    for container in ("polars", "pyarrow"):
        container_name: Any = container
        fixed = Field(name="a", type=Tensor("uint8", (2,)))
        free = Field(name="b", type=Tensor("float32", (None,)))
        made = bound(Schema(fields=(fixed, free), container=container_name), [{"a": [1, 2], "b": [0.5]}])
        rows = made.to_dicts() if container == "polars" else made.to_pylist()
        assert [{name: list(part) for name, part in row.items()} for row in rows] == [{"a": [1, 2], "b": [0.5]}]


def test_a_library_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtra):
        compile_native(Schema(fields=(Field(name="a", type=Float()),), container="polars"))


def test_fields_that_no_sample_described() -> None:
    kinds: list[DataType] = [Bool(), Integer(8), Float(32), String(), Date(), Timestamp("s", "UTC"), Category(("a",))]
    row = [True, 1, 0.5, "x", dt.date(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "a"]
    fields = tuple(Field(name=f"f{i}", type=kind, nullable=True) for i, kind in enumerate(kinds))
    for container in ("pandas", "polars", "pyarrow"):
        name: Any = container
        schema = Schema(fields=fields, container=name)
        assert len(bound(schema, [dict(zip(schema.names, row, strict=True))])) == 1
        made = bound(schema, [dict.fromkeys(schema.names), dict(zip(schema.names, row, strict=True))])
        frame = made if container == "pandas" else made.to_pandas()
        assert frame.isna().to_numpy().tolist() == [[True] * len(row), [False] * len(row)]


def test_null_in_what_had_none_when_it_was_fitted() -> None:
    """An author allows null later: the model gets what pandas would have made of it, never a made-up number."""
    frame = pd.DataFrame({"n": [1, 2], "f": [True, False]})
    schema = infer_schema(frame).schema.with_field("n", nullable=True).with_field("f", nullable=True)
    made = bound(schema, [{"n": None, "f": None}, {"n": 2, "f": True}])
    assert made["n"].dtype == np.float64
    assert made.isna().to_numpy().tolist() == [[True, True], [False, False]]
    matrix = infer_schema(np.array([[1, 2], [3, 4]])).schema
    name = matrix.names[0]
    free = matrix.with_field(name, nullable=True)
    assert np.isnan(bound(free, [[None, 2]])[0, 0])
    assert bound(free, [[1, 2]]).dtype == np.int64
    texts = Field(name="t", type=String(), nullable=True, physical=Physical(dtype="<U3"))
    made = bound(Schema(fields=(texts,), layout="array"), ["abc", None])
    assert made.tolist() == ["abc", None]
    item = GraphInput(name="x", dtype="int64", fields=free.names, shape=(None, 2))
    with pytest.raises(InputError) as caught:
        feeds(free, [[None, 2]], item)
    assert caught.value.code == "input.null"


def test_rows_lie_in_memory_as_the_frame_that_they_make() -> None:
    rows = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]
    frame = pd.DataFrame(rows)
    schema = infer_schema(frame).schema
    by_rows = pd.DataFrame(np.array([[1.0, 2.0], [3.0, 4.0]]), columns=["a", "b"])
    for data, expected in (
        (rows, frame),
        (frame, frame),
        ({"a": [1.0, 3.0], "b": [2.0, 4.0]}, frame),
        (by_rows, by_rows),
    ):
        assert bound(schema, data).to_numpy().strides == expected.to_numpy().strides
