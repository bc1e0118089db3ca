"""Environments of isolated models: whether one can be had, finding an interpreter, building from a lock, keeping it."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle, ResolutionError
from ..opening.integrity import user_cache
from ..opening.record import sha256_of
from ..records import Record
from ..run import environment as rules
from ..run.environment import python_version
from ..run.isolation import Isolation
from ..run.requirements import LOCK, MOST_BYTES, LockedPackages, read_lock
from ..text import clip, counted, safe, without_secrets

if TYPE_CHECKING:
    from ..opening.integrity import Members
    from ..opening.manifest import Manifest, NativePayload

# --- interpreters: this one, those on PATH, pyenv's, and those that uv knows or can download ---


_PROBE = (
    "import json, sys, sysconfig; print(json.dumps([sys.implementation.name, '%d.%d.%d' % sys.version_info[:3],"
    " sysconfig.get_platform(), bool(sysconfig.get_config_var('Py_GIL_DISABLED')),"
    " getattr(sys, '_base_executable', sys.executable)]))"
)
_NEWEST = 20
"""Python 3.20: where a search for any version that fits ends."""
_MOST_PATCHES = 40
"""Releases of one minor version: there have been 20 or so."""


def minor_of(version: str) -> str:
    """The minor version of a Python version: `3.11` of `3.11.7`."""
    return ".".join(version.split(".")[:2])


HIDDEN = ("PYTHON", "VIRTUAL_ENV", "__PYVENV", "CONDA")
"""How variables begin that another interpreter must not see."""


class Python(Record):
    """An interpreter: its path, its version (`3.11.7`) and its platform (`linux-x86_64`)."""

    path: str
    version: str
    platform: str


def this_python() -> Python:
    """The interpreter of this process, outside of its virtual environment, which may go away."""
    path = getattr(sys, "_base_executable", None) or sys.executable
    return Python(path=path, version=python_version(), platform=sysconfig.get_platform())


def probe(path: str) -> Python | None:
    """The interpreter at `path`; None when there is none that runs, or it is not an ordinary CPython."""
    try:
        name, version, platform, free_threaded, base = json.loads(_output(path, "-I", "-c", _PROBE))
    except ValueError:
        return None
    return None if name != "cpython" or free_threaded else Python(path=base, version=version, platform=platform)


def _output(program: str | None, *arguments: str, timeout: float = 30) -> str:
    """What a program prints; nothing when there is none, or it fails."""
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - uv, or an interpreter that was found or that the caller named
            (program, *arguments), capture_output=True, text=True, check=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def fits(version: str, specifiers: Sequence[str]) -> bool:
    """Whether a Python version lies in all of the ranges."""
    minor = f"=={minor_of(version)}.*"
    return all(not item or item == minor or rules.satisfies(version, item) for item in specifiers)


def find(specifiers: Sequence[str], preferred: str) -> Python | None:
    """An interpreter in all of the ranges: of the minor version of `preferred` if there is one, else this, else any."""
    wanted = minor_of(preferred)
    others = (minor for minor in (f"3.{number}" for number in range(_NEWEST, 10, -1)) if minor != wanted)
    # of minor versions that can fit, the newest first: a search takes most of a second
    possible = (m for m in others if any(fits(f"{m}.{patch}", specifiers) for patch in range(_MOST_PATCHES)))
    found = chain(_of_minor(wanted), [this_python()], chain.from_iterable(map(_of_minor, possible)))  # one by one
    return next((python for python in found if fits(python.version, specifiers)), None)


def _of_minor(minor: str) -> Iterator[Python]:
    """The interpreters of a minor version, the nearest first."""
    own = this_python()
    if minor_of(own.version) == minor:
        yield own
    for path in _paths(minor):
        python = probe(path) if os.access(path, os.X_OK) else None
        if python is not None and minor_of(python.version) == minor:
            yield python


def _paths(minor: str) -> Iterator[str]:
    """Where an interpreter of a minor version can be."""
    yield from (os.path.join(folder, f"python{minor}") for folder in os.get_exec_path() if os.path.isabs(folder))
    versions = glob.escape(os.path.expanduser("~/.pyenv/versions"))
    yield from sorted(glob.glob(os.path.join(versions, f"{minor}.*", "bin", "python")), reverse=True)
    yield _output(find_uv(), "python", "find", "--no-project", "--no-python-downloads", "--system", minor)


def obtain(minor: str) -> Python | None:
    """An interpreter of a minor version, which uv downloads; None without uv, or when it cannot."""
    _output(find_uv(), "python", "install", "--quiet", minor, timeout=600)
    path = _output(find_uv(), "python", "find", "--no-project", "--managed-python", "--no-python-downloads", minor)
    return probe(path) if path else None


def find_uv() -> str | None:
    """The path of uv: the one beside this interpreter, or on PATH."""
    beside = os.path.join(sysconfig.get_path("scripts"), "uv")
    return beside if os.access(beside, os.X_OK) else shutil.which("uv")


# --- building one environment in an empty folder, by uv if it is installed, otherwise by venv and pip ---


Progress = Callable[[str, int, int], None]
_COMPLAINT = re.compile(r"(?:error:|× ).*", re.IGNORECASE)
_LAST_WORDS = 4000
"""Characters; of an address that is cut in two, nobody would see where its password ends."""
_FULL = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_STEP = "building the environment"
_OFTEN = 0.2


def _python_of(folder: str) -> str:
    """The interpreter of the environment that was built in `folder`."""
    return os.path.join(folder, "environment", "bin", "python")


def build(folder: str, lines: Sequence[str], python: Python, settings: Isolation, *, cached: bool = True) -> str:
    """Build an environment with the packages of `lines` (a requirements file) in `folder`, which is empty.

    Without `cached`, the tool keeps no cache of its own: there is no home folder for one. Returns the name of the tool.
    Raises `EnvironmentMismatch` with the last words of the tool.
    """
    uv, target = find_uv(), os.path.join(folder, "environment")
    if uv:
        options = [] if cached else ["--no-cache"]
        make = [uv, "venv", *options, "--no-project", "--relocatable", "--python", python.path, target]
        install = [uv, "pip", "install", *options, "--python", _python_of(folder)]
    else:
        make = [python.path, "-I", "-m", "venv", target]
        install = [_python_of(folder), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        install += ["--no-compile", "--progress-bar", "off"]
    install += ["--no-deps", "--require-hashes"]
    install += [] if settings.source_builds else ["--only-binary", ":all:"]
    install += [f"--find-links={os.path.abspath(folder)}" for folder in settings.find_links]
    install += ["--no-index"] if settings.no_index else []
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt", dir=folder) as requirements:
        requirements.write("\n".join(lines) + "\n")
        requirements.flush()
        for command in (make, [*install, "-r", requirements.name]):
            _run(command, folder, len(lines), settings.progress)
    return "uv" if uv else "pip"


def _run(command: Sequence[str], folder: str, packages: int, progress: Progress | None) -> None:
    """Run a command in `folder`, where it finds no settings of a project, and report how many packages are there."""
    with tempfile.TemporaryFile(dir=folder) as log:
        try:
            process = subprocess.Popen(  # noqa: S603 - uv, pip or venv, with checked arguments
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise _failed(command, str(error)) from error
        pattern = os.path.join(glob.escape(folder), "environment", "lib", "python*", "site-packages", "*.dist-info")
        try:
            while progress and process.poll() is None:
                progress(_STEP, min(len(glob.glob(pattern)), packages), packages)
                time.sleep(_OFTEN)
            process.wait()
        finally:
            process.kill()  # it still runs when this was interrupted
            process.wait()
        if progress:
            progress(_STEP, packages, packages)
        if process.returncode:
            log.seek(0)
            raise _failed(command, log.read().decode("utf-8", "replace"))


def _failed(command: Sequence[str], said: str) -> EnvironmentMismatch:
    """The error, with the first complaint of the tool in its text and all of its last words in its notes."""
    lines = [safe(line) for line in without_secrets(said)[-_LAST_WORDS:].splitlines() if line.strip()]
    words = " ".join(" ".join(lines).split())
    full = _FULL.search(words)
    complaint = full or _COMPLAINT.search(words)
    reason = "the disk is full" if full else f"{safe(os.path.basename(command[0]))} failed"
    error = EnvironmentMismatch.of(
        "isolated.build",
        f"the environment of the bundle cannot be built: {reason}",
        found=clip(complaint[0] if complaint else words, 300),
        hint="Make room, or name a folder that has some by Isolation(environments=…)." if full else "",
    )
    error.add_note("\n".join(lines))
    return error


# --- the cache of environments: one folder for each lock, Python and platform ---
#
# An environment is built beside its final folder and renamed while a lock is held: whoever needs it meanwhile waits,
# and a build that is killed leaves only a folder that the next build removes.


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
        return _python_of(self.folder)

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
    return f"cp{minor_of(python.version).replace('.', '')}-{python.platform}-{sha256_of(lock)[:40]}"


def known(root: str, key: str) -> Environment | None:
    """The environment of that name when it is whole and its interpreter is still there."""
    folder = os.path.join(root, key)
    try:
        with open(os.path.join(folder, _NOTE), encoding="utf-8") as stream:
            note = json.load(stream)
            used = os.fstat(stream.fileno()).st_mtime
        if note["format"] != _FORMAT or not _is_safe(folder):
            return None
        texts = {name: str(note[name]) for name in ("python", "tool", "bundle")}
        found = Environment(key=key, folder=folder, packages=tuple(map(str, note["packages"])), used=used, **texts)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if os.path.exists(found.interpreter) else None


def _is_safe(folder: str) -> bool:
    """Whether only this user, or the administrator, can have put programs there."""
    state = os.stat(folder)
    return state.st_uid in (os.getuid(), 0) and not stat.S_IMODE(state.st_mode) & 0o022


def ready(lock: bytes, lines: Sequence[str], python: Python, settings: Isolation, *, bundle: str = "") -> Environment:
    """The environment for a lock: the known one, or one that is built now.

    Without a folder that can be written to, it is built in a temporary folder, which goes when this process ends; a
    folder that the caller named must do. Raises `EnvironmentMismatch`.
    """
    root, key = folder_of(settings), key_of(lock, python)
    found = known(root, key)
    if found is None:
        reason = _objection(root)
        if reason and settings.environments is not None:
            raise _unkept(root, reason)
        root = _temporary_root().name if reason else root
        try:
            with _locked(root, key, settings.progress):
                found = known(root, key) or _build(root, key, lines, python, settings, bundle)
        except OSError as error:  # no space, for example
            raise _unkept(root, error.strerror or error) from error
    with contextlib.suppress(OSError):  # somebody else's, or read-only
        os.utime(os.path.join(found.folder, _NOTE))
    return found


def _unkept(root: str, reason: object) -> EnvironmentMismatch:
    message = f"environments cannot be kept in {clip(root, 200)}: {clip(reason)}"
    return EnvironmentMismatch.of("isolated.folder", message)


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


@cache
def _temporary_root() -> tempfile.TemporaryDirectory[str]:
    """One folder for this process, removed when it ends."""
    import logging

    logging.getLogger("modelwheel").warning(
        "no cache folder can be written to: environments are built for this process alone; "
        "name a folder by Isolation(environments=…)"
    )
    return tempfile.TemporaryDirectory(prefix="modelwheel-environments-")


@contextlib.contextmanager
def _locked(root: str, key: str, progress: Progress | None) -> Iterator[None]:
    """Nobody else builds or removes this environment meanwhile; processes and threads wait alike."""
    import fcntl  # Windows has none, and the author's side finds uv by this module

    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(os.path.join(root, f"{key}.lock"), flags, 0o600), "wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                progress("waiting for another process that builds the environment", 0, 0)
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _build(root: str, key: str, lines: Sequence[str], python: Python, settings: Isolation, bundle: str) -> Environment:
    _clear(root, key)
    unfinished = tempfile.mkdtemp(prefix=f"{key}{_UNFINISHED}", dir=root)
    try:
        tool = build(unfinished, lines, python, settings, cached=root == folder_of(settings))
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


def _folders(root: str, key: str) -> list[str]:
    """The folder of an environment, and those that killed builds of it left."""
    names = os.listdir(root) if os.path.isdir(root) else []
    return [os.path.join(root, name) for name in names if name == key or name.startswith(f"{key}{_UNFINISHED}")]


def _clear(root: str, key: str) -> None:
    """Remove them. The lock is held."""
    with contextlib.suppress(FileNotFoundError):  # first out of the way, so that no half of it is ever found
        os.rename(os.path.join(root, key), os.path.join(root, f"{key}{_UNFINISHED}{time.time_ns()}"))
    for folder in _folders(root, key):
        shutil.rmtree(folder, ignore_errors=True)  # a tool that was not killed may write there


# --- for people ---


def listed(settings: Isolation) -> list[Environment]:
    """All whole environments, the last used first."""
    root = folder_of(settings)
    with contextlib.suppress(OSError):
        names = [name for name in sorted(os.listdir(root)) if not name.endswith(".lock") and _UNFINISHED not in name]
        return sorted(filter(None, (known(root, name) for name in names)), key=lambda item: -item.used)
    return []


def remove(key: str, settings: Isolation) -> None:
    """Remove an environment, and what killed builds of it left. Workers that run in it lose it under their feet.

    Raises `ResolutionError` when there is none of that name.
    """
    root = folder_of(settings)
    if not _folders(root, key):
        raise ResolutionError.of("isolated.unknown", f"there is no environment {clip(key, 120)} in {clip(root, 200)}")
    with _locked(root, key, None):
        _clear(root, key)


# --- whether and how a bundle can run isolated on this machine ---


_LOADER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Plan(Record):
    """How a bundle would run isolated. Without `python`, uv must first download one of the minor version `minor`."""

    lock: bytes
    packages: LockedPackages
    minor: str
    python: Python | None
    settings: Isolation

    @property
    def environment(self) -> Environment | None:
        """The environment, when it was built already."""
        key = None if self.python is None else key_of(self.lock, self.python)
        return None if key is None else known(folder_of(self.settings), key)

    def __str__(self) -> str:
        count = counted(len(self.packages.lines), "package")
        if self.python is None:
            return f"uv would download Python {self.minor} and {count}"
        build = f"{'uv' if find_uv() else 'pip'} would build its environment"
        return (
            f"{build if self.environment is None else 'its environment exists'}: Python {self.python.version}, {count}"
        )


def plan(payload: NativePayload, manifest: Manifest, members: Members, settings: Isolation) -> Plan | list[Defect]:
    """How `payload` would run isolated here, or all reasons why it cannot. Builds and runs nothing."""
    if sys.platform == "win32":
        return [Defect(code="isolated.platform", message="the isolated runtime needs Linux or macOS", found="Windows")]
    if not os.path.isdir(_LOADER):
        message = "the loader is not installed as plain files, which a worker needs"
        return [Defect(code="isolated.platform", message=message, found=clip(_LOADER, 200))]
    if LOCK not in manifest.members:
        return [Defect(code="isolated.no-lock", message="the bundle has no lock to build an environment from")]
    lock = members.small(LOCK, limit=MOST_BYTES)
    try:
        packages = read_lock(lock, "native")
    except InvalidBundle as error:
        return list(error.defects)
    ranges = (payload.python_specifier, packages.requires_python)
    minor, where = minor_of(payload.python_version), ""
    if settings.python is None:
        python = find(ranges, payload.python_version)
    else:
        python = probe(os.path.abspath(settings.python))
        where = f" at {clip(str(settings.python), 200)}"
    suits = python is not None and fits(python.version, ranges)
    if suits or (settings.python is None and find_uv()):
        return Plan(lock=lock, packages=packages, minor=minor, python=python, settings=settings)
    return [
        Defect(
            code="isolated.python",
            message="found no Python that the model can run on",
            found=f"{'none' if python is None else f'Python {python.version}'}{where}",
            expected=f"Python {clip(', '.join(filter(None, ranges)), 100)}",
            hint=f"Install Python {clip(minor, 10)}, or install uv, which downloads it.",
        )
    ]
