"""A worker as its caller sees it: start, call, watch, end. Every failure of a worker is a `WorkerError`."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Mapping
from threading import Lock
from typing import Any

from ..errors import WorkerError
from ..text import clip, safe
from .channel import OUT_OF_MEMORY, Channel, Closed, Kind, Message, nameless
from .wire import Buffers, WireError, from_document

_COPIED = 1 << 22
"""Up to so many bytes an answer is copied out of shared memory: a small one must not hold a large segment."""
_PATIENCE = 2.0
"""The seconds within which a worker must end by itself."""
_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC})
_BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker_boot.py")
_HIDDEN = ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "CONDA")
_FAILURES: tuple[tuple[type[Exception], str, str], ...] = (
    (TimeoutError, "worker.timeout", "the worker did not {what} within {timeout:g} seconds, and was ended"),
    (WireError, "worker.protocol", "the worker broke the protocol: {error}"),
    (OSError, "worker.resources", "the system lacks the resources to {what}: {error}"),
)
_ENDS = {
    None: ("worker.crashed", "hung up"),
    OUT_OF_MEMORY: ("worker.memory", "ran out of memory"),
    -signal.SIGKILL: ("worker.killed", "was killed (SIGKILL)"),
}
"""By exit status: the code and how the worker ended; None for one that runs on."""


class Worker:
    """One child process, which has opened one bundle. It answers one call at a time.

    It belongs to the thread that has it; another one may only `stop` it.
    """

    def __init__(self, python: str, bytecode: str, opening: Mapping[str, Any], memory: int | None) -> None:
        """Start the process and tell it what to open; `ready` waits for that."""
        self._reaping = Lock()
        self._held = contextlib.ExitStack()
        self._channel: Channel | None = None
        try:
            with contextlib.ExitStack() as lent:
                self._faults = self._held.enter_context(os.fdopen(nameless(), "w+b"))
                mine, other = socket.socketpair()
                lent.callback(other.close)
                self._channel = Channel(mine, copied=_COPIED)
                self._held.callback(self._channel.close)
                reading, lifeline = os.pipe()
                lent.callback(os.close, reading)
                self._held.callback(os.close, lifeline)
                descriptors = (other.fileno(), reading, self._faults.fileno())
                self._process = _start(python, bytecode, descriptors, memory or 0, lent)
        except OSError as error:
            self._release()
            if error.errno in _RESOURCES:
                raise _failure(error, "start a worker") from error
            raise WorkerError.of("worker.start", f"{safe(python)} cannot be started: {clip(error, 200)}") from error
        _ALL.add(self)
        with contextlib.suppress(Closed):  # `ready` reports why
            self._channel.send(Kind.OPEN, dict(opening), Buffers())

    def ready(self, timeout: float) -> None:
        """Wait until the model is open; raises what kept the worker from opening it, and then the worker is gone."""
        try:
            self._exchange(None, Kind.READY, timeout, "open the model")
        except BaseException:
            self.kill()
            raise

    def ask(self, document: Any, buffers: Buffers, timeout: float | None) -> Message:
        """Send a call and give the answer. Raises the error of the model, or `WorkerError` and the worker is gone."""
        return self._exchange((document, buffers), Kind.ANSWER, timeout, "answer")

    def _exchange(self, call: tuple[Any, Buffers] | None, expected: Kind, timeout: float | None, what: str) -> Message:
        """Send `call`, if any, and give the next message, which must be of the `expected` kind."""
        deadline = None if timeout is None else time.monotonic() + timeout
        channel = self._channel
        if channel is None:
            raise _death(None, what, "")
        try:
            if call is not None:
                channel.send(Kind.CALL, *call, deadline)
            message = channel.receive(deadline)
        except Closed:
            raise self._ended(what) from None
        except (OSError, WireError) as error:
            self.kill()
            raise _failure(error, what, timeout) from error
        except BaseException:  # interrupted: a later answer would be taken for that of the next call
            self.kill()
            raise
        if message.kind is Kind.FAILED:
            raise from_document(message.document)
        if message.kind is not expected:
            self.kill()
            raise _failure(WireError(f"it sent {message.kind.name} instead of {expected.name}"), what)
        return message

    @property
    def alive(self) -> bool:
        """Whether the process can take a call."""
        return self._channel is not None and self._running()

    def _running(self) -> bool:
        """Whether the process runs; one that has ended is left to be waited for, which keeps its number its own."""
        if not hasattr(os, "waitid"):  # macOS, before Python 3.13
            return self._process.poll() is None
        if self._process.returncode is not None:
            return False
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:  # the caller has set the kernel to wait for its children
            return False

    def _ends_soon(self) -> bool:
        """Whether the process ends by itself within some seconds."""
        until = time.monotonic() + _PATIENCE
        while self._running():
            if time.monotonic() > until:
                return False
            time.sleep(0.002)
        return True

    def _ended(self, what: str) -> WorkerError:
        """The error for a worker that hung up."""
        by_itself = self._ends_soon()
        self._faults.seek(0)
        lines = self._faults.read(4000).decode("utf-8", "replace").split("\n")
        faults = "\n".join(safe(line) for line in lines if line)
        self.kill()
        return _death(self._process.returncode if by_itself else None, what, faults)

    def stop(self) -> None:
        """End the process, and all that it started. Any thread may do so: whoever waits for an answer gets an error."""
        with self._reaping:
            if self._process.returncode is None:  # not waited for: no other process has its number
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def hang_up(self) -> None:
        """Tell the worker to end."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def close(self) -> None:
        """Tell the worker to end, and see to it that it does."""
        self.hang_up()
        self._ends_soon()
        self.kill()

    def kill(self) -> None:
        """End the worker, and all processes that it started, at once."""
        self.stop()
        with self._reaping:
            self._process.wait()
        self._release()

    def forget(self) -> None:
        """In a forked child: the worker belongs to the parent, which must be the only one that holds it."""
        self._reaping = Lock()
        self._process.returncode = 0  # it is not a child of this process: nobody here may wait for it or end it
        self._release()

    def _release(self) -> None:
        self._channel = None
        self._held.close()


