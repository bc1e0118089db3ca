"""Estimators that combine others: voting, stacking, bagging, AdaBoost, calibration."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame, beside, frame
from ..numpy_names import np
from ..registry import apply, converts, decided, labels, largest
from ..result import Unconvertible
from ..steps import added, both, expit, normalized, one_hot, smallest, softmax
from .multiple import response


def mean(arrays: Sequence[Array], weights: Any = None) -> Array:
    """`numpy.average` of arrays of one shape."""
    factors = np.ones(len(arrays)) if weights is None else np.asarray(weights, np.float64)
    pairs = zip([array.astype(FLOAT) for array in arrays], factors.tolist(), strict=True)
    total: Array = added(array * factor if factor != 1.0 else array for array, factor in pairs)
    return total / float(factors.sum())


# -- voting --------------------------------------------------------------------------------------------------------


@converts("predict_proba", "VotingClassifier")
def _soft(model: Any, x: Frame) -> Array:
    return mean([apply(one, "predict_proba", x) for one in model.estimators_], model._weights_not_none)  # noqa: SLF001


@converts("predict", "VotingClassifier")
def _voted(model: Any, x: Frame) -> Array:
    if model.voting == "soft":
        return labels(model.le_.classes_, apply(model, "predict_proba", x).argmax(1))
    votes = _votes(model, x)
    weights = model._weights_not_none or [1.0] * len(votes)  # noqa: SLF001
    pairs = zip(votes, weights, strict=True)
    total = added(one_hot(vote.astype(WHOLE), len(model.classes_)) * float(weight) for vote, weight in pairs)
    return labels(model.le_.classes_, total.argmax(1))


def _votes(model: Any, x: Frame) -> list[Array]:
    return [apply(one, "predict", x) for one in model.estimators_]


@converts("transform", "VotingClassifier")
def _vote_columns(model: Any, x: Frame) -> Array:
    if model.voting == "soft":
        return np.concatenate([apply(one, "predict_proba", x) for one in model.estimators_], axis=1)
    return np.stack(_votes(model, x), axis=1)


@converts("transform", "VotingRegressor")
def _values(model: Any, x: Frame) -> Array:
    return np.stack(_votes(model, x), axis=1)


@converts("predict", "VotingRegressor")
def _mean_value(model: Any, x: Frame) -> Array:
    return mean(_votes(model, x), model._weights_not_none)  # noqa: SLF001


# -- stacking ------------------------------------------------------------------------------------------------------


@converts("transform", "StackingClassifier", "StackingRegressor")
def _stacked(model: Any, x: Frame) -> Frame:
    """`_BaseStacking._concatenate_predictions`: of two classes only the second's probability."""
    parts = []
    two = len(getattr(model, "classes_", ())) == 2
    for estimator, method in zip(model.estimators_, model.stack_method_, strict=True):
        found = apply(estimator, method, x)
        if isinstance(found, list):
            parts += [frame(part[:, 1:]) for part in found]
        elif method == "predict_proba" and two:
            parts.append(frame(found[:, 1:]))
        else:
            parts.append(frame(found))
    return beside([*parts, x] if model.passthrough else parts)


def _last(model: Any, x: Frame, *, method: str) -> Any:
    return apply(model.final_estimator_, method, apply(model, "transform", x))


converts("predict", "StackingRegressor")(functools.partial(_last, method="predict"))


@converts("predict", "StackingClassifier")
def _stacked_class(model: Any, x: Frame) -> Array:
    if isinstance(model._label_encoder, list):  # noqa: SLF001
        raise Unconvertible("stacking of several targets has no converter")
    return labels(model.classes_, _last(model, x, method="predict"))


for _method in ("predict_proba", "decision_function"):
    converts(_method, "StackingClassifier")(functools.partial(_last, method=_method))


# -- bagging -------------------------------------------------------------------------------------------------------


def _bagged(model: Any, x: Frame) -> list[tuple[Any, Frame]]:
    whole = list(range(x.width))
    pairs = zip(model.estimators_, model.estimators_features_, strict=True)
    known: dict[tuple[int, ...], Frame] = {tuple(whole): x}
    made = []
    for estimator, features in pairs:
        chosen = tuple(np.asarray(features).tolist())
        if chosen not in known:
            known[chosen] = x.select(chosen)
        made.append((estimator, known[chosen]))
    return made


@converts("predict", "BaggingRegressor")
def _bagged_value(model: Any, x: Frame) -> Array:
    return mean([apply(estimator, "predict", part) for estimator, part in _bagged(model, x)])


@converts("predict_proba", "BaggingClassifier")
def _bagged_proba(model: Any, x: Frame) -> Array:
    return mean([_one_proba(model, estimator, part) for estimator, part in _bagged(model, x)])


def _one_proba(model: Any, estimator: Any, x: Frame) -> Array:
    """`_parallel_predict_proba`: a vote where it has no probabilities; it may know some of the classes only."""
    if not hasattr(estimator, "predict_proba"):
        return one_hot(apply(estimator, "predict", x).astype(WHOLE), model.n_classes_)
    proba = apply(estimator, "predict_proba", x)
    if len(estimator.classes_) == model.n_classes_:
        return proba
    spread = np.eye(model.n_classes_)[np.asarray(estimator.classes_, np.int64)]
    return proba @ spread


