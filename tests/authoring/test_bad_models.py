"""Models that cannot be packed say so in one clear error; graphs that are written pass onnx's own checks."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn import cluster, decomposition, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.base import is_classifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, PolynomialFeatures, StandardScaler

import modelwheel
from models import flights_like_pipeline

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(80, 3))
Y = X[:, 0] > 0
FRAME = pd.DataFrame(X, columns=["a", "b", "c"])
NO_LOCK = modelwheel.Dependencies(lock="none")


def refused(model: Any, sample: Any, out: Path) -> modelwheel.errors.PackError:
    with pytest.raises(modelwheel.errors.PackError) as caught:
        modelwheel.pack(model, name="m", version="1", sample=sample, out=out, dependencies=NO_LOCK)
    assert not list(out.iterdir())
    return caught.value


@pytest.mark.parametrize(
    "model",
    [
        linear_model.LogisticRegression(),
        make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
        ensemble.RandomForestClassifier(),
    ],
    ids=str,
)
def test_a_model_that_is_not_fitted(model: Any, tmp_path: Path) -> None:
    error = refused(model, X, tmp_path)
    assert error.defects[0].code == "pack.not-fitted"
    assert "Call `fit`" in str(error)


@pytest.mark.parametrize(
    ("sample", "said"),
    [(X[:, :2], "expecting 3 features"), (FRAME.rename(columns={"b": "z"}), "feature names should match")],
)
def test_a_sample_that_the_model_was_not_fitted_on(sample: Any, said: str, tmp_path: Path) -> None:
    fitted_on = FRAME if isinstance(sample, pd.DataFrame) else X
    error = refused(linear_model.LogisticRegression().fit(fitted_on, Y), sample, tmp_path)
    assert {defect.code for defect in error.defects} == {"pack.predict"}
    assert said in str(error)
    assert "Was it fitted on data like the sample?" in str(error)


@pytest.mark.parametrize("kind", [linear_model.LogisticRegression, linear_model.Ridge])
def test_weights_of_nan(kind: Any, tmp_path: Path) -> None:
    """The labels of such a classifier are labels, but what they follow from is nothing."""
    model = kind().fit(X, Y)
    model.coef_ = np.full_like(model.coef_, np.nan)
    assert "gives NaN for every row" in str(refused(model, X, tmp_path))


MODELS = [
    linear_model.LogisticRegression(),
    linear_model.LinearRegression(),
    linear_model.SGDClassifier(random_state=0),
    make_pipeline(StandardScaler(), linear_model.Ridge()),
    tree.DecisionTreeClassifier(max_depth=4),
    ensemble.RandomForestClassifier(25, max_depth=4),
    ensemble.RandomForestRegressor(25, max_depth=4),
    ensemble.ExtraTreesRegressor(25, max_depth=4),
    ensemble.GradientBoostingClassifier(n_estimators=25),
    ensemble.GradientBoostingRegressor(n_estimators=25),
    ensemble.HistGradientBoostingClassifier(max_iter=5),
    ensemble.HistGradientBoostingRegressor(max_iter=5),
    ensemble.IsolationForest(n_estimators=5, random_state=0),
    naive_bayes.GaussianNB(),
    neighbors.KNeighborsClassifier(),
    neural_network.MLPClassifier((4,), max_iter=5),
    svm.SVC(),
    svm.LinearSVC(),
    cluster.KMeans(3, n_init=1),
    decomposition.PCA(2),
    MinMaxScaler(),
    PolynomialFeatures(),
    KBinsDiscretizer(encode="ordinal", quantile_method="averaged_inverted_cdf"),
]


def written_graph(model: Any, sample: Any, out: Path) -> onnx.ModelProto:
    """The graph that `pack` writes into the bundle."""
    bundle = modelwheel.pack(model, name="m", version="1", sample=sample, out=out, dependencies=NO_LOCK)
    assert bundle.runtimes[0].kind == "onnx", bundle.manifest.left_out
    with zipfile.ZipFile(bundle.path) as archive:
        return onnx.ModelProto.FromString(archive.read("modelwheel_bundles/m/onnx/model.onnx"))


def judge(graph: onnx.ModelProto) -> None:
    """Full checks with strict inference of shapes; free rows; no maps; a producer."""
    onnx.checker.check_model(graph, full_check=True)
    for value in (*graph.graph.input, *graph.graph.output):
        assert value.type.HasField("tensor_type"), value
        assert not value.type.tensor_type.shape.dim[0].dim_value, value
    assert graph.producer_name == "modelwheel"
    assert graph.producer_version
    assert "ZipMap" not in {node.op_type for node in graph.graph.node}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_graphs_pass_the_checks_of_onnx(model: Any, tmp_path: Path) -> None:
    model.fit(X, Y if is_classifier(model) else X[:, 0])
    judge(written_graph(model, X, tmp_path))


def test_a_graph_of_a_mixed_table_passes_too(tmp_path: Path) -> None:
    model, frame = flights_like_pipeline()
    graph = written_graph(model, frame, tmp_path)
    judge(graph)
    assert [value.name for value in graph.graph.input] == list(frame.columns)
