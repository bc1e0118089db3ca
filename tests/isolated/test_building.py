"""Environments are built from `pack`'s own lock, once however many ask, whole or not at all, and can be removed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import modelwheel
from environments import uv
from locked import TRUST, X, with_lock
from modelwheel_loader.errors import EnvironmentMismatch
from modelwheel_loader.isolated import environments as environment_cache
from modelwheel_loader.isolated import environments as pythons
from modelwheel_loader.isolated.environments import plan
from processes import alive, gone

ASK = """
import sys, numpy as np, modelwheel
path, environments = sys.argv[1:]
told = []
isolation = modelwheel.Isolation(environments=environments, progress=lambda *step: told.append(step))
model = modelwheel.load(path, trust=modelwheel.Trust.unsafe_run_code(), runtime="isolated", isolation=isolation)
print(model.predict(np.ones((2, 3))).tolist(), len({step[0] for step in told}), flush=True)
"""


@pytest.fixture(scope="module")
def built(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which three processes built the environment at the same time."""
    root = tmp_path_factory.mktemp("environments")
    command = [sys.executable, "-W", "ignore", "-c", ASK, str(bundle), str(root)]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = [process.communicate(timeout=300)[0].split("] ") for process in asking]
    assert [answer for answer, _ in answers] == ["[3.0, 3.0"] * 3
    return root


def folders(root: Path) -> list[str]:
    return sorted(item.name for item in root.iterdir() if item.is_dir())


def settings(root: Path, **changes: object) -> modelwheel.Isolation:
    return modelwheel.Isolation(environments=root).replace(**changes)


def load(bundle: Path, root: Path, **changes: object) -> modelwheel.Model:
    return modelwheel.load(bundle, trust=TRUST, runtime="isolated", isolation=settings(root, **changes))


