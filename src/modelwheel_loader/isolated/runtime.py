"""The runtime of an isolated model: its workers, and how the caller talks to them.

The caller validates input and output; validated columns travel, and the worker builds from them what the model was
fitted on, because only its environment has the libraries for that. Every failure of a worker is a `WorkerError`.
"""

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
from collections.abc import Callable, Mapping
from threading import Condition, Lock
from typing import TYPE_CHECKING, Any

from ..errors import EnvironmentMismatch, UsageError, WorkerError
from ..run.isolation import Isolation
from ..text import clip, safe
from .channel import OUT_OF_MEMORY, Channel, Closed, Kind, Message, nameless
from .environments import HIDDEN, Plan, obtain, ready
from .wire import Buffers, WireError, compile_answer_decoder, encode, encode_batch, from_document

if TYPE_CHECKING:
    from ..opening.manifest import Manifest, Method
    from ..run.selection import Call
    from ..validate.batch import Batch


def open_isolated(
    plan: Plan, manifest: Manifest, methods: tuple[str, ...], opening: Mapping[str, Any]
) -> IsolatedRuntime:
    """The runtime: builds its environment if needed, and starts its workers. The bundle must be trusted by now."""
    python = plan.python or obtain(plan.minor)
    if python is None:
        version = safe(plan.minor)
        message, hint = f"uv could not download Python {version}", f"Install Python {version}."
        raise EnvironmentMismatch.of("isolated.python", message, hint=hint)
    bundle = f"{manifest.name}=={manifest.version}"
    environment = ready(plan.lock, plan.packages.lines, python, plan.settings, bundle=bundle)
    start = {**opening, "methods": list(methods)}
    return IsolatedRuntime(
        lambda: Worker(environment.interpreter, environment.bytecode, start, plan.settings.memory),
        plan.settings,
        {method.name: method for method in manifest.methods if method.name in methods},
    )


# --- one worker, as its caller sees it ---


_COPIED = 1 << 22
"""Up to so many bytes an answer is copied out of shared memory: a small one must not hold a large segment."""
_PATIENCE = 2.0
"""The seconds within which a worker must end by itself."""
_RESOURCES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC})
_BOOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker_boot.py")
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
        self._exchange(None, Kind.READY, timeout, "open the model")

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
        if message.kind is expected:
            return message
        failed = message.kind is Kind.FAILED
        if not failed or expected is Kind.READY:  # an open model can take the next call
            self.kill()
        wrong = f"it sent {message.kind.name} instead of {expected.name}"
        raise from_document(message.document) if failed else _failure(WireError(wrong), what)

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
        while (running := self._running()) and time.monotonic() < until:
            time.sleep(0.002)
        return not running

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
    """The interpreter, isolated from everything that its caller has set up for Python, and from the caller's folder."""
    python, bytecode = os.path.abspath(python), os.path.abspath(bytecode)
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
        cwd=os.path.dirname(bytecode),  # the environment's: a relative path must not find a file of the caller
        env={name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)},
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


# --- the workers of a model ---


class Pool:
    """Threads take a worker, call it, and put it back. Whoever takes the place of a dead worker starts a new one."""

    def __init__(self, size: int, start: Callable[[], Worker], patience: float) -> None:
        """`start` starts a worker, which must be ready within `patience` seconds."""
        self._start = start
        self._patience = patience
        self._free: list[Worker | None] = [None] * size
        self._all: set[Worker] = set()
        self._changed = Condition()
        self.ended = False

    def fill(self) -> None:
        """Start a worker in each place, all at the same time; raises what keeps the first of them from being ready."""
        workers: list[Worker] = []
        try:
            for _ in self._free:
                workers.append(self._started())  # noqa: PERF401 - those before a failure must be known
            for worker in workers:
                worker.ready(self._patience)
        except BaseException:
            self.end()
            for worker in workers:
                worker.kill()
            raise
        self._free[:] = workers

    def take(self, timeout: float | None = None) -> Worker:
        """A worker that is ready; waits for a free place, at most `timeout` seconds.

        Raises `WorkerError` when none becomes free, and `UsageError` when the model is closed.
        """
        with self._changed:
            found = self._changed.wait_for(lambda: self._free or self.ended, timeout)
            if self.ended:
                raise _closed()
            if not found:
                message = f"no worker was free within {timeout:g} seconds: all were busy with other calls"
                raise WorkerError.of("worker.busy", message)
            worker = self._free.pop()
        if worker is not None and worker.alive:
            return worker
        try:
            if worker is not None:
                worker.kill()
                self._all.discard(worker)
            worker = self._started()
            worker.ready(self._patience)
        except BaseException:
            self._all.difference_update([worker])
            self.put(None)
            if self.ended:
                raise _closed() from None
            raise
        return worker

    def _started(self) -> Worker:
        """A new worker, which `end` ends."""
        worker = self._start()
        with self._changed:
            if not self.ended:
                self._all.add(worker)
                return worker
        worker.kill()
        raise _closed()

    def put(self, worker: Worker | None) -> None:
        """Give a place back."""
        with self._changed:
            if not self.ended:
                self._free.append(worker)
                self._changed.notify()
                return
        if worker is not None:
            worker.kill()

    def end(self) -> None:
        """End all workers. Those that are busy are ended by force, and the threads that wait for them release them."""
        with self._changed:
            self.ended = True
            idle = [worker for worker in self._free if worker is not None]
            busy = self._all.difference(idle)
            self._free.clear()
            self._all.clear()
            self._changed.notify_all()
        for worker in busy:
            worker.stop()
        for worker in idle:
            worker.hang_up()
        for worker in idle:
            worker.close()


def _closed() -> UsageError:
    return UsageError.of("usage.closed", "the model is closed")


class IsolatedRuntime:
    """Threads may call at the same time: each takes a free worker, or waits for one."""

    kind = "isolated"

    def __init__(self, start: Callable[[], Worker], isolation: Isolation, methods: Mapping[str, Method]) -> None:
        """Start all workers; raises what keeps the first of them from opening the model."""
        self._start = start
        self._isolation = isolation
        self._methods = methods
        self._new_pool()
        self._pool.fill()

    def _new_pool(self) -> None:
        self._pool = Pool(self._isolation.workers, self._start, self._isolation.start_timeout)
        self._finalizer = weakref.finalize(self, self._pool.end)

    def prepare(self, method: str) -> Call:
        """The function that answers `method` by a free worker."""
        read = compile_answer_decoder(self._methods[method].output)
        timeout = self._isolation.timeout

        def call(batch: Batch, parameters: Mapping[str, Any]) -> object:
            buffers = Buffers()
            document: dict[str, Any] = {"method": method, "batch": encode_batch(batch, buffers)}
            if parameters:
                document["parameters"] = encode(dict(parameters), buffers)
            pool = self._pool
            worker = pool.take(timeout)
            try:
                message = worker.ask(document, buffers, timeout)
                return read(message.document, message.memory)
            except WireError as error:
                raise _failure(error, "answer") from error
            except WorkerError:
                if pool.ended:
                    raise _closed() from None
                raise
            finally:
                pool.put(worker)

        return call

    def reopen(self) -> None:
        """In a forked child: the workers are the parent's; the first call starts new ones."""
        self._finalizer.detach()
        self._new_pool()

    def close(self) -> None:
        """End the workers; calls that they are busy with raise `UsageError`."""
        self._finalizer()
