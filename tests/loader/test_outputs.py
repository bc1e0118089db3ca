from __future__ import annotations

import datetime as dt
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from modelwheel.inference.infer import infer_output
from modelwheel_loader.errors import MissingExtra, OutputError
from modelwheel_loader.opening.schema import Field, Physical, Schema
from modelwheel_loader.opening.types import Tensor, parse_type
from modelwheel_loader.validate.outputs import compile_output, empty_output

ANSWERS: dict[str, Any] = {
    "floats": np.array([1.5, np.nan]),
    "integers": np.array([1, 2], dtype=np.int32),
    "booleans": np.array([True, False]),
    "texts": np.array(["no", "yes"]),
    "objects": np.array(["no", None], dtype=object),
    "times": np.array(["2026-01-01", "NaT"], dtype="datetime64[ns]"),
    "probabilities": np.array([[0.25, 0.75], [0.5, 0.5]], dtype=np.float32),
    "arrays": [np.ones((2, 2)), np.ones((2, 3))],
    "named": {"label": np.array(["a", "b"], dtype=object), "score": np.array([[0.5], [1.0]])},
    "text matrix": np.array([["a", "bb"], ["c", "d"]]),
    "mixed matrix": np.array([["a", 1.5], ["b", None]], dtype=object),
    "sparse": scipy.sparse.csr_matrix(np.eye(2)),
    "list": ["a", "b"],
    "lists": [[1, 2], [3]],
    "records": [{"a": 1, "b": "x"}, {"a": 2, "b": None}],
    "frame": pd.DataFrame({"a": [1.5, np.nan], "b": ["x", None]}),
    "series": pd.Series([1, 2], name="n"),
    "polars": pl.DataFrame({"a": [1, None], "b": ["x", "y"]}),
    "polars series": pl.Series("n", [1, 2]),
    "arrow": pa.table({"a": [1.5, None]}),
}


def array_schema(kind: str, **changes: Any) -> Schema:
    return Schema(fields=(Field(name="value", type=kind, **changes),), layout="array")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ANSWERS)
def test_many_rows_come_back_as_the_model_gave_them(name: str) -> None:
    answer = ANSWERS[name]
    schema = Schema.from_dict(infer_output(answer, 2).to_dict())
    found = compile_output(schema)(answer, 2, False)
    assert type(found) is type(answer)
    if isinstance(answer, list | dict):
        assert len(found) == len(answer)
        parts = answer.values() if isinstance(answer, dict) else answer
        others = found.values() if isinstance(found, dict) else found
        assert all(a is b for a, b in zip(parts, others, strict=True))
    else:
        assert found is answer


@pytest.mark.parametrize("name", ANSWERS)
def test_another_number_of_rows_is_refused(name: str) -> None:
    schema = infer_output(ANSWERS[name], 2)
    with pytest.raises(OutputError) as caught:
        compile_output(schema)(ANSWERS[name], 3, False)
    assert caught.value.code == "output.rows"


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("wrong", [5, None, "text", np.array(1.0), np.zeros((2, 2, 2), dtype=complex)])
def test_another_kind_of_answer_is_refused(name: str, wrong: Any) -> None:
    schema = infer_output(ANSWERS[name], 2)
    with pytest.raises(OutputError):
        compile_output(schema)(wrong, 2, False)


@pytest.mark.parametrize("name", ANSWERS)
def test_no_rows_give_an_empty_answer_of_the_same_kind(name: str) -> None:
    answer = ANSWERS[name]
    empty = empty_output(infer_output(answer, 2))
    assert type(empty) is (type(answer) if name != "polars series" else pl.Series)
    first = empty if not isinstance(empty, dict) else next(iter(empty.values()))
    if name == "arrays":
        assert [part.shape for part in empty] == [(0, 2), (0, 3)]
    else:
        assert (first.shape[0] if hasattr(first, "shape") else len(first)) == 0


SINGLE: dict[str, Any] = {
    "floats": 1.5,
    "integers": 1,
    "booleans": True,
    "texts": "no",
    "objects": "no",
    "list": "a",
    "lists": [1, 2],
    "records": {"a": 1, "b": "x"},
    "frame": {"a": 1.5, "b": "x"},
    "series": 1,
    "polars": {"a": 1, "b": "x"},
    "polars series": 1,
    "arrow": {"a": 1.5},
}


@pytest.mark.parametrize("name", SINGLE)
def test_one_row_comes_back_as_python_values(name: str) -> None:
    answer = ANSWERS[name]
    one = answer[:1] if name != "arrow" else answer.slice(0, 1)
    found = compile_output(infer_output(answer, 2))(one, 1, True)
    assert found == SINGLE[name]
    assert type(found) is type(SINGLE[name])
    if isinstance(found, dict):
        assert {key: type(value) for key, value in found.items()} == {
            key: type(value) for key, value in SINGLE[name].items()
        }


