from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from scipy import sparse
from skl2onnx import update_registered_converter
from skl2onnx.algebra.onnx_ops import OnnxDiv
from sklearn import cluster, decomposition, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from models import flights_like_pipeline
from modelwheel.adapters.sklearn import SklearnAdapter
from modelwheel.inference.infer import infer_schema
from modelwheel.onnx import Graph, Unconvertible, convert, convert_estimator
from modelwheel.onnx.estimators import possible_inputs
from modelwheel_loader.errors import MissingExtra
from modelwheel_loader.opening.manifest import GraphInput
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Tensor
from modelwheel_loader.run.onnx_runtime import compile_feeds, open_session
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(300, 5))
TWO = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
THREE = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]
NUMBER = X @ np.arange(5) + 1


def answers(model: Any, sample: Any, methods: Sequence[str], data: Any = None) -> dict[str, str]:
    """Which methods the first candidate that opens answers as the original does, by the dtype of its inputs."""
    schema = infer_schema(sample).schema
    batch = compile_input(schema)(sample if data is None else data)
    native = compile_native(schema)
    reasons = []
    for candidate in convert_estimator(model, schema, methods):
        if isinstance(candidate, str):
            reasons.append(candidate)
            continue
        try:
            session = open_session(candidate.data, inputs=candidate.inputs)
        except Exception as error:  # the next candidate is tried, as `parity` does
            reasons.append(str(error))
            continue
        feeds = compile_feeds(schema, candidate.inputs)(batch)
        for method, names in candidate.outputs.items():
            found = session.run(feeds, names)[0]
            expected = np.asarray(getattr(model, method)(native(batch)))
            if expected.dtype.kind == "f":
                # (rows, 1) becomes (rows,) where the output is checked
                np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-4, atol=1e-5)
            else:
                np.testing.assert_array_equal(found.reshape(expected.shape), expected)
        return dict.fromkeys(candidate.outputs, candidate.inputs[0].dtype)
    raise AssertionError(reasons)


BOTH = ("predict", "predict_proba")
SCORES = ("predict", "decision_function")


@pytest.mark.parametrize("labels", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize(
    ("model", "methods"),
    [
        (linear_model.LogisticRegression(), BOTH),
        (make_pipeline(StandardScaler(), linear_model.LogisticRegression()), BOTH),
        (GridSearchCV(linear_model.LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), BOTH),
        (ensemble.RandomForestClassifier(8, random_state=0), BOTH),
        (make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(8, random_state=0)), BOTH),
        (ensemble.ExtraTreesClassifier(8, random_state=0), BOTH),
        (ensemble.GradientBoostingClassifier(n_estimators=8, random_state=0), BOTH),
        (ensemble.HistGradientBoostingClassifier(max_iter=5), BOTH),
        (tree.DecisionTreeClassifier(random_state=0), BOTH),
        (naive_bayes.GaussianNB(), BOTH),
        (neighbors.KNeighborsClassifier(), BOTH),
        (neural_network.MLPClassifier((8,), max_iter=20, random_state=0), BOTH),
        (CalibratedClassifierCV(svm.LinearSVC(), cv=2), BOTH),
        (OneVsRestClassifier(linear_model.LogisticRegression()), BOTH),
        (linear_model.SGDClassifier(random_state=0), SCORES),
        (linear_model.RidgeClassifier(), SCORES),
        (linear_model.Perceptron(), SCORES),
        (svm.LinearSVC(), SCORES),
        (make_pipeline(StandardScaler(), svm.LinearSVC()), SCORES),
        (GridSearchCV(svm.LinearSVC(), {"C": [1.0]}, cv=2), SCORES),
        (svm.SVC(), SCORES),
        (make_pipeline(StandardScaler(), svm.SVC()), SCORES),
        (make_pipeline(StandardScaler(), GridSearchCV(linear_model.SGDClassifier(), {"alpha": [0.1]}, cv=2)), SCORES),
    ],
    ids=str,
)
def test_classifiers_answer_as_the_original(model: Any, methods: Sequence[str], labels: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, labels)
    assert answers(model, X, methods) == dict.fromkeys(methods, "float64")


