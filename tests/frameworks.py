"""A model of every framework that has an adapter, and what becomes of it when it is packed.

`docs/tools/framework_table.py` writes the table in docs/tasks/frameworks.md with it, and the tests hold the table.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import statsmodels.api
import torch
import xgboost
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import modelwheel
from modelwheel_loader.opening.manifest import FORMATS, OnnxPayload

PAGE = Path(__file__).parents[1] / "docs" / "tasks" / "frameworks.md"
BEGIN, END = "<!-- made by docs/tools/framework_table.py -->", "<!-- end of docs/tools/framework_table.py -->"

CANCER, BENIGN = load_breast_cancer(return_X_y=True, as_frame=True)
FLOWERS, KIND = load_iris(return_X_y=True, as_frame=True)
PEOPLE, PROGRESS = load_diabetes(return_X_y=True, as_frame=True)
GAPS = CANCER.mask(np.random.default_rng(0).random(CANCER.shape) < 0.1)
CATEGORIES = FLOWERS.assign(size=pd.cut(FLOWERS.iloc[:, 0], 3, labels=["s", "m", "l"]))
# one thread: several runtimes of OpenMP in one process wait for each other
XGB: dict[str, Any] = {"n_estimators": 60, "n_jobs": 1}
LGB: dict[str, Any] = {**XGB, "verbose": -1}
CAT: dict[str, Any] = {"verbose": 0, "allow_writing_files": False, "iterations": 60, "thread_count": 1}


def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(30, 64), torch.nn.ReLU(), torch.nn.Linear(64, 2)).eval()


def exported() -> Any:
    """The network as an ONNX model that somebody else made."""
    names = ["w1", "b1", "w2", "b2"]
    values = [np.ascontiguousarray(item.detach().numpy().T) for item in net().parameters()]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["m1"]),
        helper.make_node("Add", ["m1", "b1"], ["a1"]),
        helper.make_node("Relu", ["a1"], ["r1"]),
        helper.make_node("MatMul", ["r1", "w2"], ["m2"]),
        helper.make_node("Add", ["m2", "b2"], ["predict"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 30])],
        [helper.make_tensor_value_info("predict", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(value, name) for name, value in zip(names, values, strict=True)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def stack() -> Any:
    """Three boosters in an ensemble of scikit-learn."""
    boosters = [
        ("x", xgboost.XGBClassifier(**XGB)),
        ("l", lightgbm.LGBMClassifier(**LGB)),
        ("c", catboost.CatBoostClassifier(**CAT)),
    ]
    return StackingClassifier(boosters, cv=2)


def oldest(table: Any) -> Any:
    """A rule."""
    return table["age"].to_numpy() * 2.0


MODELS: dict[str, Callable[[], tuple[Any, Any]]] = {
    "scikit-learn: scaled logistic regression": lambda: (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(CANCER, BENIGN), CANCER),
    "scikit-learn: random forest": lambda: (RandomForestClassifier(random_state=0).fit(CANCER, BENIGN), CANCER),
    "XGBoost: two classes, nulls": lambda: (xgboost.XGBClassifier(**XGB).fit(GAPS, BENIGN), GAPS),
    "XGBoost: three classes": lambda: (xgboost.XGBClassifier(**XGB).fit(FLOWERS, KIND), FLOWERS),
    "XGBoost: numbers": lambda: (xgboost.XGBRegressor(**XGB).fit(PEOPLE, PROGRESS), PEOPLE),
    "XGBoost: in a pipeline": lambda: (
        make_pipeline(StandardScaler(), xgboost.XGBClassifier(**XGB)).fit(GAPS, BENIGN), GAPS),
    "XGBoost: categories": lambda: (
        xgboost.XGBClassifier(enable_categorical=True, **XGB).fit(CATEGORIES, KIND), CATEGORIES),
    "LightGBM: two classes, nulls": lambda: (lightgbm.LGBMClassifier(**LGB).fit(GAPS, BENIGN), GAPS),
    "LightGBM: three classes": lambda: (lightgbm.LGBMClassifier(**LGB).fit(FLOWERS, KIND), FLOWERS),
    "LightGBM: numbers": lambda: (lightgbm.LGBMRegressor(**LGB).fit(PEOPLE, PROGRESS), PEOPLE),
    "CatBoost: two classes, nulls": lambda: (catboost.CatBoostClassifier(**CAT).fit(GAPS, BENIGN), GAPS),
    "CatBoost: three classes": lambda: (catboost.CatBoostClassifier(**CAT).fit(FLOWERS, KIND), FLOWERS),
    "CatBoost: numbers": lambda: (catboost.CatBoostRegressor(**CAT).fit(PEOPLE, PROGRESS), PEOPLE),
    "boosters: a stack of all three": lambda: (stack().fit(CANCER, BENIGN), CANCER),
    "ONNX: two layers": lambda: (exported(), CANCER.to_numpy("float32")),
    "PyTorch: two layers": lambda: (net(), CANCER.to_numpy("float32")),
    "statsmodels: least squares": lambda: (statsmodels.api.OLS(PROGRESS, PEOPLE).fit(), PEOPLE),
    "Python: a function": lambda: (oldest, PEOPLE),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What became of a model: `largest` is the largest difference to the graph, None without one, for a `reason`."""

    name: str
    native: str
    runs_code: bool
    methods: tuple[str, ...]
    largest: float | None
    labels: int
    reason: str

    def line(self) -> str:
        """The row as a line of Markdown; differences are rounded up to a power of ten."""
        graph = self.reason if self.largest is None else f"yes: {', '.join(self.methods)}"
        cells = [self.name, self.native, "yes" if self.runs_code else "no", graph, bound(self.largest), ""]
        cells[-1] = "" if self.largest is None else str(self.labels)
        return f"| {' | '.join(cells)} |"


def bound(difference: float | None) -> str:
    """The smallest power of ten that is not below."""
    if difference is None:
        return ""
    return "0" if difference == 0 else f"1e{math.ceil(math.log10(difference)):+03d}"


def row(name: str, folder: Path) -> Row:
    """Pack the model into `folder` and look at what came of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, sample = MODELS[name]()
        unlocked = modelwheel.Dependencies(lock="none")
        bundle = modelwheel.pack(model, name="m", version="1", sample=sample, dependencies=unlocked, out=folder)
    native = next((item for item in bundle.runtimes if item.kind == "native"), None)
    graph = next((item for item in bundle.runtimes if isinstance(item, OnnxPayload)), None)
    reason = next((f"no: {item.reason}" for item in bundle.manifest.left_out if item.kind == "onnx"), "")
    parity = tuple(graph.parity.values()) if graph is not None else ()
    return Row(
        name=name,
        native=native.format if native is not None else "none",
        runs_code=native is not None and FORMATS[native.format].runs_code,
        methods=tuple(graph.methods) if graph is not None else (),
        largest=max(item.max_absolute for item in parity) if parity else None,
        labels=sum(item.label_disagreements for item in parity),
        reason=reason.replace("|", "\\|"),
    )


def recorded() -> dict[str, str]:
    """The line that the page has for each model."""
    table = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines if not line.startswith("| ---")}
