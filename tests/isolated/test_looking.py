"""Finding interpreters, judging locks and settings, and reading what comes: all without starting a worker."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import modelwheel
from locked import EMPTY_LOCK
from modelwheel_loader.errors import EnvironmentMismatch, InvalidBundle, UsageError
from modelwheel_loader.isolated import environments as environment_build
from modelwheel_loader.isolated import environments as environment_cache
from modelwheel_loader.isolated import environments as pythons
from modelwheel_loader.isolated import runtime
from modelwheel_loader.isolated.environments import Python
from modelwheel_loader.run.isolation import Isolation
from modelwheel_loader.run.requirements import LockedPackages, read_lock
from processes import children

# --- interpreters ---


def program(path: Path, said: object, status: int = 0) -> Path:
    """A program that says this, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{said if isinstance(said, str) else json.dumps(said)}'\nexit {status}\n")
    path.chmod(0o755)
    return path


def fake(path: Path, version: str, name: str = "cpython", *, free: bool = False) -> Path:
    return program(path, [name, version, "linux-x86_64", free, str(path)])


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no interpreter but this one, and no uv; the folder is on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pythons, "find_uv", lambda: None)
    return tmp_path


def test_interpreters_are_found_on_path_and_under_pyenv(alone: Path) -> None:
    assert pythons.find(("==3.19.*",), "3.19.4") is None
    old = fake(alone / "home/.pyenv/versions/3.18.2/bin/python", "3.18.2")
    new = fake(alone / "bin/python3.19", "3.19.0")
    assert pythons.find(("==3.19.*",), "3.19.4") == Python(path=str(new), version="3.19.0", platform="linux-x86_64")
    assert pythons.find(("==3.18.*", ""), "3.18.0") == Python(path=str(old), version="3.18.2", platform="linux-x86_64")
    found = pythons.find((">=3.18,<3.19",), "3.17.0")
    assert found is not None
    assert found.version == "3.18.2"
    assert pythons.find((">=3.11",), "3.17.0") == pythons.this_python()


@pytest.mark.parametrize(
    "said", ["nonsense", "{}", ["pypy", "3.19.0", "x", False, "/x"], ["cpython", "3.19.0", "x", True, "/x"]]
)
def test_what_is_no_ordinary_python_is_passed_over(said: object, alone: Path) -> None:
    program(alone / "bin/python3.19", said)
    assert pythons.probe(str(alone / "bin/python3.19")) is None
    assert pythons.find(("==3.19.*",), "3.19.4") is None
    assert pythons.probe(str(alone / "nothing")) is None