@pytest.mark.parametrize(
    ("model", "methods", "dtype"),
    [
        (linear_model.LinearRegression(), ("predict",), "float64"),
        (make_pipeline(StandardScaler(), linear_model.Lasso()), ("predict",), "float64"),
        (ensemble.RandomForestRegressor(8, random_state=0), ("predict",), "float64"),
        (ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0), ("predict",), "float64"),
        (ensemble.HistGradientBoostingRegressor(max_iter=5), ("predict",), "float64"),
        (tree.DecisionTreeRegressor(random_state=0), ("predict",), "float64"),
        (cluster.KMeans(3, n_init=1, random_state=0), ("predict", "transform"), "float64"),
        (ensemble.IsolationForest(n_estimators=8, random_state=0), ("predict", "decision_function"), "float64"),
        (StandardScaler(), ("transform",), "float64"),
        (MinMaxScaler(), ("transform",), "float64"),
        (decomposition.PCA(2), ("transform",), "float64"),
    ],
    ids=str,
)
def test_others_answer_as_the_original(model: Any, methods: Sequence[str], dtype: str) -> None:
    model.fit(X, NUMBER)
    assert answers(model, X, methods) == dict.fromkeys(methods, dtype)


def test_a_mixed_table_answers_as_the_original() -> None:
    model, frame = flights_like_pipeline()
    assert answers(model, frame, BOTH) == dict.fromkeys(BOTH, "float64")


def test_an_array_of_integers_and_a_narrow_one() -> None:
    whole = RANDOM.integers(0, 9, (200, 3))
    labels = whole.sum(axis=1) > 12
    assert answers(linear_model.LogisticRegression().fit(whole, labels), whole, BOTH).keys() == set(BOTH)
    narrow = X.astype("float32")
    assert answers(linear_model.LinearRegression().fit(narrow, NUMBER), narrow, ["predict"]) == {"predict": "float32"}


def test_rows_that_lie_next_to_thresholds_are_decided_alike() -> None:
    """scikit-learn's trees compare in single precision: values around each threshold, in double, go the same way."""
    model = tree.DecisionTreeClassifier(random_state=0).fit(X, TWO)
    thresholds = model.tree_.threshold[model.tree_.feature >= 0]
    near = [np.nextafter(thresholds, side) for side in (-np.inf, np.inf)]
    near += [thresholds, *(np.nextafter(thresholds.astype("float32"), np.float32(side)) for side in (-9, 9))]
    rows = np.repeat(np.concatenate(near)[:, None], 5, axis=1).astype("float64")
    assert answers(model, X, BOTH, rows) == dict.fromkeys(BOTH, "float64")


def test_histogram_boosting_is_double_and_knows_what_is_missing() -> None:
    """Unlike other trees it compares in double precision; what is missing goes where the training said."""
    sample = X.copy()
    sample[::7, 1] = np.nan
    model = ensemble.HistGradientBoostingClassifier(max_iter=20).fit(sample, TWO)
    thresholds = np.concatenate([one.nodes["num_threshold"] for trees in model._predictors for one in trees])
    near = np.concatenate([thresholds, np.nextafter(thresholds, -np.inf), np.nextafter(thresholds, np.inf)])
    rows = np.repeat(near[np.isfinite(near)][:, None], 5, axis=1)
    rows[::3, 1] = np.nan
    assert answers(model, sample, BOTH, rows) == dict.fromkeys(BOTH, "float64")


def test_splits_on_categories_know_what_is_missing_and_what_was_never_seen() -> None:
    sample = RANDOM.integers(0, 40, (400, 2)).astype(float)
    sample[::9, 0] = np.nan
    labels = (np.nan_to_num(sample[:, 0], nan=3) % 3 + sample[:, 1] % 2).astype(int)
    rows = np.array([[np.nan, 1], [3, 1], [3.7, 1], [39, 0], [77, 1], [300, 1], [-1, 0], [0, 45], [12, -3]])
    for model in (
        ensemble.HistGradientBoostingClassifier(max_iter=20, categorical_features=[0]),
        ensemble.HistGradientBoostingClassifier(max_iter=20, categorical_features=[0, 1]),
    ):
        model.fit(sample, labels)
        for data in (sample, rows):
            assert answers(model, sample, (*BOTH, "decision_function"), data).keys() == {*BOTH, "decision_function"}


