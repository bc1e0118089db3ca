"""Keras: models on any of its backends, as an archive of Keras or as TensorFlow's graph, and exported to ONNX."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.opening import Field, Schema, Tensor
from modelwheel_loader.run import CONFIG, MEMBERS, KerasModel, SavedModel, foreign_names
from modelwheel_loader.text import clip
from modelwheel_loader.validate import is_a

from ..capturing.capture import NativeFile
from ..onnx import Conversion, export_keras, quiet
from .base import Adapter, refuse_own_predict
from .tensorflow import names_of, need_tf2onnx, read_folder, saved_model_file

_TIME = (1980, 1, 1, 0, 0, 0)
_METADATA = MEMBERS[0]
_SIGNATURE = "serving_default"


class KerasAdapter(Adapter):
    """Models of Keras 3: sequential, functional, and classes of the author's own. They are fed arrays, by name."""

    framework = "keras"

    def recognises(self, model: object) -> bool:
        """Whether it is a model of Keras. Where Keras was never imported, nothing is."""
        return is_a(model, "keras", "Model")

    def opened(self, model: Any) -> KerasModel:
        """The model behind a `predict` that takes and answers arrays."""
        return KerasModel(model, tuple(named_inputs(model)), form_of(model))

    def class_name(self, model: KerasModel) -> str:
        """The class of the model."""
        return super().class_name(type(model.model))

    def check(self, model: KerasModel) -> None:
        """Raise `PackError` for a model with a `predict` of its own, or that has no weights yet."""
        refuse_own_predict(model.model, "keras", "the network")
        if not model.model.built:
            hint = "Train it, or call it on data once."
            raise PackError.of("pack.not-fitted", "this model of Keras is not built yet: it has no weights", hint=hint)

    def contract(self, model: KerasModel, schema: Schema) -> Schema:
        """The sample's fields, with the axes free that the model leaves free."""
        if not model.inputs and schema.layout == "columns":
            # a class of the author's own, which takes a dict and does not say of what
            model.inputs, model.form = schema.names, "dict"
        _refuse_others(model, schema)
        if len(schema.fields) == 1 and only_input(model.model) is not None:
            return schema.replace(fields=(_freed(schema.fields[0], only_input(model.model)),))
        inputs = named_inputs(model.model)
        return schema.replace(fields=tuple(_freed(field, inputs.get(field.name)) for field in schema.fields))

    def native(self, model: KerasModel) -> NativeFile | str:
        """Keras' own archive; where the model holds code that is not Keras', its graph as a SavedModel."""
        import keras

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


def _refuse_others(model: KerasModel, schema: Schema) -> None:
    """Raise `PackError` for fields that no input is fed with, and for inputs that are not in the sample."""
    inputs = tuple(named_inputs(model.model))
    unknown = [name for name in schema.names if name not in inputs]
    missing = [name for name in inputs if name not in schema.names]
    if inputs and (unknown or missing):
        hint = f"The inputs of the model are {clip(', '.join(inputs), 200)}: pass a dict with these names."
        told = [(name, "is not an input of the model") for name in unknown]
        told += [(name, "is not in the sample") for name in missing]
        defects = [Defect(code="pack.schema", message=message, field=name, hint=hint) for name, message in told]
        raise PackError("the model does not take the sample", defects)


def _freed(field: Field, tensor: Any) -> Field:
    """The field with the axes of `tensor` free that have no length."""
    kind = field.type
    if tensor is None or not isinstance(kind, Tensor) or len(tensor.shape) != len(kind.shape) + 1:
        return field
    shape = tuple(None if wide is None else axis for axis, wide in zip(kind.shape, tensor.shape[1:], strict=True))
    return field.replace(type=Tensor(kind.dtype, shape))


# --- the inputs of a model, where it says so ---


def structure_of(model: Any) -> Any:
    """The inputs as the model was built with them: a tensor, a list or a dict; None for a model that is a class."""
    functional = getattr(model, "_functional", model)
    return getattr(functional, "_inputs_struct", None)