def test_one_row_of_vectors_is_a_vector() -> None:
    answer = ANSWERS["probabilities"]
    found = compile_output(infer_output(answer, 2))(answer[:1], 1, True)
    assert found.tolist() == [0.25, 0.75]
    parts = compile_output(infer_output(ANSWERS["arrays"], 2))([part[:1] for part in ANSWERS["arrays"]], 1, True)
    assert [part.shape for part in parts] == [(2,), (3,)]
    named = compile_output(infer_output(ANSWERS["named"], 2))(
        {"label": np.array(["a"], object), "score": np.ones((1, 1))}, 1, True
    )
    assert named["label"] == "a"
    assert named["score"].tolist() == [1.0]
    texts = compile_output(infer_output(ANSWERS["text matrix"], 2))
    assert texts(ANSWERS["text matrix"].astype(object), 2, False).dtype.kind == "U"
    row = compile_output(infer_output(ANSWERS["mixed matrix"], 2))(ANSWERS["mixed matrix"][:1], 1, True)
    assert row.tolist() == ["a", 1.5]
    sparse = compile_output(infer_output(ANSWERS["sparse"], 2))(ANSWERS["sparse"][:1], 1, True)
    assert sparse.shape == (1, 2)


def test_nanoseconds_stay_numpys_for_python_has_none() -> None:
    answer = ANSWERS["times"]
    found = compile_output(infer_output(answer, 2))(answer[:1], 1, True)
    assert found == np.datetime64("2026-01-01", "ns")


def test_the_sentence_says_what_was_expected_and_found() -> None:
    check = compile_output(infer_output(ANSWERS["probabilities"], 2))
    with pytest.raises(OutputError, match=r"field 'value'.*expected \(2, 2\), found \(2, 3\)") as caught:
        check(np.ones((2, 3)), 2, False)
    assert caught.value.code == "output.shape"


CONVERTED: list[tuple[Any, Any]] = [
    (np.array([1.5, 2.5]), np.array([1.5, 2.5], dtype=np.float32)),
    (np.array([1.5, 2.5]), np.array([[1.5], [2.5]], dtype=np.float32)),
    (np.array([[0.5], [0.25]]), np.array([0.5, 0.25])),
    (np.array([1, 2], dtype=np.int8), np.array([1, 2])),
    (np.array([1, 2]), np.array([1.0, 2.0], dtype=np.float32)),
    (np.array([1.0, 0.0]), np.array([1, 0])),
    (np.array([True, False]), np.array([1, 0])),
    (np.array(["no", "yes"]), np.array(["no", "yes"], dtype=object)),
    (np.array(["no", "yes"], dtype=object), np.array(["no", "yes"])),
    (np.array([1, 2], dtype=object), np.array([1, 2])),
]


@pytest.mark.parametrize(("original", "graph"), CONVERTED)
def test_a_graphs_answer_becomes_the_originals(original: Any, graph: Any) -> None:
    found = compile_output(infer_output(original, 2))(graph, 2, False)
    assert found.dtype == original.dtype
    assert found.shape == original.shape
    assert found.tolist() == original.tolist()


LOSSY: list[tuple[Any, Any]] = [
    (np.array([1, 2]), np.array([1.5, 2.0])),
    (np.array([1, 2], dtype=np.int8), np.array([1, 300])),
    (np.array([1, 2], dtype=np.uint64), np.array([1, -2])),
    (np.array([1, 2]), np.array([np.nan, 2.0])),
    (np.array([True, False]), np.array([2, 0])),
    (np.array([1.5, 2.5]), np.array(["1.5", "2.5"])),
    (np.array(["no", "yes"]), np.array(["no", 1], dtype=object)),
    (np.array(["no", "yes"], dtype=object), np.array([1, 2], dtype=object)),
    (np.array(["no", "yes"], dtype=object), np.array(["no", None], dtype=object)),
    (np.array([1, 2], dtype=object), np.array([True, False], dtype=object)),
    (np.array(["no", "yes"]), np.array([1, 2])),
]


@pytest.mark.parametrize(("original", "wrong"), LOSSY)
def test_a_conversion_that_would_lose_something_is_refused(original: Any, wrong: Any) -> None:
    with pytest.raises(OutputError) as caught:
        compile_output(infer_output(original, 2))(wrong, 2, False)
    assert caught.value.code == "output.dtype"


def test_all_defects_of_several_answers_are_told_at_once() -> None:
    check = compile_output(infer_output(ANSWERS["arrays"], 2))
    with pytest.raises(OutputError) as caught:
        check([np.ones((2, 5)), np.ones((3, 3))], 2, False)
    assert [defect.code for defect in caught.value.defects] == ["output.shape", "output.rows"]
    with pytest.raises(OutputError) as caught:
        check([np.ones((2, 5))], 2, False)
    assert caught.value.code == "output.type"


