"""Where the environments of isolated models lie: one folder for each lock, Python and platform, whole or not there.

An environment is built beside its place and renamed into it while a lock is held: who asks meanwhile waits, and a
build that is killed leaves only a folder that the next one removes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from ..archive.digests import sha256_of
from ..archive.integrity import user_cache
from ..errors import EnvironmentMismatch, ResolutionError
from ..isolation import Isolation
from ..records import Record
from ..text import clip, safe
from .build import Progress, build, python_of
from .pythons import Python

_FORMAT = 1
_NOTE = "modelwheel-environment.json"
_UNFINISHED = ".unfinished-"


class Environment(Record):
    """A whole environment: its folder, and what is written down of it.

    `key` names it, `used` is when a model was last started in it (seconds since 1970), `bundle` for which it was built.
    """

    key: str
    folder: str
    python: str
    tool: str
    packages: tuple[str, ...]
    bundle: str
    used: float

    @property
    def interpreter(self) -> str:
        """The path of its Python."""
        return python_of(os.path.join(self.folder, "environment"))

    @property
    def bytecode(self) -> str:
        """Where its Python keeps compiled files, those of the caller's loader too."""
        return os.path.join(self.folder, "bytecode")

    @property
    def size(self) -> int:
        """The bytes of all its files; those that uv links from its own cache are counted too."""
        return sum(
            os.lstat(os.path.join(folder, name)).st_size for folder, _, names in os.walk(self.folder) for name in names
        )

    def to_dict(self) -> dict[str, Any]:
        """The environment as JSON types."""
        return {**self.attributes(), "packages": list(self.packages), "size": self.size}


def folder_of(settings: Isolation) -> str:
    """The folder in which environments lie."""
    given = settings.environments
    return os.path.abspath(given) if given is not None else user_cache("environments")


def key_of(lock: bytes, python: Python) -> str:
    """The name of the environment for a lock on a Python; the same on every machine of one kind."""
    return f"cp{python.minor.replace('.', '')}-{python.platform}-{sha256_of(lock)[:40]}"


