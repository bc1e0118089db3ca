"""The workers of one isolated model: so many places, each with a worker, or with none until one is needed."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition

from ..errors import UsageError, WorkerError
from .worker_process import Worker


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