def test_names_that_are_missing_or_unknown_are_told() -> None:
    check = compile_output(infer_output(ANSWERS["named"], 2))
    with pytest.raises(OutputError) as caught:
        check({"label": ANSWERS["named"]["label"], "scores": np.ones((2, 1))}, 2, False)
    assert [(defect.field, defect.message) for defect in caught.value.defects] == [
        ("score", "is missing in the answer"),
        ("scores", "is not in the schema"),
    ]


def test_a_graphs_answers_get_their_names_by_order() -> None:
    found = compile_output(infer_output(ANSWERS["named"], 2))(
        [np.array(["a", "b"]), np.ones((2, 1), np.float32)], 2, False
    )
    assert list(found) == ["label", "score"]
    assert found["score"].dtype == np.float64
    one = compile_output(infer_output({"only": np.ones(2)}, 2))(np.ones((2, 1)), 2, False)
    assert one["only"].tolist() == [1.0, 1.0]
    single = compile_output(infer_output([np.ones((2, 2))], 2))(np.ones((2, 2)), 2, False)
    assert isinstance(single, list)


def test_a_graphs_matrix_becomes_the_originals_table() -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": [1.0, 2.0]})
    found = compile_output(infer_output(frame, 2))(np.array([[1, 2], [3, 4]], dtype=np.float32), 2, False)
    pd.testing.assert_frame_equal(found, pd.DataFrame({"a": [1.0, 3.0], "b": [2.0, 4.0]}))
    table = compile_output(infer_output(ANSWERS["arrow"], 2))([np.array([1.0, 2.0])], 2, False)
    assert table.column_names == ["a"]
    series = compile_output(infer_output(ANSWERS["series"], 2))(np.array([[5], [6]]), 2, False)
    pd.testing.assert_series_equal(series, pd.Series([5, 6], name="n"))
    with pytest.raises(OutputError):
        compile_output(infer_output(frame, 2))(np.ones((2, 3)), 2, False)


def test_integer_labels_of_columns_survive() -> None:
    frame = pd.DataFrame({0: [1.5], 1: [2.5]})
    schema = infer_output(frame, 1)
    check = compile_output(schema)
    assert check(frame, 1, False) is frame
    assert list(check(np.ones((1, 2)), 1, False).columns) == [0, 1]


def test_a_dense_answer_becomes_the_originals_sparse_matrix() -> None:
    for make in (scipy.sparse.csr_matrix, scipy.sparse.csr_array):
        original = make(np.eye(2))
        found = compile_output(infer_output(original, 2))(np.eye(2, dtype=np.float32), 2, False)
        assert type(found) is make
        assert found.dtype == np.float64
    with pytest.raises(OutputError):
        compile_output(infer_output(original, 2))(scipy.sparse.csr_matrix(np.eye(2, 3)), 2, False)
    with pytest.raises(OutputError):
        compile_output(infer_output(original, 2))(scipy.sparse.csr_matrix(np.eye(2, dtype=bool)), 2, False)
    narrow = compile_output(infer_output(original, 2))(scipy.sparse.csr_matrix(np.eye(2, dtype=np.float32)), 2, False)
    assert narrow.dtype == np.float64


def test_tables_of_another_library_or_type_are_refused() -> None:
    check = compile_output(infer_output(ANSWERS["frame"], 2))
    with pytest.raises(OutputError) as caught:
        check(pl.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]}), 2, False)
    assert caught.value.code == "output.type"
    with pytest.raises(OutputError) as caught:
        check(pd.DataFrame({"a": ["x", "y"], "b": [1.5, 2.5]}), 2, False)
    assert [defect.field for defect in caught.value.defects] == ["a", "b"]
    with pytest.raises(OutputError) as caught:
        compile_output(infer_output(ANSWERS["series"], 2))(pd.Series(["a", "b"]), 2, False)
    assert caught.value.code == "output.dtype"


def test_matrix_of_another_type_is_refused() -> None:
    check = compile_output(infer_output(ANSWERS["mixed matrix"], 2))
    with pytest.raises(OutputError) as caught:
        check(np.ones((2, 2)), 2, False)
    assert caught.value.code == "output.dtype"
    with pytest.raises(OutputError) as caught:
        check(np.ones((2, 3), dtype=object), 2, False)
    assert caught.value.code == "output.shape"


def test_an_inferred_output_may_be_nan_or_infinite_later() -> None:
    check = compile_output(infer_output(np.array([1.5, 2.5]), 2))
    answer = np.array([np.nan, np.inf])
    assert check(answer, 2, False) is answer


