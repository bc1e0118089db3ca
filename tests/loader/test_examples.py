from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from modelwheel.inference.infer import infer_output
from modelwheel_loader.errors import InvalidBundle, UsageError
from modelwheel_loader.opening.schema import Field, Physical, Schema
from modelwheel_loader.opening.types import Category, DataType, List, Struct, Tensor, parse_type
from modelwheel_loader.proof.comparison import compare
from modelwheel_loader.proof.examples import decode_input, decode_output, encode_columns, encode_output

ANSWERS: dict[str, Any] = {
    "floats": np.array([0.1, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1.7976931348623157e308]),
    "narrow floats": np.array([0.1, 1e-45, np.nan, 3.4028235e38], dtype=np.float32),
    "half floats": np.array([0.1, 65504], dtype=np.float16),
    "integers": np.array([-(2**63), 2**63 - 1]),
    "unsigned": np.array([0, 2**64 - 1], dtype=np.uint64),
    "booleans": np.array([True, False]),
    "texts": np.array(["", "naïve\u202e\x00"[:6]]),
    "objects": np.array(["no", None, "NaN"], dtype=object),
    "bytes": np.array([b"\x00\xff", b""], dtype=object),
    "nanoseconds": np.array(["2026-01-01T00:00:00.123456789", "NaT", "1677-09-22"], dtype="datetime64[ns]"),
    "seconds": np.array(["2026-01-01T00:00:01"], dtype="datetime64[s]"),
    "days": np.array(["2026-01-01", "NaT"], dtype="datetime64[D]"),
    "durations": np.array([1, -5], dtype="timedelta64[ms]"),
    "tensors": np.arange(12, dtype=np.float32).reshape(3, 2, 2),
    "truths": np.array([[True, False], [False, False]]),
    "arrays": [np.ones((2, 2)), np.array([[np.nan], [1.0]])],
    "named": {"label": np.array(["a", "b"], dtype=object), "score": np.array([[0.5], [1.0]])},
    "text matrix": np.array([["a", "bb"], ["c", "d"]]),
    "mixed matrix": np.array([["a", 1.5], ["b", None]], dtype=object),
    "sparse": scipy.sparse.random(5, 7, 0.3, format="csr", random_state=1),
    "list": ["a", "b"],
    "lists": [[1, 2], [], [3]],
    "structs": [{"a": {"b": 1, "c": [1.5]}}, {"a": {"b": 2, "c": []}}],
    "records": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    "frame": pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None], "c": pd.to_datetime(["2026-01-01", None])}),
    "zoned frame": pd.DataFrame({"c": pd.to_datetime(["2026-01-01", None], utc=True)}),
    "category frame": pd.DataFrame({"c": pd.Categorical(["x", None], categories=["x", "y"])}),
    "series": pd.Series([1, 2], name="n"),
    "polars": pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
    "arrow": pa.table({"a": [1.5, None], "d": [dt.date(2026, 1, 1), None]}),
    "decimals": [decimal.Decimal("1.10"), None],
    "none": np.zeros((0, 3)),
}


def rows_of(answer: Any) -> int:
    if isinstance(answer, dict):
        return len(next(iter(answer.values())))
    if isinstance(answer, list) and isinstance(answer[0], np.ndarray):
        return len(answer[0])
    return int(answer.shape[0]) if hasattr(answer, "shape") else len(answer)


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_come_back_bit_for_bit(name: str) -> None:
    answer, rows = ANSWERS[name], rows_of(ANSWERS[name])
    schema = Schema.from_dict(infer_output(answer, rows).to_dict())
    data = encode_output(answer, schema, rows)
    assert encode_output(answer, schema, rows) == data
    back = decode_output(data, schema, "examples/predict.json")
    result = compare(answer, back)
    assert result.exact, result
    assert result.within
    assert result.first is None
    if isinstance(answer, np.ndarray):
        assert back.dtype == answer.dtype


