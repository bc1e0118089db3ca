"""The classes that reading a `.keras` archive would build, read from its `config.json`. Nothing is imported or built.

`pack` keeps only models of Keras' own classes in such archives, so the loader refuses any other before Keras sees it:
layers with Python code inside, names of functions, and classes that a process would have to have registered.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle, MissingExtra
from ..limits import DEFAULT, Limits
from ..opening.strictjson import parse_json
from ..text import clip
from .pickle_names import Reference
from .unpickle import judged_warnings

# Zips that are payloads: the files of one model, none of them compressed.
#
# Nothing that `pack` writes is compressed, so a compressed member is refused before anything inflates it.


class StoredZip:
    """The members of the zip `data`, which is a `what` (`skops file`) in messages.

    Raises InvalidBundle for what is no such zip, for a member that is compressed, and for a name that is there twice.
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
        """The bytes of a member, compared with their CRC-32; raises InvalidBundle when it is broken or not there."""
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError) as error:
            raise self.invalid(f"{type(error).__name__}: {clip(error, 200)}") from error

    def invalid(self, reason: str) -> InvalidBundle:
        """The error for a zip that is none of its kind."""
        return InvalidBundle.of("native.file", f"the {self._what} cannot be read: {reason}")


CONFIG = "config.json"
MEMBERS = ("metadata.json", CONFIG, "model.weights.h5")
"""The members of an archive that `pack` writes. Others (assets) would be files that layers read."""
_DEPTH = 500
_BRING_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
"""Layers whose configuration is a program, or the path of one."""
_SHOWN = 20


def keras_references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The classes and functions that the archive `data` names, each once, in the order of its configuration.

    Raises InvalidBundle when it is no such archive, or names more than `limits.pickle_references`.
    """
    found: dict[Reference, None] = {}
    for item in _objects(_config(data)):
        found.setdefault(_reference(item))
        if len(found) > limits.pickle_references:
            message = f"the Keras archive names more than {limits.pickle_references:,} classes"
            raise InvalidBundle.of("native.file", message)
    return tuple(found)


def check_keras(data: bytes) -> None:
    """Raise InvalidBundle when the archive `data` holds anything but objects of Keras' own classes."""
    defects = [
        Defect(code="native.types", where=clip(name, 200), message="is no class of Keras that holds data alone")
        for name in foreign_names(data)
    ]
    if defects:
        raise InvalidBundle("the Keras archive names what a bundle may not hold", defects[:_SHOWN])


def foreign_names(data: bytes) -> tuple[str, ...]:
    """What keeps the archive `data` from being loaded by Keras alone: names of code that is not its own."""
    found = (str(_reference(item)) for item in _objects(_config(data)) if not _is_plain(item))
    return tuple(dict.fromkeys(found))


def _config(data: bytes) -> Any:
    archive = StoredZip(data, "Keras archive")
    if unknown := sorted(set(archive.names) - set(MEMBERS)):
        raise archive.invalid(f"it holds {clip(unknown[0], 100)}")
    return parse_json(archive.read(CONFIG), CONFIG, depth=_DEPTH)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Each serialized object, before what is in it. Values such as arrays have names that begin with `__`."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            name = item.get("class_name")
            if name is not None and not (isinstance(name, str) and name in _VALUES):
                yield item
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


_VALUES = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__typespec__"}
)


def _reference(item: dict[str, Any]) -> Reference:
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


# Opens Keras archives: models of Keras' own classes, with the backend that they were packed with.
#
# `modelwheel` records answers through the same class, so arrays go in and come out the same way.


ROWS_AT_ONCE = 4096
"""Rows that are answered together; more are answered in turn, which bounds the memory of what lies between layers."""
BACKENDS = ("tensorflow", "torch", "jax")
_VARIABLE = "KERAS_BACKEND"


class KerasModel:
    """A model of Keras that takes and answers arrays.

    `inputs` are the names of what it takes, when `form` says that it takes a `dict` or a `list`: a mapping or a table
    gives an array for each. A model that takes `one` array is fed the whole table.
    """

    def __init__(self, model: Any, inputs: Sequence[str], form: str) -> None:
        self.model = model
        self.inputs = tuple(inputs)
        self.form = form

    def predict(self, data: Any) -> Any:
        """What the model answers in inference mode, as arrays: one, a list, or a dict by name."""
        return in_turn(self._answer, fed(data, self.inputs))

    def _answer(self, data: Any) -> Any:
        given = [data[name] for name in self.inputs] if self.form == "list" else data
        return arrays(self.model.predict_on_batch(given))


def fed(data: Any, inputs: Sequence[str]) -> Any:
    """`data` as arrays: a dict by the names `inputs`, or one array."""
    if inputs or isinstance(data, Mapping):
        return {name: np.asarray(data[name]) for name in (inputs or data)}
    return np.asarray(data)


