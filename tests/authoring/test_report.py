"""The note that `pack` leaves for its author, as text, as HTML and as JSON; and progress as lines."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import modelwheel
from hostile import EVIL
from html_reader import Reader
from modelwheel.packing.stages import StepLines
from modelwheel_loader.text import safe

Bundle = Any


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A sample with all that is worth a look."""
    table = pd.DataFrame(
        {
            "customer": range(100),
            "age": [23.0, 35.0, 51.0, 62.0] * 25,
            "country": ["de"] * 100,
            "plan": pd.Series(["a", "b", None, "c"] * 25, dtype=object),
        }
    )
    columns = make_column_transformer(
        (StandardScaler(), ["customer", "age"]), (OneHotEncoder(handle_unknown="ignore"), ["country", "plan"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(table, ["yes", "no", "no", "no"] * 25)
    return modelwheel.pack(
        model, name="churn", version="1.0", sample=table, out=tmp_path_factory.mktemp("report"), progress=None
    )


def test_it_says_what_was_inferred_and_what_to_look_at(bundle: Bundle) -> None:
    said = bundle.report.sections()
    assert said["input"] == ["4 fields (inferred from 100 sample rows)"]
    assert said["examples"][0].startswith("includes 16 real rows of your sample.")
    assert [line.partition(":")[0] for line in said["check"][:2]] == ["customer", "country"]
    assert "identifier" in said["check"][0]
    assert "one value" in said["check"][1]
    assert said["check"][2] == "no nulls seen in customer, age, country: nulls will be rejected"


def test_it_says_how_near_each_runtime_comes_and_what_it_lacks(bundle: Bundle) -> None:
    runs = bundle.report.sections()["runs"]
    assert runs[0].startswith("onnx, ")
    assert any(line.startswith("  predict: identical to the original (100 sample rows + ") for line in runs)
    assert not any("without" in line for line in runs)
    assert any(line.startswith("native, ") and "scikit-learn~=" in line for line in runs)


def test_it_says_which_methods_a_runtime_lacks(bundle: Bundle) -> None:
    manifest = bundle.manifest
    onnx, native = manifest.runtimes
    less = onnx.replace(outputs={"predict": onnx.outputs["predict"]}, parity={"predict": onnx.parity["predict"]})
    report = dataclasses.replace(bundle.report, manifest=manifest.replace(runtimes=(less, native)))
    assert [line.strip() for line in report.sections()["runs"] if "without" in line] == [
        f"without {', '.join(name for name in bundle.methods if name != 'predict')}"
    ]


def test_headings_stand_beside_what_is_said(bundle: Bundle) -> None:
    first, *lines = str(bundle.report).splitlines()
    assert first.startswith("packed churn 1.0, ")
    sections = bundle.report.sections()
    assert len(lines) == sum(len(said) for said in sections.values())
    begun = [line for line in lines if line[2] != " "]
    assert [line.split("  ")[1].strip() for line in begun] == list(sections)
    json.dumps(bundle.report.to_dict())


def test_the_view_says_the_same(bundle: Bundle) -> None:
    shown = Reader(bundle.report._repr_html_())
    assert [row[0] for row in shown.cells] == list(bundle.report.sections())
    assert bundle.report.title in shown.texts


def test_names_of_the_sample_stay_text(tmp_path: Path) -> None:
    def answer(table: pd.DataFrame) -> np.ndarray[Any, Any]:
        return np.zeros(len(table))

    sample = pd.DataFrame({EVIL: ["a"] * 30})
    options = modelwheel.Options(runtimes=("native",))
    packed = modelwheel.pack(answer, name="evil", version="1", sample=sample, options=options, out=tmp_path)
    lines = str(packed.report).split("\n")
    assert lines == [safe(line) for line in lines]
    assert "owned" in Reader(packed.report._repr_html_()).cells[-1][1]


def test_progress_is_a_line_per_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(table: Any) -> Any:
        return np.asarray(table).sum(axis=1)

    sample = np.arange(20.0).reshape(10, 2)
    modelwheel.pack(answer, name="sum", version="1", sample=sample, out=tmp_path, progress=True)
    steps = [line.split("s  ")[1] for line in capsys.readouterr().err.splitlines()]
    assert steps[0] == "infer"
    assert steps[-1] == "done"
    assert len(steps) == len(set(steps))
    seen: list[str] = []
    modelwheel.pack(
        answer,
        name="sum",
        version="2",
        sample=sample,
        out=tmp_path,
        progress=lambda what, done, total: seen.append(what),
    )
    assert {"infer", "write", "done"} <= set(seen)
    lines = StepLines()
    for done in (0, 1, 50, 51, 100):
        lines("writing", done, 100)
    written = capsys.readouterr().err
    assert [line.split("s  ")[1] for line in written.splitlines()] == ["writing", "writing 50%", "writing 100%"]
    modelwheel.pack(answer, name="sum", version="3", sample=sample, out=tmp_path, progress=False)
    assert capsys.readouterr().err == ""
