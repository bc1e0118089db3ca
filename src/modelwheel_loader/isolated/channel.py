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

from .segments import Incoming, Outgoing
from .wire import Buffers, WireError

MAGIC = b"MWI1"
_HEADER = struct.Struct("!4sBBxxIQ")
_SHARED, _DESCRIPTOR, _RENEW = 1, 2, 4
_INLINE = 1 << 16
"""Bytes of arrays that go through the socket: writing them twice costs less than one look at shared memory."""
_FIRST = _HEADER.size + _INLINE
OUT_OF_MEMORY = 71
"""The exit status of a worker that ran out of memory."""


class Kind(IntEnum):
    """What a message is."""

    OPEN = 1
    READY = 2
    CALL = 3
    ANSWER = 4
    FAILED = 5


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
        self._copied = copied
        self._outgoing = Outgoing()
        self._incoming = Incoming()

    def send(self, kind: Kind, document: Any, buffers: Buffers, deadline: float | None = None) -> None:
        """Send one message; raises `Closed` when the other side is gone, and `TimeoutError` after `deadline`."""
        text = json.dumps(document, separators=(",", ":")).encode("ascii")
        flags, tail, descriptor = 0, b"", None
        if buffers.size > _INLINE:
            descriptor = self._outgoing.write(buffers)
            flags = _SHARED if descriptor is None else _SHARED | _DESCRIPTOR
        elif buffers.size:
            inline = bytearray(buffers.size)
            buffers.write(memoryview(inline))
            tail = bytes(inline)
        buffers.pieces.clear()  # they may be views of what came last
        if self._incoming.retained():
            flags |= _RENEW
        head = _HEADER.pack(MAGIC, kind, flags, len(text), buffers.size)
        try:
            self._wait_until(deadline)
            self._send(head, text + tail, descriptor)
        except ConnectionError as error:
            raise Closed from error
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _send(self, head: bytes, rest: bytes, descriptor: int | None) -> None:
        if descriptor is None:
            self._socket.sendall(head + rest)
            return
        socket.send_fds(self._socket, [head], [descriptor])  # so few bytes are never cut in two
        self._socket.sendall(rest)

    def receive(self, deadline: float | None = None) -> Message:
        """The next message; raises `Closed`, `TimeoutError` after `deadline` (`time.monotonic`), and `WireError`."""
        try:
            self._wait_until(deadline)
            first, descriptors, _, _ = socket.recv_fds(self._socket, _FIRST, 1)
            return self._parse(bytearray(first), descriptors, deadline)
        except ConnectionError as error:
            raise Closed from error

    def _parse(self, data: bytearray, descriptors: list[int], deadline: float | None) -> Message:
        try:
            if not data:
                raise Closed
            self._read_up_to(_HEADER.size, data, deadline)
            magic, kind, flags, length, size = _HEADER.unpack_from(data)
            if magic != MAGIC or kind not in Kind.__members__.values():
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
        whole = _HEADER.size + length + (0 if shared else size)
        self._read_up_to(whole, data, deadline)
        if len(data) != whole:
            raise WireError("more came than was announced")
        return Message(Kind(kind), _document(data, length), self._memory(data, length, size, shared=shared))

    def _memory(self, data: bytearray, length: int, size: int, *, shared: bool) -> memoryview:
        if shared:
            view = self._incoming.view(size)
            return view if size > self._copied else memoryview(bytearray(view))
        return memoryview(bytearray(memoryview(data)[_HEADER.size + length :]))  # aligned from its start

    def _read_up_to(self, length: int, data: bytearray, deadline: float | None) -> None:
        start = len(data)
        if start >= length:
            return
        data.extend(bytes(length - start))
        with memoryview(data) as view:
            while start < length:
                self._wait_until(deadline)
                count = self._socket.recv_into(view[start:])
                if not count:
                    raise Closed
                start += count

    def _wait_until(self, deadline: float | None) -> None:
        self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-6))

    def close(self) -> None:
        """Close the connection and forget the shared memory."""
        self._socket.close()
        self._outgoing.give_up()
        self._incoming.give_up()


def _document(data: bytearray, length: int) -> Any:
    try:
        return json.loads(bytes(memoryview(data)[_HEADER.size : _HEADER.size + length]))
    except (ValueError, RecursionError) as error:
        raise WireError(f"the document of a message is broken: {type(error).__name__}") from None
