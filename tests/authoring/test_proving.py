"""The clean room: real environments of nothing but the lock, in which the bundle is loaded and asked."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelwheel
from locked import with_lock
from modelwheel import Dependencies, Examples, Isolation, Options
from modelwheel.cli import main
from modelwheel.errors import DependencyError, EnvironmentMismatch, IntegrityError, TrustError, UsageError
from modelwheel.proving.prove import write_copy
from modelwheel.proving.room import explained
from modelwheel_loader.defects import Defect
from modelwheel_loader.proof.report import Step
from modelwheel_loader.run.requirements import unfolded

X = np.arange(12.0).reshape(4, 3)
TRUST = modelwheel.Trust.unsafe_run_code()
pytestmark = pytest.mark.usefixtures("index")


def total(rows: Any) -> Any:
    return np.asarray(rows).sum(axis=1)


def needs_scipy_secretly(rows: Any) -> Any:
    return importlib.import_module("scipy.special").expit(np.asarray(rows)[:, 0])


def needs_itself(rows: Any) -> Any:
    return np.asarray(rows)[:, 0] * importlib.import_module("secret_helper").FACTOR


def packed(model: Any, out: Path, **more: Any) -> modelwheel.Bundle:
    options = more.pop("options", Options(runtimes=("native",), overwrite=True))
    return modelwheel.pack(model, name="clean", version="1", sample=X, options=options, out=out, **more)


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    from modelwheel.locking import lock, resolvers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "resolve", resolvers.resolve)
        return packed(total, tmp_path_factory.mktemp("proven"), prove=True)


def test_the_proof_is_in_the_manifest(proven: modelwheel.Bundle) -> None:
    proof = proven.manifest.proof
    assert proof is not None
    assert proof.lock == proven.manifest.members["pylock.toml"].sha256
    assert proof.python == ".".join(map(str, sys.version_info[:3]))
    assert (proof.tool, proof.rows, dict(proof.methods)) == ("uv", 4, {"predict": "exact"})
    assert "proven in a clean room: Python" in str(proven.report)  # type: ignore[attr-defined]
    assert proven.report.to_dict()["proof"]["rows"] == 4  # type: ignore[attr-defined]


def test_it_is_proven_again_by_the_command(
    proven: modelwheel.Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(proven.path)
    assert main(["prove", path, "--unsafe-run-code", "--out", str(tmp_path / "copy")]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "clean 1: OK" in printed
    assert "packages of the lock and nothing else, built by uv" in printed
    assert "isolated predict: identical to the golden examples" in printed
    assert (tmp_path / "copy" / proven.path.name).read_bytes() == proven.path.read_bytes()
    assert main(["inspect", path]) == 0
    assert "proven in a clean room" in " ".join(capsys.readouterr().out.split())


def test_nothing_is_built_for_a_bundle_that_is_not_trusted(proven: modelwheel.Bundle) -> None:
    with pytest.raises(TrustError):
        modelwheel.prove(proven.path)


def test_a_hidden_need_is_named_with_what_brings_it(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="scipy is missing") as caught:
        packed(needs_scipy_secretly, tmp_path, prove=True)
    assert caught.value.code == "prove.missing"
    assert caught.value.defects[0].hint == 'Tell pack of it: dependencies=Dependencies(add=("scipy",)).'
    assert not list(tmp_path.iterdir())


def test_a_hidden_module_of_the_author_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "secret_helper.py").write_text("FACTOR = 2\n")
    monkeypatch.syspath_prepend(str(work))
    with pytest.raises(DependencyError, match="the module secret_helper is missing") as caught:
        packed(needs_itself, tmp_path / "dist", prove=True)
    assert "Dependencies(code=(…,))" in (caught.value.defects[0].hint or "")
    bundle = packed(
        needs_itself, tmp_path / "dist", prove=True, dependencies=Dependencies(code=(work / "secret_helper.py",))
    )
    assert bundle.manifest.proof is not None
    sys.modules.pop("secret_helper", None)


def test_without_a_lock_there_is_nothing_to_prove(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMismatch, match="holds no lock"):
        packed(total, tmp_path, prove=True, dependencies=Dependencies(lock="none"))
    bundle = packed(total, tmp_path, dependencies=Dependencies(lock="none"))
    with pytest.raises(EnvironmentMismatch, match="holds no lock"):
        modelwheel.prove(bundle.path, trust=TRUST)


def test_an_environment_that_cannot_be_built_is_told(proven: modelwheel.Bundle, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        modelwheel.prove(proven, isolation=Isolation(find_links=(tmp_path,), no_index=True))
    assert caught.value.code == "isolated.build"


def test_examples_that_do_not_travel_prove_that_it_loads(tmp_path: Path) -> None:
    bundle = packed(total, tmp_path, prove=True, examples=Examples(source="none"))
    assert bundle.manifest.proof is not None
    assert (bundle.manifest.proof.rows, dict(bundle.manifest.proof.methods)) == (0, {})


def test_a_graph_alone_is_proven_too(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(X, X.sum(axis=1))
    bundle = packed(model, tmp_path, prove=True, options=Options(runtimes=("onnx",)))
    assert bundle.manifest.proof is not None
    assert set(bundle.manifest.proof.methods) == {"predict"}
    assert "onnxruntime==" in bundle.requirements()


def test_each_runtime_is_proven_in_a_room_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import LinearRegression

    monkeypatch.chdir(tmp_path)  # a path that means nothing in another folder
    bundle = packed(LinearRegression().fit(X, X.sum(axis=1)), Path("dist"), options=Options(), prove=True)
    assert bundle.manifest.proof is not None
    assert dict(bundle.manifest.proof.methods) == {"predict": "exact"}
    report = modelwheel.prove(modelwheel.open(bundle.path), trust=TRUST)
    assert report.ok
    rooms = [step.detail for step in report.steps if step.name == "environment"]
    assert len(rooms) == 2
    passed = {step.name for step in report.steps if step.outcome == "passed"}
    assert {"isolated predict", "onnx predict", "digests"} <= passed
    assert not any(step.name.startswith("native") for step in report.steps)


def test_a_graph_that_the_lock_is_not_for_is_not_proven(tmp_path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    native = packed(LinearRegression().fit(X, X.sum(axis=1)), tmp_path)
    lock = native._members("code", None).small("pylock.toml")
    both = packed(LinearRegression().fit(X, X.sum(axis=1)), tmp_path, options=Options(overwrite=True))
    report = modelwheel.prove(with_lock(both.path, lock, tmp_path / "native"), trust=TRUST)
    assert report.ok
    assert [(step.outcome, step.detail) for step in report.steps if step.name == "onnx"] == [
        ("not run", "the lock of clean is not for its onnx runtime: it holds no onnxruntime")
    ]


@pytest.mark.slow
def test_a_loader_that_ends_in_the_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import LinearRegression

    bundle = packed(LinearRegression().fit(X, X.sum(axis=1)), tmp_path, options=Options(runtimes=("onnx",)))
    monkeypatch.setattr("modelwheel.proving.room._VERIFY", "raise SystemExit('no loader')")
    report = modelwheel.prove(bundle)
    assert not report.ok
    assert [defect.code for defect in report.defects] == ["prove.failed"]
    assert "the loader ended there: no loader" in str(report)


# --- the copy ---


def test_a_copy_is_of_a_file_with_its_own_bytes(proven: modelwheel.Bundle, tmp_path: Path) -> None:
    proof = proven.manifest.proof
    assert proof is not None
    folder = tmp_path / "folder"
    shutil.unpack_archive(proven.path, folder, "zip")
    with pytest.raises(UsageError, match="of a wheel file only"):
        write_copy(modelwheel.open(folder), proof, tmp_path / "out")
    changed = tmp_path / proven.path.name
    opened = modelwheel.open(proven.path)
    data = bytearray(proven.path.read_bytes())
    position = data.index(b"lock-version")
    data[position] ^= 1
    changed.write_bytes(data)
    opened.manifest.members  # noqa: B018 - read before the file is another
    with pytest.raises(IntegrityError):
        write_copy(modelwheel.open(changed), proof, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_proof_of_another_lock_is_refused(proven: modelwheel.Bundle, tmp_path: Path) -> None:
    other = b'lock-version = "1.0"\ncreated-by = "x"\npackages = []\n'
    path = with_lock(Path(proven.path), other, tmp_path)
    with pytest.raises(modelwheel.errors.InvalidBundle, match="proof"):
        modelwheel.open(path)
    assert hashlib.sha256(other).hexdigest() != proven.manifest.proof.lock  # type: ignore[union-attr]


# --- what is missing ---


@pytest.fixture
def from_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    info = tmp_path / "acme_tools-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-tools\nVersion: 1\n")
    (info / "RECORD").write_text("acme_tools.py,,\n")
    (info / "direct_url.json").write_text(json.dumps({"url": tmp_path.as_uri(), "dir_info": {}}))
    (tmp_path / "acme_tools.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_tools", None)


@pytest.mark.usefixtures("from_a_folder")
@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("No module named 'sklearn.svm'", 'add=("scikit-learn",)'),
        ("Missing optional dependency 'pyarrow'. Use pip", 'add=("pyarrow",)'),
        (
            "the model needs the module acme_tools, which cannot",
            'If an index has it: Dependencies(add=("acme-tools",))',
        ),
        ("No module named 'not_here_at_all'", "or add the distribution that has not_here_at_all"),
    ],
)
def test_each_way_to_miss_something(said: str, hint: str) -> None:
    step = Step(name="load", outcome="failed", detail=said, defects=(Defect(code="native.module", message=said),))
    (defect,) = explained(step).defects
    assert defect.code == "prove.missing"
    assert hint in (defect.hint or "")


def test_other_failures_stay_as_they_are() -> None:
    step = Step(name="load", outcome="failed", detail="division by zero")
    assert explained(step) is step


# --- the commands ---


def test_the_commands_lock_prove_and_list(
    proven: modelwheel.Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import joblib
    from sklearn.linear_model import LinearRegression

    assert main(["requirements", str(proven.path)]) == 0
    text = capsys.readouterr().out
    assert text == proven.requirements()
    assert main(["requirements", str(proven.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["requirements"] == unfolded(text)
    monkeypatch.chdir(tmp_path)
    joblib.dump(LinearRegression().fit(X, X.sum(axis=1)), "model.joblib")
    np.save("sample.npy", X)
    (tmp_path / "beside.py").write_text("VALUE = 1\n")
    options = ["--unsafe-run-code", "--needs", "packaging", "--code", "beside.py", "--lock", "required"]
    assert main(["pack", "model.joblib", "sample.npy", "-n", "sum", "-v", "1", *options]) == 0
    bundle = modelwheel.open(tmp_path / "dist" / "sum-1-py3-none-any.whl")
    native = next(item for item in bundle.runtimes if item.kind == "native")
    assert {item.name for item in native.requires} >= {"packaging", "scikit-learn"}
    assert native.modules == ("beside",)
    assert "packaging==" in bundle.requirements()
    assert "includes the source of beside" in str(bundle.explain())
    assert main(["inspect", str(bundle.path)]) == 0
    assert "all platforms (resolved by uv)" in " ".join(capsys.readouterr().out.split())
