"""What `check` and `verify` say of models that answer otherwise than when they were packed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelwheel
from modelwheel import Examples

X = np.arange(12.0).reshape(4, 3)
MOOD = "MODELWHEEL_TEST_MOOD"


def moody(rows: Any) -> Any:
    match os.environ.get("MODELWHEEL_TEST_MOOD"):
        case "fails":
            raise ValueError("not today")
        case "adds one":
            return rows.sum(axis=1) + 1
        case "is a little off":
            return rows.sum(axis=1) * (1 + 1e-7)
        case "throws dice":
            return np.random.default_rng().random(len(rows))
    return rows.sum(axis=1)


def pack(out: Path, **changes: Any) -> modelwheel.Bundle:
    return modelwheel.pack(moody, name="moody", version="1", sample=X, out=out, **changes)


@pytest.mark.parametrize(
    ("mood", "outcome", "said", "code"),
    [
        ("", "passed", "identical to the golden examples", ""),
        ("is a little off", "passed", "within tolerance of the golden examples: largest difference 3e-06", ""),
        ("adds one", "failed", "differs from the golden examples: largest difference 1,", "predict.differs"),
        ("fails", "failed", "the model's predict() raised ValueError: not today", "predict.failed"),
    ],
)
def test_what_answers_otherwise_is_told(
    mood: str, outcome: str, said: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pack(tmp_path) as bundle, bundle.load() as model:
        monkeypatch.setenv(MOOD, mood)
        report = model.check()
    (step,) = report.steps
    assert (step.name, step.outcome) == ("native predict", outcome)
    assert step.detail.startswith(said)
    assert [defect.code for defect in step.defects] == [code] * bool(code)
    assert report.ok == (outcome == "passed")


def test_of_what_is_not_deterministic_only_the_schema_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MOOD, "throws dice")
    with pack(tmp_path) as bundle, bundle.load() as model:
        (step,) = model.check().steps
    assert step.outcome == "passed"
    assert step.detail == "not deterministic: only the schema of the output was checked"


def test_without_golden_examples_nothing_is_replayed(tmp_path: Path) -> None:
    with pack(tmp_path, examples=Examples(source="none")) as bundle:
        with bundle.load() as model:
            report = model.check()
        verified, structure = bundle.verify(), bundle.verify(structure_only=True)
    assert [(step.outcome, step.detail) for step in report.steps] == [("not run", "the bundle has no golden examples")]
    assert not report.ok  # nothing was checked
    assert not verified.ok  # the model was loaded, and nothing was compared
    assert structure.ok
    assert [step.outcome for step in verified.steps if step.name == "examples"] == ["not run"]


def test_a_file_that_was_moved_is_verified_by_what_was_opened(tmp_path: Path) -> None:
    with pack(tmp_path) as packed:
        digest = packed.digest
    with modelwheel.open(packed.path) as bundle:
        packed.path.rename(tmp_path / "away.whl")
        report = bundle.verify(trust=modelwheel.Trust.digests(digest))
    failed = {step.name: step for step in report.steps if step.outcome == "failed"}
    assert not failed, report
    assert [step.outcome for step in report.steps if step.name == "native predict"] == ["passed"]
