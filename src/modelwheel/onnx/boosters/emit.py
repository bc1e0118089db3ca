"""Writes a booster as nodes, into a graph of our own or into one that skl2onnx is making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .trees import Boosted, NotConvertible

ML = "ai.onnx.ml"


@dataclass(kw_only=True, slots=True)
class Nodes:
    """Nodes and constants with names of their own; `unique` makes those."""

    unique: Callable[[str], str]
    nodes: list[tuple[str, tuple[str, ...], str, str, dict[str, Any]]] = field(default_factory=list)
    constants: dict[str, np.ndarray[Any, Any]] = field(default_factory=dict)

    def add(self, operator: str, *inputs: str, domain: str = "", attributes: dict[str, Any] | None = None) -> str:
        """The name of the output of a new node."""
        output = self.unique(operator.lower())
        self.nodes.append((operator, inputs, output, domain, attributes or {}))
        return output

    def constant(self, values: Any, dtype: str | None = None) -> str:
        """The name of a new constant."""
        name = self.unique("constant")
        self.constants[name] = np.asarray(values, dtype)
        return name


def write(boosted: Boosted, nodes: Nodes, source: str, *, wide: bool) -> dict[str, str]:
    """The outputs by what they are: `scores` (after the link), or `labels`, `probabilities` and `raw` scores.

    `source` is a matrix of floats, in double precision when `wide`. Scores and probabilities have the precision of
    the trees: operators of trees answer in single precision until `trees.faster` rewrites those with a cast behind.
    """
    dtype = "float64" if boosted.trees.double else "float32"
    if wide and boosted.single:
        source, wide = _cast(nodes, source, np.float32), False
    if not wide and boosted.trees.double:
        source = _cast(nodes, source, np.float64)
    if boosted.missing is not None:
        absent = nodes.add("Equal", source, nodes.constant([boosted.missing], dtype))
        source = nodes.add("Where", absent, nodes.constant([np.nan], dtype), source)
    raw = nodes.add("TreeEnsembleRegressor", source, domain=ML, attributes=boosted.trees.attributes())
    if boosted.trees.double:
        raw = _cast(nodes, raw, np.float64)
    answers = _linked(boosted, nodes, raw)
    if boosted.classes is None:
        flat = boosted.trees.targets == 1
        return {"scores": nodes.add("Reshape", answers, nodes.constant([-1], "int64")) if flat else answers}
    judged = answers if boosted.by_probability else raw
    if boosted.trees.targets == 1:
        limit = nodes.constant([0.5 if boosted.by_probability else 0.0], dtype)
        place = _cast(nodes, nodes.add("Greater", judged, limit), np.int64)
        place = nodes.add("Reshape", place, nodes.constant([-1], "int64"))
        one = nodes.constant([1.0], dtype)
        answers = nodes.add("Concat", nodes.add("Sub", one, answers), answers, attributes={"axis": 1})
    else:
        place = nodes.add("ArgMax", judged, attributes={"axis": 1, "keepdims": 0})
    if boosted.labels_only:
        return {"scores": _cast(nodes, place, np.dtype(dtype))}
    if boosted.label_column:
        place = nodes.add("Reshape", place, nodes.constant([-1, 1], "int64"))
    labels = nodes.add("Gather", nodes.constant(_labels(boosted.classes)), place)
    return {"labels": labels, "probabilities": answers, "raw": raw}


def _linked(boosted: Boosted, nodes: Nodes, raw: str) -> str:
    match boosted.link:
        case "sigmoid":
            return nodes.add("Sigmoid", raw)
        case "softmax":
            return nodes.add("Softmax", raw, attributes={"axis": 1})
        case "exp":
            return nodes.add("Exp", raw)
    return raw


def _cast(nodes: Nodes, name: str, dtype: Any) -> str:
    from onnx import helper

    return nodes.add("Cast", name, attributes={"to": int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))})


def _labels(classes: Sequence[Any]) -> np.ndarray[Any, Any]:
    made = np.asarray(classes)
    if made.dtype.kind not in "Uifb":
        raise NotConvertible(f"labels of the type {type(classes[0]).__name__} have no counterpart in ONNX")
    return made.astype(object) if made.dtype.kind == "U" else made
