"""A9: "good" means that a model ran. The first line, `report.ok` and the exit status say one thing."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import modelwheel
from builders import replaced
from field.elsewhere import TRUST, first_line, options, pack, said
from locked import EMPTY_LOCK
from modelwheel.cli import main
from modelwheel_loader.show.commandline import main as loader_main

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"])
Main = Callable[[list[str]], int]
verify: Any = modelwheel.verify
GOOD, STRUCTURE, NOT_RUN = r"\b(good|ok)\b", r"structure (is )?(good|ok|valid)", r"not run|no model ran"
"""How first lines may say that all is well, that the structure is, and that no model ran."""
MAINS = pytest.mark.parametrize("run", [main, loader_main], ids=["modelwheel", "modelwheel_loader"])


def says_good(report: Any) -> bool:
    """Whether the first line says, without a reservation, that the bundle is good."""
    line = re.sub(rf"{STRUCTURE}|not good|not ok", "", first_line(report), flags=re.IGNORECASE)
    return re.search(GOOD, line, re.IGNORECASE) is not None


def says(report: Any, words: str) -> bool:
    return re.search(words, first_line(report), re.IGNORECASE) is not None


def total(frame: Any) -> Any:
    return frame["a"].to_numpy() + frame["b"].to_numpy()


def noisy(frame: Any) -> Any:
    return np.random.default_rng().normal(size=len(frame))


@pytest.fixture
def native(tmp_path: Path) -> Any:
    return pack(total, FRAME, tmp_path / "native")


@pytest.fixture
def graph(tmp_path: Path) -> Any:
    return pack(LinearRegression().fit(FRAME, FRAME["a"]), FRAME, tmp_path / "graph")


def test_nothing_ran(native: Any) -> None:
    report = modelwheel.verify(native.path)
    assert not report.ok
    assert not says_good(report)
    assert says(report, NOT_RUN)


def test_the_structure_alone(native: Any) -> None:
    report = verify(native.path, structure_only=True)
    assert report.ok
    assert says(report, STRUCTURE)
    assert says(report, NOT_RUN)
    assert native.verify(structure_only=True).ok


def test_the_structure_alone_runs_nothing(graph: Any) -> None:
    report = verify(graph.path, structure_only=True)
    assert report.ok
    assert not [step for step in report.steps if step.name.startswith(("onnx ", "native "))]


def test_a_model_ran(native: Any, graph: Any) -> None:
    for report in (modelwheel.verify(native.path, trust=TRUST), modelwheel.verify(graph.path)):
        assert report.ok
        assert says_good(report)
        assert not says(report, STRUCTURE)


def test_a_broken_structure_is_not_good(native: Any, tmp_path: Path) -> None:
    broken = replaced(Path(native.path), {"examples/input.json": b'{"rows": 0, "columns": []}'}, tmp_path / "broken")
    assert not verify(broken, structure_only=True).ok
    data = bytearray(Path(native.path).read_bytes())
    place = data.find(b"model.pkl") + 60
    data[place] ^= 1
    (tmp_path / Path(native.path).name).write_bytes(data)
    assert not verify(tmp_path / Path(native.path).name, structure_only=True).ok


@MAINS
def test_the_exit_status_agrees(run: Main, native: Any, graph: Any, capsys: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[list[str], int]] = [
        ([str(native.path)], 1),
        ([str(native.path), "--structure-only"], 0),
        ([str(native.path), "--unsafe-run-code"], 0),
        ([str(graph.path)], 0),
    ]
    for arguments, status in cases:
        assert run(["verify", *arguments]) == status, arguments
        printed = capsys.readouterr().out
        assert says_good(printed) == (not status and "--structure-only" not in arguments)
        assert says(printed, STRUCTURE) == ("--structure-only" in arguments or bool(status))
        assert run(["verify", *arguments, "--json"]) == status
        assert json.loads(capsys.readouterr().out)["ok"] is (not status)


def test_without_golden_examples_nothing_was_compared(tmp_path: Path) -> None:
    """The model can be loaded, and nobody can tell whether it answers as it did: that is not good, and is said."""
    bundle = pack(total, FRAME, tmp_path, examples=modelwheel.Examples(source="none"))
    report = modelwheel.verify(bundle.path, trust=TRUST)
    assert not report.ok
    assert not says_good(report)
    assert verify(bundle.path, structure_only=True).ok
    assert "no golden examples" in said(bundle)


def test_answers_that_are_compared_with_nothing_are_said(tmp_path: Path) -> None:
    bundle = pack(noisy, FRAME, tmp_path)
    assert not bundle.methods["predict"].deterministic
    assert "not deterministic" in said(bundle)
    report = bundle.verify()
    assert "deterministic" in first_line(report)
    assert "schema" in first_line(report) or "not compared" in first_line(report)


@MAINS
def test_so_does_the_command_line(run: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = pack(noisy, FRAME, tmp_path)
    assert run(["verify", str(bundle.path), "--unsafe-run-code"]) in (0, 1)
    assert "deterministic" in capsys.readouterr().out.splitlines()[0]


def test_the_report_of_a_model_agrees(native: Any) -> None:
    with native.load() as loaded:
        report = loaded.check()
    assert report.ok
    assert says_good(report)


def weighed(frame: Any) -> Any:
    return frame["a"].to_numpy() * np.load("weights.npy")[0]


@pytest.mark.slow  # a room is built
@pytest.mark.usefixtures("index")
def test_a_clean_room_is_not_the_authors_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    np.save(work / "weights.npy", np.array([2.0]))
    monkeypatch.chdir(work)
    with pytest.raises(modelwheel.errors.PackError, match=r"weights\.npy"):
        pack(
            weighed,
            FRAME,
            tmp_path / "dist",
            prove=True,
            options=options(),
            dependencies=modelwheel.Dependencies(add=("numpy",)),
        )


def test_a_worker_is_not_in_the_callers_folder(
    tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room of the proof is a worker: it runs in a folder of its own, so that relative paths fail."""

    def where(frame: Any) -> Any:
        return [os.getcwd()] * len(frame)  # noqa: PTH109

    monkeypatch.chdir(tmp_path)
    bundle = pack(where, FRAME, tmp_path / "dist", examples=modelwheel.Examples(source="none"))
    path = replaced(Path(bundle.path), {"pylock.toml": EMPTY_LOCK}, tmp_path / "locked")
    isolation = modelwheel.Isolation(environments=environments)
    with modelwheel.load(path, trust=TRUST, runtime="isolated", isolation=isolation) as loaded:
        assert loaded.predict(FRAME)[0] != str(tmp_path)
    assert sys.version_info >= (3, 11)
