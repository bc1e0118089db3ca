"""HistGradientBoosting, with its preprocessing and its splits on categories, in double precision.

A split on categories becomes a column of its own: 0 where the row's category goes left, 1 where it goes right, found in
a table by the category (`sklearn/ensemble/_hist_gradient_boosting/_predictor.pyx`). The trees then split at a half.
"""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT, SINGLE, WHOLE, Array
from ..frames import Frame, frame
from ..graph import Unconvertible, tensor
from ..registry import answers, ask, label, largest
from ..steps import logistic_pair, softmax
from ..untyped import np

_CLASSES = ("HistGradientBoostingClassifier",)
_REGRESSORS = ("HistGradientBoostingRegressor",)


def raw(model: Any, x: Frame) -> Array:
    """`_raw_predict`: the sum of the trees and the baseline, of shape (rows, trees per iteration)."""
    return x.graph.once("raw", (model, x), lambda: _summed(model, x))


def _summed(model: Any, x: Frame) -> Array:
    matrix = _preprocessed(model, x)
    columns = _Columns(model, matrix)
    parts: dict[str, list[Any]] = {name: [] for name in (*_NODES, *_TARGETS)}
    numbers: dict[str, list[float]] = {"nodes_values": [], "target_weights": []}
    number = 0
    for trees in model._predictors:  # noqa: SLF001
        for target, tree in enumerate(trees):
            _add(parts, numbers, tree, columns, number, target)
            number += 1
    wide = {f"{name}_as_tensor": tensor(np.array(values), name) for name, values in numbers.items()}
    count = model.n_trees_per_iteration_
    found = columns.matrix().emit(
        "TreeEnsembleRegressor",
        domain="ai.onnx.ml",
        dtype=SINGLE,
        shape=(None, count),
        n_targets=count,
        aggregate_function="SUM",
        **parts,
        **wide,
    )
    return found.astype(FLOAT) + np.asarray(model._baseline_prediction, np.float64).reshape(1, -1)  # noqa: SLF001


_NODES = (
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_truenodeids", "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
)  # fmt: skip
_TARGETS = ("target_treeids", "target_nodeids", "target_ids")


def _add(
    parts: dict[str, list[Any]],
    numbers: dict[str, list[float]],
    tree: Any,
    columns: _Columns,
    number: int,
    target: int,
) -> None:
    nodes = tree.nodes
    leaf = nodes["is_leaf"].astype(bool)
    features = np.where(leaf, 0, nodes["feature_idx"]).astype(np.int64)
    thresholds = np.where(leaf, 0.0, nodes["num_threshold"])
    for place in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist():
        node = nodes[place]
        left = tree.raw_left_cat_bitsets[node["bitset_idx"]]
        features[place] = columns.split(int(node["feature_idx"]), left, missing_left=bool(node["missing_go_to_left"]))
        thresholds[place] = 0.5
    count, ends = len(nodes), np.flatnonzero(leaf)
    parts["nodes_treeids"] += [number] * count
    parts["nodes_nodeids"] += range(count)
    parts["nodes_featureids"] += features.tolist()
    parts["nodes_modes"] += ["LEAF" if end else "BRANCH_LEQ" for end in leaf.tolist()]
    parts["nodes_truenodeids"] += np.where(leaf, 0, nodes["left"]).astype(np.int64).tolist()
    parts["nodes_falsenodeids"] += np.where(leaf, 0, nodes["right"]).astype(np.int64).tolist()
    parts["nodes_missing_value_tracks_true"] += np.where(leaf, 0, nodes["missing_go_to_left"]).astype(np.int64).tolist()
    parts["target_treeids"] += [number] * len(ends)
    parts["target_nodeids"] += ends.tolist()
    parts["target_ids"] += [target] * len(ends)
    numbers["nodes_values"] += thresholds.tolist()
    numbers["target_weights"] += nodes["value"][ends].tolist()


class _Columns:
    """The columns that trees split on: those of the matrix, and one for each set of categories that goes left."""

    def __init__(self, model: Any, matrix: Array) -> None:
        self._matrix = matrix
        self._width = matrix.shape[1] or 0
        bitsets, rows = model._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
        self._known = {feature: bitsets[rows[feature]] for feature in range(len(rows))} if len(bitsets) else {}
        self._found: dict[tuple[int, bytes, bool], int] = {}
        self._tables: list[tuple[int, Any]] = []

    def split(self, feature: int, left: Any, *, missing_left: bool) -> int:
        """The place of the column for a split of a feature."""
        key = (feature, left.tobytes(), missing_left)
        if key not in self._found:
            goes_left, known = _bits(left), _bits(self._known[feature])
            table = np.where(goes_left, 0.0, np.where(known, 1.0, 0.0 if missing_left else 1.0))
            self._found[key] = self._width + len(self._tables)
            self._tables.append((feature, np.append(table, 0.0 if missing_left else 1.0)))
        return self._found[key]

    def matrix(self) -> Array:
        """All columns, in double precision."""
        if not self._tables:
            return self._matrix
        together, places = [], []
        for feature in dict.fromkeys(feature for feature, _ in self._tables):
            of_feature = [place for place, (other, _) in enumerate(self._tables) if other == feature]
            value = self._matrix[:, feature]
            outside = np.isnan(value) | (value < 0.0) | (value >= 256.0)
            code = np.where(outside, 256.0, value).astype(WHOLE)
            tables = np.stack([self._tables[place][1] for place in of_feature], axis=1)
            together.append(code.of(tables).take(code))
            places += of_feature
        splits = np.concatenate(together, axis=1)[:, np.argsort(places)]  # as they were numbered
        self._matrix.graph.widest = max(self._matrix.graph.widest, len(places))
        return np.concatenate([self._matrix, splits], axis=1)


def _bits(bitset: Any) -> Any:
    """256 Booleans from eight numbers of 32 bits."""
    return np.array([bool(int(bitset[bit // 32]) >> (bit % 32) & 1) for bit in range(256)])


def _preprocessed(model: Any, x: Frame) -> Array:
    """`_preprocess_X`: where some features are categories, they come first and as ordinal numbers."""
    if model._preprocessor is None:  # noqa: SLF001
        return x.matrix()
    parts = []
    for name, step, _ in model._preprocessor.transformers_:  # noqa: SLF001
        indices = model._preprocessor._transformer_to_input_indices[name]  # noqa: SLF001
        if len(indices):
            chosen = x.select(list(indices))
            parts.append(frame(ask(step, "transform", chosen)).matrix() if name == "encoder" else chosen.matrix())
    return np.concatenate(parts, axis=1)


@answers("predict", *_REGRESSORS)
def _value(model: Any, x: Frame) -> Array:
    link = type(model._loss.link).__name__  # noqa: SLF001
    if link not in ("LogLink", "IdentityLink"):
        raise Unconvertible(f"the link {link} has no converter")
    found = raw(model, x)[:, 0]
    return np.exp(found) if link == "LogLink" else found


@answers("decision_function", *_CLASSES)
def _scores(model: Any, x: Frame) -> Array:
    found = raw(model, x)
    return found[:, 0] if model.n_trees_per_iteration_ == 1 else found


@answers("predict_proba", *_CLASSES)
def _proba(model: Any, x: Frame) -> Array:
    scores = ask(model, "decision_function", x)
    return logistic_pair(scores) if scores.ndim == 1 else softmax(scores)


@answers("predict", *_CLASSES)
def _class(model: Any, x: Frame) -> Array:
    scores = ask(model, "decision_function", x)
    return label(model, (scores > 0).astype(WHOLE)) if scores.ndim == 1 else largest(model, scores)
