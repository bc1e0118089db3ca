"""Opens SavedModels of TensorFlow: a graph with its variables, several files in one stored zip.

The graph is no Python, and it is a program all the same: it may read and write files. So the caller has made sure of
trust.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..text import clip
from .keras import arrays, fed, in_turn
from .storedzip import StoredZip

NAME = re.compile(r"(?:(?:variables|assets|assets\.extra)/)?[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""The names of files in a SavedModel."""


class SavedModel:
    """A signature of a loaded SavedModel, which takes and answers arrays.

    `inputs` maps the names in the data to those of the signature; `outputs` are the signature's, in the order of the
    answer, and `form` says what they make up: `one` array, a `list`, or a `dict`.
    """

    def __init__(
        self, loaded: Any, signature: str, inputs: Mapping[str, str], outputs: tuple[str, ...], form: str
    ) -> None:
        self.loaded = loaded
        self.inputs = dict(inputs)
        self.outputs = outputs
        self.form = form
        self.signature = loaded.signatures[signature]
        self.specs = self.signature.structured_input_signature[1]

    def predict(self, data: Any) -> Any:
        """What the signature answers: one array, a list, or a dict by name."""
        names = tuple(self.inputs) if len(self.inputs) > 1 or isinstance(data, Mapping) else ()
        return in_turn(self._answer, fed(data, names))

    def _answer(self, data: Any) -> Any:
        given = data if isinstance(data, dict) else {next(iter(self.inputs)): data}
        answers = self.signature(**{self.inputs[name]: self._tensor(item, name) for name, item in given.items()})
        made = [arrays(answers[name]) for name in self.outputs]
        if self.form == "dict":
            return dict(zip(self.outputs, made, strict=True))
        return made if self.form == "list" else made[0]

    def _tensor(self, item: np.ndarray[Any, Any], name: str) -> Any:
        """The tensor that the signature takes: of its dtype, and with the last axis that a plain column lacks."""
        import tensorflow as tf

        spec = self.specs[self.inputs[name]]
        if spec.shape.rank is not None and item.ndim == spec.shape.rank - 1:
            item = item[..., np.newaxis]
        return tf.constant(item if spec.dtype == tf.string else item.astype(spec.dtype.as_numpy_dtype), spec.dtype)


def open_saved_model(data: bytes, settings: Mapping[str, Any]) -> SavedModel:
    """The SavedModel whose files are in the zip `data`; raises InvalidBundle for a zip that holds anything else."""
    files = read_files(data)
    import tensorflow as tf

    with tempfile.TemporaryDirectory(prefix="modelwheel-") as folder:  # only this user can read or write there
        write_files(files, folder)
        loaded = tf.saved_model.load(folder)  # variables are read, and tables filled from their files
    fields, names = settings["fields"], settings["inputs"]
    return SavedModel(
        loaded,
        settings["signature"],
        dict(zip(fields, names, strict=True)),
        tuple(settings["outputs"]),
        settings["form"],
    )


def read_files(data: bytes) -> dict[str, bytes]:
    """The files in the zip `data` by name: stored, and of the names that SavedModels have."""
    archive = StoredZip(data, "SavedModel")
    for name in archive.names:
        if not NAME.fullmatch(name):
            raise archive.invalid(f"it holds {clip(name, 100)}, which is no file of one")
    return {name: archive.read(name) for name in archive.names}


def write_files(files: Mapping[str, bytes], folder: str) -> None:
    """Write `files` below `folder`, which is there."""
    for name, content in files.items():
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(content)
