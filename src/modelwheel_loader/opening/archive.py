"""The one form of a zip file that modelwheel writes and reads (`docs/format.md`), as constants and structures.

Everything is little-endian, as in PKWARE's APPNOTE 6.3.3. The form: members one after another without gaps, each
stored, its data aligned by a padding record in the extra field of its local header; then the central directory, whose
entries have no extra field (but ZIP64 sizes where the numbers need them); then the end record, with no comment.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Final

from ..defects import MOST_DEFECTS, Defect
from ..errors import InvalidBundle
from ..limits import Limits
from ..records import Record
from .names import name_defects

ALIGNMENT: Final = 64
"""The data of every member begins at a multiple of this: a cache line, and what numpy and onnxruntime prefer."""

LOCAL_SIGNATURE: Final = 0x04034B50
CENTRAL_SIGNATURE: Final = 0x02014B50
END_SIGNATURE: Final = 0x06054B50
END64_SIGNATURE: Final = 0x06064B50
LOCATOR64_SIGNATURE: Final = 0x07064B50

LOCAL: Final = struct.Struct("<IHHHHHIIIHH")
"""signature, version needed, flags, method, time, date, crc, stored size, size, name length, extra length"""
CENTRAL: Final = struct.Struct("<IHHHHHHIIIHHHHHII")
"""signature, made by, version needed, flags, method, time, date, crc, stored size, size, name length, extra length,
comment length, disk, internal attributes, external attributes, offset of the local header"""
END: Final = struct.Struct("<IHHHHIIH")
"""signature, disk, disk of the directory, entries here, entries, directory size, directory offset, comment length"""
END64: Final = struct.Struct("<IQHHIIQQQQ")
"""signature, size of the rest, made by, version needed, disk, disk of the directory, entries here, entries,
directory size, directory offset"""
LOCATOR64: Final = struct.Struct("<IIQI")
"""signature, disk of the ZIP64 end record, its offset, disks"""
EXTRA: Final = struct.Struct("<HH")
"""The head of a record in an extra field: its kind and the length of what follows."""

STORED: Final = 0
FLAG_UTF8: Final = 0x800
"""Set when, and only when, a name is not ASCII."""
VERSION: Final = 20
VERSION_ZIP64: Final = 45
MADE_BY_UNIX: Final = 3 << 8
REGULAR_FILE: Final = 0o100644 << 16
"""The external attributes of every member: a regular file that everybody may read."""

EXTRA_ZIP64: Final = 0x0001
EXTRA_ALIGNMENT: Final = 0xD935
"""The padding record: the alignment as two bytes, then zero bytes. The number is the one Android's zipalign uses."""

MAX16: Final = 0xFFFF
MAX32: Final = 0xFFFF_FFFF
"""A size, an offset or a count from here on is written in the ZIP64 records, and this value stands in its old place."""


def padding(position: int) -> bytes:
    """The padding record that makes data begin at the next multiple of `ALIGNMENT` when it is written at `position`."""
    head = EXTRA.size + 2
    zeros = -(position + head) % ALIGNMENT
    return EXTRA.pack(EXTRA_ALIGNMENT, 2 + zeros) + struct.pack("<H", ALIGNMENT) + bytes(zeros)


def local_header(name: bytes, crc: int, size: int, stamp: tuple[int, int], position: int) -> bytes:
    """The local header of a member written at `position`; `stamp` is the DOS time and date. Data follows at once."""
    zip64 = size >= MAX32
    extra = EXTRA.pack(EXTRA_ZIP64, 16) + struct.pack("<QQ", size, size) if zip64 else b""
    extra += padding(position + LOCAL.size + len(name) + len(extra))
    shown = MAX32 if zip64 else size
    version = VERSION_ZIP64 if zip64 else VERSION
    head = (LOCAL_SIGNATURE, version, flags(name), STORED, *stamp, crc, shown, shown, len(name), len(extra))
    return LOCAL.pack(*head) + name + extra


def central_header(name: bytes, crc: int, size: int, stamp: tuple[int, int], position: int) -> bytes:
    """The entry in the central directory of the member whose local header is at `position`."""
    wide = [value for value in (size, size, position) if value >= MAX32]
    extra = EXTRA.pack(EXTRA_ZIP64, 8 * len(wide)) + struct.pack(f"<{len(wide)}Q", *wide) if wide else b""
    version = VERSION_ZIP64 if wide else VERSION
    shown = min(size, MAX32)
    made_by = MADE_BY_UNIX | version
    head = (CENTRAL_SIGNATURE, made_by, version, flags(name), STORED, *stamp, crc, shown, shown, len(name), len(extra))
    return CENTRAL.pack(*head, 0, 0, 0, REGULAR_FILE, min(position, MAX32)) + name + extra


def end_records(entries: int, size: int, position: int) -> bytes:
    """What follows a central directory of `size` bytes at `position`: the end record, behind ZIP64 ones when needed."""
    records = b""
    if entries >= MAX16 or size >= MAX32 or position >= MAX32:
        version = (MADE_BY_UNIX | VERSION_ZIP64, VERSION_ZIP64)
        records += END64.pack(END64_SIGNATURE, END64.size - 12, *version, 0, 0, entries, entries, size, position)
        records += LOCATOR64.pack(LOCATOR64_SIGNATURE, 0, position + size, 1)
    count = min(entries, MAX16)
    return records + END.pack(END_SIGNATURE, 0, 0, count, count, min(size, MAX32), min(position, MAX32), 0)


def flags(name: bytes) -> int:
    """The flags of a member: UTF-8 when the name is not ASCII."""
    return 0 if name.isascii() else FLAG_UTF8


