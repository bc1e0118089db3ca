from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from modelwheel.cli import main
from modelwheel_loader.isolated.environments import listed
from modelwheel_loader.run.isolation import Isolation


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three environments, as far as lists look at them, and what a killed build has left."""
    for number, key in enumerate(("cp311-linux-aa", "cp311-linux-ab", "cp312-linux-ac")):
        folder = tmp_path / key
        (folder / "environment" / "bin").mkdir(parents=True)
        (folder / "environment" / "bin" / "python").write_bytes(b"x" * 2048)
        note = folder / "modelwheel-environment.json"
        about = {"format": 1, "python": "3.11.7", "tool": "uv", "packages": ["numpy==2.0"], "bundle": f"m{number}==1"}
        note.write_text(json.dumps(about))
        os.utime(note, (time.time() - number * 86_400 * 10,) * 2)
    (tmp_path / "cp311-linux-aa.unfinished-x").mkdir()
    (tmp_path / "cp311-linux-aa.lock").touch()
    return tmp_path


def keys(root: Path) -> list[str]:
    return [item.key for item in listed(Isolation(environments=root))]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_list_shows_the_last_used_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("env", "list", "--environments", root) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["built", "for", "Python", "packages", "size", "last", "used", "name"]
    assert [line.split()[-1] for line in lines[1:]] == ["cp311-linux-aa", "cp311-linux-ab", "cp312-linux-ac"]
    assert "2.1 kB" in lines[1] or "2.0 KiB" in lines[1] or "2" in lines[1]
    assert run("env", "list", "--json", "--environments", root) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert first["bundle"] == "m0==1"
    assert first["packages"] == ["numpy==2.0"]
    assert first["size"] > 2048


def test_remove_takes_names_all_or_the_unused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("env", "remove", "cp311-linux-aa", "--environments", root) == 0
    assert "removed cp311-linux-aa" in capsys.readouterr().out
    assert not list(root.glob("cp311-linux-aa*/"))
    assert run("env", "remove", "--unused-for", "15", "--json", "--environments", root) == 0
    assert json.loads(capsys.readouterr().out)["removed"] == ["cp312-linux-ac"]
    assert run("env", "remove", "--all", "--environments", root) == 0
    assert keys(root) == []
    assert run("env", "remove", "--all", "--environments", root) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_remove_is_careful(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("env", "remove", "cp311", "--environments", root) == 1
    assert "isolated.ambiguous" in capsys.readouterr().err
    assert run("env", "remove", "nothing", "--json", "--environments", root) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "isolated.unknown"
    for wrong in ([], ["cp311", "--all"], ["--all", "--unused-for", "3"]):
        assert run("env", "remove", *wrong, "--environments", root) == 2
    assert len(keys(root)) == 3
    assert run("env", "list", "--environments", root / "away") == 0
    assert "no environment is in" in capsys.readouterr().out
