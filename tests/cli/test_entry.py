"""The console script: with its extra, and without, where it says what is missing."""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from environments import environment, modelwheel_wheel, run
from modelwheel.cli import main


def test_in_environments_with_and_without_the_extra(tmp_path: Path, line: Path) -> None:
    bare = environment(tmp_path / "bare", modelwheel_wheel()).parent
    done = run(bare / "modelwheel", "inspect", line, check=False)
    assert done.returncode == 2
    assert 'pip install "modelwheel[cli]"' in done.stderr
    assert done.stderr.count("\n") == 2
    assert "line 1.0" in run(bare / "python", "-m", "modelwheel_loader", "inspect", line).stdout
    installed = run(
        bare / "python", "-c", "import importlib.metadata as m; print(sorted(d.name for d in m.distributions()))"
    )
    assert installed.stdout == "['modelwheel', 'numpy', 'packaging']\n"

    whole = environment(tmp_path / "whole", f"modelwheel[cli] @ {modelwheel_wheel().as_uri()}", line).parent
    assert "line 1.0" in run(whole / "modelwheel", "inspect", "line").stdout
    assert "line" in run(whole / "python", "-m", "modelwheel", "list").stdout
    done = run(whole / "modelwheel", "check", "line", "--runtime", "onnx", check=False)
    assert done.returncode == 1
    assert "onnxruntime" in done.stderr


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rich" else object())
    assert main(["list"]) == 2
    assert capsys.readouterr().err.startswith("modelwheel: the command line needs rich: pip install")


def test_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["modelwheel", "completion", "nothing"])
    monkeypatch.setattr("modelwheel.cli.app._end_politely", lambda: None)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("modelwheel", run_name="__main__")
    assert ended.value.code == 2
    assert "nothing" in capsys.readouterr().err


def test_importing_the_entry_brings_neither_click_nor_rich() -> None:
    code = "import sys, modelwheel.cli; assert not {'click', 'rich'} & set(sys.modules)"
    run(sys.executable, "-c", code)


def test_an_interrupt_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("modelwheel_loader.bundle.open_place", interrupted)
    assert main(["inspect", "x.whl"]) == 130


def test_an_interrupt_while_modules_are_imported_is_130_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupting:
        """Finds every module by an interrupt."""

        def find_spec(self, name: str, *_: Any) -> None:
            if name == "modelwheel.cli.app":
                raise KeyboardInterrupt

    monkeypatch.delitem(sys.modules, "modelwheel.cli.app", raising=False)
    monkeypatch.delattr("modelwheel.cli.app", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    assert main(["--help"]) == 130
