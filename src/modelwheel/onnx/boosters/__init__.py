"""The record of a booster: trees whose leaves add up to scores, a link from scores to outputs, labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from modelwheel_loader.opening import CategoryValue

from ..forest import Forest

Link = Literal["identity", "sigmoid", "softmax", "exp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Boosted:
    """A booster, ready to be written as a graph.

    `base` is the number that the score of each target begins with. `classes` are the labels of a classifier;
    `by_probability` when the label is decided by the probability in single precision, not by the score; `missing` is a
    number that counts as null beside NaN. `labels_only` when the one answer is the place of the label as a number;
    `label_column` when labels have the shape (rows, 1); `single` when the input is rounded to single precision before
    it is compared. `categories` are the values whose places are the codes of a feature, for those that come as values.
    """

    forest: Forest
    link: Link
    base: tuple[float, ...] = ()
    classes: tuple[Any, ...] | None = None
    by_probability: bool = False
    missing: float | None = None
    labels_only: bool = False
    label_column: bool = False
    single: bool = False
    categories: Mapping[int, tuple[CategoryValue, ...]] = field(default_factory=dict)
