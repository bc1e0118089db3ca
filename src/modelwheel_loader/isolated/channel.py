"""Memory that two processes share: a nameless file in memory, whose descriptor is sent over the socket.

It has no name, so nothing is left behind however a process ends, and it is not part of `/dev/shm`, which containers
keep small. The sender makes it and keeps it for its next messages, as fresh memory costs more than copying; the
receiver looks at it where it lies. When something of the receiver still looks at it by its next message, it says so,
and the sender makes another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import socket
import struct
import tempfile
import time
import weakref
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np

from ..validate.batch import Array
from .wire import Buffers, WireError

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
                raise WireError("the received memory is not sealed")
            self._map = mmap.mmap(descriptor, size)
        except (OSError, ValueError) as error:
            raise WireError(f"the received memory cannot be mapped: {error}") from None
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


# Framed messages between a caller and its worker over a socket: one header, a JSON document, and the memory of arrays.
#
# | bytes | what |
# | ----- | ---- |
# | 4     | `MWI1`: the protocol and its version; others are rejected |
# | 1     | the kind of message |
# | 1     | flags: 1 = the memory is shared, 2 = its descriptor comes with this header, 4 = make another segment |
# | 2     | nothing |
# | 4     | the length of the JSON document, UTF-8 |
# | 8     | the size of the memory in bytes: after the document, or in the shared segment |
#
# Both sides take turns: a request, its answer. Small arrays go through the socket; large ones through the segment.


MAGIC = b"MWI1"
_HEADER = struct.Struct("!4sBBxxIQ")
_SHARED, _DESCRIPTOR, _RENEW = 1, 2, 4
_INLINE = 1 << 16
"""Bytes of arrays that go through the socket: writing them twice costs less than mapping shared memory once."""
_FIRST = _HEADER.size + _INLINE
_NUMBER = struct.Struct("i")
_ANCILLARY = socket.CMSG_LEN(_NUMBER.size)
_write = json.JSONEncoder(separators=(",", ":")).encode
OUT_OF_MEMORY = 71
"""The exit status of a worker that ran out of memory."""


class Kind(IntEnum):
    """What a message is."""

    OPEN = 1
    READY = 2
    CALL = 3
    ANSWER = 4
    FAILED = 5


_KINDS = {int(kind): kind for kind in Kind}


class Message(NamedTuple):
    """A message that came: its document, and the memory to which trees in the document refer."""

    kind: Kind
    document: Any
    memory: memoryview


class Closed(Exception):
    """The other side is gone."""


class Channel:
    """One end. Not thread-safe: a worker answers one call at a time."""

    def __init__(self, connection: socket.socket, *, copied: int = 0) -> None:
        """`copied`: up to how many bytes are copied out of shared memory instead of being left there."""
        self._socket = connection
        self._timed = True
        self._copied = copied
        self._first = memoryview(bytearray(_FIRST))
        self._outgoing = Outgoing()
        self._incoming = Incoming()

    def send(self, kind: Kind, document: Any, buffers: Buffers, deadline: float | None = None) -> None:
        """Send one message; raises `Closed` when the other side is gone, and `TimeoutError` after `deadline`."""
        text = _write(document).encode("ascii")
        flags, inline, descriptor = 0, buffers.size, None
        if inline > _INLINE:
            descriptor = self._outgoing.write(buffers)
            flags, inline = (_SHARED if descriptor is None else _SHARED | _DESCRIPTOR), 0
        if self._incoming.retained():
            flags |= _RENEW
        start = _HEADER.size + len(text)
        frame = bytearray(start + inline)
        _HEADER.pack_into(frame, 0, MAGIC, kind, flags, len(text), buffers.size)
        frame[_HEADER.size : start] = text
        if inline:
            buffers.write(memoryview(frame)[start:])
        buffers.pieces.clear()  # they may be views of what came last
        try:
            self._wait_until(deadline)
            self._send(frame, descriptor)
        except ConnectionError as error:
            raise Closed from error
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _send(self, frame: bytearray, descriptor: int | None) -> None:
        if descriptor is None:
            self._socket.sendall(frame)
            return
        socket.send_fds(self._socket, [frame[: _HEADER.size]], [descriptor])  # so few bytes are never cut in two
        self._socket.sendall(memoryview(frame)[_HEADER.size :])

    def receive(self, deadline: float | None = None) -> Message:
        """The next message; raises `Closed`, `TimeoutError` after `deadline` (`time.monotonic`), and `WireError`."""
        try:
            self._wait_until(deadline)
            count, ancillary, _, _ = self._socket.recvmsg_into([self._first], _ANCILLARY)
            return self._parse(count, _descriptors(ancillary) if ancillary else [], deadline)
        except ConnectionError as error:
            raise Closed from error

    def _parse(self, count: int, descriptors: list[int], deadline: float | None) -> Message:
        try:
            if not count:
                raise Closed
            count = self._read_up_to(_HEADER.size, self._first, count, deadline)
            magic, number, flags, length, size = _HEADER.unpack_from(self._first)
            kind = _KINDS.get(number)
            if magic != MAGIC or kind is None:
                raise WireError("a message does not follow the protocol")
            if bool(flags & _DESCRIPTOR) != bool(descriptors):
                raise WireError("shared memory was announced and did not come, or the other way round")
            if flags & _DESCRIPTOR:
                self._incoming.accept(descriptors.pop())
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if flags & _RENEW:
            self._outgoing.give_up()
        shared = bool(flags & _SHARED)
        if not shared and size > _INLINE:
            raise WireError("more memory was announced than goes through the socket")
        data = self._rest(_HEADER.size + length + (0 if shared else size), count, deadline)
        end = _HEADER.size + length
        return Message(kind, _document(data[_HEADER.size : end]), self._shared(size) if shared else _copy(data[end:]))

    def _rest(self, whole: int, count: int, deadline: float | None) -> memoryview:
        """The message of `whole` bytes, of which the first `count` are there."""
        if count > whole:
            raise WireError("more came than was announced")
        data = self._first
        if whole > _FIRST:
            data = memoryview(bytearray(whole))
            data[:count] = self._first[:count]
        self._read_up_to(whole, data, count, deadline)
        return data[:whole]

    def _shared(self, size: int) -> memoryview:
        view = self._incoming.view(size)
        return view if size > self._copied else _copy(view)

    def _read_up_to(self, length: int, data: memoryview, count: int, deadline: float | None) -> int:
        """Read until `length` bytes of `data` are there, of which `count` were; how many are there then."""
        while count < length:
            self._wait_until(deadline)
            more = self._socket.recv_into(data[count:length])
            if not more:
                raise Closed
            count += more
        return count

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            if self._timed:
                self._socket.settimeout(None)
                self._timed = False
            return
        self._timed = True
        self._socket.settimeout(max(deadline - time.monotonic(), 1e-6))

    def close(self) -> None:
        """Close the connection and forget the shared memory."""
        self._socket.close()
        self._outgoing.give_up()
        self._incoming.give_up()


def _copy(view: memoryview) -> memoryview:
    """Memory of its own, aligned from its start."""
    return memoryview(bytearray(view))


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """The descriptor that came with a message, if one did: there is room for one."""
    rights = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    return [number for data in rights if len(data) == _NUMBER.size for number in _NUMBER.unpack(data)]


def _document(text: memoryview) -> Any:
    try:
        return json.loads(str(text, "utf-8"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"the document of a message is broken: {type(error).__name__}") from None
