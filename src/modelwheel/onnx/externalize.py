"""Takes large initializers out of a graph, so that they are mapped from the bundle instead of parsed."""

from __future__ import annotations

from typing import Any

from modelwheel_loader.manifest import Weight
from modelwheel_loader.onnx_graph import WEIGHTS_LOCATION
from modelwheel_loader.onnx_tensors import DTYPES
from modelwheel_loader.types import TENSOR_DTYPES
from modelwheel_loader.zipformat import ALIGNMENT

LARGE = 1 << 20
"""Initializers of more bytes than this lie in the weights member."""
MEMBER = f"onnx/{WEIGHTS_LOCATION}"


def externalize(graph: bytes) -> tuple[bytes, tuple[Weight, ...], list[bytes | memoryview]]:
    """The graph without its large initializers, what they are, and the content of the weights member."""
    if len(graph) <= LARGE:
        return graph, (), []
    import onnx

    model: Any = onnx.ModelProto.FromString(graph)
    weights: list[Weight] = []
    pieces: list[bytes | memoryview] = []
    position = 0
    for tensor in model.graph.initializer:
        dtype = DTYPES.get(tensor.data_type, "")
        if tensor.ByteSize() <= LARGE or dtype not in TENSOR_DTYPES:
            continue
        # converters write lists of numbers as well as raw bytes
        data = tensor.raw_data or onnx.numpy_helper.to_array(tensor).tobytes()
        weights.append(Weight(name=tensor.name, dtype=dtype, shape=tuple(tensor.dims), offset=position, size=len(data)))
        filler = bytes(-len(data) % ALIGNMENT)
        pieces += [data, filler]
        position += len(data) + len(filler)
        for name in ("raw_data", "float_data", "double_data", "int32_data", "int64_data", "uint64_data"):
            tensor.ClearField(name)
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", WEIGHTS_LOCATION
    if not weights:
        return graph, (), []
    return model.SerializeToString(deterministic=True), tuple(weights), pieces
