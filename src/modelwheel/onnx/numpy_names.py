"""NumPy for converters: its functions accept an `Array` of a graph too, also when functions of users call them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as typed  # noqa: ICN001

from .arrays import BOOL, FLOAT, UFUNCS, Array, arithmetic, broadcast, compare, matmul, pair
from .graph import STRING
from .result import Unconvertible

np: Any = typed
"""Without its types: its stubs cannot know `Array`."""


def _float(operator: str) -> Any:
    """A function of floats that is one operator."""
    return lambda value, **_: as_float(value).emit(operator)


def as_float(value: Array) -> Array:
    """Numbers other than floats as doubles, as in NumPy."""
    return value if value.dtype.kind == "f" else value.astype(FLOAT)


def where(condition: Array, yes: Any, no: Any) -> Array:
    """NumPy's `where` of three."""
    one = condition
    if not isinstance(yes, Array) and not isinstance(no, Array):
        kind = np.result_type(np.asarray(yes), np.asarray(no))
        kind = STRING if kind.kind in "USO" else kind
        yes = one.of(np.asarray(yes).astype(kind))
    yes, no = pair(yes, no)
    shape = broadcast(broadcast(condition.shape, yes.shape), no.shape)
    if yes.dtype == BOOL:
        return (condition & yes) | (~condition & no)
    return condition.emit("Where", yes, no, dtype=yes.dtype, shape=shape)


def concatenate(arrays: Sequence[Any], axis: int = 0) -> Array:
    """NumPy's `concatenate`; numbers become of one dtype."""
    one = next(item for item in arrays if isinstance(item, Array))
    parts = [one.of(item) for item in arrays]
    if len(parts) == 1:
        return parts[0]
    kind = STRING if any(part.dtype == STRING for part in parts) else np.result_type(*(part.dtype for part in parts))
    parts = [part.astype(kind) for part in parts]
    place = axis % parts[0].ndim
    sizes = [part.shape[place] for part in parts]
    size = None if None in sizes else sum(size for size in sizes if size is not None)
    shape = (*parts[0].shape[:place], size, *parts[0].shape[place + 1 :])
    return parts[0].emit("Concat", *parts[1:], axis=place, shape=shape)


def hstack(arrays: Sequence[Any]) -> Array:
    """NumPy's `hstack` of matrices."""
    return concatenate(arrays, 1)


def column_stack(arrays: Sequence[Array]) -> Array:
    """NumPy's `column_stack`: vectors are columns."""
    return concatenate([item[:, None] if item.ndim == 1 else item for item in arrays], 1)


def stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    """NumPy's `stack`."""
    place = axis % (arrays[0].ndim + 1)
    return concatenate([item[(*[slice(None)] * place, None)] for item in arrays], place)


def clip(value: Array, low: Any = None, high: Any = None) -> Array:
    """NumPy's `clip`; NaN stays."""
    if low is not None:
        value = where(value < low, low, value)
    return value if high is None else where(value > high, high, value)


def maximum(one: Any, other: Any) -> Array:
    """The larger of two; NaN when one is."""
    return arithmetic("Max", one, other)


def minimum(one: Any, other: Any) -> Array:
    """The smaller of two."""
    return arithmetic("Min", one, other)


def isnan(value: Array) -> Array:
    """Where a value is NaN."""
    value = value if value.dtype.kind == "f" else value.astype(FLOAT)
    return value.emit("IsNaN", dtype=BOOL)


def isinf(value: Array) -> Array:
    """Where a value is infinite."""
    return as_float(value).emit("IsInf", dtype=BOOL)


def log1p(value: Array) -> Array:
    """log(1 + x), by Goldberg's correction, for the operator set has log alone: exact also near zero."""
    value = as_float(value)
    whole = value + 1.0
    return where(whole == 1.0, value, np.log(whole) * value / where(whole == 1.0, 1.0, whole - 1.0))


def expm1(value: Array) -> Array:
    """exp(x) - 1, by Kahan's correction: exact also near zero."""
    value = as_float(value)
    whole = np.exp(value)
    near = abs(value) < 0.5
    safe = where(near & (whole != 1.0), whole, 2.0)
    return where(near, where(whole == 1.0, value, (safe - 1.0) * value / np.log(safe)), whole - 1.0)


def logaddexp(one: Any, other: Any) -> Array:
    """log(exp(a) + exp(b)) without overflow."""
    largest = maximum(one, other)
    return largest + np.log1p(np.exp(-abs(one - other)))


