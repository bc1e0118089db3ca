"""Environments of isolated models: finding an interpreter, building an environment from a lock, keeping it."""

from __future__ import annotations

import contextlib
import fcntl
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
from itertools import chain
from typing import Any

from ..errors import EnvironmentMismatch, ResolutionError
from ..opening.members import user_cache
from ..opening.record import sha256_of
from ..records import Record
from ..run import environment as rules
from ..run.environment import python_version
from ..run.isolation import Isolation
from ..text import clip, safe, without_secrets

# --- interpreters: this one, those on PATH, pyenv's, and those that uv knows or can download ---


_ASK = (
    "import json, sys, sysconfig; print(json.dumps([sys.implementation.name, '%d.%d.%d' % sys.version_info[:3],"
    " sysconfig.get_platform(), bool(sysconfig.get_config_var('Py_GIL_DISABLED')),"
    " getattr(sys, '_base_executable', sys.executable)]))"
)
_NEWEST = 20
"""Python 3.20: where a search for any version that fits ends."""
_MOST_PATCHES = 40
"""Releases of one minor version: there have been 20 or so."""


class Python(Record):
    """An interpreter: its path, its version (`3.11.7`) and its platform (`linux-x86_64`)."""

    path: str
    version: str
    platform: str

    @property
    def minor(self) -> str:
        """The minor version: `3.11`."""
        return ".".join(self.version.split(".")[:2])


def this_python() -> Python:
    """The interpreter of this process, outside of its virtual environment, which may go away."""
    path = getattr(sys, "_base_executable", None) or sys.executable
    return Python(path=path, version=python_version(), platform=sysconfig.get_platform())


def ask(path: str) -> Python | None:
    """The interpreter at `path`; None when there is none that runs, or it is not an ordinary CPython."""
    try:
        name, version, platform, free_threaded, base = json.loads(_output(path, "-I", "-c", _ASK))
    except ValueError:
        return None
    return None if name != "cpython" or free_threaded else Python(path=base, version=version, platform=platform)


