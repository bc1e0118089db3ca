"""`modelwheel export`: a folder from which pip installs, and the isolated runtime builds, without an index."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import modelwheel
from environments import interpreter, modelwheel_wheel, run, uv
from locked import TRUST, X, with_lock
from modelwheel.airgap import export as fetching
from modelwheel.airgap.export import export
from modelwheel.airgap.targets import NAMES, Target, here, select
from modelwheel.cli import main
from modelwheel_loader.errors import EnvironmentMismatch, ResolutionError, UsageError, WriteError

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGET = Target(python=THIS, platform=here())


@pytest.fixture(scope="module")
def folder(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command makes for this machine."""
    folder = tmp_path_factory.mktemp("air") / "gap"
    assert main(["export", str(bundle), "--with-dependencies", str(folder), "--find-links", own()]) == 0
    return folder


def own() -> str:
    """The folder with modelwheel's own wheel, of which no index knows yet."""
    return str(modelwheel_wheel().parent)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_the_folder_installs_without_an_index(folder: Path, tmp_path: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert {"m-1-py3-none-any.whl", "m-1.requirements.txt", "pylock.m-1.toml", modelwheel_wheel().name} <= names
    assert not [name for name in names if name.startswith(".")]
    run(uv(), "venv", "--quiet", "--seed", "--python", str(interpreter(THIS)), tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    options = ["--no-index", "--find-links", str(folder), "--require-hashes", "-r", f"{folder}/m-1.requirements.txt"]
    run(python, "-m", "pip", "install", "--quiet", *options, PIP_FIND_LINKS="", PIP_EXTRA_INDEX_URL="")
    code = (
        "import modelwheel, sys; print(modelwheel.load('m==1', runtime='native').predict([[1.0, 2.0, 3.0]]).tolist())"
    )
    assert run(python, "-I", "-c", code).stdout.strip() == "[6.0]"


def test_isolated_environments_are_built_from_the_folder(bundle: Path, folder: Path, tmp_path: Path) -> None:
    isolation = modelwheel.Isolation(environments=tmp_path, find_links=(folder,), no_index=True)
    with modelwheel.load(bundle, trust=TRUST, runtime="isolated", isolation=isolation) as model:
        assert model.predict(X[:1]).tolist() == [3.0]
    nowhere = isolation.replace(find_links=(), environments=tmp_path / "other")
    with pytest.raises(EnvironmentMismatch):
        modelwheel.load(bundle, trust=TRUST, runtime="isolated", isolation=nowhere)


def test_exporting_again_changes_nothing(bundle: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = state(folder)
    assert main(["export", str(bundle), "--with-dependencies", str(folder), "--no-index"]) == 0
    assert state(folder) == before
    assert "none of them new" in capsys.readouterr().out
    assert main(["export", str(bundle), "--with-dependencies", str(folder), "--no-index", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["added"] == []
    assert len(found["wheels"]) == len([name for name in before if name.endswith(".whl")]) - 1


def test_what_is_broken_in_the_folder_is_mended(bundle: Path, folder: Path) -> None:
    for name in ("m-1-py3-none-any.whl", "m-1.requirements.txt", "pylock.m-1.toml"):
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(whole[:-1])
        with modelwheel.open(bundle) as opened:
            assert export(opened, folder, [TARGET], no_index=True).added == ()
        assert (folder / name).read_bytes() == whole
    (cloudpickle,) = folder.glob("cloudpickle-*.whl")
    whole = cloudpickle.read_bytes()
    cloudpickle.write_bytes(b"half")
    with modelwheel.open(bundle) as opened:
        assert export(opened, folder, [TARGET]).added == (cloudpickle.name,)
    assert cloudpickle.read_bytes() == whole


def test_wheels_of_other_machines_come_by_the_lock(bundle: Path, folder: Path) -> None:
    targets = [Target(python=THIS, platform="macos-arm64"), Target(python=THIS, platform="windows-x86_64")]
    with modelwheel.open(bundle) as opened:
        assert {name.split("-")[0] for name in export(opened, folder, targets).added} == {"numpy"}
        assert export(opened, folder, targets, no_index=True).added == ()
    names = [path.name for path in folder.glob("numpy-*.whl")]
    assert len([name for name in names if "-macosx" in name and "arm64" in name]) == 1
    assert len([name for name in names if "-win_amd64" in name]) == 1


def wheel(tag: str, name: str = "thing") -> str:
    return f'{{ name = "{name}-1.0-{tag}.whl", path = "x", hashes = {{ sha256 = "{len(tag):064x}" }} }}'


def lock(*tags: str, marker: str = "", python: str = ">=3.11") -> bytes:
    said = f"marker = {json.dumps(marker)}\n" if marker else ""
    head = f'lock-version = "1.0"\ncreated-by = "x"\nrequires-python = "{python}"\n[[packages]]\nname = "thing"\n'
    return f'{head}version = "1.0"\n{said}wheels = [{", ".join(map(wheel, tags))}]\n'.encode()


def chosen(data: bytes, python: str = "3.12", platform: str = "linux-x86_64") -> list[str]:
    (found,) = select(data, [Target(python=python, platform=platform)]).values()
    return [item.file.removeprefix("thing-1.0-").removesuffix(".whl") for item in found]


def test_the_best_wheel_for_a_machine_is_taken() -> None:
    every = (
        "py3-none-any",
        "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp312-cp312-manylinux_2_34_x86_64",
        "cp312-cp312-macosx_11_0_arm64",
        "cp311-abi3-win_amd64",
        "cp312-cp312-musllinux_1_1_aarch64",
        "cp313-cp313-manylinux_2_28_x86_64",
    )
    assert chosen(lock(*every)) == [every[1]]
    assert chosen(lock(*every), platform="manylinux_2_35_x86_64") == [every[2]]
    assert chosen(lock(*every), platform="macos-arm64") == [every[3]]
    assert chosen(lock(*every), platform="windows-x86_64") == [every[4]]
    assert chosen(lock(*every), platform="musllinux_1_2_aarch64") == [every[5]]
    assert chosen(lock(*every), "3.13") == [every[6]]
    assert chosen(lock(*every), platform="macosx_10_9_x86_64") == [every[0]]
    assert here() in NAMES


def test_markers_are_those_of_the_machine_that_is_meant() -> None:
    windows = lock("py3-none-any", marker="sys_platform == 'win32'")
    assert chosen(windows) == []
    assert chosen(windows, platform="windows-x86_64") == ["py3-none-any"]
    patch = lock("py3-none-any", marker="python_full_version >= '3.12.4'")
    assert chosen(patch) == ["py3-none-any"]
    assert chosen(patch, "3.11") == []
    assert chosen(lock("py3-none-any", marker="platform_machine == 'arm64' and os_name == 'posix'")) == []


def test_all_that_has_no_wheel_is_named_at_once() -> None:
    with pytest.raises(ResolutionError) as caught:
        select(
            lock("cp312-cp312-win_amd64", python=">=3.12"),
            [
                Target(python="3.12", platform="linux-aarch64"),
                Target(python="3.13", platform="windows-x86_64"),
                Target(python="3.11", platform="windows-x86_64"),
            ],
        )
    assert [defect.code for defect in caught.value.defects] == ["export.no-wheel"] * 3
    assert "the lock is not for Python 3.11" in str(caught.value)
    foreign = lock("py3-none-any").replace(b"thing-1.0", b"../thing-1.0")
    with pytest.raises(ResolutionError):
        select(foreign, [TARGET])


@pytest.mark.parametrize(("python", "platform"), [("3", "linux-x86_64"), ("3.12", "solaris"), ("3.12", "linux_x86_64")])
def test_machines_that_are_none_are_refused(python: str, platform: str) -> None:
    with pytest.raises(UsageError):
        Target(python=python, platform=platform)


def test_what_cannot_be_exported(bundle: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = with_lock(bundle, lock("py3-none-any"), tmp_path / "wrong")
    with modelwheel.open(wrong) as opened, pytest.raises(ResolutionError, match="thing") as caught:
        export(opened, tmp_path / "out", [TARGET], no_index=True, find_links=[Path(own()), folder])
    assert caught.value.code == "export.download"
    assert "thing" in caught.value.__notes__[0]
    (tmp_path / "file").touch()
    with modelwheel.open(bundle) as opened, pytest.raises(WriteError) as refused:
        export(opened, tmp_path / "file", [TARGET])
    assert refused.value.errno is not None
    run(sys.executable, "-m", "zipfile", "-e", bundle, tmp_path / "unpacked")
    with modelwheel.open(tmp_path / "unpacked") as opened, pytest.raises(UsageError, match="only the wheel file"):
        export(opened, tmp_path / "out", [TARGET])
    monkeypatch.setattr(fetching, "find_spec", lambda _: None)
    assert fetching._pip() == [uv(), "tool", "run", "--quiet", "pip"]
    monkeypatch.setattr(fetching, "find_uv", lambda: None)
    with pytest.raises(ResolutionError, match="pip, which is not here"):
        fetching._pip()
