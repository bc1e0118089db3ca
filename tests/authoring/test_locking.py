"""The lock: what a resolver says becomes a `pylock.toml` that holds nothing of this machine, and the same each time."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.pylock import Pylock
from packaging.requirements import Requirement

import modelwheel
from environments import uv
from modelwheel import Dependencies, Options
from modelwheel.errors import DependencyError, EnvironmentMismatch, UsageError
from modelwheel.locking import resolvers
from modelwheel.locking.pylock import write_pylock
from modelwheel.locking.resolvers import Question, Unresolved, resolve
from modelwheel_loader.run.requirements import read_lock, unfolded

X = np.arange(12.0).reshape(4, 3)
SHA = "a" * 64
Pack = Callable[..., Any]


def total(X: Any) -> Any:
    return X.sum(axis=1)


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    def made(**settings: Any) -> Any:
        options = Options(runtimes=("native",), overwrite=True)
        return modelwheel.pack(
            total, name="sum", version="1", sample=X, options=options, out=tmp_path / "dist",
            dependencies=Dependencies(**settings),
        )  # fmt: skip

    return made


def document(bundle: Any) -> dict[str, Any]:
    return tomllib.loads(bundle._members("code", None).small("pylock.toml").decode())


# --- by the index of this machine ---


@pytest.mark.usefixtures("index")
def test_uv_locks_for_all_platforms_what_is_installed_here(pack: Pack) -> None:
    bundle = pack()
    assert (bundle.manifest.lock.resolver, bundle.manifest.lock.platforms) == ("uv", "all")
    lock = document(bundle)
    Pylock.from_dict(lock).validate()
    packages = {package["name"]: package for package in lock["packages"]}
    assert {name: package["version"] for name, package in packages.items()} == {
        name: version(name) for name in ("cloudpickle", "numpy")
    }
    files = {wheel["name"] for wheel in packages["numpy"]["wheels"]}
    assert {kind for kind in ("win_amd64", "macosx", "manylinux") if any(kind in name for name in files)} == {
        "win_amd64",
        "macosx",
        "manylinux",
    }
    text = bundle.requirements()
    lines = unfolded(text)
    assert {Requirement(line.partition(" --hash")[0]).name for line in lines} == {"cloudpickle", "numpy"}
    assert sum(line.count(" --hash=sha256:") for line in lines) == text.count("\n    --hash=sha256:") > 10
    assert max(map(len, text.splitlines())) < 120  # one hash a line, as pip-compile writes them
    assert "all platforms (resolved by uv)" in str(bundle.report)
    assert bundle.report.to_dict()["lock"]["resolver"] == "uv"


@pytest.mark.usefixtures("index")
def test_the_same_model_gives_the_same_lock_and_bundle(pack: Pack) -> None:
    digests = {hashlib.sha256(pack().path.read_bytes()).hexdigest() for _ in range(2)}
    assert len(digests) == 1


@pytest.mark.usefixtures("index")
def test_code_by_value_locks_for_one_python(pack: Pack) -> None:
    assert document(pack())["requires-python"] == f"=={sys.version_info.major}.{sys.version_info.minor}.*"


# --- folders of wheels instead of an index ---


def wheel(folder: Path, name: str, number: str, *needs: str) -> Path:
    """A tiny real wheel."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{number}-py3-none-any.whl"
    info = f"{name}-{number}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {number}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(f"{name}.py", "")
        made.writestr(f"{info}/METADATA", metadata)
        made.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        made.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", "below", number)
    wheel(tmp_path / "wheels", "above", "1.5", "below")
    wheel(tmp_path / "wheels", "onwindows", "1", "below")
    return tmp_path / "wheels"


