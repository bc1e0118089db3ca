"""Converters of our own against scikit-learn: parameters and rows beyond those of the golden examples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import (
    calibration,
    cluster,
    discriminant_analysis,
    dummy,
    ensemble,
    feature_extraction,
    impute,
    kernel_ridge,
    linear_model,
    manifold,
    mixture,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    semi_supervised,
    svm,
    tree,
)  # fmt: skip
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor, kernels
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline

from modelwheel.adapters.sklearn import METHODS
from modelwheel.inference.infer import infer_schema
from modelwheel.onnx import Graph, blocks, graph
from modelwheel.onnx.estimators import column_names, possible_inputs
from modelwheel.onnx.translate import translate
from modelwheel_loader.errors import PredictionError
from modelwheel_loader.run.onnx_runtime import compile_feeds, open_session
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 4)).round(2)
TWO = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
THREE = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], [-0.5, 0.5])]
NUMBER = X @ np.arange(4) + 1
PAIR = np.stack([NUMBER, NUMBER**2], axis=1)
BOTH = np.stack([TWO, 1 - TWO], axis=1)
TIES = np.concatenate([X[:5], X[:5], np.zeros((1, 4)), np.full((1, 4), 50.0), np.full((1, 4), -50.0)])
"""Rows of the training, twice, zeros, and rows far beyond."""


def converted(model: Any, sample: Any, methods: Any) -> Graph:
    schema = infer_schema(sample).schema
    inputs = next(possible_inputs(schema))
    assert not isinstance(inputs, str), inputs
    made = translate(model, inputs, column_names(schema), methods)
    assert isinstance(made, Graph), made
    assert set(made.outputs) == set(methods)
    return made


def check(model: Any, sample: Any, *others: Any, tolerance: float = 1e-7) -> None:
    """Every method answers the sample, one row of it and the other rows as the original."""
    schema = infer_schema(sample).schema
    methods = [name for name in METHODS if hasattr(model, name)]
    made = converted(model, sample, methods)
    session, feeds = open_session(made.data), compile_feeds(schema, made.inputs)
    for rows in (sample, sample[:1], *others):
        batch = compile_input(schema.replace(fields=tuple(f.replace(nullable=True) for f in schema.fields)))(rows)
        fed = compile_native(schema)(batch)
        for method in methods:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = getattr(model, method)(fed)
            found = session.run(feeds(batch), made.outputs[method])
            parts = expected if isinstance(expected, list) else [expected]
            for one, other in zip(parts, found, strict=True):
                whole = one.toarray() if hasattr(one, "toarray") else np.asarray(one)
                assert other.shape == whole.shape, (method, other.shape, whole.shape)
                if whole.dtype.kind == "f":
                    np.testing.assert_allclose(other, whole, rtol=tolerance, atol=tolerance, err_msg=method)
                else:
                    np.testing.assert_array_equal(other, whole, err_msg=method)


C, K = calibration.CalibratedClassifierCV, kernels
REGRESSORS = [
    linear_model.TweedieRegressor(power=1.5, link="log"),
    linear_model.TweedieRegressor(power=0, link="identity"),
    neighbors.KNeighborsRegressor(3, weights="distance"),
    neighbors.RadiusNeighborsRegressor(2.5, metric="chebyshev"),
    neighbors.KNeighborsRegressor(3, p=3),
    neighbors.RadiusNeighborsRegressor(3.0, weights="distance"),
    kernel_ridge.KernelRidge(kernel="laplacian"),
    kernel_ridge.KernelRidge(kernel="poly", degree=2),
    kernel_ridge.KernelRidge(kernel="sigmoid", gamma=0.01),
    kernel_ridge.KernelRidge(kernel="cosine"),
    svm.SVR(kernel="poly"),
    svm.NuSVR(kernel="sigmoid", gamma=0.05),
    GaussianProcessRegressor(K.RBF([1.0, 2.0, 1.0, 1.0]) + K.WhiteKernel(0.1), normalize_y=True),
    GaussianProcessRegressor(
        K.ConstantKernel(2.0) * K.Matern(nu=1.5) + K.DotProduct() + K.WhiteKernel(0.1), optimizer=None
    ),
    GaussianProcessRegressor(K.Matern(nu=0.5) + K.WhiteKernel(0.1), optimizer=None),
    GaussianProcessRegressor(K.RationalQuadratic() + K.WhiteKernel(1.0), optimizer=None),
    GaussianProcessRegressor(K.ExpSineSquared() * K.RBF() + K.WhiteKernel(9.0), optimizer=None),
    GaussianProcessRegressor(K.Matern(nu=2.5) ** 2 + K.WhiteKernel(0.1), optimizer=None),
    ensemble.VotingRegressor(
        [("a", linear_model.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))], weights=[1, 3]
    ),
    ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", svm.SVR())], passthrough=True),
    ensemble.BaggingRegressor(linear_model.Ridge(), 4, max_features=2, random_state=0),
    ensemble.AdaBoostRegressor(linear_model.Ridge(), n_estimators=6, random_state=0),
    neural_network.MLPRegressor(hidden_layer_sizes=(6, 4), activation="tanh", max_iter=20, random_state=0),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.StandardScaler()),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.MinMaxScaler()),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.RobustScaler()),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.PowerTransformer()),
    TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.QuantileTransformer(n_quantiles=50)),
    TransformedTargetRegressor(
        linear_model.Ridge(),
        transformer=preprocessing.QuantileTransformer(n_quantiles=50, output_distribution="normal"),
    ),
    TransformedTargetRegressor(linear_model.Ridge(), func=np.arcsinh, inverse_func=np.sinh),
    dummy.DummyRegressor(strategy="median"),
    ensemble.HistGradientBoostingRegressor(max_iter=5, loss="gamma"),
]  # fmt: skip
CLASSIFIERS = [
    linear_model.SGDClassifier(loss="log_loss", random_state=0),
    linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    linear_model.LogisticRegression(),
    discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen"),
    discriminant_analysis.QuadraticDiscriminantAnalysis(),
    naive_bayes.GaussianNB(),
    naive_bayes.BernoulliNB(binarize=0.2),
    neighbors.KNeighborsClassifier(4),
    neighbors.KNeighborsClassifier(4, weights="distance", metric="manhattan"),
    neighbors.RadiusNeighborsClassifier(3.0, outlier_label="most_frequent"),
    neighbors.NearestCentroid(metric="manhattan"),
    neighbors.NearestCentroid(priors="empirical"),
    svm.SVC(kernel="poly"),
    svm.SVC(decision_function_shape="ovo"),
    svm.SVC(break_ties=True),
    svm.NuSVC(nu=0.2),
    GaussianProcessClassifier(K.RBF(), optimizer=None),
    C(linear_model.LogisticRegression(), method="isotonic", cv=2),
    C(svm.LinearSVC(), method="temperature", cv=2),
    C(naive_bayes.GaussianNB(), method="temperature", cv=2),
    C(naive_bayes.GaussianNB(), cv=2, ensemble=False),
    ensemble.VotingClassifier([("a", naive_bayes.GaussianNB()), ("b", tree.DecisionTreeClassifier(max_depth=2))]),
    ensemble.VotingClassifier(
        [("a", naive_bayes.GaussianNB()), ("b", linear_model.LogisticRegression())], voting="soft", weights=[1, 2]
    ),
    ensemble.StackingClassifier([("a", svm.LinearSVC()), ("b", naive_bayes.GaussianNB())], cv=2, passthrough=True),
    ensemble.BaggingClassifier(linear_model.LogisticRegression(), 4, max_features=3, random_state=0),
    ensemble.BaggingClassifier(svm.LinearSVC(), 4, random_state=0),
    ensemble.AdaBoostClassifier(n_estimators=5, random_state=0),
    multiclass.OneVsRestClassifier(svm.LinearSVC()),
    multiclass.OneVsOneClassifier(linear_model.LogisticRegression()),
    multiclass.OneVsOneClassifier(svm.LinearSVC()),
    multiclass.OutputCodeClassifier(naive_bayes.GaussianNB(), random_state=0),
    neural_network.MLPClassifier((5,), activation="logistic", max_iter=20, random_state=0),
    semi_supervised.LabelSpreading(gamma=2.0),
    dummy.DummyClassifier(strategy="most_frequent"),
    linear_model.RidgeClassifier(),
]  # fmt: skip


@pytest.mark.parametrize("model", REGRESSORS, ids=lambda model: repr(model)[:60])
@pytest.mark.filterwarnings("ignore")
def test_regressors(model: Any) -> None:
    check(model.fit(X, np.abs(NUMBER) + 1), X, TIES, tolerance=1e-6)


@pytest.mark.parametrize("labels", [TWO, THREE], ids=["two", "three"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: repr(model)[:60])
@pytest.mark.filterwarnings("ignore")
def test_classifiers(model: Any, labels: Any) -> None:
    check(model.fit(X, labels), X, RANDOM.normal(size=(30, 4)), tolerance=1e-6)


SEVERAL = [
    (neighbors.KNeighborsClassifier(3), BOTH),
    (linear_model.RidgeClassifier(), BOTH),
    (neural_network.MLPClassifier((4,), max_iter=9, random_state=0), BOTH),
    (multiclass.OneVsRestClassifier(linear_model.LogisticRegression()), BOTH),
    (multioutput.MultiOutputClassifier(naive_bayes.GaussianNB()), BOTH),
    (multioutput.ClassifierChain(linear_model.LogisticRegression(), order=[1, 0]), BOTH),
    (multioutput.ClassifierChain(linear_model.LogisticRegression(), chain_method="predict_proba"), BOTH),
    (dummy.DummyClassifier(strategy="constant", constant=[1, 0]), BOTH),
    (FixedThresholdClassifier(linear_model.LogisticRegression(), threshold=0.3, pos_label=0), TWO),
    (FixedThresholdClassifier(svm.LinearSVC(), threshold=0.1), TWO),
    (neighbors.KNeighborsRegressor(3, weights="distance"), PAIR),
    (linear_model.LinearRegression(), PAIR),
    (multioutput.RegressorChain(linear_model.Ridge(), order=[1, 0]), PAIR),
    (TransformedTargetRegressor(linear_model.Ridge(), transformer=preprocessing.StandardScaler()), PAIR),
    (GaussianProcessRegressor(K.RBF() + K.WhiteKernel(0.1), optimizer=None), PAIR),
]


@pytest.mark.parametrize(("model", "target"), SEVERAL, ids=lambda item: repr(item)[:40])
@pytest.mark.filterwarnings("ignore")
def test_several_targets_and_thresholds(model: Any, target: Any) -> None:
    check(model.fit(X, target), X, TIES[:-2], tolerance=1e-6)


P = preprocessing
GAPS = np.where(RANDOM.random(X.shape) < 0.15, np.nan, X)
TRANSFORMERS = [
    (P.StandardScaler(with_mean=False), GAPS),
    (P.MinMaxScaler(clip=True), GAPS),
    (P.RobustScaler(), GAPS),
    (P.MaxAbsScaler(), X),
    *((P.Normalizer(norm), X) for norm in ("l1", "l2", "max")),
    (P.PowerTransformer("box-cox"), np.abs(X) + 0.1),
    (P.PowerTransformer(standardize=False), GAPS),
    (P.QuantileTransformer(n_quantiles=40, output_distribution="normal"), GAPS),
    (P.QuantileTransformer(n_quantiles=40), np.round(X)),
    (P.PolynomialFeatures(3, interaction_only=True, include_bias=False), X),
    (P.PolynomialFeatures((2, 3)), X),
    *((P.KBinsDiscretizer(4, encode=kind, quantile_method="averaged_inverted_cdf"), X)
      for kind in ("onehot", "ordinal", "onehot-dense")),
    *((P.SplineTransformer(5, extrapolation=kind), X) for kind in ("constant", "linear", "continue", "periodic")),
    (P.SplineTransformer(4, degree=1, include_bias=False, handle_missing="zeros"), GAPS),
    (impute.SimpleImputer(strategy="median", add_indicator=True), GAPS),
    (impute.SimpleImputer(missing_values=0.0, strategy="constant", fill_value=9.0), np.round(X)),
    (impute.KNNImputer(n_neighbors=3, weights="distance", add_indicator=True), GAPS + RANDOM.normal(size=X.shape) / 9),
    (FeatureUnion([("a", P.StandardScaler()), ("b", P.Normalizer()), ("c", "passthrough")],
                  transformer_weights={"a": 2.0}), X),
    (P.FunctionTransformer(lambda x: np.column_stack(
        [np.log1p(abs(x[:, 0])), x[:, 1] ** 3, np.where(x[:, 2] > 0, 1.0, x[:, 3])])), X),
    (P.FunctionTransformer(lambda x: np.clip(np.sqrt(abs(x)) / 2 - x.mean(axis=1)[:, None], -1, 1)), X),
    *((P.FunctionTransformer(function), X / 3) for function in (
        np.exp, np.expm1, np.sin, np.tan, np.tanh, np.sinh, np.cosh, np.arcsinh, np.cbrt, np.square, np.sign, np.rint,
        np.floor, np.ceil, np.isfinite, np.negative, np.deg2rad, np.exp2)),
    *((P.FunctionTransformer(function), np.abs(X) + 0.01)
      for function in (np.log, np.log2, np.log10, np.sqrt, np.reciprocal)),
    (manifold.Isomap(n_neighbors=4), X),
    (manifold.LocallyLinearEmbedding(n_neighbors=5), X),
    (cluster.FeatureAgglomeration(2, pooling_func=np.max), X),
    (feature_extraction.text.TfidfTransformer(sublinear_tf=True, norm="l1"), np.abs(np.round(X * 2))),
    (neighbors.KNeighborsTransformer(n_neighbors=3, mode="connectivity"), X),
]  # fmt: skip


@pytest.mark.parametrize(("model", "sample"), TRANSFORMERS, ids=lambda item: repr(item)[:50])
@pytest.mark.filterwarnings("ignore")
def test_transformers(model: Any, sample: Any) -> None:
    check(model.fit(sample), sample)


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_mixtures(kind: str) -> None:
    check(mixture.GaussianMixture(2, covariance_type=kind, random_state=0).fit(X), X, TIES)
    check(mixture.BayesianGaussianMixture(n_components=2, covariance_type=kind, random_state=0).fit(X), X, TIES)


@pytest.mark.parametrize("kind", ["gaussian", "tophat", "epanechnikov", "exponential", "linear"])
def test_densities(kind: str) -> None:
    check(neighbors.KernelDensity(kernel=kind, bandwidth=2.0).fit(X), X, TIES[:-2])


CITIES = pd.DataFrame(
    {"city": ["Bern", "Köln", None, "Oslo"] * 30, "size": [1, 2, 3, 2, 1] * 24, "cold": [True, False] * 60}
)
CITIES["city"] = CITIES["city"].astype(object)
UNSEEN = pd.DataFrame(
    {"city": ["Rom", "bern", "", "Köln", None, "None"], "size": [9, 1, 2, -3, 3, 0], "cold": [True, False] * 3}
)
UNSEEN["city"] = UNSEEN["city"].astype(object)


@pytest.mark.parametrize(
    "model",
    [
        P.OneHotEncoder(handle_unknown="ignore"),
        P.OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=45, sparse_output=False),
        P.OneHotEncoder(handle_unknown="ignore", drop="if_binary"),
        P.OneHotEncoder(handle_unknown="ignore", drop="first", max_categories=2),
        P.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
        P.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, max_categories=3),
        P.TargetEncoder(random_state=0),
        make_column_transformer((P.OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="passthrough"),
    ],
    ids=lambda model: repr(model)[:70],
)
def test_categories_that_were_never_seen(model: Any) -> None:
    check(model.fit(CITIES, NUMBER), CITIES, UNSEEN)


def test_target_encoder_of_several_classes() -> None:
    check(P.TargetEncoder(random_state=0).fit(CITIES, THREE), CITIES, UNSEEN)


def test_what_the_original_refuses_while_it_runs_is_refused() -> None:
    for model in (P.OneHotEncoder(), P.OrdinalEncoder()):
        check(model.fit(CITIES[["size"]]), CITIES[["size"]])
        made = converted(model, CITIES[["size"]], ["transform"])
        with pytest.raises(PredictionError, match="out of data bounds"):
            open_session(made.data).run({made.inputs[0].name: np.array([[7.0]])}, ["transform"])
    alone = neighbors.RadiusNeighborsClassifier(1.0).fit(X, TWO)
    made = converted(alone, X, ["predict"])
    with pytest.raises(PredictionError, match="out of data bounds"):
        open_session(made.data).run({"x": TIES[-1:]}, ["predict"])


T = feature_extraction.text
TEXTS = [
    "The cat sat on the mat", "the DOG ran home, isn't it?", "a cat and a dog", "home again 漢字 x", "", " ",
    "ÉCOLE naïve Straße cafe\u0301", "ΟΔΟΣ λόγος ΛΌΓΟΣ", "x_1 a1 B2 foo-bar foo's", "don't stop   \t\n believing", "a",
    "K ſ the", "ab " * 50 + "z" * 200, "nan None",
]  # fmt: skip
OTHER_TEXTS = ["CAT\u00a0DOG", "never seen words", "z" * 5000, "the the the cat", "\0 cat \ud7ff", "Ⅷ ² ١٢ cat"]


@pytest.mark.parametrize(
    "model",
    [
        T.CountVectorizer(),
        T.CountVectorizer(ngram_range=(1, 2), binary=True),
        T.CountVectorizer(stop_words="english", ngram_range=(2, 3)),
        T.CountVectorizer(token_pattern=r"[a-z]{3,}"),
        T.CountVectorizer(vocabulary=["cat", "DOG", "the"], lowercase=False),
        T.TfidfVectorizer(lowercase=False, use_idf=False),
        T.TfidfVectorizer(sublinear_tf=True, norm="l1", max_features=6),
        T.TfidfVectorizer(strip_accents="unicode", token_pattern=r"(?u)\b\w+\b"),
        T.TfidfVectorizer(strip_accents="ascii", norm=None),
    ],
    ids=lambda model: repr(model)[:70],
)
def test_texts(model: Any) -> None:
    check(model.fit(TEXTS), TEXTS, OTHER_TEXTS)


def test_hashed_texts() -> None:
    for given in ({}, {"ngram_range": (1, 2), "alternate_sign": False, "norm": "l1"}, {"binary": True}):
        check(T.HashingVectorizer(n_features=64, **given).fit(TEXTS), TEXTS)
    made = converted(T.HashingVectorizer(n_features=64).fit(TEXTS), TEXTS, ["transform"])
    with pytest.raises(PredictionError, match="out of data bounds"):
        open_session(made.data).run({"x": np.array([["z" * 300]], dtype=object)}, ["transform"])


def test_wide_values_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "WIDE", 50)
    monkeypatch.setattr(blocks, "_ELEMENTS", 120 * 8)
    model = neighbors.KNeighborsClassifier(3).fit(X, THREE)
    made = converted(model, X, ["predict"])
    assert b"Scan" in made.data
    check(model, X, *(np.resize(X, (rows, 4)) for rows in (1, 7, 8, 9, 16, 17, 240)))
    vectors = make_pipeline(T.TfidfVectorizer(), linear_model.LogisticRegression()).fit(TEXTS * 9, [0, 1] * 63)
    check(vectors, TEXTS * 9, OTHER_TEXTS)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: x[x[:, 0] > 0], "selects values with a mask"),
        (lambda x: x if x.sum() > 0 else -x, "branches on the values"),
        (lambda x: np.sort(x, axis=1), "numpy.sort has no counterpart"),
        (np.arctan, "numpy.arctan has no counterpart"),
        (lambda x: np.ones((120, 1)), "does not depend on the input"),
        (lambda x: x.sum(), "one number for all rows"),
        (lambda x: x.nothing, "has no attribute 'nothing'"),
    ],
)
def test_functions_that_are_no_graph_say_why(function: Any, reason: str) -> None:
    schema = infer_schema(X).schema
    inputs = next(possible_inputs(schema))
    assert not isinstance(inputs, str)
    model = preprocessing.FunctionTransformer(function).fit(X)
    assert reason in str(translate(model, inputs, column_names(schema), ["transform"]))
