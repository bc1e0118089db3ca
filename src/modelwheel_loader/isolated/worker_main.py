"""The worker: opens one bundle's original object in its own interpreter and answers calls until its caller is gone.

It obeys its caller: it opens the bundle with the given digest, and trusts nothing but that digest.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ModelwheelError, OutputError
from ..text import clip
from .channel import OUT_OF_MEMORY, Channel, Closed, Kind, Message
from .wire import Buffers, WireError, compile_answer_encoder, compile_batch_decoder, decode, to_document

if TYPE_CHECKING:
    from ..bundle import Bundle


Method = Callable[[Message, Buffers], Any]


def main(numbers: Sequence[int]) -> None:
    """Serve: `numbers` are the descriptors of the socket, of the lifeline and of the file for faults, and a limit."""
    connection, lifeline, faults, memory = numbers
    for number in (connection, lifeline, faults):  # programs that the model starts must not have them
        os.set_inheritable(number, False)  # noqa: FBT003
    end_with_the_caller(lifeline)
    faulthandler.enable(faults)
    if memory:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    channel = Channel(socket.socket(fileno=connection))
    os.register_at_fork(after_in_child=channel.close)  # the caller must see when this process ends
    with contextlib.suppress(Closed):
        serve(channel)
    channel.close()


def end_with_the_caller(lifeline: int) -> None:
    """Have this process, and all that it starts, ended when the other end of the pipe `lifeline` closes.

    Linux does it by itself, whatever this process is busy with. (A signal on the parent's death would come when the
    thread that started the worker ends.) Elsewhere a thread waits for it, which runs when the model lets it.
    """
    if not hasattr(fcntl, "F_SETSIG"):
        threading.Thread(target=_wait_for_the_end, args=(lifeline,), daemon=True).start()
        return
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
    flags = fcntl.fcntl(lifeline, fcntl.F_GETFL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, flags | os.O_ASYNC | os.O_NONBLOCK)
    with contextlib.suppress(BlockingIOError):
        _wait_for_the_end(lifeline)  # the caller was gone before this was set up


def _wait_for_the_end(lifeline: int) -> None:
    os.read(lifeline, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def serve(channel: Channel) -> None:
    """Open the bundle that the first message names, then answer calls."""
    methods: dict[str, Method] = {}
    ready = _answer(channel, Kind.READY, lambda message, _: _open(message.document, methods))
    while ready:
        _answer(channel, Kind.ANSWER, lambda message, buffers: methods[message.document["method"]](message, buffers))


def _answer(channel: Channel, kind: Kind, work: Method) -> bool:
    """Receive a message and send the result of `work`, or its error; whether it succeeded."""
    message, buffers = channel.receive(), Buffers()
    try:
        document = work(message, buffers)
    except MemoryError:
        _flush()
        os._exit(OUT_OF_MEMORY)  # the rest of this process is not reliable
    except Exception as error:  # noqa: BLE001 - the border to foreign code: answers may be of any class
        kind, buffers, failure = Kind.FAILED, Buffers(), error
        if not isinstance(failure, ModelwheelError):
            why = f"{'' if isinstance(error, WireError) else f'{type(error).__name__}: '}{clip(error, 200)}"
            failure = OutputError.of("output.type", f"the model's answer cannot be sent: {why}")
        document = to_document(failure)
        del failure
    del message  # its memory must be free again when the answer goes
    _flush()  # what the model printed comes before its answer
    channel.send(kind, document, buffers)
    return kind is not Kind.FAILED


def _flush() -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()


def _open(document: dict[str, Any], methods: dict[str, Method]) -> Any:
    """Open the bundle and prepare its methods."""
    from ..bundle import open_again
    from ..limits import Limits

    bundle = open_again(document["path"], document["digest"], None, limits=Limits(**document["limits"]))
    runtime = bundle.open_native(integrity=document["integrity"], cache=document["cache"])
    for name in document["methods"]:
        methods[name] = _compile(name, runtime.prepare(name), bundle)
    bundle.close()
    return {"python": sys.version.partition(" ")[0]}


def _compile(name: str, call: Callable[..., Any], bundle: Bundle) -> Method:
    from ..run.selection import failed

    read = compile_batch_decoder(bundle.schema)
    write = compile_answer_encoder(bundle.methods[name].output)

    def answer(message: Message, buffers: Buffers) -> Any:
        document = message.document
        batch = read(document["batch"], message.memory)
        parameters = decode(document["parameters"], message.memory) if "parameters" in document else {}
        try:
            raw = call(batch, parameters)
        except (ModelwheelError, MemoryError):
            raise
        except BaseException as error:  # the border to foreign code, which may also raise SystemExit
            raise failed(name, error) from error
        return write(raw, batch.rows, buffers)

    return answer