def test_it_is_built_once_however_many_ask(bundle: Path, built: Path) -> None:
    (name,) = folders(built)
    assert name.startswith(f"cp{sys.version_info.major}{sys.version_info.minor}-")
    (found,) = environment_cache.listed(settings(built))
    assert found.tool == "uv"
    assert found.bundle == "m==1"
    assert {line.partition("==")[0] for line in found.packages} == {"numpy", "cloudpickle"}
    assert found.size > 1_000_000
    packages = subprocess.run(
        [found.interpreter, "-I", "-c", "import numpy; print(numpy.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert packages.stdout.strip() == np.__version__
    before = found.used
    with load(bundle, built) as model:  # the second time, nothing is built
        assert model.predict(X[:1]).tolist() == [3.0]
        assert "its environment exists" in str(model.bundle.explain(trust=TRUST, isolation=settings(built)))
    (again,) = environment_cache.listed(settings(built))
    assert again.used >= before


def test_the_worker_sees_nothing_of_the_caller(built: Path) -> None:
    (found,) = environment_cache.listed(settings(built))
    code = (
        "import importlib.util; print([n for n in ('pandas', 'sklearn', 'modelwheel') if importlib.util.find_spec(n)])"
    )
    said = subprocess.run([found.interpreter, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_a_build_that_is_killed_leaves_nothing_half_made(bundle: Path, tmp_path: Path) -> None:
    """uv is replaced by one that hangs in the middle; the next asking process finishes the work."""
    slow = tmp_path / "bin" / "uv"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\ncase "$1" in venv) exec {uv()} "$@";; esac\nexec sleep 600\n')
    slow.chmod(0o755)
    root = tmp_path / "environments"
    code = f"from modelwheel_loader.isolated import environments as build; build.find_uv = lambda: {str(slow)!r}\n{ASK}"
    with subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(bundle), str(root)]) as asking:
        until = time.monotonic() + 60
        while not list(root.glob("*.unfinished-*/environment/pyvenv.cfg")) and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        below = children_of(asking.pid)
        os.kill(asking.pid, signal.SIGKILL)
    assert environment_cache.listed(settings(root)) == []
    (unfinished,) = folders(root)
    assert ".unfinished-" in unfinished
    for number in below:  # an orphan of a killed build works on in a folder that nobody looks into
        if alive(number):
            os.kill(number, signal.SIGKILL)
            assert gone(number)
    with load(bundle, root) as model:
        assert model.predict(X[:1]).tolist() == [3.0]
    assert folders(root) == [unfinished.partition(".")[0]]


def children_of(parent: int) -> list[int]:
    return [int(item) for item in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


@pytest.mark.parametrize("tool", ["uv", pytest.param("pip", marks=pytest.mark.slow)])
def test_a_build_that_fails_says_what_the_tool_says(
    tool: str, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tool == "pip":
        monkeypatch.setattr("modelwheel_loader.isolated.environments.find_uv", lambda: None)
    wrong = (
        'lock-version = "1.0"\n[[packages]]\nname = "cloudpickle"\nversion = "3.1.1"\n'
        f'wheels = [{{ path = "x.whl", hashes = {{ sha256 = "{"0" * 64}" }} }}]\n'
    )
    path = with_lock(bundle, wrong.encode(), tmp_path)
    root = tmp_path / "environments"
    with pytest.raises(EnvironmentMismatch, match=f"{tool}|python") as caught:
        load(path, root)
    assert caught.value.code == "isolated.build"
    assert "cloudpickle" in "".join([str(caught.value), *caught.value.__notes__])
    assert folders(root) == []


@pytest.mark.slow
def test_without_uv_pip_builds_it(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_cache, "find_uv", lambda: None)
    told: list[tuple[str, int, int]] = []
    with load(bundle, tmp_path, progress=lambda *step: told.append(step)) as model:
        assert model.predict(X[:1]).tolist() == [3.0]
    (found,) = environment_cache.listed(settings(tmp_path))
    assert found.tool == "pip"
    assert told[0][0] == "building the environment"
    assert told[-1][1:] == (2, 2)


def test_an_environment_without_its_python_is_built_again(bundle: Path, built: Path, tmp_path: Path) -> None:
    root = tmp_path / "environments"
    shutil.copytree(built, root, symlinks=True)
    (found,) = environment_cache.listed(settings(root))
    Path(found.interpreter).unlink()
    assert environment_cache.listed(settings(root)) == []
    with load(bundle, root) as model:
        assert model.predict(X[:1]).tolist() == [3.0]
    assert len(environment_cache.listed(settings(root))) == 1


def test_where_environments_cannot_be_kept(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    others = tmp_path / "others"
    others.mkdir()
    others.chmod(0o777)
    with pytest.raises(EnvironmentMismatch, match="others may write there"):
        load(bundle, others)
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentMismatch, match=r"Not a directory|File exists"):
        load(bundle, tmp_path / "file")

    def full(*_: object, **__: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(environment_cache, "build", full)
        with pytest.raises(EnvironmentMismatch, match="No space left on device"):
            load(bundle, tmp_path / "full")
    assert folders(tmp_path / "full") == []


def test_without_a_folder_to_write_to_it_is_built_for_this_process(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("MODELWHEEL_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        with modelwheel.load(bundle, trust=TRUST, runtime="isolated") as model:
            assert model.predict(X[:1]).tolist() == [3.0]
    assert len([record for record in caplog.records if "no cache folder" in record.message]) == 1
    environment_cache._temporary_root().cleanup()
    environment_cache._temporary_root.cache_clear()


def test_whoever_may_write_into_an_environment_could_run_code(bundle: Path, built: Path, tmp_path: Path) -> None:
    root = tmp_path / "environments"
    shutil.copytree(built, root, symlinks=True)
    (name,) = folders(root)
    (root / name).chmod(0o777)
    assert environment_cache.listed(settings(root)) == []
    note = root / name / "modelwheel-environment.json"
    (root / name).chmod(0o755)
    note.write_text(json.dumps({"format": 2}))
    assert environment_cache.listed(settings(root)) == []


def test_what_keeps_a_bundle_from_running_isolated(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        load(bundle, tmp_path, python=tmp_path / "no-python")
    assert caught.value.code == "isolated.python"
    with pytest.raises(EnvironmentMismatch, match=r"packages") as caught:
        load(with_lock(bundle, b'lock-version = "1.0"\npackages = 3\n', tmp_path / "broken"), tmp_path)
    assert caught.value.code == "isolated.lock"
    none = modelwheel.pack(
        lambda rows: rows[:, 0],
        name="none",
        version="1",
        sample=X,
        out=tmp_path,
        options=modelwheel.Options(runtimes=("native",)),
        dependencies=modelwheel.Dependencies(lock="none"),
    )
    with pytest.raises(EnvironmentMismatch) as caught:
        load(none.path, tmp_path)
    assert caught.value.code == "isolated.no-lock"


def test_windows_is_refused(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwheel_loader.isolated.environments.sys.platform", "win32")
    with modelwheel.open(bundle) as opened:
        members = opened._members("code", None)
        (defect,) = plan(opened.manifest.runtimes[0], opened.manifest, members, settings(tmp_path))  # type: ignore[arg-type,misc]
    assert defect.code == "isolated.platform"
    assert defect.found == "Windows"


def test_the_python_of_the_caller_is_taken_without_asking_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pythons, "probe", asked.append)
    found = pythons.find(("==3.*",), pythons.this_python().version)
    assert found == pythons.this_python()
    assert asked == []
