"""Prints, and writes to docs/onnx-speed.md, what the graphs of `pack` cost beside the originals and beside skl2onnx's.

Each number is the least of several runs; what is compared runs in turn. `python benchmarks/estimators.py [--quick]`.
"""

from __future__ import annotations

import argparse
import pickle
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from sklearn import cluster, decomposition, ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import modelwheel
from measures import shown
from run import machine

PAGE = Path(__file__).parents[1] / "docs" / "onnx-speed.md"
Timed = Callable[[], object]

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
    "k-means, 8": cluster.KMeans(8, n_init=1, random_state=0),
    "principal components, 10": decomposition.PCA(10, random_state=0),
}


def least(*timed: Timed, runs: int) -> list[float]:
    """The least seconds of each, run in turn."""
    from time import perf_counter

    best = [float("inf")] * len(timed)
    for _ in range(runs):
        for place, call in enumerate(timed):
            start = perf_counter()
            call()
            best[place] = min(best[place], perf_counter() - start)
    return best


def beside_original(name: str, model: Any, X: Any, y: Any, many: int, folder: Path) -> str:
    """A row of the table: opening, a row, many rows, each by the graph and by the original."""
    model.fit(X, y)
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
    method = "predict" if "predict" in graph.methods else "transform"
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
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    many = 10_000 if quick else 100_000
    X, y = make_classification(2_000, 30, n_informative=15, random_state=0)
    with tempfile.TemporaryDirectory() as name:
        table = [beside_original(title, model, X, y, many, Path(name)) for title, model in MODELS.items()]
        deep = forest(quick, many, Path(name))
    text = "\n".join(
        [
            "# ONNX beside the originals",
            "",
            "Made by `python benchmarks/estimators.py`: the least of several runs in turn, on one machine. 30 columns",
            "of double precision; everything by `load(…)`, checked; the originals use one core, onnxruntime all.",
            "",
            f"Machine: {machine()}",
            "",
            f"| model | open, ONNX | unpickle | one row, ONNX | original | {many:,} rows, ONNX | original | apart |",
            "| --- | --- | --- | --- | --- | --- | --- | --- |",
            *table,
            "",
            "*apart* is the largest difference that `pack` found between the two, made-up rows included.",
            "",
            "## A forest of 300 trees of depth 12",
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
