"""Memory that two processes share: a nameless file in memory, whose descriptor is sent over the socket.

It has no name, so nothing is left behind however a process ends, and it is not part of `/dev/shm`, which containers
keep small. The sender makes it and keeps it for its next messages, as fresh memory costs more than copying; the
receiver looks at it where it lies. When something of the receiver still looks at it by its next message, it says so,
and the sender makes another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
import weakref

import numpy as np

from ..batch import Array
from .buffers import Buffers
from .wire import WireError

_SPARE = 8
_KEPT = 1 << 24  # bytes; a larger segment is given up when this many times less is needed
_SEALED = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")  # Linux
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL if _SEALED else 0


def nameless() -> int:
    """A descriptor of new, nameless memory: on Linux without any folder, for a container may have none."""
    if _SEALED:
        return os.memfd_create("modelwheel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile(prefix="modelwheel-") as stream:
        return os.dup(stream.fileno())


def _of_size(size: int) -> int:
    """Nameless memory that can neither shrink nor grow from now on."""
    descriptor = nameless()
    try:
        os.ftruncate(descriptor, size)
        if _SEALED:
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Outgoing:
    """The segment into which one side writes."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self.size = 0

    def write(self, buffers: Buffers) -> int | None:
        """Copy the pieces; gives the descriptor of a new segment, to send and then close, or None for the known one."""
        needed = buffers.size
        descriptor = None
        if self._map is None or needed > self.size or (self.size > _KEPT and needed < self.size // _SPARE):
            self.give_up()
            self.size = -(-needed // mmap.PAGESIZE) * mmap.PAGESIZE
            descriptor = _of_size(self.size)
            self._map = mmap.mmap(descriptor, self.size)
        view = memoryview(self._map)
        buffers.write(view)
        view.release()
        return descriptor

    def give_up(self) -> None:
        """Forget the segment: the other side keeps it."""
        if self._map is not None:
            self._map.close()
            self._map = None
            self.size = 0


class Incoming:
    """The segment out of which one side reads, and whether what was read from it is still in use."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._used: weakref.ref[Array] | None = None

    def accept(self, descriptor: int) -> None:
        """Map a segment that has come, and close the descriptor."""
        try:
            size = os.fstat(descriptor).st_size
            if _SEALED and fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
                # memory that the other side could cut off would end this process when it looks there
                raise WireError("the memory that came is not sealed")
            self._map = mmap.mmap(descriptor, size)
        except (OSError, ValueError) as error:
            raise WireError(f"the memory that came cannot be mapped: {error}") from None
        finally:
            os.close(descriptor)

    def view(self, size: int) -> memoryview:
        """The first `size` bytes. All that is made of the view keeps it alive."""
        if self._map is None or size > len(self._map):
            raise WireError("there is less shared memory than was announced")
        base: Array = np.frombuffer(self._map, np.uint8, size)
        self._used = weakref.ref(base)
        return base.data

    def retained(self) -> bool:
        """Whether something still uses the last view; if so, the segment is left to it, and must not be written to."""
        if self._used is None or self._used() is None:
            return False
        self._used = None
        self._map = None
        return True

    def give_up(self) -> None:
        """Forget the segment."""
        self._used = None
        if self._map is not None:
            with contextlib.suppress(BufferError):  # in use: it goes with its last user
                self._map.close()
            self._map = None
