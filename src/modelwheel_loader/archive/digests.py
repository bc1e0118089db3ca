"""SHA-256. `hashlib` brings OpenSSL, some milliseconds of a start, and pays from about a megabyte on.

The lean module is the one `hashlib` itself falls back on; CPython's `random` does the same for the same reason.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

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
