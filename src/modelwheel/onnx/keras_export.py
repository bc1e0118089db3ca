"""A model of Keras as a graph, by Keras' own export: tf2onnx on TensorFlow, PyTorch's exporter on PyTorch."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelwheel_loader.contract.schema import Field, Schema
from modelwheel_loader.contract.types import Tensor
from modelwheel_loader.errors import MissingExtra, ModelwheelError
from modelwheel_loader.native.keras import KerasModel
from modelwheel_loader.text import clip

from .candidates import Candidate, Conversion
from .interface import fitted, graph_inputs
from .modelfile import OnnxModel, read_model
from .torch_export import quiet
from .versions import onnxruntime_range, sort_opsets


def export_keras(model: KerasModel, schema: Schema, method: str) -> Conversion:
    """The exported graph, or why there is none."""
    try:
        yield as_candidate(_exported(model, schema), schema, method)
    except MissingExtra:
        raise
    except ModelwheelError as error:
        yield f"Keras' graph does not take the sample: {clip(error, 300)}"
    except Exception as error:  # noqa: BLE001 - exporters raise anything
        told = str(error).strip().partition("\n")[0]
        yield f"Keras does not export it: {type(error).__name__}: {clip(told, 200)}"


def as_candidate(read: OnnxModel, schema: Schema, method: str) -> Candidate:
    """The graph with what feeds it, all of its outputs the answer of `method`."""
    return Candidate(
        graph=read.graph,
        inputs=graph_inputs(fitted(schema, read.info), read.info),
        outputs={method: tuple(read.info.outputs)},
        opsets=read.info.opsets,
        weights=read.weights,
        onnxruntime=onnxruntime_range(read.info),
    )


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
    try:
        with quiet():
            import tf2onnx.convert  # importing it counts as well
    except ModuleNotFoundError as error:
        hint = 'pip install "modelwheel[tensorflow]", or pack with options=Options(runtimes=("native",))'
        message = "exporting models of TensorFlow to ONNX needs tf2onnx, which is not installed"
        raise MissingExtra.of("pack.extra", message, hint=hint) from error
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