@pytest.mark.parametrize("tool", ["uv", "pip"])
def test_without_an_index_folders_of_wheels_will_do(tool: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if tool == "pip":
        monkeypatch.setattr(resolvers, "find_uv", lambda: None)
    question = Question(
        pins=("above==1.5",), constraints=("below==1.0",), python="3.11", find_links=(str(folder),), no_index=True
    )
    answer = resolve(question)
    assert (answer.resolver, answer.universal) == (tool, tool == "uv")
    data = write_pylock(answer.packages, requires_python=">=3.11", environments=())
    lock = tomllib.loads(data.decode())
    assert [(package["name"], package["version"]) for package in lock["packages"]] == [
        ("above", "1.5"),
        ("below", "1.0"),
    ]
    file = lock["packages"][0]["wheels"][0]
    sha256 = hashlib.sha256((folder / "above-1.5-py3-none-any.whl").read_bytes()).hexdigest()
    assert file.pop("size", 0) >= 0
    name = "above-1.5-py3-none-any.whl"
    assert file == {"name": name, "path": name, "hashes": {"sha256": sha256}}
    assert str(folder).encode() not in data
    assert len(read_lock(data).lines) == 2


def test_pip_says_for_which_platform_its_lock_is(folder: Path, pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {
        "name": "below",
        "version": "1.0",
        "wheels": [{"path": "below-1.0-py3-none-any.whl", "hashes": {"sha256": SHA}}],
    }
    resolved = resolvers.Resolved(resolver="pip", universal=False, packages=(answer,))
    monkeypatch.setattr("modelwheel.locking.lock.resolve", lambda question: resolved)
    bundle = pack()
    assert bundle.manifest.lock.platforms.startswith(sys.platform)
    made = document(bundle)
    assert "sys_platform == " in made["environments"][0]
    assert f"{bundle.manifest.lock.platforms} only (resolved by pip)" in str(bundle.report)


# --- no lock ---


def test_without_a_lock_the_bundle_says_why(pack: Pack) -> None:
    bundle = pack()
    (left,) = bundle.manifest.left_out
    assert (left.kind, left.reason) == ("isolated", "no lock: no resolver is asked in the tests")
    assert "isolated: no lock" in str(bundle.report)
    assert "isolated: left out by pack: no lock" in str(bundle.explain())
    with pytest.raises(EnvironmentMismatch, match=r"sum holds no lock: no lock: no resolver"):
        bundle.requirements()


def test_a_lock_that_nobody_wants_is_not_missed(pack: Pack) -> None:
    bundle = pack(lock="none")
    assert bundle.manifest.left_out == ()
    assert "pylock.toml" not in bundle.manifest.members
    with pytest.raises(EnvironmentMismatch, match="sum holds no lock"):
        bundle.requirements()


def test_a_required_lock_that_cannot_be_made_ends_packing(pack: Pack, tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="no lock can be made") as caught:
        pack(lock="required")
    assert caught.value.code == "pack.lock"
    assert not list(tmp_path.glob("dist/*"))
    with pytest.raises(UsageError):
        pack(lock="yes")


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


QUESTION = Question(pins=("above==1.5",), constraints=(), python="3.11")


def test_a_resolver_that_hangs_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = script(tmp_path / "uv", f"sleep 600 & echo $! > {tmp_path}/child; sleep 600")
    monkeypatch.setattr(resolvers, "find_uv", lambda: slow)
    with pytest.raises(Unresolved, match=r"uv gave no answer within 0\.5 seconds"):
        resolve(Question(pins=QUESTION.pins, constraints=(), python="3.11", timeout=0.5))
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not is_running(child):
            break
        time.sleep(0.05)
    assert not is_running(child)


def is_running(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_resolver_says_is_told_without_passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loud = script(tmp_path / "uv", "echo 'cannot reach https://ada:secret@index.example/simple/'; exit 2")
    monkeypatch.setattr(resolvers, "find_uv", lambda: loud)
    with pytest.raises(Unresolved) as caught:
        resolve(QUESTION)
    assert caught.value.reason == "uv could not resolve it"
    assert caught.value.detail.startswith("cannot reach https://…@index.example/simple/ (uv has its own settings")


def test_the_words_of_the_resolver_are_in_the_report_alone(pack: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Question) -> None:
        raise Unresolved("uv could not resolve it", "https://index.example said no")

    monkeypatch.setattr("modelwheel.locking.lock.resolve", fail)
    bundle = pack()
    assert "index.example said no" in str(bundle.report)
    assert b"index.example" not in bundle.path.read_bytes()


def test_without_uv_and_pip_there_is_nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolvers, "find_uv", lambda: None)
    monkeypatch.setattr(resolvers, "find_spec", lambda name: None)
    with pytest.raises(Unresolved, match="neither uv nor pip"):
        resolve(QUESTION)


# --- what is kept of a resolver's answer ---


def test_nothing_of_the_machine_or_the_user_is_kept() -> None:
    hashes = {"sha256": SHA}
    package = {
        "name": "Acme_Features",
        "version": "1.0+7",
        "marker": "sys_platform == 'win32'",
        "index": "https://ada:secret@index.example/simple?token=1",
        "sdist": {"url": "https://index.example/acme_features-1.0+7.tar.gz#sha256=00", "size": 7, "hashes": hashes},
        "wheels": [
            {
                "url": "https://ada:secret@index.example/acme_features-1.0%2B7-py3-none-any.whl?signature=x",
                "hashes": hashes,
            },
            {"url": "file:///home/ada/wheels/acme_features-1.0%2B7-py3-none-any.whl", "hashes": hashes},
            {"path": "/home/ada/acme_features-1.0+7-cp311-cp311-win32.whl", "hashes": hashes},
        ],
    }
    own = {"name": "modelwheel", "version": "1", "directory": {"path": "."}}
    data = write_pylock([package, own], requires_python=">=3.11", environments=())
    (made,) = tomllib.loads(data.decode())["packages"]
    assert made == {
        "name": "acme-features",
        "version": "1.0+7",
        "marker": "sys_platform == 'win32'",
        "index": "https://index.example/simple",
        "sdist": {
            "name": "acme_features-1.0+7.tar.gz",
            "url": "https://index.example/acme_features-1.0+7.tar.gz",
            "size": 7,
            "hashes": hashes,
        },
        "wheels": [
            {
                "name": "acme_features-1.0+7-cp311-cp311-win32.whl",
                "path": "acme_features-1.0+7-cp311-cp311-win32.whl",
                "hashes": hashes,
            },
            {
                "name": "acme_features-1.0+7-py3-none-any.whl",
                "url": "https://index.example/acme_features-1.0%2B7-py3-none-any.whl",
                "hashes": hashes,
            },
        ],
    }


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        ({"directory": {"path": "."}}, "comes from no index"),
        ({"wheels": [{"path": "a-1-py3-none-any.whl", "hashes": {"md5": "0"}}]}, "no SHA-256"),
        (
            {"marker": "not a marker", "wheels": [{"path": "a-1-py3-none-any.whl", "hashes": {"sha256": SHA}}]},
            "not a lock as PEP 751 defines it",
        ),
    ],
)
def test_what_cannot_be_locked_is_named(package: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unresolved, match=reason):
        write_pylock([{"name": "a", "version": "1", **package}], requires_python=">=3.11", environments=())


