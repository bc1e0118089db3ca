"""Boosters and forests on real data, alone and in pipelines: held-back rows get the labels of the original in ONNX."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn import datasets
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor, StackingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, OrdinalEncoder, StandardScaler

import modelwheel
from real_data import flights, penguins, same_answers, split

Case = tuple[Any, Any, Any]
"""A model that is not fitted, its data and its target."""
NUMBERS = ["month", "hour", "distance", "dep_delay", "built", "seats"]
NAMES = ["carrier", "origin", "dest", "engine"]
MEASURES = ["Culmen Length (mm)", "Culmen Depth (mm)", "Flipper Length (mm)", "Body Mass (g)"]
XGB: dict[str, Any] = {"n_estimators": 40, "n_jobs": 1}
LGB: dict[str, Any] = {**XGB, "verbose": -1}
CAT: dict[str, Any] = {"iterations": 60, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
BOOSTERS: dict[str, tuple[Any, Any]] = {
    "xgboost": (xgboost.XGBClassifier(**XGB), xgboost.XGBRegressor(**XGB)),
    "lightgbm": (lightgbm.LGBMClassifier(**LGB), lightgbm.LGBMRegressor(**LGB)),
    "catboost": (catboost.CatBoostClassifier(**CAT), catboost.CatBoostRegressor(**CAT)),
}
"""The classifier and the regressor of each."""


def classifier(name: str) -> Any:
    """A new one: XGBoost's remember what they were fitted on."""
    return clone(BOOSTERS[name][0])


def regressor(name: str) -> Any:
    return clone(BOOSTERS[name][1])


def late() -> Any:
    return np.where(flights()["arr_delay"] > 15, 1, 0)


def species() -> Any:
    return LabelEncoder().fit_transform(penguins()["Species"])


def delays(name: str) -> Case:
    """Minutes; two columns have nulls."""
    return regressor(name), flights()[NUMBERS], flights()["arr_delay"].to_numpy()


def penguins_with_gaps(name: str) -> Case:
    columns = penguins()[MEASURES].set_axis(["length", "depth", "flipper", "mass"], axis=1)
    return classifier(name), columns, species()


def digits(name: str) -> Case:
    data = datasets.load_digits()
    return classifier(name), data.data, data.target


def flights_one_hot(name: str) -> Case:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), NAMES), (StandardScaler(), NUMBERS)
    )
    return make_pipeline(columns, classifier(name)), flights()[NUMBERS + NAMES], late()


def flights_ordinal(name: str) -> Case:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer((encoder, NAMES), ("passthrough", NUMBERS))
    return make_pipeline(columns, regressor(name)), flights()[NUMBERS + NAMES], flights()["arr_delay"].to_numpy()


def all_in_a_stack(_: str) -> Case:
    parts = [(name, classifier) for name, (classifier, _) in BOOSTERS.items()]
    stacking = StackingClassifier(parts, final_estimator=LogisticRegression(), cv=2)
    return make_pipeline(SimpleImputer(), stacking), flights()[NUMBERS], late()


def forest_of_digits(_: str) -> Case:
    data = datasets.load_digits()
    return RandomForestClassifier(60, max_depth=8, random_state=0), data.data, data.target


def forest_of_wine(_: str) -> Case:
    data = datasets.load_wine(as_frame=True)
    forest = RandomForestClassifier(40, min_samples_leaf=3, random_state=0)
    return forest, data.data, data.target_names[data.target]


def trees_of_penguins(_: str) -> Case:
    trees = make_pipeline(SimpleImputer(), ExtraTreesClassifier(50, max_depth=4, random_state=0))
    return trees, penguins()[MEASURES], penguins()["Species"].to_numpy(str)


def forest_of_two_numbers(_: str) -> Case:
    forest = RandomForestRegressor(40, max_depth=8, random_state=0)
    return forest, flights()[["distance", "dep_delay", "hour"]], flights()[["arr_delay", "air_time"]].to_numpy()


EACH: list[Callable[[str], Case]] = [delays, penguins_with_gaps, digits, flights_one_hot, flights_ordinal]
ONCE: list[Callable[[str], Case]] = [
    all_in_a_stack, forest_of_digits, forest_of_wine, trees_of_penguins, forest_of_two_numbers,
]  # fmt: skip
CASES = [(case, name) for case in EACH for name in BOOSTERS] + [(case, "") for case in ONCE]


@pytest.mark.parametrize(("case", "name"), CASES, ids=[f"{case.__name__}-{name}".strip("-") for case, name in CASES])
def test_held_back_rows_get_the_answers_of_the_original(case: Callable[[str], Case], name: str, tmp_path: Path) -> None:
    model, data, target = case(name)
    known, labels, held_back = split(data, target)
    # XGBoost itself adds in single precision, in an order of its own
    single = name == "xgboost" or case is all_in_a_stack
    relative, absolute = (1e-5, 1e-4) if single else (0.0, 1e-11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(known, labels)
        unlocked = modelwheel.Dependencies(lock="none")
        bundle = modelwheel.pack(model, name="real", version="1", sample=known, dependencies=unlocked, out=tmp_path)
        same_answers(model, bundle, held_back, rtol=relative, atol=absolute)
