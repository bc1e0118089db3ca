"""Models that are zip archives (skops files, Keras archives, SavedModels): the names in them, how each is opened.

Names are read before anything is imported or built. Opening runs no Python of the bundle, but hostile bytes may harm
the readers of the frameworks all the same, so the caller has established trust (docs/decisions/0011).
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle, MissingExtra
from ..limits import DEFAULT, Limits
from ..opening.strictjson import parse_json
from ..text import clip
from .pickle_names import Reference
from .unpickle import version_warnings

_DEPTH = 500
"""Nesting of a JSON tree: five levels for each estimator inside another."""
_SHOWN = 20


class StoredZip:
    """The members of the zip `data`, which is called `what` (`skops file`) in messages.

    Nothing that `pack` writes is compressed, so a compressed member is refused before anything inflates it. Raises
    InvalidBundle for what is not such a zip, and for a name that is there twice.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._what = what
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise self.invalid(f"{type(error).__name__}: {clip(error, 200)}") from error
        members = self._archive.infolist()
        self.names = tuple(item.filename for item in members)
        if len(set(self.names)) < len(self.names):
            raise self.invalid("a name is there twice")
        for item in members:
            if item.compress_type != zipfile.ZIP_STORED or item.file_size != item.compress_size:
                raise self.invalid(f"{clip(item.filename, 100)} is compressed")

    def read(self, name: str) -> bytes:
        """The bytes of a member, compared with their CRC-32; raises InvalidBundle when it is broken or absent."""
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError) as error:
            raise self.invalid(f"{type(error).__name__}: {clip(error, 200)}") from error

    def invalid(self, reason: str) -> InvalidBundle:
        """The error for such a file that cannot be read."""
        return InvalidBundle.of("native.file", f"the {self._what} cannot be read: {reason}")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Each object of a JSON tree, before what is in it."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            yield item
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def _bounded(names: Iterable[Reference], what: str, limits: Limits) -> tuple[Reference, ...]:
    """The names, each once; raises InvalidBundle when they are more than `limits.pickle_references`."""
    found: dict[Reference, None] = {}
    for name in names:
        found.setdefault(name)
        if len(found) > limits.pickle_references:
            raise InvalidBundle.of("native.file", f"the {what} names more than {limits.pickle_references:,} classes")
    return tuple(found)


def _foreign(names: Iterable[str], message: str, each: str) -> InvalidBundle:
    defects = [Defect(code="native.types", where=clip(name, 200), message=each) for name in names]
    return InvalidBundle(message, defects[:_SHOWN])


# --- skops: a zip of arrays and of one JSON tree, in which each object names its class ---

TREE = "schema.json"


def read_tree(data: bytes) -> Any:
    """The tree of the skops file `data`; raises InvalidBundle when there is none."""
    return parse_json(StoredZip(data, "skops file").read(TREE), TREE, depth=_DEPTH)


def skops_references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The classes and functions that the skops file `data` names, each once, in the order of the tree.

    Information, never a gate: the gate is skops' own audit of the tree. Raises InvalidBundle.
    """
    pairs = ((item.get("__module__"), item.get("__class__")) for item in _nodes(read_tree(data)))
    named = (Reference(module, name) for module, name in pairs if isinstance(module, str) and isinstance(name, str))
    return _bounded(named, "skops file", limits)


def open_skops(data: bytes, settings: Mapping[str, Any]) -> object:
    """The object in `data`, by skops, with exactly the types of the setting `types` beside those that skops trusts.

    Raises MissingExtra without skops, EnvironmentMismatch for a scikit-learn that may predict differently, and
    InvalidBundle for a file with another type, of which nothing is built.
    """
    try:
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ModuleNotFoundError as error:
        hint = 'pip install "modelwheel[skops]"'
        message = "the model is a skops file, and skops is not installed"
        raise MissingExtra.of("native.skops", message, hint=hint) from error
    StoredZip(data, "skops file")  # nothing in it is compressed, so nothing grows when skops reads it
    types = [name for name in settings.get("types", ()) if isinstance(name, str)]
    try:
        with version_warnings(data):
            return skops.io.loads(data, trusted=types)
    except UntrustedTypesFoundException as error:
        unlisted = sorted(set(skops.io.get_untrusted_types(data=data)) - set(types))
        message = "the skops file holds types that the manifest does not list"
        raise _foreign(unlisted, message, "is in the file and not among the types that the bundle lists") from error


# --- Keras: `pack` keeps only models of Keras' own classes, so any other is refused before Keras reads the archive:
# layers with Python code inside, names of functions, and classes that a process would have to have registered ---

CONFIG = "config.json"
MEMBERS = ("metadata.json", CONFIG, "model.weights.h5")
"""The members of an archive that `pack` writes. Others (assets) would be files that layers read."""
_BRING_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
"""Layers whose configuration is a program, or the path of one."""
_VALUES = ("__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__typespec__")


def keras_references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The classes and functions that the archive `data` names, each once, in the order of its configuration."""
    return _bounded(map(_keras_reference, _keras_objects(data)), "Keras archive", limits)


