"""The isolated runtime: the original object in worker processes, each with an interpreter and packages of its own.

The caller checks what goes in and what comes out; checked columns travel, and the worker makes of them what the model
was fitted on, because only its environment has the libraries for that.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, WorkerError
from ..text import clip
from .buffers import Buffers
from .wire import WireError, encode
from .wire_batch import compile_answer_decoder, encode_batch
from .worker_pool import Pool
from .worker_process import Worker

if TYPE_CHECKING:
    from ..batch import Batch
    from ..isolation import Isolation
    from ..manifest.records import Method
    from ..runtimes import Call


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
