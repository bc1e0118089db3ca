"""A signature of a SavedModel as a graph, by tf2onnx."""

from __future__ import annotations

from typing import Any

from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.run.archives import SavedModel

from .candidates import Conversion
from .exporting import exported, quiet
from .keras_export import counted_names, read_unmarked
from .modelfile import OnnxModel


def export_saved_model(model: SavedModel, schema: Schema, method: str) -> Conversion:
    """The converted graph, or why there is none."""

    def export() -> OnnxModel:
        return read_unmarked(_converted(model).SerializeToString())

    return exported(export, schema, method, framework="TensorFlow", by="tf2onnx")


def _converted(model: SavedModel) -> Any:
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
