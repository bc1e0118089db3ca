"""CatBoost's symmetric trees from its JSON: single-precision input, `x > border` sets the bit of its level.

Source: CatBoost's documentation of the JSON format: the split number i of a tree gives bit i of the number of the leaf;
answers are scale times the sum of the leaves, plus bias. Null goes as the feature's `nan_value_treatment` says.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from .trees import Boosted, Link, NotConvertible, Trees

_LINKS: dict[str, Link] = {"Logloss": "sigmoid", "CrossEntropy": "sigmoid", "MultiClass": "softmax"}
_NOT_CONVERTED = frozenset({"RMSEWithUncertainty"})
"""Losses whose answers are of different kinds: here a mean, and the logarithm of a spread."""


def read_catboost(model: Any) -> Boosted:
    """A model without categorical, text and embedding features, with its labels."""
    classes = tuple(model.classes_.tolist()) if hasattr(model, "predict_proba") else None
    dumped = _json(model)
    if "oblivious_trees" not in dumped:
        raise NotConvertible("trees of CatBoost that are not symmetric are not converted")
    if any(dumped["features_info"].get(key) for key in ("categorical_features", "text_features", "embedding_features")):
        raise NotConvertible("categories and texts in CatBoost have no counterpart in ONNX's trees")
    scale, bias = dumped["scale_and_bias"]
    targets = max(len(bias), 1)
    trees = Trees(double=True, targets=targets, base=[float(value) for value in bias])
    treatment = {
        item["feature_index"]: (item["flat_feature_index"], item["nan_value_treatment"] == "AsTrue")
        for item in dumped["features_info"]["float_features"]
    }
    for index, tree in enumerate(dumped["oblivious_trees"]):
        _add(trees, index, tree, treatment, scale)
    loss = str(model.get_all_params().get("loss_function", ""))
    known = loss in _LINKS if classes is not None else loss not in _NOT_CONVERTED
    if not known:
        raise NotConvertible(f"the loss {loss!r} of CatBoost is not converted")
    link: Link = _LINKS.get(loss, "identity")
    if type(model).__name__ == "CatBoostRegressor" and loss.startswith(("Poisson", "Tweedie")):
        link = "exp"  # as its `_get_default_prediction_type` has it
    return Boosted(trees=_rounded(trees), link=link, classes=classes, label_column=targets > 1, single=True)


def _json(model: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found


def _rounded(trees: Trees) -> Trees:
    """Borders as the single-precision numbers that they are: the dump writes them with more digits."""
    trees.nodes = [(*node[:4], float(np.float32(node[4])), *node[5:]) for node in trees.nodes]
    return trees


def _add(trees: Trees, index: int, tree: dict[str, Any], treatment: dict[int, tuple[int, bool]], scale: float) -> None:
    splits = tree["splits"] or []
    depth = len(splits)
    for level in range(depth):  # the root asks the last split, the highest bit
        split = splits[depth - 1 - level]
        column, missing_yes = treatment[split["float_feature_index"]]
        first = (1 << level) - 1
        for place in range(1 << level):
            number = first + place
            trees.split(
                index, number, "BRANCH_GT", column, split["border"], 2 * number + 2, 2 * number + 1,
                missing_yes=missing_yes,
            )  # fmt: skip
    first = (1 << depth) - 1
    values = np.asarray(tree["leaf_values"], np.float64).reshape(1 << depth, trees.targets) * scale
    for place, row in enumerate(values):
        for target, value in enumerate(row.tolist()):
            if target == 0:
                trees.leaf(index, first + place, 0, value)
            else:
                trees.leaves.append((index, first + place, target, value))
