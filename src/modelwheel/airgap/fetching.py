"""Downloads wheels by pip, from the index for which it is set up here, into a folder: whole or not at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from modelwheel_loader.errors import ResolutionError
from modelwheel_loader.isolated import find_uv
from modelwheel_loader.text import clip, safe, without_secrets

from .selecting import LockedWheel
from .targets import Target

_QUIET = ("--quiet", "--disable-pip-version-check", "--no-input", "--progress-bar", "off")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def missing(wheels: Sequence[LockedWheel], folder: Path) -> list[LockedWheel]:
    """Those that are not in the folder, whole, already."""
    return [wheel for wheel in wheels if not _is_there(folder / wheel.file, wheel.sha256)]


def _is_there(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of(path) == sha256


def fetch_locked(wheels: Sequence[LockedWheel], target: Target, folder: Path, sources: Sequence[str]) -> list[str]:
    """Download exactly these wheels; the names of the files that came."""
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in wheels]
    return _download(lines, ["--require-hashes"], target, folder, sources)


def fetch_newest(requirements: Sequence[str], target: Target, folder: Path, sources: Sequence[str]) -> list[str]:
    """Download what no lock pins; the names of the files that came."""
    return _download(requirements, [], target, folder, sources)


def _download(
    lines: Sequence[str], options: Sequence[str], target: Target, folder: Path, sources: Sequence[str]
) -> list[str]:
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as unfinished:
        requirements = Path(unfinished, "requirements.txt")
        requirements.write_text("\n".join(lines) + "\n", encoding="utf-8")
        came = Path(unfinished, "wheels")
        command = [*_pip(), "download", *_QUIET, "--no-deps", "--only-binary", ":all:", *options, *_tags(target)]
        _run([*command, *sources, "--dest", str(came), "-r", str(requirements)])
        files = sorted(came.iterdir())
        for file in files:
            os.replace(file, folder / file.name)  # noqa: PTH105 - what is there already is not that file
    return [file.name for file in files]


def _pip() -> list[str]:
    """How pip is called: this environment's, else the one that uv brings."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = find_uv()
    if uv is None:
        message = "wheels are downloaded by pip, which is not here"
        raise ResolutionError.of("export.download", message, hint="Install pip, or uv, which brings it.")
    return [uv, "tool", "run", "--quiet", "pip"]


def _tags(target: Target) -> list[str]:
    abi = f"cp{target.python.replace('.', '')}"
    kinds = [
        "--implementation",
        "cp",
        "--python-version",
        target.python,
        "--abi",
        abi,
        "--abi",
        "abi3",
        "--abi",
        "none",
    ]
    return [*kinds, *(part for name in target.platforms for part in ("--platform", name))]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(  # noqa: S603 - pip, with checked arguments
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if done.returncode == 0:
        return
    said = without_secrets(done.stdout.decode("utf-8", "replace"))
    lines = [safe(line) for line in said.splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith("ERROR")] or lines[-1:]
    error = ResolutionError.of(
        "export.download", "pip could not download the wheels", found=clip(" ".join(complaints), 300)
    )
    error.add_note("\n".join(lines))
    raise error