COLUMNS: list[tuple[DataType, list[Any]]] = [
    (parse_type("bool"), [True, None]),
    (parse_type("int8"), [1, None]),
    (parse_type("float64"), [1.5, None]),
    (parse_type("string"), ["a", None]),
    (parse_type("binary"), [b"\x00\xff", None]),
    (parse_type("date"), [dt.date(2026, 1, 31), None]),
    (parse_type("timestamp[us]"), [dt.datetime(2026, 1, 31, 12, 0, 0, 5), None]),  # noqa: DTZ001 - a wall clock
    (
        parse_type("timestamp[us, Europe/Berlin]"),
        [dt.datetime(2026, 1, 31, tzinfo=dt.timezone(dt.timedelta(hours=1))), None],
    ),
    (parse_type("timestamp[ns]"), [pd.Timestamp("2026-01-31T00:00:00.123456789"), pd.NaT]),
    (parse_type("duration[us]"), [dt.timedelta(days=-1, microseconds=5), None]),
    (parse_type("duration[ns]"), [pd.Timedelta(5, "ns"), pd.NaT]),
    (parse_type("decimal(5, 2)"), [decimal.Decimal("1.10"), None]),
    (Category(("x", "y")), ["x", None]),
    (Category((1, 2)), [np.int64(2), pd.NA]),
    (List(parse_type("float64")), [[1.5, float("nan")], None]),
    (
        Struct((Field(name="a", type=parse_type("int64")), Field(name="b", type=parse_type("string")))),
        [{"a": 1, "b": "x"}, None],
    ),
]


@pytest.mark.parametrize(("kind", "values"), COLUMNS, ids=lambda item: str(item) if isinstance(item, DataType) else "")
def test_inputs_come_back_as_columns(kind: DataType, values: list[Any]) -> None:
    schema = Schema(fields=(Field(name="c", type=kind, nullable=True),))
    data = encode_columns({"c": values}, schema, 2)
    column = decode_input(data, schema, "examples/input.json")["c"]
    assert len(column) == 2
    if not str(kind).startswith(("float", "timestamp[us, Europe")):  # NaN stands for null there, text for an instant
        assert encode_columns({"c": column}, schema, 2) == data
    again = json.loads(data)["columns"][0]["values"]
    assert again[1] is None


def test_instants_are_given_as_text_in_utc() -> None:
    schema = Schema(fields=(Field(name="c", type=parse_type("timestamp[s, Europe/Berlin]")),))
    moment = dt.datetime(2026, 1, 31, 1, tzinfo=dt.timezone(dt.timedelta(hours=1)))
    column = decode_input(encode_columns({"c": [moment]}, schema, 1), schema, "x")["c"]
    assert column.tolist() == ["2026-01-31T00:00:00Z"]


def test_null_of_an_answer_is_the_models_own() -> None:
    field = Field(name="v", type=parse_type("string"), nullable=True, physical=Physical(dtype="object", null="nan"))
    schema = Schema(fields=(field,), layout="array")
    back = decode_output(encode_output(np.array(["a", np.nan], dtype=object), schema, 2), schema, "x")
    assert back[0] == "a"
    assert isinstance(back[1], float)


def test_what_cannot_be_stored_is_told_per_field() -> None:
    schema = Schema(fields=(Field(name="a", type=parse_type("string")), Field(name="b", type=parse_type("int64"))))
    with pytest.raises(UsageError) as caught:
        encode_columns({"a": ["\ud800"], "b": ["x"]}, schema, 1)
    assert [defect.field for defect in caught.value.defects] == ["a", "b"]


TENSOR = Schema(fields=(Field(name="v", type=Tensor("float64", (2,))),), layout="array")
SPARSE = Schema(fields=(Field(name="v", type=Tensor("float64", (2,), sparse=True)),), layout="array")
NINE = base64.b64encode(bytes(8 * 4)).decode()


def column_text(schema: Schema, values: Any) -> bytes:
    key = "values"
    if isinstance(schema.fields[0].type, Tensor):
        key = "sparse" if schema.fields[0].type.sparse else "tensor"
    return json.dumps({"rows": 2, "columns": [{"name": schema.names[0], key: values}]}).encode()


def one(kind: str) -> Schema:
    return Schema(fields=(Field(name="v", type=parse_type(kind)),), layout="array")


def b64(values: Any, dtype: str) -> str:
    return base64.b64encode(np.array(values, dtype=dtype).tobytes()).decode()