def _output(*command: str, timeout: float = 30) -> str:
    """What a program prints; nothing when it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - uv, or an interpreter that was found or that the caller named
            command, capture_output=True, text=True, check=True, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def fits(version: str, specifiers: Sequence[str]) -> bool:
    """Whether a Python version lies in all of the ranges."""
    minor = ".".join(version.split(".")[:2])
    return all(not item or item == f"=={minor}.*" or rules.satisfies(version, item) for item in specifiers)


def find(specifiers: Sequence[str], preferred: str) -> Python | None:
    """An interpreter in all of the ranges: of the minor version of `preferred` if there is one, else this, else any."""
    wanted = ".".join(preferred.split(".")[:2])
    own = this_python()
    others = chain.from_iterable(map(_of_minor, _others(wanted, specifiers)))
    for python in chain(_of_minor(wanted), [own], others):  # each is probed only when its turn comes
        if fits(python.version, specifiers):
            return python
    return None


def _others(wanted: str, specifiers: Sequence[str]) -> Iterator[str]:
    """The minor versions, the newest first, of which one could fit: to look for one takes most of a second."""
    for minor in (f"3.{number}" for number in range(_NEWEST, 10, -1)):
        if minor != wanted and any(fits(f"{minor}.{patch}", specifiers) for patch in range(_MOST_PATCHES)):
            yield minor


def _of_minor(minor: str) -> Iterator[Python]:
    """The interpreters of a minor version, the nearest first."""
    own = this_python()
    if own.minor == minor:
        yield own
    for path in _paths(minor):
        python = ask(path) if os.access(path, os.X_OK) else None
        if python is not None and python.minor == minor:
            yield python


def _paths(minor: str) -> Iterator[str]:
    for folder in os.get_exec_path():
        if os.path.isabs(folder):
            yield os.path.join(folder, f"python{minor}")
    versions = os.path.expanduser("~/.pyenv/versions")
    if os.path.isdir(versions):
        for name in sorted(os.listdir(versions), reverse=True):
            if name.startswith(f"{minor}."):
                yield os.path.join(versions, name, "bin", "python")
    known = _uv_answer("python", "find", "--no-project", "--no-python-downloads", "--system", minor)
    if known:
        yield known


def obtain(minor: str) -> Python | None:
    """An interpreter of a minor version, which uv downloads; None without uv, or when it cannot."""
    _uv_answer("python", "install", "--quiet", minor, timeout=600)
    path = _uv_answer("python", "find", "--no-project", "--managed-python", "--no-python-downloads", minor)
    return ask(path) if path else None


def find_uv() -> str | None:
    """The path of uv: the one beside this interpreter, or on PATH."""
    beside = os.path.join(sysconfig.get_path("scripts"), "uv")
    return beside if os.access(beside, os.X_OK) else shutil.which("uv")


def _uv_answer(*arguments: str, timeout: float = 30) -> str:
    """What uv prints; nothing without uv, or when it fails."""
    uv = find_uv()
    return "" if uv is None else _output(uv, *arguments, timeout=timeout)


# --- building one environment in an empty folder, by uv if it is installed, otherwise by venv and pip ---


Progress = Callable[[str, int, int], None]
_COMPLAINT = re.compile(r"(?:error:|× ).*", re.IGNORECASE)
_LAST_WORDS = 4000
"""Characters; of an address that is cut in two, nobody would see where its password ends."""
_FULL = re.compile(r"No space left on device|Disk quota exceeded", re.IGNORECASE)
_LOG = "build.log"
_OFTEN = 0.2


def python_of(folder: str) -> str:
    """The interpreter of the environment in `folder`."""
    return os.path.join(folder, *(("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")))


def build(
    folder: str,
    lines: Sequence[str],
    python: Python,
    settings: Isolation,
    progress: Progress | None = None,
    *,
    cached: bool = True,
) -> str:
    """Build an environment with the packages of `lines` (a requirements file) in `folder`, which is empty.

    Without `cached`, the tool keeps no cache of its own: there is no home folder for one. Returns the name of the tool.
    Raises `EnvironmentMismatch` with the last words of the tool.
    """
    uv = find_uv()
    requirements = os.path.join(folder, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    target = os.path.join(folder, "environment")
    for command in _commands(uv, target, requirements, python, settings):
        _run([*command, "--no-cache"] if uv and not cached else command, folder, len(lines), progress)
    os.remove(requirements)
    os.remove(os.path.join(folder, _LOG))
    return "uv" if uv else "pip"


def _commands(
    uv: str | None, target: str, requirements: str, python: Python, settings: Isolation
) -> tuple[list[str], list[str]]:
    """The command that makes an empty environment, and the one that installs into it."""
    if uv:
        make = [uv, "venv", "--no-project", "--relocatable", "--python", python.path, target]
        install = [uv, "pip", "install", "--python", python_of(target)]
    else:
        make = [python.path, "-I", "-m", "venv", target]
        quiet = ["--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar", "off"]
        install = [python_of(target), "-I", "-m", "pip", "install", *quiet]
    binary = [] if settings.source_builds else ["--only-binary", ":all:"]
    sources = [f"--find-links={os.path.abspath(folder)}" for folder in settings.find_links]
    sources += ["--no-index"] if settings.no_index else []
    return make, [*install, "--no-deps", "--require-hashes", *binary, *sources, "-r", requirements]


def _run(command: Sequence[str], folder: str, packages: int, progress: Progress | None) -> None:
    """Run a command in `folder`, where it finds no settings of a project, and tell how many packages are there."""
    log = os.path.join(folder, _LOG)
    with open(log, "wb") as stream:
        try:
            process = subprocess.Popen(  # noqa: S603 - uv, pip or venv, with checked arguments
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise _failed(command, str(error)) from error
        try:
            _wait(process, folder, packages, progress)
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode:
        with open(log, encoding="utf-8", errors="replace") as said:
            raise _failed(command, said.read())


def _wait(process: subprocess.Popen[bytes], folder: str, packages: int, progress: Progress | None) -> None:
    if progress is None:
        process.wait()
        return
    pattern = os.path.join(glob.escape(folder), "environment", "lib", "python*", "site-packages", "*.dist-info")
    while process.poll() is None:
        progress("building the environment", min(len(glob.glob(pattern)), packages), packages)
        time.sleep(_OFTEN)
    progress("building the environment", packages, packages)


def _failed(command: Sequence[str], said: str) -> EnvironmentMismatch:
    """The error, with the first complaint of the tool in its text and all of its last words in its notes."""
    name = os.path.basename(command[0])
    lines = [safe(line) for line in without_secrets(said)[-_LAST_WORDS:].splitlines() if line.strip()]
    words = " ".join(" ".join(lines).split())
    complaint = _COMPLAINT.search(words)
    full = _FULL.search(words)
    error = EnvironmentMismatch.of(
        "isolated.build",
        f"the environment of the bundle cannot be built: {'the disk is full' if full else f'{safe(name)} failed'}",
        found=clip(full[0] if full else complaint[0] if complaint else words, 300),
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
        texts = {name: str(note[name]) for name in ("python", "tool", "bundle")}
        found = Environment(key=key, folder=folder, packages=tuple(map(str, note["packages"])), used=used, **texts)
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
    """`root`, created if missing; a temporary folder if `root` is not writable and the caller did not name it."""
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
