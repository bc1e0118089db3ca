"""The reader of archives on files that nobody can keep on a disk: beyond 4 GiB, and cut off while they are read."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from builders import STAMP, archive
from modelwheel.errors import InvalidBundle
from modelwheel_loader.limits import DEFAULT
from modelwheel_loader.opening import archive as zipformat
from modelwheel_loader.opening.archive import Member, read_members

ROOT = "modelwheel_bundles/tiny/"
HUGE = 5 << 30
Pieces = dict[int, bytes]


def huge(name: str = f"{ROOT}native/buffers.bin", size: int = HUGE) -> tuple[Pieces, int]:
    """The pieces of an archive of a member of `size` bytes that are not there, and a small one; its whole size."""
    first, second = name.encode(), f"{ROOT}small.bin".encode()
    head = zipformat.local_header(first, 7, size, STAMP, 0)
    place = len(head) + size
    small = zipformat.local_header(second, 8, 4, STAMP, place) + b"data"
    start = place + len(small)
    directory = zipformat.central_header(first, 7, size, STAMP, 0)
    directory += zipformat.central_header(second, 8, 4, STAMP, place)
    end = zipformat.end_records(2, len(directory), start)
    return {0: head, place: small, start: directory + end}, start + len(directory) + len(end)


def reading(pieces: Pieces) -> Callable[[int, int], bytes]:
    """Reads the pieces where they lie, and zeros between them."""

    def read_at(offset: int, length: int) -> bytes:
        start = max(place for place in pieces if place <= offset)
        return pieces[start][offset - start :][:length].ljust(length, b"\0")

    return read_at


def test_members_beyond_four_gigabytes_are_read() -> None:
    pieces, size = huge()
    first, second = read_members(reading(pieces), size, DEFAULT).values()
    assert first == Member(name=f"{ROOT}native/buffers.bin", offset=len(pieces[0]), size=HUGE, crc=7)
    assert (second.size, second.crc) == (4, 8)
    assert second.offset % zipformat.ALIGNMENT == 0


@pytest.mark.parametrize("change", [-64, 64])
def test_a_size_in_the_zip64_record_that_is_not_true_is_refused(change: int) -> None:
    pieces, size = huge()
    start = max(pieces)
    told = struct.pack("<Q", HUGE)
    assert told in pieces[start]
    pieces[start] = pieces[start].replace(told, struct.pack("<Q", HUGE + change))
    with pytest.raises(InvalidBundle) as caught:
        read_members(reading(pieces), size, DEFAULT)
    assert caught.value.code == "archive.form"


def test_a_directory_that_is_cut_off_while_it_is_read_is_refused() -> None:
    data = archive({f"{ROOT}a": b"a"})
    end = len(data) - zipformat.END.size

    def shrinking(offset: int, length: int) -> bytes:
        return data[offset : offset + length] if offset >= end else data[offset : offset + length][:-1]

    with pytest.raises(InvalidBundle, match="the central directory is cut off"):
        read_members(shrinking, len(data), DEFAULT)


def test_zip64_records_that_do_not_fit_into_the_file_are_refused() -> None:
    end = zipformat.END.pack(zipformat.END_SIGNATURE, 0, 0, zipformat.MAX16, zipformat.MAX16, 0, 0, 0)
    with pytest.raises(InvalidBundle, match="the ZIP64 end records are cut off"):
        read_members(lambda offset, length: end[offset : offset + length], len(end), DEFAULT)


def test_a_member_that_goes_on_into_the_directory_is_refused() -> None:
    name = f"{ROOT}a".encode()
    body = zipformat.local_header(name, 7, 1000, STAMP, 0) + b"short"
    directory = zipformat.central_header(name, 7, 1000, STAMP, 0)
    data = body + directory + zipformat.end_records(1, len(directory), len(body))
    with pytest.raises(InvalidBundle, match="its data goes beyond the central directory"):
        read_members(lambda offset, length: data[offset : offset + length], len(data), DEFAULT)
    after = archive({f"{ROOT}a": b"a"}, gap=b"more")
    with pytest.raises(InvalidBundle, match="there are bytes between the last member and the central directory"):
        read_members(lambda offset, length: after[offset : offset + length], len(after), DEFAULT)
