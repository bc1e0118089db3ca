"""Finds the values at which a graph's answer jumps, such as the thresholds of trees, by asking nothing but the graph.

Between two values of one field with different answers lies a step. Halving the interval until the two are neighbours
among the floats takes 64 calls, whatever lies in front of the trees. If the original steps anywhere else, one of these
neighbours, in double or in single precision, tells. Where sums come before the step, as in distances to neighbours or
behind a projection, their last digits depend on the order of adding, and so does the place of the step: there values
somewhat farther away are tried, still much nearer than single precision could tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from modelwheel_loader.errors import DataError, PredictionError
from modelwheel_loader.opening import Field, Float, Integer, Schema
from modelwheel_loader.validate import Batch

from .edges import Check, Row, Rows, varied

OPERATORS = (b"TreeEnsemble", b"Less", b"Greater", b"Floor", b"Ceil", b"Round", b"Sign", b"Binarizer")
"""Operators whose answer jumps. A graph without them is not searched."""
SUMS = (
    b"MatMul",
    b"Gemm",
    b"ReduceSum",
    b"ReduceMean",
    b"ReduceL",
    b"Einsum",
    b"LinearClassifier",
    b"LinearRegressor",
    b"SVM",
)
"""Operators that add many numbers, whose last digits depend on the order."""
APART = {"float64": 1 << 16, "float32": 1 << 4, "float16": 1}
"""How many neighbouring floats a step may be off behind sums: 1.5e-11 of the value in double precision."""
KIND = "thresholds"
_BASES = 2
Array = np.ndarray[Any, Any]
Scores = Callable[[Batch], Array]
"""The graph's numbers for a batch, of shape (rows, numbers)."""


def has_steps(graph: bytes) -> bool:
    """Whether the graph may have any."""
    return any(operator in graph for operator in OPERATORS)


def sums_first(graph: bytes) -> bool:
    """Whether sums may lie in front of a step."""
    return any(operator in graph for operator in SUMS)


def step_rows(schema: Schema, rows: Rows, check: Check, scores: Scores, tolerance: float, *, exact: bool) -> list[Row]:
    """Rows beside the steps that were found, at most one step for each field and two rows of the sample.

    With `exact`, they are the neighbours of a step; otherwise they are as far away as sums may move it.
    """
    tasks = [task for field in varied(schema) for task in _tasks(field, rows)]
    try:
        found = _halved(tasks, rows, check, scores, tolerance) if tasks else []
    except (DataError, PredictionError):  # a value that lies between two good ones, and is not good
        return []
    return [
        Row(kind=KIND, base=task.base, changes={task.field.name: value})
        for task, *ends in found
        for value in task.near(ends, exact=exact)
    ]


class _Task:
    """A row of the sample, and a field that goes from one value to another, counted among all that the type has."""

    def __init__(self, field: Field, base: int, ends: Sequence[Any]) -> None:
        self.field = field
        self.base = base
        self.dtype = np.dtype(field.type.canonical)
        self.low, self.high = (self.counted(end) for end in ends)

    def counted(self, value: Any) -> int:
        """The number of a value among all of its type in their order."""
        if self.dtype.kind != "f":
            return int(value)
        bits = int(np.array(value, self.dtype).view(f"i{self.dtype.itemsize}"))
        return bits if bits >= 0 else -(bits & ~(-1 << (8 * self.dtype.itemsize - 1)))

    def value(self, number: int) -> Any:
        """The value with this number."""
        if self.dtype.kind != "f":
            return number
        size = 8 * self.dtype.itemsize
        bits = number if number >= 0 else -number - (1 << (size - 1))
        return float(np.array(bits, f"i{self.dtype.itemsize}").view(self.dtype))

    def near(self, ends: Sequence[int], *, exact: bool) -> list[Any]:
        """Values on both sides of a step, and those near it in single precision."""
        low, high = sorted(ends)
        apart = 0 if exact else APART.get(self.dtype.name, 0)
        low, high = low - apart, high + apart
        values = [self.value(number) for number in (low - 1, low, high, high + 1)]
        if self.dtype == np.float64:
            narrow = np.float32(self.value(low + apart))
            singles = [float(np.nextafter(narrow, np.float32(side))) for side in (-np.inf, np.inf)] + [float(narrow)]
            values += [value for value in singles if not low < self.counted(value) < high]
        return [value for value in dict.fromkeys(values) if np.isfinite(value)]


def _tasks(field: Field, rows: Rows) -> list[_Task]:
    """From two rows of the sample to the ends of what was seen."""
    seen = field.observed
    if not isinstance(field.type, Float | Integer) or seen is None:
        return []
    if not isinstance(seen.minimum, int | float) or not isinstance(seen.maximum, int | float):
        return []
    made = []
    for place in np.unique(np.linspace(0, rows.count - 1, _BASES).astype(int)).tolist():
        value = rows.columns[field.name][place]
        if value is None or not np.isfinite(value):
            continue
        far = max((seen.minimum, seen.maximum), key=lambda end, value=value: abs(end - value))  # type: ignore[misc]
        made.append(_Task(field, place, (value, far)))
    return made


def _halved(
    tasks: list[_Task], rows: Rows, check: Check, scores: Scores, tolerance: float
) -> list[tuple[_Task, int, int]]:
    """The tasks with a step, and the numbers of the two neighbouring values between which it is."""

    def ask(numbers: Sequence[int]) -> Array:
        made = [
            Row(kind=KIND, base=task.base, changes={task.field.name: task.value(number)})
            for task, number in zip(tasks, numbers, strict=True)
        ]
        return scores(check(rows.changed(made)))

    def differ(left: Array, right: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray((np.abs(left - right) > tolerance).any(axis=1))

    low, high = [task.low for task in tasks], [task.high for task in tasks]
    first = ask(low)
    active = differ(first, ask(high))
    if not active.any():
        return []
    tasks, low, high = ([item for item, on in zip(items, active, strict=True) if on] for items in (tasks, low, high))  # type: ignore[assignment]
    first = first[active]
    while any(abs(right - left) > 1 for left, right in zip(low, high, strict=True)):
        middle = [(left + right) // 2 for left, right in zip(low, high, strict=True)]
        beyond = differ(first, ask(middle))
        for place, number in enumerate(middle):
            if abs(high[place] - low[place]) > 1:
                (high if beyond[place] else low)[place] = number
    jumps = differ(ask(low), ask(high))
    return [found for found, jump in zip(zip(tasks, low, high, strict=True), jumps, strict=True) if jump]
