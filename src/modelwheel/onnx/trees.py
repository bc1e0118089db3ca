"""Makes graphs of trees open and answer faster: the same decisions in the same precision, laid out otherwise.

onnxruntime finds a tree's nodes by a hash of (tree, node) which is the same for most trees, so opening an operator
takes the square of its trees; and it sends every row through all trees before the next row, which evicts the trees from
the processor's cache. Hence an ensemble becomes operators of `forest.TREES` trees each, whose answers are summed. Where
every ensemble of the graph has one target per leaf, they are written as `TreeEnsemble` of ai.onnx.ml 5, whose nodes are
tensors, not a text and seven numbers each. Otherwise it is `TreeEnsembleRegressor` of operator set 3, which answers in
single precision: `exactsums` has it answer sums in double all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from . import exactsums
from .forest import MODES, Forest, read
from .result import Graph

DOMAIN = "ai.onnx.ml"
_OLD = "TreeEnsembleRegressor"
_CHANGED_IN_5 = frozenset({"TreeEnsembleClassifier"})
"""Operators of ai.onnx.ml 3 and 4 that the operator set 5 no longer has, beside `TreeEnsembleRegressor`."""


def faster(candidate: Graph) -> Graph:
    """The candidate with its ensembles of trees rewritten; the same one when it has none, or none that can be."""
    if candidate.as_given or _OLD.encode() not in candidate.data:
        return candidate
    import onnx

    model: Any = onnx.ModelProto.FromString(candidate.data)
    found = [(node, read(node) if _is_old(node) else None) for node in model.graph.node]
    forests = [forest for _, forest in found if forest is not None]
    if not forests:
        return candidate
    kept = {node.op_type for node, forest in found if node.domain == DOMAIN and forest is None}
    modern = not kept & {_OLD, *_CHANGED_IN_5} and all(forest.one_target for forest in forests)
    wide = _widened(model.graph)
    made: list[Any] = []
    for node, forest in found:
        made += [node] if forest is None else _written(node, forest, modern=modern, wide=wide)
    del model.graph.node[:]
    model.graph.node.extend(made)
    opsets = dict(candidate.opsets)
    if modern:
        opsets[DOMAIN] = 5
        for item in model.opset_import:
            item.version = opsets[item.domain]
    graph: bytes = model.SerializeToString(deterministic=True)
    return replace(candidate, data=graph, opsets=opsets)


def _is_old(node: Any) -> bool:
    return bool(node.op_type == _OLD and node.domain == DOMAIN)


def _widened(graph: Any) -> frozenset[str]:
    """Names that are only ever cast to double precision: they may be double already."""
    from onnx import TensorProto

    others = {output.name for output in graph.output}
    cast = set()
    for node in graph.node:
        if node.op_type == "Cast" and node.attribute[0].i == TensorProto.DOUBLE:
            cast.add(node.input[0])
        else:
            others.update(node.input)
    return frozenset(cast - others)


def _written(node: Any, forest: Forest, *, modern: bool, wide: frozenset[str]) -> Iterator[Any]:
    """The nodes that take the place of `node`."""
    from onnx import TensorProto, helper

    source, target = node.input[0], node.output[0]
    double = forest.threshold.dtype == np.float64
    name = f"{target}.trees"
    parts = []
    written = forest.split() if double and not modern else forest
    for number, block in enumerate(written.blocks()):
        part = f"{name}.{number}"
        attributes = _modern(block) if modern else _old(block)
        made = helper.make_node("TreeEnsemble" if modern else _OLD, [source], [part], domain=DOMAIN, **attributes)
        yield made
        if double and not modern:  # operators of set 3 answer in single precision: their sum need not be
            yield helper.make_node("Cast", [part], [f"{part}.wide"], to=TensorProto.DOUBLE)
            part = f"{part}.wide"
        parts.append(part)
    source_name = f"{name}.sum"
    yield helper.make_node("Sum", parts, [source_name])
    if written.targets != forest.targets:
        thirds = [f"{name}.third.{number}" for number in range(exactsums.PARTS)]
        yield helper.make_node("Split", [source_name], thirds, axis=1, num_outputs=exactsums.PARTS)
        # the smallest first, which keeps the most digits
        yield helper.make_node("Sum", thirds[::-1], [f"{name}.whole"])
        source_name = f"{name}.whole"
    yield from _finished(forest, source_name, target, narrow=double and target not in wide)


def _finished(forest: Forest, source: str, target: str, *, narrow: bool) -> Iterator[Any]:
    """Divide by the number of trees and add the base values; `narrow` casts to the single precision that was."""
    from onnx import TensorProto, helper, numpy_helper

    dtype = forest.threshold.dtype
    steps = []
    if forest.mean:
        steps.append(("Div", np.array(len(forest.roots), dtype)))
    if any(forest.base):
        steps.append(("Add", np.array(forest.base, dtype)))
    for number, (operator, value) in enumerate(steps):
        constant, made = f"{target}.constant.{number}", f"{target}.step.{number}"
        yield helper.make_node("Constant", [], [constant], value=numpy_helper.from_array(value, constant))
        yield helper.make_node(operator, [source, constant], [made])
        source = made
    if narrow:
        yield helper.make_node("Cast", [source], [target], to=TensorProto.FLOAT)
    else:
        yield helper.make_node("Identity", [source], [target])


def _modern(forest: Forest) -> dict[str, Any]:
    """The attributes of a `TreeEnsemble` of operator set 5: branches and leaves apart, each counted alone."""
    from onnx import numpy_helper

    lone = forest.leaf[forest.roots]  # a tree of one leaf needs a branch, whose two sides are that leaf
    branch = ~forest.leaf
    branch[forest.roots] |= lone
    place = np.where(branch, np.cumsum(branch), np.cumsum(forest.leaf)) - 1
    leaf_place = np.cumsum(forest.leaf) - 1
    here = np.flatnonzero(branch)
    is_lone = forest.leaf[here]
    attributes: dict[str, Any] = {}
    for side, target in (("true", forest.left[here]), ("false", forest.right[here])):
        ends = np.where(is_lone, here, target)
        to_leaf = forest.leaf[ends]
        attributes[f"nodes_{side}leafs"] = to_leaf.astype(np.int64).tolist()
        attributes[f"nodes_{side}nodeids"] = np.where(to_leaf, leaf_place[ends], place[ends]).tolist()
    if forest.missing[here].any():
        attributes["nodes_missing_value_tracks_true"] = forest.missing[here].tolist()
    return {
        **attributes,
        "n_targets": forest.targets,
        "aggregate_function": 1,
        "post_transform": 0,
        "tree_roots": place[forest.roots].tolist(),
        "nodes_featureids": forest.feature[here].tolist(),
        "nodes_splits": numpy_helper.from_array(forest.threshold[here], "nodes_splits"),
        "nodes_modes": numpy_helper.from_array(np.maximum(forest.mode[here], 0).astype(np.uint8), "nodes_modes"),
        "leaf_targetids": forest.weight_target.tolist(),
        "leaf_weights": numpy_helper.from_array(forest.weight.astype(forest.threshold.dtype), "leaf_weights"),
    }


def _old(forest: Forest) -> dict[str, Any]:
    """The attributes of a `TreeEnsembleRegressor` of operator set 3."""
    from onnx import numpy_helper

    names = [b"LEAF", *MODES]
    wide = forest.threshold.dtype == np.float64
    counted = np.arange(len(forest.tree)) - forest.roots[forest.tree]
    first = forest.roots[forest.tree]
    numbers = {"nodes_values": forest.threshold, "target_weights": forest.weight.astype(forest.threshold.dtype)}
    attributes: dict[str, Any] = {
        (f"{name}_as_tensor" if wide else name): numpy_helper.from_array(values, name) if wide else values.tolist()
        for name, values in numbers.items()
    }
    if forest.missing.any():
        attributes["nodes_missing_value_tracks_true"] = forest.missing.tolist()
    return {
        **attributes,
        "n_targets": forest.targets,
        "nodes_treeids": forest.tree.tolist(),
        "nodes_nodeids": counted.tolist(),
        "nodes_featureids": forest.feature.tolist(),
        "nodes_modes": [names[mode + 1] for mode in forest.mode.tolist()],
        "nodes_truenodeids": np.where(forest.leaf, 0, forest.left - first).tolist(),
        "nodes_falsenodeids": np.where(forest.leaf, 0, forest.right - first).tolist(),
        "target_treeids": forest.tree[forest.weight_node].tolist(),
        "target_nodeids": counted[forest.weight_node].tolist(),
        "target_ids": forest.weight_target.tolist(),
    }
