"""Files: opened only when they are regular ones, read at positions, and every refusal of the system as one error."""

from __future__ import annotations

import errno
import mmap
import os
import stat
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from itertools import chain, islice
from typing import Literal

from ..defects import MOST_DEFECTS, Defect
from ..errors import IntegrityError, InvalidBundle, ResolutionError
from ..limits import Limits
from ..records import Record
from ..text import clip, safe
from .archive import Member, read_members
from .names import MANIFEST, NAMESPACE, is_unexpected, name_defects, split_names, unexpected_metadata
from .record import RecordRow, compare_names, new_sha256, parse_record

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


# Where a bundle lies: a wheel file, an unpacked folder, or an installation. Each gives bytes and maps of its members.
#
# A wheel file is opened once and everything is read by that one descriptor, so that a file swapped in between changes
# nothing. Members of folders are opened one by one; their digests hold them together.


_CLOCK_STEP = 100_000_000
"""Nanoseconds; Linux stamps files with a clock that goes in steps of up to ten milliseconds."""
PlaceKind = Literal["wheel", "folder", "installed"]


class Identity(Record):
    """What tells one state of a file from another without reading it.

    `ctime` is 0 for a file with several hard links: linking changes it, and uv installs by linking.
    """

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int
    offset: int
    length: int

    @property
    def settled(self) -> bool:
        """Whether the file is older than the steps of its clock: within one step, it may change and look the same."""
        return time.time_ns() - max(self.mtime, self.ctime) > _CLOCK_STEP


class Place:
    """The members of one bundle and how to read them. `record` has a row for each member but RECORD itself.

    `path` is as the caller gave it, `location` from the root. Whatever the system refuses is a `ResolutionError`.
    """

    kind: PlaceKind
    path: str
    location: str
    members: Mapping[str, Member]
    record: Mapping[str, RecordRow]
    root: str
    dist_info: str
    name: str
    version: str

    def descriptor(self, name: str) -> int:
        """An open descriptor of the file that holds the member; the caller closes it."""
        raise NotImplementedError

    def _arrange(
        self, members: dict[str, Member], limits: Limits, *, relevant: Callable[[str], bool] = lambda _: True
    ) -> None:
        """Take in the members and compare them with the `relevant` rows of RECORD."""
        self.members = members
        self.root, self.dist_info, self.name, self.version = split_names(members)
        own = f"{self.dist_info}RECORD"
        if own not in members:
            raise InvalidBundle.of("archive.layout", "there is no RECORD", where=self.dist_info)
        rows = parse_record(self.read(own, limit=limits.record), own, most=2 * limits.members, relevant=relevant)
        defects = list(unexpected_metadata(members, self.dist_info))
        defects += compare_names(rows, members.keys() - {own})
        for name in members.keys() & rows.keys():
            if rows[name].size != members[name].size:
                found, expected = f"{members[name].size:,} bytes", f"{rows[name].size:,}"
                message = "does not have its recorded size"
                defects.append(
                    Defect(code="archive.record", where=name, message=message, found=found, expected=expected)
                )
        if defects:
            raise InvalidBundle("the bundle and its RECORD do not fit together", defects)
        self.record = rows

    def opened(self, name: str) -> int:
        """A descriptor for `read`, good also after the bundle was closed, replaced or removed; the caller closes it."""
        with Reading(self.path):
            return self.descriptor(name)

    def read(self, name: str, *, limit: int, opened: int | None = None) -> bytes:
        """The bytes of a member, at most `limit`; raises `InvalidBundle` when there are more, or too few."""
        member = self.members[name]
        if member.size > limit:
            found, expected = f"{member.size:,} bytes", f"at most {limit:,}"
            raise InvalidBundle.of("archive.limit", "is too large", where=name, found=found, expected=expected)
        with Reading(self.path):
            descriptor = self.descriptor(name) if opened is None else opened
            try:
                data = read_at(descriptor, member.offset, member.size)
            finally:
                if opened is None:
                    os.close(descriptor)
        if len(data) != member.size:
            raise InvalidBundle.of("archive.truncated", "is shorter than declared", where=name)
        return data

    def map(self, name: str) -> tuple[memoryview, Identity]:
        """The member as a private, writable map that never changes the file, and the identity of what was mapped.

        The view keeps the map alive. A file that is truncated by somebody else while it is mapped ends the process
        (SIGBUS): bundles are replaced by renaming, never written in place.
        """
        member = self.members[name]
        with Reading(self.path):
            descriptor = self.descriptor(name)
            try:
                return _map(descriptor, member)
            finally:
                os.close(descriptor)

    def file_digest(self) -> str | None:
        """`sha256:` and the digest of the wheel file, as indexes and requirements files have it; None when unpacked."""
        return None

    def close(self) -> None:
        """Give up the descriptor. Maps stay."""


def _map(descriptor: int, member: Member) -> tuple[memoryview, Identity]:
    state = os.fstat(descriptor)
    if state.st_size < member.offset + member.size:
        raise InvalidBundle.of("archive.truncated", "is shorter than declared", where=member.name)
    identity = _identity(state, member)
    if not member.size:
        return memoryview(b""), identity
    start = member.offset // mmap.ALLOCATIONGRANULARITY * mmap.ALLOCATIONGRANULARITY
    skipped = member.offset - start
    mapped = mmap.mmap(descriptor, skipped + member.size, access=mmap.ACCESS_COPY, offset=start)
    return memoryview(mapped)[skipped:], identity


