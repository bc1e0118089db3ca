"""The same model, sample and environment give the same bytes: in processes with other hash seeds and notebook paths."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = '''
import os, sys, hashlib, pickle
import numpy as np, pandas as pd
seed, mode, out = sys.argv[1:]
cell = f"/tmp/ipykernel_{seed}/{int(seed) * 7919}.py"
source = """
STOP = frozenset({"the", "a", "of", "zeta", "alpha", "omega"})

class Scale:
    words = {"x", "yy", "zzz", "wwww"}
    def __init__(self, factor):
        self.factor = factor
    def __call__(self, X):
        return X * self.factor

def clip(X):
    return Scale(2)(X.clip(-1, 1)) if STOP else X
"""
exec(compile(source, cell, "exec"), globals())
import modelwheel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
random = np.random.default_rng(0)
X = pd.DataFrame(random.normal(size=(80, 3)), columns=["a", "b", "c"])
y = np.where(X["a"] > 0, "yes", "no")
if mode == "plain":
    model = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, y)
elif mode == "notebook":
    steps = FunctionTransformer(clip), FunctionTransformer(lambda X: X + 1), LogisticRegression()
    model = make_pipeline(*steps).fit(X, y)
elif mode == "reloaded":
    model = make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0)).fit(X, y)
    if int(seed) > 1:
        import joblib
        joblib.dump(model, f"{out}/model.joblib")
        model = joblib.load(f"{out}/model.joblib")
else:
    def model(frame):
        return clip(frame["a"].to_numpy()) + len(STOP)
os.umask(int(seed) * 9)
bundle = modelwheel.pack(model, name="same", version="1", sample=X, out=out)
print(hashlib.sha256(open(bundle.path, "rb").read()).hexdigest(), [p.kind for p in bundle.runtimes])
'''


@pytest.mark.parametrize("mode", ["plain", "notebook", "reloaded", "function"])
def test_two_processes_make_the_same_bytes(mode: str, tmp_path: Path) -> None:
    printed = []
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", CODE, seed, mode, str(folder)],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert printed[0] == printed[1]
    wheel = next((tmp_path / "1").glob("*.whl")).read_bytes()
    assert hashlib.sha256(wheel).hexdigest() in printed[0]
    assert b"ipykernel" not in wheel
    assert str(tmp_path).encode() not in wheel
