"""The standard streams of a command, ready for text of any language, and files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

SUFFIX = ".modelwheel.tmp"
"""The end of the names of files that are being written, or that a killed process left behind."""
_SHOWN_NAME = 100
"""Characters of the target's name in the temporary one, which must not be too long where the target's is not."""


def prepare_streams() -> None:
    """Make the standard streams of this process ready: call it first in a command.

    Data is UTF-8, as JSON requires, whatever the locale says. A character that the terminal's locale lacks is written
    as its number and is not an error. A stream that the parent process has closed becomes an empty one.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process
    if isinstance(sys.stdin, io.TextIOWrapper):
        # the reader of a line reports its bytes that are not UTF-8
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape", newline="")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


@contextlib.contextmanager
def written_beside(target: Path, write: Callable[[BinaryIO], object]) -> Iterator[Path]:
    """A new file beside `target` with what `write` writes, synced to disk: rename it in the body of `with`.

    On any failure, also an interrupt, it is removed.
    """
    temporary = target.parent / f".{target.name[:_SHOWN_NAME]}.{secrets.token_hex(8)}{SUFFIX}"
    try:
        with open(temporary, "xb+", opener=_opener) as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _opener(path: str, flags: int) -> int:
    """Open with the mode that the umask gives, as any other file of the user."""
    return os.open(path, flags, 0o666)
