"""SavedModels of TensorFlow: the path of one, or what `tf.saved_model.load` gave."""

from __future__ import annotations

import io
import os
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import Schema
from modelwheel_loader.run import NAME, SavedModel
from modelwheel_loader.text import clip, safe

from ..capturing.capture import NativeFile
from ..extras import needed
from ..onnx import Conversion, export_saved_model, quiet
from .base import Adapter

_GRAPH = "saved_model.pb"
_LEFT = frozenset({"fingerprint.pb"})
"""Files that differ between two savings of one model, and that loading does not need."""
_TIME = (1980, 1, 1, 0, 0, 0)
_FIRST = ("serving_default", "serve")


@dataclass(slots=True)
class Opened:
    """A SavedModel with the files that it was read from."""

    model: SavedModel
    files: Mapping[str, bytes]
    signature: str
    reproducible: bool

    def predict(self, data: Any) -> Any:
        """What the signature answers."""
        return self.model.predict(data)


class TensorflowAdapter(Adapter):
    """A folder with a `saved_model.pb`, and objects with signatures that TensorFlow loaded from one."""

    framework = "tensorflow"

    def recognises(self, model: object) -> bool:
        """Whether it is such a folder, or such an object. Where TensorFlow was never imported, no object is."""
        if isinstance(model, str | os.PathLike):
            return _is_folder(model)
        trackable = getattr(getattr(sys.modules.get("tensorflow"), "__internal__", None), "tracking", None)
        base = getattr(trackable, "AutoTrackable", None)
        return base is not None and isinstance(model, base) and hasattr(model, "signatures")

    def opened(self, model: Any) -> Opened:
        """The signature that services use, with the files of the model."""
        tf = _tensorflow()
        if isinstance(model, str | os.PathLike):
            files, reproducible = read_folder(Path(model)), True
        else:
            files, reproducible = _saved(tf, model), False
        with tempfile.TemporaryDirectory() as folder:
            loaded = _loaded(tf, files, folder)
        name = _signature(loaded)
        inputs, outputs = names_of(loaded.signatures[name])
        made = SavedModel(loaded, name, dict(zip(inputs, inputs, strict=True)), outputs, _form(outputs))
        return Opened(made, files, name, reproducible)

    def class_name(self, model: Any) -> str:
        """What TensorFlow calls the format."""
        return "tensorflow.saved_model"

    def native(self, model: Opened) -> NativeFile:
        """The files as they are."""
        return saved_model_file(
            model.files, model.signature, tuple(model.model.inputs), reproducible=model.reproducible, loaded=model.model
        )

    def convert(self, model: Opened, schema: Schema, methods: Sequence[str]) -> Conversion:
        """By tf2onnx; raises `MissingExtra` without it."""
        need_tf2onnx()
        return export_saved_model(model.model, schema, "predict")


def need_tf2onnx() -> None:
    """Raise `MissingExtra` where tf2onnx is not installed."""
    purpose = "exporting models of TensorFlow to ONNX"
    with needed("tf2onnx", purpose, extra="tensorflow", or_native=True), quiet():
        import tf2onnx.convert  # noqa: F401


def _is_folder(model: str | os.PathLike[str]) -> bool:
    try:
        return Path(model, _GRAPH).is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _tensorflow() -> Any:
    with needed("tensorflow", "packing a SavedModel", extra="tensorflow"):
        import tensorflow as tf
    return tf


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of the SavedModel in `folder` by name; raises `PackError` for one that no SavedModel has."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() or name in _LEFT:
            continue
        if not NAME.fullmatch(name):
            raise PackError.of(
                "pack.file", "the folder has a file that does not belong to a SavedModel", where=clip(name, 200)
            )
        files[name] = path.read_bytes()
    return files


def _saved(tf: Any, model: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(model, folder, signatures=model.signatures)
        return read_folder(Path(folder))


def _loaded(tf: Any, files: Mapping[str, bytes], folder: str) -> Any:
    from modelwheel_loader.run import write_files

    write_files(files, folder)
    try:
        return tf.saved_model.load(folder)
    except Exception as error:  # TensorFlow's errors share no base
        message = f"TensorFlow cannot load the SavedModel: {type(error).__name__}: {clip(error, 300)}"
        raise PackError.of("pack.file", message) from error


def _signature(loaded: Any) -> str:
    """The signature that services ask, or the only one."""
    offered = list(loaded.signatures)
    for name in (*_FIRST, *offered):
        if name in offered and (name in _FIRST or len(offered) == 1):
            return str(name)
    raise PackError.of(
        "pack.native",
        "the SavedModel has no signature that services ask",
        found=clip(", ".join(map(safe, offered)) or "none", 200),
        expected=_FIRST[0],
        hint="Save it with tf.saved_model.save(model, folder, signatures=…).",
    )


def names_of(function: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The inputs and outputs of a signature, each in the order of their names and numbers."""
    return (
        tuple(sorted(function.structured_input_signature[1], key=_numbered)),
        tuple(sorted(function.structured_outputs, key=_numbered)),
    )


def _numbered(name: str) -> tuple[str, int, str]:
    """`output_2` before `output_10`, and `args_0` before `args_0_1`."""
    stem, _, number = name.rpartition("_")
    return (stem, int(number), name) if stem and number.isdecimal() else (name, -1, name)


def _form(outputs: Sequence[str]) -> str:
    return "one" if len(outputs) == 1 else "dict"


def saved_model_file(
    files: Mapping[str, bytes], signature: str, fields: Sequence[str], *, reproducible: bool, loaded: SavedModel
) -> NativeFile:
    """The files of a SavedModel as a native payload; `fields` are the data's names of what `loaded` takes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _TIME), files[name])
    return NativeFile(
        format="saved-model",
        data=made.getvalue(),
        modules={"tensorflow": "runs the model"},
        settings={
            "signature": signature,
            "fields": list(fields),
            "inputs": [loaded.inputs[name] for name in fields],
            "outputs": list(loaded.outputs),
            "form": loaded.form,
        },
        reproducible=reproducible,
    )
