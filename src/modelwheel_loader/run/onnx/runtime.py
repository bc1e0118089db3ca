"""The runtime that answers by onnxruntime. No code of the bundle runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UsageError
from ...text import safe
from .feeds import compile_feeds
from .session import Session, SessionOptions, open_session

if TYPE_CHECKING:
    from ...opening.manifest import OnnxPayload
    from ...opening.members import Members
    from ...opening.schema import Schema
    from ...validate.batch import Batch
    from ..selection import Call


class OnnxRuntime:
    """Runs the graph of a bundle."""

    kind = "onnx"

    def __init__(self, payload: OnnxPayload, schema: Schema, members: Members, options: SessionOptions | None) -> None:
        options = SessionOptions.checked(options)
        self._payload = payload
        self._feeds = compile_feeds(schema, payload.inputs)
        # a forked child opens it once more, and by then an installer may have put another version there
        read, weights = members.opened(payload.member), _weights(payload, members)
        self._open: Callable[[], Session] = lambda: open_session(
            read(),
            weights,
            declared=payload.weights,
            options=options,
            inputs=payload.inputs,
            outputs=[name for names in payload.outputs.values() for name in names],
            limits=members.limits,
        )
        self._session: Session | None = self._open()

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
        """Forget the session, whose threads did not survive the fork: ending it would wait for them, or crash."""
        _never_end(self._session)
        self._session = None

    def close(self) -> None:
        """Drop the session."""
        self._session = None
        self._open = _closed


def _never_end(session: object) -> None:
    """Keep what lies behind a session for ever: a reference that nobody gives back, the end of Python included."""
    import ctypes  # numpy has imported it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def _fixed(method: str) -> UsageError:
    return UsageError.of(
        "usage.parameter-runtime",
        f"the graph of {safe(method)} was made with the defaults of its parameters",
        hint='Load the original, which takes them: load(…, runtime="native").',
    )


def _closed() -> Session:
    raise UsageError.of("usage.closed", "the model is closed")


def _weights(payload: OnnxPayload, members: Members) -> Mapping[str, Any]:
    if payload.weights_member is None:
        return {}
    data = members.mapped(payload.weights_member)
    return {
        weight.name: np.frombuffer(data[weight.offset : weight.offset + weight.size], dtype=weight.dtype).reshape(
            weight.shape
        )
        for weight in payload.weights
    }
