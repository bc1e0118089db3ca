"""What the isolated runtime costs beside the same model in this process."""

from __future__ import annotations

import shutil
from pathlib import Path

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import modelwheel
from measures import Row, in_turn, thirty

TRUST = modelwheel.Trust.unsafe_run_code()


def _packed(model: object, name: str, folder: Path) -> Path:
    frame, _ = thirty()
    bundle = modelwheel.pack(
        model,
        name=name,
        version="1.0",
        sample=frame,
        out=folder / "dist",
        options=modelwheel.Options(runtimes=("native",)),
        dependencies=modelwheel.Dependencies(lock="required", lock_timeout=300),
    )
    return bundle.path


def _isolated(path: Path, environments: Path) -> modelwheel.Model:
    isolation = modelwheel.Isolation(environments=environments)
    return modelwheel.load(path, trust=TRUST, runtime="isolated", isolation=isolation)


def calls(folder: Path, quick: bool) -> list[Row]:
    """Calls through the isolated runtime"""
    frame, labels = thirty()
    linear = _packed(LogisticRegression().fit(frame, labels), "linear", folder)
    forest = _packed(RandomForestClassifier(50, max_depth=8, random_state=0).fit(frame, labels), "forest", folder)
    row = frame.iloc[0].to_dict()
    big, _ = thirty(10_000 if quick else 100_000)
    rows = []
    with _isolated(linear, folder / "environments") as isolated, modelwheel.load(linear, trust=TRUST) as native:
        ours, theirs = in_turn(lambda: isolated.predict(row), lambda: native.predict(row), runs=15, repeat=100)
        rows.append(Row("one row, `isolated`, linear", ours, "`native`", theirs, "+ 300 µs", difference=True))
        ours, theirs = in_turn(lambda: isolated.predict(big), lambda: native.predict(big), runs=15)
        rows.append(Row(f"{len(big):,} × 30, `isolated`, linear", ours, "`native`", theirs, "–"))
    with _isolated(forest, folder / "environments") as isolated, modelwheel.load(forest, trust=TRUST) as native:
        ours, theirs = in_turn(lambda: isolated.predict(big), lambda: native.predict(big))
        rows.append(Row(f"{len(big):,} × 30, `isolated`, forest of 50", ours, "`native`", theirs, "1.25 ×"))
    return rows


def environments(folder: Path, quick: bool) -> list[Row]:
    """Starting in an environment, and building it"""
    frame, labels = thirty()
    path = _packed(LogisticRegression().fit(frame, labels), "linear", folder)

    def cold() -> None:
        shutil.rmtree(folder / "cold", ignore_errors=True)
        _isolated(path, folder / "cold").close()

    def warm() -> None:
        _isolated(path, folder / "cold").close()

    built, started = in_turn(cold, warm, runs=3)
    return [
        Row("load, `isolated`, no environment yet (uv, wheels in its cache)", built, "environment there", started, "–"),
    ]


ALL = (calls, environments)
