"""One lock for all runtimes of a bundle: what only one of them needs is marked, and each can be asked for alone."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.pylock import Pylock
from sklearn.linear_model import LinearRegression

import modelwheel
from locked import with_lock
from modelwheel import Dependencies, Options
from modelwheel.airgap.targets import Target, select
from modelwheel.capturing.capture import origins_for
from modelwheel.cli import main
from modelwheel.errors import DependencyError, EnvironmentMismatch, UsageError
from modelwheel.locking.lock import make_lock, together
from modelwheel.locking.pylock import write_pylock
from modelwheel.locking.resolvers import Question, Resolved, Unresolved
from modelwheel_loader.opening.manifest import Requirement
from modelwheel_loader.run.requirements import divided, for_runtime, read_lock, unfolded

X = np.arange(12.0).reshape(4, 3)
SHA = "a" * 64
Pack = Callable[..., Any]


def package(name: str, version: str = "1", marker: str = "") -> dict[str, Any]:
    file = {"path": f"{name.replace('-', '_')}-{version}-py3-none-any.whl", "hashes": {"sha256": SHA}}
    return {"name": name, "version": version, "wheels": [file], **({"marker": marker} if marker else {})}


def names(lines: Any) -> list[str]:
    return [line.partition(" --hash")[0] for line in lines if not line.startswith("#")]


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    def made(**settings: Any) -> Any:
        return modelwheel.pack(
            LinearRegression().fit(X, X.sum(axis=1)),
            name="sum",
            version="1",
            sample=X,
            options=Options(overwrite=True),
            out=tmp_path / "dist",
            dependencies=Dependencies(**settings),
        )

    return made


class Resolver:
    """Answers with what is pinned, and one package more for each question; refuses what it is told to."""

    def __init__(self, refused: str = "") -> None:
        self.refused = refused
        self.asked: list[Question] = []

    def __call__(self, question: Question) -> Resolved:
        self.asked.append(question)
        pins = dict(pin.split("==") for pin in question.pins)
        if self.refused in pins:
            raise Unresolved("uv could not resolve it", f"there is no {self.refused}")
        below = {"below": "3"} | dict(item.split("==") for item in question.constraints if item.startswith("below="))
        packages = tuple(package(name, version) for name, version in (pins | below).items())
        return Resolved(resolver="uv", universal=True, packages=packages)


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    made = Resolver()
    monkeypatch.setattr("modelwheel.locking.lock.resolve", made)
    return made


def test_a_service_can_pin_all_runtimes_or_one(pack: Pack, resolver: Resolver) -> None:
    bundle = pack()
    texts = [bundle.requirements(kind) for kind in (None, "native", "onnx")]
    assert texts[0].startswith("# sum 1, to run onnx and native\n")
    assert texts[2].startswith("# sum 1, to run onnx\n")
    every, native, onnx = map(unfolded, texts)
    held = {
        kind: {line.partition("==")[0] for line in names(lines)}
        for kind, lines in zip("eno", (every, native, onnx), strict=True)
    }
    assert held["o"] == {"onnxruntime", "numpy", "below"}
    assert held["n"] >= {"scikit-learn", "numpy", "below"}
    assert "onnxruntime" not in held["n"]
    assert held["e"] == held["n"] | held["o"]
    assert "below==3" in resolver.asked[1].constraints  # what both need, they need in one version
    document = tomllib.loads(bundle._members("code", None).small("pylock.toml").decode())
    Pylock.from_dict(document).validate()
    assert document["default-groups"] == document["dependency-groups"] == ["native", "onnx"]


def test_other_tools_choose_by_the_groups_as_we_do(pack: Pack, resolver: Resolver) -> None:
    bundle = pack()
    data = bundle._members("code", None).small("pylock.toml")
    lock = Pylock.from_dict(tomllib.loads(data.decode()))
    for kind in ("native", "onnx"):
        chosen = {str(item.name) for item, _ in lock.select(dependency_groups=[kind])}
        assert chosen == {line.partition("==")[0] for line in read_lock(data, kind).lines}
    assert len(list(lock.select())) == len(read_lock(data).lines)


def test_the_command_asks_for_one_runtime(pack: Pack, resolver: Resolver, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = pack()
    assert main(["requirements", str(bundle.path), "--runtime", "onnx"]) == 0
    assert capsys.readouterr().out == bundle.requirements("onnx")
    assert main(["requirements", str(bundle.path), "--runtime", "native", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requirements"] == unfolded(bundle.requirements("native"))


def test_there_is_no_such_runtime(pack: Pack, resolver: Resolver) -> None:
    with pytest.raises(UsageError, match="no such runtime of its own"):
        pack().requirements("isolated")


def test_a_graph_that_cannot_be_locked_keeps_the_rest_unless_it_must_be(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelwheel.locking.lock.resolve", Resolver(refused="onnxruntime"))
    bundle = pack()
    assert "the lock is not for the onnx runtime: uv could not resolve it: there is no onnx" in str(bundle.report)
    assert bundle.manifest.left_out == ()
    assert bundle.requirements().startswith("# sum 1, to run native\n")
    assert bundle.requirements("native").splitlines()[2:] == bundle.requirements().splitlines()[2:]
    with pytest.raises(EnvironmentMismatch, match="not for its onnx runtime: it holds no onnxruntime") as caught:
        bundle.requirements("onnx")
    assert caught.value.code == "isolated.no-lock"
    with pytest.raises(DependencyError, match="there is no onnxruntime"):
        pack(lock="required")


def test_versions_that_only_one_index_has_are_named_with_the_ways_out(
    pack: Pack, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = Requirement(name="torch", version="2.13.0+cpu", specifier="~=2.13", reason="in model.pkl")
    refusing = Resolver(refused="torch")
    monkeypatch.setattr("modelwheel.locking.lock.resolve", refusing)
    origins = origins_for(Dependencies())
    with pytest.raises(DependencyError, match=r"there is no torch") as caught:
        make_lock({"native": (cpu,)}, ">=3.11", Dependencies(lock="required"), origins)
    for way in ("has torch 2.13.0+cpu", "UV_INDEX", "find_links", 'replace={"torch": "torch==2.13.0"}'):
        assert way in caught.value.hint
    assert "UV_INDEX" in make_lock({"native": (cpu,)}, ">=3.11", Dependencies(), origins).detail
    assert "torch==2.13.0+cpu" in refusing.asked[-1].pins
    public = cpu.replace(specifier="==2.13.0")
    assert "UV_INDEX" not in make_lock({"native": (public,)}, ">=3.11", Dependencies(), origins).detail
    assert "torch==2.13.0" in refusing.asked[-1].pins


def test_a_lock_of_nothing_that_is_needed_says_so(pack: Pack, tmp_path: Path) -> None:
    data = write_pylock([package("other")], requires_python=">=3.11", environments=())
    with modelwheel.open(with_lock(pack().path, data, tmp_path / "other")) as bundle:
        assert bundle.requirements().startswith("# sum 1, to run nothing of it\n")


def test_packages_of_several_runtimes_are_marked() -> None:
    windows = "sys_platform == 'win32'"
    answers = {
        "native": [package("both"), package("split", "1", windows), package("old", "1"), package("mine")],
        "onnx": [package("both"), package("split", "1"), package("old", "2"), package("yours", "1", windows)],
    }
    merged = [(item["name"], item["version"], item.get("marker", "")) for item in together(answers)]
    native, onnx = "'native' in dependency_groups", "'onnx' in dependency_groups"
    assert merged == [
        ("both", "1", ""),
        ("split", "1", f"{native} and ({windows})"),
        ("old", "1", native),
        ("mine", "1", native),
        ("split", "1", onnx),
        ("old", "2", onnx),
        ("yours", "1", f"{onnx} and ({windows})"),
    ]
    assert list(together({"native": answers["native"]})) == answers["native"]


@pytest.mark.parametrize("marker", ["", "os_name == 'posix'", "os_name == 'nt' or python_version < '3.12'"])
def test_markers_are_taken_apart_as_they_were_put_together(marker: str) -> None:
    assert divided(for_runtime("onnx", marker)) == ("onnx", marker)
    assert divided(marker) == (None, marker)


def test_lines_hold_the_rest_of_a_marker() -> None:
    grouped = package("a", "1", for_runtime("onnx", "os_name == 'posix'"))
    data = write_pylock([grouped, package("b")], requires_python=">=3.11", environments=(), groups=("native", "onnx"))
    assert names(read_lock(data, "onnx").lines) == ["a==1 ; os_name == 'posix'", "b==1"]
    assert names(read_lock(data, "native").lines) == ["b==1"]
    wheels = select(data, [Target(python="3.11", platform=name) for name in ("linux-x86_64", "windows-x86_64")])
    assert [[wheel.name for wheel in chosen] for chosen in wheels.values()] == [["a", "b"], ["b"]]
