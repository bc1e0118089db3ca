"""What callers may pass, and what wrong data says. `tests/property` holds rows and columns together."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import sys
import types
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse

from modelwheel_loader.errors import InputError, UsageError
from modelwheel_loader.opening.schema import Field, Physical, Schema
from modelwheel_loader.opening.types import (
    Binary,
    Bool,
    Category,
    DataType,
    Date,
    Float,
    Integer,
    List,
    String,
    Tensor,
    Timestamp,
)
from modelwheel_loader.validate.batch import Batch
from modelwheel_loader.validate.inputs import compile_input

TABLE = Schema(
    fields=(
        Field(name="age", type=Integer(), nullable=True, minimum=0),
        Field(name="income", type=Float()),
        Field(name="city", type=String()),
        Field(name="plan", type=Category(("basic", "plus"))),
        Field(name="since", type=Timestamp("us")),
    ),
    container="pandas",
)
MATRIX = Schema(
    fields=tuple(Field(name=f"x{index}", type=Float()) for index in range(3)), layout="matrix", dtype="float64"
)
ROW = {"age": 3, "income": 1.5, "city": "Rom", "plan": "basic", "since": dt.datetime(2026, 1, 1)}  # noqa: DTZ001


def defects(schema: Schema, data: Any) -> list[tuple[str, int | None, str | None]]:
    with pytest.raises(InputError) as caught:
        compile_input(schema)(data)
    return [(defect.code, defect.row, defect.field) for defect in caught.value.defects]


def error(schema: Schema, data: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        compile_input(schema)(data)
    return caught.value


def one(kind: DataType, **rules: Any) -> Schema:
    return Schema(fields=(Field(name="x", type=kind, **rules),))


def held(batch: Batch, name: str) -> list[Any]:
    array, missing = batch.column(name)
    absent = np.zeros(batch.rows, dtype=bool) if missing is None else missing
    return [None if gone else value for value, gone in zip(array.tolist(), absent.tolist(), strict=True)]


class Record(collections.UserDict[str, Any]):
    """A mapping that is no dict."""


class Foreign:
    """A DataFrame of a library that nobody knows, with Arrow's interface."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Interchange:
    """A DataFrame that has only the older interchange protocol."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def __dataframe__(self, **_: object) -> object:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self.frame.__dataframe__()


FRAME = pd.DataFrame([ROW, ROW])
CONTAINERS = {
    "list of dicts": [ROW, ROW],
    "tuple of dicts": (ROW, ROW),
    "list of mappings": [Record(ROW), types.MappingProxyType(ROW)],
    "dict of lists": {name: [value, value] for name, value in ROW.items()},
    "dict of tuples": {name: (value, value) for name, value in ROW.items()},
    "dict of arrays": {name: FRAME[name].to_numpy() for name in FRAME},
    "dict of Series": {name: FRAME[name] for name in FRAME},
    "dict of Index": {name: pd.Index(FRAME[name]) for name in FRAME},
    "dict of extension arrays": {name: FRAME[name].array for name in FRAME},
    "dict of Polars Series": {name: pl.Series([value, value]) for name, value in ROW.items()},
    "dict of Arrow arrays": {name: pa.array([value, value]) for name, value in ROW.items()},
    "dict of chunked arrays": {name: pa.chunked_array([[value], [value]]) for name, value in ROW.items()},
    "pandas": FRAME,
    "pandas with an index": FRAME.set_index(pd.Index(["b", "a"])),
    "pandas subclass": type("MyFrame", (pd.DataFrame,), {})(FRAME),
    "pandas shuffled with extra columns": FRAME.assign(extra=1)[["plan", "extra", "age", "since", "city", "income"]],
    "polars": pl.DataFrame([ROW, ROW]),
    "arrow table": pa.Table.from_pylist([ROW, ROW]),
    "arrow batch": pa.RecordBatch.from_pylist([ROW, ROW]),
    "arrow reader": pa.Table.from_pylist([ROW, ROW]).to_reader(),
    "Arrow stream": Foreign(pa.Table.from_pylist([ROW, ROW])),
    "structured array": np.array([tuple(ROW.values())] * 2, dtype="i8,f8,U3,U5,M8[us]").astype(
        [("age", "i8"), ("income", "f8"), ("city", "U3"), ("plan", "U5"), ("since", "M8[us]")]
    ),
    "records of numpy": FRAME.to_records(index=False),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_gives_the_same(container: str) -> None:
    batch = compile_input(TABLE)(CONTAINERS[container])
    assert (batch.rows, batch.single) == (2, False)
    for name, value in ROW.items():
        assert held(batch, name) == [value, value]


@pytest.mark.parametrize("row", [ROW, Record(ROW), types.MappingProxyType(ROW), collections.OrderedDict(ROW)])
def test_one_mapping_of_scalars_is_one_row(row: Any) -> None:
    batch = compile_input(TABLE)(row)
    assert (batch.rows, batch.single) == (1, True)
    assert [held(batch, name) for name in ROW] == [[value] for value in ROW.values()]


def test_the_older_interchange_protocol() -> None:
    frame = pd.DataFrame({"x0": [1.0], "x1": [2.0], "x2": [3.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert held(compile_input(MATRIX)(Interchange(frame)), "x2") == [3.0]


@pytest.mark.parametrize(
    "empty",
    [
        [],
        (),
        {name: [] for name in ROW},
        FRAME.head(0),
        pl.DataFrame([ROW]).head(0),
        pa.Table.from_pylist([ROW]).slice(0, 0),
        {name: pa.chunked_array([], type=pa.array([value]).type) for name, value in ROW.items()},
    ],
)
def test_no_rows_is_valid(empty: Any) -> None:
    batch = compile_input(TABLE)(empty)
    assert batch.rows == 0
    assert [str(batch.column(field.name).values.dtype) for field in TABLE] == [field.type.canonical for field in TABLE]


def test_all_defects_at_once() -> None:
    rows = [{**ROW, "age": -1, "income": "12"}, {**ROW, "plan": "bassic", "city": None}, {"age": 2.5, "incom": 1.0}]
    assert defects(TABLE, rows) == [
        ("input.too-small", 0, "age"),
        ("input.wrong-type", 0, "income"),
        ("input.null", 1, "city"),
        ("input.not-allowed", 1, "plan"),
        ("input.not-whole", 2, "age"),
        ("input.missing-field", 2, "income"),
        ("input.missing-field", 2, "city"),
        ("input.missing-field", 2, "plan"),
        ("input.missing-field", 2, "since"),
    ]
    text = str(error(TABLE, rows))
    assert "did you mean 'basic'?" in text
    assert "'incom' is there: did you mean 'income'?" in text
    assert "send the number itself, not text" in text


def test_values_are_shown_in_part_and_safely() -> None:
    found = error(TABLE, {**ROW, "age": "\x1b[31m" + "x" * 1000}).defects[0].found
    assert len(found) <= 60
    assert "\x1b" not in found


def test_defects_are_counted_beyond_a_bound() -> None:
    caught = error(TABLE, {name: ([-1] if name == "age" else [value]) * 100_000 for name, value in ROW.items()})
    assert (caught.counted, len(caught.defects)) == (100_000, 100)
    assert len(str(caught)) < 5000


def test_many_wrong_categories_are_no_work() -> None:
    schema = one(Category(tuple(f"category {number}" for number in range(5000))))
    caught = error(schema, {"x": [f"kategory {number}" for number in range(50_000)]})
    assert caught.counted == 50_000


def test_many_missing_fields_are_no_work() -> None:
    names = [f"field_{number}" for number in range(3000)]
    schema = Schema(fields=tuple(Field(name=name, type=Float()) for name in names))
    caught = error(schema, {name.replace("_", "-"): 1.0 for name in names})
    assert caught.counted == 3000
    assert caught.defects[0].hint == "'field-0' is there: did you mean 'field_0'?"


@pytest.mark.parametrize(
    "data",
    [{**ROW, "extra": 1}, [{**ROW, "extra": 1}], {**{k: [v] for k, v in ROW.items()}, "extra": [1]}],
)
def test_extra_fields(data: Any) -> None:
    assert compile_input(TABLE)(data).rows == 1
    strict = Schema(fields=TABLE.fields, extra="error")
    [(code, _, field)] = defects(strict, data)
    assert (code, field) == ("input.extra-field", "extra")
    assert compile_input(strict)(ROW).rows == 1
    assert compile_input(strict)([ROW]).rows == 1


def test_defaults_stand_for_missing_fields_only() -> None:
    schema = Schema(fields=(Field(name="a", type=Float()), Field(name="b", type=Date(), default="2026-01-31")))
    for data in ({"a": 1.0}, [{"a": 1.0}], {"a": [1.0]}, pd.DataFrame({"a": [1.0]})):
        assert held(compile_input(schema)(data), "b") == [dt.date(2026, 1, 31)]
    assert defects(schema, {"a": 1.0, "b": None}) == [("input.null", 0, "b")]
    mixed = compile_input(schema)([{"a": 1.0}, {"a": 2.0, "b": "2025-01-01"}])
    assert held(mixed, "b") == [dt.date(2026, 1, 31), dt.date(2025, 1, 1)]


def test_a_mix_of_columns_and_single_values() -> None:
    assert defects(TABLE, {**ROW, "age": [1, 2]}) == [("input.ambiguous", None, "age")]


def test_columns_of_different_lengths_are_checked_nevertheless() -> None:
    data = {**{name: [value, value] for name, value in ROW.items()}, "age": [1], "plan": ["x", "plus"]}
    assert defects(TABLE, data) == [("input.rows-differ", None, "age"), ("input.not-allowed", 0, "plan")]


@pytest.mark.parametrize(
    ("column", "code"),
    [
        (np.ones((2, 1)), "input.shape"),
        (np.ones((2, 1), dtype=object), "input.shape"),
        (np.array(1.0), "input.container"),
        (sparse.csr_matrix(np.ones((2, 1))), "input.container"),
        ({1.0, 2.0}, "input.container"),
        ("ab", "input.container"),
        (iter([1.0, 2.0]), "input.container"),
        (pd.DataFrame({"income": [1.0, 2.0]}), "input.container"),
        ([[1.0], [2.0]], "input.wrong-type"),
    ],
)
def test_what_is_no_column(column: Any, code: str) -> None:
    data = {"age": [1, 2], "income": column}
    schema = Schema(fields=TABLE.fields[:2])
    frame_like = Record(data)
    found = error(schema, frame_like).defects
    assert found[0].code in (code, "input.ambiguous")


def test_one_value_for_each_row() -> None:
    schema = Schema(fields=TABLE.fields[:2])
    assert defects(schema, {"age": [1, 2], "income": np.ones((2, 2))}) == [("input.shape", None, "income")]


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (FRAME.iloc[0], "iloc[[0]]"),
        (iter([ROW]), "list(…)"),
        ('{"age": 1}', "json.loads"),
        (b"{}", "json.loads"),
        (np.ones((2, 5)), "by name"),
        (np.ones(5), "by name"),
        (5, "one row as a dict"),
        (None, "one row as a dict"),
        ([1, 2], "one row as a dict"),
        ([[1, 2]], "one row as a dict"),
        (object(), "one row as a dict"),
        ({"a", "b"}, "one row as a dict"),
    ],
)
def test_what_is_no_data(data: Any, hint: str) -> None:
    caught = error(TABLE, data)
    assert caught.code == "input.container"
    assert hint in caught.hint


def test_a_row_that_is_none_among_rows() -> None:
    assert defects(TABLE, [ROW, None, {**ROW, "age": "x"}, 5]) == [
        ("input.container", 1, None),
        ("input.wrong-type", 2, "age"),
        ("input.container", 3, None),
    ]


def test_a_lazy_frame_has_no_data() -> None:
    assert "collect" in error(TABLE, pl.LazyFrame([ROW])).hint


def test_two_columns_of_one_name() -> None:
    frame = pd.concat([FRAME, FRAME[["age"]]], axis=1)
    assert error(TABLE, frame).code == "input.duplicate-field"
    assert error(TABLE, pa.table([[1], [2]], names=["age", "age"])).code == "input.duplicate-field"
    with_text = pd.DataFrame([[1, 2]], columns=[1, "1"])
    assert error(TABLE, with_text).code == "input.duplicate-field"


def test_a_table_that_nobody_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Foreign(pa.table({"x0": [1.0], "x1": [1.0], "x2": [1.0]}))
    monkeypatch.delitem(sys.modules, "pyarrow")
    assert held(compile_input(MATRIX)(table), "x0") == [1.0]
    monkeypatch.delitem(sys.modules, "polars")
    assert "pyarrow" in error(MATRIX, table).hint


def test_a_table_whose_library_fails() -> None:
    class Broken:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            raise ValueError("no")

    assert error(TABLE, Broken()).code == "input.container"


def test_a_structured_array_of_two_axes() -> None:
    assert error(TABLE, np.zeros((2, 2), dtype=[("age", "i8")])).code == "input.shape"


# -- matrices -----------------------------------------------------------------------------------------------------


def test_a_matrix_of_the_right_dtype_is_not_copied() -> None:
    data = np.arange(6.0).reshape(2, 3)
    batch = compile_input(MATRIX)(data)
    assert batch.block is data
    assert batch.matrix(MATRIX.names, "float64") is data
    assert batch.matrix(MATRIX.names, "float64", own=True) is not data


@pytest.mark.parametrize(
    "data",
    [
        [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]],
        [(0, 1, 2), (3, 4, 5)],
        [np.arange(3), np.arange(3, 6)],
        np.arange(6).reshape(2, 3),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.arange(6, dtype=np.float16).reshape(2, 3),
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(6.0).reshape(2, 3).astype(object),
        np.arange(6.0).reshape(2, 3).view(np.matrix),
        np.ma.masked_array(np.arange(6.0).reshape(2, 3)),
        sparse.csr_matrix(np.arange(6.0).reshape(2, 3)),
        pd.DataFrame(np.arange(6.0).reshape(2, 3)),
        pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=["x0", "x1", "x2"])[["x2", "x0", "x1"]],
        {"x0": [0, 3], "x1": [1, 4], "x2": [2, 5]},
        [{"x0": 0, "x1": 1, "x2": 2}, {"x0": 3, "x1": 4, "x2": 5}],
    ],
)
def test_what_may_stand_for_a_matrix(data: Any) -> None:
    batch = compile_input(MATRIX)(data)
    made = batch.matrix(MATRIX.names, "float64")
    np.testing.assert_array_equal(made, np.arange(6.0).reshape(2, 3))
    assert made.dtype == np.float64


def test_masked_values_are_missing() -> None:
    masked = np.ma.masked_array([[1.0, 2.0, 3.0]], mask=[[False, True, False]])
    assert defects(MATRIX, masked) == [("input.null", 0, "x1")]
    assert defects(one(Integer()), {"x": np.ma.masked_array([1, 2], mask=[False, True])}) == [("input.null", 1, "x")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (np.ones((2, 4)), "input.shape"),
        (np.ones(3), "input.shape"),
        (np.ones((1, 1, 3)), "input.shape"),
        ([[1.0, 2.0, 3.0], [1.0]], "input.shape"),
        (pd.DataFrame(np.ones((2, 3)), columns=["x2", "x1", "y"]), "input.missing-field"),
        (pd.DataFrame(np.ones((2, 3)), columns=[1, 2, 3]), "input.missing-field"),
        (pd.DataFrame(np.ones((2, 4))), "input.missing-field"),
        (np.array([[1.0, np.nan, 2.0]]), "input.null"),
        (np.array([[1.0, np.inf, 2.0]]), "input.not-finite"),
        (np.array([["1", "2", "3"]]), "input.wrong-type"),
        (np.array([[True, False, True]]), "input.wrong-type"),
        (np.array([[1j, 2, 3]]), "input.wrong-type"),
        (np.array([[2**53 + 1, 2, 3]]), "input.out-of-range"),
        ([1.0, 2.0, 3.0], "input.container"),
        (5.0, "input.container"),
        ("abc", "input.container"),
    ],
)
def test_what_is_no_matrix(data: Any, code: str) -> None:
    assert error(MATRIX, data).code == code


def test_a_narrow_matrix() -> None:
    schema = Schema(
        fields=tuple(Field(name=f"x{i}", type=Float(32)) for i in range(2)), layout="matrix", dtype="float32"
    )
    batch = compile_input(schema)(np.array([[1.0, 0.1]]))
    assert batch.block is not None
    assert batch.block.dtype == np.float32
    assert defects(schema, np.array([[1.0, 1e39], [1.0, np.inf]])) == [
        ("input.out-of-range", 0, "x1"),
        ("input.not-finite", 1, "x1"),
    ]
    assert defects(schema, {"x0": 1e39, "x1": 0.0}) == [("input.out-of-range", 0, "x0")]


def test_sums_beyond_the_range_are_no_infinity() -> None:
    data = np.full((3, 3), 1.7e308)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compile_input(MATRIX)(data).block is data
        assert compile_input(MATRIX)({"x0": 1.7e308, "x1": 1.7e308, "x2": 1.7e308}).rows == 1


def test_a_graph_that_computes_in_less_is_told() -> None:
    batch = compile_input(MATRIX)({"x0": 1e300, "x1": 0.0, "x2": 0.0})
    with pytest.raises(InputError) as caught:
        batch.matrix(MATRIX.names, "float32")
    assert caught.value.code == "input.out-of-range"
    with pytest.raises(InputError):
        compile_input(one(Float()))({"x": [1e300]}).matrix(("x",), "float32")


# -- one field without a name -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"]), pl.Series(["a", "b"])]
)
def test_texts_alone(data: Any) -> None:
    schema = Schema(fields=(Field(name="text", type=String()),), layout="array", container="list")
    assert held(compile_input(schema)(data), "text") == ["a", "b"]
    assert compile_input(schema)({"text": "a"}).single


def test_one_text_is_no_list_of_texts() -> None:
    schema = Schema(fields=(Field(name="text", type=String()),), layout="array", container="list")
    assert "[text]" in error(schema, "one text").hint
    assert error(schema, 5).code == "input.container"


def test_sparse_rows() -> None:
    schema = Schema(fields=(Field(name="x", type=Tensor("float64", (3,), sparse=True)),), layout="array")
    matrix = sparse.csr_matrix(np.array([[1.0, 0.0, 2.0]]))
    batch = compile_input(schema)(matrix)
    assert (batch.rows, batch.column("x").values.nnz) == (1, 2)
    assert compile_input(schema)(np.array([[1.0, 0.0, 2.0]])).rows == 1
    assert (
        compile_input(schema)(sparse.coo_array(np.ones((4, 3), dtype=np.int8))).column("x").values.dtype == np.float64
    )
    assert defects(schema, sparse.csr_matrix((5, 10**9))) == [("input.shape", None, "x")]
    matrix.data[1] = np.inf
    assert defects(schema, matrix) == [("input.not-finite", 0, "x[2]")]


# -- how a mapping is read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "data", "rows", "single"),
    [
        (List(Integer()), {"x": [1, 2]}, 1, True),
        (List(Integer()), {"x": [[1, 2], [3]]}, 2, False),
        (List(Integer()), {"x": [[], []]}, 2, False),
        (List(Integer()), {"x": [[], [1]]}, 2, False),
        (List(Integer()), {"x": [None, [1]]}, 2, False),
        (List(Integer()), {"x": np.ones((3, 2))}, 3, False),
        (List(Integer()), {"x": []}, 1, True),
        (List(List(Integer())), {"x": [[1], [2]]}, 1, True),
        (List(List(Integer())), {"x": [[[1]], [[2]]]}, 2, False),
        (Tensor("float64", (2,)), {"x": [1.0, 2.0]}, 1, True),
        (Tensor("float64", (2,)), {"x": np.ones((3, 2))}, 3, False),
        (Tensor("float64", (2, None)), {"x": [[1.0], [2.0]]}, 1, True),
    ],
)
def test_lists_and_tensors_say_by_their_depth(kind: DataType, data: Any, rows: int, single: bool) -> None:
    batch = compile_input(one(kind, nullable=True))(data)
    assert (batch.rows, batch.single) == (rows, single)


def test_single_values_decide_for_lists() -> None:
    schema = Schema(fields=(Field(name="id", type=Integer()), Field(name="tags", type=List(String()))))
    assert compile_input(schema)({"id": 1, "tags": []}).single
    assert compile_input(schema)({"id": [], "tags": []}).rows == 0


# -- never -----------------------------------------------------------------------------------------------------------


def test_what_is_passed_in_is_not_changed() -> None:
    column = np.array(["a", None, np.nan], dtype=object)
    frame = pd.DataFrame({"x": pd.Series(column, dtype=object)})
    before = frame.copy(deep=True)
    compile_input(one(String(), nullable=True))(frame)
    pd.testing.assert_frame_equal(frame, before)
    assert column[1] is None


def test_texts_of_enumerations_are_their_values() -> None:
    class Plan(str, enum.Enum):  # noqa: UP042 - whose str() is another text
        BASIC = "basic"

    assert held(compile_input(TABLE)({**ROW, "plan": Plan.BASIC}), "plan") == ["basic"]
    assert held(compile_input(one(String()))({"x": Plan.BASIC}), "x") == ["basic"]


def test_arrays_of_other_libraries() -> None:
    class Array:
        """Such as a tensor on a graphics card."""

        ndim = 1

        def __array__(self, *_: object, **__: object) -> np.ndarray[Any, Any]:
            raise TypeError("not on this device")

    class Good(Array):
        def __array__(self, *_: object, **__: object) -> np.ndarray[Any, Any]:
            return np.ones(2)

    assert held(compile_input(one(Float()))({"x": Good()}), "x") == [1.0, 1.0]
    assert defects(one(Float()), {"x": Array()}) == [("input.container", None, "x")]
    assert error(MATRIX, Array()).code == "input.container"
    assert error(MATRIX, Good()).code == "input.shape"


def test_schemas_whose_rules_do_not_fit() -> None:
    rules: list[tuple[DataType, dict[str, Any]]] = [
        (Integer(8), {"minimum": 1000}),
        (Integer(), {"minimum": "a"}),
        (Bool(), {"pattern": "a"}),
        (String(), {"pattern": "("}),
        (Float(), {"max_length": 3}),
        (List(Integer()), {"minimum": 3}),
        (Date(), {"allowed": ["soon"]}),
    ]
    for kind, rule in rules:
        written = {**Field(name="x", type=kind).to_dict(), **rule}
        with pytest.raises(UsageError):
            compile_input(Schema.from_dict({"fields": [written], "layout": "records"}))


def test_rules() -> None:
    assert defects(one(String(), pattern="[a-z]+"), {"x": ["a", "A"]}) == [("input.pattern", 1, "x")]
    assert defects(one(Category(("a", "B")), pattern="[a-z]+"), {"x": ["a", "B"]}) == [("input.pattern", 1, "x")]
    assert defects(one(Binary(), max_length=1), {"x": [b"a", b"ab"]}) == [("input.too-long", 1, "x")]
    assert defects(one(String(), min_length=2), {"x": "a"}) == [("input.too-short", 0, "x")]
    assert defects(one(Date(), maximum="2026-01-01"), {"x": "2026-01-02"}) == [("input.too-large", 0, "x")]
    assert held(compile_input(one(Float(32), allowed=(0.1,)))({"x": [0.1]}), "x") == [pytest.approx(0.1)]
    assert held(compile_input(one(Float(32), maximum=0.1))({"x": [0.1]}), "x") == [pytest.approx(0.1)]
    assert defects(one(Float(), nullable=True, minimum=0), [{"x": None}, {"x": -1.0}]) == [("input.too-small", 1, "x")]


def test_a_refused_value_is_told_once() -> None:
    assert defects(one(Integer(), minimum=1), {"x": ["a", 2]}) == [("input.wrong-type", 0, "x")]


def test_rows_that_make_what_they_lack_are_not_asked_for_it() -> None:
    row: collections.defaultdict[str, Any] = collections.defaultdict(int, {"income": 1.0})
    schema = Schema(fields=TABLE.fields[:2])
    assert defects(schema, row) == [("input.missing-field", 0, "age")]
    assert defects(schema, [row]) == [("input.missing-field", 0, "age")]
    assert list(row) == ["income"]


def test_a_list_that_holds_itself() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert error(one(List(Integer())), {"x": endless}).code == "input.wrong-type"


def test_a_frame_of_the_wanted_floats_is_not_copied() -> None:
    frame = pd.DataFrame(np.arange(6.0).reshape(2, 3), columns=list(MATRIX.names))
    batch = compile_input(MATRIX)(frame)
    assert batch.block is not None
    assert np.shares_memory(batch.block, frame.to_numpy())
    frame.iloc[0, 1] = np.inf
    assert defects(MATRIX, frame) == [("input.not-finite", 0, "x1")]


def test_lists_and_tensors_among_columns() -> None:
    schema = one(Tensor("float64", (2,), sparse=True))
    assert not compile_input(schema)({"x": sparse.csr_matrix(np.ones((3, 2)))}).single
    assert error(schema, {"x": 5}).code == "input.wrong-type"
    assert held(compile_input(one(List(Integer()), nullable=True))({"x": None}), "x") == [None]
    assert error(one(Tensor("float64", (2, 2))), {"x": [1.0, 2.0]}).code in ("input.wrong-type", "input.shape")


def test_narrow_rows_and_rows_of_numbers_with_nulls() -> None:
    schema = Schema(fields=(Field(name="a", type=Float(32), nullable=True), Field(name="b", type=Float(32), maximum=9)))
    check = compile_input(schema)
    assert held(check([{"a": None, "b": 1}, {"a": 0.5, "b": 2.0}]), "a") == [None, 0.5]
    assert held(check({"a": None, "b": 1}), "a") == [None]
    assert defects(schema, {"a": 10**400, "b": 1.0}) == [("input.out-of-range", 0, "a")]
    assert defects(schema, [{"a": 1.0, "b": 10.0}]) == [("input.too-large", 0, "b")]
    assert defects(schema, [{"a": 2**53 + 1, "b": 1.0}]) == [("input.out-of-range", 0, "a")]
    assert defects(schema, {"a": True, "b": 1.0}) == [("input.wrong-type", 0, "a")]


def test_columns_without_names_may_come_as_an_array() -> None:
    fields = tuple(Field(name=str(i), type=Float(), physical=Physical(dtype="float64", label=i)) for i in range(2))
    schema = Schema(fields=fields, container="pandas")
    for data in (
        np.array([[1.0, 2.0]]),
        [[1.0, 2.0]],
        pd.DataFrame([[1.0, 2.0]]),
        pd.DataFrame({"1": [2.0], "0": [1.0]}),
    ):
        assert held(compile_input(schema)(data), "1") == [2.0]
    assert error(schema, np.ones((1, 3))).code == "input.shape"


NEAR_THE_ENDS = [0.0, 1.5, 65519.0, 65520.0, 3.4e38, 3.5e38, 1e308, -1e308, 1, 2**60, None, np.nan, np.inf]


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("value", NEAR_THE_ENDS)
def test_one_quick_row_is_what_the_careful_way_makes_of_it(kind: str, value: object) -> None:
    """Numbers near the ends of the floats: in the array for a float32 graph, or refused, as in a list of rows."""
    schema = Schema(fields=tuple(Field(name=name, type=kind, nullable=True) for name in "ab"))  # type: ignore[arg-type]
    check, row = compile_input(schema), {"a": value, "b": 1.0}

    def answer(data: object) -> object:
        try:
            return check(data).matrix(("a", "b"), "float32").tolist()
        except InputError as error:
            return [defect.code for defect in error.defects]

    assert str(answer(row)) == str(answer([row])) == str(answer({"a": [value], "b": [1.0]}))


def test_a_list_of_one_row_is_as_the_row_itself_but_for_the_answer() -> None:
    check = compile_input(Schema(fields=(Field(name="a", type=Float()), Field(name="b", type=String()))))
    row = {"a": 1, "b": "x", "more": 2}
    alone, listed = check(row), check([row])
    assert (alone.single, listed.single) == (True, False)
    assert (listed.rows, listed.narrow, listed.column("b").values.tolist()) == (1, True, ["x"])
    np.testing.assert_array_equal(listed.block, alone.block)
    with pytest.raises(InputError, match="row 0, field 'a'"):
        check([{"a": "1", "b": "x"}])
