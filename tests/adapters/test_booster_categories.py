"""Splits on categories in XGBoost and LightGBM: the graph answers as the original, whatever the categories are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

import modelwheel
from modelwheel import Options
from modelwheel.errors import PackError
from modelwheel.onnx import Unconvertible
from modelwheel.onnx.boosters.lightgbm_trees import read_lightgbm
from modelwheel_loader.opening.manifest import OnnxPayload

RANDOM = np.random.default_rng(0)
ROWS = 400
CODES = np.c_[RANDOM.normal(size=(ROWS, 2)), RANDOM.integers(0, 6, ROWS), RANDOM.integers(0, 30, ROWS)]
SCORE = (CODES[:, 2] % 3) + (CODES[:, 3] % 5) + CODES[:, 0]
LABEL = pd.qcut(SCORE, 3, labels=["low", "mid", "top"]).astype(str)
FRAME = pd.DataFrame(
    {
        "a": CODES[:, 0],
        "kind": pd.Categorical.from_codes(CODES[:, 2].astype(int), ["u", "v", "w", "x", "y", "é"]),
        "zip": pd.Categorical(CODES[:, 3].astype(int) + 10_000),
        "flag": pd.Categorical(CODES[:, 1] > 0),
    }
)
NULLS = FRAME.assign(
    kind=FRAME["kind"].cat.rename_categories({"é": "e"}).where(RANDOM.random(ROWS) > 0.2),
    zip=FRAME["zip"].where(RANDOM.random(ROWS) > 0.2),
).drop(columns="flag")
POLARS = pl.DataFrame(
    {
        "a": CODES[:, 0],
        "kind": pl.Series([f"k{code:.0f}" for code in CODES[:, 2]]).cast(pl.Enum([f"k{code}" for code in range(6)])),
    }
)
LGB: dict[str, Any] = {"n_estimators": 15, "min_data_per_group": 5, "cat_smooth": 1, "verbose": -1, "n_jobs": 1}
XGB: dict[str, Any] = {"n_estimators": 15, "enable_categorical": True, "n_jobs": 1}
TRAIN = {"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1, "verbose": -1, "num_threads": 1}
WITH_MISSING = CODES.copy()
WITH_MISSING[::7, 2] = np.nan


def scaled(model: Any) -> Any:
    """A pipeline that leaves the categories what they are."""
    names = ColumnTransformer(
        [("n", StandardScaler(), ["a"])], remainder="passthrough", verbose_feature_names_out=False
    )
    return make_pipeline(names.set_output(transform="pandas"), model)


def numbered() -> Any:
    """A pipeline that makes numbers of the categories, which LightGBM then takes for categories."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    columns = ColumnTransformer([("c", encoder, ["kind", "zip"]), ("n", "passthrough", ["a"])])
    fit = {"lgbmregressor__categorical_feature": [0, 1]}
    return make_pipeline(columns, lightgbm.LGBMRegressor(**LGB)).fit(NULLS, SCORE, **fit)


