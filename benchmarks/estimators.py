"""Prints, and writes to docs/onnx-speed.md, what the graphs of `pack` cost beside the originals and beside skl2onnx's.

Each number is the least of several runs; what is compared runs in turn, for `SECONDS` at most but once at least. Run it
whole on an idle machine, in less than ten minutes: `python benchmarks/estimators.py`. `--quick` takes fewer rows and
writes nothing; `--only TEXT` measures the models whose names hold the text, and writes those.
"""

from __future__ import annotations

import argparse
import pickle
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import onnxruntime
import torch
import xgboost
from skl2onnx import to_onnx
from sklearn import (
    cluster,
    decomposition,
    discriminant_analysis,
    ensemble,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    svm,
    tree,
)
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import modelwheel
from measures import shown
from run import machine

PAGE = Path(__file__).parents[1] / "docs" / "onnx-speed.md"
Timed = Callable[[], object]
SECONDS = 4.0
"""How long the runs of one cell and its neighbour may take together, the first aside."""


class Network(torch.nn.Sequential):
    """Two layers, which are not trained: only time counts."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        super().__init__(torch.nn.Linear(30, 100), torch.nn.ReLU(), torch.nn.Linear(100, 2))

    def fit(self, X: Any, y: Any) -> None:
        """Nothing is learned."""
        self.eval()


MODELS: dict[str, Any] = {
    "logistic regression": linear_model.LogisticRegression(),
    "scaler, logistic regression": make_pipeline(StandardScaler(), linear_model.LogisticRegression()),
    "Gaussian naive Bayes": naive_bayes.GaussianNB(),
    "decision tree, depth 10": tree.DecisionTreeClassifier(max_depth=10, random_state=0),
    "random forest, 100 of depth 10": ensemble.RandomForestClassifier(100, max_depth=10, random_state=0),
    "extra trees, 100 of depth 10": ensemble.ExtraTreesClassifier(100, max_depth=10, random_state=0),
    "gradient boosting, 100": ensemble.GradientBoostingClassifier(random_state=0),
    "histogram boosting, 100": ensemble.HistGradientBoostingClassifier(random_state=0),
    "nearest neighbours, 2,000 points": neighbors.KNeighborsClassifier(),
    "support vectors, rbf": svm.SVC(),
    "perceptron, 100 hidden": neural_network.MLPClassifier(max_iter=20, random_state=0),
    "linear regression": linear_model.LinearRegression(),
    "random forest of numbers, 100 of depth 10": ensemble.RandomForestRegressor(100, max_depth=10, random_state=0),
    "isolation forest, 100": ensemble.IsolationForest(random_state=0),
    "linear discriminant analysis": discriminant_analysis.LinearDiscriminantAnalysis(),
    "polynomials, ridge": make_pipeline(PolynomialFeatures(2), linear_model.Ridge()),
    "stack of a forest and a line": ensemble.StackingClassifier(
        [
            ("forest", ensemble.RandomForestClassifier(20, random_state=0)),
            ("line", make_pipeline(StandardScaler(), linear_model.LogisticRegression())),
        ],
        cv=3,
    ),
    "XGBoost, 100": xgboost.XGBClassifier(n_estimators=100, n_jobs=1),
    "XGBoost of numbers, 100": xgboost.XGBRegressor(n_estimators=100, n_jobs=1),
    "LightGBM, 100": lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1),
    "LightGBM of numbers, 100": lightgbm.LGBMRegressor(n_estimators=100, n_jobs=1, verbose=-1),
    "CatBoost, 100": catboost.CatBoostClassifier(iterations=100, verbose=0, allow_writing_files=False, thread_count=1),
    "scaler, LightGBM, 100": make_pipeline(
        StandardScaler(), lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1)
    ),
    "PyTorch, 30 × 100 × 2": Network(),
    "k-means, 8": cluster.KMeans(8, n_init=1, random_state=0),
    "principal components, 10": decomposition.PCA(10, random_state=0),
}


def least(*timed: Timed, runs: int) -> list[float]:
    """The least seconds of each, run in turn."""
    from time import perf_counter

    begin = perf_counter()
    best = [float("inf")] * len(timed)
    for _ in range(runs):
        if min(best) < float("inf") and perf_counter() - begin > SECONDS:
            break
        for place, call in enumerate(timed):
            start = perf_counter()
            call()
            best[place] = min(best[place], perf_counter() - start)
    return best


def beside_original(name: str, model: Any, X: Any, y: Any, many: int, folder: Path) -> str:
    """A row of the table: opening, a row, many rows, each by the graph and by the original."""
    model.fit(X, y)
    X = X.astype("f4") if isinstance(model, Network) else X
    bundle = modelwheel.pack(
        model,
        name="m",
        version="1",
        sample=X,
        out=folder / str(abs(hash(name))),
        dependencies=modelwheel.Dependencies(lock="none"),
    )
    if bundle.runtimes[0].kind != "onnx":
        return f"| {name} | – | – | – | – | – | – | – |"
    parity = bundle.runtimes[0].parity
    stream = pickle.dumps(model)
    graph, native = bundle.load(runtime="onnx"), bundle.load(runtime="native")
    method = next(name for name in ("predict", "forward", "transform") if name in graph.methods)
    row, rows = X[:1], np.tile(X, (many // len(X), 1))
    opening = least(lambda: bundle.load(runtime="onnx").close(), lambda: pickle.loads(stream), runs=5)
    one = least(*(lambda model=model: getattr(model, method)(row) for model in (graph, native)), runs=50)
    all_rows = least(*(lambda model=model: getattr(model, method)(rows) for model in (graph, native)), runs=3)
    apart = max(item.max_absolute for item in parity.values())
    cells = [shown(seconds) for seconds in (*opening, *one, *all_rows)]
    return f"| {name} | {' | '.join(cells)} | {apart:.0e} |"


def opened(data: bytes) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def forest(quick: bool, many: int, folder: Path) -> list[str]:
    """The forest of 300 trees of depth 12: our graph, skl2onnx's, and the original."""
    X, y = make_classification(4_000 if quick else 20_000, 30, n_informative=15, random_state=0)
    model = ensemble.RandomForestClassifier(30 if quick else 300, max_depth=12, random_state=0).fit(X, y)
    given = modelwheel.pack(
        model,
        name="f",
        version="1",
        sample=X[:2000],
        out=folder,
        dependencies=modelwheel.Dependencies(lock="none"),
    )
    theirs = to_onnx(model, X[:1].astype("f4"), options={"zipmap": False}, target_opset={"": 21, "ai.onnx.ml": 3})
    data = theirs.SerializeToString()
    session, ours = opened(data), given.load(runtime="onnx")
    stream = pickle.dumps(model)
    rows = np.tile(X, (many // len(X), 1))
    narrow = rows.astype("f4")
    first = session.get_inputs()[0].name
    lines = ["| | our graph | skl2onnx's, by hand | the original, one core |", "| --- | --- | --- | --- |"]
    measured = {
        "open": least(
            lambda: given.load(runtime="onnx").close(), lambda: opened(data), lambda: pickle.loads(stream), runs=5
        ),
        "one row": least(
            lambda: ours.predict_proba(X[:1]),
            lambda: session.run(None, {first: narrow[:1]}),
            lambda: model.predict_proba(X[:1]),
            runs=30,
        ),
        "1,000 rows": least(
            lambda: ours.predict_proba(X[:1000]),
            lambda: session.run(None, {first: narrow[:1000]}),
            lambda: model.predict_proba(X[:1000]),
            runs=5,
        ),
        f"{len(rows):,} rows": least(
            lambda: ours.predict_proba(rows),
            lambda: session.run(None, {first: narrow}),
            lambda: model.predict_proba(rows),
            runs=2,
        ),
    }
    lines += [f"| {what} | {' | '.join(map(shown, seconds))} |" for what, seconds in measured.items()]
    apart = given.runtimes[0].parity["predict_proba"].max_absolute
    exact = model.predict_proba(X[:2000])
    far = float(np.abs(session.run(None, {first: narrow[:2000]})[-1] - exact).max())
    lines.append(f"| largest difference | {apart:.0e} | {far:.0e} | 0 |")
    return lines


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", action="append", metavar="TEXT", help="models whose names hold this; repeatable")
    given = parser.parse_args()
    quick, only = given.quick, given.only or [""]
    warnings.simplefilter("ignore")
    many = 10_000 if quick else 100_000
    X, y = make_classification(2_000, 30, n_informative=15, random_state=0)
    with tempfile.TemporaryDirectory() as name:
        table = []
        for title, model in MODELS.items():
            if any(text in title for text in only):
                table.append(beside_original(title, model, X, y, many, Path(name)))
                print(table[-1], file=sys.stderr, flush=True)
        if only != [""]:
            deep = []
        else:
            deep = [f"## A forest of {30 if quick else 300} trees of depth 12", "", *forest(quick, many, Path(name))]
    text = "\n".join(
        [
            "# How fast is ONNX?",
            "",
            "`python benchmarks/estimators.py` writes this page: the least of several runs in turn, on one machine.",
            "30 columns of double precision (PyTorch: single); everything by `load(…)`, checked. Originals use one",
            "core, PyTorch and onnxruntime all. Models that were not run have no line.",
            "",
            f"Machine: {machine()}",
            "",
            f"| model | open, ONNX | unpickle | one row, ONNX | original | {many:,} rows, ONNX | original | apart |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *table,
            "",
            "*apart* is the largest difference that `pack` found between the two, generated rows included.",
            "",
            *deep,
            "",
        ]
    )
    print(text)
    if not quick:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
