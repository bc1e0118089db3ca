"""Every estimator of scikit-learn that predicts or transforms: natively bit-equal, and in ONNX as the page says."""

from __future__ import annotations

import zipfile
from pathlib import Path

import onnx
import pytest
from sklearn.exceptions import NotFittedError

import modelwheel
from estimators import ESTIMATORS, REFUSED, SAMPLES, X, line, recorded, row, verdict

LEAST = 175
"""How many must convert with every method."""
TABLE = recorded()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(ESTIMATORS.keys() - REFUSED.keys()))
def test_native_is_bit_equal_and_onnx_as_the_table_says(name: str, tmp_path: Path) -> None:
    found = row(name, tmp_path)
    assert found.native
    assert found.methods
    assert TABLE[name] == ("yes", verdict(found)), f"run docs/tools/estimator_table.py: {line(found)}"
    graphs = graphs_in(tmp_path)
    assert bool(graphs) == bool(found.onnx)
    for graph in graphs:
        # onnx 1.23 crashes when it infers shapes behind the tokenizer, an operator of onnxruntime alone
        onnx.checker.check_model(graph, full_check=b"com.microsoft" not in graph)


def graphs_in(folder: Path) -> list[bytes]:
    """The graphs of the bundle that was packed there."""
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        return [wheel.read(name) for name in wheel.namelist() if name.endswith("/onnx/model.onnx")]


def test_the_table_is_whole_and_most_of_it_converts() -> None:
    assert TABLE.keys() == ESTIMATORS.keys()
    assert sum(told == "yes" for _, told in TABLE.values()) >= LEAST


@pytest.mark.parametrize("name", ["PatchExtractor", "LocalOutlierFactor"])
def test_what_cannot_answer_row_by_row_is_refused(name: str, tmp_path: Path) -> None:
    """LocalOutlierFactor without novelty judges only what it was fitted on."""
    model = ESTIMATORS[name]
    if name == "LocalOutlierFactor":
        model = type(model)()
    sample, target = SAMPLES.get(name, (X, None))
    with pytest.raises(modelwheel.errors.PackError):
        modelwheel.pack(model.fit(sample, target), name="m", version="1", sample=sample, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["RandomForestClassifier", "StandardScaler", "Pipeline"])
def test_what_is_not_fitted_is_refused(kind: str, tmp_path: Path) -> None:
    from sklearn.base import clone

    with pytest.raises(modelwheel.errors.PackError, match="not fitted"):
        modelwheel.pack(clone(ESTIMATORS[kind]), name="m", version="1", sample=X, out=tmp_path)
    assert not list(tmp_path.iterdir())
    assert issubclass(NotFittedError, ValueError)
