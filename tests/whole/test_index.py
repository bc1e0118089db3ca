"""A team's own package index, really served: bundles are uploaded, pinned by hash, upgraded, and leave nothing."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sklearn.linear_model import LinearRegression

import modelwheel
from environments import environment, modelwheel_wheel, run, uv

X = [[0.0], [1.0], [2.0], [3.0]]
ASK = "import modelwheel, sys; m = modelwheel.load(sys.argv[1], runtime='onnx'); print(m.predict([[2.0]])[0].round(3))"


def pack(out: Path, version: str, slope: float) -> Path:
    model = LinearRegression().fit(X, [slope * x for (x,) in X])
    return modelwheel.pack(model, name="acme-line", version=version, sample=X, out=out).path


def served(url_port: int, process: subprocess.Popen[bytes]) -> bool:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", url_port)) == 0:
            return True
    assert process.poll() is None, "the index has ended"
    return False


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a real, empty index on this machine, and the folder that it keeps its files in."""
    folder = tmp_path_factory.mktemp("index")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("--interface", "127.0.0.1", "--port", str(port), "--disable-fallback", "-P", ".", "-a", ".")
    process = subprocess.Popen(
        [sys.executable, "-m", "pypiserver", "run", *options, folder],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not served(port, process):
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", folder
    finally:
        process.terminate()
        process.wait(timeout=30)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_of_bundles(python: Path) -> list[str]:
    (site,) = python.parents[1].glob("lib/python*/site-packages")
    found = [*site.glob("modelwheel_bundles/**/*"), *site.glob("acme_line*")]
    return sorted(str(path.relative_to(site)) for path in found)


def test_upload_pin_upgrade_and_remove(index: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = index
    first, second = pack(tmp_path / "dist", "1.2.0", 2.0), pack(tmp_path / "dist", "1.3.0", 3.0)
    upload = ("upload", "--non-interactive", "--repository-url", f"{url}/", "--username", "any", "--password", "any")
    run(sys.executable, "-m", "twine", *upload, modelwheel_wheel(), first, second)
    assert {path.name for path in folder.iterdir()} == {modelwheel_wheel().name, first.name, second.name}

    # numpy and packaging are there; modelwheel comes from the index too, as its requirement
    python = environment(tmp_path / "venv", "pip", "onnxruntime", "packaging")
    pip = (python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--index-url", f"{url}/simple/")
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(
        f"acme-line==1.2.0 --hash=sha256:{sha256(first)}\n"
        f"modelwheel=={modelwheel_wheel().name.split('-')[1]} --hash=sha256:{sha256(modelwheel_wheel())}\n"
    )
    run(*pip, "--require-hashes", "-r", pinned)
    assert run(python, "-I", "-c", ASK, "acme-line==1.2.0").stdout == "4.0\n"

    run(*pip, "--upgrade", "acme-line>=1.2,<2")
    assert run(python, "-I", "-c", ASK, "acme-line").stdout == "6.0\n"
    shown = json.loads(run(python, "-I", "-m", "modelwheel_loader", "inspect", "--json", "acme-line").stdout)
    assert shown["version"] == "1.3.0"
    assert json.loads(run(python, "-I", "-m", "modelwheel_loader", "verify", "--json", "acme-line").stdout)["ok"]

    run(python, "-m", "pip", "uninstall", "--quiet", "--yes", "acme-line")
    assert files_of_bundles(python) == []
    gone = run(python, "-I", "-m", "modelwheel_loader", "inspect", "acme-line", check=False)
    assert "resolve.not-installed" in gone.stderr

    # uv wants a hash for whatever it resolves, also for what is there
    from_index = ("--no-cache", "--python", python, "--default-index", f"{url}/simple/")
    run(uv(), "pip", "install", "--quiet", *from_index, "--no-deps", "--require-hashes", "-r", pinned)
    assert run(python, "-I", "-c", ASK, "acme-line==1.2.0").stdout == "4.0\n"
    run(uv(), "pip", "uninstall", "--quiet", "--python", python, "acme-line")
    assert files_of_bundles(python) == []


@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_another_file_of_the_same_version_is_not_installed(
    index: tuple[str, Path], tmp_path: Path, installer: str
) -> None:
    """The index, or somebody in it, gives other bytes than those that were pinned."""
    url, folder = index
    good, other = pack(tmp_path / "good", "9.0", 2.0), pack(tmp_path / "other", "9.0", 5.0)
    (folder / other.name).unlink(missing_ok=True)
    os.link(other, folder / other.name)
    python = environment(tmp_path / "venv", "pip")
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(f"acme-line==9.0 --hash=sha256:{sha256(good)}\n")
    by = {
        "pip": (python, "-m", "pip", "install", "--no-cache-dir", "--index-url", f"{url}/simple/"),
        "uv": (uv(), "pip", "install", "--no-cache", "--python", python, "--default-index", f"{url}/simple/"),
    }
    done = run(*by[installer], "--no-deps", "--require-hashes", "-r", pinned, check=False)
    assert done.returncode != 0
    assert "hash" in done.stderr.lower()
    assert files_of_bundles(python) == []
