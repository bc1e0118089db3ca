"""A3: the model knows its columns. A sample in another order, without names, or with more than it was fitted on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import modelwheel
from field.elsewhere import ONNX, answers_elsewhere, differs, kinds, pack, promised, refused, said
from modelwheel.cli import main
from modelwheel.errors import PackError

RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(RANDOM.normal(size=(200, 3)), columns=["age", "calls", "days"])
TARGET = (FRAME["age"] + 2 * FRAME["days"] > 0).astype(int)
TURNED = FRAME[["days", "age", "calls"]]


def sklearn_forest() -> Any:
    return RandomForestClassifier(5, random_state=0).fit(FRAME, TARGET)


def lightgbm_classifier() -> Any:
    return lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(FRAME, TARGET)


def lightgbm_booster() -> Any:
    return lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(FRAME, TARGET), 5)


def xgboost_classifier() -> Any:
    return xgboost.XGBClassifier(n_estimators=5).fit(FRAME, TARGET)


def xgboost_booster() -> Any:
    return xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(FRAME, TARGET), 5)


def catboost_classifier() -> Any:
    return catboost.CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False).fit(FRAME, TARGET)


def statsmodels_results() -> Any:
    return sm.OLS(FRAME["age"] + 2 * FRAME["days"], FRAME).fit()


MODELS: dict[str, Callable[[], Any]] = {
    "sklearn": sklearn_forest,
    "lightgbm": lightgbm_classifier,
    "lightgbm booster": lightgbm_booster,
    "xgboost": xgboost_classifier,
    "xgboost booster": xgboost_booster,
    "catboost": catboost_classifier,
    "statsmodels": statsmodels_results,
}
LIBRARIES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "polars": pl.from_pandas,
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "dict of arrays": lambda frame: {name: frame[name].to_numpy() for name in frame},
}


def right(model: Any, frame: pd.DataFrame) -> Any:
    """The answers to columns in the model's own order."""
    if isinstance(model, xgboost.Booster):
        return model.predict(xgboost.DMatrix(frame))
    return model.predict(frame)


def by_name(bundle: Any, model: Any, data: Any, kind: str) -> str:
    """How the bundle's answers to `data` differ from the model's to its own columns."""
    with bundle.load(runtime=kind) as loaded:
        found = np.asarray(loaded.predict(data))
    return differs(np.asarray(right(model, FRAME)).astype(float), found.astype(float), ONNX)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("name", MODELS)
def test_a_sample_in_another_order(name: str, library: str, tmp_path: Path) -> None:
    """Bound by name: a row means what it says, in whatever order its columns are. Or the order is refused."""
    model, sample = MODELS[name](), LIBRARIES[library](TURNED)
    try:
        bundle = pack(model, sample, tmp_path)
    except PackError as error:
        refused(error, "order|columns|named|DataFrame|array|table|dict|feature")
        return
    assert set(bundle.schema.names) == set(FRAME.columns)
    for kind in kinds(bundle):
        assert not by_name(bundle, model, sample, kind)
        assert not by_name(bundle, model, FRAME.to_dict("records"), kind)


@pytest.mark.parametrize("name", ["lightgbm", "statsmodels"])
def test_another_order_elsewhere(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    try:
        bundle = pack(model, TURNED, tmp_path)
    except PackError as error:
        refused(error, "order")
        return
    found = np.asarray(answers_elsewhere(bundle, TURNED)).astype(float)
    assert not differs(np.asarray(right(model, FRAME)).astype(float), found, ONNX)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # the original warns of arrays, too
@pytest.mark.parametrize("name", MODELS)
def test_an_array_takes_the_names_of_the_model(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bundle = pack(model, FRAME.to_numpy(), tmp_path)
    assert bundle.schema.names == ("age", "calls", "days")
    for kind in kinds(bundle):
        assert not by_name(bundle, model, FRAME.to_numpy(), kind)
        assert not by_name(bundle, model, TURNED, kind)
        assert not by_name(bundle, model, TURNED.to_dict("records"), kind)


def test_an_array_of_another_width_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError) as caught:
        pack(lightgbm_classifier(), RANDOM.normal(size=(50, 2)), tmp_path)
    refused(caught.value, "age.*calls.*days|3 columns|number of features|fitted on")


def churn() -> tuple[Any, pd.DataFrame]:
    data = pd.DataFrame(
        {"age": FRAME["age"], "kind": RANDOM.choice(["x", "y"], 200), "customer": np.arange(200), "churned": TARGET}
    )
    columns = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["kind"]))
    return make_pipeline(columns, LogisticRegression()).fit(data[["age", "kind"]], data["churned"]), data