# The strict reader of the one canonical form of a wheel file. Not a general zip reader, and not based on one.
#
# Every header is parsed, then built again from what was parsed and compared byte for byte with `zipformat`: what our
# writer would not write is refused, so that no other reader can see another archive in the same bytes (THREATS row 5).
# Stored members only: nothing is inflated, so nothing can explode (row 8).


ReadAt = Callable[[int, int], bytes]
"""Gives `length` bytes at `offset`, or fewer at the end of the file."""
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_ENCRYPTED, _DESCRIPTOR = 0x1, 0x8
_LONGEST_ENTRY = CENTRAL.size + EXTRA.size + 24


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
    if size < END.size:
        raise _refused("archive.truncated", "too short to be a wheel", found=f"{size} bytes")
    signature, disk, first_disk, here, count, directory, start, comment = END.unpack(read_at(size - END.size, END.size))
    if signature != END_SIGNATURE:
        _refuse_other_kinds(read_at(0, len(_ZIP)))
        raise _refused(
            "archive.truncated", "the end record is not at the end: the file is cut off, or has something behind it"
        )
    if disk or first_disk or here != count or comment:
        raise _refused("archive.form", "the end record has a comment or names several disks")
    end = size - END.size
    if count == MAX16 or MAX32 in (directory, start):
        start, directory, count, end = _end64(read_at, end)
    if count > limits.members:
        raise _refused("archive.limit", "too many members", found=f"{count:,}", expected=f"at most {limits.members:,}")
    if start + directory != end or directory > count * (_LONGEST_ENTRY + limits.name_bytes):
        raise _refused("archive.form", "the central directory is not directly before the end record")
    if read_at(end, size - end) != end_records(count, directory, start):
        raise _refused("archive.form", "the end records are not in canonical form")
    return start, directory, count


def _end64(read_at: ReadAt, end: int) -> tuple[int, int, int, int]:
    position = end - LOCATOR64.size - END64.size
    if position < 0:
        raise _refused("archive.truncated", "the ZIP64 end records are cut off")
    fields = END64.unpack(read_at(position, END64.size))
    if fields[0] != END64_SIGNATURE:
        raise _refused("archive.form", "there is no ZIP64 end record where it must be")
    count, directory, start = fields[7:]
    return start, directory, count, position


def _entries(directory: bytes, count: int) -> Iterator[_Entry]:
    position = 0
    for _ in range(count):
        fixed = directory[position : position + CENTRAL.size]
        if len(fixed) < CENTRAL.size:
            raise _refused("archive.form", "the central directory has fewer entries than the end record says")
        fields = CENTRAL.unpack(fixed)
        name_length, extra_length, comment_length = fields[10:13]
        after_name = position + CENTRAL.size + name_length
        after = after_name + extra_length + comment_length
        if fields[0] != CENTRAL_SIGNATURE or after > len(directory):
            raise _refused("archive.form", "an entry of the central directory is broken")
        raw = directory[position:after]
        name = directory[position + CENTRAL.size : after_name]
        yield _entry(raw, name, fields, directory[after_name : after_name + extra_length])
        position = after
    if position != len(directory):
        raise _refused("archive.form", "the central directory has more bytes than entries")


def _entry(raw: bytes, name: bytes, fields: tuple[int, ...], extra: bytes) -> _Entry:
    """The entry with its ZIP64 numbers in place. A wrong ZIP64 record shows when the header is built again."""
    sizes = [fields[9], fields[16]]
    wide = [value for (value,) in struct.iter_unpack("<Q", extra[4 : 4 + (len(extra) - 4) // 8 * 8])] if extra else []
    if sizes[0] == MAX32 and len(wide) >= 2:
        sizes[0] = wide[0]
        wide = wide[2:]
    if sizes[1] == MAX32 and wide:
        sizes[1] = wide[0]
    stamp, crc = (fields[5], fields[6]), fields[7]
    return _Entry(raw=raw, name=name, stamp=stamp, crc=crc, size=sizes[0], position=sizes[1])


def _entry_defects(entry: _Entry, name: str) -> Iterator[Defect]:
    """Defects that have a name of their own come first; whatever else differs is named as a whole."""
    flags, method = struct.unpack_from("<HH", entry.raw, 8)
    code, found = "archive.form", ""
    if flags & _ENCRYPTED:
        message = "is encrypted"
    elif flags & _DESCRIPTOR:
        message = "has its sizes behind its data (a data descriptor)"
    elif method != STORED:
        code, message, found = "archive.compressed", "is compressed", f"method {method}"
    elif entry.raw != central_header(entry.name, entry.crc, entry.size, entry.stamp, entry.position):
        message = "its entry in the central directory is not in canonical form"
    else:
        return
    yield Defect(code=code, where=name, message=message, found=found)


def _members(read_at: ReadAt, entries: list[_Entry], names: list[str], end: int) -> dict[str, Member]:
    """The members, when their local headers agree with the directory and they fill the file up to `end` exactly."""
    members: dict[str, Member] = {}
    position = 0
    for entry, name in zip(entries, names, strict=True):
        header = local_header(entry.name, entry.crc, entry.size, entry.stamp, position)
        if entry.position != position or read_at(position, len(header)) != header:
            message = "its local header is not where and what the central directory and the form demand"
            raise _refused("archive.form", message, where=name)
        offset = position + len(header)
        position = offset + entry.size
        if position > end:
            raise _refused("archive.truncated", "its data goes beyond the central directory", where=name)
        members[name] = Member(name=name, offset=offset, size=entry.size, crc=entry.crc)
    if position != end:
        raise _refused("archive.form", "there are bytes between the last member and the central directory")
    return members
