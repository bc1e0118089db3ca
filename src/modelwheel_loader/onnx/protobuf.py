"""A reader of protobuf's wire format, enough to walk a message without building anything of it.

Encoding: https://protobuf.dev/programming-guides/encoding/. Spans are offsets into the one buffer; nothing is copied.
Where parsers differ (overlong tags, numbers beyond 64 bits), the bytes are refused: what is walked here must be what
onnxruntime reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np

from ..errors import InvalidBundle

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 5_000_000
"""Fields that are read one by one, a few seconds of work (a file of millions of one-byte fields)."""
_FLOATS, _INTS, _STRINGS = 7 << 3 | FIXED32, 8 << 3 | VARINT, 9 << 3 | LENGTH
# ONNX's lists of attributes are not packed: each number and text has a tag, and trees have millions of them. Texts up
# to 31 bytes are skipped by the regular expression engine, modes of tree nodes (LEAF, BRANCH_LEQ) tried first
_SIZES = sorted(range(32), key=lambda size: size not in (4, 10))
_SHORT_STRING = rb"\x4a(?:" + b"|".join(rb"\x%02x.{%d}" % (size, size) for size in _SIZES) + rb")"
_SHORT_STRINGS = rb"(?s)(?:" + _SHORT_STRING + rb"){1,20000}+"  # bounded, as is its memory
_SMALL_RUN = 256
"""Bytes below which reading one by one is quicker than starting numpy."""
_MOST_NUMBERS = 64
"""Whole numbers of one field that are read; what has more (the shape of a tensor) is refused for it."""
_LARGE_RUN = 1 << 15
"""Bytes that are looked at together; what is made of them fits the processor's cache."""


@cache
def _short_strings() -> re.Pattern[bytes]:
    """Compiled when a file has long lists, which takes a millisecond."""
    return re.compile(_SHORT_STRINGS)


class Item:
    """A field of a message: its number, and its value (a number), or where its bytes lie."""

    __slots__ = ("end", "number", "value", "wire")

    def __init__(self, number: int, wire: int, value: int, end: int) -> None:
        self.number = number
        self.wire = wire
        self.value = value
        self.end = end


def broken(message: str) -> InvalidBundle:
    """The error for bytes that are no protobuf."""
    return InvalidBundle.of("onnx.graph", f"the ONNX file is not whole: {message}")


class Reader:
    """Walks the messages in `data`. It reads at most `most_fields` fields in all."""

    def __init__(self, data: bytes | memoryview, *, most_fields: int = MOST_FIELDS) -> None:
        self.data = data
        self._array = np.frombuffer(data, np.uint8)
        self._left = most_fields

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """The number at `position` and the position behind it."""
        data = self.data
        value = shift = 0
        while True:
            if position >= end:
                raise broken("a number is cut off")
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 2**64:
                    raise broken("a number has more than 64 bits")
                return value, position
            shift += 7
            if shift > 63:
                raise broken("a number has more than 64 bits")

    def items(self, start: int, end: int, *, runs: bool = False) -> Iterator[Item]:
        """The fields of the message in `data[start:end]`. With `runs`, lists of an attribute are left out."""
        data, position = self.data, start
        while position < end:
            tag = data[position]
            if runs and tag in _SKIPS and end - position > _SMALL_RUN:
                behind = _SKIPS[tag](self, position, end)
                if behind > position:
                    position = behind
                    self._count()
                    continue
            position += 1
            if tag >= 0x80:
                tag, position = self.varint(position - 1, end)
                if tag >= 2**32:
                    raise broken("a tag has more than 32 bits")
            number, wire = tag >> 3, tag & 7
            if not number:
                raise broken("a field has the number 0")
            self._count()
            if wire == VARINT:
                value, position = self.varint(position, end)
                yield Item(number, wire, value, position)
                continue
            if wire == LENGTH:
                size, position = self.varint(position, end)
            elif wire in (FIXED32, FIXED64):
                size = 4 if wire == FIXED32 else 8
            else:
                raise broken(f"a field has the wire type {wire}")
            if size > end - position:
                raise broken("a field is cut off")
            yield Item(number, wire, position, position + size)
            position += size

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise broken("it has too many fields")

    def inside(self, item: Item, *, runs: bool = False) -> Iterator[Item]:
        """The fields of the message that a field holds."""
        return self.items(item.value, item.end, runs=runs)

    def text(self, item: Item, limit: int = 200) -> str:
        """The text of a field with bytes, at most `limit` bytes of it."""
        return bytes(self.data[item.value : min(item.end, item.value + limit)]).decode("utf-8", "replace")

    def packed(self, item: Item) -> list[int]:
        """Whole numbers of a repeated field, packed or single; no more than tell that they are too many."""
        if item.wire == VARINT:
            return [signed(item.value)]
        numbers: list[int] = []
        position = item.value
        while position < item.end and len(numbers) <= _MOST_NUMBERS:
            value, position = self.varint(position, item.end)
            numbers.append(signed(value))
        return numbers

    def varints(self, item: Item) -> int:
        """How many whole numbers a repeated field holds, packed or single."""
        if item.wire == VARINT:
            return 1
        return int(np.count_nonzero(self._array[item.value : item.end] < 0x80))

    # -- runs: positions behind the longest run that begins at `position`, or `position` when there is none -----------

    def skip_floats(self, position: int, end: int) -> int:
        """Behind a run of `floats`: a tag and four bytes each."""
        chunk = _SMALL_RUN
        while count := min(chunk, (end - position) // 5):
            others = self._array[position : position + 5 * count : 5] != _FLOATS
            first = int(others.argmax())
            if others[first]:
                return position + 5 * first
            position += 5 * count
            chunk *= 2  # so that many short runs cost no more than one long run
        return position

    def skip_ints(self, position: int, end: int) -> int:
        """Behind a run of `ints`: a tag and a varint each. Bytes below 128 are thus tags and ends in turn."""
        chunk = _SMALL_RUN
        while position < end:
            part = self._array[position : min(end, position + chunk)]
            ends = np.flatnonzero(part < 0x80)
            tags, lasts = ends[0:-1:2], ends[1::2]
            good = part[tags] == _INTS
            # ten bytes hold 70 bits: of the last one, only the lowest bit is left
            good &= (lasts - tags < 10) | ((lasts - tags == 10) & (part[lasts] < 2))
            good[:1] &= tags[:1] == 0
            good[1:] &= tags[1:] == lasts[:-1] + 1
            count = len(good) if good.all() else int(good.argmin())
            if not count:
                return position
            position += int(lasts[count - 1]) + 1
            if count < len(good):
                return position
            chunk = min(2 * chunk, _LARGE_RUN)
        return position

    def skip_strings(self, position: int, end: int) -> int:
        """Behind a run of short `strings`."""
        match = _short_strings().match(self.data, position, end)
        return match.end() if match else position


_SKIPS = {_FLOATS: Reader.skip_floats, _INTS: Reader.skip_ints, _STRINGS: Reader.skip_strings}


def signed(value: int) -> int:
    """A varint read as int64."""
    return value - 2**64 if value >= 2**63 else value


def signed32(value: int) -> int:
    """A varint read as int32 or an enumeration, as parsers do: higher bits are dropped."""
    low = value & 0xFFFFFFFF
    return low - 2**32 if low >= 2**31 else low