def nan_to_num(value: Array, *, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Array:
    """NumPy's `nan_to_num` of doubles."""
    ends = np.finfo(value.dtype)
    value = where(isnan(value), nan, value)
    value = where(value == np.inf, ends.max if posinf is None else posinf, value)
    return where(value == -np.inf, ends.min if neginf is None else neginf, value)


def _power(base: Any, exponent: Any) -> Any:
    return base**exponent


def _square(value: Array) -> Array:
    return value * value


def _floor_divide(one: Any, other: Any) -> Any:
    left, right = pair(one, other)
    if left.dtype.kind != "f":
        raise Unconvertible("floor division of whole numbers has no counterpart")
    return np.floor(left / right)


def _reduction(name: str) -> Any:
    return lambda value, axis=None, **given: getattr(value, name)(axis=axis, **given)


def searchsorted(sorted_values: Any, values: Array, side: str = "left") -> Array:
    """The number of constants below each value (`left`), or below or equal to it."""
    bins = np.asarray(sorted_values, np.float64)
    below = values[..., None] > bins if side == "left" else values[..., None] >= bins
    return below.sum(-1)


UFUNCS.update(
    {
        np.add: lambda a, b: arithmetic("Add", a, b),
        np.subtract: lambda a, b: arithmetic("Sub", a, b),
        np.multiply: lambda a, b: arithmetic("Mul", a, b),
        np.divide: lambda a, b: arithmetic("Div", a, b, least=FLOAT),
        np.floor_divide: _floor_divide,
        np.power: _power,
        np.float_power: lambda a, b: arithmetic("Pow", a, b, least=FLOAT),
        np.matmul: matmul,
        np.dot: matmul,
        np.negative: lambda a: -a,
        np.positive: lambda a: a,
        np.absolute: abs,
        np.fabs: lambda a: abs(as_float(a)),
        np.square: _square,
        np.sign: lambda a: a.emit("Sign"),
        np.exp: _float("Exp"),
        np.log: _float("Log"),
        np.log2: lambda a: np.log(a) / np.log(2.0),
        np.log10: lambda a: np.log(a) / np.log(10.0),
        np.exp2: lambda a: np.exp(a * np.log(2.0)),
        np.sqrt: _float("Sqrt"),
        np.cbrt: lambda a: np.sign(a) * abs(as_float(a)) ** (1.0 / 3.0),
        np.sin: _float("Sin"),
        np.cos: _float("Cos"),
        np.tan: lambda a: np.sin(a) / np.cos(a),
        np.tanh: _float("Tanh"),
        np.sinh: lambda a: (np.exp(a) - np.exp(-a)) / 2.0,
        np.cosh: lambda a: (np.exp(a) + np.exp(-a)) / 2.0,
        np.arcsinh: lambda a: np.sign(a) * np.log(abs(as_float(a)) + np.sqrt(a * a + 1.0)),
        np.floor: _float("Floor"),
        np.ceil: _float("Ceil"),
        np.rint: _float("Round"),
        np.reciprocal: _float("Reciprocal"),
        np.log1p: log1p,
        np.expm1: expm1,
        np.logaddexp: logaddexp,
        np.maximum: maximum,
        np.minimum: minimum,
        np.isnan: isnan,
        np.isinf: isinf,
        np.isfinite: lambda a: ~(isnan(a) | isinf(a)),
        np.greater: lambda a, b: compare("Greater", a, b),
        np.greater_equal: lambda a, b: compare("GreaterOrEqual", a, b),
        np.less: lambda a, b: compare("Less", a, b),
        np.less_equal: lambda a, b: compare("LessOrEqual", a, b),
        np.equal: lambda a, b: compare("Equal", a, b),
        np.not_equal: lambda a, b: ~compare("Equal", a, b),
        np.logical_and: lambda a, b: arithmetic("And", a, b),
        np.logical_or: lambda a, b: arithmetic("Or", a, b),
        np.logical_not: lambda a: ~a,
        np.bitwise_and: lambda a, b: arithmetic("And", a, b),
        np.bitwise_or: lambda a, b: arithmetic("Or", a, b),
        np.invert: lambda a: ~a,
        np.deg2rad: lambda a: a * (np.pi / 180.0),
        np.radians: lambda a: a * (np.pi / 180.0),
        np.rad2deg: lambda a: a * (180.0 / np.pi),
        np.where: where,
        np.concatenate: concatenate,
        np.hstack: hstack,
        np.column_stack: column_stack,
        np.stack: stack,
        np.clip: clip,
        np.nan_to_num: nan_to_num,
        np.sum: _reduction("sum"),
        np.mean: _reduction("mean"),
        np.max: _reduction("max"),
        np.min: _reduction("min"),
        np.argmax: _reduction("argmax"),
        np.argmin: _reduction("argmin"),
        np.round: lambda a, decimals=0: np.rint(a * 10.0**decimals) / 10.0**decimals if decimals else np.rint(a),
        np.searchsorted: searchsorted,
        np.ravel: lambda a: a.ravel(),
        np.reshape: lambda a, shape: a.reshape(shape),
        np.transpose: lambda a: a.T,
    }
)
