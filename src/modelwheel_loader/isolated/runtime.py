"""The workers of one isolated model: so many places, each with a worker, or with none until one is needed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from threading import Condition
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, WorkerError
from ..text import clip
from .wire import Buffers, WireError, compile_answer_decoder, encode, encode_batch
from .worker_process import Worker

if TYPE_CHECKING:
    from ..opening.manifest import Method
    from ..run.isolation import Isolation
    from ..run.selection import Call
    from ..validate.batch import Batch


class Pool:
    """Threads take a worker, ask it, and put it back. A worker that is gone is replaced by who takes its place."""

    def __init__(self, size: int, start: Callable[[], Worker], patience: float) -> None:
        """`start` starts a worker, which must be ready within `patience` seconds."""
        self._start = start
        self._patience = patience
        self._free: list[Worker | None] = [None] * size
        self._all: set[Worker] = set()
        self._ended = False
        self._changed = Condition()

    def fill(self) -> None:
        """Start a worker in each place, all at the same time; raises what keeps the first of them from being ready."""
        workers: list[Worker] = []
        try:
            for _ in self._free:
                workers.append(self._added(self._start()))  # noqa: PERF401 - those before a failure must be known
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
            found = self._changed.wait_for(lambda: self._free or self._ended, timeout)
            self._refuse_when_ended()
            if not found:
                message = f"no worker was free within {timeout:g} seconds: all were busy with other calls"
                raise WorkerError.of("worker.busy", message)
            worker = self._free.pop()
        if worker is not None and worker.alive:
            return worker
        try:
            return self._replaced(worker)
        except BaseException:
            self.put(None)
            raise

    def _replaced(self, worker: Worker | None) -> Worker:
        if worker is not None:
            worker.kill()
            self._all.discard(worker)
        fresh = self._added(self._start())
        try:
            fresh.ready(self._patience)
        except BaseException:
            self._all.discard(fresh)
            self._refuse_when_ended()
            raise
        return fresh

    def _added(self, worker: Worker) -> Worker:
        """Know of a worker, to end it in the end."""
        with self._changed:
            if not self._ended:
                self._all.add(worker)
                return worker
        worker.kill()
        raise _closed()

    def put(self, worker: Worker | None) -> None:
        """Give a place back."""
        with self._changed:
            if not self._ended:
                self._free.append(worker)
                self._changed.notify()
                return
        if worker is not None:
            worker.kill()

    def _refuse_when_ended(self) -> None:
        if self._ended:
            raise _closed()

    @property
    def ended(self) -> bool:
        """Whether the model is closed."""
        return self._ended

    def end(self) -> None:
        """End all workers. Those that are busy are ended by force, and who waits for them lets go of them."""
        with self._changed:
            self._ended = True
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


# The isolated runtime: the original object in worker processes, each with an interpreter and packages of its own.
#
# The caller checks what goes in and what comes out; checked columns travel, and the worker makes of them what the model
# was fitted on, because only its environment has the libraries for that.


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
        """The function that answers `method` by whichever worker is free."""
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
                    raise UsageError.of("usage.closed", "the model was closed before it could answer") from None
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
