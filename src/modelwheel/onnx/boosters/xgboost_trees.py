"""XGBoost's trees from its JSON: single precision throughout, `x < threshold` goes left, null goes its own way.

Source: the JSON schema in XGBoost's documentation ("Introduction to Model IO"), and `src/common/` and
`src/objective/` of its source for the links. Sums are single precision there as here; their order may differ.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np

from ..forest import LT, Forest, Split, Tree
from ..result import Unconvertible
from . import Boosted, Link

LINKS: dict[str, Link] = {
    "reg:squarederror": "identity", "reg:absoluteerror": "identity", "reg:pseudohubererror": "identity",
    "reg:squaredlogerror": "identity", "reg:quantileerror": "identity", "reg:logistic": "sigmoid",
    "binary:logistic": "sigmoid", "multi:softprob": "softmax", "multi:softmax": "softmax", "count:poisson": "exp",
    "reg:gamma": "exp", "reg:tweedie": "exp", "rank:ndcg": "identity", "rank:pairwise": "identity",
    "rank:map": "identity",
}  # fmt: skip
"""The objectives that have a converter."""


def read_xgboost(model: Any) -> Boosted:
    """A booster, or a scikit-learn wrapper up to the best round when training stopped early."""
    if not hasattr(model, "get_booster"):
        return _read(model, classes=None, missing=None, rounds=None)
    best = getattr(model, "best_iteration", None) if model.early_stopping_rounds is not None else None
    rounds = None if best is None else best + 1
    classes = tuple(model.classes_.tolist()) if hasattr(model, "predict_proba") else None
    missing = None if math.isnan(model.missing) else float(model.missing)
    return _read(model.get_booster(), classes=classes, missing=missing, rounds=rounds)


def _read(booster: Any, *, classes: tuple[Any, ...] | None, missing: float | None, rounds: int | None) -> Boosted:
    """`rounds` is the number of rounds to use; None for all."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    objective = learner["objective"]["name"]
    if objective not in LINKS:
        raise Unconvertible(f"the objective {objective!r} of XGBoost is not converted")
    link = LINKS[objective]
    kind, model, drops = _gradient_booster(learner["gradient_booster"])
    parameters = learner["learner_model_param"]
    targets = max(int(parameters["num_class"]), int(parameters.get("num_target", 1)), 1)
    count = len(model["trees"]) if rounds is None else model["iteration_indptr"][rounds]
    splits: dict[Split, int] = {}
    width = int(parameters["num_feature"])
    trees = [
        _tree(tree, model["tree_info"][index], drops[index] if kind == "dart" else 1.0, splits, width)
        for index, tree in enumerate(model["trees"][:count])
    ]
    forest = replace(Forest.of(trees, targets, dtype=np.float32, mode=LT), splits=tuple(splits))
    label_only = objective == "multi:softmax" and classes is None
    found = tuple(range(targets)) if label_only else classes
    return Boosted(
        forest=forest, link=link, base=tuple(_base(parameters["base_score"], link, targets)), classes=found,
        by_probability=True, single=True, missing=missing, labels_only=label_only,
        categories=_categories(model.get("cats") or {}),
    )  # fmt: skip


def _gradient_booster(booster: dict[str, Any]) -> tuple[str, dict[str, Any], list[float]]:
    kind = booster.get("name", "gbtree")
    if kind == "dart":
        return kind, booster["gbtree"]["model"], booster["weight_drop"]
    if "model" not in booster or "trees" not in booster["model"]:
        raise Unconvertible("the linear booster of XGBoost is not converted")
    return kind, booster["model"], []


def _base(text: str, link: Link, targets: int) -> list[float]:
    """The initial scores: the file has them after the link."""
    given = json.loads(text)
    values = [float(value) for value in given] if isinstance(given, list) else [float(given)]
    if link == "sigmoid":
        values = [math.log(value / (1.0 - value)) for value in values]
    elif link == "exp":
        values = [math.log(value) for value in values]
    return values * targets if len(values) == 1 else values


def _tree(tree: dict[str, Any], target: int, scale: float, splits: dict[Split, int], width: int) -> Tree:
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise Unconvertible("XGBoost trees with several values per leaf are not converted")
    feature, value = np.array(tree["split_indices"], np.int64), np.array(tree["split_conditions"], np.float64)
    yes, no = np.array(tree["left_children"]), np.array(tree["right_children"])
    missing, weight = np.array(tree["default_left"], bool), value * scale
    for node, codes in _chosen(tree).items():
        # src/common/categorical.h: these codes go right, and unknown ones go left
        split = Split.among(int(feature[node]), codes, inside=True, null=not missing[node])
        feature[node], value[node], missing[node] = width + splits.setdefault(split, len(splits)), 0.5, False
    return Tree(feature, value, yes, no, missing, weight, target)


def _chosen(tree: dict[str, Any]) -> dict[int, frozenset[int]]:
    """The categories of each node that splits on categories."""
    parts = zip(
        tree.get("categories_nodes", ()), tree.get("categories_segments", ()), tree.get("categories_sizes", ()),
        strict=True,
    )  # fmt: skip
    return {node: frozenset(tree["categories"][start : start + size]) for node, start, size in parts}


def _categories(stored: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    """The values of the categorical columns, which XGBoost stores since version 3.1."""
    return {feature: _values(given) for feature, given in enumerate(stored.get("enc", ())) if given["values"]}


def _values(given: dict[str, Any]) -> tuple[Any, ...]:
    """Texts, stored as bytes with the offsets of their ends, or numbers."""
    if "offsets" not in given:
        return tuple(given["values"])
    if min(given["values"]) < 0:  # seen in 3.2: it counts characters and cuts bytes
        raise Unconvertible("XGBoost truncates category names beyond ASCII")
    return tuple(bytes(given["values"][start:end]).decode() for start, end in itertools.pairwise(given["offsets"]))
