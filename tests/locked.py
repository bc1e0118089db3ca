"""Bundles with a lock, and environments for tests: real ones, and one that costs nothing to build."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

import modelwheel
from builders import replaced
from environments import run, uv
from modelwheel_loader.isolated.environments import key_of, this_python

TRUST = modelwheel.Trust.unsafe_run_code()
X = np.arange(12.0).reshape(4, 3)
Load = Callable[..., modelwheel.Model]


@functools.cache
def lock(*requirements: str, python: str = "3.11") -> bytes:
    """A lock of these requirements for all platforms, from the index of this machine."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "requirements.in"), Path(folder, "pylock.toml")
        given.write_text("\n".join(requirements))
        run(uv(), "pip", "compile", "--quiet", "--universal", "--python-version", python, given, "--output-file", made)
        return made.read_bytes()


def with_lock(wheel: Path, data: bytes, out: Path) -> Path:
    """The bundle `wheel` with this lock in it, or with another one, in the folder `out`."""
    return replaced(wheel, {"pylock.toml": data}, out)


EMPTY_LOCK = b'lock-version = "1.0"\ncreated-by = "tests"\npackages = []\n'


def ready_environment(root: Path, data: bytes = EMPTY_LOCK) -> Path:
    """An environment for the lock `data` in the folder `root`, which has the packages of this interpreter."""
    folder = root / key_of(data, this_python())
    run(uv(), "venv", "--quiet", "--python", sys.executable, folder / "environment")
    site = next((folder / "environment" / "lib").glob("python*/site-packages"))
    packages = Path(sysconfig.get_path("purelib"))
    (site / "a0_tests.pth").write_text(str(packages))  # the first, so that the others find what they import
    for path in packages.glob("*coverage*.pth"):
        shutil.copy(path, site)  # workers that end by themselves are measured too
    bytecode = Path(tempfile.gettempdir(), f"modelwheel-tests-bytecode-{os.getuid()}")
    bytecode.mkdir(mode=0o700, exist_ok=True)  # kept between runs: compiling all of scikit-learn takes seconds
    (folder / "bytecode").symlink_to(bytecode)
    note = {"format": 1, "python": this_python().version, "tool": "tests", "packages": [], "bundle": ""}
    (folder / "modelwheel-environment.json").write_text(json.dumps(note))
    return root
