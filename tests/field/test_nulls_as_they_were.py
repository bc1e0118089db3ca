"""A1: None and NaN in one column. The claim is about the author's object on the author's own sample, untouched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import modelwheel
from field.elsewhere import ask_elsewhere, differs, pack, promised, refused, said
from modelwheel.errors import PackError

PLANS = pd.DataFrame({"plan": pd.Series(["basic", "pro", None, np.nan] * 50, dtype=object)})
LEFT = np.array([0, 1, 1, 0] * 50)


def kinds_of_null(frame: Any) -> Any:
    return np.array([type(value).__name__ for value in frame["plan"]])


def nan_only(frame: Any) -> Any:
    return np.asarray(frame["x"].is_nan().fill_null(False))


def arrow_nan_only(table: Any) -> Any:
    import pyarrow.compute as pc

    return pc.is_nan(table["x"]).fill_null(False).to_numpy()


def type_names(rows: Any) -> Any:
    return [type(row["plan"]).__name__ for row in rows]


def cells(array: Any) -> Any:
    return np.array([type(value).__name__ for value in array[:, 0]])


def as_text(frame: Any) -> Any:
    return np.array([str(value) for value in frame["n"]])


def one_hot() -> tuple[Any, Any, tuple[str, ...]]:
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(C=100)).fit(PLANS, LEFT)
    return model, PLANS, ("predict", "predict_proba")


CASES: dict[str, Callable[[], tuple[Any, Any, tuple[str, ...]]]] = {
    "encoder of both": one_hot,
    "imputer before an encoder": lambda: (
        make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), OneHotEncoder(sparse_output=False)).fit(
            PLANS
        ),
        PLANS,
        ("transform",),
    ),
    "imputer of NaN": lambda: (SimpleImputer(strategy="most_frequent").fit(PLANS), PLANS, ("transform",)),
    "function of a frame": lambda: (kinds_of_null, PLANS, ("predict",)),
    "NA and None": lambda: (
        kinds_of_null,
        pd.DataFrame({"plan": pd.Series(["a", pd.NA, None] * 20, dtype=object)}),
        ("predict",),
    ),
    "NaT and None": lambda: (
        kinds_of_null,
        pd.DataFrame({"plan": pd.Series([pd.Timestamp("2026-01-01"), pd.NaT, None] * 20, dtype=object)}),
        ("predict",),
    ),
    "numbers, NaN and None": lambda: (
        kinds_of_null,
        pd.DataFrame({"plan": pd.Series([1.5, np.nan, None] * 20, dtype=object)}),
        ("predict",),
    ),
    "rows": lambda: (type_names, [{"plan": plan} for plan in ["a", None, np.nan] * 20], ("predict",)),
    "matrix of objects": lambda: (cells, PLANS.to_numpy(), ("predict",)),
    "polars": lambda: (nan_only, pl.DataFrame({"x": [1.0, None, float("nan")] * 20}), ("predict",)),
    "arrow": lambda: (
        arrow_nan_only,
        pa.table({"x": pa.array([1.0, None, float("nan")] * 20, from_pandas=False)}),
        ("predict",),
    ),
    "int and float": lambda: (as_text, pd.DataFrame({"n": pd.Series([1, 2.0, 3] * 20, dtype=object)}), ("predict",)),
}


@pytest.mark.parametrize("case", CASES)
def test_answers_as_the_original_or_is_refused(case: str, tmp_path: Path) -> None:
    model, sample, methods = CASES[case]()
    promised(model, sample, tmp_path, methods=methods, refusal=r"'(plan|x|x0|n)'.*(None|NaN|null|int|float)")


def test_a_refusal_names_the_field_the_rows_and_what_to_do(tmp_path: Path) -> None:
    model, sample, _ = one_hot()
    try:
        bundle = pack(model, sample, tmp_path)
    except PackError as error:
        refused(error, r"'plan'.*\b50\b", hint=".")  # labels of so many rows differ
    else:
        with bundle.load() as loaded:
            assert not differs(model.predict(sample), loaded.predict(sample))


@pytest.mark.parametrize("case", ["encoder of both", "rows", "polars"])
def test_elsewhere(case: str, tmp_path: Path) -> None:
    model, sample, methods = CASES[case]()
    expected = getattr(model, methods[0], model)(sample)
    bundle = promised(model, sample, tmp_path, methods=methods, refusal="null|None|NaN")
    if bundle is not None:
        (found,) = ask_elsewhere(bundle, (methods[0], sample, {}))
        assert not differs(expected, found)


def test_isolated(tmp_path: Path, isolated: Callable[[Any], modelwheel.Model]) -> None:
    model, sample, _ = one_hot()
    bundle = promised(model, sample, tmp_path, refusal="'plan'")
    if bundle is not None:
        with isolated(bundle) as loaded:
            assert not differs(model.predict(sample), loaded.predict(sample))


@pytest.mark.parametrize(
    "sample",
    [PLANS, pl.DataFrame({"plan": [1.0, None, float("nan")] * 20}).fill_nan(None), PLANS.to_dict("records")],
    ids=["pandas", "polars", "rows"],
)
def test_a_model_that_does_not_tell_them_apart_is_packed(sample: Any, tmp_path: Path) -> None:
    def is_there(data: Any) -> Any:
        items = [row["plan"] for row in data] if isinstance(data, list) else data["plan"]
        return np.array([isinstance(item, str | float) and item == item for item in items])  # noqa: PLR0124

    assert promised(is_there, sample, tmp_path) is not None


def test_the_report_claims_what_was_compared(tmp_path: Path) -> None:
    """A claim of bit equality on 200 rows is a claim on the 200 rows of the author."""
    model, sample, _ = one_hot()
    try:
        bundle = pack(model, sample, tmp_path)
    except PackError:
        return
    if "200" in said(bundle):
        for payload in bundle.runtimes:
            with bundle.load(runtime=payload.kind) as loaded:
                assert not differs(model.predict(sample), loaded.predict(sample))
