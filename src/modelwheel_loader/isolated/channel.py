"""Messages between a caller and its worker over a socket, and the memory that the two processes share.

| bytes | what |
| ----- | ---- |
| 4     | `MWI1`: the protocol and its version; others are rejected |
| 1     | the kind of message |
| 1     | flags: 1 = the memory is shared, 2 = its descriptor comes with this header, 4 = make another segment |
| 2     | nothing |
| 4     | the length of the JSON document, UTF-8 |
| 8     | the size of the memory in bytes: after the document, or in the shared segment |

Both sides take turns: a request, its answer. Small arrays go through the socket; large ones through a segment: a
nameless file in memory, whose descriptor is sent over the socket. It has no name, so nothing is left behind however a
process ends, and it is not part of `/dev/shm`, which containers keep small. The sender creates it and keeps it for its
next messages, as fresh memory costs more than copying; the receiver reads it in place. When an object of the receiver
still uses it by its next message, the receiver says so, and the sender creates another one.
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

MAGIC = b"MWI1"
OUT_OF_MEMORY = 71
"""The exit status of a worker that ran out of memory."""
_HEADER = struct.Struct("!4sBBxxIQ")
_SHARED, _DESCRIPTOR, _RENEW = 1, 2, 4
_INLINE = 1 << 16
"""Bytes of arrays that go through the socket: writing them twice costs less than mapping shared memory once."""
_FIRST = _HEADER.size + _INLINE
_NUMBER = struct.Struct("i")
_ANCILLARY = socket.CMSG_LEN(_NUMBER.size)
_write = json.JSONEncoder(separators=(",", ":")).encode
_SPARE = 8
_KEPT = 1 << 24  # bytes; a larger segment is released when this many times less is needed
_SEALED = hasattr(os, "memfd_create") and hasattr(fcntl, "F_ADD_SEALS")  # Linux
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL if _SEALED else 0


def nameless(size: int | None = None) -> int:
    """A descriptor of new, nameless memory; with a `size`, which can then neither shrink nor grow."""
    if _SEALED:  # without any folder, for a container may have none
        descriptor = os.memfd_create("modelwheel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile(prefix="modelwheel-") as stream:
            descriptor = os.dup(stream.fileno())
    try:
        if size is not None:
            os.ftruncate(descriptor, size)
            if _SEALED:
                fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


class Segment:
    """Memory that one side writes and the other reads, and whether what was read from it is still in use."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._used: weakref.ref[Array] | None = None

    def write(self, buffers: Buffers) -> int | None:
        """Copy the pieces; gives the descriptor of a new segment, to send and then close, or None for the known one."""
        held, descriptor = 0 if self._map is None else len(self._map), None
        if self._map is None or buffers.size > held or (held > _KEPT and buffers.size < held // _SPARE):
            self.release()
            size = -(-buffers.size // mmap.PAGESIZE) * mmap.PAGESIZE
            descriptor = nameless(size)
            self._map = mmap.mmap(descriptor, size)
        with memoryview(self._map) as view:
            buffers.write(view)
        return descriptor

    def accept(self, descriptor: int) -> None:
        """Map a received segment, and close the descriptor."""
        try:
            if _SEALED and fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
                # memory that the other side could cut off would end this process when it reads there
                raise WireError("the received memory is not sealed")
            self._map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        except (OSError, ValueError) as error:
            raise WireError(f"the received memory cannot be mapped: {error}") from None
        finally:
            os.close(descriptor)

    def view(self, size: int) -> memoryview:
        """The first `size` bytes. Every object on the view keeps it alive."""
        if self._map is None or size > len(self._map):
            raise WireError("there is less shared memory than was announced")
        base: Array = np.frombuffer(self._map, np.uint8, size)
        self._used = weakref.ref(base)
        return base.data

    def retained(self) -> bool:
        """Whether an object still uses the last view; if so, the segment is left to it, and must not be written to."""
        if self._used is None or self._used() is None:
            return False
        self._used = self._map = None
        return True

    def release(self) -> None:
        """Forget the segment: the other side keeps it."""
        if self._map is not None:
            with contextlib.suppress(BufferError):  # in use: it goes with its last user
                self._map.close()
        self._used = self._map = None


class Kind(IntEnum):
    """The kind of a message."""

    OPEN = 1
    READY = 2
    CALL = 3
    ANSWER = 4
    FAILED = 5


_KINDS = {int(kind): kind for kind in Kind}


class Message(NamedTuple):
    """A received message: its document, and the memory to which trees in the document refer."""

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
        self._outgoing = Segment()
        self._incoming = Segment()

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
        frame = memoryview(bytearray(start + inline))
        _HEADER.pack_into(frame, 0, MAGIC, kind, flags, len(text), buffers.size)
        frame[_HEADER.size : start] = text
        if inline:
            buffers.write(frame[start:])
        buffers.pieces.clear()  # they may be views of the last received message
        try:
            self._wait_until(deadline)
            if descriptor is not None:
                socket.send_fds(self._socket, [frame[: _HEADER.size]], [descriptor])  # few bytes are never cut in two
                frame = frame[_HEADER.size :]
            self._socket.sendall(frame)
        except ConnectionError as error:
            raise Closed from error
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def receive(self, deadline: float | None = None) -> Message:
        """The next message; raises `Closed`, `TimeoutError` after `deadline` (`time.monotonic`), and `WireError`."""
        try:
            self._wait_until(deadline)
            count, ancillary, _, _ = self._socket.recvmsg_into([self._first], _ANCILLARY)
            kind, flags, length, size, count = self._header(count, ancillary, deadline)
            shared = bool(flags & _SHARED)
            if not shared and size > _INLINE:
                raise WireError("more memory was announced than goes through the socket")
            end = _HEADER.size + length
            whole, data = end if shared else end + size, self._first
            if count > whole:
                raise WireError("more came than was announced")
            if whole > _FIRST:
                data = memoryview(bytearray(whole))
                data[:count] = self._first[:count]
            self._read_up_to(whole, data, count, deadline)
        except ConnectionError as error:
            raise Closed from error
        try:
            document = json.loads(str(data[_HEADER.size : end], "utf-8"))
        except (ValueError, RecursionError) as error:
            raise WireError(f"the document of a message is broken: {type(error).__name__}") from None
        memory = self._incoming.view(size) if shared else data[end:whole]
        # a copy is aligned from its start
        return Message(kind, document, memory if shared and size > self._copied else memoryview(bytearray(memory)))

    def _header(self, count: int, ancillary: list[Any], deadline: float | None) -> tuple[Kind, int, int, int, int]:
        """Kind, flags, length, size of a message of which `count` bytes are read, and how many then are."""
        descriptors = [
            number
            for level, kind, data in ancillary  # there is room for one
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(data) == _NUMBER.size
            for number in _NUMBER.unpack(data)
        ]
        try:
            if not count:
                raise Closed
            count = self._read_up_to(_HEADER.size, self._first, count, deadline)
            magic, number, flags, length, size = _HEADER.unpack_from(self._first)
            if magic != MAGIC or number not in _KINDS:
                raise WireError("a message does not follow the protocol")
            if bool(flags & _DESCRIPTOR) != bool(descriptors):
                raise WireError("shared memory was announced and did not come, or the other way round")
            if descriptors:
                self._incoming.accept(descriptors.pop())
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if flags & _RENEW:
            self._outgoing.release()
        return _KINDS[number], flags, length, size, count

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
        if deadline is not None or self._timed:
            self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-6))
        self._timed = deadline is not None

    def close(self) -> None:
        """Close the connection and release the shared memory."""
        self._socket.close()
        self._outgoing.release()
        self._incoming.release()
