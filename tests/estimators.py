"""Every estimator of scikit-learn that predicts or transforms: what it is fitted on, and how its bundle answers.

`docs/tools/estimator_table.py` writes `docs/estimators.md` with it, and the tests hold the table.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

import modelwheel
from modelwheel.adapters.sklearn import METHODS

PAGE = Path(__file__).parents[1] / "docs" / "estimators.md"
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).round(2) + 5
LABELS = np.array(["a", "b", "c"])[np.argsort(np.argsort(X[:, 0])) // 20]
Y = X[:, 0] * 2 - X[:, 1]
BINARY = np.median(Y) < Y
GAPS = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
TEXTS = ["The cat sat", "the dog ran home", "a cat and a dog", "Home again, isn't it?"] * 15
CITIES = pd.DataFrame({"city": ["Bern", "Köln", "Oslo"] * 20, "kind": ["x", "y", "x", "z"] * 15}).astype(object)
RECORDS = [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 1.0}] * 30
SAMPLES: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"), (TEXTS, None)),
    **dict.fromkeys(("DictVectorizer", "FeatureHasher"), (RECORDS, None)),
    **dict.fromkeys(("LabelEncoder", "LabelBinarizer"), (LABELS, ...)),
    **dict.fromkeys(("OneHotEncoder", "OrdinalEncoder"), (CITIES, None)),
    **dict.fromkeys(("SimpleImputer", "KNNImputer", "MissingIndicator"), (GAPS, None)),
    "HistGradientBoostingRegressor": (GAPS, Y),
    "HistGradientBoostingClassifier": (GAPS, LABELS),
    **dict.fromkeys(
        ("GenericUnivariateSelect", "SelectFdr", "SelectFpr", "SelectFwe", "SelectKBest", "SelectPercentile"),
        (X, LABELS),
    ),
    "TargetEncoder": (CITIES, Y),
    "IsotonicRegression": (X[:, 0], Y),
    "PatchExtractor": (RANDOM.random((6, 12, 12)), None),
    "KernelCenterer": (X @ X.T, None),
    "NeighborhoodComponentsAnalysis": (X, LABELS),
    "SequentialFeatureSelector": (X, LABELS),
    "SelfTrainingClassifier": (X, np.where(RANDOM.random(60) < 0.2, -1, BINARY.astype(int))),
    **dict.fromkeys(
        ("MultiTaskLasso", "MultiTaskElasticNet", "MultiTaskLassoCV", "MultiTaskElasticNetCV", "RegressorChain"),
        (X, np.stack([Y, -Y], axis=1)),
    ),
    **dict.fromkeys(("ClassifierChain", "MultiOutputClassifier"), (X, np.stack([BINARY, ~BINARY], axis=1).astype(int))),
    "MultiOutputRegressor": (X, np.stack([Y, -Y], axis=1)),
    **dict.fromkeys(("FixedThresholdClassifier", "TunedThresholdClassifierCV"), (X, BINARY.astype(int))),
}
"""What an estimator is fitted on where four columns of numbers will not do; `...`: the sample is the target."""
PARAMETERS: dict[str, dict[str, Any]] = {
    "DummyClassifier": {"strategy": "prior"},
    "GenericUnivariateSelect": {"mode": "k_best", "param": 2},
    "SelectKBest": {"k": 2},
    "SelectPercentile": {"percentile": 50},
    "HashingVectorizer": {"n_features": 1024},
    "LocalOutlierFactor": {"novelty": True},
    "OneHotEncoder": {"handle_unknown": "ignore"},
    "OrdinalEncoder": {"handle_unknown": "use_encoded_value", "unknown_value": -1},
    "SplineTransformer": {"extrapolation": "linear"},
}
"""Parameters other than those of scikit-learn's own test instances; the table shows them."""
REFUSED = {
    "MultiLabelBinarizer": "takes a list of sets, not a table",
    "SparseCoder": "is built around a dictionary and has nothing to fit",
    "PatchExtractor": "answers many rows for each",
}
"""Estimators that `pack` refuses, or that have no sample, with the reason."""


