"""Models of Keras as graphs by Keras' own export, and signatures of a SavedModel by tf2onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelwheel_loader.opening import Field, Schema, Tensor

from .exporting import exported, quiet, sort_opsets
from .modelfile import OnnxModel, read_model
from .result import Conversion


def export_keras(model: Any, schema: Schema, method: str) -> Conversion:
    """The exported graph, or why there is none."""
    return exported(lambda: _exported(model, schema), schema, method, framework="Keras", by="Keras")


def _exported(model: Any, schema: Schema) -> OnnxModel:
    import keras

    if keras.backend.backend() == "tensorflow":
        counted_names()
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder, "model.onnx")
        model.model.export(path, format="onnx", verbose=False, input_signature=_signature(model, schema))
        return read_unmarked(path.read_bytes())


def read_unmarked(data: bytes) -> OnnxModel:
    """The graph without the running number that exporters give it."""
    import onnx

    proto = onnx.ModelProto.FromString(data)
    proto.graph.ClearField("doc_string")
    sort_opsets(proto)
    return read_model(proto)


def counted_names() -> None:
    """Reset the counter of tf2onnx for names, which otherwise runs on over the whole process."""
    with quiet():
        import tf2onnx.convert  # importing it counts names as well
    tf2onnx.utils.INTERNAL_NAME = 1


def _signature(model: Any, schema: Schema) -> list[Any] | None:
    """The inputs, named as in the data; None for classes with a single input, which Keras has recorded."""
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
    """An input, as in the sample, of a class that does not declare its inputs."""
    import keras

    inner = field.type.shape if isinstance(field.type, Tensor) else ()
    dtype = field.type.dtype if isinstance(field.type, Tensor) else field.type.canonical
    precision = keras.config.floatx() if dtype.startswith("float") else dtype
    return keras.InputSpec(shape=(None, *inner), dtype=precision, name=field.name)


def _spec(tensor: Any, name: str) -> Any:
    import keras

    return keras.InputSpec(shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=name)


# --- TensorFlow ---


def export_saved_model(model: Any, schema: Schema, method: str) -> Conversion:
    """The converted graph, or why there is none."""

    def export() -> OnnxModel:
        return read_unmarked(_converted(model).SerializeToString())

    return exported(export, schema, method, framework="TensorFlow", by="tf2onnx")


def _converted(model: Any) -> Any:
    import tensorflow as tf

    counted_names()
    with quiet():
        import tf2onnx
        from keras.src.export.tf2onnx_lib import patch_tf2onnx

        patch_tf2onnx()  # what tf2onnx lacks for NumPy 2, which Keras brings
        specs = [model.specs[model.inputs[name]] for name in model.inputs]
        signature = [
            tf.TensorSpec(spec.shape, spec.dtype, name) for spec, name in zip(specs, model.inputs, strict=True)
        ]

        @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
        def call(*given: Any) -> Any:
            named = dict(zip(model.inputs.values(), given, strict=True))
            answers = model.signature(**named)
            return {name: answers[name] for name in model.outputs}

        proto, _ = tf2onnx.convert.from_function(call, input_signature=signature)
    return proto