_ALL: weakref.WeakSet[Worker] = weakref.WeakSet()
os.register_at_fork(after_in_child=lambda: list(map(Worker.forget, list(_ALL))))


def _start(
    python: str, bytecode: str, descriptors: tuple[int, ...], memory: int, lent: contextlib.ExitStack
) -> subprocess.Popen[bytes]:
    """The interpreter, isolated from everything that its caller has set up for Python."""
    passed = []
    for number in descriptors:
        # above the standard streams: a caller that was started without them has given their numbers to other files
        passed.append(fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3))
        lent.callback(os.close, passed[-1])
    return subprocess.Popen(  # noqa: S603 - an interpreter that the caller chose or built
        [python, "-I", "-X", f"pycache_prefix={bytecode}", _BOOT, *map(str, passed), str(memory)],
        stdin=subprocess.DEVNULL,
        stdout=_screen(),  # what a model prints is not an answer: it goes to standard error
        stderr=_screen(),
        env={name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)},
        pass_fds=passed,
        start_new_session=True,  # an interrupt by the keyboard is the caller's to handle
    )


def _screen() -> int:
    """The descriptor of the caller's standard error; the null device when it was started without one, or closed it."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return subprocess.DEVNULL if sys.__stderr__ is None else 2


def _failure(error: Exception, what: str, timeout: float | None = None) -> WorkerError:
    """The error for what kept a worker from doing `what`."""
    code, text = next((code, text) for kind, code, text in _FAILURES if isinstance(error, kind))
    return WorkerError.of(code, text.format(what=what, timeout=timeout, error=clip(error, 200)))


def _death(status: int | None, what: str, faults: str) -> WorkerError:
    """The error for a process that ended with `status` before it finished; None: it only hung up."""
    names = {item.value: item.name for item in signal.Signals}
    ended = f"ended (exit status {status})"
    if status and status < 0:
        ended = f"crashed ({names.get(-status, f'signal {-status}')})"
    code, how = _ENDS.get(status, ("worker.crashed", ended))
    error = WorkerError.of(code, f"the worker {how} before it could {what}")
    if faults:
        error.add_note(faults)
    return error
