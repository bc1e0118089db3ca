"""A model of Keras as an archive of Keras' own classes, or as a SavedModel, which is a graph, where it holds others."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.run.archives import CONFIG, MEMBERS, KerasModel, SavedModel, foreign_names
from modelwheel_loader.text import clip

from ..capturing.capture import NativeFile
from ..onnx import quiet
from .kerasinputs import tensor_name
from .tensorflow import names_of, read_folder, saved_model_file

_TIME = (1980, 1, 1, 0, 0, 0)
_METADATA = MEMBERS[0]
_SIGNATURE = "serving_default"


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