def test_without_a_judge_of_locks_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "packaging.pylock", None)
    with pytest.raises(Unresolved, match="packaging 26 or newer"):
        write_pylock([], requires_python=">=3.11", environments=())


def test_what_exists_as_source_only_is_locked_too() -> None:
    file = {"url": "https://index.example/a-1.tar.gz", "hashes": {"sha256": SHA}}
    data = write_pylock([{"name": "a", "version": "1", "sdist": file}], requires_python=">=3.11", environments=())
    assert read_lock(data).lines == (f"a==1 --hash=sha256:{SHA}",)


def test_a_lock_of_nothing_is_a_lock() -> None:
    assert read_lock(write_pylock([], requires_python=">=3.11", environments=())).lines == ()


# --- a lock that was made before ---


def test_a_lock_of_the_author_is_taken(pack: Pack, tmp_path: Path) -> None:
    given = tmp_path / "pylock.toml"
    run = [uv(), "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "-", "-o", str(given)]
    wanted = f"numpy=={version('numpy')}\ncloudpickle\nrich\n"
    subprocess.run(run, input=wanted, text=True, check=True)
    bundle = pack(lock=given)
    assert bundle.manifest.lock.resolver == "author"
    assert {"rich", "pygments", "numpy"} <= {package["name"] for package in document(bundle)["packages"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is not a lock as PEP 751 defines it"),
        ("lock-version = '1.0'\ncreated-by = 'x'\npackages = []\n", "holds no cloudpickle .* found nothing"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_lock_that_does_not_fit_is_refused(pack: Pack, tmp_path: Path, text: str | None, reason: str) -> None:
    given = tmp_path / "pylock.toml"
    if text is not None:
        given.write_text(text)
    with pytest.raises(DependencyError, match=reason) as caught:
        pack(lock=given)
    assert {defect.code for defect in caught.value.defects} == {"pack.lock"}