def test_trees_leave_out_what_has_defaults() -> None:
    for model in (ensemble.RandomForestClassifier(3), ensemble.HistGradientBoostingClassifier(max_iter=3)):
        found, *_ = candidates(model.fit(X, TWO), X)
        assert isinstance(found, Graph)
        assert b"nodes_hitrates" not in found.data
        assert b"nodes_missing_value_tracks_true" in found.data  # also what was never missing goes somewhere


# -- null texts ----------------------------------------------------------------------------------------------------

TEXT_MODELS = {
    "one-hot": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "ordinal": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    "most frequent": lambda: make_pipeline(
        SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    ),
    "constant": lambda: make_pipeline(
        SimpleImputer(strategy="constant", fill_value="none of them"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    ),
    "None": lambda: make_pipeline(
        SimpleImputer(missing_values=None, strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    ),
}


NULLS = ("None", "nan", "no null")
# an imputer of None refuses to be fitted on NaN
TEXT_CASES = [(kind, null) for kind in TEXT_MODELS for null in NULLS if (kind, null) != ("None", "nan")]


@pytest.mark.parametrize(("kind", "null"), TEXT_CASES)
def test_texts_and_their_nulls(kind: str, null: str) -> None:
    """Also texts that read like a null, and texts that were never seen."""
    missing = {"None": None, "nan": np.nan, "no null": "c"}[null]
    first, second = (RANDOM.choice(list(letters), 200).astype(object) for letters in ("abc", "uv"))
    first[::7] = missing
    second[::5] = missing
    frame = pd.DataFrame({"s": pd.Series(first, dtype=object), "t": pd.Series(second, dtype=object)})
    frame["x"] = RANDOM.normal(size=200)
    model = make_column_transformer((TEXT_MODELS[kind](), ["s", "t"]), ("passthrough", ["x"])).fit(frame)
    odd = ["nan", "None", "never seen", "", "nan\0", "a"]
    rows = pd.DataFrame({"s": pd.Series(odd, dtype=object), "t": pd.Series(odd[::-1], dtype=object), "x": 1.0})
    if null != "no null":
        rows.loc[5, "s"] = missing
    for data in (frame, rows):
        assert answers(model, frame, ["transform"], data) == {"transform": "string"}


# -- inputs --------------------------------------------------------------------------------------------------------


def inputs_of(sample: Any) -> list[Any]:
    return list(possible_inputs(infer_schema(sample).schema))


def test_a_matrix_is_one_input_in_double_then_single_precision() -> None:
    names = infer_schema(X).schema.names
    assert inputs_of(X) == [
        (GraphInput(name="x", dtype=dtype, fields=names, shape=(None, 5)),) for dtype in ("float64", "float32")
    ]


def test_a_mixed_frame_is_an_input_per_column() -> None:
    frame = pd.DataFrame({"a": [0.5, 1.5], "b": [1, 2], "c": [True, False], "d": ["x", None]})
    first = inputs_of(frame)[0]
    assert [(item.name, item.dtype, item.shape) for item in first] == [
        ("a", "float64", (None, 1)),
        ("b", "int64", (None, 1)),
        ("c", "bool", (None, 1)),
        ("d", "string", (None, 1)),
    ]
    assert [item.null_text for item in first][:3] == [None] * 3
    assert first[3].null_text in ("None", "nan")


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01", "2020-01-02"])}), "the field 'when' is a timestamp"),
        (pd.DataFrame({"b": pd.array([True, None], dtype="boolean")}), "the field 'b' is a nullable bool"),
        (sparse.csr_matrix(np.eye(3)), "ONNX has no sparse matrices"),
        ([{"a": [1.0]}, {"a": [2.0]}], "the field 'a' is a list"),
        (np.array([["a", None], ["b", "c"]], dtype=object), "texts that may be null"),
        (np.array([["a", 1.0], ["b", 2.0]], dtype=object), "have different types"),
    ],
)
def test_data_that_graphs_cannot_take_has_a_reason(sample: Any, reason: str) -> None:
    found = inputs_of(sample)
    assert len(found) == 1
    assert reason in found[0]