def check_keras(data: bytes) -> None:
    """Raise InvalidBundle when the archive `data` holds anything but objects of Keras' own classes."""
    if foreign := foreign_names(data):
        message = "the Keras archive names what a bundle may not hold"
        raise _foreign(foreign, message, "is not a class of Keras that holds data alone")


def foreign_names(data: bytes) -> tuple[str, ...]:
    """What keeps the archive `data` from being loaded by Keras alone: names of code that is not its own."""
    found = (str(_keras_reference(item)) for item in _keras_objects(data) if not _is_plain(item))
    return tuple(dict.fromkeys(found))


def _keras_objects(data: bytes) -> Iterator[dict[str, Any]]:
    """Each serialized object of the configuration that is not a value, such as an array."""
    archive = StoredZip(data, "Keras archive")
    if unknown := sorted(set(archive.names) - set(MEMBERS)):
        raise archive.invalid(f"it holds {clip(unknown[0], 100)}")
    config = parse_json(archive.read(CONFIG), CONFIG, depth=_DEPTH)
    return (item for item in _nodes(config) if item.get("class_name") not in (None, *_VALUES))


def _keras_reference(item: dict[str, Any]) -> Reference:
    module, name = item.get("module"), item["class_name"]
    if name == "function" and isinstance(item.get("config"), str):
        name = item["config"]
    return Reference(module if isinstance(module, str) else "<registered>", clip(name, 200))


def _is_plain(item: dict[str, Any]) -> bool:
    """Whether the object is of a class of Keras that is built from data. Functions of Keras have small letters."""
    module, name = item.get("module"), item["class_name"]
    return (
        isinstance(module, str)
        and module.partition(".")[0] == "keras"
        and isinstance(name, str)
        and name[:1].isupper()
        and name not in _BRING_CODE
        and item.get("registered_name") in (None, name)
    )


class KerasModel:
    """A model of Keras with arrays as input and output; `modelwheel` records answers through the same class.

    `inputs` are the names of its inputs, when `form` says that it takes a `dict` or a `list`: a mapping or a table
    gives an array for each. A model that takes `one` array gets the whole table.
    """

    def __init__(self, model: Any, inputs: Sequence[str], form: str) -> None:
        self.model = model
        self.inputs = tuple(inputs)
        self.form = form

    def predict(self, data: Any) -> Any:
        """The output in inference mode, as arrays: one, a list, or a dict by name."""
        return _in_turn(self._answer, _as_arrays(data, self.inputs))

    def _answer(self, data: Any) -> Any:
        given = [data[name] for name in self.inputs] if self.form == "list" else data
        return arrays(self.model.predict_on_batch(given))


def _as_arrays(data: Any, inputs: Sequence[str]) -> Any:
    """`data` as arrays: a dict by the names `inputs`, or one array."""
    if inputs or isinstance(data, Mapping):
        return {name: np.asarray(data[name]) for name in (inputs or data)}
    return np.asarray(data)


ROWS_AT_ONCE = 4096
"""Rows in one batch; more are predicted in turn, which bounds the memory between layers."""


def _in_turn(answer: Callable[[Any], Any], data: Any) -> Any:
    """The answers for all rows of `data`, by batches of `ROWS_AT_ONCE` rows."""
    rows = len(next(iter(data.values()))) if isinstance(data, Mapping) else len(data)
    if rows <= ROWS_AT_ONCE:
        return answer(data)
    parts = (slice(start, start + ROWS_AT_ONCE) for start in range(0, rows, ROWS_AT_ONCE))
    if isinstance(data, Mapping):
        return _joined([answer({name: item[part] for name, item in data.items()}) for part in parts])
    return _joined([answer(data[part]) for part in parts])