MODELS: dict[str, tuple[Callable[[], Any], Any]] = {
    "lightgbm": (lambda: lightgbm.LGBMRegressor(**LGB).fit(FRAME, SCORE), FRAME),
    "lightgbm-nulls": (lambda: lightgbm.LGBMClassifier(**LGB).fit(NULLS, LABEL), NULLS),
    "lightgbm-booster": (lambda: lightgbm.train(TRAIN, lightgbm.Dataset(FRAME, SCORE), 15), FRAME),
    "lightgbm-numbers": (
        lambda: lightgbm.LGBMRegressor(**LGB).fit(WITH_MISSING, SCORE, categorical_feature=[2, 3]),
        WITH_MISSING,
    ),
    "lightgbm-pipeline": (lambda: scaled(lightgbm.LGBMRegressor(**LGB)).fit(FRAME, SCORE), FRAME),
    "lightgbm-numbered": (numbered, NULLS),
    "xgboost": (lambda: xgboost.XGBClassifier(**XGB).fit(NULLS, (LABEL == "top").astype(int)), NULLS),
    "xgboost-one-hot": (lambda: xgboost.XGBRegressor(max_cat_to_onehot=99, **XGB).fit(NULLS, SCORE), NULLS),
    "xgboost-booster": (
        lambda: xgboost.train({"nthread": 1}, xgboost.DMatrix(NULLS, SCORE, enable_categorical=True), 15),
        NULLS,
    ),
    "xgboost-numbers": (
        lambda: xgboost.XGBRegressor(feature_types=["q", "q", "c", "c"], **XGB).fit(WITH_MISSING, SCORE),
        WITH_MISSING,
    ),
    "xgboost-pipeline": (lambda: scaled(xgboost.XGBRegressor(**XGB)).fit(NULLS, SCORE), NULLS),
    "xgboost-polars": (lambda: xgboost.XGBRegressor(**XGB).fit(POLARS, SCORE), POLARS),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_graph_answers_as_the_original(name: str, tmp_path: Path) -> None:
    make, sample = MODELS[name]
    with modelwheel.pack(make(), name="chosen", version="1", sample=sample, out=tmp_path) as bundle:
        graph = next((item for item in bundle.runtimes if isinstance(item, OnnxPayload)), None)
        assert graph is not None, bundle.manifest.left_out
        assert set(graph.methods) == set(bundle.methods)
        assert all(parity.label_disagreements == 0 for parity in graph.parity.values())
        with bundle.load(runtime="native") as original, bundle.load(runtime="onnx") as converted:
            rows = sample.to_dicts() if isinstance(sample, pl.DataFrame) else sample
            if isinstance(rows, pd.DataFrame):
                rows = rows.astype(object).where(rows.notna(), None).to_dict("records")
            for method in bundle.methods:
                expected, found = (getattr(model, method)(rows) for model in (original, converted))
                if expected.dtype.kind == "f":
                    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
                else:
                    assert (found == expected).all()


def test_names_that_xgboost_cuts_off_have_no_graph(tmp_path: Path) -> None:
    frame = FRAME[["a", "kind"]]
    model = xgboost.XGBRegressor(**XGB).fit(frame, SCORE)
    with modelwheel.pack(model, name="cut", version="1", sample=frame, out=tmp_path) as bundle:
        (left_out,) = (item for item in bundle.manifest.left_out if item.kind == "onnx")
        assert "beyond ASCII" in left_out.reason


def test_columns_without_splits_take_any_category(tmp_path: Path) -> None:
    frame = FRAME[["a", "kind"]].assign(same=pd.Categorical(["one"] * ROWS))
    model = lightgbm.LGBMRegressor(**LGB).fit(frame, SCORE)
    with modelwheel.pack(model, name="same", version="1", sample=frame, out=tmp_path) as bundle:
        assert "onnx" in {item.kind for item in bundle.runtimes}


def test_categories_that_cannot_be_told_apart_have_no_graph() -> None:
    frame = FRAME[["a", "kind"]].assign(same=pd.Categorical(["one"] * ROWS), zero=0.0)
    model = lightgbm.LGBMRegressor(**LGB).fit(frame, SCORE)
    with pytest.raises(Unconvertible, match="which of its features"):
        read_lightgbm(model.booster_)


def test_more_categories_than_are_stored_are_told(tmp_path: Path) -> None:
    model = lightgbm.LGBMRegressor(**LGB).fit(FRAME, SCORE)
    options = Options(categories=10)
    with pytest.raises(PackError) as error:
        modelwheel.pack(model, name="many", version="1", sample=FRAME, out=tmp_path, options=options)
    (defect,) = error.value.defects
    assert defect.code == "pack.predict"
    assert "zip: too many categories" in defect.hint
    assert "Options(categories=" in defect.hint
