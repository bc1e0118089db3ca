"""Multiclass and multioutput estimators: `sklearn.multiclass`, `sklearn.multioutput`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame, beside, frame
from ..numpy_names import np
from ..registry import apply, converts, decided, label, largest, ones
from ..result import Unconvertible
from ..steps import squared_distances


def response(estimator: Any, methods: Sequence[str], x: Frame) -> tuple[Any, str]:
    """`sklearn.utils._response._get_response_values`: of two classes the second's; and the method that gave it."""
    method = next((name for name in methods if hasattr(estimator, name)), None)
    if method is None:
        raise Unconvertible(f"{type(estimator).__name__} has none of the required methods")
    found = apply(estimator, method, x)
    if method == "predict_proba" and found.shape[1] == 2:
        found = found[:, 1]
    return found, method


def _binary_score(estimator: Any, x: Frame) -> Array:
    """`sklearn.multiclass._predict_binary`."""
    from sklearn.base import is_regressor

    if is_regressor(estimator):
        return apply(estimator, "predict", x)
    found: Array = response(estimator, ("decision_function", "predict_proba"), x)[0]
    return found


def _threshold(estimator: Any) -> float:
    from sklearn.base import is_classifier

    return 0.0 if hasattr(estimator, "decision_function") and is_classifier(estimator) else 0.5


@converts("predict", "_ConstantPredictor")
@converts("decision_function", "_ConstantPredictor")
def _always(model: Any, x: Frame) -> Array:
    return ones(x) * float(model.y_[0])


@converts("predict_proba", "_ConstantPredictor")
def _always_proba(model: Any, x: Frame) -> Array:
    return ones(x, 2) * np.array([1.0 - model.y_[0], model.y_[0]], np.float64)


# -- one against the rest, one against one, codes ------------------------------------------------------------------


@converts("predict", "OneVsRestClassifier")
def _one_vs_rest(model: Any, x: Frame) -> Array:
    scores = [_binary_score(one, x) for one in model.estimators_]
    kind = model.label_binarizer_.y_type_
    if kind == "multiclass":
        return largest(model, np.stack(scores, axis=1))
    above = [(score > _threshold(model.estimators_[0])).astype(WHOLE) for score in scores]
    if kind.startswith("multilabel"):
        return np.stack(above, axis=1)
    return label(model, above[0])


@converts("predict_proba", "OneVsRestClassifier")
def _one_vs_rest_proba(model: Any, x: Frame) -> Array:
    columns = [apply(one, "predict_proba", x)[:, 1] for one in model.estimators_]
    if len(columns) == 1:
        columns = [1.0 - columns[0], columns[0]]
    made = np.stack(columns, axis=1)
    if model.multilabel_:
        return made
    total = made.sum(1, keepdims=True)
    return made / np.where(total == 0.0, 1.0, total)


@converts("decision_function", "OneVsRestClassifier")
def _one_vs_rest_scores(model: Any, x: Frame) -> Array:
    scores = [apply(one, "decision_function", x) for one in model.estimators_]
    return scores[0] if len(scores) == 1 else np.stack(scores, axis=1)


def ovr_scores(predictions: Sequence[Array], confidences: Sequence[Array], count: int) -> Array:
    """`sklearn.utils.multiclass._ovr_decision_function`: votes, and confidences that break their ties."""
    votes: list[Any] = [0.0] * count
    summed: list[Any] = [0.0] * count
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    for (i, j), second, confidence in zip(pairs, predictions, confidences, strict=True):
        summed[i], summed[j] = summed[i] - confidence, summed[j] + confidence
        votes[i], votes[j] = votes[i] + (1.0 - second), votes[j] + second
    total = np.stack(summed, axis=1)
    return np.stack(votes, axis=1) + total / ((abs(total) + 1.0) * 3.0)


@converts("decision_function", "OneVsOneClassifier")
def _one_vs_one(model: Any, x: Frame) -> Array:
    if model.pairwise_indices_ is not None:
        raise Unconvertible("its estimators expect kernels")
    predictions = [apply(one, "predict", x).astype(FLOAT) for one in model.estimators_]
    confidences = [_binary_score(one, x) for one in model.estimators_]
    made = ovr_scores(predictions, confidences, len(model.classes_))
    return made[:, 1] if model.n_classes_ == 2 else made


@converts("predict", "OneVsOneClassifier")
def _one_vs_one_class(model: Any, x: Frame) -> Array:
    scores = apply(model, "decision_function", x)
    return decided(model, scores, _threshold(model.estimators_[0]))


@converts("predict", "OutputCodeClassifier")
def _codes(model: Any, x: Frame) -> Array:
    scores = np.stack([_binary_score(one, x) for one in model.estimators_], axis=1)
    return label(model, squared_distances(scores, model.code_book_).argmin(1))


# -- several targets -----------------------------------------------------------------------------------------------


@converts("predict", "MultiOutputClassifier", "MultiOutputRegressor")
def _side_by_side(model: Any, x: Frame) -> Array:
    return np.stack([apply(one, "predict", x) for one in model.estimators_], axis=1)


@converts("predict_proba", "MultiOutputClassifier")
def _probabilities(model: Any, x: Frame) -> list[Array]:
    return [apply(one, "predict_proba", x) for one in model.estimators_]


def _chain(method: str) -> Any:
    def convert(model: Any, x: Frame) -> Array:
        """`_BaseChain._get_predictions`: the outputs of earlier estimators are inputs of the later ones."""
        feature = getattr(model, "chain_method_", "predict")
        features: list[Array] = []
        outputs: list[Any] = [None] * len(model.estimators_)
        before = Frame([x.matrix()])
        for place, estimator in zip(model.order_, model.estimators_, strict=True):
            fed = beside([before, *map(frame, features)])
            features.append(_plain(response(estimator, _wanted(feature), fed)[0]))
            outputs[place] = _plain(response(estimator, (method,), fed)[0])
        return np.stack(outputs, axis=1)

    return convert


def _wanted(method: Any) -> Sequence[str]:
    return (method,) if isinstance(method, str) else tuple(method)


def _plain(values: Array) -> Array:
    """As doubles, which chains predict always."""
    if values.dtype.kind not in "fiub":
        raise Unconvertible("a chain predicts text")
    return values.astype(FLOAT)


for _method in ("predict", "predict_proba", "decision_function"):
    converts(_method, "ClassifierChain", "RegressorChain")(_chain(_method))
