"""Parity: rows made up at edges, what is found there, and what is recorded of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor

import graphs
import modelwheel
from models import flights_like_pipeline
from modelwheel.golden.choose import Golden
from modelwheel.golden.recording import record
from modelwheel.inference.infer import infer_schema
from modelwheel.onnx import Graph
from modelwheel.onnx.estimators import column_names, possible_inputs
from modelwheel.onnx.translate import translate
from modelwheel.parity.edges import MOST_FIELDS, Rows, edge_rows, varied
from modelwheel.parity.measure import Measured, Original, measure
from modelwheel.parity.steps import has_steps, step_rows, sums_first
from modelwheel_loader.errors import PredictionError
from modelwheel_loader.opening.manifest import GraphInput, Parity
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.run.onnx_runtime import compile_feeds, open_session
from modelwheel_loader.show.inspection import rows_text
from modelwheel_loader.validate.inputs import compile_input

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 2))


def parities(bundle: modelwheel.Bundle) -> Mapping[str, Parity]:
    return next(payload for payload in bundle.runtimes if payload.kind == "onnx").parity


def original(function: Any, sample: Any, name: str = "predict") -> Original:
    """What `pack` knows of a function before it measures parity."""
    found = infer_schema(sample)
    schema = found.schema
    golden = Golden(sample=found.taken, batch=compile_input(schema)(sample), source="sample")
    recorded, _ = record({name: function}, golden, found.taken, found.notes, wanted=True)
    return Original(schema=schema, methods={name: function}, recorded=recorded, golden=golden, sample=found.taken)


def double_graph(nodes: Sequence[Any], kind: int = TensorProto.DOUBLE, **parts: Any) -> Graph:
    """A graph that takes two doubles and answers one, or another kind, per row."""
    data = graphs.data(
        nodes,
        inputs=[graphs.value("x", TensorProto.DOUBLE, (None, 2))],
        outputs=[graphs.value("y", kind, None)],
        **parts,
    )
    inputs = (GraphInput(name="x", dtype="float64", fields=("x0", "x1"), shape=(None, 2)),)
    return Graph(data=data, inputs=inputs, outputs={"predict": ("y",)}, opsets={"": 21})


def step_graph(threshold: float, operator: str = "LessOrEqual") -> Graph:
    """1.0 where the first column is at most `threshold`, else 0.0."""
    return double_graph(
        [
            graphs.node("Gather", ["x", "first"], ["column"], axis=1),
            graphs.node(operator, ["column", "threshold"], ["below"]),
            graphs.node("Cast", ["below"], ["y"], to=TensorProto.DOUBLE),
        ],
        initializers=[graphs.constant("first", 0), graphs.constant("threshold", threshold, "float64")],
    )


def step(threshold: float) -> Any:
    return lambda rows: (rows[:, 0] <= threshold).astype(float)


# -- rows ------------------------------------------------------------------------------------------------------------


def kinds(schema: Schema) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in edge_rows(schema, 3):
        found.setdefault(row.kind, []).append(row.changes)
    return found


def test_rows_of_each_kind() -> None:
    frame = pd.DataFrame(
        {
            "f": [0.5, np.nan, 2.5],
            "i": [1, 2, 4],
            "b": [True, False, True],
            "s": ["x", "y", None],
            "c": pd.Categorical(["u", "v", "u"]),
            "t": pd.to_datetime(["2020-01-01"] * 3),
        }
    )
    found = kinds(infer_schema(frame).schema)
    assert found["nulls"] == [{"f": None}, {"s": None}, {"f": None, "s": None}]
    assert [list(changes) for changes in found["unseen"]] == [["i"], ["s"], ["i", "s"]]
    assert found["unseen"][0] == {"i": 5}
    assert {"f": 0.0} in found["zeros"]
    assert any(math.copysign(1, changes.get("f", 1.0)) < 0 for changes in found["zeros"])
    assert {"s": ""} in found["zeros"]
    assert {"b": False} in found["zeros"]
    assert [changes["f"] for changes in found["extremes"] if list(changes) == ["f"]] == [0.5, 2.5, -1.5, 4.5]
    assert [changes["c"] for changes in found["extremes"] if list(changes) == ["c"]] == ["u", "v"]
    assert not any("t" in changes for rows in found.values() for changes in rows)


def test_many_fields_are_changed_here_and_there() -> None:
    schema = infer_schema(RANDOM.normal(size=(5, 100))).schema
    assert len(varied(schema)) == MOST_FIELDS
    assert {schema.fields[0], schema.fields[-1]} <= set(varied(schema))
    together = [changes for changes in kinds(schema)["zeros"] if len(changes) > 1]
    assert [len(changes) for changes in together] == [100]


def test_rows_that_the_contract_refuses_are_not_asked_about() -> None:
    schema = infer_schema(X).schema
    limited = schema.replace(fields=(schema.fields[0].replace(minimum=float(X[:, 0].min())), schema.fields[1]))
    asked = replace(original(step(0.1), X), schema=limited)
    parity = measure(iter([step_graph(0.1)]), asked).parity["predict"]
    assert parity.refused == 1  # what lies below the minimum
    assert parity.tried["extremes"] == 2 * 4 + 1 - 1


# -- steps -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.1, -0.1, 0.0, 5e-324, -1e-310, 1.5, 1e-7])
def test_a_step_is_found_to_the_last_bit(threshold: float) -> None:
    schema = infer_schema(np.array([[-2.0, 0.0], [2.0, 1.0], [1.0, 0.5]])).schema
    check = compile_input(schema)
    rows = Rows(schema, check(np.array([[-2.0, 0.0], [2.0, 1.0]])))
    scores = lambda batch: (batch.matrix(schema.names, "float64")[:, :1] <= threshold).astype(float)  # noqa: E731
    found = {row.changes["x0"] for row in step_rows(schema, rows, check, scores, 1e-6, exact=True)}
    assert {threshold, math.nextafter(threshold, math.inf)} <= found
    assert {float(np.float32(threshold))} & found
    assert all("x1" not in row.changes for row in step_rows(schema, rows, check, scores, 1e-6, exact=True))


def test_behind_sums_a_step_may_be_off_by_their_last_digits_and_no_more() -> None:
    schema = infer_schema(np.array([[-2.0], [2.0], [1.0]])).schema
    check = compile_input(schema)
    rows = Rows(schema, check(np.array([[-2.0], [2.0]])))
    scores = lambda batch: (batch.matrix(schema.names, "float64") <= 0.3).astype(float)  # noqa: E731
    found = {row.changes["x0"] for row in step_rows(schema, rows, check, scores, 1e-6, exact=False)}
    away = sorted(abs(value - 0.3) / 0.3 for value in found)
    assert 1e-12 < away[0] < 2e-11
    assert float(np.float32(0.3)) in found  # in single precision the step would be here
    assert sums_first(double_graph([graphs.node("ReduceSum", ["x"], ["y"])]).data)
    assert not sums_first(step_graph(0.0).data)


def test_whole_numbers_and_single_precision_have_steps_too() -> None:
    sample = pd.DataFrame({"i": [-5, 20, 3], "f": np.array([-1, 1, 0], "f4")})
    schema = infer_schema(sample).schema
    check = compile_input(schema)
    rows = Rows(schema, check(sample))
    scores = lambda batch: np.stack(  # noqa: E731
        [batch.column("i").values > 7, batch.column("f").values > np.float32(0.3)], axis=1
    ).astype(float)
    made = step_rows(schema, rows, check, scores, 1e-6, exact=True)
    assert {7, 8} <= {row.changes["i"] for row in made if "i" in row.changes}
    near = {row.changes["f"] for row in made if "f" in row.changes}
    assert {float(np.float32(0.3)), float(np.nextafter(np.float32(0.3), np.float32(1)))} <= near


def test_what_changes_smoothly_has_no_steps() -> None:
    schema = infer_schema(X).schema
    check = compile_input(schema)
    rows = Rows(schema, check(X[:4]))
    smooth = lambda batch: batch.matrix(schema.names, "float64") * 3.0  # noqa: E731
    assert step_rows(schema, rows, check, smooth, 1e-6, exact=True) == []

    def fails(batch: Any) -> Any:
        raise PredictionError.of("predict.failed", "no")

    assert step_rows(schema, rows, check, fails, 1e-6, exact=True) == []
    assert has_steps(step_graph(0.0).data)
    assert not has_steps(double_graph([graphs.node("ReduceSum", ["x"], ["y"])]).data)


# -- parity ----------------------------------------------------------------------------------------------------------


def test_a_threshold_that_lost_its_last_digits_is_found() -> None:
    """No row of the sample lies between the two thresholds; the rows beside the step do."""
    threshold = 0.1234567890123
    assert not ((X[:, 0] > 0.1234567) & (X[:, 0] < 0.1234569)).any()
    for wrong in (float(np.float32(threshold)), math.nextafter(threshold, 1.0), math.nextafter(threshold, -1.0)):
        found = measure(iter([step_graph(wrong)]), original(step(threshold), X))
        assert found.candidate is None
        assert "beside thresholds" in found.reasons[0]
    assert measure(iter([step_graph(threshold, "Less")]), original(step(threshold), X)).candidate is None
    assert measure(iter([step_graph(threshold)]), original(step(threshold), X)).parity["predict"].exact


def with_ties(threshold: float) -> Graph:
    """A step at `threshold`; rows with a first column of zero are said to be ties."""
    ties = double_graph(
        [
            graphs.node("Gather", ["x", "first"], ["column"], axis=1),
            graphs.node("Equal", ["column", "zero"], ["y"]),
        ],
        initializers=[graphs.constant("first", 0), graphs.constant("zero", 0.0, "float64")],
        kind=TensorProto.BOOL,
    )
    return replace(step_graph(threshold), ties=replace(ties, outputs={"tied": ("y",)}))


def test_made_up_rows_that_are_ties_may_differ_and_are_counted() -> None:
    sample = np.abs(X) + 1
    at_zero = lambda rows: (rows[:, 0] == 0).astype(float)  # noqa: E731 - the graph of a step at -5 answers 0 there
    told = measure(iter([with_ties(-5.0)]), original(at_zero, sample))
    assert told.candidate is not None, told.reasons
    assert told.parity["predict"].undecided == 3  # zero, minus zero, and zeros in both columns
    assert told.parity["predict"].tried["zeros"] == 2
    assert rows_text(told.parity["predict"]).endswith("generated; 3 more depend on the order of equal values")
    without = measure(iter([step_graph(-5.0)]), original(at_zero, sample))
    assert without.candidate is None
    assert "zeros" in without.reasons[0]


def test_ties_are_no_excuse_elsewhere_nor_on_rows_of_the_sample() -> None:
    sample = np.abs(X) + 1
    beyond = lambda rows: (rows[:, 0] == rows[:, 0].max()).astype(float)  # noqa: E731
    assert measure(iter([with_ties(-5.0)]), original(beyond, sample)).candidate is None
    sample[3, 0] = 0.0
    at_zero = lambda rows: (rows[:, 0] == 0).astype(float)  # noqa: E731
    told = measure(iter([with_ties(-5.0)]), original(at_zero, sample))
    assert told.candidate is None
    assert "rows of the sample" in told.reasons[0]


def test_neighbours_equally_far_away_are_ties() -> None:
    points = np.array([[0.0, 1.0], [2.0, 1.0], [9.0, 9.0], [5.0, np.nan]])
    imputer = KNNImputer(n_neighbors=1).fit(points)
    neighbours = KNeighborsRegressor(1).fit(points[:3], [1.0, 2.0, 3.0])
    rows = np.array([[1.0, 1.0], [0.0, 1.0], [1.0, np.nan], [0.0, np.nan], [np.nan, 5.0], [np.nan, np.nan]])
    for model, asked, expected in (
        (imputer, rows, [False, False, True, False, True, False]),
        (neighbours, rows[:2], [True, False]),
    ):
        schema = infer_schema(asked).schema
        inputs = next(possible_inputs(schema))
        assert not isinstance(inputs, str)
        made = translate(model, inputs, column_names(schema), ["predict" if model is neighbours else "transform"])
        assert isinstance(made, Graph)
        assert made.ties is not None
        feeds = compile_feeds(schema, made.ties.inputs)(compile_input(schema)(asked))
        (found,) = open_session(made.ties.data).run(feeds, ["tied"])
        assert found.tolist() == expected


def test_the_first_candidate_that_fits_is_taken() -> None:
    wrong, right = step_graph(0.5), step_graph(0.1)
    found = measure(iter(["no converter", wrong, right]), original(step(0.1), X))
    assert found.candidate is not None
    assert found.candidate.data == right.data
    assert found.reasons == ()


def test_what_differs_only_where_nothing_was_seen_is_found() -> None:
    far = step_graph(X[:, 0].max() * 1.5, "Less")
    found = measure(iter([far]), original(lambda rows: np.ones(len(rows)), X))
    assert "beyond the ends of what was seen" in found.reasons[0]
    assert "predict differs from the original in double precision by up to 1" in found.reasons[0]


def test_rows_that_the_original_refuses_are_not_compared() -> None:
    def careful(rows: Any) -> Any:
        if (rows[:, 0] > X[:, 0].max()).any():
            raise ValueError("too large")
        return rows.sum(axis=1)

    graph = double_graph(
        [graphs.node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)], initializers=[graphs.constant("axes", [1])]
    )
    parity = measure(iter([graph]), original(careful, X)).parity["predict"]
    assert parity.refused == 1
    # of two fields the ends, beyond them, and both together; of one field -0.0 as well
    assert parity.tried["extremes"] == 2 * 4 + 1 - 1
    assert parity.rows == sum(parity.tried.values())


def test_a_graph_that_fails_where_the_original_answers_is_left_out() -> None:
    gather = double_graph(
        [
            graphs.node("Gather", ["x", "first"], ["column"], axis=1),
            graphs.node("Cast", ["column"], ["place"], to=TensorProto.INT64),
            graphs.node("Gather", ["table", "place"], ["y"]),
        ],
        initializers=[graphs.constant("first", 0), graphs.constant("table", np.zeros(50), "float64")],
    )
    sample = np.abs(X) * 10
    found = measure(iter([gather]), original(lambda rows: np.zeros(len(rows)), sample))
    assert found.candidate is None
    assert "onnxruntime" in found.reasons[0]


def test_labels_that_disagree_are_counted() -> None:
    labels = lambda rows: np.where(rows[:, 0] <= 0.1, 1, 0)  # noqa: E731
    graph = double_graph(
        [
            graphs.node("Gather", ["x", "first"], ["column"], axis=1),
            graphs.node("LessOrEqual", ["column", "threshold"], ["below"]),
            graphs.node("Cast", ["below"], ["y"], to=TensorProto.INT64),
        ],
        initializers=[graphs.constant("first", 0), graphs.constant("threshold", 0.5, "float64")],
    )
    changed = onnx.ModelProto.FromString(graph.data)
    changed.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    wrong = int(((X[:, 0] > 0.1) & (X[:, 0] <= 0.5)).sum())
    found = measure(iter([replace(graph, data=changed.SerializeToString())]), original(labels, X))
    assert "labels disagree" in found.reasons[0]
    assert wrong > 0


def test_no_converter_at_all_is_a_reason() -> None:
    assert measure(iter([]), original(step(0.1), X)).reasons == ("no converter answers its methods",)
    assert measure(iter(["a", "a", "b"]), original(step(0.1), X)) == Measured(
        candidate=None, parity={}, reasons=("a", "b")
    )


def test_golden_rows_that_are_not_of_the_sample_are_compared_too() -> None:
    asked = original(step(0.1), X)
    given = replace(asked, golden=replace(asked.golden, source="given"))
    assert "examples" not in measure(iter([step_graph(0.1)]), asked).parity["predict"].tried
    assert measure(iter([step_graph(0.1)]), given).parity["predict"].tried["examples"] == len(X)


def test_a_large_sample_is_compared_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwheel.parity.measure.MOST_ROWS", 50)
    monkeypatch.setattr("modelwheel.parity.measure.BATCH", 20)
    found = measure(iter([step_graph(0.1)]), original(step(0.1), X))
    assert found.parity["predict"].tried["sample"] == 50


# -- the whole way ---------------------------------------------------------------------------------------------------


def test_a_bundle_tells_what_was_tried(tmp_path: Path) -> None:
    model, frame = flights_like_pipeline()
    bundle = modelwheel.pack(model, name="m", version="1", sample=frame, out=tmp_path)
    for parity in parities(bundle).values():
        assert {"sample", "nulls", "unseen", "extremes", "zeros", "thresholds"} == set(parity.tried)
        assert parity.label_disagreements == 0
        assert parity.tried["sample"] == len(frame)
        assert parity.max_absolute < 1e-12
    text = str(bundle.report)
    assert "generated" in text
    assert "generated" in str(bundle.explain())


def test_the_original_may_refuse_what_was_never_seen(tmp_path: Path) -> None:
    """OrdinalEncoder raises for unknown categories, and so may the graph, or not."""
    frame = pd.DataFrame({"s": pd.Series(list("abca"), dtype=object), "t": pd.Series(list("xyzx"), dtype=object)})
    bundle = modelwheel.pack(OrdinalEncoder().fit(frame), name="m", version="1", sample=frame, out=tmp_path)
    parity = parities(bundle)["transform"]
    assert parity.refused == 6
    assert "unseen" not in parity.tried


def test_single_precision_of_the_original_is_decided_alike(tmp_path: Path) -> None:
    model = RandomForestClassifier(10, random_state=0).fit(X, X[:, 0] > 0)
    bundle = modelwheel.pack(model, name="m", version="1", sample=X, out=tmp_path)
    assert all(parity.tried["thresholds"] > 5 for parity in parities(bundle).values())


def test_methods_without_a_tolerance_are_not_searched_for_steps(tmp_path: Path) -> None:
    """Labels of a linear model flip where two scores are nearly equal: rounding decides there, and says nothing."""
    model = LogisticRegression().fit(X, X[:, 0] > 0)
    bundle = modelwheel.pack(model, name="m", version="1", sample=X, out=tmp_path)
    assert all("thresholds" not in parity.tried for parity in parities(bundle).values())


def test_the_same_model_gives_the_same_parity(tmp_path: Path) -> None:
    model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, X[:, 0])
    first, second = (
        parities(modelwheel.pack(model, name="m", version="1", sample=X, out=tmp_path / str(number)))
        for number in range(2)
    )
    assert first == second
