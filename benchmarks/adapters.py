"""Packs a model of each kind and prints what became of it: the table in docs/tasks/frameworks.md.

Run: python benchmarks/adapters.py
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import statsmodels.api
import torch
import xgboost
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import modelwheel
from modelwheel_loader.manifest.formats import FORMATS

CANCER, BENIGN = load_breast_cancer(return_X_y=True, as_frame=True)
FLOWERS, KIND = load_iris(return_X_y=True, as_frame=True)
PEOPLE, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
GAPS = CANCER.mask(np.random.default_rng(0).random(CANCER.shape) < 0.1)
CATEGORIES = FLOWERS.assign(size=pd.cut(FLOWERS.iloc[:, 0], 3, labels=["s", "m", "l"]))
CAT: dict[str, Any] = {"verbose": 0, "allow_writing_files": False, "iterations": 100}


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(30, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)).eval()


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "scikit-learn: scaled logistic regression": lambda: (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(CANCER, BENIGN), CANCER),
    "scikit-learn: random forest": lambda: (RandomForestClassifier(random_state=0).fit(CANCER, BENIGN), CANCER),
    "XGBoost: two classes, nulls": lambda: (xgboost.XGBClassifier().fit(GAPS, BENIGN), GAPS),
    "XGBoost: three classes": lambda: (xgboost.XGBClassifier().fit(FLOWERS, KIND), FLOWERS),
    "XGBoost: numbers": lambda: (xgboost.XGBRegressor().fit(PEOPLE, PROGRESS), PEOPLE),
    "XGBoost: in a pipeline": lambda: (
        make_pipeline(StandardScaler(), xgboost.XGBClassifier()).fit(GAPS, BENIGN), GAPS),
    "XGBoost: categories": lambda: (xgboost.XGBClassifier(enable_categorical=True).fit(CATEGORIES, KIND), CATEGORIES),
    "LightGBM: two classes, nulls": lambda: (lightgbm.LGBMClassifier(verbose=-1).fit(GAPS, BENIGN), GAPS),
    "LightGBM: three classes": lambda: (lightgbm.LGBMClassifier(verbose=-1).fit(FLOWERS, KIND), FLOWERS),
    "LightGBM: numbers": lambda: (lightgbm.LGBMRegressor(verbose=-1).fit(PEOPLE, PROGRESS), PEOPLE),
    "CatBoost: two classes, nulls": lambda: (catboost.CatBoostClassifier(**CAT).fit(GAPS, BENIGN), GAPS),
    "CatBoost: three classes": lambda: (catboost.CatBoostClassifier(**CAT).fit(FLOWERS, KIND), FLOWERS),
    "CatBoost: numbers": lambda: (catboost.CatBoostRegressor(**CAT).fit(PEOPLE, PROGRESS), PEOPLE),
    "PyTorch: two layers": lambda: (net(), CANCER.to_numpy("float32")),
    "statsmodels: least squares": lambda: (statsmodels.api.OLS(PROGRESS, PEOPLE).fit(), PEOPLE),
}  # fmt: skip


def rows() -> Iterator[str]:
    """One line for each model."""
    with tempfile.TemporaryDirectory() as folder:
        for name, make in MODELS.items():
            model, sample = make()
            packed = modelwheel.pack(model, name="row", version="1.0", sample=sample, out=f"{folder}/{hash(name)}")
            native = next(item for item in packed.runtimes if item.kind == "native")
            graph = next((item for item in packed.runtimes if item.kind == "onnx"), None)
            code = "yes" if FORMATS[native.format].runs_code else "no"
            if graph is None:
                reason = next(item.reason for item in packed.manifest.left_out if item.kind == "onnx")
                told = f"no: {reason} | "
            else:
                parity: Any = graph.parity.values()  # type: ignore[union-attr]
                worst = max(item.max_absolute for item in parity)
                wrong = sum(item.label_disagreements for item in parity)
                told = f"yes, {wrong} other labels | {worst:.1g}"
            yield f"| {name} | {native.format} | {code} | {told} |"


def main() -> None:
    warnings.simplefilter("ignore")
    print("| model | native | runs code | ONNX | largest difference |")
    print("| --- | --- | --- | --- | --- |")
    for row in rows():
        print(row, flush=True)


if __name__ == "__main__":
    main()
