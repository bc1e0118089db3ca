"""A model in a worker process answers as in this process, and what it raises comes back as it was raised."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import modelwheel
from locked import TRUST, Load, X
from models import flights_like_pipeline
from modelwheel.errors import OutputError, PredictionError, TrustError, UsageError
from modelwheel_loader.isolated.wire import RemoteError

TEXTS = ["a fine day", "a bad day", "no day", "fine"]
FRAME = pd.DataFrame(
    {
        "number": [1.5, None, 3.0, 4.0],
        "whole": pd.array([1, None, 3, 4], dtype="Int64"),
        "text": ["a", None, "c\0d", "é"],
        "when": pd.to_datetime(["2020-01-01", None, "2021-06-01", "2022-01-01"]),
        "zoned": pd.to_datetime(["2020-01-01", "2020-02-01", "2021-06-01", "2022-01-01"]).tz_localize("Europe/Vienna"),
        "kind": pd.Categorical(["x", "y", None, "x"], categories=["y", "x"]),
        "flag": [True, False, True, True],
    }
)


def forest_of_two() -> Any:
    labels = np.array([["a", "x"], ["b", "y"], ["a", "y"], ["b", "x"]])
    return RandomForestClassifier(3, random_state=0).fit(X, labels)


CASES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "pipeline of a mixed table": flights_like_pipeline,
    "several outputs of text": lambda: (forest_of_two(), X),
    "texts to a sparse matrix": lambda: (CountVectorizer().fit(TEXTS), TEXTS),
    "table to a table": lambda: (
        StandardScaler().set_output(transform="pandas").fit(FRAME[["number"]]),
        FRAME[["number"]],
    ),
    "whole table, as it is": lambda: (lambda frame: frame, FRAME),
    "column": lambda: (lambda frame: frame["text"], FRAME),
    "dict of arrays": lambda: (lambda frame: {"n": np.asarray(frame["number"]), "t": np.asarray(frame["flag"])}, FRAME),
    "records": lambda: (lambda rows: [{"n": len(row), "s": str(row["a"])} for row in rows], [{"a": 1}, {"a": 2}]),
    "list": lambda: (lambda rows: [str(row) for row in rows], X),
    "one-hot": lambda: (OneHotEncoder().fit(FRAME[["text"]].dropna()), FRAME[["text"]].dropna()),
}


def alike(first: Any, second: Any) -> None:
    assert type(first) is type(second)
    if isinstance(first, pd.DataFrame):
        pd.testing.assert_frame_equal(first, second)
    elif isinstance(first, pd.Series):
        pd.testing.assert_series_equal(first, second)
    elif sparse.issparse(first):
        assert first.dtype == second.dtype
        assert (first != second).nnz == 0
    elif isinstance(first, dict):
        assert list(first) == list(second)
        for name in first:
            alike(first[name], second[name])
    elif isinstance(first, list | tuple):
        assert len(first) == len(second)
        for one, other in zip(first, second, strict=True):
            alike(one, other)
    else:
        np.testing.assert_array_equal(first, second)
        assert getattr(first, "dtype", None) == getattr(second, "dtype", None)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("case", CASES)
def test_answers_are_those_of_this_process(case: str, locked: Callable[..., Path], load: Load) -> None:
    model, sample = CASES[case]()
    path = locked(model, sample)
    native = load(path, "native")
    with load(path) as isolated:
        assert isolated.runtime == "isolated"
        assert isolated.methods == native.methods
        for method in native.methods:
            alike(getattr(isolated, method)(sample), getattr(native, method)(sample))
        assert isolated.check().ok, isolated.check()


def test_one_row_and_no_rows(model: modelwheel.Model) -> None:
    row = dict(zip(model.bundle.schema.names, (5.0, 6.0, 7.0), strict=True))
    assert model.predict(row) == 5.0
    assert type(model.predict(row)) is float
    assert model.predict(X[:0]).tolist() == []


def test_large_arrays_travel_both_ways(locked: Callable[..., Path], load: Load) -> None:
    random = np.random.default_rng(0)
    sample = random.normal(size=(20, 50))
    with load(locked(lambda rows: rows * 2.0, sample)) as model:
        held = []
        for rows in (20, 60_000, 10, 70_000, 70_000, 30_000, 3):
            data = random.normal(size=(rows, 50))
            before = data.copy()
            answer = model.predict(data)
            np.testing.assert_array_equal(data, before)
            held.append((data, answer))
        for data, answer in held:  # none has been written over
            np.testing.assert_array_equal(answer, data * 2.0)
            answer[:] = 0  # and the caller may write into it


def test_a_model_may_write_into_its_data_and_keep_it(acting: Path, load: Load) -> None:
    big = np.ones((100_000, 3))
    with load(acting) as model:
        assert model.predict(big, act="write").sum() == -100_000
        assert big.sum() == 300_000
        for factor in (1, 2, 3):
            model.predict(big * factor, act="keep")
        model.predict(big * 7)
        kept = model.predict(X[:3], act="kept")
        assert kept.tolist() == [300_000, 600_000, 900_000]


def test_auto_takes_isolated_last_and_only_when_allowed(acting: Path, locked: Callable[..., Path], load: Load) -> None:
    assert load(acting, "auto").runtime == "native"
    with pytest.raises(TrustError):
        modelwheel.load(acting, runtime="isolated")
    with pytest.raises(UsageError, match="isolation"):
        modelwheel.load(acting, runtime="isolated", isolation=True, trust=TRUST)  # type: ignore[arg-type]


# --- what the model raises ---


def test_errors_come_back_as_they_were_raised(model: modelwheel.Model) -> None:
    with pytest.raises(PredictionError, match="raised ValueError") as caught:
        model.predict(X, act="raise")
    cause = caught.value.__cause__
    assert type(cause) is ValueError
    assert "\x1b" not in str(cause)
    assert isinstance(cause.__cause__, RemoteError)
    assert "in predict" in str(cause.__cause__)
    assert pickle.loads(pickle.dumps(cause.__cause__)).kind == "ValueError"
    for act in ("raise own", "raise decimal", "sys.exit"):
        with pytest.raises(PredictionError) as caught:
            model.predict(X, act=act)
    assert "SystemExit" in str(caught.value)
    with pytest.raises(OutputError, match="cannot be sent"):
        model.predict(X, act="strange")
    with pytest.raises(OutputError, match="another number of rows"):
        model.predict(X, act="short")
    assert model.predict(X).tolist() == [0, 3, 6, 9]


def test_what_a_model_prints_is_no_answer(acting: Path, load: Load, capfd: pytest.CaptureFixture[str]) -> None:
    with load(acting) as model:
        assert model.predict(X, act="print").tolist() == [0, 3, 6, 9]
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "to the screen" in shown.err
    assert "and to errors" in shown.err
