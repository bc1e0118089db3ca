"""`repack`: an old bundle in today's format, with the same payloads, and nothing of it run."""

from __future__ import annotations

import dataclasses
import json
import pickle
import zipfile
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any

import pytest

import builders
import modelwheel
from modelwheel.cli import main
from modelwheel.errors import IntegrityError, PackError, WriteError
from modelwheel.version import VERSION
from modelwheel.wheel.metadata import first_reader
from modelwheel_loader.opening import manifest as manifests

GOLDEN = Path(__file__).parents[1] / "compat" / "modelwheel-1" / "golden-1.0.0-py3-none-any.whl"


class Bomb:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


def headers(path: Path) -> Message:
    with zipfile.ZipFile(path) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        return BytesHeaderParser().parsebytes(archive.read(name))


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def unpack(files: dict[str, bytes], folder: Path) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_the_golden_bundle_in_todays_format(tmp_path: Path) -> None:
    with modelwheel.open(GOLDEN) as old, modelwheel.repack(GOLDEN, out=tmp_path / "one") as new:
        assert new.path == tmp_path / "one" / GOLDEN.name
        assert new.manifest.members == old.manifest.members
        assert new.manifest.packed_with == {**old.manifest.packed_with, "modelwheel": VERSION}
        assert new.verify().ok
        assert headers(new.path).items() == headers(GOLDEN).items()
        again = modelwheel.repack(GOLDEN, out=tmp_path / "two")
        assert again.path.read_bytes() == new.path.read_bytes()
        assert modelwheel.repack(new.path, out=tmp_path / "three").digest == new.digest


def test_what_it_says_of_itself_is_corrected(tmp_path: Path) -> None:
    about = modelwheel.About(
        summary="Old", author="A", license="MIT", keywords=("k",), urls={"Home": "https://a.example/x, y"}
    )
    first = modelwheel.repack(GOLDEN, out=tmp_path, about=about)
    second = modelwheel.repack(
        first, out=tmp_path, version="1.1", about=lambda old: dataclasses.replace(old, summary="New", public=True)
    )
    assert (second.name, second.version, second.manifest.summary) == ("golden", "1.1", "New")
    assert second.path.name == "golden-1.1-py3-none-any.whl"
    found = headers(second.path)
    assert (found["Summary"], found["Author"], found["License-Expression"], found["Keywords"]) == (
        "New",
        "A",
        "MIT",
        "k",
    )
    assert found["Project-URL"] == "Home, https://a.example/x, y"
    assert found["Classifier"] is None
    assert second.manifest.members == first.manifest.members
    with pytest.raises(PackError, match="one line of text"):
        modelwheel.repack(first, out=tmp_path, about=modelwheel.About(summary="a\nb"))
    with pytest.raises(PackError):
        modelwheel.repack(first, out=tmp_path, version="not a version")


def test_nothing_of_the_bundle_runs(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = builders.replaced(GOLDEN, {"native/model.pkl": pickle.dumps(Bomb(str(marker)))}, tmp_path)
    new = modelwheel.repack(path, out=tmp_path / "out")
    assert [payload.kind for payload in new.runtimes] == ["onnx", "native"]
    assert not marker.exists()


def test_other_files_are_not_replaced_unless_asked(tmp_path: Path) -> None:
    copy = tmp_path / GOLDEN.name
    copy.write_bytes(GOLDEN.read_bytes())
    changed = modelwheel.About(summary="Other")
    with pytest.raises(WriteError) as caught:
        modelwheel.repack(copy, out=tmp_path, about=changed)
    assert caught.value.code == "write.exists"
    assert copy.read_bytes() == GOLDEN.read_bytes()
    assert modelwheel.repack(copy, out=tmp_path, about=changed, overwrite=True).manifest.summary == "Other"
    assert [path.name for path in tmp_path.iterdir()] == [GOLDEN.name]


def test_of_a_folder_with_licences_and_keys_of_the_future(tmp_path: Path) -> None:
    made = builders.files(future={"a": 1})
    made[f"{builders.INFO}licenses/LICENSE"] = b"MIT"
    unpack(builders.with_record(made), tmp_path / "folder")
    new = modelwheel.repack(tmp_path / "folder", out=tmp_path)
    written = members(new.path)
    assert written[f"{builders.INFO}licenses/LICENSE"] == b"MIT"
    assert json.loads(written[f"{builders.ROOT}manifest.json"])["future"] == {"a": 1}


def test_of_an_installed_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(GOLDEN) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "golden-1.0.0.dist-info" / "INSTALLER").write_text("pip\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    new = modelwheel.repack("golden", out=tmp_path / "out")
    assert new.digest == modelwheel.repack(GOLDEN, out=tmp_path / "other").digest
    assert "golden-1.0.0.dist-info/INSTALLER" not in members(new.path)


def test_bytes_that_are_not_those_recorded(tmp_path: Path) -> None:
    unpack(builders.files(), tmp_path / "folder")
    (tmp_path / "folder" / builders.ROOT / "native/model.pkl").write_bytes(bytes(len(builders.PICKLE)))
    with pytest.raises(IntegrityError):
        modelwheel.repack(tmp_path / "folder", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "about.md"
    text.write_text("# Golden\n")
    arguments = ["--out", str(tmp_path), "--summary", "S", "--description", str(text), "--public", "--json"]
    assert main(["repack", str(GOLDEN), *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    with modelwheel.open(Path(said["path"])) as bundle:
        assert (bundle.manifest.summary, bundle.manifest.description) == ("S", "# Golden\n")
        assert bundle.digest == said["digest"]
    assert main(["repack", str(GOLDEN), "--out", str(tmp_path)]) == 1
    assert "write.exists" in capsys.readouterr().err
    assert main(["repack", str(GOLDEN), "--out", str(tmp_path / "again")]) == 0
    assert "wrote" in capsys.readouterr().out


def test_requires_the_version_that_knows_every_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    assert first_reader(()) == manifests.FIRST_READER == "0.1.0"
    monkeypatch.setattr("modelwheel.wheel.metadata.FEATURES", {"a": "0.9.0", "b": "0.10.0"})
    assert first_reader(("b", "a")) == "0.10.0"
