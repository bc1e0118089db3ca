"""Opens an input file by its kind."""

from __future__ import annotations

import contextlib
import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any, BinaryIO, cast

from modelwheel_loader.errors import InputError, UsageError
from modelwheel_loader.opening import Schema
from modelwheel_loader.text import clip, safe

from .arrowfile import arrow_chunks
from .chunks import Chunk, Refusals, rebatch
from .csvfile import CsvFile
from .jsonfile import line_chunks, value_chunks

KINDS = ("csv", "jsonl", "json", "parquet", "arrow")
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}


def kind_of(path: str, said: str | None, kinds: tuple[str, ...] = KINDS) -> str:
    """The kind of a file by what was said, else by its name; JSON lines for standard input and output."""
    if said is not None:
        return said
    if path == "-":
        return "jsonl"
    name = path.lower().removesuffix(".gz")
    kind = _ENDINGS.get(PurePath(name).suffix)
    if kind not in kinds:
        message = f"unknown file type: {safe(path)}"
        hint = f"Set it with --from or --to: {', '.join(kinds)}."
        raise UsageError.of("usage.argument", message, hint=hint, expected=", ".join(kinds))
    return kind


class Source:
    """An input file. `read` bytes of `total` were read so far; `total` is None for a pipe."""

    def __init__(self, path: str, stream: BinaryIO) -> None:
        self.path = path
        self.read = 0
        self.total = os.fstat(stream.fileno()).st_size if path != "-" else None
        self._stream = stream

    def counted(self) -> BinaryIO:
        """The bytes of the file, unpacked where they are gzip, counted as they are read."""
        counting = _Counting(self, self._stream)
        if not self.path.lower().endswith(".gz"):
            return cast("BinaryIO", counting)
        return cast("BinaryIO", _Unpacked(self.path, gzip.GzipFile(fileobj=cast("Any", counting))))


class _Counting:
    """A binary stream that counts in its source what was read. Whoever opened the file closes it."""

    closed = False

    def __init__(self, source: Source, stream: BinaryIO) -> None:
        self._source = source
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        self._source.read += len(data)
        return data

    read1 = read

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, place: int, whence: int = 0) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def flush(self) -> None:
        """Nothing is written."""

    def close(self) -> None:
        """Left to the owner."""


class _Unpacked(_Counting):
    """The bytes that gzip unpacks; its errors are errors of the input."""

    def __init__(self, path: str, stream: Any) -> None:
        self._path = path
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        try:
            data: bytes = self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            message = f"{safe(self._path)} cannot be unpacked"
            raise InputError.of("input.file", message, found=clip(error, 200)) from None
        return data

    read1 = read

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def opened(path: str) -> Iterator[Source]:
    """The file at `path`, or standard input for `-`."""
    if path == "-":
        yield Source(path, sys.stdin.buffer)
        return
    with open(path, "rb") as stream:  # noqa: PTH123 - a name is opened as it was given
        yield Source(path, stream)


def chunks(
    source: Source, kind: str, schema: Schema, refusals: Refusals, *, size: int, delimiter: str
) -> Iterator[Chunk]:
    """The rows of the file in chunks of `size`."""
    stream = source.counted()
    readers: dict[str, Callable[[], Iterator[Chunk]]] = {
        "csv": lambda: CsvFile(stream, schema, refusals, delimiter=delimiter).chunks(),
        "jsonl": lambda: line_chunks(stream, refusals),
        "json": lambda: value_chunks(stream, refusals),
    }
    read = readers.get(kind, lambda: arrow_chunks(source.path, stream, kind, size))
    return rebatch(read(), size)
