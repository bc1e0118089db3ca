"""Takes large initializers out of a graph: the loader maps them from the bundle instead of parsing them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from modelwheel_loader.opening import ALIGNMENT, DTYPES, TENSOR_DTYPES, WEIGHTS_LOCATION, Weight

LARGE = 1 << 20
"""Initializers of more bytes than this go into the weights member."""
WEIGHTS = f"onnx/{WEIGHTS_LOCATION}"
_DATA = ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data", "external_data")
Arrays = Mapping[str, np.ndarray[Any, Any]]


def stored(graph: bytes, arrays: Arrays) -> tuple[bytes, tuple[Weight, ...], list[bytes | memoryview]]:
    """The graph without its large initializers, their places in the weights member, and the content of that member.

    `arrays` are those that were taken out before; where there are none, large ones are taken out here.
    """
    if not arrays and len(graph) > LARGE:
        import onnx

        made, arrays = take_out(onnx.ModelProto.FromString(graph))
        graph = made if arrays else graph
    return graph, laid_out(arrays), list(_pieces(arrays))


def take_out(model: Any, lying_outside: Arrays | None = None) -> tuple[bytes, Arrays]:
    """The bytes of a `ModelProto` without its large initializers, and those. The model itself is not changed.

    `lying_outside` are the values of initializers that the model keeps in another file. Large ones are never
    copied into another protobuf message, which could hold no more than 2 GB.
    """
    import onnx

    outside = lying_outside or {}
    made = onnx.ModelProto()
    _copy(model, made, but="graph")
    _copy(model.graph, made.graph, but="initializer")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for tensor in model.graph.initializer:
        array = outside.get(tensor.name)
        if not _is_large(tensor, array):
            made.graph.initializer.append(_inline(tensor, array))
            continue
        arrays[tensor.name] = _values(tensor) if array is None else array
        made.graph.initializer.append(_head(tensor))
    graph: bytes = made.SerializeToString(deterministic=True)
    return graph, arrays


def laid_out(arrays: Arrays) -> tuple[Weight, ...]:
    """The place of each array in the weights member: one after another, aligned."""
    weights: list[Weight] = []
    position = 0
    for name, array in arrays.items():
        size = array.nbytes
        weights.append(Weight(name=name, dtype=str(array.dtype), shape=tuple(array.shape), offset=position, size=size))
        position += size + -size % ALIGNMENT
    return tuple(weights)


def _pieces(arrays: Arrays) -> Iterator[bytes | memoryview]:
    """The content of the weights member."""
    for array in arrays.values():
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        yield bytes(-array.nbytes % ALIGNMENT)


def _copy(source: Any, target: Any, *, but: str) -> None:
    """Every field of a message but one."""
    for described, value in source.ListFields():
        if described.name == but:
            continue
        if hasattr(value, "extend"):
            getattr(target, described.name).extend(value)
        elif hasattr(value, "CopyFrom"):
            getattr(target, described.name).CopyFrom(value)
        else:
            setattr(target, described.name, value)


def _is_large(tensor: Any, array: np.ndarray[Any, Any] | None) -> bool:
    if DTYPES.get(tensor.data_type, "") not in TENSOR_DTYPES:
        return False
    return (tensor.ByteSize() if array is None else array.nbytes) > LARGE


def _values(tensor: Any) -> np.ndarray[Any, Any]:
    """The elements; converters write lists of numbers as well as raw bytes."""
    import onnx

    if tensor.raw_data:
        return np.frombuffer(tensor.raw_data, DTYPES[tensor.data_type]).reshape(tuple(tensor.dims))
    array: np.ndarray[Any, Any] = onnx.numpy_helper.to_array(tensor)
    return array


def _inline(tensor: Any, array: np.ndarray[Any, Any] | None) -> Any:
    """The tensor with its data inside."""
    if array is None:
        return tensor
    made = _without(tensor, _DATA)
    made.raw_data = np.ascontiguousarray(array).tobytes()
    made.ClearField("data_location")
    return made


def _head(tensor: Any) -> Any:
    """The tensor without its data, with a reference to the weights member."""
    made = _without(tensor, _DATA)
    made.data_location = made.EXTERNAL
    entry = made.external_data.add()
    entry.key, entry.value = "location", WEIGHTS_LOCATION
    return made


def _without(tensor: Any, names: Iterable[str]) -> Any:
    made = type(tensor)()
    for described, value in tensor.ListFields():
        if described.name in names:
            continue
        if hasattr(value, "extend"):
            getattr(made, described.name).extend(value)
        else:
            setattr(made, described.name, value)
    return made
