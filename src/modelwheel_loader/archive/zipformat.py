"""The one form of a zip file that modelwheel writes and reads (`docs/format.md`), as constants and structures.

Everything is little-endian, as in PKWARE's APPNOTE 6.3.3. The form: members one after another without gaps, each
stored, its data aligned by a padding record in the extra field of its local header; then the central directory, whose
entries have no extra field (but ZIP64 sizes where the numbers need them); then the end record, with no comment.
"""

from __future__ import annotations

import struct
from typing import Final

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
