"""Asks uv, or else pip, which files make up an environment; both as the author's machine is set up for its index."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from modelwheel_loader.isolated import find_uv
from modelwheel_loader.text import clip, without_secrets


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is to be resolved: `pins` (`name==version`, or ranges) with all that they need, as `constraints` allow.

    `python` is a minor version (`3.11`). `find_links` are folders of wheels to look into as well, `no_index` looks
    nowhere else, and after `timeout` seconds the question is given up.
    """

    pins: tuple[str, ...]
    constraints: tuple[str, ...]
    python: str
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    timeout: float = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """The packages in the form of PEP 751, not yet cleaned. `universal`: for every platform, not for this one alone."""

    resolver: str
    universal: bool
    packages: tuple[Mapping[str, Any], ...]


class Unresolved(Exception):
    """No lock could be made. `reason` tells nothing of the machine, `detail` is what the resolver said."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def resolve(question: Question) -> Resolved:
    """The answer of uv where it is here, else of pip; raises `Unresolved`."""
    uv = find_uv()
    if uv is None and find_spec("pip") is None:
        raise Unresolved("neither uv nor pip is here to make one", "pip install uv")
    with tempfile.TemporaryDirectory(prefix="modelwheel-lock-") as folder:
        pins, constraints = Path(folder, "pins.txt"), Path(folder, "constraints.txt")
        pins.write_text("\n".join(question.pins) + "\n", encoding="utf-8")
        constraints.write_text("\n".join(question.constraints) + "\n", encoding="utf-8")
        sources = [f"--find-links={Path(path).absolute()}" for path in question.find_links]
        sources += ["--no-index"] if question.no_index else []
        common = ["--constraint", str(constraints), *sources]
        answer = Path(folder, "pylock.toml")
        if uv is not None:
            _run("uv", [*_uv(uv, question.python), *common, "--output-file", str(answer), str(pins)], question.timeout)
            packages = tomllib.loads(answer.read_text("utf-8"))["packages"]
            return Resolved(resolver="uv", universal=True, packages=tuple(packages))
        _run("pip", [*_pip(), *common, "--report", str(answer), "-r", str(pins)], question.timeout)
        installs = json.loads(answer.read_text("utf-8"))["install"]
        return Resolved(resolver="pip", universal=False, packages=tuple(map(_package, installs)))


def _uv(uv: str, python: str) -> list[str]:
    universal = ["--universal", "--python-version", python, "--python", sys.executable]
    return [uv, "pip", "compile", "--quiet", "--no-header", "--format", "pylock.toml", *universal]


def _pip() -> list[str]:
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    return [sys.executable, "-m", "pip", "install", *quiet, "--dry-run", "--ignore-installed"]


def _run(name: str, command: Sequence[str], timeout: float) -> None:
    """Run a resolver to its end, or end it with all that it started."""
    # one more try must do: packing waits for the answer
    environment = {"UV_HTTP_RETRIES": "1", "PIP_RETRIES": "1", **os.environ}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - uv or pip, with checked arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Unresolved(f"{name} gave no answer within {timeout:g} seconds") from None
        finally:
            if process.poll() is None:
                _end(process)
        if process.returncode:
            said.seek(0)
            also = " (uv has its own settings of indexes and does not read those of pip)" if name == "uv" else ""
            raise Unresolved(f"{name} could not resolve it", f"{_words(said.read())}{also}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _words(said: bytes) -> str:
    """What a resolver said, in one line and without the credentials of an index."""
    text = " ".join(said.decode("utf-8", "replace").split())
    return clip(without_secrets(text), 600)


def _package(install: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of pip's installation report in the form of PEP 751."""
    metadata, origin = install["metadata"], install["download_info"]
    file = {"url": origin["url"], "hashes": origin.get("archive_info", {}).get("hashes", {})}
    kind = {"wheels": [file]} if origin["url"].partition("#")[0].endswith(".whl") else {"sdist": file}
    return {"name": metadata["name"], "version": metadata["version"], **kind}
