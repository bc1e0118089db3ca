"""The isolated runtime: the original object in worker processes, each with an interpreter and packages of its own.

The caller checks what goes in and what comes out; checked columns travel, and the worker makes of them what the model
was fitted on, because only its environment has the libraries for that.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from .errors import UsageError, WorkerError
from .text import clip
from .wire import Buffers, WireError, encode
from .wire_batch import compile_answer_decoder, encode_batch
from .worker_process import Worker

if TYPE_CHECKING:
    from .batch import Batch
    from .isolation import Isolation
    from .manifest import Method
    from .runtimes import Call


class IsolatedRuntime:
    """A pool of workers. Threads may call at the same time: each takes a free worker, or waits for one."""

    kind = "isolated"

    def __init__(self, start: Callable[[], Worker], isolation: Isolation, methods: Mapping[str, Method]) -> None:
        """Start all workers; raises what keeps the first of them from opening the model."""
        self._start = start
        self._isolation = isolation
        self._methods = methods
        self._closed = False
        self._pool: Pool = Pool(isolation.workers)
        self._watch()
        self._pool.fill(start, isolation.start_timeout)

    def _watch(self) -> None:
        self._finalizer = weakref.finalize(self, self._pool.end)

    def prepare(self, method: str) -> Call:
        """The function that answers `method` by whichever worker is free."""
        read = compile_answer_decoder(self._methods[method].output)
        timeout = self._isolation.timeout

        def call(batch: Batch, parameters: Mapping[str, Any]) -> object:
            buffers = Buffers()
            document = {
                "method": method,
                "batch": encode_batch(batch, buffers),
                "parameters": encode(dict(parameters), buffers),
            }
            pool = self._pool
            worker = self._take(pool)
            try:
                message = worker.ask(document, buffers, timeout)
                return read(message.document, message.memory)
            except WireError as error:
                raise WorkerError.of("worker.protocol", f"the worker's answer is broken: {clip(error, 200)}") from error
            finally:
                pool.put(worker)

        return call

    def _take(self, pool: Pool) -> Worker:
        """A worker that is free; a new one in the place of one that is gone."""
        if self._closed:
            raise UsageError.of("usage.closed", "the model is closed")
        worker = pool.take()
        if worker is not None and worker.alive:
            return worker
        try:
            pool.drop(worker)
            worker = pool.add(self._start())
            worker.ready(self._isolation.start_timeout)
        except BaseException:
            pool.put(None)
            raise
        return worker

    def reopen(self) -> None:
        """In a forked child: the workers are the parent's; the first call starts new ones."""
        self._finalizer.detach()
        self._pool.forget()
        self._pool = Pool(self._isolation.workers)
        self._watch()

    def close(self) -> None:
        """End the workers."""
        self._closed = True
        self._finalizer()


class Pool:
    """The places of so many workers; None is a place in which there is none yet, or none any more."""

    def __init__(self, size: int) -> None:
        self._free: SimpleQueue[Worker | None] = SimpleQueue()
        self._all: set[Worker] = set()
        self._owner = os.getpid()
        self._ended = False
        self._size = size
        for _ in range(size):
            self._free.put(None)

    def fill(self, start: Callable[[], Worker], timeout: float) -> None:
        """Start a worker in each place, all at the same time."""
        try:
            for _ in range(self._size):
                self.add(start())
            for worker in self._all:
                worker.ready(timeout)
        except BaseException:
            self.end()
            raise
        for worker in self._all:
            self._free.get()
            self._free.put(worker)

    def take(self) -> Worker | None:
        """The next free place; waits for one."""
        return self._free.get()

    def put(self, worker: Worker | None) -> None:
        """Give a place back."""
        if self._ended and worker is not None:
            self.drop(worker)
        self._free.put(worker)

    def add(self, worker: Worker) -> Worker:
        """Know of a worker, to end it in the end."""
        self._all.add(worker)
        return worker

    def drop(self, worker: Worker | None) -> None:
        """End a worker and forget it."""
        if worker is not None:
            self._all.discard(worker)
            worker.kill()

    def end(self) -> None:
        """End all workers; those that are busy too."""
        self._ended = True
        if self._owner == os.getpid():
            while self._all:
                self._all.pop().close()

    def forget(self) -> None:
        """In a forked child: let go of the parent's workers."""
        while self._all:
            self._all.pop().forget()
