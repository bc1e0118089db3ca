"""JSON in constant memory: one object per line, objects one after the other, or one array of objects."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from modelwheel_loader.errors import InputError
from modelwheel_loader.show import MAX_LINE, Refuse, Row, bad_line, json_rows
from modelwheel_loader.text import shown

from .chunks import Chunk, Refusals

_ROWS = 1000
"""Rows that become one chunk."""
_PIECE = 1 << 20
_BLANK = re.compile(r"[ \t\r\n]*")


def line_chunks(stream: BinaryIO, refusals: Refusals) -> Iterator[Chunk]:
    """The objects of JSON lines; empty lines are skipped."""
    gather = _Gather(refusals)
    return gather.chunks(json_rows(_text(stream), gather.refuse))


def value_chunks(stream: BinaryIO, refusals: Refusals) -> Iterator[Chunk]:
    """The objects of an array, or objects one after the other. Broken JSON ends the run: nothing after it is sure."""
    gather = _Gather(refusals)
    return gather.chunks(_objects(_text(stream), gather.refuse))


def _text(stream: BinaryIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")


class _Gather:
    """Numbers rows, also rejected ones, and gathers them into chunks."""

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._number = 0

    def refuse(self, error: InputError, text: str) -> None:
        """A line or value that is not a row."""
        self._refusals.line(self._number, error, text)
        self._number += 1

    def chunks(self, rows: Iterator[Row]) -> Iterator[Chunk]:
        """All rows."""
        numbers: list[int] = []
        held: list[Row] = []
        for row in rows:
            numbers.append(self._number)
            held.append(row)
            self._number += 1
            if len(held) == _ROWS:
                yield Chunk(np.array(numbers), rows=held)
                numbers, held = [], []
        if held:
            yield Chunk(np.array(numbers), rows=held)


def _objects(text: io.TextIOBase, refuse: Refuse) -> Iterator[Row]:
    for line, value in _values(text):
        if isinstance(value, dict):
            yield value
        else:
            refuse(bad_line(line, "must be a JSON object", shown(value)), "")


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
