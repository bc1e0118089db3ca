"""Takes large initializers out of a graph, so that they are mapped from the bundle instead of parsed."""

from __future__ import annotations

from typing import Any

from modelwheel_loader.manifest import Weight
from modelwheel_loader.onnx_tensors import DTYPES
from modelwheel_loader.types import TENSOR_DTYPES
from modelwheel_loader.zipformat import ALIGNMENT

LARGE = 1 << 20
"""Initializers of more bytes than this lie in the weights member."""
MEMBER = "onnx/weights.bin"


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
        if len(tensor.raw_data) <= LARGE or dtype not in TENSOR_DTYPES:
            continue
        data = tensor.raw_data
        weights.append(Weight(name=tensor.name, dtype=dtype, shape=tuple(tensor.dims), offset=position, size=len(data)))
        filler = bytes(-len(data) % ALIGNMENT)
        pieces += [data, filler]
        position += len(data) + len(filler)
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", MEMBER.rpartition("/")[2]
    if not weights:
        return graph, (), []
    return model.SerializeToString(deterministic=True), tuple(weights), pieces
