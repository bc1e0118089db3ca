"""Files: opened only when they are regular ones, read at positions, and every refusal of the system as one error."""

from __future__ import annotations

import errno
import os
import stat

from ..errors import ResolutionError
from ..text import clip, safe

CHUNK = 1 << 20
"""Bytes that are read at a time where a file is read from end to end."""
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)


def absolute(path: str) -> str:
    """The path from the root, so that it means the same file after the process has changed its directory.

    `os.path.abspath` would also cut `..` away, which leads elsewhere where the folder before it is a link.
    """
    return path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def open_regular(path: str, *, follow: bool = True) -> int:
    """A descriptor of the regular file at `path`; never blocks on pipes and devices. Raises `ResolutionError`."""
    try:
        descriptor = os.open(path, _FLAGS | (0 if follow else _NOFOLLOW))
    except (OSError, ValueError) as error:
        raise _refused(path, error) from None
    regular = False
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    finally:
        if not regular:
            os.close(descriptor)
    if not regular:
        raise ResolutionError.of("resolve.not-a-file", f"{safe(path)} is not a regular file")
    return descriptor


def _refused(path: str, error: OSError | ValueError) -> ResolutionError:
    missing = getattr(error, "errno", None) in (errno.ENOENT, errno.ENOTDIR)
    reason = getattr(error, "strerror", None) or "not a path"
    message = f"{clip(path, 300)} cannot be read: {reason}"
    return ResolutionError.of("resolve.missing" if missing else "resolve.unreadable", message)


class Reading:
    """While something at `path` is read: what the operating system refuses becomes `ResolutionError`.

    A broken disk, a network file system that has gone, no descriptor or no address space left: any call may fail.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError):
            raise _refused(error.filename if isinstance(error.filename, str) else self._path, error) from error


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """`length` bytes at `offset`, or fewer at the end of the file."""
    if not hasattr(os, "pread"):  # Windows; the descriptor is our own duplicate, but its position is shared
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, length)
    data = os.pread(descriptor, length, offset)
    if len(data) == length or not data:
        return data
    parts = [data]
    while len(data) and (missing := length - sum(map(len, parts))):
        data = os.pread(descriptor, missing, offset + length - missing)
        parts.append(data)
    return b"".join(parts)


def read_start(path: str, length: int) -> bytes | None:
    """The first `length` bytes of a regular file, or all that it has; None when it cannot be read."""
    try:
        with Reading(path):
            descriptor = open_regular(path)
            try:
                return read_at(descriptor, 0, length)
            finally:
                os.close(descriptor)
    except ResolutionError:
        return None
