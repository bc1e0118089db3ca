"""What a service feels, beside MLflow's pyfunc: both in one environment of its own, in processes that run in turn.

Needs `uv` and a package index. MLflow's models are saved with a signature, so that both check what comes in.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measures import Row, in_turn, process

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")
RUNS = 3
MODELS = {"linear": "30 floats, linear", "mixed": "mixed table, linear", "forest": "30 floats, forest of 50"}

SAVE = """
import sys, warnings
warnings.filterwarnings("ignore")
from importlib.metadata import version
from pathlib import Path
import mlflow, modelwheel, numpy as np, pandas as pd
from mlflow.models import infer_signature
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

folder = Path(sys.argv[1])
random = np.random.default_rng(0)
floats = pd.DataFrame(random.normal(size=(2000, 30)), columns=[f"f{number}" for number in range(30)])
labels = (floats["f0"] + floats["f1"] > 0).to_numpy().astype(int)
mixed = floats[["f0", "f1", "f2", "f3"]].assign(plan=["basic", "plus", "pro", "max"] * 500, city=["a", "b"] * 1000)
encoded = make_column_transformer(
    (StandardScaler(), ["f0", "f1", "f2", "f3"]), (OneHotEncoder(handle_unknown="ignore"), ["plan", "city"])
)
models = {
    "linear": (LogisticRegression(), floats),
    "mixed": (make_pipeline(encoded, LogisticRegression()), mixed),
    "forest": (RandomForestClassifier(50, max_depth=10, random_state=0), floats),
}
unlocked = modelwheel.Dependencies(lock="none")
for name, (model, sample) in models.items():
    model.fit(sample, labels)
    modelwheel.pack(model, name=name, version="1", sample=sample, out=folder, dependencies=unlocked)
    mlflow.sklearn.save_model(
        model,
        folder / name,
        signature=infer_signature(sample, model.predict(sample)),
        pip_requirements=[f"scikit-learn=={version('scikit-learn')}"],
        serialization_format="cloudpickle",
    )
"""
"""Fits and saves each model for both."""

ROW = """
mixed = {"f0": 0.5, "f1": 0.5, "f2": 0.5, "f3": 0.5, "plan": "plus", "city": "a"}
row = mixed if "mixed" in sys.argv[1] else {f"f{number}": 0.5 for number in range(30)}
"""
OURS = f"""
import sys
{ROW}
import modelwheel
loaded = modelwheel.load(sys.argv[1], runtime=sys.argv[2], trust=modelwheel.Trust.unsafe_run_code())
call = lambda: loaded.predict(row)
call()
"""
MLFLOW = f"""
import sys
{ROW}
import os
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
import mlflow.pyfunc, pandas
loaded = mlflow.pyfunc.load_model(sys.argv[1])
call = lambda: loaded.predict(pandas.DataFrame([row]))
call()
"""
TIMED = """
import timeit
number, _ = timeit.Timer(call).autorange()
print(min(timeit.repeat(call, number=number, repeat=3)) / number)
"""


def environment(folder: Path) -> Path:
    """The interpreter of an environment with both in it."""
    python = folder / "services" / "bin" / "python"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder / "services"], check=True)
    install = ["mlflow", "scikit-learn", "pandas", f"{ROOT}[sklearn]"]
    subprocess.run([UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *install], check=True)
    return python


def timed(python: Path, code: str, *arguments: object) -> Callable[[], float]:
    """A function that runs a new process, which says how long one call takes."""

    def run() -> float:
        command = [python, "-W", "ignore", "-c", code + TIMED, *map(str, arguments)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout.split()[-1])

    return run


def services(folder: Path, quick: bool) -> list[Row]:
    """Start and one row, beside MLflow's pyfunc"""
    python = environment(folder)
    place = folder / "served"
    place.mkdir()
    subprocess.run([python, "-c", SAVE, place], check=True, capture_output=True, cwd=place)
    wheels = {name: place / f"{name}-1-py3-none-any.whl" for name in MODELS}
    beside = "MLflow's pyfunc"
    starts = in_turn(
        process(OURS, wheels["linear"], "onnx", python=python),
        process(OURS, wheels["linear"], "native", python=python),
        process(MLFLOW, place / "linear", python=python),
        runs=RUNS,
    )
    rows = [
        Row(f"start → first answer, {kind}", ours, beside, starts[-1], "–")
        for kind, ours in zip(("onnx", "native"), starts[:-1], strict=True)
    ]
    for name, told in MODELS.items():
        calls = [timed(python, OURS, wheels[name], kind) for kind in ("onnx", "native")]
        calls.append(timed(python, MLFLOW, place / name))
        times = [[call() for call in calls] for _ in range(RUNS)]  # in turn
        onnx, native, theirs = (statistics.median(each) for each in zip(*times, strict=True))
        rows.append(Row(f"one row, {told}, onnx", onnx, beside, theirs, "–"))
        rows.append(Row(f"one row, {told}, native", native, beside, theirs, "–"))
    return rows


ALL = (services,)
