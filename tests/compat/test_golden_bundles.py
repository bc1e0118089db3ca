"""Every later version reads the bundles of earlier ones. A file here is never made again."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

import modelwheel

ROOT = Path(__file__).parents[2]
GOLDEN = sorted(Path(__file__).parent.glob("modelwheel-*/*.whl"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_opens_verifies_and_answers(path: Path) -> None:
    bundle = modelwheel.open(path)
    assert bundle.name == "golden"
    assert [field.name for field in bundle.schema] == ["x0", "x1", "x2"]
    report = bundle.verify()
    assert report.ok, str(report)
    passed = {step.name for step in report.steps if step.outcome == "passed"}
    assert {"structure", "digests", "examples", "onnx predict", "onnx predict_proba"} <= passed
    model = bundle.load(runtime="onnx")
    assert model.predict({"x0": 2.0, "x1": -2.0, "x2": 0.0}) == "above"
    assert model.predict(np.array([[2.0, -2.0, 0.0], [-2.0, 2.0, 0.0]])).tolist() == ["above", "below"]
    assert bundle.digest == "sha256:1d6be751bfe34d680dcfeb422f5cf5a96e24f4be27ab3f7510b26bcfc7a5940f"


def test_there_is_one_for_every_format() -> None:
    from modelwheel_loader.opening.manifest import FORMAT_MAJOR

    assert [path.parent.name for path in GOLDEN] == [f"modelwheel-{major}" for major in range(1, FORMAT_MAJOR + 1)]


def test_the_page_on_stability_lists_what_each_bundle_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    table = importlib.import_module("write_stability_docs").table()
    assert table in (ROOT / "docs" / "stability.md").read_text(encoding="utf-8"), "run write_stability_docs.py"
