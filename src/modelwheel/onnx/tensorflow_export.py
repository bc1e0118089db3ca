"""A signature of a SavedModel as a graph, by tf2onnx."""

from __future__ import annotations

from typing import Any

from modelwheel_loader.contract.schema import Schema
from modelwheel_loader.errors import MissingExtra, ModelwheelError
from modelwheel_loader.native.savedmodel import SavedModel
from modelwheel_loader.text import clip

from .candidates import Conversion
from .keras_export import as_candidate, counted_names, read_unmarked
from .torch_export import quiet


def export_saved_model(model: SavedModel, schema: Schema, method: str) -> Conversion:
    """The converted graph, or why there is none."""
    try:
        yield as_candidate(read_unmarked(_converted(model).SerializeToString()), schema, method)
    except MissingExtra:
        raise
    except ModelwheelError as error:
        yield f"TensorFlow's graph does not take the sample: {clip(error, 300)}"
    except Exception as error:  # noqa: BLE001 - tf2onnx raises anything
        told = str(error).strip().partition("\n")[0]
        yield f"tf2onnx does not convert it: {type(error).__name__}: {clip(told, 200)}"


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
