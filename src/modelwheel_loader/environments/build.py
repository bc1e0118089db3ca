"""Builds one environment in an empty folder, by uv where it is, else by venv and pip. Hashes are required."""

from __future__ import annotations

import glob
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from ..errors import EnvironmentMismatch
from ..isolation import Isolation
from ..text import clip, safe, without_secrets
from .pythons import Python, find_uv

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

    Without `cached`, the tool keeps no cache of its own: there is no home to keep it in. Gives the name of the tool.
    Raises `EnvironmentMismatch` with the last words of the tool.
    """
    uv = find_uv()
    requirements = os.path.join(folder, "requirements.txt")
    with open(requirements, "w", encoding="utf-8") as stream:
        stream.write("\n".join(lines) + "\n")
    target = os.path.join(folder, "environment")
    commands = (
        _by_uv(uv, target, requirements, python, settings) if uv else _by_pip(target, requirements, python, settings)
    )
    for command in commands:
        _run([*command, "--no-cache"] if uv and not cached else command, folder, len(lines), progress)
    os.remove(requirements)
    os.remove(os.path.join(folder, _LOG))
    return "uv" if uv else "pip"


def _by_uv(uv: str, target: str, requirements: str, python: Python, settings: Isolation) -> list[list[str]]:
    make = [uv, "venv", "--no-project", "--relocatable", "--python", python.path, target]
    install = [uv, "pip", "install", "--python", python_of(target), "--no-deps", "--require-hashes"]
    binary = [] if settings.source_builds else ["--only-binary", ":all:"]
    return [make, [*install, *binary, *_sources(settings), "-r", requirements]]


def _by_pip(target: str, requirements: str, python: Python, settings: Isolation) -> list[list[str]]:
    make = [python.path, "-I", "-m", "venv", target]
    quiet = ["--disable-pip-version-check", "--no-input", "--no-compile", "--progress-bar", "off"]
    install = [python_of(target), "-I", "-m", "pip", "install", *quiet, "--no-deps", "--require-hashes"]
    binary = [] if settings.source_builds else ["--only-binary", ":all:"]
    return [make, [*install, *binary, *_sources(settings), "-r", requirements]]


def _sources(settings: Isolation) -> list[str]:
    folders = [f"--find-links={os.path.abspath(folder)}" for folder in settings.find_links]
    return [*folders, *(["--no-index"] if settings.no_index else [])]


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
