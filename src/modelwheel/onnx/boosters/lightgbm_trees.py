"""LightGBM's trees from its dump: double precision, `x <= threshold` goes left, null by the kind of each split.

Source: `include/LightGBM/tree.h` (NumericalDecision, CategoricalDecision): a split that has seen no null takes it for
0; one that counts zeros as null is refused here.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..forest import Forest, Split, Tree
from ..result import Unconvertible
from . import Boosted, Link

LINKS: dict[str, Link] = {
    "regression": "identity", "regression_l1": "identity", "huber": "identity", "fair": "identity",
    "quantile": "identity", "mape": "identity", "poisson": "exp", "gamma": "exp", "tweedie": "exp",
    "lambdarank": "identity", "rank_xendcg": "identity", "binary": "sigmoid", "cross_entropy": "sigmoid",
    "multiclass": "softmax",
}  # fmt: skip
"""The objectives that have a converter."""
_AROUND_ZERO = 1.0000000180025095e-35
"""`kZeroThreshold` (`include/LightGBM/meta.h`), the single-precision number next to 1e-35."""
_ZERO = math.nextafter(-1.0, 0.0)
"""The least number that is the category 0, because LightGBM truncates numbers."""


def read_lightgbm(model: Any) -> Boosted:
    """A booster or a scikit-learn wrapper, up to the best iteration."""
    classes = tuple(model.classes_.tolist()) if hasattr(model, "predict_proba") else None
    booster = getattr(model, "booster_", model)
    dumped = booster.dump_model()
    objective, *options = dumped.get("objective", "none").split()
    if objective not in LINKS or (objective == "binary" and "sigmoid:1" not in options) or "sqrt" in options:
        raise Unconvertible(f"the objective {dumped.get('objective')!r} of LightGBM is not converted")
    if dumped.get("average_output"):
        raise Unconvertible("LightGBM random forests are not converted")
    targets = dumped["num_tree_per_iteration"]
    splits: dict[Split, int] = {}
    width = dumped["max_feature_idx"] + 1
    trees = [
        _tree(tree["tree_structure"], index % targets, splits, width) for index, tree in enumerate(dumped["tree_info"])
    ]
    forest = replace(Forest.of(trees, targets), splits=tuple(splits), first_code=_ZERO)
    return Boosted(forest=forest, link=LINKS[objective], classes=classes, categories=_categories(dumped))


def _categories(dumped: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    """The values of the categorical columns of pandas, which LightGBM lists without the names of the columns."""
    listed = dumped.get("pandas_categorical") or []
    infos = [dumped["feature_infos"].get(name) for name in dumped["feature_names"]]  # None for features without a split
    known = [place for place, info in enumerate(infos) if info is not None and info["values"]]
    perhaps = [place for place, info in enumerate(infos) if info is None or info["values"]]
    for places in (known, perhaps):
        if len(places) == len(listed):
            return {place: tuple(values) for place, values in zip(places, listed, strict=True)}
    if not listed:
        return {}  # categories by their numbers
    raise Unconvertible("LightGBM does not record which of its features have the categories that it lists")


def _tree(root: dict[str, Any], target: int, splits: dict[Split, int], width: int) -> Tree:
    nodes, rows = [root], []
    for node in nodes:  # the loop adds the children
        if "leaf_coeff" in node:
            raise Unconvertible("LightGBM trees with linear leaves are not converted")
        if "leaf_value" in node:
            rows.append((0, 0.0, -1, -1, False, node["leaf_value"]))
            continue
        yes = len(nodes)
        nodes += [node["left_child"], node["right_child"]]
        asked, limit, missing = _condition(node, splits, width)
        rows.append((asked, limit, yes, yes + 1, missing, 0.0))
    feature, threshold, left, right, null_left, weight = map(np.array, zip(*rows, strict=True))
    return Tree(feature, threshold, left, right, null_left, weight, target)


def _condition(node: dict[str, Any], splits: dict[Split, int], width: int) -> tuple[int, float, bool]:
    """The feature, the threshold, and whether null goes left."""
    feature = int(node["split_feature"])
    if node["decision_type"] == "==":  # CategoricalDecision: null and other codes go right
        split = Split.among(feature, map(int, node["threshold"].split("||")), inside=False, null=True)
        return width + splits.setdefault(split, len(splits)), 0.5, False
    if node["missing_type"] == "Zero":
        raise Unconvertible("LightGBM splits that treat zero as null are not converted")
    threshold = _beyond_zero(float(node["threshold"]))
    left = node["default_left"] if node["missing_type"] == "NaN" else threshold >= 0.0
    return feature, _finite(threshold), bool(left)


def _beyond_zero(threshold: float) -> float:
    """The threshold that sends a number around zero to the side of zero: LightGBM treats it as zero."""
    if abs(threshold) > _AROUND_ZERO:
        return threshold
    return _AROUND_ZERO if threshold >= 0.0 else math.nextafter(-_AROUND_ZERO, -math.inf)


def _finite(threshold: float) -> float:
    """A finite threshold: the largest double stands for infinity, as in LightGBM's own files."""
    return threshold if math.isfinite(threshold) else math.copysign(1.7976931348623157e308, threshold)