def _joined(parts: Sequence[Any]) -> Any:
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: _joined([part[name] for part in parts]) for name in first}
    if isinstance(first, list):
        return [_joined(list(several)) for several in zip(*parts, strict=True)]
    return np.concatenate(parts)


def arrays(answer: Any) -> Any:
    """Tensors as arrays. Dicts are in the order of their names: backends and graphs have orders of their own."""
    if isinstance(answer, Mapping):
        return {str(name): arrays(answer[name]) for name in sorted(answer)}
    if isinstance(answer, list | tuple):
        return [arrays(item) for item in answer]
    return np.asarray(answer)


def open_keras(data: bytes, settings: Mapping[str, Any]) -> KerasModel:
    """The model in the archive `data`, with the backend that it was packed with.

    Raises InvalidBundle when it names what is not a class of Keras, before Keras reads it, and EnvironmentMismatch when
    Keras runs in this process on another backend.
    """
    check_keras(data)
    keras = _import_keras(settings["backend"])
    with tempfile.TemporaryDirectory(prefix="modelwheel-") as folder:  # only this user can read or write there
        write_files({"model.keras": data}, folder)
        path = os.path.join(folder, "model.keras")
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return KerasModel(model, settings["inputs"], settings["form"])


def _import_keras(backend: str) -> Any:
    """Keras on `backend`, which it chooses once in each process, when it is first imported."""
    if backend not in ("tensorflow", "torch", "jax"):
        raise ValueError(f"unknown backend {clip(backend)}")
    chosen = os.environ.get("KERAS_BACKEND")
    if "keras" in sys.modules or chosen == backend:
        import keras
    elif chosen is not None:
        raise _other_backend(backend, chosen)
    else:
        os.environ["KERAS_BACKEND"] = backend
        try:
            import keras
        finally:
            del os.environ["KERAS_BACKEND"]
    if keras.backend.backend() != backend:
        raise _other_backend(backend, keras.backend.backend())
    return keras


def _other_backend(backend: str, here: str) -> EnvironmentMismatch:
    message = "the model was packed with Keras on another backend than this process runs it on"
    return EnvironmentMismatch.of("native.backend", message, found=clip(here, 40), expected=backend)


# --- SavedModels of TensorFlow: a graph with its variables, several files in one zip. The graph is not Python, but it
# is a program: it may read and write files ---

NAME = re.compile(r"(?:(?:variables|assets|assets\.extra)/)?[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""The names of files in a SavedModel."""


class SavedModel:
    """A signature of a loaded SavedModel, with arrays as input and output.

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
        """The outputs of the signature: one array, a list, or a dict by name."""
        names = tuple(self.inputs) if len(self.inputs) > 1 or isinstance(data, Mapping) else ()
        return _in_turn(self._answer, _as_arrays(data, names))

    def _answer(self, data: Any) -> Any:
        given = data if isinstance(data, dict) else {next(iter(self.inputs)): data}
        answers = self.signature(**{self.inputs[name]: self._tensor(item, name) for name, item in given.items()})
        made = [arrays(answers[name]) for name in self.outputs]
        if self.form == "dict":
            return dict(zip(self.outputs, made, strict=True))
        return made if self.form == "list" else made[0]

    def _tensor(self, item: np.ndarray[Any, Any], name: str) -> Any:
        """The tensor for the signature: of its dtype, and with the last axis that a plain column lacks."""
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
    inputs = dict(zip(settings["fields"], settings["inputs"], strict=True))
    return SavedModel(loaded, settings["signature"], inputs, tuple(settings["outputs"]), settings["form"])


def read_files(data: bytes) -> dict[str, bytes]:
    """The files in the zip `data` by name: stored, and of the names that SavedModels have."""
    archive = StoredZip(data, "SavedModel")
    for name in archive.names:
        if not NAME.fullmatch(name):
            raise archive.invalid(f"it holds {clip(name, 100)}, which is not a file of a SavedModel")
    return {name: archive.read(name) for name in archive.names}


def write_files(files: Mapping[str, bytes], folder: str) -> None:
    """Write new `files` below the existing `folder`."""
    for name, content in files.items():
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(content)
