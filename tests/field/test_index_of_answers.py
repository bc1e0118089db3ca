"""A4: what has an index gets it back; a model that reads the index is refused in these words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import modelwheel
from field.elsewhere import ONNX, answers_elsewhere, differs, kinds, pack, promised, refused
from modelwheel.errors import PackError

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.normal(size=(60, 2))
INDEXES: dict[str, Any] = {
    "range": pd.RangeIndex(60),
    "shuffled": pd.Index(RANDOM.permutation(60)),
    "named text": pd.Index([f"c{number}" for number in range(60)], name="customer"),
    "duplicates": pd.Index([1, 2, 3] * 20),
    "times": pd.date_range("2026-01-01", periods=60, freq="h", name="when"),
    "zoned": pd.date_range("2026-01-01", periods=60, freq="h", tz="Europe/Vienna"),
    "several levels": pd.MultiIndex.from_product([list("abcdef"), range(10)], names=["shop", "day"]),
    "nulls": pd.Index([None, *map(float, range(59))]),
}


def framed(index: str = "shuffled") -> pd.DataFrame:
    return pd.DataFrame(VALUES, columns=["a", "b"], index=INDEXES[index])


def scaler() -> tuple[Any, str]:
    return StandardScaler().set_output(transform="pandas").fit(framed()), "transform"


def formula() -> tuple[Any, str]:
    frame = framed().assign(y=VALUES[:, 0] * 2)
    return smf.ols("y ~ a + b", frame).fit(), "predict"


def least_squares() -> tuple[Any, str]:
    return sm.OLS(pd.Series(VALUES[:, 0], index=framed().index), framed()).fit(), "predict"


def doubled() -> tuple[Any, str]:
    def predict(frame: Any) -> Any:
        return frame["a"] * 2

    return predict, "predict"


def scored() -> tuple[Any, str]:
    def predict(frame: Any) -> Any:
        return frame.assign(score=frame["a"] + frame["b"])[["score"]]

    return predict, "predict"


MODELS: dict[str, Callable[[], tuple[Any, str]]] = {
    "set_output": scaler,
    "formula": formula,
    "results": least_squares,
    "series of a function": doubled,
    "frame of a function": scored,
}


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("name", MODELS)
def test_the_index_comes_back(name: str, index: str, tmp_path: Path) -> None:
    model, method = MODELS[name]()
    promised(model, framed(index), tmp_path, methods=(method,))


@pytest.mark.parametrize("name", MODELS)
def test_rows_that_were_selected_keep_their_own_answers(name: str, tmp_path: Path) -> None:
    """`frame["score"] = model.predict(frame)` puts each score into its own row."""
    model, method = MODELS[name]()
    frame = framed("range")
    bundle = pack(model, frame, tmp_path)
    late = frame[frame["a"] > 0].sample(frac=1, random_state=1)
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            found = getattr(loaded, method)(late)
            assert not differs(getattr(model, method, model)(late), found, ONNX)
            assert found.index.equals(late.index)


def test_elsewhere_and_isolated(tmp_path: Path, isolated: Callable[[Any], modelwheel.Model]) -> None:
    model, method = formula()
    frame = framed("times")
    bundle = pack(model, frame, tmp_path)
    expected = model.predict(frame)
    assert not differs(expected, answers_elsewhere(bundle, frame))
    with isolated(bundle) as loaded:
        assert not differs(expected, loaded.predict(frame))
    transformer, _ = scaler()
    bundle = pack(transformer, frame, tmp_path / "scaler")
    for kind in kinds(bundle):
        assert not differs(transformer.transform(frame), answers_elsewhere(bundle, frame, "transform", kind), ONNX)
    with isolated(bundle) as loaded:
        assert not differs(transformer.transform(frame), loaded.transform(frame), ONNX)
    assert method == "predict"


def test_what_the_model_numbers_anew_stays_numbered_anew(tmp_path: Path) -> None:
    promised(lambda frame: frame["a"].reset_index(drop=True), framed("named text"), tmp_path)
    promised(lambda frame: pd.Series(frame["a"].to_numpy(), name="s"), framed("shuffled"), tmp_path / "series")


def test_what_is_asked_without_an_index_gets_numbers(tmp_path: Path) -> None:
    model, method = scaler()
    bundle = pack(model, framed("named text"), tmp_path)
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            rows = getattr(loaded, method)(framed().to_dict("records"))
            assert rows.index.equals(pd.RangeIndex(60))
            assert isinstance(loaded.transform({"a": 1.0, "b": 2.0}), dict)


def hours(frame: Any) -> Any:
    return pd.DataFrame({"hour": frame.index.hour, "a": frame["a"].to_numpy()})


def numbers(frame: Any) -> Any:
    return pd.DataFrame({"row": np.asarray(frame.index, dtype=float), "a": frame["a"].to_numpy()})


def by_label(frame: Any) -> Any:
    return frame.loc[frame.index != "c3", "a"].reindex(frame.index, fill_value=0.0).to_numpy()


@pytest.mark.parametrize(
    ("function", "index"),
    [(hours, "times"), (numbers, "shuffled"), (by_label, "named text")],
    ids=lambda item: str(item)[:12],
)
def test_a_model_that_reads_the_index_is_refused_in_words(function: Any, index: str, tmp_path: Path) -> None:
    frame = framed(index)
    model: Any = function if function is by_label else make_pipeline(FunctionTransformer(function), Ridge())
    if function is not by_label:
        model.fit(frame, frame["a"])
    try:
        bundle = pack(model, frame, tmp_path)
    except PackError as error:
        refused(error, r"\bindex\b", never="RangeIndex", hint="column")
        return
    with bundle.load() as loaded:  # carried: right as well
        assert not differs(getattr(model, "predict", model)(frame), loaded.predict(frame))