def instances() -> dict[str, Any]:
    """One instance of every estimator that has a prediction or transform method."""
    made = {}
    for name, kind in all_estimators():
        if not any(hasattr(kind, method) for method in METHODS) and name not in PARAMETERS:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made[name] = next(iter(_construct_instances(kind)))
        if name in PARAMETERS:
            made[name].set_params(**PARAMETERS[name])
    return made


ESTIMATORS = instances()


def fitted(name: str) -> tuple[Any, Any]:
    """The estimator, fitted, and its sample."""
    model = ESTIMATORS[name]
    sample, target = SAMPLES.get(name, (X, None))
    if target is None and name not in SAMPLES:
        target = LABELS if is_classifier(model) else Y
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(sample) if target is ... else model.fit(sample, target)
    return model, sample


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of the table. `methods` are those that answer twice alike; `onnx` those with parity."""

    name: str
    native: bool
    methods: tuple[str, ...]
    onnx: tuple[str, ...]
    largest: float
    reason: str

    @property
    def whole(self) -> bool:
        """Whether every method has parity."""
        return bool(self.methods) and set(self.methods) == set(self.onnx)


def row(name: str, folder: Path) -> Row:
    """Pack the estimator into `folder` and look at what came of it."""
    if name in REFUSED:
        return Row(name=name, native=False, methods=(), onnx=(), largest=0.0, reason=REFUSED[name])
    model, sample = fitted(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bundle = modelwheel.pack(
            model,
            name=f"m-{name}",
            version="1",
            sample=sample,
            dependencies=modelwheel.Dependencies(lock="none"),
            out=folder,
        )
        methods = tuple(name for name in bundle.methods if bundle.methods[name].deterministic)
        native = _is_bit_equal(model, bundle, sample.copy(), methods)
    parity = next((item.parity for item in bundle.runtimes if item.kind == "onnx"), {})
    missing = [method for method in methods if method not in parity]
    reason = next((item.reason for item in bundle.manifest.left_out if item.kind == "onnx"), "")
    return Row(
        name=name,
        native=native,
        methods=methods,
        onnx=tuple(method for method in methods if method in parity),
        largest=max((item.max_absolute for item in parity.values()), default=0.0),
        reason=reason or (f"{', '.join(missing)} has no converter" if missing else ""),
    )


def _is_bit_equal(model: Any, bundle: Any, batch: Any, methods: tuple[str, ...]) -> bool:
    """Whether the native payload answers as the model, for another array than the one that was fitted on."""
    with bundle.load(runtime="native") as loaded:
        return all(
            _same(dense(getattr(model, method)(batch)), dense(getattr(loaded, method)(batch))) for method in methods
        )


def dense(answer: Any) -> Any:
    """Arrays, for sparse matrices and lists too."""
    if sparse.issparse(answer):
        return answer.toarray()
    return [np.asarray(part) for part in answer] if isinstance(answer, list) else np.asarray(answer)


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, list):
        return len(expected) == len(found) and all(map(_same, expected, found))
    return bool(expected.dtype == found.dtype and expected.shape == found.shape and np.array_equal(
        expected, found, equal_nan=expected.dtype.kind == "f"
    ))  # fmt: skip


# -- the page --------------------------------------------------------------------------------------------------------


def line(found: Row) -> str:
    """The row as a line of Markdown."""
    given = ", ".join(f"{key}={value!r}" for key, value in PARAMETERS.get(found.name, {}).items())
    title = f"`{found.name}({given})`" if given else f"`{found.name}`"
    note = _escaped(found.reason) if found.reason else ", ".join(found.methods)
    return f"| {title} | {'yes' if found.native else 'no'} | {verdict(found)} | {note} |"


def verdict(found: Row) -> str:
    """What the table says of ONNX."""
    if found.whole:
        return "yes"
    return f"only {', '.join(found.onnx)}" if found.onnx else "no"


def _escaped(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def recorded() -> dict[str, tuple[str, str]]:
    """What the page says of each estimator: native, ONNX."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found = [re.match(r"\| `(\w+)[^|]*` \| (\w+) \| ([^|]+) \|", text) for text in lines]
    return {item[1]: (item[2], item[3].strip()) for item in found if item}
