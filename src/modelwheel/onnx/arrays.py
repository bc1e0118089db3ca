"""Symbolic arrays of a graph. Converters use them like NumPy's: operators, slices, ufuncs.

Only the shape's axes that are known while converting have a number; the axis of rows has None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .graph import STRING, Builder, element_type
from .result import Unconvertible

Shape = tuple[int | None, ...]
UFUNCS: dict[Any, Callable[..., Any]] = {}
"""NumPy's ufuncs and functions, and their counterparts for `Array`; `numpy_names` fills it."""
FLOAT, WHOLE, BOOL = np.dtype("float64"), np.dtype("int64"), np.dtype("bool")
SINGLE = np.dtype("float32")


class Array:
    """A value of a graph. Arithmetic adds nodes; the content is not known while converting."""

    __slots__ = ("dtype", "graph", "name", "shape")

    def __init__(self, graph: Builder, name: str, dtype: np.dtype[Any], shape: Shape) -> None:
        self.graph = graph
        self.name = name
        self.dtype = dtype
        self.shape = shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    # -- making nodes ------------------------------------------------------------------------------------------------

    def emit(
        self, operator: str, *others: Any, dtype: Any = None, shape: Shape | None = None, **attributes: Any
    ) -> Array:
        """A node that reads this value and `others` (arrays and constants), with one output."""
        names = [self.name, *(self.of(other).name for other in others)]
        name = self.graph.node(operator, names, **attributes)
        kind = self.dtype if dtype is None else np.dtype(dtype)
        return Array(self.graph, name, kind, self.shape if shape is None else shape)

    def of(self, value: Any) -> Array:
        """A constant of the same graph; an `Array` is returned unchanged."""
        if isinstance(value, Array):
            return value
        array = np.asarray(value)
        if array.dtype.kind in "USO":
            array = array.astype(object)
        elif array.dtype.kind in "iu" and array.dtype.itemsize < 8 and array.dtype != np.uint32:
            array = array.astype(WHOLE)
        return Array(self.graph, self.graph.constant(array), array.dtype, array.shape)

    def astype(self, dtype: Any, copy: Any = None) -> Array:  # noqa: ARG002 - NumPy's
        """The values cast to `dtype`; itself when it has that dtype."""
        wanted = np.dtype(dtype)
        if wanted == self.dtype:
            return self
        if STRING in (wanted, self.dtype):
            raise Unconvertible("it converts between text and numbers")
        return self.emit("Cast", dtype=wanted, to=element_type(wanted))

    # -- operators ---------------------------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Array:
        return arithmetic("Add", self, other)

    def __radd__(self, other: Any) -> Array:
        return arithmetic("Add", other, self)

    def __sub__(self, other: Any) -> Array:
        return arithmetic("Sub", self, other)

    def __rsub__(self, other: Any) -> Array:
        return arithmetic("Sub", other, self)

    def __mul__(self, other: Any) -> Array:
        return arithmetic("Mul", self, other)

    def __rmul__(self, other: Any) -> Array:
        return arithmetic("Mul", other, self)

    def __truediv__(self, other: Any) -> Array:
        return arithmetic("Div", self, other, least=FLOAT)

    def __rtruediv__(self, other: Any) -> Array:
        return arithmetic("Div", other, self, least=FLOAT)

    def __pow__(self, other: Any) -> Array:
        if isinstance(other, int | float) and other == 2:
            return self * self
        return arithmetic("Pow", self, other)

    def __rpow__(self, other: Any) -> Array:
        return arithmetic("Pow", other, self)

    def __neg__(self) -> Array:
        return self.emit("Neg")

    def __abs__(self) -> Array:
        return self.emit("Abs")

    def __matmul__(self, other: Any) -> Array:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Array:
        return matmul(self.of(other), self)

    def __lt__(self, other: Any) -> Array:
        return compare("Less", self, other)

    def __le__(self, other: Any) -> Array:
        return compare("LessOrEqual", self, other)

    def __gt__(self, other: Any) -> Array:
        return compare("Greater", self, other)

    def __ge__(self, other: Any) -> Array:
        return compare("GreaterOrEqual", self, other)

    def __eq__(self, other: object) -> Any:
        return compare("Equal", self, other)

    def __ne__(self, other: object) -> Any:
        return ~compare("Equal", self, other)

    __hash__ = None  # type: ignore[assignment]

    def __and__(self, other: Any) -> Array:
        return arithmetic("And", self, other)

    def __or__(self, other: Any) -> Array:
        return arithmetic("Or", self, other)

    def __invert__(self) -> Array:
        return self.emit("Not")

    # -- shape -------------------------------------------------------------------------------------------------------

    @property
    def T(self) -> Array:  # noqa: N802 - NumPy's name
        """The axes in reverse."""
        return self.transpose(range(self.ndim)[::-1])

    def transpose(self, axes: Sequence[int]) -> Array:
        """The axes in another order."""
        return self.emit("Transpose", perm=list(axes), shape=tuple(self.shape[axis] for axis in axes))

    def reshape(self, *shape: Any) -> Array:
        """As NumPy's. The first axis may be -1, and is then that of rows."""
        wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        known = tuple(None if axis == -1 else axis for axis in wanted)
        if None in known and None not in self.shape:
            rest = int(np.prod([axis for axis in known if axis is not None]))
            known = tuple(int(np.prod(self.shape)) // rest if axis is None else axis for axis in known)  # type: ignore[arg-type]
        return self.emit("Reshape", np.array(wanted, np.int64), shape=known)

    def ravel(self) -> Array:
        """One axis."""
        return self.reshape(-1)

    def __getitem__(self, key: Any) -> Array:
        items = key if isinstance(key, tuple) else (key,)
        if Ellipsis in [item if item is Ellipsis else None for item in items]:
            place = next(index for index, item in enumerate(items) if item is Ellipsis)
            missing = self.ndim - sum(item is not None and item is not Ellipsis for item in items)
            items = (*items[:place], *[slice(None)] * missing, *items[place + 1 :])
        made, axis = self, 0
        for item in items:
            made, axis = _index(made, axis, item)
        return made

    def take(self, indices: Any, axis: int = 0) -> Array:
        """The elements of an axis at `indices`, which may be an `Array`; the run fails for indices out of bounds."""
        places = self.of(indices)
        shape = (*self.shape[:axis], *places.shape, *self.shape[axis + 1 :])
        return self.emit("Gather", places, axis=axis, shape=shape)

    # -- reductions --------------------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """The sum; of Booleans, the number of true ones."""
        return reduce("ReduceSum", self.astype(WHOLE) if self.dtype == BOOL else self, axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """The mean, in double precision."""
        return reduce("ReduceMean", self.astype(FLOAT), axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """The largest."""
        return reduce("ReduceMax", self, axis, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> Array:
        """The smallest."""
        return reduce("ReduceMin", self, axis, keepdims=keepdims)

    def argmax(self, axis: int = -1) -> Array:
        """The place of the largest, the first of equals."""
        return self.emit("ArgMax", axis=axis, keepdims=0, dtype=WHOLE, shape=_without(self.shape, axis))

    def argmin(self, axis: int = -1) -> Array:
        """The place of the smallest, the first of equals."""
        return self.emit("ArgMin", axis=axis, keepdims=0, dtype=WHOLE, shape=_without(self.shape, axis))

    # -- NumPy -------------------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **given: Any) -> Any:
        if method != "__call__" or ufunc not in UFUNCS or given.get("out") is not None:
            raise Unconvertible(f"numpy.{ufunc.__name__} has no counterpart in the operator set")
        return UFUNCS[ufunc](*inputs, **given)

    def __array_function__(self, function: Any, types: Any, args: Any, given: Any) -> Any:
        if function not in UFUNCS:
            raise Unconvertible(f"numpy.{function.__name__} has no counterpart in the operator set")
        return UFUNCS[function](*args, **given)

    def _unknown(self, *_: Any, **__: Any) -> Any:
        raise Unconvertible("its Python code branches on the values of the data")

    __bool__ = __float__ = __int__ = __len__ = __iter__ = __setitem__ = __array__ = __index__ = _unknown


# -- functions of two --------------------------------------------------------------------------------------------------


def pair(left: Any, right: Any, least: Any = None) -> tuple[Array, Array]:
    """Both operands as arrays of one dtype, by NumPy's rules."""
    one: Array = left if isinstance(left, Array) else right
    kinds = [_kind(value) for value in (left, right)]
    kind = STRING if STRING in kinds else np.result_type(*kinds, *([] if least is None else [least]))
    return tuple(_cast(one, value, kind) for value in (left, right))  # type: ignore[return-value]


def _kind(value: Any) -> Any:
    if isinstance(value, Array):
        return value.dtype
    if isinstance(value, bool | int | float) and not isinstance(value, np.generic):
        return value if not isinstance(value, bool) else BOOL
    dtype = np.asarray(value).dtype
    return STRING if dtype.kind in "USO" else dtype


def _cast(one: Array, value: Any, kind: Any) -> Array:
    if isinstance(value, Array):
        return value.astype(kind)
    return one.of(np.asarray(value).astype(kind))


def arithmetic(operator: str, left: Any, right: Any, *, least: Any = None) -> Array:
    """A node of two broadcast operands. Except for logical operators, Booleans become numbers."""
    logical = operator in ("And", "Or", "Xor")
    one, other = pair(left, right, least)
    if one.dtype == BOOL and not logical:
        one, other = one.astype(WHOLE), other.astype(WHOLE)
    if logical and one.dtype != BOOL:
        raise Unconvertible("it computes with the bits of numbers")
    return one.emit(operator, other, shape=broadcast(one.shape, other.shape))


def compare(operator: str, left: Any, right: Any) -> Array:
    """A comparison, of dtype bool."""
    one, other = pair(left, right)
    if one.dtype == BOOL and operator != "Equal":
        one, other = one.astype(WHOLE), other.astype(WHOLE)
    return one.emit(operator, other, dtype=BOOL, shape=broadcast(one.shape, other.shape))


def matmul(left: Any, right: Any) -> Array:
    """The matrix product, in double precision; vectors as NumPy has them."""
    one, other = pair(left, right, FLOAT)
    rows = one.shape[:-1] if one.ndim > 1 else ()
    columns = other.shape[-1:] if other.ndim > 1 else ()
    stack = other.shape[:-2] if other.ndim > one.ndim else ()
    return one.emit("MatMul", other, shape=(*stack, *rows, *columns))


def broadcast(one: Shape, other: Shape) -> Shape:
    """The shape of two operands together; an axis that is unknown in one is that of the other unless that is 1."""
    size = max(len(one), len(other))
    pairs = zip((1,) * (size - len(one)) + one, (1,) * (size - len(other)) + other, strict=True)
    return tuple(right if left == 1 else left if right == 1 or right is None else right for left, right in pairs)


def reduce(operator: str, value: Array, axis: Any, *, keepdims: bool = False) -> Array:
    """A reduction over one axis, several, or all."""
    axes = list(range(value.ndim)) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    axes = [item % value.ndim for item in axes]
    places = enumerate(value.shape)
    if keepdims:
        shape = tuple(1 if index in axes else size for index, size in places)
    else:
        shape = tuple(size for index, size in places if index not in axes)
    return value.emit(operator, np.array(axes, np.int64), keepdims=int(keepdims), shape=shape)


def _without(shape: Shape, axis: int) -> Shape:
    place = axis % len(shape)
    return shape[:place] + shape[place + 1 :]


def _index(value: Array, axis: int, item: Any) -> tuple[Array, int]:
    """One part of an index applied to `axis`, and the axis that the next part is for."""
    shape = value.shape
    if item is None:
        made = value.emit("Unsqueeze", np.array([axis], np.int64), shape=(*shape[:axis], 1, *shape[axis:]))
        return made, axis + 1
    if isinstance(item, slice):
        return _slice(value, axis, item), axis + 1
    if isinstance(item, int | np.integer):
        return value.take(np.array(_within(int(item), shape[axis]), np.int64), axis), axis
    if isinstance(item, Array):
        raise Unconvertible("it selects values with a mask")
    places = np.asarray(item)
    if places.dtype == BOOL:
        places = np.flatnonzero(places)
    if places.ndim != 1 or places.dtype.kind not in "iu":
        raise Unconvertible("it selects values with something other than positions")
    places = np.array([_within(int(place), shape[axis]) for place in places], np.int64)
    if shape[axis] is not None and np.array_equal(places, np.arange(shape[axis])):  # type: ignore[arg-type]
        return value, axis + 1
    return value.take(places, axis), axis + 1


def _within(place: int, size: int | None) -> int:
    return place + size if place < 0 and size is not None else place


def _slice(value: Array, axis: int, item: slice) -> Array:
    if item == slice(None):
        return value
    size = value.shape[axis]
    if size is not None:
        return _index(value, axis, np.arange(size)[item])[0]
    start, stop, step = (
        item.start or 0,
        np.iinfo(np.int64).max if item.stop is None else item.stop,
        item.step or 1,
    )
    bounds = [np.array([part], np.int64) for part in (start, stop, axis, step)]
    return value.emit("Slice", *bounds)
