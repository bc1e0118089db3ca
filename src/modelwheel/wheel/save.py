"""Puts a file under its name whole or not at all, whatever happens in between (THREATS section 5).

Written beside the target under a name that no reader takes for a bundle, synced, checked, then linked or renamed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from modelwheel_loader.errors import WriteError
from modelwheel_loader.show import SUFFIX, written_beside
from modelwheel_loader.text import safe

STALE_SECONDS = 24 * 3600
"""A leftover older than this is deleted by the next save into its folder."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
_NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF, errno.EROFS}
_CHUNK = 1 << 20


def save(
    target: Path,
    write: Callable[[BinaryIO], object],
    *,
    check: Callable[[Path], None] = lambda _: None,
    overwrite: bool = False,
) -> None:
    """Write the file `target` by `write`, and `check` it under its temporary name before it gets its own.

    A file that is there already is left alone: with equal bytes that is success, with others `WriteError`, unless
    `overwrite`. On any failure, also an interrupt, nothing new is left behind. Errors of the operating system become
    `WriteError` with its `errno`; those of `write` and `check` pass through, but for `OSError` of writing.
    """
    _check_path(target)
    made: list[Path] = []
    published = False
    try:
        with _typed(target.parent):
            _make_folder(target.parent, made)
            _clean(target.parent)
        with contextlib.ExitStack() as stack:
            with _typed(target):
                temporary = stack.enter_context(written_beside(target, write))
            check(temporary)
            with _typed(target):
                _publish(temporary, target, overwrite=overwrite)
                published = True
                for folder in (target.parent, *(path.parent for path in made)):
                    _sync_folder(folder)
    finally:
        if not published:
            _remove_folders(made)


@contextlib.contextmanager
def _typed(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _write_error(target, error) from error


def _check_path(target: Path) -> None:
    """Refuse what cannot be a path at all; the operating system would not be asked, and `ValueError` be raised."""
    with _typed(target):
        try:
            possible = b"\0" not in os.fsencode(target)
        except UnicodeEncodeError:
            possible = False
        if not possible:
            raise OSError(errno.EINVAL, "the path holds a character that no path can hold")


def _write_error(target: Path, error: OSError) -> WriteError:
    if isinstance(error, _OtherContentError):
        made = WriteError.of("write.exists", f"{safe(str(target))} is there already, with other content")
    else:
        made = WriteError.of("write.failed", f"{safe(str(target))} cannot be written: {error.strerror or error}")
    made.errno = error.errno
    return made


class _OtherContentError(FileExistsError):
    """The name is taken by a file with other content."""

    def __init__(self) -> None:
        super().__init__(errno.EEXIST, os.strerror(errno.EEXIST))


def _make_folder(folder: Path, made: list[Path]) -> None:
    """Make `folder` and its parents where they are missing; `made` gets those that were made, innermost first."""
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder or os.path.lexists(folder):
            break
        folder = folder.parent
    for path in reversed(missing):
        try:
            path.mkdir()
            made.insert(0, path)
        except FileExistsError:
            if not path.is_dir():  # else another process has made it at the same moment
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None


def _remove_folders(made: list[Path]) -> None:
    for folder in made:
        with contextlib.suppress(OSError):  # somebody else uses it by now
            folder.rmdir()


def _clean(folder: Path) -> None:
    """Delete what killed processes left here long ago."""
    for leftover in folder.glob(f".*{SUFFIX}"):
        with contextlib.suppress(OSError):
            if time.time() - leftover.stat().st_mtime > STALE_SECONDS:
                leftover.unlink()


def _publish(temporary: Path, target: Path, *, overwrite: bool) -> None:
    """Give the finished file its name. Linking fails when the name is taken, so exactly one of several writers wins."""
    if overwrite:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        if not _equal(temporary, target):
            raise _OtherContentError from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # a file system without hard links: nearly as good, but two writers at the same moment may both believe to win
        if not os.path.lexists(target):
            temporary.replace(target)
        elif not _equal(temporary, target):
            raise _OtherContentError from None


def _equal(first: Path, second: Path) -> bool:
    if not second.is_file():  # a folder or a broken link; opening a pipe would wait for its writer
        return False
    with first.open("rb") as one, second.open("rb") as other:
        if os.fstat(one.fileno()).st_size != os.fstat(other.fileno()).st_size:
            return False
        while piece := one.read(_CHUNK):
            if piece != other.read(_CHUNK):
                return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a loss of power, where folders can be synced."""
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # a folder that may be written but not read
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
