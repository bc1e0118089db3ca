"""The runtimes of a bundle: what opens a payload and answers a method call with checked data.

Each has the same face: `methods`, `prepare(method)`, `reopen()` and `close()`. They know nothing of schemas' checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .environments import check as environment
from .errors import Defect, PredictionError, UsageError
from .manifest.records import NativePayload, OnnxPayload, Payload
from .onnx import session as onnx_session
from .onnx.feeds import compile_feeds
from .text import clip, safe

if TYPE_CHECKING:
    from .archive.members import Members
    from .batch import Batch
    from .contract.schema import Schema

Call = Callable[["Batch", Mapping[str, Any]], object]
"""Answers a checked batch, with the checked parameters that the caller gave beside it."""


class Runtime(Protocol):
    """An opened payload."""

    kind: str

    def prepare(self, method: str) -> Call:
        """The function that answers `method`."""

    def reopen(self) -> None:
        """Make the runtime work in a forked child, on its next call."""

    def close(self) -> None:
        """Give up what the runtime holds."""


def hindrances(payload: Payload, name: str) -> list[Defect]:
    """Why `payload` of the bundle `name` cannot run here; empty when it can. Trust is not judged here."""
    python = payload.python_specifier if isinstance(payload, NativePayload) else None
    return environment.check(python, payload.requires, bundle=name, extra=payload.kind)


class OnnxRuntime:
    """Runs the graph by onnxruntime. No code of the bundle runs."""

    kind = "onnx"

    def __init__(
        self, payload: OnnxPayload, schema: Schema, members: Members, options: onnx_session.SessionOptions | None
    ) -> None:
        options = onnx_session.SessionOptions.checked(options)
        self._payload = payload
        self._feeds = compile_feeds(schema, payload.inputs)
        self._open: Callable[[], onnx_session.Session] = lambda: onnx_session.open_session(
            members.small(payload.member),
            _weights(payload, members),
            declared=payload.weights,
            options=options,
            inputs=payload.inputs,
            outputs=[name for names in payload.outputs.values() for name in names],
            limits=members.limits,
        )
        self._session: onnx_session.Session | None = self._open()
        self._abandoned: list[object] = []

    def prepare(self, method: str) -> Call:
        """The function that answers `method`: one array, or a list of them."""
        names = self._payload.outputs[method]
        feeds = self._feeds
        single = len(names) == 1

        def call(batch: Batch, parameters: Mapping[str, Any]) -> object:
            if parameters:
                raise _fixed(method)
            session = self._session
            if session is None:
                session = self._session = self._open()
            answers = session.run(feeds(batch), names)
            return answers[0] if single else answers

        return call

    def reopen(self) -> None:
        """Forget the session, whose threads did not survive the fork; ending it would wait for them."""
        self._abandoned.append(self._session)
        self._session = None

    def close(self) -> None:
        """Drop the session."""
        self._session = None
        self._open = _closed


def _fixed(method: str) -> UsageError:
    return UsageError.of(
        "usage.parameter-runtime",
        f"the graph of {safe(method)} was made with the defaults of its parameters",
        hint='Load the original, which takes them: load(…, runtime="native").',
    )


def _closed() -> onnx_session.Session:
    raise UsageError.of("usage.closed", "the model is closed")


def _weights(payload: OnnxPayload, members: Members) -> Mapping[str, Any]:
    if payload.weights_member is None:
        return {}
    import numpy as np

    data = members.mapped(payload.weights_member, code=False)
    return {
        weight.name: np.frombuffer(data[weight.offset : weight.offset + weight.size], dtype=weight.dtype).reshape(
            weight.shape
        )
        for weight in payload.weights
    }


class NativeRuntime:
    """Runs the original object in this process. Opening runs code of the bundle, or a compiled reader of its bytes."""

    kind = "native"

    def __init__(self, payload: NativePayload, schema: Schema, members: Members, bundle: str) -> None:
        from .binding.bind import compile_native

        buffers = []
        if payload.buffers_member is not None:
            arrays = members.mapped(payload.buffers_member, code=False)
            buffers = [arrays[offset : offset + size] for offset, size in payload.spans]
        if payload.code_member is not None:
            from .native.code_modules import make_importable, read_sources

            make_importable(read_sources(members.small(payload.code_member), payload.modules), bundle)
        self._bind = compile_native(schema)
        data = members.small(payload.member)
        self._model: Any
        if payload.format == "pickle":
            from .native.unpickle import load_pickle

            self._model = load_pickle(data, buffers, bundle=bundle)
        else:
            from .native.files import open_file

            self._model = open_file(payload.format, data, payload.settings)

    def prepare(self, method: str) -> Call:
        """The function that answers `method`: whatever the original's method answers."""
        model = self._model
        function = getattr(model, method, None)
        if function is None and callable(model):
            function = model  # a plain callable is its own prediction method
        if function is None:
            raise PredictionError.of("predict.no-method", f"the object has no method {clip(method)!r}")
        bind = self._bind
        return lambda batch, parameters: function(bind(batch), **parameters)

    def reopen(self) -> None:
        """Nothing to do: objects and private maps survive a fork."""

    def close(self) -> None:
        """Drop the object; its maps go with the last array that uses them."""
        self._model = None


def failed(method: str, error: BaseException) -> PredictionError:
    """The error for an exception that the model itself raised."""
    return PredictionError.of(
        "predict.failed",
        f"the model's {safe(method)}() raised {type(error).__name__}: {clip(error, 300)}",
    )
