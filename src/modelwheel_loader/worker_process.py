"""A worker as its caller sees it: started, asked, watched, ended. All that goes wrong with it is a `WorkerError`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from .channel import OUT_OF_MEMORY, Channel, Closed, Kind, Message
from .errors import ModelwheelError, WorkerError
from .remote_errors import from_document
from .text import clip, safe
from .wire import Buffers, WireError

_COPIED = 1 << 22
"""Up to so many bytes an answer is copied out of shared memory: a small one must not hold a large segment."""
_PATIENCE = 2.0
"""The seconds in which a worker that is told to end must have ended."""
_BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker_boot.py")
_HIDDEN = ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "CONDA")


class Worker:
    """One child process, which has opened one bundle. It answers one call at a time."""

    def __init__(self, python: str, bytecode: str, opening: Mapping[str, Any], memory: int | None) -> None:
        """Start the process and tell it what to open; `ready` waits for that."""
        self._channel, self._lifeline = None, None
        self._faults: IO[bytes] = tempfile.TemporaryFile(prefix="modelwheel-")  # noqa: SIM115 - as long as the worker
        mine, other = socket.socketpair()
        reading, self._lifeline = os.pipe()
        try:
            self._process = _start(python, bytecode, (other.fileno(), reading, self._faults.fileno(), memory or 0))
        except OSError as error:
            mine.close()
            self._let_go()
            raise WorkerError.of("worker.start", f"{safe(python)} cannot be started: {clip(error, 200)}") from error
        finally:
            other.close()
            os.close(reading)
        self._channel = Channel(mine, copied=_COPIED)
        with contextlib.suppress(Closed):  # `ready` tells why
            self._channel.send(Kind.OPEN, dict(opening), Buffers())

    def ready(self, timeout: float) -> None:
        """Wait until the model is open; raises what kept the worker from opening it."""
        try:
            self._take(Kind.READY, timeout, "open the model")
        except BaseException:
            self.kill()
            raise

    def ask(self, document: Any, buffers: Buffers, timeout: float | None) -> Message:
        """Send a call and give the answer. Raises the error of the model, or `WorkerError` and the worker is gone."""
        channel = self._channel
        if channel is None:
            raise WorkerError.of("worker.crashed", "the worker is gone")
        try:
            channel.send(Kind.CALL, document, buffers)
        except Closed:
            raise self._ended("answer") from None
        except BaseException:  # interrupted in the middle of a message
            self.kill()
            raise
        return self._take(Kind.ANSWER, timeout, "answer")

    def _take(self, kind: Kind, timeout: float | None, what: str) -> Message:
        """The next message, which must be of `kind`."""
        channel = self._channel
        if channel is None:
            raise self._ended(what)
        try:
            message = channel.receive(timeout)
        except Closed:
            raise self._ended(what) from None
        except TimeoutError:
            self.kill()
            said = f"the worker did not {what} within {timeout:g} seconds, and was ended"
            raise WorkerError.of("worker.timeout", said) from None
        except WireError as error:
            self.kill()
            raise WorkerError.of("worker.protocol", f"what the worker sent is broken: {clip(error, 200)}") from error
        except BaseException:  # interrupted: its answer would be taken for that of the next call
            self.kill()
            raise
        if message.kind is Kind.FAILED:
            raise from_document(message.document)
        if message.kind is not kind:
            self.kill()
            raise WorkerError.of("worker.protocol", f"the worker sent {message.kind.name} instead of {kind.name}")
        return message

    @property
    def alive(self) -> bool:
        """Whether the process is there to be asked."""
        return self._channel is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def _ended(self, what: str) -> ModelwheelError:
        """The error for a worker that ended by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE)
        status = self._process.poll()
        self.kill(faults_too=False)
        error = _death(status, what, self._fault_lines())
        self._faults.close()
        return error

    def _fault_lines(self) -> str:
        self._faults.seek(0)
        lines = self._faults.read(4000).decode("utf-8", "replace").split("\n")
        return "\n".join(safe(line) for line in lines if line)

    def close(self) -> None:
        """Tell the worker to end, and see to it that it does."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PATIENCE)
        self.kill()

    def kill(self, *, faults_too: bool = True) -> None:
        """End the worker, and all processes that it started, at once."""
        self._let_go(faults_too=faults_too)
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """In a forked child: the worker belongs to the parent, which must be the only one that holds it."""
        self._let_go()
        self._process.returncode = 0  # it is no child of this process: nobody here may wait for it

    def _let_go(self, *, faults_too: bool = True) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if faults_too:
            self._faults.close()


def _start(python: str, bytecode: str, numbers: tuple[int, ...]) -> subprocess.Popen[bytes]:
    """The interpreter, isolated from everything that its caller has set up for Python."""
    return subprocess.Popen(  # noqa: S603 - an interpreter that the caller chose or built
        [python, "-I", "-X", f"pycache_prefix={bytecode}", _BOOT, *map(str, numbers)],
        stdin=subprocess.DEVNULL,
        stdout=_screen(),  # what a model prints is no answer: it goes where messages go
        stderr=_screen(),
        env={name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)},
        pass_fds=numbers[:3],
        start_new_session=True,  # an interrupt by the keyboard is the caller's to handle
    )


def _screen() -> int:
    """The descriptor of the caller's standard error; the null device when it has none."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def _death(status: int | None, what: str, faults: str) -> WorkerError:
    """The error for a process that ended with `status` before it did what was asked."""
    if status == OUT_OF_MEMORY:
        return WorkerError.of("worker.memory", f"the worker ran out of memory before it could {what}")
    if status is not None and status < 0:
        name = _signal_name(-status)
        if -status == signal.SIGKILL:
            return WorkerError.of("worker.killed", f"the worker was killed ({name}) before it could {what}")
        message = f"the worker crashed ({name}) before it could {what}"
    else:
        message = f"the worker ended (exit status {status}) before it could {what}"
    error = WorkerError.of("worker.crashed", message)
    if faults:
        error.add_note(faults)
    return error


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