def with_odd_columns() -> pd.DataFrame:
    """A table as it comes from a database: of the last three columns a graph has no type."""
    count = len(X)
    return pd.DataFrame(
        {
            "a": X[:, 0],
            "plan": np.array(["basic", "plus", "pro"])[np.arange(count) % 3],
            "when": pd.date_range("2024-01-01", periods=count, freq="h"),
            "flag": pd.array([True, None] * (count // 2), dtype="boolean"),
            "took": pd.to_timedelta(np.arange(count), unit="s"),
        }
    )


def test_fields_that_a_graph_has_no_type_for_do_not_matter_where_the_model_drops_them() -> None:
    sample = with_odd_columns()
    chosen = make_column_transformer((StandardScaler(), ["a"]), (OneHotEncoder(), ["plan"]))
    model = make_pipeline(chosen, linear_model.LogisticRegression()).fit(sample, TWO)
    assert answers(model, sample, BOTH) == dict.fromkeys(BOTH, "float64")
    (first, *_) = candidates(model, sample)
    assert isinstance(first, Graph)
    assert [item.name for item in first.inputs] == ["a", "plan"]


@pytest.mark.parametrize(
    ("used", "reason"), [("took", "the field 'took' is a duration"), ("when", "the field 'when' is a timestamp")]
)
def test_one_that_it_uses_is_the_reason(used: str, reason: str) -> None:
    sample = with_odd_columns()
    codes = make_column_transformer((OrdinalEncoder(), ["plan", used]), remainder="drop").fit(sample)
    (found,) = candidates(codes, sample, ["transform"])
    assert isinstance(found, str)
    assert "no counterpart" in found
    kept = make_column_transformer(("passthrough", [used]), remainder="drop").fit(sample)
    (found,) = candidates(kept, sample, ["transform"])
    assert isinstance(found, str)
    assert reason in found


def test_tensors_of_one_axis_are_a_matrix() -> None:
    schema = Schema(fields=(Field(name="v", type=Tensor("float64", (7,))),), layout="array")
    assert [item[0].shape for item in possible_inputs(schema) if not isinstance(item, str)] == [(None, 7)] * 2


# -- the face ------------------------------------------------------------------------------------------------------


def test_convert_gives_a_graph_for_inputs_by_name() -> None:
    model = ensemble.RandomForestClassifier(5, random_state=0).fit(X, TWO)
    made = convert(model, {"rows": ("float64", (None, 5))}, ["predict"])
    (found,) = open_session(made.data).run({"rows": X}, made.outputs["predict"])
    np.testing.assert_array_equal(found, model.predict(X))
    assert set(made.outputs) == {"predict"}


def test_convert_takes_columns_by_name() -> None:
    model, frame = flights_like_pipeline()
    kinds = {"object": "string", "str": "string", "int64": "int64", "float64": "float64", "bool": "bool"}
    made = convert(model, {name: (kinds[str(frame[name].dtype)], (None, 1)) for name in frame})
    assert set(made.outputs) == {"predict", "predict_proba", "predict_log_proba"}
    assert {item.name for item in made.inputs} <= set(frame)


def test_convert_says_why_there_is_no_graph() -> None:
    with pytest.raises(Unconvertible, match="Own is a custom class"):
        convert(Own().fit(X), {"x": ("float64", (None, 5))})


# -- graphs --------------------------------------------------------------------------------------------------------


def candidates(model: Any, sample: Any, methods: Sequence[str] = BOTH) -> list[Graph | str]:
    return list(convert_estimator(model, infer_schema(sample).schema, methods))


def test_graphs_say_who_made_them_and_nothing_of_the_machine() -> None:
    first = candidates(*flights_like_pipeline())[0]
    assert isinstance(first, Graph)
    made = onnx.load_from_string(first.data)
    assert made.producer_name == "modelwheel"
    assert (made.producer_version, made.domain, made.doc_string, list(made.metadata_props)) == ("", "", "", [])
    assert first.opsets == {item.domain: item.version for item in made.opset_import}
    assert not [node for node in made.graph.node if node.op_type == "ZipMap"]


def test_operator_sets_are_in_order() -> None:
    for item in candidates(*flights_like_pipeline()):
        assert isinstance(item, Graph)
        domains = [opset.domain for opset in onnx.load_from_string(item.data).opset_import]
        assert domains == sorted(domains)


def test_no_rows_and_many_rows_are_answered() -> None:
    model, frame = flights_like_pipeline()
    for rows in (frame[:0], frame[:1]):
        schema = infer_schema(frame).schema
        first = next(convert_estimator(model, schema, BOTH))
        assert isinstance(first, Graph)
        feeds = compile_feeds(schema, first.inputs)(compile_input(schema)(rows))
        if len(rows):
            (found,) = open_session(first.data).run(feeds, first.outputs["predict"])
            assert found.shape == (1,)


PROGRAM = """
import hashlib, warnings
warnings.simplefilter("ignore")
from models import flights_like_pipeline
from modelwheel.inference.infer import infer_schema
from modelwheel.onnx import convert_estimator
model, frame = flights_like_pipeline()
for candidate in convert_estimator(model, infer_schema(frame).schema, ["predict", "predict_proba"]):
    print(candidate if isinstance(candidate, str) else hashlib.sha256(candidate.data).hexdigest())
"""


def test_two_processes_with_other_hash_seeds_make_equal_graphs() -> None:
    path = os.pathsep.join(item for item in sys.path if item)
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "18")  # with 18, skl2onnx lists operator sets in another order
    }
    model, frame = flights_like_pipeline()
    here = [
        item if isinstance(item, str) else hashlib.sha256(item.data).hexdigest() for item in candidates(model, frame)
    ]
    assert digests == {"\n".join(here) + "\n"}


