"""Small computations that several converters share."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from typing import Any

from .arrays import FLOAT, WHOLE, Array
from .graph import STRING, tensor
from .numpy_names import np
from .result import Unconvertible


def expit(value: Array) -> Array:
    """The logistic function, exact also far below zero, where onnxruntime's operator returns 0."""
    power = np.exp(-abs(value))
    return np.where(value >= 0.0, 1.0, power) / (power + 1.0)


def both(second: Array) -> Array:
    """Probabilities of two classes from those of the second, of shape (rows,)."""
    return np.stack([1.0 - second, second], axis=1)


def logistic(scores: Array) -> Array:
    """Probabilities from scores: of the second of two classes, of shape (rows,), or of each class."""
    return both(expit(scores)) if scores.ndim == 1 else softmax(scores)


def added(parts: Iterable[Any]) -> Any:
    """The sum, in order."""
    return functools.reduce(operator.add, parts)


def flat(values: Array) -> Array:
    """One column as a vector; other values as they are."""
    return values[:, 0] if values.ndim > 1 and values.shape[1] == 1 else values


def dense(values: Any) -> Any:
    """A constant, sparse or not, as an array of doubles."""
    return np.asarray(values.toarray() if hasattr(values, "toarray") else values, np.float64)


def softmax(scores: Array) -> Array:
    """Along the last axis."""
    return scores.emit("Softmax", axis=-1)


def normalized(values: Array) -> Array:
    """Rows that sum to one; rows of zeros become uniform."""
    total = values.sum(1, keepdims=True)
    width: Any = values.shape[1]
    return np.where(total == 0.0, 1.0 / width, values / np.where(total == 0.0, 1.0, total))


def logsumexp(values: Array) -> Array:
    """Along the second axis, kept; safe from overflow, and -inf for rows of -inf."""
    top = values.max(1, keepdims=True)
    top = np.where(np.isinf(top), 0.0, top)
    return np.log(np.exp(values - top).sum(1, keepdims=True)) + top


def squared_distances(x: Array, points: Any) -> Array:
    """Squared Euclidean distances of rows to constant points, of shape (rows, points).

    As x² - 2xy + y² around the points' mean, which keeps the digits that the formula would lose far from zero.
    """
    points = np.asarray(points, np.float64)
    x.graph.widest = max(x.graph.widest, len(points))
    center = points.mean(0)
    x, points = x - center, points - center
    made = (x * x).sum(1, keepdims=True) - (x @ points.T) * 2.0 + (points * points).sum(1)
    return np.maximum(made, 0.0)


def distances(x: Array, points: Any, metric: str = "euclidean", p: float = 2) -> Array:
    """Distances of rows to constant points, of shape (rows, points), by differences: exact for equal rows."""
    points = np.asarray(points, np.float64)
    power = {"manhattan": 1.0, "cityblock": 1.0, "l1": 1.0, "euclidean": 2.0, "l2": 2.0, "chebyshev": np.inf}
    power["minkowski"] = float(p)
    if metric == "sqeuclidean":
        return _differences(x, points, 2.0)
    if metric not in power:
        raise Unconvertible(f"the metric {metric!r} has no converter")
    order = power[metric]
    summed = _differences(x, points, order)
    if order == 2.0:
        return np.sqrt(summed)
    return summed if order in (1.0, np.inf) else summed ** (1.0 / order)


def _differences(x: Array, points: Any, order: float) -> Array:
    """Powers of the differences summed feature by feature: all at once would need rows * points * features numbers."""
    x.graph.widest = max(x.graph.widest, len(points))
    total: Any = None
    for place in range(points.shape[1]):
        difference = x[:, [place]] - points[:, place]
        term = difference * difference if order == 2.0 else abs(difference)
        if order not in (1.0, 2.0, np.inf):
            term = term**order
        combined = np.maximum if order == np.inf else np.add
        total = term if total is None else combined(total, term)
    return total


def smallest(values: Array, count: int) -> tuple[Array, Array]:
    """The `count` smallest of each row in order, and their places; of equals the first come first."""
    shape = (*values.shape[:-1], count)
    names = values.graph.node(
        "TopK",
        [values.name, values.of(np.array([count], np.int64)).name],
        2,
        axis=-1,
        largest=0,
        sorted=1,
    )
    found, places = names
    return Array(values.graph, found, values.dtype, shape), Array(values.graph, places, WHOLE, shape)


_EQUAL = 1e-9
"""Relative difference of distances that are the same but for the last digits of sums."""


def tied(values: Array, count: int, width: int) -> Array:
    """Which rows, of shape (rows,), have several choices for the `count` smallest of their `width` positive values.

    That is where the last of them equals the next one; infinite values do not count.
    """
    if count >= width:
        return ~(values[:, 0] == values[:, 0])
    near, _ = smallest(values, count + 1)
    last, following = near[:, count - 1], near[:, count]
    return (following - last <= following * _EQUAL) & ~np.isinf(following)


def one_hot(places: Array, width: int) -> Array:
    """One-hot rows, of shape (rows, width), from `places` of shape (rows,); zeros for places out of range."""
    return (places[:, None] == np.arange(width, dtype=np.int64)).astype(FLOAT)


def look_up(values: Array, keys: Any, results: Any, default: Any) -> Array:
    """`results` by `keys`, element by element; `default` for values that are not a key (ai.onnx.ml LabelEncoder)."""
    keys, results = np.asarray(keys), np.asarray(results)
    keys = keys.astype(object) if keys.dtype.kind in "USO" else keys.astype(values.dtype)
    results = results.astype(object) if results.dtype.kind in "USO" else results
    kind = STRING if results.dtype == STRING else results.dtype
    return values.emit(
        "LabelEncoder",
        dtype=kind,
        domain="ai.onnx.ml",
        keys_tensor=tensor(keys, "keys"),
        values_tensor=tensor(results, "values"),
        default_tensor=tensor(np.array([default], dtype=kind), "default"),
    )


def required(places: Array, width: int) -> Array:
    """The places unchanged; the run fails for a place out of range, as the original does for unseen values."""
    return places.of(np.arange(width, dtype=np.int64)).take(places)


def interpolate(value: Array, points: Any, results: Any) -> Array:
    """`numpy.interp` of values of one axis: linear between points that increase, constant beyond them."""
    points, results = np.asarray(points, np.float64), np.asarray(results, np.float64)
    above = np.clip((value[:, None] >= points).sum(1), 1, max(len(points) - 1, 1))
    low = above - 1
    grid = value.of(points)
    heights = value.of(results)
    left, right = grid.take(low), grid.take(above)
    width = np.where(right == left, 1.0, right - left)
    slope = (heights.take(above) - heights.take(low)) / width
    made = heights.take(low) + slope * (value - left)
    made = np.where(value <= points[0], results[0], made)
    return np.where(value >= points[-1], results[-1], made)


def searchsorted_rows(edges: Any, value: Array) -> Array:
    """`numpy.searchsorted(edges, value, side="right")` for values of one axis."""
    if not len(edges):
        return (value != value).astype(WHOLE)  # noqa: PLR0124 - zeros of its shape
    return (value[:, None] >= np.asarray(edges, np.float64)).sum(1)


def text(array: Array, value: str) -> Array:
    """A constant text of the array's graph."""
    return array.of(np.array(value, dtype=object))
