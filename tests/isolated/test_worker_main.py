"""The worker's own loop in a thread of this process, which a test can look into: what it is asked, what it answers.

That workers are processes, and end as such, is for `test_failures.py`.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import modelwheel
from locked import X
from modelwheel_loader.bundle import Bundle
from modelwheel_loader.errors import ModelwheelError, OutputError, PredictionError
from modelwheel_loader.isolated import worker_main
from modelwheel_loader.isolated.channel import OUT_OF_MEMORY, Channel, Closed, Kind, Message
from modelwheel_loader.isolated.wire import Buffers, RemoteError, decode, encode, encode_batch, from_document
from modelwheel_loader.limits import DEFAULT
from modelwheel_loader.validate.inputs import compile_input


class Caller:
    """The other end of a worker's channel."""

    def __init__(self) -> None:
        mine, other = socket.socketpair()
        self.channel = Channel(mine)
        self.thread = threading.Thread(target=self._serve, args=(Channel(other),))
        self.thread.start()

    @staticmethod
    def _serve(channel: Channel) -> None:
        try:
            worker_main.serve(channel)
        except Closed:
            pass
        finally:
            channel.close()

    def ask(self, kind: Kind, document: Any, buffers: Buffers | None = None) -> Message:
        self.channel.send(kind, document, buffers or Buffers())
        return self.channel.receive()

    def open(self, bundle: Bundle, **changes: Any) -> Message:
        document: dict[str, Any] = {
            "path": str(bundle.path),
            "digest": bundle.digest,
            "integrity": "first",
            "cache": None,
        }
        document |= {"limits": DEFAULT.attributes(), "methods": list(bundle.methods)}
        return self.ask(Kind.OPEN, document | changes)

    def predict(self, bundle: Bundle, **parameters: Any) -> Message:
        buffers = Buffers()
        document: dict[str, Any] = {"method": "predict"}
        document["batch"] = encode_batch(compile_input(bundle.schema)(X), buffers)
        if parameters:
            document["parameters"] = encode(parameters, buffers)
        return self.ask(Kind.CALL, document, buffers)

    def close(self) -> None:
        self.channel.close()
        self.thread.join(30)


@pytest.fixture
def caller() -> Iterator[Caller]:
    caller = Caller()
    yield caller
    caller.close()
    assert not caller.thread.is_alive()


@pytest.fixture
def opened(caller: Caller, acting: Path) -> Bundle:
    bundle = modelwheel.open(acting)
    assert caller.open(bundle).kind is Kind.READY
    return bundle


def test_it_says_which_python_it_is_and_answers(caller: Caller, acting: Path) -> None:
    with modelwheel.open(acting) as bundle:
        ready = caller.open(bundle)
        assert ready.document == {"python": sys.version.partition(" ")[0]}
        message = caller.predict(bundle)
    assert message.kind is Kind.ANSWER
    assert decode(message.document, message.memory).tolist() == [0, 3, 6, 9]


def test_another_bundle_than_its_caller_has_checked_is_not_opened(caller: Caller, acting: Path) -> None:
    with modelwheel.open(acting) as bundle:
        message = caller.open(bundle, digest="sha256:" + "0" * 64)
    assert message.kind is Kind.FAILED
    assert from_document(message.document).code == "integrity.replaced"
    caller.thread.join(30)
    assert not caller.thread.is_alive()  # it has nothing to serve


@pytest.mark.parametrize(
    ("act", "kind", "cause", "said"),
    [
        ("raise", PredictionError, ValueError, "predict() raised ValueError"),
        ("raise own", PredictionError, RemoteError, "predict() raised Strange"),
        ("raise decimal", PredictionError, RemoteError, "predict() raised InvalidOperation"),
        ("sys.exit", PredictionError, RemoteError, "predict() raised SystemExit"),
        ("strange", OutputError, type(None), "the model's answer cannot be sent"),
    ],
)
def test_what_a_model_raises_is_told_and_the_next_call_is_answered(
    act: str, kind: type[ModelwheelError], cause: type, said: str, caller: Caller, opened: Bundle
) -> None:
    message = caller.predict(opened, act=act)
    assert message.kind is Kind.FAILED
    error = from_document(message.document)
    assert type(error) is kind
    assert type(error.__cause__) is cause
    assert said in error.message
    assert caller.predict(opened).kind is Kind.ANSWER


def test_an_answer_of_a_class_that_fails_to_be_sent_is_no_end(
    caller: Caller, opened: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Any:
        raise ZeroDivisionError("not even\x1b[2J once")

    with monkeypatch.context() as patch:
        patch.setattr("modelwheel_loader.isolated.worker_main.decode", failing)
        error = from_document(caller.predict(opened, act="answer").document)
    assert isinstance(error, OutputError)
    assert error.message == "the model's answer cannot be sent: ZeroDivisionError: not even\\x1b[2J once"
    assert caller.predict(opened).kind is Kind.ANSWER


def test_without_memory_the_worker_ends_with_a_status_of_its_own(
    caller: Caller, opened: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def end(status: int) -> None:
        ended.append(status)
        raise Closed  # this is a thread: the process stays

    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Closed):
        caller.predict(opened, act="allocate")
    assert ended == [OUT_OF_MEMORY]
