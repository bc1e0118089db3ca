"""Interpreters of this machine: this one, those on PATH, pyenv's, and those that uv knows or can get."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from itertools import chain

from ..records import Record
from . import rules
from .check import python_version

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
        done = subprocess.run(  # noqa: S603 - an interpreter that was found, or that the caller named
            [path, "-I", "-c", _ASK], capture_output=True, check=True, timeout=30, stdin=subprocess.DEVNULL
        )
        name, version, platform, free_threaded, base = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    if name != "cpython" or free_threaded:
        return None
    return Python(path=base, version=version, platform=platform)


def fits(version: str, specifiers: Sequence[str]) -> bool:
    """Whether a Python version lies in all of the ranges."""
    minor = ".".join(version.split(".")[:2])
    return all(not item or item == f"=={minor}.*" or rules.satisfies(version, item) for item in specifiers)


def find(specifiers: Sequence[str], preferred: str) -> Python | None:
    """An interpreter in all of the ranges: of the minor version of `preferred` if there is one, else this, else any."""
    wanted = ".".join(preferred.split(".")[:2])
    own = this_python()
    others = chain.from_iterable(map(_of_minor, _others(wanted, specifiers)))
    for python in chain(_of_minor(wanted), [own], others):  # each is asked only when its turn comes
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
    if uv is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - uv itself
            [uv, *arguments], capture_output=True, text=True, check=False, timeout=timeout, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
