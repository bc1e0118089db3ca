"""The real thing: a model of an old Python and scikit-learn answers in a new one that has another, or none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from environments import PYTHONS, environment, modelwheel_wheel, run, uv

pytestmark = pytest.mark.slow

PACK = """
import json, sys
import numpy as np, pandas as pd, sklearn
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
import modelwheel

out, name = sys.argv[1:]
random = np.random.default_rng(0)
X = pd.DataFrame({"n": random.normal(size=200), "k": random.choice(["a", "b", "c"], 200)})
X.loc[::7, "n"] = np.nan
y = (X["n"].fillna(0) + (X["k"] == "a") > 0.3).to_numpy()
columns = make_column_transformer((SimpleImputer(), ["n"]), (OneHotEncoder(handle_unknown="ignore"), ["k"]))
model = make_pipeline(columns, RandomForestClassifier(20, random_state=0)).fit(X, y)
bundle = modelwheel.pack(
    model, name=name, version="1.0", sample=X, out=out,
    options=modelwheel.Options(runtimes=("native",)), dependencies=modelwheel.Dependencies(lock="required"),
)
X.to_json(f"{out}/{name}.data.json", orient="records", double_precision=15)
answers = model.predict_proba(pd.read_json(f"{out}/{name}.data.json"))
json.dump([[float(value).hex() for value in row] for row in answers], open(f"{out}/{name}.answers.json", "w"))
print(bundle.path)
"""

ASK = """
import json, sys
import modelwheel

environments, *paths = sys.argv[1:]
trust, isolation = modelwheel.Trust.unsafe_run_code(), modelwheel.Isolation(environments=environments)
found = {"python": sys.version.split()[0]}
models = [modelwheel.load(path, trust=trust, runtime="isolated", isolation=isolation) for path in paths]
for path, model in zip(paths, models):
    rows = json.load(open(path.rpartition("/")[0] + f"/{model.bundle.name}.data.json"))
    answers = [[float(value).hex() for value in row] for row in model.predict_proba(rows)]
    wanted = json.load(open(path.rpartition("/")[0] + f"/{model.bundle.name}.answers.json"))
    found[model.bundle.name] = {"equal": answers == wanted, "check": model.check().ok}
try:
    modelwheel.load(paths[0], trust=trust, runtime="native")
except modelwheel.errors.EnvironmentMismatch as error:
    found["native"] = str(error)
found["foreign"] = sorted({"sklearn", "pandas", "scipy"} & set(sys.modules))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pythons")


def with_uv() -> str:
    return f"{Path(uv()).parent}{os.pathsep}{os.environ['PATH']}"


def packed(work: Path, name: str, scikit_learn: str, version: str) -> Path:
    """A bundle that was packed by that Python with that scikit-learn."""
    packages = [f"{modelwheel_wheel()}[pack]", "pandas<3", f"scikit-learn=={scikit_learn}"]
    python = environment(work / f"{name}-environment", *packages, version=version)
    out = work / name
    out.mkdir()
    return Path(run(python, "-I", "-W", "ignore", "-c", PACK, out, name, PATH=with_uv()).stdout.strip())


def asked(python: Path, environments: Path, *paths: Path) -> dict[str, Any]:
    """What a process of that Python gets from the bundles."""
    found: dict[str, Any] = json.loads(run(python, "-I", "-c", ASK, environments, *paths, PATH=with_uv()).stdout)
    return found


def test_old_models_answer_in_new_pythons_and_two_that_clash_answer_in_one_process(work: Path) -> None:
    oldest, newest = PYTHONS[0], PYTHONS[-1]
    old, newer = packed(work, "old", "1.5.2", oldest), packed(work, "newer", "1.6.1", oldest)
    without = environment(work / "without", modelwheel_wheel(), version=newest)
    other = environment(work / "other", modelwheel_wheel(), "scikit-learn>=1.7", "pandas", version=newest)
    for python in (without, other):
        found = asked(python, work / "environments", old, newer)
        assert found["python"].startswith(newest)  # another Python than the old one's, where there are several
        assert found["old"] == found["newer"] == {"equal": True, "check": True}
        assert found["foreign"] == []
        assert "scikit-learn" in found["native"]
        assert "pip install" in found["native"]
        assert "1.5.2" in found["native"]
    assert "has a version that may predict differently" in found["native"]
    assert len([item for item in (work / "environments").iterdir() if item.is_dir()]) == 2
