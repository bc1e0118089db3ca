"""Parquet and Arrow files, by pyarrow or else by Polars, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.text import clip, safe
from modelwheel_loader.validate import table_columns

from .chunks import Chunk

LIBRARIES = ("pyarrow", "polars")
"""In the order in which they are looked for."""


def arrow_chunks(path: str, stream: BinaryIO, kind: str, size: int) -> Iterator[Chunk]:
    """The rows of a file of `kind` `parquet` or `arrow`; `stream` is used where `path` is `-`."""
    library = _library()
    number = 0
    try:
        for table in _tables(library, path, stream, kind, size):
            rows = len(table)
            yield Chunk(np.arange(number, number + rows), columns=table_columns(table))
            number += rows
    except _errors(library) as error:
        message = f"{safe(path)} is not a readable {kind} file"
        raise InputError.of("input.file", message, found=clip(error, 200)) from None


def _library() -> str:
    for name in LIBRARIES:
        try:
            __import__(name)
        except ImportError:
            continue
        return name
    raise MissingExtra.of("input.library", "this kind of file is read by pyarrow or Polars", hint="pip install pyarrow")


def _errors(library: str) -> tuple[type[Exception], ...]:
    if library == "pyarrow":
        import pyarrow as pa

        return (pa.ArrowException, OSError, UnicodeError)  # also what it raises for broken heads and texts
    import polars as pl

    return (pl.exceptions.PolarsError, OSError)


def _tables(library: str, path: str, stream: BinaryIO, kind: str, size: int) -> Iterator[Any]:
    if library == "polars":
        return _polars(path, kind, size)
    return _parquet(path, stream, size) if kind == "parquet" else _ipc(path, stream)


def _parquet(path: str, stream: BinaryIO, size: int) -> Iterator[Any]:
    from pyarrow import parquet

    if path == "-" and not stream.seekable():
        raise _not_seekable()
    with parquet.ParquetFile(stream) as file:
        yield from file.iter_batches(batch_size=size)


def _ipc(path: str, stream: BinaryIO) -> Iterator[Any]:
    import pyarrow as pa

    if path != "-" and stream.read(6) == b"ARROW1":
        stream.seek(0)
        with pa.ipc.open_file(stream) as file:
            yield from map(_validated, (file.get_batch(index) for index in range(file.num_record_batches)))
        return
    if path != "-":
        stream.seek(0)
    with pa.ipc.open_stream(stream) as batches:
        yield from map(_validated, batches)


def _validated(batch: Any) -> Any:
    """The batch, none of whose offsets and lengths lead out of it: Arrow trusts those in the file."""
    batch.validate(full=True)
    return batch


def _polars(path: str, kind: str, size: int) -> Iterator[Any]:
    import polars as pl

    if path == "-":
        raise _not_seekable()
    # as a path that exists: Polars would look for patterns in a text
    whole = (pl.scan_parquet if kind == "parquet" else pl.scan_ipc)(Path(path).absolute(), glob=False)
    start = 0
    while len(table := whole.slice(start, size).collect()):
        yield table
        start += size


def _not_seekable() -> InputError:
    return InputError.of("input.file", "this kind of file cannot be read from a pipe", hint="Give it as a file.")