@pytest.mark.parametrize(
    ("changes", "answer", "code"),
    [
        ({"nullable": False, "allow_infinity": True}, [np.nan, 1.0], "output.null"),
        ({"nullable": True, "allow_infinity": False}, [np.nan, -np.inf], "output.infinite"),
        ({"minimum": 0.0}, [-0.5, 1.0], "output.range"),
        ({"maximum": 1.0}, [0.5, 1.5], "output.range"),
    ],
)
def test_a_narrowed_output_is_checked(changes: dict[str, Any], answer: list[float], code: str) -> None:
    check = compile_output(array_schema("float64", **changes))
    with pytest.raises(OutputError) as caught:
        check(np.array(answer), 2, False)
    assert caught.value.code == code
    good = np.array([0.5, 1.0])
    assert check(good, 2, False) is good
    assert check(np.array([]), 0, False).size == 0


def test_free_axes_take_any_length() -> None:
    schema = Schema(
        fields=(Field(name="value", type=Tensor("float64", (None, 2)), nullable=True, allow_infinity=True),),
        layout="array",
    )
    check = compile_output(schema)
    for length in (0, 3, 7):
        answer = np.ones((4, length, 2))
        assert check(answer, 4, False) is answer
    with pytest.raises(OutputError):
        check(np.ones((4, 3, 3)), 4, False)


def test_records_are_checked_by_name_and_type() -> None:
    check = compile_output(infer_output(ANSWERS["records"], 2))
    with pytest.raises(OutputError) as caught:
        check([{"a": 1}, {"a": 2, "b": "x"}], 2, False)
    assert caught.value.code == "output.names"
    with pytest.raises(OutputError) as caught:
        check([{"a": 1.5, "b": "x"}, {"a": 2, "b": "x"}], 2, False)
    assert caught.value.code == "output.dtype"
    with pytest.raises(OutputError):
        check([1, 2], 2, False)


def test_a_hostile_dtype_name_is_never_given_to_numpy() -> None:
    schema = array_schema("float64", nullable=True, allow_infinity=True, physical=Physical(dtype="V8,O,(2,)f4"))
    assert compile_output(schema)(np.array([1.0]), 1, True) == 1.0


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    frame, sparse = infer_output(ANSWERS["frame"], 2), infer_output(ANSWERS["sparse"], 2)
    for name in ("pandas", "scipy", "scipy.sparse"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match="pandas"):
        empty_output(frame)
    with pytest.raises(MissingExtra, match="scipy"):
        compile_output(sparse)(np.eye(2), 2, False)


def test_a_schema_that_no_inference_made_is_no_crash() -> None:
    fields = (Field(name="a", type=parse_type("int64")), Field(name="b", type=parse_type("string")))
    with pytest.raises(OutputError):
        compile_output(Schema(fields=fields, layout="frame"))([np.ones(1), np.ones(1)], 1, False)
    with pytest.raises(OutputError):
        empty_output(Schema(fields=fields, layout="frame", container="list"))
    assert empty_output(Schema(fields=(), layout="matrix")).shape == (0, 0)
    assert empty_output(Schema(fields=fields, layout="matrix")).dtype == object
    series = compile_output(Schema(fields=fields[:1], layout="array", container="pandas"))
    assert series(pd.Series([1, 2]), 2, False).tolist() == [1, 2]
    with pytest.raises(OutputError):
        compile_output(Schema(fields=fields[:1], layout="array", container="polars"))(pd.Series([1]), 1, False)


def test_series_of_every_library() -> None:
    answers: list[tuple[Any, Any]] = [
        (pl.Series("n", [1, 2]), 1),
        (pa.chunked_array([["a", "b"]]), "a"),
        (pd.Series(["a", "b"]), "a"),
    ]
    for answer, first in answers:
        check = compile_output(infer_output(answer, 2))
        assert check(answer[:1], 1, True) == first
        made = check(np.array(answer.to_list() if hasattr(answer, "to_list") else answer.to_pylist()), 2, False)
        assert len(made) == 2
        assert len(empty_output(infer_output(answer, 2))) == 0


def test_bytes_and_sparse_kinds() -> None:
    answer = np.array([b"a", b"bc"])
    check = compile_output(infer_output(answer, 2))
    assert check(answer, 2, False) is answer
    assert check(answer.astype(object), 2, False).dtype.kind == "S"
    for form in ("csc_matrix", "coo_array"):
        original = getattr(scipy.sparse, form)(np.eye(2))
        assert type(compile_output(infer_output(original, 2))(np.eye(2), 2, False)) is type(original)


def test_answers_of_times_as_objects_are_taken_as_they_are() -> None:
    answer = np.array([dt.date(2026, 1, 1), None], dtype=object)
    check = compile_output(infer_output(answer, 2))
    assert check(answer, 2, False) is answer
    assert check(answer[:1], 1, True) == dt.date(2026, 1, 1)
