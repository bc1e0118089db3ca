"""Ensembles of trees, rewritten: the same decisions, in double precision, in operators that open fast."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn import ensemble, tree
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelwheel.inference.infer import infer_schema
from modelwheel.onnx import Graph, convert_estimator
from modelwheel.onnx.arrays import Array
from modelwheel.onnx.families.trees import sums
from modelwheel.onnx.forest import GT, LEQ, LT, TREES, Forest, Split, Tree, exact_parts
from modelwheel.onnx.graph import Builder
from modelwheel_loader.run.onnx_runtime import open_session

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 4))
TWO = np.where(X[:, 0] + X[:, 1] * X[:, 2] > 0, "yes", "no")
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
NUMBER = X @ np.arange(4) + 1
MANY = 2 * TREES + 5

MODELS = {
    "forest, two classes": (ensemble.RandomForestClassifier(MANY, max_depth=5, random_state=0), TWO),
    "forest, Boolean classes": (ensemble.RandomForestClassifier(MANY, max_depth=5, random_state=0), TWO == "yes"),
    "forest of stumps": (ensemble.RandomForestClassifier(3, max_depth=1, random_state=0), np.arange(300) == 7),
    "extra trees": (ensemble.ExtraTreesClassifier(MANY, max_depth=5, random_state=0), TWO),
    "tree": (tree.DecisionTreeClassifier(max_depth=5, random_state=0), TWO),
    "forest, numbers": (ensemble.RandomForestRegressor(MANY, max_depth=5, random_state=0), NUMBER),
    "extra trees, numbers": (ensemble.ExtraTreesRegressor(MANY, max_depth=5, random_state=0), NUMBER),
    "tree, numbers": (tree.DecisionTreeRegressor(max_depth=5, random_state=0), NUMBER),
    "boosting, two classes": (ensemble.GradientBoostingClassifier(n_estimators=MANY, random_state=0), TWO),
    "boosting, exponential": (ensemble.GradientBoostingClassifier(loss="exponential", random_state=0), TWO),
    "boosting, three classes": (ensemble.GradientBoostingClassifier(n_estimators=MANY, random_state=0), THREE),
    "boosting, numbers": (ensemble.GradientBoostingRegressor(n_estimators=MANY, random_state=0), NUMBER),
    "boosting from zero": (ensemble.GradientBoostingRegressor(init="zero", random_state=0), NUMBER),
    "in a pipeline": (make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(MANY, random_state=0)), TWO),
}
SEVERAL = {
    "forest, three classes": (ensemble.RandomForestClassifier(MANY, max_depth=5, random_state=0), THREE),
    "tree, three classes": (tree.DecisionTreeClassifier(max_depth=1, random_state=0), THREE),
    "forest, two numbers": (ensemble.RandomForestRegressor(MANY, random_state=0), np.stack([NUMBER, -NUMBER], axis=1)),
}
"""A leaf gives several numbers, which the operator set 5 cannot; that of set 3 answers in single precision."""


def candidate(model: Any, sample: Any = X) -> Graph:
    methods = ("predict", "predict_proba")
    found = next(convert_estimator(model, infer_schema(sample).schema, methods))
    assert isinstance(found, Graph), found
    return found


def operators(data: bytes) -> set[str]:
    return {node.op_type for node in onnx.ModelProto.FromString(data).graph.node if node.domain == "ai.onnx.ml"}


def edges(model: Any) -> np.ndarray:
    """Rows at and beside every threshold, in double and in single precision, and rows with a missing value."""
    last = model[-1] if hasattr(model, "steps") else model
    parts = np.ravel(last.estimators_) if hasattr(last, "estimators_") else [last]
    found = np.concatenate([part.tree_.threshold for part in parts])[:400]
    near = [found, np.nextafter(found, -np.inf), np.nextafter(found, np.inf)]
    near += [np.nextafter(found.astype("f4"), np.float32(side)) for side in (-np.inf, np.inf)]
    return np.stack([RANDOM.permutation(np.concatenate(near)) for _ in range(4)], axis=1).astype("f8")


def differences(model: Any, made: Graph, rows: np.ndarray) -> dict[str, float]:
    """Per method, the largest difference; labels must be equal."""
    session = open_session(made.data, inputs=made.inputs)
    apart = {}
    for method, outputs in made.outputs.items():
        found = session.run({"x": rows.astype(made.inputs[0].dtype)}, outputs)[0]
        expected = np.asarray(getattr(model, method)(rows))
        found = found.reshape(expected.shape)
        if expected.dtype.kind == "f":
            apart[method] = float(np.abs(found - expected).max())
        else:
            np.testing.assert_array_equal(found, expected)
    return apart


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_those_of_the_original_in_double_precision(name: str) -> None:
    model, labels = MODELS[name]
    model.fit(X, labels)
    made = candidate(model)
    assert operators(made.data) == {"TreeEnsemble"} or "pipeline" in name
    assert made.opsets["ai.onnx.ml"] == 5
    onnx.checker.check_model(made.data, full_check=True)
    for rows in (X, edges(model), X[:1], X[:0]):
        if len(rows):
            assert all(apart < 1e-13 for apart in differences(model, made, rows).values())


@pytest.mark.parametrize("name", SEVERAL)
def test_several_numbers_per_leaf_keep_their_operator(name: str) -> None:
    model, labels = SEVERAL[name]
    model.fit(X, labels)
    made = candidate(model)
    assert operators(made.data) == {"TreeEnsembleRegressor"}
    assert made.opsets["ai.onnx.ml"] < 5
    onnx.checker.check_model(made.data, full_check=True)
    for rows in (X, edges(model)):
        assert all(apart < 1e-13 for apart in differences(model, made, rows).values())


@pytest.mark.parametrize("scale", [1.0, 1e-9, 3e20])
def test_weights_in_three_parts_add_up_exactly(scale: float) -> None:
    weights = RANDOM.normal(size=5000) * scale
    made = exact_parts(weights)
    assert made is not None
    np.testing.assert_allclose(sum(made), weights, rtol=0, atol=np.abs(weights).max() * 2.0**-55)
    for part in made:
        single = np.zeros(len(part) // 20, np.float32)
        for column in part.reshape(-1, 20).T:
            assert (column.astype(np.float32) == column).all()
            single += column.astype(np.float32)
        assert (single == part.reshape(-1, 20).sum(axis=1)).all()  # not one bit is lost


def test_weights_that_single_precision_cannot_hold_stay_whole() -> None:
    for weights in (np.zeros(3), np.array([1e200, 1.0]), np.array([1e-300])):
        assert exact_parts(weights) is None
    model = ensemble.RandomForestRegressor(3, random_state=0).fit(X, np.stack([NUMBER, NUMBER], axis=1) * 1e200)
    made = candidate(model)
    node = next(node for node in onnx.ModelProto.FromString(made.data).graph.node if node.domain == "ai.onnx.ml")
    assert next(item.i for item in node.attribute if item.name == "n_targets") == 2


def test_what_is_missing_goes_where_the_original_sends_it() -> None:
    holes = np.where(RANDOM.random(X.shape) < 0.2, np.nan, X)
    for fitted_on in (X, holes):
        for model in (ensemble.RandomForestClassifier(30, random_state=0), tree.DecisionTreeClassifier(random_state=0)):
            model.fit(fitted_on, TWO)
            assert differences(model, candidate(model, holes), holes)["predict_proba"] < 1e-15


def test_boosting_that_starts_from_an_estimator_has_a_reason() -> None:
    model = ensemble.GradientBoostingRegressor(init=tree.DecisionTreeRegressor(max_depth=2)).fit(X, NUMBER)
    found = list(convert_estimator(model, infer_schema(X).schema, ["predict"]))
    assert all(isinstance(item, str) and "init" in item for item in found)


def test_single_precision_is_cast_to_what_trees_compare() -> None:
    narrow = X.astype("f4")
    model = ensemble.RandomForestRegressor(MANY, random_state=0).fit(narrow, NUMBER)
    made = candidate(model, narrow)
    assert differences(model, made, narrow)["predict"] < 1e-5


# -- forests by hand -------------------------------------------------------------------------------------------------

ROWS = np.array([[0, 0.25, 7], [0, 0.5, 0], [0, 0.75, 3], [0, np.nan, np.nan]])


def branch(weight: Any, *, missing: bool = False, feature: int = 1, target: int = 0) -> Tree:
    """A tree of one branch, at 0.5, and two leaves."""
    ends = np.array([-1, -1])
    return Tree(
        np.array([feature, -2, -2]),
        np.array([0.5, -2.0, -2.0]),
        np.r_[2, ends],
        np.r_[1, ends],
        np.array([missing, False, False]),
        np.array(weight),
        target,
    )


END = np.array([-1])
LEAF = Tree(END, -2.0 * END, END, END, END > 0, np.array([100.0]))


def answered(forest: Forest, rows: np.ndarray = ROWS) -> tuple[np.ndarray, set[str]]:
    """What the forest answers in the graph, and which operators of trees that has."""
    made = Builder()
    made.input("x", forest.dtype, (None, rows.shape[1]))
    found = sums(Array(made, "x", forest.dtype, (None, rows.shape[1])), forest)
    data = made.model({"y": (found.name, found.dtype, found.shape)})
    onnx.checker.check_model(data, full_check=True)
    return open_session(data).run({"x": rows.astype(forest.dtype)}, ["y"])[0], operators(data)


ONE = [0.0, 1.0, 2.0]
"""What a branch adds: 2 where the comparison holds, else 1."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("trees", "mode", "expected"),
    [
        ([branch(ONE)], LEQ, [2, 2, 1, 1]),
        ([branch(ONE)], LT, [2, 1, 1, 1]),
        ([branch(ONE)], GT, [1, 1, 2, 1]),
        ([branch(ONE, missing=True)], LT, [2, 1, 1, 2]),
        ([branch(ONE), LEAF], LEQ, [102, 102, 101, 101]),
        ([LEAF] * MANY, LEQ, [100 * MANY] * 4),
        ([branch(ONE)] * MANY, LT, [2 * MANY, MANY, MANY, MANY]),
    ],
)
def test_one_number_per_leaf_is_added(trees: list[Tree], mode: int, expected: list[float], dtype: str) -> None:
    found, kinds = answered(Forest.of(trees, 1, mode=mode, dtype=dtype))
    assert kinds == {"TreeEnsemble"}
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[:, 0], expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_targets_of_trees_and_of_leaves(dtype: str) -> None:
    apart, kinds = answered(Forest.of([branch(ONE), branch(ONE, target=1, missing=True)], 2, dtype=dtype))
    assert kinds == {"TreeEnsemble"}
    np.testing.assert_array_equal(apart, [[2, 2], [2, 2], [1, 1], [1, 2]])
    # zeros add nothing, but a leaf has a weight
    together = branch([[0.0, 0.0], [0.0, 0.0], [0.125, 2.0**-30]])
    found, kinds = answered(Forest.of([together, LEAF], 2, dtype=dtype))
    assert kinds == {"TreeEnsembleRegressor"}
    right = np.array([100.125, 2.0**-30], dtype), np.array([100.0, 0.0], dtype)
    np.testing.assert_array_equal(found, [right[0], right[0], right[1], right[1]])


