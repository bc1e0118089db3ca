"""Writes a booster as nodes, into a graph of our own or into one that skl2onnx is making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .trees import Boosted, NotConvertible, Trees

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
    if boosted.trees.tables:
        source = _with_tables(boosted.trees, nodes, source, dtype)
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


def _with_tables(trees: Trees, nodes: Nodes, source: str, dtype: str) -> str:
    """The matrix with a column beside it for each table: what the table says of the row's code."""
    parts, places = [source], []
    for feature in dict.fromkeys(table.feature for table in trees.tables):
        chosen = [table for table in trees.tables if table.feature == feature]
        columns = [table.column() for table in chosen]
        size = max(len(column) for column in columns) - 2
        together = [np.r_[c[:-2], np.repeat(c[-2], size + 3 - len(c)), c[-1]] for c in columns]
        code = nodes.add("Gather", source, nodes.constant(feature, "int64"), attributes={"axis": 1})
        below = nodes.add("Less", code, nodes.constant(trees.first_code, dtype))
        outside = nodes.add("Or", below, nodes.add("GreaterOrEqual", code, nodes.constant(size, dtype)))
        place = nodes.add("Where", outside, nodes.constant(size, dtype), code)
        place = nodes.add("Where", nodes.add("IsNaN", code), nodes.constant(size + 1, dtype), place)
        answers = nodes.constant(np.stack(together, axis=1), "bool")
        found = nodes.add("Gather", answers, _cast(nodes, place, np.int64), attributes={"axis": 0})
        parts.append(_cast(nodes, found, np.dtype(dtype)))
        places += [trees.tables[table] for table in chosen]
    order = [*range(trees.features), *(trees.features + np.argsort(places)).tolist()]  # as they were numbered
    beside = nodes.add("Concat", *parts, attributes={"axis": 1})
    return nodes.add("Gather", beside, nodes.constant(order, "int64"), attributes={"axis": 1})


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
