"""The runtime that predicts by the original object, in this process. Opening it may run code of the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import PredictionError
from ..text import clip
from ..validate.building import compile_native

if TYPE_CHECKING:
    from ..opening.integrity import Members
    from ..opening.manifest import NativePayload
    from ..opening.schema import Schema
    from .selection import Call


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

    def prepare(self, method: str) -> Call:
        """The function that runs `method` of the original; a plain callable is its own prediction method."""
        function = getattr(self._model, method, self._model if callable(self._model) else None)
        if function is None:
            raise PredictionError.of("predict.no-method", f"the object has no method {clip(method)!r}")
        bind = self._bind
        return lambda batch, parameters: function(bind(batch), **parameters)

    def reopen(self) -> None:
        """Nothing to do: objects and private maps survive a fork."""

    def close(self) -> None:
        """Drop the object; its maps go with the last array that uses them."""
        self._model = None
