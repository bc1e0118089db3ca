"""Opens Keras archives: models of Keras' own classes, with the backend that they were packed with.

`modelwheel` records answers through the same class, so arrays go in and come out the same way.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import EnvironmentMismatch
from ..text import clip
from .kerasscan import check_keras

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
