"""A bundle packed on one Python opens, describes and verifies on the others, with nothing but modelwheel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import modelwheel
from environments import PYTHONS, environment, modelwheel_wheel, run
from models import flights_like, pack_flights_like

INSTALLED = """
import json, sys
from importlib.metadata import distributions
print(json.dumps(sorted(d.name.lower() for d in distributions())))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    return pack_flights_like(tmp_path_factory.mktemp("dist"))


@pytest.mark.parametrize("version", PYTHONS)
def test_bundle_is_read_on_every_python_and_runs_by_onnx(
    version: str, bundle: modelwheel.Bundle, tmp_path: Path
) -> None:
    python = environment(tmp_path / "bare", modelwheel_wheel(), version=version)
    assert set(json.loads(run(python, "-c", INSTALLED).stdout)) <= {"modelwheel", "numpy", "packaging"}

    text = run(python, "-I", "-m", "modelwheel_loader", "inspect", bundle.path).stdout
    assert "input: 5 fields" in text
    assert "onnxruntime is not installed" in text
    verify = ("-I", "-m", "modelwheel_loader", "verify", "--json")
    report = json.loads(run(python, *verify, "--structure-only", bundle.path).stdout)
    assert report["ok"]
    assert run(python, *verify, bundle.path, check=False).returncode == 1  # no model can run there
    assert {"digests", "examples"} <= {step["name"] for step in report["steps"] if step["outcome"] == "passed"}

    row = json.dumps(dict.fromkeys(flights_like()[0].columns))
    refused = run(python, "-I", "-m", "modelwheel_loader", "predict", bundle.path, "--json", check=False)
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"] in ("MissingExtra", "EnvironmentMismatch"), row

    with_onnx = environment(tmp_path / "onnx", modelwheel_wheel(), "onnxruntime", version=version)
    report = json.loads(run(with_onnx, *verify, bundle.path).stdout)
    passed = {step["name"] for step in report["steps"] if step["outcome"] == "passed"}
    assert {"onnx predict", "onnx predict_proba"} <= passed
