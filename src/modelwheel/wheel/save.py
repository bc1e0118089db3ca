"""Puts a file under its name whole or not at all, whatever happens in between (THREATS section 5).

Written beside the target under a name that no reader takes for a bundle, synced, checked, then linked or renamed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from modelwheel_loader.errors import WriteError
from modelwheel_loader.text import safe

SUFFIX = ".modelwheel.tmp"
"""How files end that are being written, or that a killed process left behind."""
STALE_SECONDS = 24 * 3600
"""A leftover older than this is deleted by the next save into its folder."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
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
    made = _make_folder(target.parent)
    temporary = target.parent / f".{target.name}.{secrets.token_hex(8)}{SUFFIX}"
    published = False
    try:
        with _typed(target):
            _clean(target.parent)
            with open(temporary, "xb+", opener=_opener) as stream:
                write(stream)
                stream.flush()
                os.fsync(stream.fileno())
        check(temporary)
        with _typed(target):
            _publish(temporary, target, overwrite=overwrite)
            _sync_folder(target.parent)
        published = True
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not published:
            _remove_folders(made)


def _opener(path: str, flags: int) -> int:
    """Open with the mode that the umask gives, as any other file of the user."""
    return os.open(path, flags, 0o666)


@contextlib.contextmanager
def _typed(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _write_error(target, error) from error


def _write_error(target: Path, error: OSError) -> WriteError:
    code = "write.exists" if error.errno == errno.EEXIST else "write.failed"
    message = f"{safe(str(target))} cannot be written: {error.strerror or error}"
    made = WriteError.of(code, message)
    made.errno = error.errno
    return made


def _make_folder(folder: Path) -> list[Path]:
    """Make `folder` and its parents where they are missing; those that were made, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    with _typed(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return missing


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
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # a file system without hard links: nearly as good, but two writers at the same moment may both believe to win
        if target.exists() and not _equal(temporary, target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        temporary.replace(target)


def _equal(first: Path, second: Path) -> bool:
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
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)
