"""A reader of protobuf's wire format, enough to walk a message without building anything of it.

Encoding: https://protobuf.dev/programming-guides/encoding/. Spans are offsets into the one buffer; nothing is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .errors import InvalidBundle

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
# repeated numbers of ONNX attributes are not packed: one tag each. Trees have millions, so runs are skipped by the
# regular expression engine instead of one by one; a run is bounded, so that the engine's memory is
_RUNS = {
    number << 3 | wire: re.compile(rb"(?:" + re.escape(bytes([number << 3 | wire])) + item + rb"){1,20000}+", re.DOTALL)
    for number, wire, item in ((7, FIXED32, rb".{4}"), (8, VARINT, rb"[\x80-\xff]{0,9}[\x00-\x7f]"))
}


class Item(NamedTuple):
    """A field of a message: its number, and its value (a number), or where its bytes lie."""

    number: int
    wire: int
    value: int
    end: int


def broken(message: str) -> InvalidBundle:
    """The error for bytes that are no protobuf."""
    return InvalidBundle.of("onnx.graph", f"the ONNX file is not whole: {message}")


def varint(data: bytes | memoryview, position: int, end: int) -> tuple[int, int]:
    """The number at `position` and the position behind it."""
    value = shift = 0
    while True:
        if position >= end or shift > 63:
            raise broken("a number is cut off")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def items(data: bytes | memoryview, start: int, end: int, *, runs: bool = False) -> Iterator[Item]:
    """The fields of the message in `data[start:end]`. With `runs`, repeated numbers of attributes are left out."""
    position = start
    while position < end:
        tag = data[position]
        if runs and tag in _RUNS and (match := _RUNS[tag].match(data, position, end)):
            position = match.end()
            continue
        if tag < 0x80:
            position += 1
        else:
            tag, position = varint(data, position, end)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise broken("a field has the number 0")
        if wire == VARINT:
            value, position = varint(data, position, end)
            yield Item(number, wire, value, position)
        elif wire == LENGTH:
            length, position = varint(data, position, end)
            if length > end - position:
                raise broken("a field is cut off")
            yield Item(number, wire, position, position + length)
            position += length
        elif wire in (FIXED32, FIXED64):
            width = 4 if wire == FIXED32 else 8
            if width > end - position:
                raise broken("a number is cut off")
            yield Item(number, wire, position, position + width)
            position += width
        else:
            raise broken(f"a field has the wire type {wire}")


def text(data: bytes | memoryview, item: Item, limit: int = 10_000) -> str:
    """The text of a field with bytes, at most `limit` bytes of it."""
    return bytes(data[item.value : min(item.end, item.value + limit)]).decode("utf-8", "replace")


def signed(value: int) -> int:
    """A varint read as int64."""
    return value - 2**64 if value >= 2**63 else value


def packed(data: bytes | memoryview, item: Item, limit: int = 64) -> list[int]:
    """Whole numbers of a repeated field, packed or single, at most `limit`."""
    if item.wire == VARINT:
        return [signed(item.value)]
    numbers, position = [], item.value
    while position < item.end and len(numbers) < limit:
        value, position = varint(data, position, item.end)
        numbers.append(signed(value))
    return numbers