def test_splits_on_categories_are_columns() -> None:
    """Of the last column, 3 and 7 go to the leaf of 2; null goes there too in the second tree, and -0.5 is 0."""
    splits = [Split.among(2, [3, 7], inside=False, null=null) for null in (True, False)]
    trees = [branch(ONE, feature=3), branch(ONE, feature=4, target=1)]
    forest = replace(Forest.of(trees, 2), splits=tuple(splits), first_code=-1.0)
    rows = np.r_[ROWS, [[0, 0, 100], [0, 0, -0.5], [0, 0, -9]]]
    found, _ = answered(forest, rows)
    np.testing.assert_array_equal(found, [[2, 2], [1, 1], [2, 2], [1, 2], [1, 1], [1, 1], [1, 1]])


def test_a_graph_of_the_author_is_packed_as_it_is() -> None:
    made = candidate(tree.DecisionTreeClassifier().fit(X, TWO))
    assert replace(made, as_given=True).described("1", {"a": "b"}) == made.data
    described = onnx.ModelProto.FromString(made.described("1", {"a": "b"}))
    assert (described.producer_version, described.metadata_props[0].value) == ("1", "b")


def test_a_graph_with_other_operators_of_trees_keeps_its_operator_set() -> None:
    """`TreeEnsembleClassifier` is gone from the operator set 5, so all of the graph stays in 3."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = ensemble.VotingClassifier(
            [
                ("boosted", ensemble.HistGradientBoostingClassifier(max_iter=3)),
                ("forest", ensemble.RandomForestClassifier(MANY, random_state=0)),
            ],
            voting="soft",
        ).fit(X, TWO)
        given = convert_estimator(model, infer_schema(X).schema, ["predict_proba"])
        made = [item for item in given if isinstance(item, Graph)]
    for one in made:
        kinds = operators(one.data)
        assert not {"TreeEnsemble", "TreeEnsembleRegressor"} <= kinds
        open_session(one.data)
