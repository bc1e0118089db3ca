"""Pipelines, column transformers, unions, searches, selections, and wrappers of a single estimator."""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame, beside, frame
from ..graph import STRING
from ..numpy_names import np
from ..registry import apply, converts, labels
from ..result import Unconvertible

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")


def _delegate(attribute: str, *classes: str) -> None:
    """Convert all methods by those of the estimator in an attribute."""
    for method in METHODS:
        converts(method, *classes)(_asking(attribute, method))


def _asking(attribute: str, method: str) -> Any:
    return lambda model, x: apply(getattr(model, attribute), method, x)


_delegate("best_estimator_", "GridSearchCV", "RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV")
_delegate("estimator_", "SelfTrainingClassifier", "RANSACRegressor", "FixedThresholdClassifier",
          "TunedThresholdClassifierCV")  # fmt: skip
_delegate("estimator", "FrozenEstimator")
_delegate("base_estimator_", "GaussianProcessClassifier")


def _pipeline(method: str) -> Any:
    def convert(model: Any, x: Frame) -> Any:
        for _, step in model.steps[:-1]:
            if step not in (None, "passthrough") and not hasattr(step, "fit_resample"):
                x = _kept(x, step, apply(step, "transform", x))
        last = model.steps[-1][1]
        return x if last in (None, "passthrough") else apply(last, method, x)

    return convert


def _kept(x: Frame, step: Any, answer: Any) -> Frame:
    """The output as a frame: the same one each time, so that methods share the steps behind it."""
    return x.graph.once("frame", (step, x), lambda: frame(answer))


for _method in METHODS:
    converts(_method, "Pipeline")(_pipeline(_method))


@converts("transform", "ColumnTransformer")
def _columns(model: Any, x: Frame) -> Frame:
    parts = []
    weights = model.transformer_weights or {}
    for name, step, columns in model.transformers_:
        indices = model._transformer_to_input_indices[name]  # noqa: SLF001
        if (isinstance(step, str) and step == "drop") or not _some(indices, columns):
            continue
        selected = x.select(_by_name(model, x, indices))
        made = selected if isinstance(step, str) else frame(apply(step, "transform", selected))
        parts.append(Frame([made.matrix() * float(weights[name])]) if name in weights else made)
    return beside(parts)


def _some(indices: Any, columns: Any) -> bool:
    return len(indices) > 0 and not (hasattr(columns, "__len__") and len(columns) == 0)


def _by_name(model: Any, x: Frame, indices: Any) -> list[int]:
    """Columns are found by name: a DataFrame may have them in another order, or have more."""
    if x.names is None or not hasattr(model, "feature_names_in_"):
        return list(indices)
    return [x.names.index(model.feature_names_in_[index]) for index in indices]


@converts("transform", "FeatureUnion")
def _union(model: Any, x: Frame) -> Frame:
    parts = []
    weights = model.transformer_weights or {}
    for name, step in model.transformer_list:
        if isinstance(step, str) and step == "drop":
            continue
        made = x if isinstance(step, str) else frame(apply(step, "transform", x))
        parts.append(Frame([made.matrix() * float(weights[name])]) if name in weights else made)
    return beside(parts)


# -- functions -----------------------------------------------------------------------------------------------------


@converts("transform", "FunctionTransformer")
def _function(model: Any, x: Frame) -> Any:
    return x if model.func is None else _called(model.func, model.kw_args, x)


@converts("inverse_transform", "FunctionTransformer")
def _function_back(model: Any, x: Frame) -> Any:
    return x if model.inverse_func is None else _called(model.inverse_func, model.inv_kw_args, x)


def _called(function: Any, given: Any, x: Frame) -> Any:
    """Calls the function with a symbolic array, which records the operations of NumPy on it."""
    kinds = {block.dtype for block in x.blocks}
    if STRING in kinds:
        raise Unconvertible("functions on text have no converter")
    value = np.concatenate(x.blocks, axis=1) if kinds == {WHOLE} else x.matrix()
    found = function(value, **(given or {}))
    if not isinstance(found, Array | Frame):
        raise Unconvertible("its function returns a value that does not depend on the input")
    if isinstance(found, Array) and found.ndim == 0:
        raise Unconvertible("its function returns one number for all rows")
    return found


@converts("predict", "TransformedTargetRegressor")
def _target_back(model: Any, x: Frame) -> Any:
    values = apply(model.regressor_, "predict", x)
    flat = values.ndim == 1
    made = frame(apply(model.transformer_, "inverse_transform", frame(values))).matrix()
    single = model._training_dim == 1 and (flat or values.shape[1] == 1)  # noqa: SLF001
    return made[:, 0] if single else made


# -- selections ----------------------------------------------------------------------------------------------------

_SELECTORS = (
    "SelectKBest", "SelectPercentile", "GenericUnivariateSelect", "SelectFpr", "SelectFdr", "SelectFwe",
    "VarianceThreshold", "SelectFromModel", "RFE", "RFECV", "SequentialFeatureSelector",
)  # fmt: skip


@converts("transform", *_SELECTORS)
def _selected(model: Any, x: Frame) -> Frame:
    chosen = np.flatnonzero(model.get_support())
    if not len(chosen):
        return Frame([x.blocks[0].astype(FLOAT)[:, np.zeros(0, np.int64)]])
    return x.select(chosen.tolist())


def _after_selection(method: str) -> Any:
    return lambda model, x: apply(model.estimator_, method, _kept(x, model, apply(model, "transform", x)))


for _method in METHODS[:-2]:
    converts(_method, "RFE", "RFECV")(_after_selection(_method))


# -- thresholds ----------------------------------------------------------------------------------------------------


@converts("predict", "FixedThresholdClassifier", "TunedThresholdClassifierCV")
def _threshold(model: Any, x: Frame) -> Array:
    """`_threshold_scores_to_class_labels` of the score of the positive class."""
    from sklearn.utils._response import _check_response_method

    estimator = getattr(model, "estimator_", model.estimator)
    method = _check_response_method(estimator, model._get_response_method()).__name__  # noqa: SLF001
    positive = model.pos_label if hasattr(model, "pos_label") else model._curve_scorer._get_pos_label()  # noqa: SLF001
    classes = list(model.classes_.tolist())
    place = classes.index(positive) if positive is not None else 1
    scores = apply(estimator, method, x)
    scores = scores[:, place] if method == "predict_proba" else (scores if place == 1 else -scores)
    threshold = model.best_threshold_ if hasattr(model, "best_threshold_") else model.threshold
    if threshold == "auto":
        threshold = 0.5 if method == "predict_proba" else 0.0
    chosen = (scores >= float(threshold)).astype(WHOLE)
    return labels([model.classes_[1 - place], model.classes_[place]], chosen)
