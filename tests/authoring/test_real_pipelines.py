"""Pipelines as practitioners write them, on real data: in ONNX every held-back row gets the label of the original."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import ElasticNetCV, LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.multioutput import RegressorChain
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

import modelwheel
from modelwheel_loader.proof.comparison import compare
from real_data import flights, paragraphs, penguins, same_answers, split

Case = tuple[Any, Any, Any]
"""A pipeline that is not fitted, its data and its target."""
NUMBERS = ["month", "hour", "distance", "dep_delay", "built", "seats"]
NAMES = ["carrier", "origin", "dest", "engine"]
MEASURES = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]


def late() -> Any:
    return np.where(flights()["arr_delay"] > 15, "late", "on time")


def flights_forest() -> Case:
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), NUMBERS),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), NAMES),
    )
    forest = RandomForestClassifier(30, max_depth=10, random_state=0)
    return make_pipeline(columns, forest), flights()[NUMBERS + NAMES], late()


def flights_boosting_with_categories() -> Case:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    columns = make_column_transformer((encoder, NAMES), ("passthrough", NUMBERS))
    boosting = HistGradientBoostingClassifier(max_iter=40, categorical_features=[0, 1], random_state=0)
    return make_pipeline(columns, boosting), flights()[NUMBERS + NAMES], late()


def flights_boosting_from_dtypes() -> Case:
    table = flights()[NUMBERS + NAMES].astype(dict.fromkeys(["carrier", "origin", "engine"], "category"))
    boosting = HistGradientBoostingClassifier(max_iter=40, categorical_features="from_dtype", random_state=0)
    return boosting, table.drop(columns="dest"), late()


def flights_target_encoding() -> Case:
    numbers = make_pipeline(SimpleImputer(), KBinsDiscretizer(8, encode="onehot"))
    columns = make_column_transformer((TargetEncoder(random_state=0), NAMES), (numbers, NUMBERS))
    return make_pipeline(columns, LogisticRegression(max_iter=500)), flights()[NUMBERS + NAMES], late()


def flights_splines() -> Case:
    names = OneHotEncoder(drop="first", min_frequency=20, handle_unknown="infrequent_if_exist")
    columns = make_column_transformer(
        (SplineTransformer(6, extrapolation="periodic"), ["hour", "month"]),
        (FunctionTransformer(np.log1p), ["distance"]),
        (names, ["carrier", "origin", "dest"]),
    )
    ridge = TransformedTargetRegressor(RidgeCV(), func=np.log1p, inverse_func=np.expm1)
    return make_pipeline(columns, ridge), flights(), flights()["air_time"].to_numpy()


def flights_outliers() -> Case:
    columns = make_column_transformer((make_pipeline(SimpleImputer(), QuantileTransformer(n_quantiles=100)), NUMBERS))
    return make_pipeline(columns, IsolationForest(n_estimators=40, random_state=0)), flights()[NUMBERS], None


def penguins_impute_encode() -> Case:
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
            ("names", make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder()), ["Sex"]),
        ]
    )
    table = penguins()[[*MEASURES, "Sex"]]
    return make_pipeline(columns, LogisticRegression(max_iter=300)), table, penguins()["Species"].to_numpy(str)


def penguins_neighbours() -> Case:
    steps = (KNNImputer(), StandardScaler(), KNeighborsClassifier(7, weights="distance"))
    return make_pipeline(*steps), penguins()[MEASURES], penguins()["Species"].to_numpy(str)


def penguins_stacking() -> Case:
    stacking = StackingClassifier(
        [
            ("forest", RandomForestClassifier(20, random_state=0)),
            ("machine", make_pipeline(StandardScaler(), SVC())),
            ("line", make_pipeline(StandardScaler(), LogisticRegression())),
        ],
        final_estimator=LogisticRegression(),
        cv=3,
    )
    return make_pipeline(SimpleImputer(), stacking), penguins()[MEASURES], penguins()["Island"].to_numpy(str)


def penguins_comments() -> Case:
    columns = make_column_transformer(
        (TfidfVectorizer(ngram_range=(1, 2), min_df=2), "Comments"),
        (make_pipeline(SimpleImputer(), StandardScaler()), MEASURES),
    )
    table = penguins()[["Comments", *MEASURES]]
    return make_pipeline(columns, LogisticRegression()), table, penguins()["Clutch Completion"].to_numpy(str)


def text_calibrated() -> Case:
    vectors = TfidfVectorizer(sublinear_tf=True, stop_words="english", ngram_range=(1, 2), min_df=2)
    return make_pipeline(vectors, CalibratedClassifierCV(LinearSVC(), cv=3)), *paragraphs()


def text_topics() -> Case:
    steps = (TfidfVectorizer(strip_accents="unicode", max_features=800), TruncatedSVD(20, random_state=0))
    return make_pipeline(*steps, StandardScaler(), LogisticRegression(max_iter=300)), *paragraphs()


def cancer_search() -> Case:
    data = datasets.load_breast_cancer(as_frame=True)
    machine = make_pipeline(StandardScaler(), PCA(8), SVC())
    return GridSearchCV(machine, {"svc__C": [1.0, 10.0]}, cv=3), data.data, data.target_names[data.target]


def cancer_threshold() -> Case:
    data = datasets.load_breast_cancer(as_frame=True)
    model = make_pipeline(MinMaxScaler(), SelectKBest(chi2, k=10), LogisticRegression())
    return TunedThresholdClassifierCV(model, cv=3), data.data, data.target


def digits_network() -> Case:
    data = datasets.load_digits()
    return make_pipeline(MinMaxScaler(), MLPClassifier((40,), max_iter=40, random_state=0)), data.data, data.target


def digits_vote() -> Case:
    data = datasets.load_digits()
    parts = [
        ("neighbours", make_pipeline(PCA(20), KNeighborsClassifier(3))),
        ("discriminant", LinearDiscriminantAnalysis()),
        ("bayes", GaussianNB(var_smoothing=1e-2)),
    ]
    return VotingClassifier(parts, voting="soft"), data.data, data.target


def diabetes_polynomials() -> Case:
    data = datasets.load_diabetes(as_frame=True)
    return make_pipeline(PolynomialFeatures(2), StandardScaler(), ElasticNetCV(cv=3)), data.data, data.target


def diabetes_boosting() -> Case:
    data = datasets.load_diabetes(as_frame=True)
    return make_pipeline(StandardScaler(), GradientBoostingRegressor(random_state=0)), data.data, data.target


def wine_least_squares() -> Case:
    data = datasets.load_wine(as_frame=True)
    return make_pipeline(StandardScaler(), PLSRegression(3)), data.data, pd.get_dummies(data.target).to_numpy(float)


def exercise_chain() -> Case:
    data = datasets.load_linnerud(as_frame=True)
    return RegressorChain(make_pipeline(StandardScaler(), RidgeCV())), data.data, data.target.to_numpy()


CASES: list[Callable[[], Case]] = [
    flights_forest, flights_boosting_with_categories, flights_boosting_from_dtypes, flights_target_encoding,
    flights_splines, flights_outliers, penguins_impute_encode, penguins_neighbours, penguins_stacking,
    penguins_comments, text_calibrated, text_topics, cancer_search, cancer_threshold, digits_network, digits_vote,
    diabetes_polynomials, diabetes_boosting, wine_least_squares, exercise_chain,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_held_back_rows_get_the_answers_of_the_original(case: Callable[[], Case], tmp_path: Path) -> None:
    model, data, target = case()
    known, labels, held_back = split(data, target)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(known, labels)
        bundle = modelwheel.pack(
            model,
            name="real",
            version="1",
            sample=known,
            dependencies=modelwheel.Dependencies(lock="none"),
            out=tmp_path,
        )
        same_answers(model, bundle, held_back, rtol=1e-4, atol=1e-5)


def test_pipelines_of_imbalanced_learn_convert_without_what_resamples(tmp_path: Path) -> None:
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline as resampling

    numbers = np.random.default_rng(0).normal(size=(120, 3))
    model = resampling(StandardScaler(), RandomOverSampler(random_state=0), LogisticRegression())
    model.fit(numbers, numbers[:, 0] > 1)
    with modelwheel.pack(model, name="few", version="1", sample=numbers, out=tmp_path) as bundle:
        found = bundle.load(runtime="onnx").predict_proba(numbers)
        np.testing.assert_allclose(found, model.predict_proba(numbers), rtol=1e-9)


@pytest.mark.parametrize("texts", [False, True], ids=["numbers", "texts"])
@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(20, random_state=0),
        ExtraTreesClassifier(20, random_state=0),
        DecisionTreeClassifier(max_depth=4, random_state=0),
        make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0)),
    ],
    ids=["forest", "extra", "tree", "pipeline"],
)
def test_forests_of_several_outputs(model: Any, texts: bool, tmp_path: Path) -> None:
    data, label = datasets.load_breast_cancer(return_X_y=True, as_frame=True)
    data = data.iloc[:, :6].mask(np.random.default_rng(0).random((len(data), 6)) < 0.05)
    target = np.column_stack([label, np.digitize(data["mean area"].fillna(0), [400, 700])])
    target = np.array(["low", "mid", "top"])[target] if texts else target
    model.fit(data[:400], target[:400])
    bundle = modelwheel.pack(model, name="several", version="1", sample=data[:400], out=tmp_path)
    with bundle.load(runtime="onnx") as loaded, np.errstate(divide="ignore"):
        assert set(loaded.methods) == {"predict", "predict_proba", "predict_log_proba"}
        for method in loaded.methods:
            expected, found = (getattr(one, method)(data[400:]) for one in (model, loaded))
            assert compare(expected, found, absolute=1e-14, relative=1e-12).within, method
