"""HistGradientBoosting, with its preprocessing and its splits on categories, in double precision.

A split on categories becomes a column of its own (`forest.Split`), which the trees split at a half. Source:
`sklearn/ensemble/_hist_gradient_boosting/_predictor.pyx`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..arrays import Array
from ..forest import Forest, Split, Tree
from ..frames import Frame, frame
from ..numpy_names import np
from ..registry import apply, converts, decided
from ..result import Unconvertible
from ..steps import flat, logistic
from .trees import sums

_CLASSES = ("HistGradientBoostingClassifier",)
_REGRESSORS = ("HistGradientBoostingRegressor",)


def raw(model: Any, x: Frame) -> Array:
    """`_raw_predict`: the sum of the trees and the baseline, of shape (rows, trees per iteration)."""
    return x.graph.once("raw", (model, x), lambda: _summed(model, x))


def _summed(model: Any, x: Frame) -> Array:
    matrix = _preprocessed(model, x)
    bitsets, rows = model._bin_mapper.make_known_categories_bitsets()  # noqa: SLF001
    known = {feature: bitsets[rows[feature]] for feature in range(len(rows))} if len(bitsets) else {}
    splits: dict[Split, int] = {}
    trees = [
        _read(tree, target, known, splits, matrix.shape[1] or 0)
        for stage in model._predictors  # noqa: SLF001
        for target, tree in enumerate(stage)
    ]
    forest = replace(Forest.of(trees, model.n_trees_per_iteration_), splits=tuple(splits))
    return sums(matrix, forest) + np.asarray(model._baseline_prediction, np.float64).reshape(1, -1)  # noqa: SLF001


def _read(tree: Any, target: int, known: dict[int, Any], splits: dict[Split, int], width: int) -> Tree:
    """A tree of a `TreePredictor`; its splits on categories are added to `splits`."""
    nodes = tree.nodes
    leaf = nodes["is_leaf"].astype(bool)
    features, thresholds = nodes["feature_idx"].astype(np.int64), nodes["num_threshold"].copy()
    for place in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist():
        feature, right = int(features[place]), not nodes[place]["missing_go_to_left"]
        goes_left, seen = _bits(tree.raw_left_cat_bitsets[nodes[place]["bitset_idx"]]), _bits(known[feature])
        column = np.where(goes_left, 0, np.where(seen, 1, int(right))).astype(np.uint8).tobytes()
        split = Split(feature=feature, column=column, other=right, null=right)
        features[place] = width + splits.setdefault(split, len(splits))
        thresholds[place] = 0.5
    left, no = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    return Tree(features, thresholds, left, no, nodes["missing_go_to_left"], nodes["value"], target)


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
            parts.append(frame(apply(step, "transform", chosen)).matrix() if name == "encoder" else chosen.matrix())
    return np.concatenate(parts, axis=1)


@converts("predict", *_REGRESSORS)
def _value(model: Any, x: Frame) -> Array:
    link = type(model._loss.link).__name__  # noqa: SLF001
    if link not in ("LogLink", "IdentityLink"):
        raise Unconvertible(f"the link {link} has no converter")
    found = raw(model, x)[:, 0]
    return np.exp(found) if link == "LogLink" else found


@converts("decision_function", *_CLASSES)
def _scores(model: Any, x: Frame) -> Array:
    return flat(raw(model, x))


@converts("predict_proba", *_CLASSES)
def _proba(model: Any, x: Frame) -> Array:
    return logistic(apply(model, "decision_function", x))


@converts("predict", *_CLASSES)
def _class(model: Any, x: Frame) -> Array:
    return decided(model, apply(model, "decision_function", x))
