"""Real environments for tests: other Pythons of this machine, and virtual environments with real pip and uv in them."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(
    *command: str | os.PathLike[str], check: bool = True, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command; its output is shown when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def interpreter(version: str) -> Path | None:
    """The Python of that version: this one, pyenv's, or one on PATH; None when there is none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    for folder in sorted(Path.home().glob(f".pyenv/versions/{version}.*"), reverse=True):
        if (folder / "bin" / "python").exists():
            return folder / "bin" / "python"
    found = shutil.which(f"python{version}")
    return Path(found) if found else None


PYTHONS = [version for version in ("3.11", "3.12", "3.13") if interpreter(version)]
ABSENT = [version for version in ("3.11", "3.12", "3.13") if version not in PYTHONS]
"""Those that tests across Pythons do without on this machine; the summary of a test run names them."""


def uv() -> str:
    """The uv of this environment."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "the tests need uv, which the group 'test' installs"
    return found


@functools.cache
def modelwheel_wheel() -> Path:
    """modelwheel itself, built as a wheel, once per process."""
    folder = Path(tempfile.mkdtemp(prefix="modelwheel-wheel-"))
    run(uv(), "build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def environment(folder: Path, *packages: str | Path, version: str | None = None) -> Path:
    """A new virtual environment with these packages; the path of its Python."""
    python = interpreter(version) if version else Path(sys.executable)
    assert python is not None
    run(uv(), "venv", "--quiet", "--python", python, folder)
    made = folder / "bin" / "python"
    if packages:
        run(uv(), "pip", "install", "--quiet", "--python", made, *packages)
    return made
