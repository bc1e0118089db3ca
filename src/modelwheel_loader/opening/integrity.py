"""Bytes are compared with their digests, and the parts of a bundle with each other.

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
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import IO, TYPE_CHECKING, Literal, get_args

from ..defects import MOST_DEFECTS, Defect
from ..errors import IntegrityError, InvalidBundle, UsageError
from ..limits import Limits
from ..text import clip, shown
from .manifest import MEMBER, Manifest, read_manifest
from .names import is_plain_range, normalize_name
from .places import Identity, Place
from .record import sha256_of

if TYPE_CHECKING:
    from .manifest import Digest


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


# -- the manifest, the files, RECORD, METADATA and the names of the folders agree ---------------------------------


Misfit = tuple[str, str, str, str]
"""Where, what is wrong, what was found, what was expected."""
Headers = Mapping[str, tuple[str, ...]]
_SELF = "modelwheel"
_EXTRAS = ("native", "onnx")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAME = _LETTERS + "0123456789._-"


def read_headers(place: Place, limits: Limits) -> Headers:
    """The headers by their names in lower case, each with all its values in the order of the file."""
    data = place.read(f"{place.dist_info}METADATA", limit=limits.metadata)
    return parse_headers(data.decode("utf-8", "replace"))[0]


def parse_headers(text: str) -> tuple[Headers, list[str]]:
    """The headers of a METADATA file, and the lines of its head that are none in their plain form."""
    found: dict[str, list[str]] = {}
    strange = []
    for line in text.partition("\n\n")[0].removesuffix("\n").split("\n"):
        name, colon, value = line.partition(": ")
        if not colon or not name.strip("-") or name.strip(_LETTERS + "-") or "\r" in value or not value.strip():
            strange.append(line)
        found.setdefault(name.strip().lower(), []).append(value.strip())
    return {name: tuple(values) for name, values in found.items()}, strange


def _metadata(text: str, place: Place) -> Iterator[Misfit]:
    headers, strange = parse_headers(text)
    joined = {key: ", ".join(values) for key, values in headers.items()}
    if strange:
        yield "METADATA", "has a line that is not a header of the form 'Name: value'", strange[0], ""
    for key, expected in (("name", place.name), ("version", place.version)):
        if headers.get(key) != (expected,):
            yield f"METADATA {key}", "is not that of the wheel", joined.get(key, ""), expected
    if len(headers.get("metadata-version", ())) != 1:
        yield "METADATA metadata-version", "must be there once", joined.get("metadata-version", ""), ""
    if tuple(sorted(headers.get("provides-extra", ()))) != _EXTRAS:
        yield "METADATA provides-extra", "must be both extras", joined.get("provides-extra", ""), ", ".join(_EXTRAS)
    for value in headers.get("requires-dist", ()):
        if message := _requirement_misfit(value, place.name):
            yield "METADATA requires-dist", message, value, "modelwheel and a range, or name and range in an extra"


def _requirement_misfit(value: str, own_name: str) -> str:
    """What is wrong with a requirement of the bundle; empty when nothing is."""
    requirement, semicolon, marker = value.partition(";")
    versions = requirement.lstrip(_NAME)
    name = normalize_name(requirement[: len(requirement) - len(versions)])
    if not name or not is_plain_range(versions):
        return "must be a name and a range of versions"
    if semicolon and marker.strip() not in [f'extra == "{extra}"' for extra in _EXTRAS]:
        return "must be in the extra native or onnx"
    if not semicolon and name != _SELF:
        return "is installed with the bundle, and only modelwheel may be"
    return f"is {clip(own_name)} itself, whose place the bundle would take" if name == own_name else ""


# Whether the parts of a bundle agree: the manifest, the files, RECORD, METADATA and the names of the folders.


_WHEEL = "Wheel-Version: 1.0\nGenerator: "
_AFTER_GENERATOR = "Root-Is-Purelib: true\nTag: py3-none-any\n"


def checked_manifest(place: Place, limits: Limits) -> tuple[Manifest, str]:
    """The manifest of the bundle at `place`, agreeing with all that lies around it, and its digest.

    Raises `IntegrityError` when the manifest is not what RECORD says, `InvalidBundle` with every contradiction.
    """
    full = place.root + MEMBER
    if full not in place.members:
        raise InvalidBundle.of("manifest.members", f"there is no {MEMBER}", where=clip(place.root))
    data = _compared(place, full, limits.manifest)
    manifest = read_manifest(data, limits=limits)
    found = chain(_names(place, manifest), _installable(place, limits), _members(place, manifest))
    defects = list(islice(found, MOST_DEFECTS))
    if defects:
        raise InvalidBundle("the parts of the bundle contradict each other", defects)
    return manifest, f"sha256:{place.record[full].sha256}"


def _compared(place: Place, name: str, limit: int) -> bytes:
    """The bytes of a member; raises `IntegrityError` when they are not what RECORD says."""
    row = place.record[name]
    return Checker(place, "always").small(name, limit=limit, sha256=row.sha256, size=row.size)


def _defect(where: str, message: str, *, found: str = "", expected: str = "") -> Defect:
    return Defect(code="manifest.members", where=where, message=message, found=found, expected=expected)


def _names(place: Place, manifest: Manifest) -> Iterator[Defect]:
    for what, declared, outside in (("name", manifest.name, place.name), ("version", manifest.version, place.version)):
        if declared != outside:
            where = f"{MEMBER}.{what}"
            yield _defect(where, f"is not the {what} of the wheel", found=shown(declared), expected=shown(outside))


def _installable(place: Place, limits: Limits) -> Iterator[Defect]:
    """Installing the bundle must put data into one folder and nothing else, and bring nothing that it does not need."""
    for member, misfits in (("METADATA", _metadata), ("WHEEL", _wheel), ("entry_points.txt", _entry_points)):
        full = place.dist_info + member
        if full not in place.members:
            yield _defect(member, "is missing")
            continue
        text = _compared(place, full, limits.metadata).decode("utf-8", "replace")
        for where, message, found, expected in misfits(text, place):
            yield _defect(where, message, found=shown(found), expected=expected)


def _entry_points(text: str, place: Place) -> Iterator[Misfit]:
    expected = entry_points(place.name, place.root)
    if text.replace("\r\n", "\n") != expected:
        yield "entry_points.txt", "must list the bundle and nothing else", text, shown(expected)


def _wheel(text: str, _: Place) -> Iterator[Misfit]:
    """All of WHEEL is fixed but the name of what wrote it."""
    whole = text.replace("\r\n", "\n")
    generator, newline, rest = whole.removeprefix(_WHEEL).partition("\n")
    plain = 0 < len(generator) <= 100 and generator.isascii() and generator.isprintable()
    if not (newline and whole.startswith(_WHEEL) and plain and rest in (_AFTER_GENERATOR, f"{_AFTER_GENERATOR}\n")):
        yield "WHEEL", "must describe a wheel for any Python and platform", text, ""


def entry_points(name: str, root: str) -> str:
    """The one content that entry_points.txt has: data that lists the bundle; nothing is ever imported by it."""
    return f"[modelwheel.bundles]\n{name} = {root.rstrip('/').replace('/', '.')}\n"


def _members(place: Place, manifest: Manifest) -> Iterator[Defect]:
    """Every file is declared, with its size and with the digest that RECORD has, and every declared one is there."""
    present = {name.removeprefix(place.root) for name in place.members if name.startswith(place.root)} - {MEMBER}
    for name in sorted(present - set(manifest.members)):
        yield _defect(clip(name), "is not listed in the manifest")
    for name in sorted(set(manifest.members) - present):
        yield _defect(clip(name), "is listed in the manifest and not there")
    for name in sorted(present & set(manifest.members)):
        declared, row = manifest.members[name], place.record[place.root + name]  # whose size is that of the file
        if (declared.sha256, declared.size) != (row.sha256, row.size):
            found, expected = f"{row.size:,} bytes", f"{declared.size:,} bytes"
            yield _defect(clip(name), "has another size or digest in RECORD", found=found, expected=expected)
