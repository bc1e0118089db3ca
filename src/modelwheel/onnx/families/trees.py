"""Trees, forests, boosted trees, isolation forests and embeddings of scikit-learn, with sums in double precision.

`sklearn.tree` casts X to float32 and compares that with thresholds in double; so do these graphs. Sources:
`sklearn.tree._tree.Tree._apply_dense`, `sklearn.ensemble.ForestClassifier.predict_proba`,
`sklearn.ensemble._gb.BaseGradientBoosting._raw_predict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..forest import Forest, Tree
from ..frames import Frame
from ..numpy_names import np
from ..registry import apply, converts, label, labels, largest
from ..result import Unconvertible
from ..steps import added, flat, one_hot, softmax

_CLASSIFIERS = ("DecisionTreeClassifier", "ExtraTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier")
_REGRESSORS = ("DecisionTreeRegressor", "ExtraTreeRegressor", "RandomForestRegressor", "ExtraTreesRegressor")


def sums(x: Array, forest: Forest) -> Array:
    """The sums of the leaves for each row, of shape (rows, targets), in the precision of the forest."""
    source = _with_splits(x, forest) if forest.splits else x
    return Array(x.graph, x.graph.forest(source.name, forest), forest.dtype, (None, forest.targets))


def _with_splits(x: Array, forest: Forest) -> Array:
    """The columns of the input, and behind them one for each split on categories."""
    width: Any = x.shape[1]
    parts, places = [x], []
    for feature in dict.fromkeys(split.feature for split in forest.splits):
        chosen = [place for place, split in enumerate(forest.splits) if split.feature == feature]
        splits = [forest.splits[place] for place in chosen]
        size = max(len(split.column) for split in splits)
        columns = [[*split.column, *[split.other] * (size - len(split.column) + 1), split.null] for split in splits]
        code = x[:, feature]
        outside = (code < forest.first_code) | (code >= float(size))
        place = np.where(outside, float(size), code)
        place = np.where(np.isnan(code), size + 1.0, place).astype(WHOLE)
        parts.append(code.of(np.array(columns, bool).T).take(place).astype(x.dtype))
        places += chosen
    x.graph.widest = max(x.graph.widest, len(places))
    order = [*range(width), *(width + np.argsort(places)).tolist()]  # as they were numbered
    return np.concatenate(parts, axis=1)[:, order]


def _rounded(x: Frame) -> Array:
    """The columns rounded to single precision, as doubles."""
    return x.graph.once("rounded", (x,), lambda: x.single().astype(FLOAT))


def _read(tree: Any, weight: Any, target: int = 0) -> Tree:
    """A tree of `sklearn.tree`, whose nodes add `weight`."""
    left, right = tree.children_left, tree.children_right
    return Tree(tree.feature, tree.threshold, left, right, tree.missing_go_to_left, weight, target)


def _trees(model: Any) -> list[Any]:
    """The trees of a forest; a tree is a forest of one."""
    return [one.tree_ for one in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]


def _mean(model: Any, x: Frame, weights: Any, width: int) -> Array:
    """The mean over the trees of the weights of their leaves; `weights` gives them for a tree."""
    trees = _trees(model)
    total = sums(_rounded(x), Forest.of([_read(tree, weights(tree)) for tree in trees], width))
    return total if len(trees) == 1 else total / float(len(trees))


# --- trees and forests ---


@converts("predict", *_REGRESSORS)
def _values(model: Any, x: Frame) -> Array:
    width = model.n_outputs_
    if width > 1:
        return _mean(model, x, lambda tree: tree.value[:, :, 0], width)
    return _mean(model, x, lambda tree: tree.value[:, 0, 0], 1)[:, 0]


def _shares(model: Any, x: Frame) -> Array:
    """The share of each class; of two classes the second's alone, in one column, because shares add up to one."""
    count = len(model.classes_)

    def made() -> Array:
        if count == 2:
            return _mean(model, x, lambda tree: tree.value[:, 0, 1], 1)
        return _mean(model, x, lambda tree: tree.value[:, 0, :], count)

    return x.graph.once("shares", (model, x), made)


@converts("predict_proba", *_CLASSIFIERS)
def _probabilities(model: Any, x: Frame) -> Array | list[Array]:
    """One array for each output: the mean over the trees of the shares in their leaves."""
    if model.n_outputs_ == 1:
        shares = _shares(model, x)
        return shares if len(model.classes_) != 2 else np.concatenate([1.0 - shares, shares], axis=1)
    trees = _trees(model)
    found = leaves(x, trees)
    totals = []
    for output, count in enumerate(model.n_classes_):
        parts = [found.of(tree.value[:, output, :count]).take(found[:, place]) for place, tree in enumerate(trees)]
        totals.append(added(parts) / float(len(trees)))
    return totals


