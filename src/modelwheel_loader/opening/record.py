"""SHA-256. `hashlib` brings OpenSSL, some milliseconds of a start, and pays from about a megabyte on.

The lean module is the one `hashlib` itself falls back on; CPython's `random` does the same for the same reason.
"""

from __future__ import annotations

import binascii
import io
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from ..defects import MOST_DEFECTS, Defect
from ..errors import InvalidBundle
from ..records import Record
from ..text import clip, shown

if TYPE_CHECKING:
    from hashlib import _Hash


PIECE = 1 << 24
"""How many bytes are taken at once."""
_LITTLE = 1 << 20
_LEAN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"


def new_sha256(size: int) -> _Hash:
    """A SHA-256 that will be fed about `size` bytes."""
    if size > _LITTLE or "hashlib" in sys.modules:
        import hashlib

        return hashlib.sha256()
    try:
        lean: _Hash = import_module(_LEAN).sha256()
    except ImportError:  # an interpreter that was built without it
        import hashlib

        return hashlib.sha256()
    return lean


def sha256_of(data: bytes | memoryview) -> str:
    """The SHA-256 of `data`: 64 hexadecimal digits."""
    digest = new_sha256(len(data))
    for start in range(0, len(data), PIECE):
        digest.update(data[start : start + PIECE])
    return digest.hexdigest()


# RECORD: one row per file with its digest and size, as the wheel specification has it. Ours is canonical.
#
# Reading follows THREATS row 7: every member exactly once, no ghosts, SHA-256 in unpadded URL-safe base64, plain sizes.


_WHERE = "RECORD"
_SHA256_BYTES = 32
_PREFIX = "sha256="
_URL_SAFE = str.maketrans("+/-_", "-_+/")  # both ways


class RecordRow(Record):
    """The SHA-256 (64 hexadecimal digits) and the size of a file."""

    sha256: str
    size: int


def encode_digest(sha256: str) -> str:
    """A hexadecimal SHA-256 as RECORD writes it: `sha256=` and unpadded URL-safe base64."""
    encoded = binascii.b2a_base64(bytes.fromhex(sha256), newline=False).decode("ascii")
    return _PREFIX + encoded.rstrip("=").translate(_URL_SAFE)


def _decode_digest(text: str) -> str | None:
    """The hexadecimal digest, or None when `text` is not the one canonical spelling of a SHA-256."""
    if not text.startswith(_PREFIX):
        return None
    try:
        raw = binascii.a2b_base64(text[len(_PREFIX) :].translate(_URL_SAFE) + "=", strict_mode=True)
    except (binascii.Error, ValueError):
        return None
    found = raw.hex()
    return found if len(raw) == _SHA256_BYTES and encode_digest(found) == text else None


def format_record(rows: Mapping[str, RecordRow], own_name: str) -> bytes:
    """RECORD for `rows`, in their order, ending with its own row."""
    import csv

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows((name, encode_digest(row.sha256), row.size) for name, row in rows.items())
    writer.writerow((own_name, "", ""))
    return out.getvalue().encode("utf-8")


def parse_record(
    data: bytes, own_name: str, *, most: int, relevant: Callable[[str], bool] = lambda _: True
) -> dict[str, RecordRow]:
    """The rows of RECORD but its own, at most `most`. They are not yet compared with files.

    Rows of files that are not `relevant` are passed over: installers add files of their own, without digests.
    Raises `InvalidBundle` with every defect, up to the thousandth.
    """
    lines = max(data.count(b"\n"), data.count(b"\r"))
    if lines > most:
        found, expected = f"{lines:,}", f"at most {most:,}"
        raise InvalidBundle.of("archive.limit", "has too many rows", where=_WHERE, found=found, expected=expected)
    defects: list[Defect] = []
    rows: dict[str, RecordRow] = {}
    own = 0

    def wrong(message: str, found: str = "") -> None:
        defects.append(Defect(code="archive.record", where=_WHERE, message=message, found=found))
        if len(defects) >= MOST_DEFECTS:
            raise InvalidBundle(f"RECORD is wrong in {MOST_DEFECTS:,} places or more", defects)

    for number, cells in enumerate(_cells(data), start=1):
        if len(cells) != 3:
            wrong(f"row {number} must have three cells", f"{len(cells)}")
            continue
        name, digest, size = cells
        if not relevant(name):
            continue
        if name == own_name:
            own += 1
            if digest or size:
                wrong("its own row must be empty", shown(digest or size))
            continue
        sha256 = _decode_digest(digest)
        if name in rows:
            wrong(f"{clip(name)!r} has two rows")
        if sha256 is None:
            wrong(f"{clip(name)!r} must have a canonical SHA-256", shown(digest))
        if not _is_size(size):
            wrong(f"{clip(name)!r} must have its size as a plain number", shown(size))
        if sha256 is not None and _is_size(size):
            rows.setdefault(name, RecordRow(sha256=sha256, size=int(size)))
    if own != 1:
        wrong("must list itself exactly once", f"{own} rows")
    if defects:
        raise InvalidBundle("RECORD is not valid", defects)
    return rows


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and str(int(text)) == text


def _cells(data: bytes) -> Iterable[list[str]]:
    if data and b'"' not in data and b"\r" not in data and data.isascii():  # as the writer makes it
        return [line.split(",") if line else [] for line in data.decode("ascii").removesuffix("\n").split("\n")]
    import csv

    try:
        # installers on Windows end the lines by CR LF; a bare CR would be read as a line end by others
        return list(csv.reader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))
    except (UnicodeError, csv.Error) as error:
        raise InvalidBundle.of("archive.record", f"is not a CSV in UTF-8: {clip(error)}", where=_WHERE) from None


def compare_names(rows: Collection[str], names: Collection[str]) -> list[Defect]:
    """Defects for files without a row and rows without a file; `names` leaves RECORD itself out."""
    present, listed = set(names), set(rows)
    return [
        Defect(code="archive.record", where=_WHERE, message=message)
        for message in (
            *(f"{clip(name)!r} is in the bundle and has no row" for name in sorted(present - listed)),
            *(f"{clip(name)!r} has a row and is not in the bundle" for name in sorted(listed - present)),
        )
    ]