HOSTILE: list[tuple[Schema, Any]] = [
    (one("int64"), [1]),
    (one("int64"), [1, 2, 3]),
    (one("int64"), [1, True]),
    (one("int64"), [1, 1.0]),
    (one("int8"), [1, 300]),
    (one("bool"), [1, 0]),
    (one("string"), ["a", 1]),
    (one("float64"), ["nan", "inf"]),
    (one("binary"), ["?", "aa"]),
    (one("date"), ["2026-02-31", "2026-01-01"]),
    (one("date"), ["today", "now"]),
    (one("timestamp[ns]"), ["9999-01-01T00:00:00", "2026-01-01"]),
    (one("timestamp[us, UTC]"), ["2026-01-01T00:00:00", "2026-01-01T00:00:00Z"]),
    (one("duration[s]"), ["1", 1]),
    (one("decimal(5, 2)"), ["1e999999999", "1"]),
    (one("decimal(5, 2)"), ["NaN", "1"]),
    (Schema(fields=(Field(name="v", type=Category(("x",))),), layout="array"), [["x"], "x"]),
    (Schema(fields=(Field(name="v", type=List(parse_type("int64"))),), layout="array"), ["x", []]),
    (
        Schema(fields=(Field(name="v", type=Struct((Field(name="a", type=parse_type("int64")),))),), layout="array"),
        [{"b": 1}, {"a": 1}],
    ),
    (TENSOR, {"shape": [2, 2], "data": b64([1.0], "f8")}),
    (TENSOR, {"shape": [2, 3], "data": b64([1.0] * 6, "f8")}),
    (TENSOR, {"shape": [2], "data": b64([1.0] * 2, "f8")}),
    (TENSOR, {"shape": [2, 2**62], "data": b64([1.0] * 4, "f8")}),
    (TENSOR, {"shape": [2, -2], "data": b64([1.0] * 4, "f8")}),
    (TENSOR, {"shape": [2, 2], "data": "AAA="}),
    (TENSOR, {"shape": [2, 2], "data": b64([1.0] * 4, "f8"), "dtype": "O"}),
    (TENSOR, {"shape": "2,2", "data": b64([1.0] * 4, "f8")}),
    (TENSOR, [1.0, 2.0]),
    (
        Schema(fields=(Field(name="v", type=Tensor("bool", (2,))),), layout="array"),
        {"shape": [2, 2], "data": base64.b64encode(b"\x00\x01\x02\xff").decode()},
    ),
    (SPARSE, {"shape": [2, 2], "data": b64([1.0], "f8"), "indices": b64([2], "i8"), "indptr": b64([0, 1, 1], "i8")}),
    (SPARSE, {"shape": [2, 2], "data": b64([1.0], "f8"), "indices": b64([-1], "i8"), "indptr": b64([0, 1, 1], "i8")}),
    (SPARSE, {"shape": [2, 2], "data": b64([1.0], "f8"), "indices": b64([0], "i8"), "indptr": b64([0, 2, 1], "i8")}),
    (SPARSE, {"shape": [2, 2], "data": b64([1.0], "f8"), "indices": b64([0], "i8"), "indptr": b64([0, 1], "i8")}),
    (SPARSE, {"shape": [2, 3], "data": b64([], "f8"), "indices": b64([], "i8"), "indptr": b64([0, 0, 0], "i8")}),
]


@pytest.mark.parametrize(("schema", "values"), HOSTILE)
def test_hostile_documents_are_refused_with_the_place(schema: Schema, values: Any) -> None:
    with pytest.raises(InvalidBundle) as caught:
        decode_output(column_text(schema, values), schema, "examples/predict.json")
    assert caught.value.defects[0].where.startswith("examples/predict.json.columns[0]")


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{}", b'{"rows": -1, "columns": []}', b'{"rows": 1, "columns": [{"name": "w", "values": [1]}]}'],
)
def test_other_documents_are_refused(text: bytes) -> None:
    with pytest.raises(InvalidBundle):
        decode_input(text, one("int64"), "x")


def test_sparse_examples_are_read_where_scipy_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = ANSWERS["sparse"]
    schema = infer_output(answer, 5)
    data = encode_output(answer, schema, 5)
    for name in ("scipy", "scipy.sparse"):
        monkeypatch.setitem(sys.modules, name, None)
    back = decode_output(data, schema, "x")
    assert type(back).__name__ == "SparseRows"
    assert compare(answer, back).exact
    assert encode_output(back, schema, 5) == data


def test_tensors_inside_lists_are_refused_not_guessed() -> None:
    schema = Schema(fields=(Field(name="v", type=List(Tensor("float64", (2,)))),), layout="array")
    with pytest.raises(InvalidBundle):
        decode_output(column_text(schema, [[[1.0, 2.0]], []]), schema, "x")
    with pytest.raises(UsageError):
        encode_output([[np.ones(2)], []], schema, 2)
