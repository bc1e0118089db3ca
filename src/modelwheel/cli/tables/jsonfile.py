"""JSON in constant memory: one object per line, objects one after the other, or one array of objects."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from modelwheel_loader.show.tabletext import MAX_LINE, bad_line
from modelwheel_loader.text import clip, shown

from .chunks import Chunk, Row
from .refusals import Refusals

_ROWS = 1000
"""Rows that become one chunk."""
_PIECE = 1 << 20
_BLANK = re.compile(r"[ \t\r\n]*")


class _Rows:
    """Counts rows and gathers them into chunks."""

    def __init__(self, refusals: Refusals) -> None:
        self.refusals = refusals
        self.number = 0
        self.numbers: list[int] = []
        self.rows: list[Row] = []

    def add(self, line: int, value: Any, text: str) -> None:
        """One value of the file; what is no object is refused."""
        if isinstance(value, dict):
            self.numbers.append(self.number)
            self.rows.append(value)
        else:
            self.refusals.line(self.number, bad_line(line, "must be a JSON object", shown(value)), clip(text, 1000))
        self.number += 1

    def flush(self) -> Iterator[Chunk]:
        """What was gathered."""
        if self.rows:
            yield Chunk(np.array(self.numbers), rows=self.rows)
        self.numbers, self.rows = [], []


def _text(stream: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")


def line_chunks(stream: BinaryIO, refusals: Refusals) -> Iterator[Chunk]:
    """The objects of JSON lines; empty lines are passed over."""
    rows = _Rows(refusals)
    lines = _text(stream)
    for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE), ""), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            refusals.line(rows.number, bad_line(number, f"is not JSON: {error}"), clip(line, 1000))
            rows.number += 1
            continue
        rows.add(number, value, line)
        if len(rows.rows) == _ROWS:
            yield from rows.flush()
    yield from rows.flush()


def value_chunks(stream: BinaryIO, refusals: Refusals) -> Iterator[Chunk]:
    """The objects of an array, or objects one after the other. Broken JSON ends the run: nothing after it is sure."""
    rows = _Rows(refusals)
    for line, value in _values(_text(stream)):
        rows.add(line, value, "")
        if len(rows.rows) == _ROWS:
            yield from rows.flush()
    yield from rows.flush()


def _values(text: io.TextIOBase) -> Iterator[tuple[int, Any]]:
    """The values and their lines; a value is decoded as soon as the text holds all of it."""
    buffer = _Buffer(text)
    inside = buffer.accept("[")
    first = True
    while True:
        if inside and buffer.accept("]"):
            if buffer.peek():
                raise bad_line(buffer.line, "is not JSON: there is more after the array")
            return
        if not buffer.peek():
            if inside:
                raise bad_line(buffer.line, "is not JSON: the array is cut off")
            return
        if inside and not first and not buffer.accept(","):
            raise bad_line(buffer.line, "is not JSON: a comma is missing")
        first = False
        yield buffer.line, buffer.value()


class _Buffer:
    """A window over the text."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text
        self._held = ""
        self._place = 0
        self.line = 1
        self._decode = json.JSONDecoder().raw_decode

    def _more(self) -> bool:
        piece = self._text.read(max(_PIECE, len(self._held) - self._place))
        self._held = self._held[self._place :] + piece
        self._place = 0
        return bool(piece)

    def peek(self) -> str:
        """The next character that is not blank, or nothing at the end."""
        while True:
            match = _BLANK.match(self._held, self._place)
            end = match.end() if match else self._place
            self.line += self._held.count("\n", self._place, end)
            self._place = end
            if end < len(self._held):
                return self._held[end]
            if not self._more():
                return ""

    def accept(self, character: str) -> bool:
        """Whether the next character is this one, which is then passed over."""
        found = self.peek() == character
        self._place += found
        return found

    def value(self) -> Any:
        """The next value. Twice as much text is read while it is not whole, so the work stays linear."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._held, self._place)
            except RecursionError:
                raise bad_line(self.line, "is not JSON that can be read: too deep") from None
            except ValueError as error:
                if len(self._held) - self._place > MAX_LINE or not self._more():
                    raise bad_line(self.line, f"is not JSON: {error}") from None
                continue
            if end == len(self._held) and self._more():  # a number may go on
                continue
            self.line += self._held.count("\n", self._place, end)
            self._place = end
            return value
