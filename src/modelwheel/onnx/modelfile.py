"""Reads an ONNX model: a `ModelProto`, bytes, or a file whose tensors may be in other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from modelwheel_loader.errors import ModelwheelError, PackError
from modelwheel_loader.opening import DTYPES, TENSOR_DTYPES, GraphInfo, check_graph
from modelwheel_loader.text import clip

from .externalize import laid_out, take_out


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxModel:
    """A checked graph without its large initializers, these as arrays by name, and its inputs and outputs."""

    graph: bytes
    weights: Mapping[str, Any]
    info: GraphInfo


def read_model(model: Any) -> OnnxModel:
    """Read and check `model`: a `ModelProto`, its bytes, or the path of a file.

    Needs onnx. Raises `PackError` with everything for which the loader would refuse the graph.
    """
    proto, folder = _proto(model)
    _without_traces(proto)
    graph, weights = _taken_out(proto, folder)
    try:
        info = check_graph(graph, weights=laid_out(weights))
    except ModelwheelError as error:
        raise PackError("a bundle cannot hold this ONNX model", error.defects) from error
    return OnnxModel(graph=graph, weights=weights, info=info)


def _proto(model: Any) -> tuple[Any, Path | None]:
    """The message, and the folder with the files of its tensors."""
    import onnx

    if isinstance(model, onnx.ModelProto):
        made = onnx.ModelProto()
        if model.ByteSize() < _COPIED:
            made.CopyFrom(model)  # the author's message must stay whole
            return made, None
        return model, None
    if isinstance(model, bytes):
        return _parsed(model, "the bytes"), None
    path = Path(model).absolute()
    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"the ONNX file cannot be read: {clip(error.strerror)}"
        raise PackError.of("pack.file", message, where=clip(path, 300)) from error
    return _parsed(data, clip(path, 300)), path.parent


_COPIED = 1 << 30
"""Larger messages are not copied: they may not fit into another message."""


def _parsed(data: bytes, where: str) -> Any:
    import onnx

    try:
        return onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's errors share no base that is public
        raise PackError.of("pack.onnx", "not an ONNX model", where=where) from error


# --- tensors in other files ---


def _taken_out(proto: Any, folder: Path | None) -> tuple[bytes, Mapping[str, Any]]:
    outside = {tensor.name: _mapped(tensor, folder) for tensor in proto.graph.initializer if _is_outside(tensor)}
    try:
        return take_out(proto, outside)
    except ValueError as error:  # more than 2 GB without the large initializers
        raise PackError.of("pack.onnx", f"the graph is too large without its weights: {clip(error, 200)}") from error


def _is_outside(tensor: Any) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL)


def _mapped(tensor: Any, folder: Path | None) -> np.ndarray[Any, Any]:
    """The elements of a tensor, mapped from the file beside the model's."""
    place = {item.key: item.value for item in tensor.external_data}
    if folder is None:
        message = "a tensor is in another file, which cannot be found: the model was not passed as a path"
        raise PackError.of("pack.onnx", message, where=clip(tensor.name, 120))
    path = (folder / place.get("location", "")).resolve()
    dtype = DTYPES.get(tensor.data_type, "")
    if dtype not in TENSOR_DTYPES or not path.is_relative_to(folder.resolve()):
        message = "a tensor is outside the model's folder, or has elements of a type that numpy lacks"
        raise PackError.of("pack.onnx", message, where=clip(tensor.name, 120), found=clip(place.get("location", "")))
    shape = tuple(tensor.dims)
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    try:
        offset = int(place.get("offset", 0))
        raw = np.memmap(path, np.uint8, "r", offset, (size,)) if size else np.zeros(0, np.uint8)
    except (OSError, ValueError) as error:
        message = f"the file of a tensor cannot be read: {clip(error, 200)}"
        raise PackError.of("pack.onnx", message, where=clip(tensor.name, 120)) from error
    return raw.view(dtype).reshape(shape)


# --- traces of exporters ---


def _without_traces(proto: Any) -> None:
    """Drop the notes of exporters at nodes, such as source files and lines: they hold paths of the author's machine."""
    for graph in _graphs(proto.graph):
        graph.ClearField("metadata_props")
        for node in graph.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")
        for value in graph.value_info:
            value.ClearField("metadata_props")
    for function in proto.functions:
        function.ClearField("metadata_props")
        for node in function.node:
            node.ClearField("metadata_props")
            node.ClearField("doc_string")


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and all graphs inside its nodes."""
    waiting = [graph]
    while waiting:
        one = waiting.pop()
        yield one
        for node in one.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)
