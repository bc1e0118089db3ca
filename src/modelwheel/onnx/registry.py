"""The table of converters: functions by an estimator's class and method, each mirroring scikit-learn's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .arrays import WHOLE, Array
from .foreign import embed
from .frames import Frame
from .graph import tensor
from .numpy_names import np
from .result import Unconvertible

Converter = Callable[[Any, Frame], Any]
_BOOSTERS = frozenset({"xgboost", "lightgbm", "catboost"})
"""Packages other than scikit-learn whose classes have converters."""
_ALIKE = frozenset({"imblearn.pipeline"})
"""Modules whose classes predict like scikit-learn's of the same name: imbalanced-learn resamples only in `fit`."""
_CONVERTERS: dict[tuple[str, str], Converter] = {}
_NO_GRAPH = {
    "transform": {
        "NMF": "it solves an optimization for the whole batch, by iterations",
        "MiniBatchNMF": "it solves an optimization for the whole batch, by iterations",
        "LatentDirichletAllocation": "it iterates over each row until the topics converge",
        "DictionaryLearning": "it solves a sparse code for each row",
        "MiniBatchDictionaryLearning": "it solves a sparse code for each row",
        "SparseCoder": "it solves a sparse code for each row",
        "FeatureHasher": "it hashes names that are known only at run time",
    },
    "score_samples": {"BernoulliRBM": "it draws at random"},
}
"""Methods without a graph, and why: the reason ends in the manifest and in the report."""


def converts(method: str, *classes: str) -> Callable[[Converter], Converter]:
    """Register the converter of `method` for estimators of these classes."""

    def register(function: Converter) -> Converter:
        _CONVERTERS.update(dict.fromkeys([(name, method) for name in classes], function))
        return function

    return register


def apply(model: Any, method: str, x: Frame) -> Any:
    """The output of the estimator's method for `x`: an `Array`, a list of them, or a `Frame`.

    It is computed once per graph. Raises `Unconvertible` when the method has no converter.
    """
    if not callable(getattr(model, method, None)):
        raise Unconvertible(f"this {type(model).__name__} has no {method}")
    return x.graph.once(method, (model, x), lambda: _made(model, method, x))


def _made(model: Any, method: str, x: Frame) -> Any:
    kind = type(model)
    package = kind.__module__.partition(".")[0]
    if package != "sklearn" and package not in _BOOSTERS and kind.__module__ not in _ALIKE:
        return _foreign(model, method, x)
    if kind.__name__ in _NO_GRAPH.get(method, ()):
        raise Unconvertible(f"{kind.__name__} has no graph for {method}: {_NO_GRAPH[method][kind.__name__]}")
    if (kind.__name__, method) in _CONVERTERS:
        return _CONVERTERS[kind.__name__, method](model, x)
    if method == "predict_log_proba":
        found = apply(model, "predict_proba", x)
        return [np.log(part) for part in found] if isinstance(found, list) else np.log(found)
    if package in _BOOSTERS:
        raise Unconvertible(f"{kind.__name__}.{method} has no converter")
    return embed(model, method, x)


def _foreign(model: Any, method: str, x: Frame) -> Array:
    """The output by a converter that was registered with skl2onnx for a third-party class."""
    try:
        return embed(model, method, x)
    except Unconvertible as error:
        message = f"{type(model).__name__} is a custom class without a converter"
        raise Unconvertible(message) from error


def label(model: Any, places: Array) -> Array:
    """The classes of a classifier at places."""
    return labels(model.classes_, places)


def labels(classes: Any, places: Array) -> Array:
    """The labels at places, in their own type: texts, whole numbers, Booleans or floats."""
    classes = np.asarray(classes)
    if classes.dtype.kind not in "USObiuf":
        raise Unconvertible("the classes are neither texts nor numbers")
    if classes.dtype.kind == "O" and not all(isinstance(item, str) for item in classes.tolist()):
        raise Unconvertible("the classes are of several types")
    return places.of(classes).take(places)


def largest(model: Any, scores: Array) -> Array:
    """The class with the highest score."""
    return label(model, scores.argmax(1))


def decided(model: Any, scores: Array, threshold: float = 0.0) -> Array:
    """The class by its score: the second of two where scores of shape (rows,) exceed `threshold`, else the highest."""
    return label(model, (scores > threshold).astype(WHOLE)) if scores.ndim == 1 else largest(model, scores)


def ones(x: Frame, width: int | None = None) -> Array:
    """Ones of shape (rows,) or (rows, width)."""
    first = x.blocks[0][:, 0]
    rows = first.emit("Shape", dtype="int64", shape=(1,))
    if width is None:
        return rows.emit("ConstantOfShape", dtype="float64", shape=(None,), value=_one())
    sizes = np.concatenate([rows, rows.of(np.array([width], np.int64))])
    return sizes.emit("ConstantOfShape", dtype="float64", shape=(None, width), value=_one())


def _one() -> Any:
    return tensor(np.array([1.0]), "one")