def _identity(state: os.stat_result, member: Member) -> Identity:
    ctime = state.st_ctime_ns if state.st_nlink == 1 else 0
    return Identity(
        device=state.st_dev,
        inode=state.st_ino,
        size=state.st_size,
        mtime=state.st_mtime_ns,
        ctime=ctime,
        offset=member.offset,
        length=member.size,
    )


class WheelFile(Place):
    """A bundle in its wheel file."""

    kind: PlaceKind = "wheel"

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        with Reading(path):
            self._descriptor = open_regular(path)
            self._finalizer = weakref.finalize(self, os.close, self._descriptor)
            self.location = absolute(path)
            size = os.fstat(self._descriptor).st_size
            members = read_members(lambda offset, length: read_at(self._descriptor, offset, length), size, limits)
        self._arrange(members, limits)
        self._check_file_name()

    def _check_file_name(self) -> None:
        """A wheel's file name, when it is one, must be that of what is inside: indexes and installers go by it."""
        expected = f"{self.dist_info.removesuffix('.dist-info/')}-py3-none-any.whl"
        name = os.path.basename(self.path)
        if name.count("-") >= 4 and name.endswith(".whl") and name != expected:
            message = "the file name is not that of the bundle inside"
            raise InvalidBundle.of("archive.layout", message, found=clip(name, 200), expected=clip(expected, 200))

    def descriptor(self, name: str) -> int:  # noqa: ARG002 - one file holds all members
        """A duplicate of the one descriptor."""
        if not self._finalizer.alive:
            raise ResolutionError.of("usage.closed", "the bundle is closed")
        return os.dup(self._descriptor)

    def file_digest(self) -> str | None:
        """The SHA-256 of the whole file, which must still contain the manifest that RECORD names."""
        manifest = self.members[self.root + MANIFEST]
        with Reading(self.path):
            size = os.fstat(self._descriptor).st_size
            digest, inner = new_sha256(size), new_sha256(manifest.size)
            for start in range(0, size, CHUNK):
                piece = read_at(self._descriptor, start, min(CHUNK, size - start))
                digest.update(piece)
                first, end = manifest.offset - start, manifest.offset + manifest.size - start
                inner.update(piece[max(first, 0) : max(end, 0)])
        found, recorded = inner.hexdigest(), self.record[self.root + MANIFEST].sha256
        if found != recorded:
            message = "was changed while the bundle was open"
            raise IntegrityError.of("integrity.digest", message, where=MANIFEST, expected=recorded, found=found)
        return f"sha256:{digest.hexdigest()}"

    def close(self) -> None:
        """Close the file."""
        with Reading(self.path):
            self._finalizer()


class Folder(Place):
    """A bundle in an unpacked folder: what `python -m zipfile -e` or `wheel unpack` make of a wheel."""

    kind: PlaceKind = "folder"
    _follow = False

    def __init__(self, path: str, limits: Limits) -> None:
        self.path = path
        with Reading(path):
            self.location = self._base = absolute(path)
            found = islice(self._walk("", limits), limits.members + 1)
            members = {name: Member(name=name, offset=0, size=size) for name, size in found}
        self._check_names(members, limits)
        self._arrange(members, limits)

    def _check_names(self, members: Mapping[str, Member], limits: Limits) -> None:
        if len(members) > limits.members:
            raise InvalidBundle.of("archive.limit", "too many files", where=self.path)
        if defects := list(islice(name_defects(list(members), limits), MOST_DEFECTS)):
            raise InvalidBundle("not the files of a bundle", defects)

    def _walk(self, prefix: str, limits: Limits, depth: int = 0) -> Iterator[tuple[str, int]]:
        """The names and sizes of the files below `prefix`, sorted, within the limits."""
        if depth > limits.name_depth:
            raise InvalidBundle.of("archive.name", "folders are too deep", where=prefix)
        with os.scandir(os.path.join(self._base, prefix)) as listing:
            entries = sorted(islice(listing, limits.members + 1), key=lambda entry: entry.name)
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(f"{name}/", limits, depth + 1)
            elif entry.is_file(follow_symlinks=self._follow):
                yield name, entry.stat(follow_symlinks=self._follow).st_size
            else:
                raise InvalidBundle.of("archive.form", "is not a regular file", where=name)

    def descriptor(self, name: str) -> int:
        """The member's own file."""
        return open_regular(os.path.join(self._base, name), follow=self._follow)


class Installed(Folder):
    """A bundle as pip or uv installed it, known by its `.dist-info`. Installers add files of their own there."""

    kind: PlaceKind = "installed"
    _follow = True  # uv can install by symbolic links into its cache; digests are compared all the same

    def __init__(self, dist_info: str, limits: Limits) -> None:
        self.path = dist_info
        with Reading(dist_info):
            self.location = absolute(dist_info)
            self._base, folder = os.path.split(self.location)
            stem = folder.removesuffix(".dist-info").rpartition("-")[0]
            found = chain(self._walk(f"{NAMESPACE}{stem}/", limits), self._walk(f"{folder}/", limits))
            files = list(islice(found, 2 * limits.members))
        members = {name: Member(name=name, offset=0, size=size) for name, size in files if _is_ours(name)}
        self._check_names(members, limits)
        self._arrange(members, limits, relevant=_is_ours)

    @property
    def installer(self) -> str | None:
        """What installed the bundle, by the INSTALLER file that pip and uv write; None when nothing says so."""
        data = read_start(os.path.join(self.location, "INSTALLER"), 100)
        return None if data is None else clip(data.decode("utf-8", "replace").strip())


def _is_ours(name: str) -> bool:
    """Whether a file beside the bundle in site-packages is one that the bundle brought."""
    return name.startswith(NAMESPACE) or not is_unexpected(name.partition("/")[2])
