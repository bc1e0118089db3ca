"""Makes graphs of trees open and answer faster: the same decisions in the same precision, laid out otherwise.

onnxruntime finds a tree's nodes by a hash of (tree, node) which is the same for most trees, so opening an operator
takes the square of its trees; and it sends every row through all trees before the next row, which evicts the trees from
the processor's cache. Hence an ensemble becomes operators of `TREES` trees each, whose answers are summed. Where every
ensemble of the graph has one target per leaf, they are written as `TreeEnsemble` of ai.onnx.ml 5, whose nodes are
tensors, not a text and seven numbers each (`TreeEnsembleRegressor` of operator set 3 otherwise).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .candidates import Candidate

TREES = 20
"""Trees per operator: of depth 12 they take about a megabyte, which stays in the cache while rows pass."""
DOMAIN = "ai.onnx.ml"
_OLD = "TreeEnsembleRegressor"
_LEAF = b"LEAF"
_MODES = {b"BRANCH_LEQ": 0, b"BRANCH_LT": 1, b"BRANCH_GTE": 2, b"BRANCH_GT": 3, b"BRANCH_EQ": 4, b"BRANCH_NEQ": 5}
_CHANGED_IN_5 = frozenset({"TreeEnsembleClassifier"})
"""Operators of ai.onnx.ml 3 and 4 that the operator set 5 no longer has, beside `TreeEnsembleRegressor`."""
Array = np.ndarray[Any, Any]


def faster(candidate: Candidate) -> Candidate:
    """The candidate with its ensembles of trees rewritten; the same one when it has none, or none that can be."""
    if candidate.as_given or _OLD.encode() not in candidate.graph:
        return candidate
    import onnx

    model: Any = onnx.ModelProto.FromString(candidate.graph)
    found = [(node, _read(node) if _is_old(node) else None) for node in model.graph.node]
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
    return replace(candidate, graph=graph, opsets=opsets)


def _is_old(node: Any) -> bool:
    return bool(node.op_type == _OLD and node.domain == DOMAIN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forest:
    """An ensemble as arrays of all nodes, in the order of the trees; `left` and `right` are places in these arrays.

    `weight_node`, `weight_target` and `weight` are what leaves add, in the order of the nodes.
    """

    tree: Array
    feature: Array
    threshold: Array
    left: Array
    right: Array
    mode: Array
    missing: Array
    weight_node: Array
    weight_target: Array
    weight: Array
    targets: int
    base: tuple[float, ...]
    mean: bool

    @property
    def leaf(self) -> Array:
        """Which nodes are leaves."""
        return self.mode < 0

    @property
    def one_target(self) -> bool:
        """Whether each leaf adds one number to one target."""
        return len(self.weight_node) == int(self.leaf.sum())

    @property
    def roots(self) -> Array:
        """The first node of each tree."""
        return np.flatnonzero(np.r_[True, self.tree[1:] != self.tree[:-1]])

    def blocks(self) -> Iterator[Forest]:
        """The ensemble in parts of `TREES` trees."""
        roots = [*self.roots.tolist(), len(self.tree)]
        for first in range(0, len(roots) - 1, TREES):
            start, stop = roots[first], roots[min(first + TREES, len(roots) - 1)]
            low, high = np.searchsorted(self.weight_node, [start, stop])
            yield Forest(
                tree=self.tree[start:stop] - self.tree[start],
                feature=self.feature[start:stop],
                threshold=self.threshold[start:stop],
                left=self.left[start:stop] - start,
                right=self.right[start:stop] - start,
                mode=self.mode[start:stop],
                missing=self.missing[start:stop],
                weight_node=self.weight_node[low:high] - start,
                weight_target=self.weight_target[low:high],
                weight=self.weight[low:high],
                targets=self.targets,
                base=self.base,
                mean=self.mean,
            )


def _read(node: Any) -> Forest | None:
    """The ensemble of an operator; None when it uses what is not rewritten."""
    given = {attribute.name: attribute for attribute in node.attribute}
    how = _text(given, "aggregate_function", b"SUM")
    if _text(given, "post_transform", b"NONE") != b"NONE" or how not in (b"SUM", b"AVERAGE"):
        return None
    trees, ids = _whole(given, "nodes_treeids"), _whole(given, "nodes_nodeids")
    if (np.diff(trees) < 0).any() or not len(trees):
        return None  # the nodes of a tree do not lie together
    find = _Places(trees, ids)
    mode = np.array([_MODES.get(mode, -1) for mode in given["nodes_modes"].strings], np.int8)
    leaf = mode < 0

    weight_node = find(_whole(given, "target_treeids"), _whole(given, "target_nodeids"))
    inner = np.flatnonzero(~leaf)
    left, right = np.zeros((2, len(trees)), np.int64)
    left[inner] = find(trees[inner], _whole(given, "nodes_truenodeids")[inner])
    right[inner] = find(trees[inner], _whole(given, "nodes_falsenodeids")[inner])
    if not find.all_found:
        return None
    by_node = np.argsort(weight_node, kind="stable")
    missing = _whole(given, "nodes_missing_value_tracks_true")
    return Forest(
        tree=np.cumsum(np.r_[0, np.diff(trees) != 0]),
        feature=_whole(given, "nodes_featureids"),
        threshold=_numbers(given, "nodes_values"),
        left=left,
        right=right,
        mode=mode,
        missing=missing if len(missing) else np.zeros(len(trees), np.int64),
        weight_node=weight_node[by_node],
        weight_target=_whole(given, "target_ids")[by_node],
        weight=_numbers(given, "target_weights")[by_node],
        targets=int(given["n_targets"].i),
        base=tuple(_numbers(given, "base_values").tolist()),
        mean=how == b"AVERAGE",
    )


class _Places:
    """Finds nodes by the numbers of their tree and of themselves."""

    def __init__(self, trees: Array, ids: Array) -> None:
        keys = trees << 32 | ids
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
        self.all_found = True

    def __call__(self, trees: Array, ids: Array) -> Array:
        wanted = trees << 32 | ids
        found = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        self.all_found &= bool((self._keys[found] == wanted).all())
        return self._order[found]


def _text(given: Mapping[str, Any], name: str, default: bytes) -> bytes:
    return bytes(given[name].s) if name in given else default


def _whole(given: Mapping[str, Any], name: str) -> Array:
    return np.array(given[name].ints, np.int64) if name in given else np.empty(0, np.int64)


def _numbers(given: Mapping[str, Any], name: str) -> Array:
    """The floats of an attribute, or those of the tensor that may stand in its place."""
    from onnx import numpy_helper

    if f"{name}_as_tensor" in given:
        tensor: Array = numpy_helper.to_array(given[f"{name}_as_tensor"].t)
        return tensor
    return np.array(given[name].floats, np.float32) if name in given else np.empty(0, np.float32)


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
    for number, block in enumerate(forest.blocks()):
        part = f"{name}.{number}"
        attributes = _modern(block) if modern else _old(block)
        made = helper.make_node("TreeEnsemble" if modern else _OLD, [source], [part], domain=DOMAIN, **attributes)
        yield made
        if double and not modern:  # operators of set 3 answer in single precision: their sum need not be
            yield helper.make_node("Cast", [part], [f"{part}.wide"], to=TensorProto.DOUBLE)
            part = f"{part}.wide"
        parts.append(part)
    yield helper.make_node("Sum", parts, [f"{name}.sum"])
    yield from _finished(forest, f"{name}.sum", target, narrow=double and target not in wide)


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

    names = [b"LEAF", *_MODES]
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