# -- what does not convert -----------------------------------------------------------------------------------------


class Own(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any = None) -> Own:
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        return X


class Halved(Own):
    """A class of somebody else's, for which a converter is registered at skl2onnx."""

    def transform(self, X: Any) -> Any:
        return X / 2.0


def halved_shape(operator: Any) -> None:
    operator.outputs[0].type = type(operator.inputs[0].type)([None, operator.inputs[0].type.shape[1]])


def halved(scope: Any, operator: Any, container: Any) -> None:
    two = OnnxDiv(operator.inputs[0], np.array([2.0]), output_names=operator.outputs[:1], op_version=14)
    two.add_to(scope, container)


def test_a_converter_that_is_registered_at_skl2onnx_is_used_inside_our_graph() -> None:
    update_registered_converter(Halved, "TestHalved", halved_shape, halved)
    model = make_pipeline(Halved(), ensemble.RandomForestClassifier(5, random_state=0)).fit(X, TWO)
    assert answers(model, X, BOTH) == dict.fromkeys(BOTH, "float64")
    first = candidates(model, X)[0]
    assert isinstance(first, Graph)
    assert "TreeEnsemble" in {node.op_type for node in onnx.load_from_string(first.data).graph.node}


@pytest.mark.parametrize(
    ("model", "sample", "reason"),
    [
        (Own().fit(X), X, "Own is a custom class without a converter"),
        (make_pipeline(FunctionTransformer(np.linalg.norm)).fit(X), X, "numpy.norm has no counterpart"),
        (TfidfVectorizer(analyzer=str.split).fit(["a text"]), ["a text"], "its analyzer is a function"),
    ],
)
def test_what_does_not_convert_has_a_reason_in_one_line(model: Any, sample: Any, reason: str) -> None:
    found = candidates(model, sample, ["transform"])
    assert all(isinstance(item, str) for item in found)
    assert reason in str(found[0])
    assert all(len(str(item)) < 300 and "\n" not in str(item) and "/" not in str(item).split()[0] for item in found)


def test_methods_that_are_not_asked_for_are_not_there() -> None:
    model = linear_model.LogisticRegression().fit(X, TWO)
    assert [set(item.outputs) for item in candidates(model, X, ["predict_proba"]) if not isinstance(item, str)] == [
        {"predict_proba"}
    ] * 3
    assert candidates(model, X, ["predict_log_proba"])[1] == "skl2onnx converts none of its prediction methods"


def test_converting_is_quiet_and_leaves_logging_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        candidates(*flights_like_pipeline())
        candidates(Own().fit(X), X, ["transform"])
    assert logging.root.manager.disable == before
    assert tuple(capfd.readouterr()) == ("", "")


def test_without_skl2onnx_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(MissingExtra) as caught:
        SklearnAdapter().convert(StandardScaler().fit(X), infer_schema(X).schema, ["transform"])
    assert caught.value.code == "pack.extra"
    assert "modelwheel[sklearn]" in caught.value.hint
