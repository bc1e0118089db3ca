"""An ensemble of trees as arrays of its nodes, read from an operator of ai.onnx.ml 3 or 4."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from . import exactsums

TREES = 20
"""Trees per operator: of depth 12 they take about a megabyte, which stays in the cache while rows pass."""
MODES = {b"BRANCH_LEQ": 0, b"BRANCH_LT": 1, b"BRANCH_GTE": 2, b"BRANCH_GT": 3, b"BRANCH_EQ": 4, b"BRANCH_NEQ": 5}
Array = np.ndarray[Any, Any]


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

    def split(self) -> Forest:
        """The ensemble with three times the targets, whose sums single precision holds; see `exactsums`.

        Itself when its weights are too wide for that.
        """
        parts = exactsums.parts(self.weight)
        if parts is None:
            return self
        kept = [np.ones(len(self.weight), bool), *(part != 0.0 for part in parts[1:])]  # a leaf must have a weight
        node = np.concatenate([self.weight_node[keep] for keep in kept])
        target = np.concatenate([self.weight_target[keep] + self.targets * place for place, keep in enumerate(kept)])
        weight = np.concatenate([part[keep] for part, keep in zip(parts, kept, strict=True)])
        order = np.argsort(node, kind="stable")
        return replace(
            self,
            weight_node=node[order],
            weight_target=target[order],
            weight=weight[order],
            targets=self.targets * exactsums.PARTS,
        )

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


def read(node: Any) -> Forest | None:
    """The ensemble of an operator; None when it uses what is not rewritten."""
    given = {attribute.name: attribute for attribute in node.attribute}
    how = _text(given, "aggregate_function", b"SUM")
    if _text(given, "post_transform", b"NONE") != b"NONE" or how not in (b"SUM", b"AVERAGE"):
        return None
    trees, ids = _whole(given, "nodes_treeids"), _whole(given, "nodes_nodeids")
    if (np.diff(trees) < 0).any() or not len(trees):
        return None  # the nodes of a tree do not lie together
    find = _Places(trees, ids)
    mode = np.array([MODES.get(mode, -1) for mode in given["nodes_modes"].strings], np.int8)
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
