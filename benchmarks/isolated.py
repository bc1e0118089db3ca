"""What the isolated runtime costs beside the same model in this process."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import modelwheel
from measures import Row, in_turn, thirty

TRUST = modelwheel.Trust.unsafe_run_code()


def _packed(model: object, name: str, folder: Path, sample: Any = None) -> Path:
    frame, _ = thirty()
    bundle = modelwheel.pack(
        model,
        name=name,
        version="1.0",
        sample=frame if sample is None else sample,
        out=folder / "dist",
        options=modelwheel.Options(runtimes=("native",)),
        dependencies=modelwheel.Dependencies(lock="required", lock_timeout=300),
    )
    return bundle.path


def _isolated(path: Path, environments: Path) -> modelwheel.Model:
    isolation = modelwheel.Isolation(environments=environments)
    return modelwheel.load(path, trust=TRUST, runtime="isolated", isolation=isolation)


def _mixed() -> tuple[pd.DataFrame, Any]:
    """Twenty-two fields: floats with a null, whole numbers, texts, an instant and a Boolean; and labels."""
    frame, labels = thirty()
    random = np.random.default_rng(1)
    mixed = frame[[f"f{number}" for number in range(10)]].copy()
    mixed.loc[::7, "f0"] = np.nan
    for number in range(5):
        mixed[f"whole{number}"] = random.integers(0, 9, len(frame))
        mixed[f"text{number}"] = random.choice(["red", "green", "blue"], len(frame))
    mixed["when"] = pd.date_range("2024-01-01", periods=len(frame), freq="h")
    mixed["flag"] = random.random(len(frame)) > 0.5
    return mixed, labels


def _nothing(rows: Any) -> Any:
    return rows[:, 0]


def _there_and_back(message: bytes) -> tuple[Callable[[], Any], Callable[[], None]]:
    """Send a message to another process, which sends it back; and how that ends."""
    here, there = socket.socketpair()
    if not (child := os.fork()):
        here.close()
        while data := there.recv(len(message)):
            there.sendall(data)
        os._exit(0)
    there.close()

    def ask() -> None:
        here.sendall(message)
        here.recv(len(message))

    def end() -> None:
        here.close()
        os.waitpid(child, 0)

    return ask, end


def _one(isolated: modelwheel.Model, native: modelwheel.Model, row: dict[str, Any]) -> list[float]:
    return in_turn(lambda: isolated.predict(row), lambda: native.predict(row), runs=15, repeat=100)


def single_rows(folder: Path, quick: bool) -> list[Row]:
    """One row through the isolated runtime, and what is below it"""
    frame, labels = thirty()
    mixed, _ = _mixed()
    texts = [name for name in mixed if name.startswith("text")]
    prepare = make_column_transformer((OneHotEncoder(), texts), (SimpleImputer(), ["f0", "f1", "whole0"]))
    models = (
        ("linear, a dict of 30 floats", LogisticRegression().fit(frame, labels), frame),
        ("linear, an array of 30 floats", LogisticRegression().fit(frame.to_numpy(), labels), frame.to_numpy()),
        ("a pipeline, 22 mixed fields", make_pipeline(prepare, LogisticRegression()).fit(mixed, labels), mixed),
        ("a model that does nothing", _nothing, frame.to_numpy()),
    )
    rows = []
    for number, (what, model, sample) in enumerate(models):
        path = _packed(model, f"single-{number}", folder, sample)
        with _isolated(path, folder / "environments") as isolated, modelwheel.load(path, trust=TRUST) as native:
            values = pd.DataFrame(sample).iloc[1].tolist()
            ours, theirs = _one(isolated, native, dict(zip(native.bundle.schema.names, values, strict=True)))
        rows.append(Row(f"one row, `isolated`, {what}", ours, "`native`", theirs, "+ 300 µs", difference=True))
    ask, end = _there_and_back(bytes(360))
    (floor,) = in_turn(ask, runs=15, repeat=100)
    end()
    rows.append(
        Row("… of which nothing is the model's", ours, "360 bytes to a process and back", floor, "–", difference=True)
    )
    return rows


def calls(folder: Path, quick: bool) -> list[Row]:
    """Calls through the isolated runtime"""
    frame, labels = thirty()
    linear = _packed(LogisticRegression().fit(frame, labels), "linear", folder)
    forest = _packed(RandomForestClassifier(50, max_depth=8, random_state=0).fit(frame, labels), "forest", folder)
    big, _ = thirty(10_000 if quick else 100_000)
    rows = []
    with _isolated(linear, folder / "environments") as isolated, modelwheel.load(linear, trust=TRUST) as native:
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


ALL = (single_rows, calls, environments)
