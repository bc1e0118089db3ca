"""The strict reader of the one canonical form of a wheel file. Not a general zip reader, and not based on one.

Every header is parsed, then built again from what was parsed and compared byte for byte with `zipformat`: what our
writer would not write is refused, so that no other reader can see another archive in the same bytes (THREATS row 5).
Stored members only: nothing is inflated, so nothing can explode (row 8).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import chain, islice

from ..errors import MOST_DEFECTS, Defect, InvalidBundle
from ..limits import Limits
from ..records import Record
from ..text import clip
from . import zipformat as z
from .membernames import name_defects

ReadAt = Callable[[int, int], bytes]
"""Gives `length` bytes at `offset`, or fewer at the end of the file."""
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_ENCRYPTED, _DESCRIPTOR = 0x1, 0x8
_LONGEST_ENTRY = z.CENTRAL.size + z.EXTRA.size + 24


class Member(Record):
    """A file in a bundle: where its data lies, how long it is, and its CRC-32 (None where there is no archive)."""

    name: str
    offset: int
    size: int
    crc: int | None = None


class _Entry(Record):
    raw: bytes
    name: bytes
    stamp: tuple[int, int]
    crc: int
    size: int
    position: int


def read_members(read_at: ReadAt, size: int, limits: Limits) -> dict[str, Member]:
    """The members of the archive of `size` bytes, in file order; raises `InvalidBundle` with every defect found.

    An end record or directory that cannot be followed ends the reading at once; defects of entries are collected.
    """
    start, directory_size, count = _end(read_at, size, limits)
    directory = read_at(start, directory_size)
    if len(directory) != directory_size:
        raise _refused("archive.truncated", "the central directory is cut off")
    entries = list(_entries(directory, count))
    names = [entry.name.decode("utf-8", "surrogateescape") for entry in entries]
    found = chain(chain.from_iterable(map(_entry_defects, entries, names)), name_defects(names, limits))
    if defects := list(islice(found, MOST_DEFECTS)):
        raise InvalidBundle("not a wheel in the form that modelwheel writes", defects)
    return _members(read_at, entries, names, start)


def _refused(code: str, message: str, **place: str) -> InvalidBundle:
    return InvalidBundle.of(code, message, **place)


def _refuse_other_kinds(start: bytes) -> None:
    """Raise `InvalidBundle` for what does not even begin as a wheel does."""
    if start != _ZIP:
        kind = "a gzip file, such as a source archive (sdist)," if start.startswith(_GZIP) else "no zip archive"
        message = f"no wheel: it is {kind} by its first bytes"
        raise _refused("archive.truncated", message, hint="Name the .whl file that modelwheel has packed.")


def _end(read_at: ReadAt, size: int, limits: Limits) -> tuple[int, int, int]:
    """Where the central directory begins, its size, and how many entries it has, by the records at the end."""
    if size < z.END.size:
        raise _refused("archive.truncated", "too short to be a wheel", found=f"{size} bytes")
    signature, disk, first_disk, here, count, directory, start, comment = z.END.unpack(
        read_at(size - z.END.size, z.END.size)
    )
    if signature != z.END_SIGNATURE:
        _refuse_other_kinds(read_at(0, len(_ZIP)))
        raise _refused(
            "archive.truncated", "the end record is not at the end: the file is cut off, or has something behind it"
        )
    if disk or first_disk or here != count or comment:
        raise _refused("archive.form", "the end record has a comment or tells of several disks")
    end = size - z.END.size
    if count == z.MAX16 or z.MAX32 in (directory, start):
        start, directory, count, end = _end64(read_at, end)
    if count > limits.members:
        raise _refused("archive.limit", "too many members", found=f"{count:,}", expected=f"at most {limits.members:,}")
    if start + directory != end or directory > count * (_LONGEST_ENTRY + limits.name_bytes):
        raise _refused("archive.form", "the central directory is not directly before the end record")
    if read_at(end, size - end) != z.end_records(count, directory, start):
        raise _refused("archive.form", "the end records are not in canonical form")
    return start, directory, count


def _end64(read_at: ReadAt, end: int) -> tuple[int, int, int, int]:
    position = end - z.LOCATOR64.size - z.END64.size
    if position < 0:
        raise _refused("archive.truncated", "the ZIP64 end records are cut off")
    fields = z.END64.unpack(read_at(position, z.END64.size))
    if fields[0] != z.END64_SIGNATURE:
        raise _refused("archive.form", "there is no ZIP64 end record where it must be")
    count, directory, start = fields[7:]
    return start, directory, count, position


def _entries(directory: bytes, count: int) -> Iterator[_Entry]:
    position = 0
    for _ in range(count):
        fixed = directory[position : position + z.CENTRAL.size]
        if len(fixed) < z.CENTRAL.size:
            raise _refused("archive.form", "the central directory has fewer entries than the end record says")
        fields = z.CENTRAL.unpack(fixed)
        name_length, extra_length, comment_length = fields[10:13]
        after_name = position + z.CENTRAL.size + name_length
        after = after_name + extra_length + comment_length
        if fields[0] != z.CENTRAL_SIGNATURE or after > len(directory):
            raise _refused("archive.form", "an entry of the central directory is broken")
        raw = directory[position:after]
        name = directory[position + z.CENTRAL.size : after_name]
        yield _entry(raw, name, fields, directory[after_name : after_name + extra_length])
        position = after
    if position != len(directory):
        raise _refused("archive.form", "the central directory has more bytes than entries")


def _entry(raw: bytes, name: bytes, fields: tuple[int, ...], extra: bytes) -> _Entry:
    """The entry with its ZIP64 numbers in place. A wrong ZIP64 record shows when the header is built again."""
    sizes = [fields[9], fields[16]]
    wide = [value for (value,) in struct.iter_unpack("<Q", extra[4 : 4 + (len(extra) - 4) // 8 * 8])] if extra else []
    if sizes[0] == z.MAX32 and len(wide) >= 2:
        sizes[0] = wide[0]
        wide = wide[2:]
    if sizes[1] == z.MAX32 and wide:
        sizes[1] = wide[0]
    stamp, crc = (fields[5], fields[6]), fields[7]
    return _Entry(raw=raw, name=name, stamp=stamp, crc=crc, size=sizes[0], position=sizes[1])


def _entry_defects(entry: _Entry, name: str) -> Iterator[Defect]:
    """Defects that have a name of their own come first; whatever else differs is named as a whole."""
    where = clip(name, 120)
    flags, method = struct.unpack_from("<HH", entry.raw, 8)
    if flags & _ENCRYPTED:
        yield Defect(code="archive.form", where=where, message="is encrypted")
    elif flags & _DESCRIPTOR:
        yield Defect(code="archive.form", where=where, message="has its sizes behind its data (a data descriptor)")
    elif method != z.STORED:
        yield Defect(code="archive.compressed", where=where, message="is compressed", found=f"method {method}")
    elif entry.raw != z.central_header(entry.name, entry.crc, entry.size, entry.stamp, entry.position):
        yield Defect(
            code="archive.form", where=where, message="its entry in the central directory is not in canonical form"
        )


def _members(read_at: ReadAt, entries: list[_Entry], names: list[str], end: int) -> dict[str, Member]:
    """The members, when their local headers agree with the directory and they fill the file up to `end` exactly."""
    members: dict[str, Member] = {}
    position = 0
    for entry, name in zip(entries, names, strict=True):
        header = z.local_header(entry.name, entry.crc, entry.size, entry.stamp, position)
        if entry.position != position or read_at(position, len(header)) != header:
            message = "its local header is not where and what the central directory and the form demand"
            raise _refused("archive.form", message, where=clip(name, 120))
        offset = position + len(header)
        position = offset + entry.size
        if position > end:
            raise _refused("archive.truncated", "its data goes beyond the central directory", where=clip(name, 120))
        members[name] = Member(name=name, offset=offset, size=entry.size, crc=entry.crc)
    if position != end:
        raise _refused("archive.form", "there are bytes between the last member and the central directory")
    return members
