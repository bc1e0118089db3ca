"""XGBoost, LightGBM and CatBoost: both payloads answer as the model does, and what is kept is no pickle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import modelwheel
from modelwheel.adapters import recognise
from modelwheel.cli import main
from modelwheel.errors import EnvironmentMismatch, InvalidBundle, MissingExtra, PackError, TrustError
from modelwheel.onnx.boosters.catboost_trees import read_catboost
from modelwheel.onnx.boosters.lightgbm_trees import read_lightgbm
from modelwheel.onnx.boosters.xgboost_trees import read_xgboost
from modelwheel_loader.opening.manifest import NativePayload, OnnxPayload
from modelwheel_loader.run.model_files import open_file

RANDOM = np.random.default_rng(0)
ROWS = 400
X = pd.DataFrame(RANDOM.normal(size=(ROWS, 4)), columns=list("abcd"))
X.loc[::7, "c"] = np.nan
X["whole"] = RANDOM.integers(0, 9, ROWS)
X["flag"] = RANDOM.random(ROWS) > 0.5
SCORE = X["a"] + X["c"].fillna(0.3) * X["whole"] / 4
TWO = (SCORE > 0).astype(int)
THREE = pd.cut(SCORE, 3, labels=False).astype(int)
NAMED, NAMED3 = np.where(SCORE > 0, "yes", "no"), np.array(["x", "y", "z"])[THREE]
DATES = np.array(["2020-01-01", "2021-01-01"], "datetime64[D]")
SMALL = {"n_estimators": 15, "n_jobs": 1}
CAT: dict[str, Any] = {"iterations": 15, "depth": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
LGB: dict[str, Any] = {**SMALL, "verbose": -1}


def stopped_early() -> Any:
    model = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=2, n_jobs=1)
    model.fit(X[:300], TWO[:300], eval_set=[(X[300:], TWO[300:])], verbose=False)
    assert model.best_iteration < model.get_booster().num_boosted_rounds() - 1
    return model


MODELS: dict[str, Callable[[], Any]] = {
    "xgboost-binary": lambda: xgboost.XGBClassifier(**SMALL).fit(X, TWO),
    "xgboost-multiclass": lambda: xgboost.XGBClassifier(**SMALL).fit(X, THREE),
    "xgboost-regressor": lambda: xgboost.XGBRegressor(**SMALL).fit(X, SCORE * 1000),
    "xgboost-poisson": lambda: xgboost.XGBRegressor(objective="count:poisson", **SMALL).fit(X, SCORE.abs()),
    "xgboost-forest": lambda: xgboost.XGBRFClassifier(**SMALL).fit(X, TWO),
    "xgboost-dart": lambda: xgboost.XGBRegressor(booster="dart", rate_drop=0.3, **SMALL).fit(X, SCORE),
    "xgboost-outputs": lambda: xgboost.XGBRegressor(**SMALL).fit(X, np.c_[SCORE, -SCORE]),
    "xgboost-missing": lambda: xgboost.XGBClassifier(missing=-5.0, **SMALL).fit(X.fillna(-5.0), TWO),
    "xgboost-early": stopped_early,
    "xgboost-booster": lambda: xgboost.train({"objective": "binary:logistic"}, xgboost.DMatrix(X, TWO), 15),
    "xgboost-softmax": lambda: xgboost.train(
        {"objective": "multi:softmax", "num_class": 3}, xgboost.DMatrix(X, THREE), 9
    ),
    "lightgbm-binary": lambda: lightgbm.LGBMClassifier(**LGB).fit(X, NAMED),
    "lightgbm-multiclass": lambda: lightgbm.LGBMClassifier(**LGB).fit(X, NAMED3),
    "lightgbm-regressor": lambda: lightgbm.LGBMRegressor(**LGB).fit(X, SCORE * 1000),
    "lightgbm-gamma": lambda: lightgbm.LGBMRegressor(objective="gamma", **LGB).fit(X, SCORE.abs() + 0.1),
    "lightgbm-booster": lambda: lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, TWO), 15
    ),
    "catboost-binary": lambda: catboost.CatBoostClassifier(**CAT).fit(X, NAMED),
    "catboost-numbers": lambda: catboost.CatBoostClassifier(nan_mode="Max", **CAT).fit(X, TWO),
    "catboost-multiclass": lambda: catboost.CatBoostClassifier(**CAT).fit(X, NAMED3),
    "catboost-poisson": lambda: catboost.CatBoostRegressor(loss_function="Poisson", **CAT).fit(X, SCORE.abs()),
    "catboost-objective": lambda: catboost.CatBoostRegressor(objective="Tweedie:variance_power=1.5", **CAT).fit(
        X, SCORE.abs()
    ),
    "catboost-regressor": lambda: catboost.CatBoostRegressor(**CAT).fit(X, SCORE * 1000),
}


def pack(model: Any, out: Path, sample: Any = X, **more: Any) -> modelwheel.Bundle:
    return modelwheel.pack(model, name="boosted", version="1.0", sample=sample, out=out, **more)


def native(bundle: modelwheel.Bundle) -> NativePayload:
    return next(item for item in bundle.runtimes if isinstance(item, NativePayload))


def reason(bundle: modelwheel.Bundle) -> str:
    return next(item.reason for item in bundle.manifest.left_out if item.kind == "onnx")


@pytest.mark.parametrize("name", MODELS)
def test_both_payloads_answer_as_the_model(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    sample = X.fillna(-5.0) if name == "xgboost-missing" else X
    framework = name.partition("-")[0]
    with pack(model, tmp_path, sample) as bundle:
        assert bundle.manifest.model["framework"] == framework
        assert native(bundle).format.startswith(framework)
        with bundle.load(runtime="native") as loaded:
            opened = recognise(model).opened(model)
            for method in loaded.methods:
                expected = getattr(opened, method)(sample)
                found = getattr(loaded, method)(sample)
                np.testing.assert_array_equal(found, expected)
        graph = next((item for item in bundle.runtimes if isinstance(item, OnnxPayload)), None)
        assert graph is not None, reason(bundle)
        assert set(graph.methods) == set(bundle.methods)
        for parity in graph.parity.values():
            assert parity.label_disagreements == 0
            assert parity.max_relative < 1e-3
        one = sample.iloc[3].to_dict()
        asked = "predict_proba" if "predict_proba" in bundle.methods else "predict"
        with bundle.load(runtime="onnx") as loaded:
            expected = np.ravel(getattr(opened, asked)(sample[3:4]))
            np.testing.assert_allclose(np.ravel(getattr(loaded, asked)(one)), expected, rtol=1e-4)


READERS = {"xgboost-binary": read_xgboost, "lightgbm-binary": read_lightgbm, "catboost-binary": read_catboost}


def values_around(thresholds: list[float]) -> Iterator[float]:
    for value in thresholds:
        yield from (value, float(np.nextafter(value, np.inf)), float(np.nextafter(value, -np.inf)))


@pytest.mark.parametrize("name", READERS)
def test_values_beside_the_thresholds_decide_alike(name: str, tmp_path: Path) -> None:
    """Each threshold, and its neighbours in double and in single precision."""
    model = MODELS[name]()
    with pack(model, tmp_path) as bundle:
        forest = READERS[name](model).forest
        numbers = forest.threshold[~forest.leaf].astype(float).tolist()
        edges = sorted({*values_around(numbers), *(float(np.float32(value)) for value in values_around(numbers))})
        rows = pd.DataFrame({name: np.resize(edges, len(edges)) for name in "abcd"})
        rows["whole"], rows["flag"] = 3, True
        with bundle.load(runtime="onnx") as one, bundle.load(runtime="native") as other:
            np.testing.assert_allclose(one.predict_proba(rows), other.predict_proba(rows), rtol=2e-4, atol=1e-6)
            assert (one.predict(rows) == other.predict(rows)).all()


# --- what has no graph, and says why ---


def with_categories() -> pd.DataFrame:
    return X.assign(kind=pd.Categorical(RANDOM.choice(["u", "v", "w"], ROWS)))


WITHOUT_GRAPH: dict[str, tuple[Callable[[], Any], str]] = {
    "linear": (lambda: xgboost.XGBRegressor(booster="gblinear", **SMALL).fit(X.fillna(0), SCORE), "linear booster"),
    "objective": (lambda: xgboost.XGBRegressor(objective="reg:gamma", **SMALL).fit(X, SCORE.abs() + 1), ""),
    "hinge": (lambda: xgboost.XGBClassifier(objective="binary:hinge", **SMALL).fit(X, TWO), "'binary:hinge'"),
    "vectors": (
        lambda: xgboost.XGBRegressor(multi_strategy="multi_output_tree", tree_method="hist", **SMALL).fit(
            X, np.c_[SCORE, -SCORE]
        ),
        "several values per leaf",
    ),
    "zero": (lambda: lightgbm.LGBMRegressor(zero_as_missing=True, **LGB).fit(X, SCORE), "zero as null"),
    "linear leaves": (lambda: lightgbm.LGBMRegressor(linear_tree=True, **LGB).fit(X, SCORE), "linear leaves"),
    "forest": (
        lambda: lightgbm.LGBMRegressor(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, **LGB).fit(X, SCORE),
        "random forests",
    ),
    "own loss": (lambda: lightgbm.LGBMRegressor(objective="poisson", **LGB).fit(X, SCORE.abs()), ""),
    "sigmoid": (lambda: lightgbm.LGBMClassifier(sigmoid=2.0, **LGB).fit(X, TWO), "sigmoid:2"),
    "lossguide": (lambda: catboost.CatBoostRegressor(grow_policy="Lossguide", **CAT).fit(X, SCORE), "not symmetric"),
    "uncertainty": (
        lambda: catboost.CatBoostRegressor(loss_function="RMSEWithUncertainty", **CAT).fit(X, SCORE),
        "'RMSEWithUncertainty'",
    ),
    "one-vs-all": (
        lambda: catboost.CatBoostClassifier(loss_function="MultiClassOneVsAll", **CAT).fit(X, THREE),
        "'MultiClassOneVsAll'",
    ),
}


@pytest.mark.parametrize("name", WITHOUT_GRAPH)
def test_the_reason_why_there_is_no_graph(name: str, tmp_path: Path) -> None:
    make, told = WITHOUT_GRAPH[name]
    with pack(make(), tmp_path, X.fillna(0) if name == "linear" else X) as bundle:
        kinds = [item.kind for item in bundle.runtimes]
        assert kinds == (["native"] if told else ["onnx", "native"])
        assert not told or told in reason(bundle)


def test_categories_in_catboost_are_native_only(tmp_path: Path) -> None:
    frame = with_categories()
    model = catboost.CatBoostClassifier(cat_features=["kind"], **CAT).fit(frame, TWO)
    with pack(model, tmp_path, frame) as bundle:
        expected = model.predict_proba(frame)
        np.testing.assert_array_equal(bundle.load().predict_proba(frame), expected)
        np.testing.assert_array_equal(bundle.load().predict_proba(frame.to_dict("records")), expected)
        assert "categor" in reason(bundle)


def test_splits_at_zero_have_a_graph(tmp_path: Path) -> None:
    """LightGBM takes all that is nearer to zero than 1e-35 for zero, where thresholds lie as well."""
    signed = pd.DataFrame({"a": np.round(RANDOM.normal(scale=3, size=ROWS)), "b": RANDOM.normal(size=ROWS)})
    model = lightgbm.LGBMRegressor(**LGB).fit(signed, (signed["a"] < 0) + 2.0 * (signed["a"] > 0))
    assert "-1.0000000180025095e-35" in model.booster_.model_to_string()
    with pack(model, tmp_path, signed) as bundle, bundle.load(runtime="onnx") as loaded:
        zero = 1.0000000180025095e-35
        edges = [edge for end in (-zero, 0.0, zero) for edge in (np.nextafter(end, -1), end, np.nextafter(end, 1))]
        rows = pd.DataFrame({"a": edges, "b": 0.0})
        np.testing.assert_allclose(loaded.predict(rows), model.predict(rows), rtol=1e-12)


def test_arrays_of_rows_that_are_one_tensor(tmp_path: Path) -> None:
    wide = RANDOM.normal(size=(60, 4200)).astype("float32")
    with pack(xgboost.XGBRegressor(**SMALL).fit(wide, wide[:, 0]), tmp_path, wide) as bundle:
        assert [item.kind for item in bundle.runtimes] == ["onnx", "native"]
    from scipy.sparse import csr_matrix

    rows = csr_matrix(wide * (wide > 1))
    with pack(xgboost.XGBRegressor(**SMALL).fit(rows, wide[:, 0]), tmp_path / "sparse", rows) as bundle:
        assert "dense" in reason(bundle)
    named = {"a": wide[:, 0], "b": wide[:, 1]}
    booster = xgboost.XGBRegressor(**SMALL).fit(pd.DataFrame(named), wide[:, 2])
    with pytest.raises(PackError):  # no booster takes a dict
        pack(booster, tmp_path / "dict", named)


# --- what is kept as a pickle ---


class Own(lightgbm.LGBMRegressor):  # type: ignore[misc]
    pass


def squared(truth: Any, found: Any) -> tuple[Any, Any]:
    return found - truth, np.ones_like(found)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Own(**LGB).fit(X, SCORE),
        lambda: lightgbm.LGBMRegressor(objective=squared, **LGB).fit(X, SCORE),
        lambda: xgboost.XGBRegressor(objective=squared, **SMALL).fit(X, SCORE),
        lambda: lightgbm.LGBMClassifier(**LGB).fit(X, DATES[TWO]),
    ],
    ids=["derived", "lightgbm-objective", "xgboost-objective", "dates"],
)
def test_what_such_a_file_does_not_hold_is_pickled(make: Callable[[], Any], tmp_path: Path) -> None:
    model = make()
    with pack(model, tmp_path) as bundle:
        assert native(bundle).format == "pickle"
        np.testing.assert_array_equal(bundle.load(runtime="native").predict(X), model.predict(X))


# --- trust, and what is wrong with files ---


def test_opening_needs_trust_and_says_why(tmp_path: Path) -> None:
    path = pack(MODELS["lightgbm-binary"](), tmp_path).path
    with modelwheel.open(path) as bundle:
        with pytest.raises(TrustError) as error:
            bundle.load(runtime="native")
        assert "a file of LightGBM, whose compiled reader is not made for files of strangers" in str(error.value)
        with pytest.raises(TrustError, match="the native model is a file of LightGBM, and the bundle's digest"):
            bundle.load(runtime="native", trust=modelwheel.Trust.digests("sha256:" + "0" * 64))
        assert bundle.load(runtime="onnx").runtime == "onnx"
        assert bundle.load(runtime="native", trust=modelwheel.Trust.digests(bundle.digest)).runtime == "native"
        told = bundle.explain()
        assert next(item for item in told.runtimes if item.kind == "native").imports == ()


def test_files_that_cannot_be_read() -> None:
    with pytest.raises(InvalidBundle, match="the catboost-cbm file cannot be read") as error:
        open_file("catboost-cbm", b"CBM1 nonsense", {"class": "CatBoost"})
    assert error.value.__cause__ is not None
    with pytest.raises(InvalidBundle, match="KeyError"):
        open_file("xgboost-ubj", b"", {})


def test_a_setting_names_no_class_to_import() -> None:
    """Whatever the manifest calls the class, only those of the table are built."""
    file = recognise(model := MODELS["catboost-regressor"]()).native(model)
    assert file is not None
    assert not isinstance(file, str)
    made = open_file("catboost-cbm", file.data, {"class": "Pool"})
    assert type(made).__name__ == "CatBoost"


def test_without_the_framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(MODELS["lightgbm-binary"](), tmp_path).path
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "lightgbm", None)
        with pytest.raises(EnvironmentMismatch, match="lightgbm"):
            modelwheel.load(path, runtime="native", trust=modelwheel.Trust.unsafe_run_code())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnx", None)
        with pytest.raises(MissingExtra, match=r"modelwheel\[xgboost\]"):
            pack(MODELS["xgboost-binary"](), tmp_path)


@pytest.mark.parametrize(
    "model",
    [xgboost.XGBClassifier(), xgboost.Booster(), lightgbm.LGBMClassifier(), catboost.CatBoostClassifier()],
    ids=lambda model: f"{type(model).__module__}",
)
def test_unfitted_models(model: Any, tmp_path: Path) -> None:
    with pytest.raises(PackError) as error:
        pack(model, tmp_path)
    assert error.value.code == "pack.not-fitted"


def test_the_model_is_fed_another_sample(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="the sample lacks columns that the model was fitted on") as error:
        pack(MODELS["xgboost-binary"](), tmp_path, X[["a"]])
    assert "b" in {defect.field for defect in error.value.defects}


# --- in pipelines, and light ---

PIPELINES: dict[str, tuple[Any, Any]] = {
    "xgboost": (xgboost.XGBClassifier(**SMALL), TWO),
    "xgboost-regressor": (xgboost.XGBRegressor(**SMALL), SCORE),
    "lightgbm": (lightgbm.LGBMClassifier(**LGB), NAMED3),
    "lightgbm-regressor": (lightgbm.LGBMRegressor(**LGB), SCORE),
    "catboost": (catboost.CatBoostClassifier(**CAT), NAMED),
    "catboost-regressor": (catboost.CatBoostRegressor(**CAT), SCORE),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_boosters_in_pipelines_have_graphs(name: str, tmp_path: Path) -> None:
    booster, target = PIPELINES[name]
    frame = X.assign(kind=RANDOM.choice(["u", "v", "w"], ROWS))
    columns = make_column_transformer(
        (StandardScaler(), list("abcd")),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["kind"]),
        ("passthrough", ["whole"]),
    )
    model = make_pipeline(columns, booster).fit(frame, target)
    with pack(model, tmp_path, frame) as bundle:
        assert [(item.kind, item.format) for item in bundle.runtimes] == [("onnx", "onnx"), ("native", "pickle")]
        assert modelwheel.verify(bundle.path, trust=modelwheel.Trust.digests(bundle.digest)).ok


def test_loading_imports_one_framework_and_not_scikit_learn(tmp_path: Path) -> None:
    rows = X.to_numpy("float64")
    path = pack(lightgbm.LGBMClassifier(**LGB).fit(rows, NAMED3), tmp_path, rows).path
    code = (
        "import json, sys, modelwheel; t = modelwheel.Trust.unsafe_run_code();"
        "m = modelwheel.load(sys.argv[1], runtime='native', trust=t); m.check();"
        "print(json.dumps([n for n in ('lightgbm', 'xgboost', 'catboost', 'onnx') if n in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path)], capture_output=True, check=True)
    assert json.loads(done.stdout) == ["lightgbm"]


def test_the_command_line_says_what_the_native_model_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = pack(MODELS["lightgbm-binary"](), tmp_path).path
    assert main(["explain", str(path)]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "a file of LightGBM, whose compiled reader" in told
    assert "--trust-digest" in told
    assert "pickle" not in told