@converts("predict_log_proba", "BaggingClassifier")
def _bagged_log_proba(model: Any, x: Frame) -> Array:
    if not hasattr(model.estimator_, "predict_log_proba"):
        return np.log(apply(model, "predict_proba", x))
    total: Any = None
    for estimator, part in _bagged(model, x):
        if len(estimator.classes_) != model.n_classes_:
            raise Unconvertible("an estimator of the ensemble was fitted on some of the classes only")
        proba = apply(estimator, "predict_log_proba", part)
        total = proba if total is None else _log_add(total, proba)
    return total - float(np.log(model.n_estimators))


def _log_add(one: Any, other: Any) -> Any:
    """`numpy.logaddexp`, also for two logarithms of zero."""
    top = np.maximum(one, other)
    safe = np.where(np.isinf(top), 0.0, top)
    return np.where(np.isinf(top), top, safe + np.log(np.exp(one - safe) + np.exp(other - safe)))


@converts("decision_function", "BaggingClassifier")
def _bagged_scores(model: Any, x: Frame) -> Array:
    return mean([apply(estimator, "decision_function", part) for estimator, part in _bagged(model, x)])


@converts("predict", "BaggingClassifier", "CalibratedClassifierCV", "LabelPropagation", "LabelSpreading")
def _likeliest(model: Any, x: Frame) -> Array:
    return largest(model, apply(model, "predict_proba", x))


# -- AdaBoost ------------------------------------------------------------------------------------------------------


@converts("decision_function", "AdaBoostClassifier")
def _boosted_scores(model: Any, x: Frame) -> Array:
    count = model.n_classes_
    if count == 1:
        raise Unconvertible("it was fitted on a single class")
    classes = model.classes_.astype(object) if model.classes_.dtype.kind in "US" else model.classes_
    total = added(
        np.where(apply(estimator, "predict", x)[:, None] == classes, weight, -weight / (count - 1))
        for estimator, weight in zip(model.estimators_, model.estimator_weights_.tolist(), strict=False)
    ) / float(model.estimator_weights_.sum())
    return total[:, 1] - total[:, 0] if count == 2 else total


@converts("predict_proba", "AdaBoostClassifier")
def _boosted_proba(model: Any, x: Frame) -> Array:
    scores = apply(model, "decision_function", x)
    if model.n_classes_ == 2:
        return softmax(np.stack([-scores, scores], axis=1) / 2.0)
    return softmax(scores / float(model.n_classes_ - 1))


@converts("predict", "AdaBoostClassifier")
def _boosted_class(model: Any, x: Frame) -> Array:
    return decided(model, apply(model, "decision_function", x))


@converts("predict", "AdaBoostRegressor")
def _weighted_median(model: Any, x: Frame) -> Array:
    values = np.stack([apply(one, "predict", x) for one in model.estimators_], axis=1)
    ordered, places = smallest(values, len(model.estimators_))
    weights = values.of(np.asarray(model.estimator_weights_[: len(model.estimators_)], np.float64)).take(places)
    summed = weights.emit("CumSum", np.array(1, np.int64))
    above = summed >= summed[:, [-1]] * 0.5
    first = above.astype(WHOLE).argmax(1)[:, None]
    return ordered.emit("GatherElements", first, axis=1, shape=(None, 1))[:, 0]


# -- calibration ---------------------------------------------------------------------------------------------------


@converts("predict_proba", "CalibratedClassifierCV")
def _calibrated(model: Any, x: Frame) -> Array:
    return mean([_one_calibrated(one, x) for one in model.calibrated_classifiers_])


def _one_calibrated(model: Any, x: Frame) -> Array:
    """`_CalibratedClassifier.predict_proba`."""
    scores, method = response(model.estimator, ("decision_function", "predict_proba"), x)
    count = len(model.classes)
    if model.method == "temperature":
        return _temperature(model, scores, method)
    columns = [scores] if scores.ndim == 1 else [scores[:, place] for place in range(scores.shape[1])]
    known = np.asarray(model.classes)
    places = np.searchsorted(known, model.estimator.classes_)
    found = [_calibrator(one, column) for one, column in zip(model.calibrators, columns, strict=True)]
    if count == 2:
        return _at_most_one(both(found[0]))
    made: list[Any] = [found[0] * 0.0] * count
    for place, column in zip(places.tolist(), found, strict=True):
        made[place] = column
    return _at_most_one(normalized(np.stack(made, axis=1)))


def _at_most_one(proba: Any) -> Any:
    return np.where((proba > 1.0) & (proba <= 1.0 + 1e-5), 1.0, proba)


def _calibrator(model: Any, scores: Array) -> Any:
    if type(model).__name__ == "_SigmoidCalibration":
        return expit(-(scores * float(model.a_) + float(model.b_)))
    return apply(model, "predict", frame(scores))


def _temperature(model: Any, scores: Array, method: str) -> Array:
    if scores.ndim == 1:
        pair = np.stack([1.0 - scores, scores] if method == "predict_proba" else [-scores, scores], axis=1)
    else:
        pair = scores
    logits = np.log(pair + 1e-12) if method == "predict_proba" else pair
    return _at_most_one(softmax(logits * float(model.calibrators[0].beta_)))
