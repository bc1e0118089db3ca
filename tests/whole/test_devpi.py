"""devpi, the index that many teams run: a bundle is uploaded by twine, and pip and uv install it by its hash."""

from __future__ import annotations

import hashlib
import json
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
USER = ("--username", "acme", "--password", "secret")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty index `acme/models` of a devpi server with packages of its own."""
    folder = tmp_path_factory.mktemp("devpi")
    # its client imports what setuptools has left out since
    tools = environment(folder / "venv", "devpi-server", "devpi-client", "setuptools<81").parent
    run(tools / "devpi-init", "--serverdir", folder / "server", "--no-root-pypi", PYTHONWARNINGS="ignore")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    with (folder / "log").open("wb") as log:
        options = ["--serverdir", str(folder / "server"), "--host", "127.0.0.1", "--port", port]
        process = subprocess.Popen([str(tools / "devpi-server"), *options], stdout=log, stderr=log)
    try:
        while not answers(int(port)):
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.2)
        for words in (
            ("use", f"http://127.0.0.1:{port}"),
            ("login", "root", "--password="),
            ("user", "-c", "acme", "password=secret"),
            ("login", "acme", "--password=secret"),
            ("index", "-c", "models", "bases="),
        ):
            verb, *rest = words
            run(tools / "devpi", verb, "--clientdir", folder / "client", *rest, PYTHONWARNINGS="ignore")
        yield f"http://127.0.0.1:{port}/acme/models/"
    finally:
        process.terminate()
        process.wait(timeout=30)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_bundle_is_uploaded_and_installed_by_its_hash(index: str, tmp_path: Path) -> None:
    model = LinearRegression().fit(X, [2.0 * x for (x,) in X])
    wheel = modelwheel.pack(model, name="acme-line", version="1.2.0", sample=X, out=tmp_path / "dist").path
    run(sys.executable, "-m", "twine", "upload", "--non-interactive", "--repository-url", index, *USER, wheel)
    pinned = tmp_path / "requirements.txt"
    pinned.write_text(f"acme-line==1.2.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n")
    other = tmp_path / "other.txt"
    other.write_text(f"acme-line==1.2.0 --hash=sha256:{'0' * 64}\n")
    python = environment(tmp_path / "venv", "pip", modelwheel_wheel())
    simple = f"{index}+simple/"
    by = {
        "pip": (python, "-m", "pip", "install", "--no-cache-dir", "--index-url", simple),
        "uv": (uv(), "pip", "install", "--no-cache", "--python", python, "--default-index", simple),
    }
    for installer, install in by.items():
        refused = run(*install, "--no-deps", "--require-hashes", "-r", other, check=False)
        assert refused.returncode != 0, installer
        assert "hash" in refused.stderr.lower(), installer
        run(*install, "--quiet", "--no-deps", "--require-hashes", "-r", pinned)
        verify = ("-I", "-m", "modelwheel_loader", "verify", "--json", "--structure-only", "acme-line")
        shown = json.loads(run(python, *verify).stdout)
        assert shown["ok"], installer
        run(uv(), "pip", "uninstall", "--quiet", "--python", python, "acme-line")
