"""What skl2onnx does not make of trees: isolation forests and embeddings, by the leaves that rows fall into."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

from ..arrays import FLOAT, SINGLE, WHOLE, Array
from ..foreign import embed
from ..frames import Frame
from ..registry import answers, ask, labels
from ..steps import one_hot
from ..untyped import np


def leaves(x: Array, trees: Sequence[Any], features: Sequence[Any] | None = None) -> Array:
    """`apply` of several trees: the number of the leaf, of shape (rows, trees).

    As in scikit-learn the values are rounded to single precision before they are compared. The graph has one target
    per tree, whose weight is the leaf's number: exact in single precision up to 16 million.
    """
    parts: dict[str, list[Any]] = {name: [] for name in _NODES}
    targets: dict[str, list[Any]] = {name: [] for name in _TARGETS}
    for number, tree in enumerate(trees):
        _add_nodes(parts, tree, number, None if features is None else features[number])
        ends = np.flatnonzero(tree.children_left < 0)
        targets["target_treeids"] += [number] * len(ends)
        targets["target_nodeids"] += ends.tolist()
        targets["target_ids"] += [number] * len(ends)
        targets["target_weights"] += ends.astype(float).tolist()
    found = x.astype(SINGLE).emit(
        "TreeEnsembleRegressor",
        domain="ai.onnx.ml",
        dtype=SINGLE,
        shape=(None, len(trees)),
        n_targets=len(trees),
        aggregate_function="SUM",
        **parts,
        **targets,
    )
    return found.astype(WHOLE)


_NODES = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_values", "nodes_modes", "nodes_truenodeids",
    "nodes_falsenodeids", "nodes_missing_value_tracks_true",
)  # fmt: skip
_TARGETS = ("target_treeids", "target_nodeids", "target_ids", "target_weights")


def _add_nodes(parts: dict[str, list[Any]], tree: Any, number: int, features: Any) -> None:
    count = tree.node_count
    leaf = tree.children_left < 0
    feature = np.where(leaf, 0, tree.feature)
    if features is not None:
        feature = np.asarray(features)[feature]
    parts["nodes_treeids"] += [number] * count
    parts["nodes_nodeids"] += range(count)
    parts["nodes_featureids"] += feature.tolist()
    parts["nodes_values"] += _single_thresholds(np.where(leaf, 0.0, tree.threshold)).tolist()
    parts["nodes_modes"] += ["LEAF" if end else "BRANCH_LEQ" for end in leaf.tolist()]
    parts["nodes_truenodeids"] += np.where(leaf, 0, tree.children_left).tolist()
    parts["nodes_falsenodeids"] += np.where(leaf, 0, tree.children_right).tolist()
    parts["nodes_missing_value_tracks_true"] += np.where(leaf, 0, tree.missing_go_to_left).astype(int).tolist()


def _single_thresholds(thresholds: Any) -> Any:
    """The largest float32 not above each threshold: values in single precision are decided by it as by the double."""
    rounded = thresholds.astype(np.float32)
    above = rounded.astype(np.float64) > thresholds
    return np.where(above, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(float)


_TREES = ("DecisionTreeClassifier", "ExtraTreeClassifier")
_FORESTS = ("RandomForestClassifier", "ExtraTreesClassifier")


@answers("predict_proba", *_TREES, *_FORESTS)
def _probabilities(model: Any, x: Frame) -> Array | list[Array]:
    """One array for each output: the mean over the trees of what their leaves hold."""
    if model.n_outputs_ == 1:
        return embed(model, "predict_proba", x)
    trees = [tree.tree_ for tree in (model.estimators_ if hasattr(model, "estimators_") else [model])]
    found = leaves(x.matrix(), trees)
    totals = []
    for output, count in enumerate(model.n_classes_):
        parts = [found.of(tree.value[:, output, :count]).take(found[:, place]) for place, tree in enumerate(trees)]
        totals.append(functools.reduce(operator.add, parts) / float(len(trees)))
    return totals


@answers("predict", *_TREES, *_FORESTS)
def _classes(model: Any, x: Frame) -> Array:
    if model.n_outputs_ == 1:
        return embed(model, "predict", x)
    shares = ask(model, "predict_proba", x)
    found = [labels(classes, share.argmax(1))[:, None] for classes, share in zip(model.classes_, shares, strict=True)]
    return np.concatenate(found, axis=1)


@answers("transform", "RandomTreesEmbedding")
def _embedding(model: Any, x: Frame) -> Array:
    found = leaves(x.matrix(), [tree.tree_ for tree in model.estimators_])
    columns = []
    for place, numbers in enumerate(model.one_hot_encoder_.categories_):
        table = np.full(int(numbers.max()) + 1, -1)
        table[numbers.astype(np.int64)] = np.arange(len(numbers))
        places = found.of(table).take(found[:, place])
        columns.append(one_hot(places, len(numbers)))
    return np.concatenate(columns, axis=1)


@answers("score_samples", "IsolationForest")
def _isolation(model: Any, x: Frame) -> Array:
    """`_compute_score_samples`: how deep a row lies in each tree, with what is left of the leaf's subsample."""
    from sklearn.ensemble._iforest import _average_path_length

    trees = [tree.tree_ for tree in model.estimators_]
    found = leaves(x.matrix(), trees, model.estimators_features_)
    depths: Any = None
    lengths = zip(model._decision_path_lengths, model._average_path_length_per_tree, strict=True)  # noqa: SLF001
    for place, (path, rest) in enumerate(lengths):
        depth = found.of(np.asarray(path + rest - 1.0, np.float64)).take(found[:, place])
        depths = depth if depths is None else depths + depth
    denominator = len(trees) * float(_average_path_length([model._max_samples])[0])  # noqa: SLF001
    scores = depths / denominator if denominator else depths * 0.0 + 1.0
    return -(np.exp(scores * -float(np.log(2.0)))).astype(FLOAT)


@answers("decision_function", "IsolationForest")
def _isolation_scores(model: Any, x: Frame) -> Array:
    return ask(model, "score_samples", x) - float(model.offset_)
