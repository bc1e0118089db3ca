"""Keras: models on any of its backends, as an archive of Keras or as TensorFlow's graph, and exported to ONNX."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Tensor
from modelwheel_loader.run.archives import KerasModel

from ..capturing.capture import NativeFile
from ..onnx import Conversion, export_keras
from .base import Adapter
from .kerasinputs import form_of, named_inputs, only_input
from .tensorflow import need_tf2onnx


class KerasAdapter(Adapter):
    """Models of Keras 3: sequential, functional, and classes of the author's own. They are fed arrays, by name."""

    framework = "keras"

    def recognises(self, model: object) -> bool:
        """Whether it is a model of Keras. Where Keras was never imported, nothing is."""
        keras = sys.modules.get("keras")
        kind = getattr(keras, "Model", None)
        return isinstance(kind, type) and isinstance(model, kind)

    def opened(self, model: Any) -> KerasModel:
        """The model behind a `predict` that takes and answers arrays."""
        return KerasModel(model, tuple(named_inputs(model)), form_of(model))

    def class_name(self, model: KerasModel) -> str:
        """The class of the model."""
        return super().class_name(type(model.model))

    def check(self, model: KerasModel) -> None:
        """Raise `PackError` for a model that has no weights yet."""
        if not model.model.built:
            hint = "Train it, or call it on data once."
            raise PackError.of("pack.not-fitted", "this model of Keras is not built yet: it has no weights", hint=hint)

    def methods(self, model: Any) -> tuple[str, ...]:
        """`predict`."""
        return ("predict",)

    def contract(self, model: KerasModel, schema: Schema) -> Schema:
        """The sample's fields, with the axes free that the model leaves free."""
        if not model.inputs and schema.layout == "columns":
            # a class of the author's own, which takes a dict and does not say of what
            model.inputs, model.form = schema.names, "dict"
        if len(schema.fields) == 1 and only_input(model.model) is not None:
            return schema.replace(fields=(_freed(schema.fields[0], only_input(model.model)),))
        inputs = named_inputs(model.model)
        return schema.replace(fields=tuple(_freed(field, inputs.get(field.name)) for field in schema.fields))

    def native(self, model: KerasModel) -> NativeFile | str:
        """Keras' own archive; where the model holds code that is not Keras', its graph as a SavedModel."""
        import keras

        from .kerasfile import exported_file, keras_file

        made = keras_file(model)
        if isinstance(made, NativeFile):
            return made
        if keras.backend.backend() == "tensorflow":
            return exported_file(model)
        return f"no archive of Keras can bring the model back: {made}"

    def convert(self, model: KerasModel, schema: Schema, methods: Sequence[str]) -> Conversion:
        """By Keras' own export; raises `MissingExtra` without tf2onnx where Keras computes by TensorFlow."""
        import keras

        if keras.backend.backend() == "tensorflow":
            need_tf2onnx()
        return export_keras(model, schema, "predict")


def _freed(field: Field, tensor: Any) -> Field:
    """The field with the axes of `tensor` free that have no length."""
    kind = field.type
    if tensor is None or not isinstance(kind, Tensor) or len(tensor.shape) != len(kind.shape) + 1:
        return field
    shape = tuple(None if wide is None else axis for axis, wide in zip(kind.shape, tensor.shape[1:], strict=True))
    return field.replace(type=Tensor(kind.dtype, shape))
