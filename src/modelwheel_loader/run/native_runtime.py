"""The runtime that predicts by the original object, in this process. Opening it may run code of the bundle."""

from __future__ import annotations

import contextlib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import PredictionError, UsageError
from ..text import clip
from ..validate.building import compile_native

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..opening.integrity import Members
    from ..opening.manifest import NativePayload
    from ..opening.schema import Schema
    from ..validate.batch import Batch
    from .selection import Call


_WRAPPED = ("module", "model", "booster", "loaded")
"""The attribute in which a wrapper of ours has the original, whichever it has."""


class NativeRuntime:
    """Runs the original object in this process. Opening runs code of the bundle, or a compiled reader of its bytes."""

    kind = "native"

    def __init__(self, payload: NativePayload, schema: Schema, members: Members, bundle: str) -> None:
        buffers = []
        if payload.buffers_member is not None:
            arrays = members.mapped(payload.buffers_member)
            buffers = [arrays[offset : offset + size] for offset, size in payload.spans]
        if payload.code_member is not None:
            from .bundled_code import make_importable, read_sources

            make_importable(read_sources(members.small(payload.code_member), payload.modules), bundle)
        self._bind = compile_native(schema)
        data = members.small(payload.member)
        self._model: Any
        if payload.format == "pickle":
            from .unpickle import load_pickle

            self._model = load_pickle(data, buffers, bundle=bundle)
        else:
            from .model_files import open_file

            self._model = open_file(payload.format, data, payload.settings)
        self._context = _compile_context(payload)  # the model has imported what it needs

    def prepare(self, method: str) -> Call:
        """The function that runs `method` of the original; a plain callable is its own prediction method."""
        function = getattr(self._model, method, self._model if callable(self._model) else None)
        if function is None:
            raise PredictionError.of("predict.no-method", f"the object has no method {clip(method)!r}")
        bind, context = self._bind, self._context
        if context is None:
            return lambda batch, parameters: function(bind(batch), **parameters)

        def call(batch: Batch, parameters: Mapping[str, Any]) -> object:
            with context():
                return function(bind(batch), **parameters)

        return call

    def original(self) -> Any:
        """The object that was packed; without our wrapper, through which some models take rows."""
        if self._model is None:
            raise UsageError.of("usage.closed", "the model is closed")
        ours = type(self._model).__module__.startswith(f"{__package__.partition('.')[0]}.")
        return next(vars(self._model)[name] for name in _WRAPPED if name in vars(self._model)) if ours else self._model

    def reopen(self) -> None:
        """Nothing to do: objects and private maps survive a fork."""

    def close(self) -> None:
        """Drop the object; its maps go with the last array that uses them."""
        self._model = None


def _compile_context(payload: NativePayload) -> Callable[[], Any] | None:
    """The context of a call: scikit-learn's settings as the author had them, whatever the caller's are.

    They belong to a thread. None when the model does not need scikit-learn.
    """
    if not any(item.name == "scikit-learn" for item in payload.requires):
        return None
    with contextlib.suppress(ImportError):
        sklearn: Any = import_module("sklearn")  # a fixed name, never one from a file
        settings = {
            "transform_output": payload.transform_output,
            "enable_metadata_routing": payload.metadata_routing,
        }
        known = {name: value for name, value in settings.items() if name in sklearn.get_config()}
        return lambda: sklearn.config_context(**known)
    return None
