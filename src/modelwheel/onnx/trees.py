"""Writes a `Forest` as operators that open and answer fast.

onnxruntime finds a tree's nodes by a hash of (tree, node) which is the same for most trees, so opening an operator
takes the square of its trees; and it sends every row through all trees before the next row, which evicts the trees from
the processor's cache. Hence a forest becomes operators of `forest.TREES` trees each, whose answers are summed. Where
every forest of a graph has one target per leaf, they are written as `TreeEnsemble` of ai.onnx.ml 5, whose nodes are
tensors, not a text and seven numbers each. Otherwise it is `TreeEnsembleRegressor` of operator set 3, which answers in
single precision; `Forest.split` keeps its sums exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .forest import PARTS, Forest

DOMAIN = "ai.onnx.ml"
_OLD = "TreeEnsembleRegressor"
_CHANGED_IN_5 = frozenset({_OLD, "TreeEnsembleClassifier"})
"""Operators of ai.onnx.ml 3 and 4 that the operator set 5 no longer has."""
_MODES = (b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT")


def are_modern(forests: Sequence[Forest], nodes: Sequence[Any]) -> bool:
    """Whether the forests of a graph with these other nodes can be written in operator set 5."""
    return all(forest.one_target for forest in forests) and not any(
        node.domain == DOMAIN and node.op_type in _CHANGED_IN_5 for node in nodes
    )


def written(forest: Forest, source: str, target: str, *, modern: bool) -> Iterator[Any]:
    """The nodes that give the sums of the forest for the rows of `source` the name `target`."""
    from onnx import TensorProto, helper

    narrow = forest.dtype == np.float64 and not modern  # the answers of the operator are in single precision
    parts = []
    whole = forest.split() if narrow else forest
    for number, block in enumerate(whole.blocks()):
        part = f"{target}.trees.{number}"
        attributes = _modern(block) if modern else _old(block)
        yield helper.make_node("TreeEnsemble" if modern else _OLD, [source], [part], domain=DOMAIN, **attributes)
        if narrow:  # their sum need not be
            yield helper.make_node("Cast", [part], [f"{part}.wide"], to=TensorProto.DOUBLE)
            part = f"{part}.wide"
        parts.append(part)
    if whole.targets == forest.targets:
        yield helper.make_node("Sum", parts, [target])
        return
    yield helper.make_node("Sum", parts, [f"{target}.sum"])
    thirds = [f"{target}.third.{number}" for number in range(PARTS)]
    yield helper.make_node("Split", [f"{target}.sum"], thirds, axis=1, num_outputs=PARTS)
    yield helper.make_node("Sum", thirds[::-1], [target])  # the smallest first, which keeps the most digits


def _modern(forest: Forest) -> dict[str, Any]:
    """The attributes of a `TreeEnsemble` of operator set 5: branches and leaves apart, each counted alone."""
    from onnx import numpy_helper

    lone = forest.leaf[forest.roots]  # a tree of one leaf needs a branch, whose two sides are that leaf
    branch = ~forest.leaf
    branch[forest.roots] |= lone
    leaf_place = np.cumsum(forest.leaf) - 1
    place = np.where(branch, np.cumsum(branch) - 1, leaf_place)
    here = np.flatnonzero(branch)
    is_lone = forest.leaf[here]
    attributes: dict[str, Any] = {}
    for side, target in (("true", forest.yes[here]), ("false", forest.no[here])):
        ends = np.where(is_lone, here, target)
        to_leaf = forest.leaf[ends]
        attributes[f"nodes_{side}leafs"] = to_leaf.astype(np.int64).tolist()
        attributes[f"nodes_{side}nodeids"] = np.where(to_leaf, leaf_place[ends], place[ends]).tolist()
    if forest.missing[here].any():
        attributes["nodes_missing_value_tracks_true"] = forest.missing[here].tolist()
    modes = np.where(is_lone, 0, forest.mode).astype(np.uint8)
    return {
        **attributes,
        "n_targets": forest.targets,
        "aggregate_function": 1,
        "post_transform": 0,
        "tree_roots": place[forest.roots].tolist(),
        "nodes_featureids": forest.feature[here].tolist(),
        "nodes_splits": numpy_helper.from_array(forest.threshold[here], "nodes_splits"),
        "nodes_modes": numpy_helper.from_array(modes, "nodes_modes"),
        "leaf_targetids": forest.weight_target.tolist(),
        "leaf_weights": numpy_helper.from_array(forest.weight, "leaf_weights"),
    }


def _old(forest: Forest) -> dict[str, Any]:
    """The attributes of a `TreeEnsembleRegressor` of operator set 3."""
    from onnx import numpy_helper

    sizes = np.diff([*forest.roots.tolist(), len(forest.leaf)])
    tree, first = np.repeat(np.arange(len(sizes)), sizes), np.repeat(forest.roots, sizes)
    counted = np.arange(len(tree)) - first
    attributes: dict[str, Any] = {}
    for name, values in (("nodes_values", forest.threshold), ("target_weights", forest.weight)):
        if forest.dtype == np.float64:
            attributes[f"{name}_as_tensor"] = numpy_helper.from_array(values, name)
        else:
            attributes[name] = values.tolist()
    if forest.missing.any():
        attributes["nodes_missing_value_tracks_true"] = forest.missing.tolist()
    return {
        **attributes,
        "n_targets": forest.targets,
        "nodes_treeids": tree.tolist(),
        "nodes_nodeids": counted.tolist(),
        "nodes_featureids": forest.feature.tolist(),
        "nodes_modes": [b"LEAF" if leaf else _MODES[forest.mode] for leaf in forest.leaf.tolist()],
        "nodes_truenodeids": np.where(forest.leaf, 0, forest.yes - first).tolist(),
        "nodes_falsenodeids": np.where(forest.leaf, 0, forest.no - first).tolist(),
        "target_treeids": tree[forest.weight_node].tolist(),
        "target_nodeids": counted[forest.weight_node].tolist(),
        "target_ids": forest.weight_target.tolist(),
    }
