"""Zips that are payloads: the files of one model, none of them compressed.

Nothing that `pack` writes is compressed, so a compressed member is refused before anything inflates it.
"""

from __future__ import annotations

import io
import zipfile

from ...errors import InvalidBundle
from ...text import clip


class StoredZip:
    """The members of the zip `data`, which is a `what` (`skops file`) in messages.

    Raises InvalidBundle for what is no such zip, for a member that is compressed, and for a name that is there twice.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._what = what
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise self.invalid(f"{type(error).__name__}: {clip(error, 200)}") from error
        members = self._archive.infolist()
        self.names = tuple(item.filename for item in members)
        if len(set(self.names)) < len(self.names):
            raise self.invalid("a name is there twice")
        for item in members:
            if item.compress_type != zipfile.ZIP_STORED or item.file_size != item.compress_size:
                raise self.invalid(f"{clip(item.filename, 100)} is compressed")

    def read(self, name: str) -> bytes:
        """The bytes of a member, compared with their CRC-32; raises InvalidBundle when it is broken or not there."""
        try:
            return self._archive.read(name)
        except (zipfile.BadZipFile, KeyError, OSError, EOFError, ValueError, RuntimeError) as error:
            raise self.invalid(f"{type(error).__name__}: {clip(error, 200)}") from error

    def invalid(self, reason: str) -> InvalidBundle:
        """The error for a zip that is none of its kind."""
        return InvalidBundle.of("native.file", f"the {self._what} cannot be read: {reason}")
