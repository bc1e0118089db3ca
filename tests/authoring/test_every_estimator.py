"""Every estimator of scikit-learn that predicts or transforms: packed, loaded natively, and bit-equal."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances

import modelwheel
from modelwheel.adapters.sklearn import METHODS

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)).round(2) + 5
LABELS = np.array(["a", "b", "c"])[np.argsort(np.argsort(X[:, 0])) // 20]
BINARY = (Y_SPLIT := X[:, 0] * 2 - X[:, 1]) > np.median(Y_SPLIT)
Y = X[:, 0] * 2 - X[:, 1]
TEXTS = ["the cat sat", "the dog ran home", "a cat and a dog", "home again"] * 15
OTHER_SAMPLES: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"), (TEXTS, None)),
    "DictVectorizer": ([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 1.0}] * 30, None),
    "FeatureHasher": ([{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 1.0}] * 30, None),
    "IsotonicRegression": (X[:, 0], Y),
    "LabelEncoder": (LABELS, ...),
    "LabelBinarizer": (LABELS, ...),
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
NO_SAMPLE = {
    "MultiLabelBinarizer": "takes a list of sets, which is no table",
    "SparseCoder": "is built around a dictionary and has nothing to fit",
}
"""Estimators that take no tabular sample, with the reason."""
REFUSED = {
    "LocalOutlierFactor": "without novelty=True it judges only what it was fitted on",
    "PatchExtractor": "answers many rows for each",
}
"""Estimators that `pack` refuses, with the reason."""


def instances() -> dict[str, Any]:
    """One instance of every estimator that has a prediction or transform method."""
    made = {}
    for name, kind in all_estimators():
        if name in NO_SAMPLE or not any(hasattr(kind, method) for method in METHODS):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made[name] = next(iter(_construct_instances(kind)))
    return made


ESTIMATORS = instances()


def dense(answer: Any) -> Any:
    if sparse.issparse(answer):
        return answer.toarray()
    return [np.asarray(part) for part in answer] if isinstance(answer, list) else np.asarray(answer)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(ESTIMATORS.keys() - REFUSED.keys()))
def test_native_answers_are_bit_equal(name: str, tmp_path: Path) -> None:
    model = ESTIMATORS[name]
    sample, target = OTHER_SAMPLES.get(name, (X, None))
    if target is None and name not in OTHER_SAMPLES:
        target = LABELS if is_classifier(model) else Y
    if "random_state" in model.get_params():
        model.set_params(random_state=0)
    model.fit(sample) if target is ... else model.fit(sample, target)
    # another array than the one that was fitted on: some estimators notice, and compute in another order
    batch = sample.copy()
    options = modelwheel.Options(runtimes=("native",))
    bundle = modelwheel.pack(model, name=f"m-{name}", version="1", sample=sample, options=options, out=tmp_path)
    loaded = bundle.load()
    assert loaded.methods
    for method in loaded.methods:
        if not bundle.methods[method].deterministic:
            continue
        expected, found = dense(getattr(model, method)(batch)), dense(getattr(loaded, method)(batch))
        if isinstance(expected, list):
            for one, other in zip(expected, found, strict=True):
                np.testing.assert_array_equal(one, other)
        else:
            np.testing.assert_array_equal(expected, found)
            assert expected.dtype == found.dtype


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_answer_row_by_row_is_refused(name: str, tmp_path: Path) -> None:
    sample, target = OTHER_SAMPLES.get(name, (X, None))
    with pytest.raises(modelwheel.errors.PackError):
        modelwheel.pack(ESTIMATORS[name].fit(sample, target), name="m", version="1", sample=sample, out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_most_estimators_are_here() -> None:
    assert len(ESTIMATORS) > 165


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "StandardScaler", "Pipeline"])
def test_what_is_not_fitted_is_refused(kind: str, tmp_path: Path) -> None:
    from sklearn.base import clone

    with pytest.raises(modelwheel.errors.PackError, match="not fitted"):
        modelwheel.pack(clone(ESTIMATORS[kind]), name="m", version="1", sample=X, out=tmp_path)
    assert not list(tmp_path.iterdir())
    assert issubclass(NotFittedError, ValueError)
