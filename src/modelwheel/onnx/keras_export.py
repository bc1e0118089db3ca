"""A model of Keras as a graph, by Keras' own export: tf2onnx on TensorFlow, PyTorch's exporter on PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Tensor
from modelwheel_loader.run.archives import KerasModel

from ..extras import needed
from .candidates import Conversion
from .exporting import exported, quiet
from .modelfile import OnnxModel, read_model
from .versions import sort_opsets


def export_keras(model: KerasModel, schema: Schema, method: str) -> Conversion:
    """The exported graph, or why there is none."""
    return exported(lambda: _exported(model, schema), schema, method, framework="Keras", by="Keras")


def _exported(model: KerasModel, schema: Schema) -> OnnxModel:
    import keras

    if keras.backend.backend() == "tensorflow":
        counted_names()
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder, "model.onnx")
        model.model.export(path, format="onnx", verbose=False, input_signature=_signature(model, schema))
        return read_unmarked(path.read_bytes())


def read_unmarked(data: bytes) -> OnnxModel:
    """The graph without the number of its export in this process, which exporters note."""
    import onnx

    proto = onnx.ModelProto.FromString(data)
    proto.graph.ClearField("doc_string")
    sort_opsets(proto)
    return read_model(proto)


def counted_names() -> None:
    """Let tf2onnx number what it names from one again: by itself it counts over the whole process.

    Raises `MissingExtra` when it is not installed.
    """
    purpose = "exporting models of TensorFlow to ONNX"
    with needed("tf2onnx", purpose, extra="tensorflow", or_native=True), quiet():
        import tf2onnx.convert  # importing it counts as well
    tf2onnx.utils.INTERNAL_NAME = 1


def _signature(model: KerasModel, schema: Schema) -> list[Any] | None:
    """The inputs, named as the data has them; None for classes that take one, which Keras has watched."""
    functional = getattr(model.model, "_functional", model.model)
    structure = getattr(functional, "_inputs_struct", None)
    if structure is None:
        return [{name: _seen(schema[name]) for name in model.inputs}] if model.inputs else None
    if isinstance(structure, Mapping):
        return [{name: _spec(item, name) for name, item in structure.items()}]
    if isinstance(structure, list | tuple):
        return [[_spec(item, item.name) for item in structure]]
    return [_spec(structure, structure.name)]


def _seen(field: Field) -> Any:
    """An input of a class that does not say what it takes, as the sample has it."""
    import keras

    inner = field.type.shape if isinstance(field.type, Tensor) else ()
    dtype = field.type.dtype if isinstance(field.type, Tensor) else field.type.canonical
    precision = keras.config.floatx() if dtype.startswith("float") else dtype
    return keras.InputSpec(shape=(None, *inner), dtype=precision, name=field.name)


def _spec(tensor: Any, name: str) -> Any:
    import keras

    return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=name)
