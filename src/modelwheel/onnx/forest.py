"""An ensemble of trees as arrays of its nodes. Every reader of trees makes one; `trees.py` writes it as operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .result import Unconvertible

Array = np.ndarray[Any, Any]
LEQ, LT, GT = 0, 1, 3
"""How the nodes of a forest compare a feature with their threshold, as ai.onnx.ml 5 numbers it."""
TREES = 20
"""Trees per operator: of depth 12 they need about a megabyte, which stays in the processor's cache between rows."""


class Tree(NamedTuple):
    """One tree: an array of each kind over its nodes, the root first.

    `yes` and `no` are the places of the children where the comparison holds and where not, `yes` is negative for a
    leaf; `missing` is whether NaN goes to `yes`. `weight` of shape (nodes,) is added to `target` by the leaves; of
    shape (nodes, targets), to all targets.
    """

    feature: Array
    threshold: Array
    yes: Array
    no: Array
    missing: Array
    weight: Array
    target: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A split on the categories of a feature, which becomes a column: 0 where the row goes to `yes`, 1 where to `no`.

    `column` has the value of each code from 0 on; `other` is that of all other codes, and `null` that of NaN.
    """

    feature: int
    column: bytes
    other: bool
    null: bool

    @classmethod
    def among(cls, feature: int, codes: Iterable[int], *, inside: bool, null: bool) -> Split:
        """The split that gives these codes the value `inside`, and all others the other one."""
        known = frozenset(codes)
        column = bytes((code in known) == inside for code in range(max(known, default=-1) + 1))
        return cls(feature=feature, column=column, other=not inside, null=null)


@dataclass(frozen=True, kw_only=True, slots=True)
class Forest:
    """An ensemble as arrays of all nodes, tree by tree; `yes`, `no` and `roots` are places in these arrays.

    `weight_node`, `weight_target` and `weight` are what leaves add, in the order of the nodes. Thresholds and weights
    have the precision in which the forest computes. `splits` are columns behind those of the input; codes below
    `first_code` are unknown to them.
    """

    roots: Array
    feature: Array
    threshold: Array
    yes: Array
    no: Array
    leaf: Array
    missing: Array
    weight_node: Array
    weight_target: Array
    weight: Array
    targets: int
    mode: int = LEQ
    splits: tuple[Split, ...] = ()
    first_code: float = 0.0

    @classmethod
    def of(cls, trees: Sequence[Tree], targets: int, *, dtype: Any = np.float64, mode: int = LEQ) -> Forest:
        """The forest of these trees; raises `Unconvertible` when there is none."""
        if not trees:
            raise Unconvertible("the model has no trees")
        sizes = [len(tree.feature) for tree in trees]
        roots = np.cumsum([0, *sizes[:-1]])
        leaf = np.concatenate([tree.yes for tree in trees]) < 0
        weights = [_weights(tree, root) for tree, root in zip(trees, roots.tolist(), strict=True)]
        node, target, weight = (np.concatenate(parts) for parts in zip(*weights, strict=True))

        def joined(name: str, shift: Any = 0) -> Array:
            return np.where(leaf, 0, np.concatenate([getattr(tree, name) for tree in trees]) + shift)

        starts = np.repeat(roots, sizes)
        return cls(
            roots=roots,
            feature=joined("feature"),
            threshold=joined("threshold").astype(dtype),
            yes=joined("yes", starts),
            no=joined("no", starts),
            leaf=leaf,
            missing=joined("missing").astype(np.int64),
            weight_node=node,
            weight_target=target,
            weight=weight.astype(dtype),
            targets=targets,
            mode=mode,
        )

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of the sums."""
        found: np.dtype[Any] = self.threshold.dtype
        return found

    @property
    def one_target(self) -> bool:
        """Whether each leaf adds one number to one target."""
        return len(self.weight_node) == int(self.leaf.sum())

    def split(self) -> Forest:
        """The forest with three times the targets, whose sums single precision holds; itself where that cannot be."""
        parts = exact_parts(self.weight)
        if parts is None:
            return self
        kept = [np.ones(len(self.weight), bool), *(part != 0.0 for part in parts[1:])]  # a leaf must have a weight
        node = np.concatenate([self.weight_node[keep] for keep in kept])
        target = np.concatenate([self.weight_target[keep] + self.targets * place for place, keep in enumerate(kept)])
        weight = np.concatenate([part[keep] for part, keep in zip(parts, kept, strict=True)])
        order = np.argsort(node, kind="stable")
        wide = self.targets * PARTS
        return replace(self, weight_node=node[order], weight_target=target[order], weight=weight[order], targets=wide)

    def blocks(self) -> Iterator[Forest]:
        """The forest in parts of `TREES` trees."""
        for first in range(0, len(self.roots), TREES):
            roots = self.roots[first : first + TREES]
            start = int(roots[0])
            stop = int(self.roots[first + TREES]) if first + TREES < len(self.roots) else len(self.leaf)
            low, high = np.searchsorted(self.weight_node, [start, stop])
            yield replace(
                self,
                roots=roots - start,
                weight_node=self.weight_node[low:high] - start,
                weight_target=self.weight_target[low:high],
                weight=self.weight[low:high],
                yes=self.yes[start:stop] - start,
                no=self.no[start:stop] - start,
                **{name: getattr(self, name)[start:stop] for name in ("feature", "threshold", "leaf", "missing")},
            )


def _weights(tree: Tree, root: int) -> tuple[Array, Array, Array]:
    """The nodes, the targets and the weights of what the leaves add. Zeros add nothing, but a leaf must have one."""
    ends = np.flatnonzero(tree.yes < 0)
    if tree.weight.ndim == 1:
        return root + ends, np.full(len(ends), tree.target), tree.weight[ends]
    values = tree.weight[ends]
    kept = values != 0.0
    kept[:, 0] |= ~kept.any(axis=1)
    rows, places = np.nonzero(kept)
    return root + ends[rows], places, values[rows, places]


# --- exact sums in double precision from an operator that answers in single ---
#
# `TreeEnsembleRegressor` of operator set 3 adds in the precision of its weights and rounds its answer. So each weight
# becomes three, for targets of their own: a multiple of a power of two so large that the sum of a block of trees needs
# at most the 24 bits of single precision, a multiple of a smaller one, and the rest. Each of the three sums is exact,
# and they are added in double precision behind the operator.

PARTS = 3
_BITS = 18
"""Of each part: the sum of at most 32 trees then takes 23."""
_LARGEST, _SMALLEST = 100, -60
"""Exponents between which single precision has all parts."""


def exact_parts(weights: Array) -> list[Array] | None:
    """Three arrays that add up to `weights`, each of multiples of one power of two; None when they are too wide."""
    largest = float(np.abs(weights).max(initial=0.0))
    if not 2.0**_SMALLEST < largest < 2.0**_LARGEST:
        return None
    exponent = int(np.frexp(largest)[1])  # below 2**exponent
    found = []
    left = weights.astype(np.float64)
    for _ in range(PARTS):
        step = 2.0 ** (exponent - _BITS)
        part = np.rint(left / step) * step
        found.append(part)
        left = left - part
        exponent -= _BITS + 1  # what is left is at most half a step
    return found
