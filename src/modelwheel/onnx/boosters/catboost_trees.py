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

from ..forest import GT, Forest, Tree
from ..result import Unconvertible
from . import Boosted, Link

_LINKS: dict[str, Link] = {"Logloss": "sigmoid", "CrossEntropy": "sigmoid", "MultiClass": "softmax"}
_NOT_CONVERTED = frozenset({"RMSEWithUncertainty"})
"""Losses with outputs of different kinds: here a mean, and the logarithm of a spread."""


def read_catboost(model: Any) -> Boosted:
    """A model without categorical, text and embedding features, with its labels."""
    classes = tuple(model.classes_.tolist()) if hasattr(model, "predict_proba") else None
    dumped = _json(model)
    if "oblivious_trees" not in dumped:
        raise Unconvertible("CatBoost trees that are not symmetric are not converted")
    if any(dumped["features_info"].get(key) for key in ("categorical_features", "text_features", "embedding_features")):
        raise Unconvertible("categorical and text features of CatBoost have no counterpart in ONNX trees")
    scale, bias = dumped["scale_and_bias"]
    targets = max(len(bias), 1)
    treatment = {
        item["feature_index"]: (item["flat_feature_index"], item["nan_value_treatment"] == "AsTrue")
        for item in dumped["features_info"]["float_features"]
    }
    trees = [_tree(tree, treatment, scale, targets) for tree in dumped["oblivious_trees"]]
    loss = str(model.get_all_params().get("loss_function", ""))
    known = loss in _LINKS if classes is not None else loss not in _NOT_CONVERTED
    if not known:
        raise Unconvertible(f"the loss {loss!r} of CatBoost is not converted")
    link: Link = _LINKS.get(loss, "identity")
    if type(model).__name__ == "CatBoostRegressor" and loss.startswith(("Poisson", "Tweedie")):
        link = "exp"  # as in its `_get_default_prediction_type`
    return Boosted(
        forest=Forest.of(trees, targets, mode=GT), link=link, base=tuple(map(float, bias)), classes=classes,
        label_column=targets > 1, single=True,
    )  # fmt: skip


def _json(model: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.json")
        model.save_model(str(path), format="json")
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found


def _tree(tree: dict[str, Any], treatment: dict[int, tuple[int, bool]], scale: float, targets: int) -> Tree:
    """All nodes of a level compare the same; the children of node n are 2n + 1 and 2n + 2."""
    splits = (tree["splits"] or [])[::-1]  # the root compares the last one, the highest bit
    inner = (1 << len(splits)) - 1
    sizes = [1 << level for level in range(len(splits))]
    asked = [treatment[split["float_feature_index"]] for split in splits]
    # the dump writes borders, which are in single precision, with more digits
    borders = [float(np.float32(split["border"])) for split in splits]

    def spread(values: list[Any]) -> Any:
        return np.r_[np.repeat(np.array(values), sizes), np.zeros(inner + 1)]

    number = np.arange(2 * inner + 1)
    leaf = number >= inner
    weight = np.zeros((len(number), targets))
    weight[inner:] = np.asarray(tree["leaf_values"], np.float64).reshape(inner + 1, targets) * scale
    return Tree(
        feature=spread([column for column, _ in asked]).astype(np.int64),
        threshold=spread(borders),
        yes=np.where(leaf, -1, 2 * number + 2),
        no=np.where(leaf, -1, 2 * number + 1),
        missing=spread([missing for _, missing in asked]).astype(bool),
        weight=weight if targets > 1 else weight[:, 0],
    )
