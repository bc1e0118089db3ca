"""Digests: what is compared when, and where it is remembered that it was compared.

| policy   | small members and code | large data members                                      |
| -------- | ---------------------- | ------------------------------------------------------- |
| `first`  | at every load          | the first time; then remembered by the file's identity  |
| `always` | at every load          | at every load                                           |
| `code`   | at every load          | never here: `verify` did it, for example at image build |
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING, Literal, get_args

from ..errors import IntegrityError, UsageError
from ..limits import Limits
from ..text import shown
from .places import Identity, Place
from .record import sha256_of

if TYPE_CHECKING:
    from .manifest import Digest, Manifest


Policy = Literal["first", "always", "code"]
_DONE = b"verified\n"


class Checker:
    """Reads members of one place and compares them by a policy. What it returns is what it compared."""

    def __init__(self, place: Place, policy: Policy, cache: str | os.PathLike[str] | None = None) -> None:
        if policy not in get_args(Policy):
            choices = ", ".join(get_args(Policy))
            raise UsageError.of("usage.argument", "no such integrity policy", found=shown(policy), expected=choices)
        self._place = place
        self._policy = policy
        self._cache = cache

    def small(self, name: str, *, limit: int, sha256: str, size: int) -> bytes:
        """The bytes of a member, read once and compared."""
        data = self._place.read(name, limit=limit)
        _compare(name, sha256_of(data), sha256, len(data), size)
        return data

    def opened(self, name: str, *, limit: int, sha256: str, size: int) -> Callable[[], bytes]:
        """A function that reads and compares a member, also when the place is closed, replaced or removed by then."""
        descriptor = self._place.opened(name)

        def read() -> bytes:
            data = self._place.read(name, limit=limit, opened=descriptor)
            _compare(name, sha256_of(data), sha256, len(data), size)
            return data

        weakref.finalize(read, _close, descriptor)
        return read

    def mapped(self, name: str, *, sha256: str, size: int) -> memoryview:
        """The member as a private map, compared by the policy. Whoever writes into the file changes it: never code."""
        view, identity = self._place.map(name)
        _compare(name, sha256, sha256, len(view), size)
        if self._policy == "always":
            _compare(name, sha256_of(view), sha256, len(view), size)
        elif self._policy == "first":
            with remembered(self._cache, identity, sha256) as remember:
                if remember is not None:
                    _compare(name, sha256_of(view), sha256, len(view), size)
                    if identity.settled:
                        remember()
        return view


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # of a network file system that has gone; there is no caller to report it to
        os.close(descriptor)


def _compare(name: str, found: str, expected: str, length: int, size: int) -> None:
    if found != expected or length != size:
        message = "differs from its recorded digest"
        raise IntegrityError.of("integrity.digest", message, where=name, expected=expected, found=found)


@contextlib.contextmanager
def remembered(
    cache: str | os.PathLike[str] | None, identity: Identity, sha256: str
) -> Iterator[Callable[[], object] | None]:
    """None when the file with this identity was compared before; otherwise what remembers that for other processes.

    While one process compares, others that ask wait for it.
    """
    stream = _note(default_cache() if cache is None else os.path.abspath(cache), identity, sha256)
    if stream is None:
        yield lambda: None
        return
    with stream:
        _lock(stream)  # released when the stream closes
        yield None if stream.read() == _DONE else lambda: _write_down(stream)


def _write_down(stream: IO[bytes]) -> None:
    with contextlib.suppress(OSError):  # a full disk is not an error: the file is compared again then
        stream.write(_DONE)
        stream.flush()


def default_cache() -> str:
    """Where it is remembered which files were compared."""
    return user_cache("verified")


def user_cache(name: str) -> str:
    """The folder `name` of modelwheel in the user's cache directory."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/AppData/Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "modelwheel", name)


def _note(cache: str, identity: Identity, sha256: str) -> IO[bytes] | None:
    """The open note on a file, or None when there is no directory that only this user can write."""
    key = sha256_of(f"{tuple(identity.attributes().values())} {sha256}".encode())
    if not os.path.isabs(cache):
        return None  # no home at all; a note in the current directory would be anybody's
    try:
        os.makedirs(cache, mode=0o700, exist_ok=True)
        if not _private(os.stat(cache)):
            return None
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
        return os.fdopen(os.open(os.path.join(cache, key), flags, 0o600), "r+b")
    except OSError:  # read-only, or full
        return None


def _private(state: os.stat_result) -> bool:
    """Whether nobody else may write there: a note by another user proves nothing."""
    if not hasattr(os, "getuid"):
        return True
    return state.st_uid == os.getuid() and not stat.S_IMODE(state.st_mode) & 0o022


def _lock(stream: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two processes may compare the same file at once, which costs time only
        return
    with contextlib.suppress(OSError):  # file systems without locks
        fcntl.flock(stream, fcntl.LOCK_EX)


# The payload members of an opened bundle, by their name in the manifest, compared with their digests when read.


class Members:
    """Gives verified bytes. What is returned is what was compared; nothing is read twice."""

    __slots__ = ("_checker", "_digests", "_root", "limits")

    def __init__(self, root: str, manifest: Manifest, checker: Checker, limits: Limits) -> None:
        self._root = root
        self._digests = manifest.members
        self._checker = checker
        self.limits = limits

    def _expected(self, name: str) -> tuple[str, Digest]:
        return self._root + name, self._digests[name]

    def small(self, name: str, *, limit: int | None = None) -> bytes:
        """The whole member, compared at every call. `limit` bounds it; without, the file's own size does."""
        full, digest = self._expected(name)
        bound = digest.size if limit is None else limit
        return self._checker.small(full, limit=bound, sha256=digest.sha256, size=digest.size)

    def opened(self, name: str) -> Callable[[], bytes]:
        """A function that gives the whole member, compared at every call, whatever has become of the bundle by then."""
        full, digest = self._expected(name)
        return self._checker.opened(full, limit=digest.size, sha256=digest.sha256, size=digest.size)

    def example(self, name: str) -> bytes:
        """A member of golden examples, within its limit."""
        return self.small(name, limit=self.limits.examples)

    def mapped(self, name: str) -> memoryview:
        """The member as a private map: writable, shared until written to. Only for data, compared by the policy."""
        full, digest = self._expected(name)
        return self._checker.mapped(full, sha256=digest.sha256, size=digest.size)