def test_uv_knows_and_brings_interpreters(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    managed = fake(alone / "managed/python3.19", "3.19.1")
    uv = program(alone / "uv", str(managed))
    monkeypatch.setattr(pythons, "find_uv", lambda: str(uv))
    for found in (pythons.find(("==3.19.*",), "3.19.0"), pythons.obtain("3.19")):
        assert found is not None
        assert found.version == "3.19.1"
    program(uv, "no", status=1)
    assert pythons.obtain("3.19") is None
    monkeypatch.setattr(pythons, "find_uv", lambda: str(alone / "nothing"))
    assert pythons.obtain("3.19") is None


@pytest.mark.parametrize(
    ("ranges", "asked"),
    [((">=3.17.2,<3.18",), ["3.17"]), (("==3.16.3", ">=3.11"), ["3.17", "3.16"]), (("<3",), ["3.17"])],
)
def test_uv_is_asked_for_versions_that_can_fit(
    ranges: tuple[str, ...], asked: list[str], alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uv = alone / "uv"
    uv.write_text(f"#!/bin/sh\nfor last; do :; done; echo $last >> {alone}/asked\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setattr(pythons, "find_uv", lambda: str(uv))
    assert pythons.find(ranges, "3.17.4") is None
    assert (alone / "asked").read_text().split() == asked


# --- locks ---

WHEELS = f'wheels = [{{ name = "a.whl", hashes = {{ sha256 = "{"a" * 64}" }} }}]\n'
PACKAGE = f'[[packages]]\nname = "a"\nversion = "1"\n{WHEELS}'
HEAD = 'lock-version = "1.0"\ncreated-by = "x"\n'


@pytest.mark.parametrize(
    "lock",
    [
        "not toml",
        HEAD,
        f'{HEAD}packages = "many"\n',
        f"{HEAD}packages = [1]\n",
        f'lock-version = "2.0"\n{PACKAGE}',
        f'{HEAD}requires-python = "$(id)"\n{PACKAGE}',
        f"{HEAD}requires-python = 3\n{PACKAGE}",
        HEAD + PACKAGE.replace('"a"', '"--index-url=evil"', 1),
        HEAD + PACKAGE.replace('"a"', '"a @ file:///x"', 1),
        HEAD + PACKAGE.replace('"1"', '"1 --hash=x"', 1),
        HEAD + PACKAGE.replace('"1"', "1", 1),
        f'{HEAD}[[packages]]\nname = "a"\n{WHEELS}',
        f'{HEAD}{PACKAGE}marker = "os_name == \\"x\\"\\n--index-url=evil"\n',
        f'{HEAD}[[packages]]\nname = "a"\nversion = "1"\n',
        f'{HEAD}[[packages]]\nname = "a"\nversion = "1"\nvcs = {{ url = "https://example.invalid" }}\n',
        f'{HEAD}[[packages]]\nname = "a"\nversion = "1"\narchive = {{ url = "https://example.invalid" }}\n',
        HEAD + PACKAGE.replace("sha256", "md5"),
        HEAD + PACKAGE.replace("a" * 64, "A" * 64),
        HEAD + PACKAGE.replace("{ sha256", "3 #{ sha256").replace(" }]", "}]\n"),
    ],
)
def test_locks_that_pip_and_uv_must_not_see(lock: str) -> None:
    with pytest.raises(InvalidBundle) as caught:
        read_lock(lock.encode())
    assert {defect.code for defect in caught.value.defects} == {"isolated.lock"}


def test_of_a_lock_only_names_versions_markers_and_hashes_are_taken() -> None:
    sdist = f'sdist = {{ url = "https://example.invalid/a.tar.gz", hashes = {{ sha256 = "{"b" * 64}" }} }}\n'
    found = read_lock(f"{HEAD}requires-python = '>=3.11'\n{PACKAGE}{sdist}marker = \"os_name == 'posix'\"\n".encode())
    line = f"a==1 ; os_name == 'posix' --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"
    assert found == LockedPackages(lines=(line,), requires_python=">=3.11")


# --- settings and plans ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"workers": True},
        {"workers": 1.0},
        {"timeout": 0},
        {"timeout": "1"},
        {"start_timeout": None},
        {"memory": True},
        {"find_links": "folder"},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        Isolation(**wrong)


def planned(python: Python | None, root: Path) -> pythons.Plan:
    packages = LockedPackages(lines=("a==1",), requires_python="")
    settings = Isolation(environments=root)
    return pythons.Plan(lock=EMPTY_LOCK, packages=packages, minor="3.19", python=python, settings=settings)


def test_a_plan_says_what_would_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(planned(None, tmp_path)) == "uv would download Python 3.19 and 1 package"
    assert planned(None, tmp_path).environment is None
    own = planned(pythons.this_python(), tmp_path)
    assert "uv would build its environment" in str(own)
    monkeypatch.setattr(pythons, "find_uv", lambda: None)
    assert "pip would build its environment" in str(own)
    monkeypatch.setattr(runtime, "obtain", lambda _: None)
    with pytest.raises(EnvironmentMismatch, match=r"uv could not download Python 3\.19"):
        runtime.open_isolated(planned(None, tmp_path), None, (), {})  # type: ignore[arg-type]


# --- building ---


def test_a_tool_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMismatch, match="nothing failed") as caught:
        environment_build._run([str(tmp_path / "nothing")], str(tmp_path), 1, None)
    assert caught.value.code == "isolated.build"


def test_an_interrupted_build_ends_its_tool(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = children()
    with pytest.raises(KeyboardInterrupt):
        environment_build._run([sys.executable, "-c", "import time; time.sleep(600)"], str(tmp_path), 1, interrupt)
    assert children() == before


def test_credentials_of_an_index_are_not_told() -> None:
    error = environment_build._failed(
        ["/bin/uv"], "error: no answer\n  of https://user:secret@example.invalid/simple\n"
    )
    assert "secret" not in str(error) + "".join(error.__notes__)
    assert "no answer" in str(error)
    assert "secret" not in str(environment_build._failed(["/bin/uv"], ""))


def test_a_full_disk_is_said_before_all_else_that_a_tool_says() -> None:
    said = "error: Failed to install\n  Caused by: failed to copy\n  Caused by: No space left on device (os error 28)"
    error = environment_build._failed(["/bin/uv"], said)
    assert str(error).startswith("the environment of the bundle cannot be built: the disk is full (found No space left")
    assert "Make room" in error.hint
    assert "failed to copy" in error.__notes__[0]


def test_who_waits_for_a_build_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    waiting = threading.Event()

    def tell(what: str, *_: int) -> None:
        told.append(what)
        waiting.set()

    def wait() -> None:
        with environment_cache._locked(str(tmp_path), "key", tell):
            told.append("mine")

    with environment_cache._locked(str(tmp_path), "key", tell):
        thread = threading.Thread(target=wait)
        thread.start()
        assert waiting.wait(30)
        assert told == ["waiting for another process that builds the environment"]
    thread.join(30)
    assert told[-1] == "mine"


def test_a_home_that_is_none_keeps_no_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_cache._objection("relative") == "there is no home folder"


def test_what_was_built_must_be_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_cache, "build", lambda *_, **__: "uv")  # it builds no interpreter
    with pytest.raises(EnvironmentMismatch, match="cannot be used"):
        environment_cache.ready(EMPTY_LOCK, [], pythons.this_python(), Isolation(environments=tmp_path))


def test_loaders_that_are_no_plain_files_are_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pythons, "_LOADER", "/nothing/loader.zip")
    with modelwheel.open(bundle) as opened:
        (runtime,) = [item for item in opened.explain(isolation=Isolation()).runtimes if item.kind == "isolated"]
    assert "isolated.platform" in {reason.code for reason in runtime.reasons}
