"""Framed messages between a caller and its worker over a socket: one header, a JSON document, and the memory of arrays.

| bytes | what |
| ----- | ---- |
| 4     | `MWI1`: the protocol and its version; another one is refused |
| 1     | the kind of message |
| 1     | flags: 1 = the memory is shared, 2 = its descriptor comes with this header, 4 = make another segment |
| 2     | nothing |
| 4     | the length of the JSON document, UTF-8 |
| 8     | the size of the memory in bytes: after the document, or in the shared segment |

Both sides take turns: a request, its answer. Small arrays go through the socket; large ones through `segments.py`.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from enum import IntEnum
from typing import Any, NamedTuple

from .buffers import Buffers
from .segments import Incoming, Outgoing
from .wire import WireError

MAGIC = b"MWI1"
_HEADER = struct.Struct("!4sBBxxIQ")
_SHARED, _DESCRIPTOR, _RENEW = 1, 2, 4
_INLINE = 1 << 16
"""Bytes of arrays that go through the socket: writing them twice costs less than one look at shared memory."""
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
                raise WireError("what came is no message of this protocol")
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