def known(root: str, key: str) -> Environment | None:
    """The environment of that name when it is whole and its interpreter is still there."""
    folder = os.path.join(root, key)
    try:
        with open(os.path.join(folder, _NOTE), encoding="utf-8") as stream:
            note = json.load(stream)
            used = os.fstat(stream.fileno()).st_mtime
        if note["format"] != _FORMAT or not _is_safe(folder):
            return None
        found = Environment(
            key=key,
            folder=folder,
            python=str(note["python"]),
            tool=str(note["tool"]),
            packages=tuple(map(str, note["packages"])),
            bundle=str(note["bundle"]),
            used=used,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if os.path.exists(found.interpreter) else None


def _is_safe(folder: str) -> bool:
    """Whether only this user, or the administrator, can have put programs there."""
    state = os.stat(folder)
    return state.st_uid in (os.getuid(), 0) and not stat.S_IMODE(state.st_mode) & 0o022


def ready(
    lock: bytes,
    lines: Sequence[str],
    python: Python,
    settings: Isolation,
    *,
    bundle: str = "",
    progress: Progress | None = None,
) -> Environment:
    """The environment for a lock: the known one, or one that is built now.

    Without a folder that can be written to, it is built in a temporary folder, which goes when this process ends; a
    folder that the caller named must do. Raises `EnvironmentMismatch`.
    """
    root, key = folder_of(settings), key_of(lock, python)
    found = known(root, key)
    if found is None:
        root = _usable(root, settings)
        try:
            with _locked(root, key, progress):
                found = known(root, key) or _build(root, key, lines, python, settings, bundle, progress)
        except OSError as error:  # no space, for example
            message = f"environments cannot be kept in {clip(root, 200)}: {clip(error.strerror or error)}"
            raise EnvironmentMismatch.of("isolated.folder", message) from error
    with contextlib.suppress(OSError):  # somebody else's, or read-only
        os.utime(os.path.join(found.folder, _NOTE))
    return found


def _usable(root: str, settings: Isolation) -> str:
    """`root`, made if need be; a temporary folder when nothing can be put there and the caller did not name it."""
    reason = _objection(root)
    if reason is None:
        return root
    if settings.environments is not None:
        message = f"environments cannot be kept in {clip(root, 200)}: {clip(reason)}"
        raise EnvironmentMismatch.of("isolated.folder", message)
    return _temporary_root()


def _objection(root: str) -> str | None:
    """Why environments cannot be built in `root`; None when they can."""
    if not os.path.isabs(root):
        return "there is no home folder"
    try:
        os.makedirs(root, mode=0o755, exist_ok=True)
        if not _is_safe(root):
            return "others may write there"
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(root, os.W_OK | os.X_OK) else "it cannot be written to"


_TEMPORARY: list[tempfile.TemporaryDirectory[str]] = []


def _temporary_root() -> str:
    """One folder for this process, removed when it ends."""
    if not _TEMPORARY:
        import logging

        logging.getLogger("modelwheel").warning(
            "no cache folder can be written to: environments are built for this process alone; "
            "name a folder by Isolation(environments=…)"
        )
        _TEMPORARY.append(tempfile.TemporaryDirectory(prefix="modelwheel-environments-"))
    return _TEMPORARY[0].name


@contextlib.contextmanager
def _locked(root: str, key: str, progress: Progress | None) -> Iterator[None]:
    """Nobody else builds or removes this environment meanwhile; processes and threads wait alike."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(os.path.join(root, f"{key}.lock"), flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                progress("waiting for another process that builds the environment", 0, 0)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _build(
    root: str,
    key: str,
    lines: Sequence[str],
    python: Python,
    settings: Isolation,
    bundle: str,
    progress: Progress | None,
) -> Environment:
    _clear(root, key)
    unfinished = tempfile.mkdtemp(prefix=f"{key}{_UNFINISHED}", dir=root)
    try:
        tool = build(unfinished, lines, python, settings, progress, cached=root == folder_of(settings))
        os.mkdir(os.path.join(unfinished, "bytecode"))
        note = {
            "format": _FORMAT,
            "python": python.version,
            "tool": tool,
            "packages": [line.partition(" ")[0] for line in lines],
            "bundle": bundle,
            "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        with open(os.path.join(unfinished, _NOTE), "w", encoding="utf-8") as stream:
            json.dump(note, stream, indent=1)
        os.chmod(unfinished, 0o755)  # noqa: S103 - who runs a service may be another user than who built its image
        os.rename(unfinished, os.path.join(root, key))
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    found = known(root, key)
    if found is None:
        message = f"the environment that was built in {safe(root)} cannot be used"
        raise EnvironmentMismatch.of("isolated.build", message)
    return found


def _clear(root: str, key: str) -> None:
    """Remove what killed builds left, and an environment whose interpreter is gone. The lock is held."""
    for name in os.listdir(root):
        if name.startswith(f"{key}{_UNFINISHED}"):
            shutil.rmtree(os.path.join(root, name), ignore_errors=True)  # a tool that was not killed may write there
        elif name == key:
            shutil.rmtree(os.path.join(root, name))


# --- for people ---


def listed(settings: Isolation | None = None) -> list[Environment]:
    """All whole environments, the last used first."""
    root = folder_of(settings or Isolation())
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    found = [known(root, name) for name in names if not name.endswith(".lock") and _UNFINISHED not in name]
    return sorted((item for item in found if item is not None), key=lambda item: -item.used)


def remove(key: str, settings: Isolation | None = None) -> None:
    """Remove an environment, and what killed builds of it left. Workers that run in it lose it under their feet.

    Raises `ResolutionError` when there is none of that name.
    """
    root = folder_of(settings or Isolation())
    names = os.listdir(root) if os.path.isdir(root) else []
    if not any(name == key or name.startswith(f"{key}{_UNFINISHED}") for name in names):
        raise ResolutionError.of("isolated.unknown", f"there is no environment {clip(key, 120)} in {clip(root, 200)}")
    with _locked(root, key, None):
        with contextlib.suppress(FileNotFoundError):  # first out of the way, so that no half of it is ever found
            os.rename(os.path.join(root, key), os.path.join(root, f"{key}{_UNFINISHED}{time.time_ns()}"))
        _clear(root, key)