def named_inputs(model: Any) -> dict[str, Any]:
    """The inputs by the names that data has them under; empty when the model does not say, or takes one array."""
    structure = structure_of(model)
    if isinstance(structure, Mapping):
        return dict(structure)
    if isinstance(structure, list | tuple):
        return {item.name: item for item in structure}
    return {}


def form_of(model: Any) -> str:
    """What the model is called with: `one` array, a `list`, or a `dict`."""
    structure = structure_of(model)
    if isinstance(structure, Mapping):
        return "dict"
    return "list" if isinstance(structure, list | tuple) else "one"


def only_input(model: Any) -> Any:
    """The one tensor that the model takes; None when it takes several, or does not say."""
    structure = structure_of(model)
    return None if isinstance(structure, Mapping | list | tuple) else structure


def tensor_name(model: Any, name: str) -> str:
    """The name that the model itself has for the input `name`."""
    found = named_inputs(model).get(name)
    return name if found is None else str(found.name)


# --- files: an archive of Keras' own classes, or a SavedModel where the model holds others ---


def keras_file(model: KerasModel) -> NativeFile | str:
    """The model in Keras' own format, without its optimizer, or why it cannot be kept so."""
    import keras

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder, "model.keras")
        try:
            model.model.save(path)
            other = foreign_names(_normal(path.read_bytes()))
            if other:
                return f"it holds {clip(', '.join(other), 200)}, whose code does not travel"
            with _nothing_registered(keras):
                alone = keras.saving.load_model(path, compile=False, safe_mode=True)
            alone.save(path)
        except Exception as error:  # noqa: BLE001 - configurations of layers raise anything
            return f"Keras cannot save and load it: {type(error).__name__}: {clip(error, 200)}"
        data = _normal(path.read_bytes())
    backend = keras.backend.backend()
    return NativeFile(
        format="keras",
        data=data,
        modules={"keras": "reads the model", backend: "computes"},
        settings={"backend": backend, "inputs": list(model.inputs), "form": model.form},
    )


@contextmanager
def _nothing_registered(keras: Any) -> Iterator[None]:
    """Without what this process has registered, and others have not."""
    registry = keras.saving.get_custom_objects()
    before = dict(registry)
    registry.clear()
    try:
        yield
    finally:
        registry.update(before)


def _normal(data: bytes) -> bytes:
    """The archive with fixed times, and without what only training needs: the same model gives the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name == _METADATA:
                content = _dumped({**json.loads(content), "date_saved": "1980-01-01@00:00:00"})
            elif name == CONFIG:
                content = _dumped({**json.loads(content), "compile_config": None})
            new.writestr(zipfile.ZipInfo(name, _TIME), content)
    return made.getvalue()


def _dumped(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def exported_file(model: KerasModel) -> NativeFile:
    """The model's graph as a SavedModel: of Keras on TensorFlow, with whatever code in its layers.

    Raises `PackError` when TensorFlow cannot trace it.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, quiet():
        try:
            model.model.export(folder, format="tf_saved_model", verbose=False)
        except Exception as error:  # tracing runs the code of layers
            message = f"TensorFlow cannot trace the model: {type(error).__name__}: {clip(error, 300)}"
            raise PackError.of("pack.native", message) from error
        files = read_folder(Path(folder))
        loaded = tf.saved_model.load(folder)
    inputs, outputs = names_of(loaded.signatures[_SIGNATURE])
    fields = sorted(model.inputs) if model.inputs else inputs  # in which order Keras numbers what has no names
    tensors = [tensor_name(model.model, name) for name in fields]
    names = tensors if set(tensors) == set(inputs) else inputs
    numbered = all(name.startswith("output_") for name in outputs)
    form = ("one" if len(outputs) == 1 else "list") if numbered else "dict"
    opened = SavedModel(loaded, _SIGNATURE, dict(zip(fields, names, strict=True)), outputs, form)
    return saved_model_file(files, _SIGNATURE, fields, reproducible=False, loaded=opened)