def in_turn(answer: Callable[[Any], Any], data: Any) -> Any:
    """The answers for all rows of `data`, asked for `ROWS_AT_ONCE` rows at a time."""
    rows = len(next(iter(data.values()))) if isinstance(data, Mapping) else len(data)
    if rows <= ROWS_AT_ONCE:
        return answer(data)
    return _joined([answer(_cut(data, start)) for start in range(0, rows, ROWS_AT_ONCE)])


def _cut(data: Any, start: int) -> Any:
    part = slice(start, start + ROWS_AT_ONCE)
    return {name: item[part] for name, item in data.items()} if isinstance(data, Mapping) else data[part]


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
    """The model in the archive `data`.

    Raises InvalidBundle when it names what is no class of Keras, before Keras sees it, and EnvironmentMismatch when
    Keras runs in this process on another backend than the model was packed with.
    """
    check_keras(data)
    keras = _keras(settings["backend"])
    with tempfile.TemporaryDirectory(prefix="modelwheel-") as folder:  # only this user can read or write there
        path = os.path.join(folder, "model.keras")
        with open(path, "xb") as file:
            file.write(data)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    return KerasModel(model, settings["inputs"], settings["form"])


def _keras(backend: str) -> Any:
    """Keras on `backend`, which it chooses once in each process, when it is first imported."""
    if backend not in BACKENDS:
        raise ValueError(f"there is no backend {clip(backend)}")
    chosen = os.environ.get(_VARIABLE)
    if "keras" not in sys.modules and chosen is None:
        os.environ[_VARIABLE] = backend
        try:
            import keras
        finally:
            del os.environ[_VARIABLE]
    elif "keras" not in sys.modules and chosen != backend:
        raise _mismatch(backend, chosen or "")
    else:
        import keras
    if keras.backend.backend() != backend:
        raise _mismatch(backend, keras.backend.backend())
    return keras


def _mismatch(backend: str, here: str) -> EnvironmentMismatch:
    return EnvironmentMismatch.of(
        "native.backend",
        "the model was packed with Keras on another backend than this process runs it on",
        found=clip(here, 40),
        expected=backend,
    )


# Opens SavedModels of TensorFlow: a graph with its variables, several files in one stored zip.
#
# The graph is no Python, and it is a program all the same: it may read and write files. So the caller has made sure of
# trust.


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


# The names that reading a skops file would look up, read from its `schema.json`. Nothing is imported or built.
#
# A skops file is a zip of arrays and of one JSON tree, in which each object names its class. The list is information,
# never a gate: the gate is skops' own audit of the same tree, with the types that the manifest lists.

TREE = "schema.json"


def skops_references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The classes and functions that the skops file `data` names, each once, in the order of the tree.

    Raises InvalidBundle when it is no such file, or names more than `limits.pickle_references`.
    """
    found: dict[Reference, None] = {}
    for module, name in _names(read_tree(data)):
        found.setdefault(Reference(module, name))
        if len(found) > limits.pickle_references:
            message = f"the skops file names more than {limits.pickle_references:,} types"
            raise InvalidBundle.of("native.file", message)
    return tuple(found)


def read_tree(data: bytes) -> Any:
    """The tree of the skops file `data`; raises InvalidBundle when there is none."""
    return parse_json(StoredZip(data, "skops file").read(TREE), TREE, depth=_DEPTH)


def _names(node: Any) -> Iterator[tuple[str, str]]:
    """Module and name of each node of the tree that has both, the node before what is in it."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            module, name = item.get("__module__"), item.get("__class__")
            if isinstance(module, str) and isinstance(name, str):
                yield module, name
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


# Opens skops files: objects of the classes that the manifest lists, and of those that skops trusts by itself.
#
# skops looks at the whole tree before it builds anything. Its reader and the classes that it builds are no border
# against hostile bytes all the same, so the caller has made sure of trust (docs/decisions/0011).


def open_skops(data: bytes, settings: Mapping[str, Any]) -> object:
    """The object in `data`, by skops, with exactly the types of the setting `types` beside its own.

    Raises MissingExtra without skops, EnvironmentMismatch for a scikit-learn that may answer differently, and
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
        with judged_warnings(data):
            return skops.io.loads(data, trusted=types)
    except UntrustedTypesFoundException as error:
        unlisted = sorted(set(skops.io.get_untrusted_types(data=data)) - set(types))
        raise InvalidBundle("the skops file holds types that the manifest does not list", _defects(unlisted)) from error


def _defects(names: list[str]) -> list[Defect]:
    return [
        Defect(
            code="native.types",
            where=clip(name, 200),
            message="is in the file and not among the types that the bundle says it has",
        )
        for name in names[:_SHOWN]
    ]
