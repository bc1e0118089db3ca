"""What all boosters are: trees whose leaves add up to scores, a link from scores to answers, and perhaps labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from modelwheel_loader.opening.types import CategoryValue

Link = Literal["identity", "sigmoid", "softmax", "exp"]
Mode = Literal["BRANCH_LT", "BRANCH_LEQ", "BRANCH_GT"]


class NotConvertible(Exception):
    """Why a booster has no graph."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Where the codes of a feature go at a split on categories: those `among` to yes or not, all others elsewhere."""

    feature: int
    among: frozenset[int]
    among_yes: bool
    missing_yes: bool

    def column(self) -> np.ndarray[Any, Any]:
        """0 for yes, 1 for no: by code, then for all larger ones, then for null."""
        size = max(self.among, default=-1) + 1
        yes = [(code in self.among) == self.among_yes for code in range(size)]
        return ~np.array([*yes, not self.among_yes, self.missing_yes])


@dataclass(kw_only=True, slots=True)
class Trees:
    """The nodes of all trees, in the lists of the operator TreeEnsembleRegressor (ai.onnx.ml, version 3).

    `double` when thresholds are compared in double precision. `base` is what each target begins with. `features` is
    how many columns there are: splits on categories ask others behind them, which `tables` make; codes
    below `first_code` are none.
    """

    double: bool
    targets: int = 1
    features: int = 0
    first_code: float = 0.0
    tables: dict[Table, int] = field(default_factory=dict)
    base: list[float] = field(default_factory=list)
    nodes: list[tuple[int, int, str, int, float, int, int, int]] = field(default_factory=list)
    leaves: list[tuple[int, int, int, float]] = field(default_factory=list)

    def split(
        self, tree: int, node: int, mode: Mode, feature: int, threshold: float, yes: int, no: int, *, missing_yes: bool
    ) -> None:
        """A node that goes to `yes` when the comparison holds, and also for null when `missing_yes`."""
        self.nodes.append((tree, node, mode, feature, threshold, yes, no, int(missing_yes)))

    def choose(self, tree: int, node: int, mode: Mode, table: Table, yes: int, no: int) -> None:
        """A node that goes to `yes` for the categories of which `table` says so: its column is 0 for them, else 1."""
        place = self.tables.setdefault(table, len(self.tables))
        self.split(tree, node, mode, self.features + place, 0.5, yes, no, missing_yes=False)

    def leaf(self, tree: int, node: int, target: int, value: float) -> None:
        """A node that adds `value` to the score of `target`."""
        self.nodes.append((tree, node, "LEAF", 0, 0.0, 0, 0, 0))
        self.leaves.append((tree, node, target, value))

    def attributes(self) -> dict[str, Any]:
        """The attributes of the operator."""
        if not self.nodes:
            raise NotConvertible("it has no trees")
        trees, nodes, modes, features, thresholds, yes, no, missing = map(list, zip(*self.nodes, strict=True))
        leaf_trees, leaf_nodes, targets, values = map(list, zip(*self.leaves, strict=True))
        made: dict[str, Any] = {
            "nodes_treeids": trees, "nodes_nodeids": nodes, "nodes_modes": modes, "nodes_featureids": features,
            "nodes_truenodeids": yes, "nodes_falsenodeids": no, "target_treeids": leaf_trees,
            "target_nodeids": leaf_nodes, "target_ids": targets, "n_targets": self.targets,
        }  # fmt: skip
        if any(missing):
            made["nodes_missing_value_tracks_true"] = missing
        numbers = {"nodes_values": thresholds, "target_weights": values, "base_values": self.base}
        return made | dict(self._wide(key, given) for key, given in numbers.items() if given)

    def _wide(self, name: str, values: list[Any]) -> tuple[str, Any]:
        if not self.double:
            return name, [float(value) for value in values]
        from onnx import numpy_helper

        return f"{name}_as_tensor", numpy_helper.from_array(np.asarray(values, np.float64), name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Boosted:
    """A booster, ready to be written as a graph.

    `classes` are the labels when it tells such apart; `by_probability` when the label is judged by the probability in
    single precision, not by the score; `missing` is a number that counts as null beside NaN. `labels_only` when the
    one answer is the place of the label as a number; `label_column` when labels have the shape (rows, 1);
    `single` when the input is rounded to single precision before it is compared. `categories` are the values whose
    places are the codes of a feature, for those that come as values.
    """

    trees: Trees
    link: Link
    classes: tuple[Any, ...] | None = None
    by_probability: bool = False
    missing: float | None = None
    labels_only: bool = False
    label_column: bool = False
    single: bool = False
    categories: Mapping[int, tuple[CategoryValue, ...]] = field(default_factory=dict)