def test_target_and_identifier_in_the_sample_of_a_pipeline(tmp_path: Path) -> None:
    model, data = churn()
    bundle = pack(model, data, tmp_path)
    assert bundle.schema.names == ("age", "kind")
    assert "churned" in said(bundle)
    assert "customer" in said(bundle)
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            assert loaded.predict({"age": 1.0, "kind": "x"}) in (0, 1)
            assert not differs(model.predict(data[["age", "kind"]]), loaded.predict(data))


@pytest.mark.parametrize("name", [name for name in MODELS if name != "statsmodels"])
def test_the_target_in_the_sample_is_left_out_or_refused(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    try:
        bundle = pack(model, FRAME.assign(churned=TARGET), tmp_path)
    except PackError as error:
        refused(error, "churned")
        return
    assert bundle.schema.names == tuple(FRAME.columns)
    assert "churned" in said(bundle)
    assert not by_name(bundle, model, FRAME, kinds(bundle)[0])


def test_a_schema_of_the_author_is_not_read_by_position(tmp_path: Path) -> None:
    """The author's schema names the columns of an array: names that the model does not have are refused."""
    schema = modelwheel.infer_schema(TURNED).schema
    try:
        bundle = pack(lightgbm_classifier(), FRAME.to_numpy(), tmp_path, schema=schema)
    except PackError as error:
        refused(error, "order|named|columns")
        return
    assert not by_name(bundle, lightgbm_classifier(), TURNED, kinds(bundle)[0])


def run_pack(*arguments: str) -> int:
    return main(["pack", *arguments, "--name", "case", "--version", "1.0", "--overwrite"])


def save_lightgbm(folder: Path) -> Any:
    booster = lightgbm_booster()
    booster.save_model(folder / "model.txt")
    return booster, "model.txt"


def save_xgboost(folder: Path) -> Any:
    booster = xgboost_booster()
    booster.save_model(folder / "model.ubj")
    return booster, "model.ubj"


def save_catboost(folder: Path) -> Any:
    model = catboost_classifier()
    model.save_model(str(folder / "model.cbm"))
    return model, "model.cbm"


@pytest.mark.parametrize("save", [save_lightgbm, save_xgboost, save_catboost])
@pytest.mark.parametrize("more", [[], ["churned"]], ids=["order", "target"])
def test_the_command_line_binds_files_of_boosters_by_name(
    save: Callable[[Path], Any],
    more: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    model, name = save(tmp_path)
    TURNED.assign(churned=TARGET)[[*more, *TURNED.columns]].to_csv("sample.csv", index=False)
    status = run_pack(name, "sample.csv")
    printed = capsys.readouterr()
    if status:
        assert "churned" in printed.err or "order" in printed.err
        return
    bundle = modelwheel.open(next(Path("dist").glob("*.whl")))
    assert set(bundle.schema.names) == set(FRAME.columns)
    if more:
        assert "churned" in printed.err + printed.out
    with bundle.load(runtime=kinds(bundle)[0], trust=modelwheel.Trust.unsafe_run_code()) as loaded:
        found = np.asarray(loaded.predict(TURNED)).astype(float)
    expected = model.predict(FRAME, prediction_type="RawFormulaVal") if "cbm" in name else right(model, FRAME)
    assert not differs(np.asarray(expected).astype(float), found, ONNX)


def test_a_model_without_names_takes_the_order_of_the_sample(tmp_path: Path) -> None:
    """Nothing is known of a function, nor of a model that was fitted on an array: they stay as they are."""
    model = RandomForestClassifier(5, random_state=0).fit(FRAME.to_numpy(), TARGET)
    assert promised(model, FRAME.to_numpy(), tmp_path).schema.names == ("x0", "x1", "x2")
    promised(lambda frame: frame.iloc[:, 0].to_numpy(), TURNED, tmp_path / "function")