@converts("predict", *_CLASSIFIERS)
def _classes(model: Any, x: Frame) -> Array:
    if model.n_outputs_ == 1:
        shares = _shares(model, x)
        two = len(model.classes_) == 2
        return label(model, (shares > 0.5).astype(WHOLE)[:, 0]) if two else largest(model, shares)
    shares = apply(model, "predict_proba", x)
    found = [labels(classes, share.argmax(1))[:, None] for classes, share in zip(model.classes_, shares, strict=True)]
    return np.concatenate(found, axis=1)


# --- gradient boosting ---


def _raw(model: Any, x: Frame) -> Array:
    """`_raw_predict`, of shape (rows, trees per iteration)."""
    return x.graph.once("raw", (model, x), lambda: _boosted(model, x))


def _boosted(model: Any, x: Frame) -> Array:
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if not (isinstance(model.init_, DummyClassifier | DummyRegressor) or model.init_ == "zero"):
        raise Unconvertible("gradient boosting that starts from an estimator (`init`) has no converter")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))  # noqa: SLF001
    trees = [
        _read(one.tree_, model.learning_rate * one.tree_.value[:, 0, 0], target)
        for stage in model.estimators_
        for target, one in enumerate(stage)
    ]
    return sums(_rounded(x), Forest.of(trees, model.estimators_.shape[1])) + np.asarray(start, np.float64)


@converts("predict", "GradientBoostingRegressor")
def _boosted_value(model: Any, x: Frame) -> Array:
    return _raw(model, x)[:, 0]


@converts("decision_function", "GradientBoostingClassifier")
def _boosted_scores(model: Any, x: Frame) -> Array:
    return flat(_raw(model, x))


@converts("predict_proba", "GradientBoostingClassifier")
def _boosted_probabilities(model: Any, x: Frame) -> Array:
    raw = _raw(model, x)
    if len(model.classes_) > 2:
        return softmax(raw)
    second = (raw if model.loss == "log_loss" else raw * 2.0).emit("Sigmoid")
    return np.concatenate([1.0 - second, second], axis=1)


@converts("predict", "GradientBoostingClassifier")
def _boosted_class(model: Any, x: Frame) -> Array:
    raw = _raw(model, x)
    return largest(model, raw) if len(model.classes_) > 2 else label(model, (raw >= 0.0).astype(WHOLE)[:, 0])


# --- by the leaves that rows fall into ---


def leaves(x: Frame, trees: Sequence[Any], features: Sequence[Any] | None = None) -> Array:
    """`apply` of several trees: the number of the leaf, of shape (rows, trees).

    As in scikit-learn the values are rounded to single precision before they are compared. The forest has one target
    per tree, whose weight is the leaf's number: exact in single precision up to 16 million. `features` are the columns
    that each tree was fitted on, where they are not all.
    """
    made = []
    for number, tree in enumerate(trees):
        read = _read(tree, np.arange(tree.node_count), number)
        chosen = read.feature if features is None else np.asarray(features[number])[np.maximum(read.feature, 0)]
        made.append(read._replace(feature=chosen, threshold=_single_thresholds(read.threshold)))
    return sums(x.single(), Forest.of(made, len(trees), dtype=np.float32)).astype(WHOLE)


def _single_thresholds(thresholds: Any) -> Any:
    """The largest float32 not above each threshold: it decides single-precision values like the double."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(rounded, np.float32(-np.inf)), rounded)


@converts("transform", "RandomTreesEmbedding")
def _embedding(model: Any, x: Frame) -> Array:
    found = leaves(x, _trees(model))
    columns = []
    for place, numbers in enumerate(model.one_hot_encoder_.categories_):
        table = np.full(int(numbers.max()) + 1, -1)
        table[numbers.astype(np.int64)] = np.arange(len(numbers))
        places = found.of(table).take(found[:, place])
        columns.append(one_hot(places, len(numbers)))
    return np.concatenate(columns, axis=1)


@converts("score_samples", "IsolationForest")
def _isolation(model: Any, x: Frame) -> Array:
    """`_compute_score_samples`: the depth of a row in each tree, with the rest of the leaf's subsample."""
    from sklearn.ensemble._iforest import _average_path_length

    trees = _trees(model)
    found = leaves(x, trees, model.estimators_features_)
    lengths = zip(model._decision_path_lengths, model._average_path_length_per_tree, strict=True)  # noqa: SLF001
    depths = added(
        found.of(np.asarray(path + rest - 1.0, np.float64)).take(found[:, place])
        for place, (path, rest) in enumerate(lengths)
    )
    denominator = len(trees) * float(_average_path_length([model._max_samples])[0])  # noqa: SLF001
    scores = depths / denominator if denominator else depths * 0.0 + 1.0
    return -(np.exp(scores * -float(np.log(2.0)))).astype(FLOAT)
