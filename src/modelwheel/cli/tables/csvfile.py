"""CSV in constant memory. Blocks that are plainly right are read by Arrow where it is installed, five times as fast.

The standard library reads everything else: blocks with anything odd in them, and all that follows the first cell
which holds a quote or a line break. Both give the same rows, so what is installed does not change answers.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import numpy as np

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening import Float, Integer, Schema, String
from modelwheel_loader.show import MAX_LINE, CsvLines, bad_line, cell_readers

from .chunks import Chunk, Refusals

CellReader = Callable[[str], Any]
BLOCK = 4 << 20
"""Bytes that are read together."""
_LINES = 10_000
"""Lines that become one chunk where the standard library reads."""
_BOM = b"\xef\xbb\xbf"


class CsvFile:
    """The rows of a CSV file with a header line."""

    def __init__(self, stream: BinaryIO, schema: Schema, refusals: Refusals, *, delimiter: str = ",") -> None:
        self._stream = stream
        self._schema = schema
        self._refusals = refusals
        self._delimiter = delimiter
        between = re.escape(delimiter.encode())
        self._quoted = re.compile(rb'(?<![^%b\n])"[^"\r\n]*"(?![^%b\r\n])' % (between, between))
        self._numbers = 0
        """Rows that were read, unreadable ones too."""
        self._lines = 0

    def chunks(self) -> Iterator[Chunk]:
        """The rows. Raises `InputError` for a header that cannot be read, and for a line when refusals stop the run."""
        block = self._next(b"").removeprefix(_BOM)
        head, _, pending = block.partition(b"\n")
        if not self._is_plain(head):
            yield from self._slow(self._text(block), None)
            return
        if not block:
            return
        header = self._header(head.decode("utf-8", "surrogateescape"))
        self._lines = 1
        quick = _quick_reader(header, self._schema, self._delimiter)
        while True:
            cut = pending.rfind(b"\n") + 1
            if not self._is_plain(pending[:cut]):
                break
            if cut:
                yield from self._block(pending[:cut], header, quick)
            tail = pending[cut:]
            pending = self._next(tail)
            if len(pending) == len(tail):  # the file has ended, and perhaps not with a line break
                if not self._is_plain(tail):
                    break
                if tail:
                    yield from self._block(tail, header, quick)
                return
        yield from self._slow(self._text(pending), header)

    def _is_plain(self, block: bytes) -> bool:
        """Whether every quote is around a whole cell that holds neither quotes nor line breaks."""
        return b'"' not in block or b'"' not in self._quoted.sub(b"", block)

    def _next(self, pending: bytes) -> bytes:
        """`pending` and the next block, with at least one whole line, or all that is left."""
        parts = [pending]
        size = len(pending)
        while piece := self._stream.read(BLOCK):
            parts.append(piece)
            size += len(piece)
            if b"\n" in piece:
                break
            if size > MAX_LINE:
                raise bad_line(self._lines + 1, f"is longer than {MAX_LINE:,} bytes")
        return b"".join(parts)

    def _header(self, line: str) -> list[str]:
        rows = list(csv.reader([line], delimiter=self._delimiter))
        return rows[0] if rows else []

    def _text(self, pending: bytes) -> io.TextIOBase:
        raw = io.BufferedReader(_Rest(pending, self._stream), BLOCK)
        return io.TextIOWrapper(raw, encoding="utf-8", errors="surrogateescape", newline="")

    def _block(self, block: bytes, header: Sequence[str], quick: Callable[[bytes], Any]) -> Iterator[Chunk]:
        columns = quick(block)
        if columns is None:
            text = io.StringIO(block.decode("utf-8", "surrogateescape"), newline="")
            yield from self._slow(text, header)
            return
        rows = len(next(iter(columns.values())))
        self._lines += block.count(b"\n")
        yield Chunk(self._count(rows), columns=columns)

    def _count(self, rows: int) -> Any:
        self._numbers += rows
        return np.arange(self._numbers - rows, self._numbers)

    def _slow(self, text: io.TextIOBase, header: Sequence[str] | None) -> Iterator[Chunk]:
        """What the standard library reads, from here to the end of `text`."""
        lines = CsvLines(iter(lambda: text.readline(MAX_LINE), ""), delimiter=self._delimiter, before=self._lines)
        if header is None:
            header = lines.header()
        readers = cell_readers(header, self._schema)
        numbers: list[int] = []
        rows: list[list[str]] = []
        for cells in lines.rows(len(header), self._refuse):
            numbers.append(self._numbers)
            rows.append(cells)
            self._numbers += 1
            if len(rows) == _LINES:
                yield _columns(numbers, rows, header, readers)
                numbers, rows = [], []
        if rows:
            yield _columns(numbers, rows, header, readers)
        self._lines = lines.line

    def _refuse(self, error: InputError, line: str) -> None:
        self._refusals.line(self._numbers, error, line)
        self._numbers += 1


def _columns(numbers: list[int], rows: list[list[str]], header: Sequence[str], readers: Sequence[CellReader]) -> Chunk:
    columns = zip(header, readers, zip(*rows, strict=True), strict=True)
    return Chunk(np.array(numbers), columns={name: list(map(read, cells)) for name, read, cells in columns})


class _Rest(io.RawIOBase):
    """What was read ahead, then the rest of the stream."""

    def __init__(self, pending: bytes, stream: BinaryIO) -> None:
        self._pending = memoryview(pending)
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        piece = self._pending[: len(view)] or self._stream.read(len(view))
        self._pending = self._pending[len(piece) :]
        view[: len(piece)] = piece
        return len(piece)


def _quick_reader(header: Sequence[str], schema: Schema, delimiter: str) -> Callable[[bytes], dict[str, Any] | None]:
    """What reads a plain block into Arrow's columns; None for a block that it must not read."""
    cell_readers(header, schema)  # rejects a header that names a column twice
    fields = {field.name: field.type for field in schema.fields}
    kinds = {name: fields.get(name, String()) for name in header}
    try:
        import pyarrow as pa
        import pyarrow.csv as arrow_csv
    except ImportError:
        return lambda _: None
    if not header or not all(isinstance(kind, String | Float | Integer) for kind in kinds.values()):
        return lambda _: None
    types = {name: pa.float64() if isinstance(kind, Float) else pa.string() for name, kind in kinds.items()}
    integers = [name for name, kind in kinds.items() if isinstance(kind, Integer)]
    convert = arrow_csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    parse = arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False)
    quoted = arrow_csv.ParseOptions(delimiter=delimiter, double_quote=False)

    def quick(block: bytes) -> dict[str, Any] | None:
        if b"n(" in block or b"N(" in block:  # to Arrow, as in C, nan(1) is a number
            return None
        read = arrow_csv.ReadOptions(column_names=list(header), use_threads=False, block_size=len(block) + 1)
        options = quoted if b'"' in block else parse
        try:
            table = arrow_csv.read_csv(
                pa.BufferReader(block), read_options=read, parse_options=options, convert_options=convert
            )
            columns = {name: table.column(name) for name in header}
            for name in integers:
                columns[name] = _whole_numbers(columns[name], pa)
        except (pa.ArrowInvalid, _OddError):
            return None
        return columns

    return quick


class _OddError(Exception):
    """Arrow would read this otherwise than Python does."""


def _whole_numbers(texts: Any, pa: Any) -> Any:
    from pyarrow import compute

    if compute.any(compute.match_substring(texts, "x", ignore_case=True)).as_py():
        raise _OddError  # Arrow takes 0x1F for a number
    return texts.cast(pa.int64())
