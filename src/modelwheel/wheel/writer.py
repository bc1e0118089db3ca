"""Writes the one canonical form of a bundle's wheel: stored, aligned, deterministic, every byte hashed on its way.

The order of members: payloads by name, the manifest (which holds their digests), the dist-info files by name, RECORD
last. `modelwheel_loader.opening.archive` has the form; the strict reader accepts nothing else.
"""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import (
    MEMBER,
    Digest,
    RecordRow,
    central_header,
    end_records,
    format_record,
    local_header,
)
from modelwheel_loader.text import clip

from .metadata import LONGEST_PATH

Pieces = Sequence[bytes | memoryview]
"""The content of a member, as buffers that are written one after another without being copied together."""
Progress = Callable[[str, int, int], None]
_PIECE = 1 << 23
_SYNC = 1 << 27
"""Members from this size on are synced at once, while they are still being summed."""
_EPOCH_1980 = 315_532_800
_LATEST = 4_354_819_198  # 2107-12-31T23:59:58Z, the last time that a zip file can hold


class WheelWriter:
    """Writes members to `stream`, one after another, and remembers their digests."""

    def __init__(self, stream: BinaryIO, progress: Progress | None = None, total: int = 0) -> None:
        self._stream = stream
        self._stamp = _stamp()
        self._directory: list[bytes] = []
        self._position = 0
        self._progress = progress
        self._total = total
        self.rows: dict[str, RecordRow] = {}

    def add(self, name: str, pieces: Pieces) -> Digest:
        """Write one member; its size and digest."""
        encoded = name.encode("utf-8")
        size = sum(memoryview(piece).nbytes for piece in pieces)
        # the header's length does not depend on the CRC: leave room, write and sum the data, then fill it in
        header = local_header(encoded, 0, size, self._stamp, self._position)
        self._stream.write(header)
        crc, sha256 = self._write(pieces)
        end = self._stream.tell()
        self._stream.seek(self._position)
        self._stream.write(local_header(encoded, crc, size, self._stamp, self._position))
        self._stream.seek(end)
        self._directory.append(central_header(encoded, crc, size, self._stamp, self._position))
        self._position = end
        self.rows[name] = RecordRow(sha256=sha256, size=size)
        return Digest(size=size, sha256=sha256)

    def _write(self, pieces: Pieces) -> tuple[int, str]:
        """Write and sum. SHA-256, which takes longest, runs from the start; CRC-32 while the disk takes the data in.

        All of it releases the interpreter, and two cores are enough for it.
        """
        parts = list(_parts(pieces))
        if len(parts) <= 1:  # most members: too small for threads
            data = parts[0] if parts else b""
            self._stream.write(data)
            return zlib.crc32(data), hashlib.sha256(data).hexdigest()
        abandoned = threading.Event()
        with ThreadPoolExecutor(2) as pool:
            try:
                hashing = pool.submit(_sha256, parts, abandoned)
                self._put(parts)
                summing = pool.submit(_crc32, parts, abandoned)
                if sum(map(len, parts)) >= _SYNC:
                    _sync(self._stream)
                return summing.result(), hashing.result()
            finally:
                abandoned.set()  # after a failure or an interrupt nobody waits for the sums

    def _put(self, parts: Sequence[memoryview]) -> None:
        for part in parts:
            self._stream.write(part)
            if self._progress and self._total:
                self._progress("writing", min(self._stream.tell(), self._total), self._total)

    def finish(self) -> None:
        """Write the central directory and the end records."""
        directory = b"".join(self._directory)
        self._stream.write(directory)
        self._stream.write(end_records(len(self._directory), len(directory), self._position))


def _parts(pieces: Pieces) -> Iterator[memoryview]:
    for piece in pieces:
        view = memoryview(piece)
        if view.nbytes:  # views of arrays with an axis of no length cannot be cast
            view = view.cast("B")
            yield from (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))


def _sha256(parts: Sequence[memoryview], abandoned: threading.Event) -> str:
    digest = hashlib.sha256()
    for part in parts:
        if abandoned.is_set():
            break
        digest.update(part)
    return digest.hexdigest()


def _crc32(parts: Sequence[memoryview], abandoned: threading.Event) -> int:
    crc = 0
    for part in parts:
        if abandoned.is_set():
            break
        crc = zlib.crc32(part, crc)
    return crc


def _sync(stream: BinaryIO) -> None:
    """Let the disk work while the sums are being made. The last sync, of the whole file, is the saver's."""
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # a file in memory
        return
    stream.flush()
    os.fsync(descriptor)


def _stamp() -> tuple[int, int]:
    """DOS time and date of every member: SOURCE_DATE_EPOCH when it is set, else 1980-01-01."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(given) if given.isascii() and given.isdigit() and len(given) < 12 else _EPOCH_1980
    moment = time.gmtime(min(max(seconds, _EPOCH_1980), _LATEST))
    date = (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday
    return moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2, date


def write_wheel(
    stream: BinaryIO,
    *,
    root: str,
    dist_info: str,
    payload: Mapping[str, Pieces],
    manifest: Callable[[Mapping[str, Digest]], bytes],
    metadata: Mapping[str, bytes],
    progress: Progress | None = None,
) -> None:
    """Write a whole bundle to a seekable binary `stream`.

    `payload` maps names below `root` to their content; `manifest` makes manifest.json from their digests; `metadata`
    maps names below `dist_info` to their content, without RECORD. Raises `PackError` when a path is too long.
    """
    for name in payload:
        if len(root + name) > LONGEST_PATH:
            message = f"a path in the bundle is longer than {LONGEST_PATH} characters: give it a shorter name"
            raise PackError.of("pack.name", message, where=clip(root + name, LONGEST_PATH))
    total = sum(memoryview(piece).nbytes for pieces in payload.values() for piece in pieces)
    writer = WheelWriter(stream, progress, total)
    digests = {name: writer.add(root + name, payload[name]) for name in sorted(payload)}
    writer.add(root + MEMBER, [manifest(digests)])
    for name in sorted(metadata):
        writer.add(dist_info + name, [metadata[name]])
    own = f"{dist_info}RECORD"
    writer.add(own, [format_record(writer.rows, own)])
    writer.finish()
