"""Isolated models: whether and how a bundle can run so on this machine, and the workers of one model.

The caller validates input and output; validated columns travel, and the worker builds from them what the model was
fitted on, because only its environment has the libraries for that.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Mapping
from threading import Condition
from typing import TYPE_CHECKING, Any

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle, UsageError, WorkerError
from ..records import Record
from ..run.isolation import Isolation
from ..run.requirements import LOCK, MOST_BYTES, LockedPackages, read_lock
from ..text import clip, counted, safe
from . import environments
from .environments import Environment, Python
from .wire import Buffers, WireError, compile_answer_decoder, encode, encode_batch
from .worker_process import Worker

if TYPE_CHECKING:
    from ..opening.manifest import Manifest, Method, NativePayload
    from ..opening.members import Members
    from ..run.selection import Call
    from ..validate.batch import Batch

_LOADER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Plan(Record):
    """How a bundle would run isolated. Without `python`, uv must first download one of the minor version `minor`."""

    lock: bytes
    packages: LockedPackages
    minor: str
    python: Python | None
    settings: Isolation

    @property
    def environment(self) -> Environment | None:
        """The environment, when it was built already."""
        if self.python is None:
            return None
        root = environments.folder_of(self.settings)
        return environments.known(root, environments.key_of(self.lock, self.python))

    def __str__(self) -> str:
        count = counted(len(self.packages.lines), "package")
        if self.python is None:
            return f"uv would download Python {self.minor} and {count}"
        if self.environment is not None:
            return f"its environment exists: Python {self.python.version}, {count}"
        tool = "uv" if environments.find_uv() else "pip"
        return f"{tool} would build its environment: Python {self.python.version}, {count}"


def plan(payload: NativePayload, manifest: Manifest, members: Members, settings: Isolation) -> Plan | list[Defect]:
    """How `payload` would run isolated here, or all reasons why it cannot. Builds and runs nothing."""
    if sys.platform == "win32":
        return [Defect(code="isolated.platform", message="the isolated runtime needs Linux or macOS", found="Windows")]
    if not os.path.isdir(_LOADER):
        message = "the loader is not installed as plain files, which a worker needs"
        return [Defect(code="isolated.platform", message=message, found=clip(_LOADER, 200))]
    if LOCK not in manifest.members:
        return [Defect(code="isolated.no-lock", message="the bundle has no lock to build an environment from")]
    lock = members.small(LOCK, limit=MOST_BYTES)
    try:
        packages = read_lock(lock, "native")
    except InvalidBundle as error:
        return list(error.defects)
    ranges = (payload.python_specifier, packages.requires_python)
    minor, where = environments.minor_of(payload.python_version), ""
    if settings.python is None:
        python = environments.find(ranges, payload.python_version)
    else:
        python = environments.ask(os.path.abspath(settings.python))
        where = f" at {clip(str(settings.python), 200)}"
    fits = python is not None and environments.fits(python.version, ranges)
    if fits or (settings.python is None and environments.find_uv()):
        return Plan(lock=lock, packages=packages, minor=minor, python=python, settings=settings)
    return [
        Defect(
            code="isolated.python",
            message="found no Python that the model can run on",
            found=f"{'none' if python is None else f'Python {python.version}'}{where}",
            expected=f"Python {clip(', '.join(filter(None, ranges)), 100)}",
            hint=f"Install Python {clip(minor, 10)}, or install uv, which downloads it.",
        )
    ]


def open_isolated(
    plan: Plan, manifest: Manifest, methods: tuple[str, ...], opening: Mapping[str, Any]
) -> IsolatedRuntime:
    """The runtime: builds its environment if needed, and starts its workers. The bundle must be trusted by now."""
    python = plan.python or environments.obtain(plan.minor)
    if python is None:
        raise EnvironmentMismatch.of(
            "isolated.python",
            f"uv could not download Python {safe(plan.minor)}",
            hint=f"Install Python {safe(plan.minor)}.",
        )
    environment = environments.ready(
        plan.lock,
        plan.packages.lines,
        python,
        plan.settings,
        bundle=f"{manifest.name}=={manifest.version}",
    )
    start = {**opening, "methods": list(methods)}
    return IsolatedRuntime(
        lambda: Worker(environment.interpreter, environment.bytecode, start, plan.settings.memory),
        plan.settings,
        {method.name: method for method in manifest.methods if method.name in methods},
    )


# --- the workers ---


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
                raise WorkerError.of("worker.protocol", f"the worker's answer is broken: {clip(error, 200)}") from error
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
