"""Every adapter passes the contract suite; and a distribution of somebody else's brings one that does."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import statsmodels.api
import statsmodels.formula.api
import xgboost
from onnx import TensorProto
from sklearn.linear_model import LogisticRegression

from graphs import model, node, value
from modelwheel.adapters import recognise
from modelwheel.adapters.boosters import CatboostAdapter, LightgbmAdapter, XgboostAdapter
from modelwheel.adapters.function import FunctionAdapter
from modelwheel.adapters.onnx_model import OnnxAdapter
from modelwheel.adapters.sklearn import SklearnAdapter
from modelwheel.adapters.statsmodels import StatsmodelsAdapter
from modelwheel.errors import PackError
from modelwheel.packing.pack import pack
from modelwheel.testing import CHECKS, Case, Check

RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(120, 3)), columns=list("abc"))
Y = (X["a"] + X["b"] > 0).astype(int)
SMALL = X[["a"]]


def total(rows: pd.DataFrame) -> Any:
    return rows.sum(axis=1).to_numpy()


class Scored:
    """As MLflow's Python models are."""

    def predict(self, context: object, model_input: pd.DataFrame) -> Any:
        assert context is None
        return model_input["a"].to_numpy() * 2


def with_target() -> pd.DataFrame:
    return X.assign(kind=np.where(Y, "u", "v"), y=X["a"] * 2 - X["b"], secret="customer 4711")


def graph(operator: str = "Abs") -> object:
    return model([node(operator, ["x"], ["y"])], inputs=[value("x", TensorProto.FLOAT, [None, 3])])


CASES = {
    "onnx": Case(adapter=OnnxAdapter(), model=graph(), sample=X.to_numpy(), unfitted=graph("Nothing"),
                 wrong=SMALL.to_numpy(), module="onnx"),
    "xgboost": Case(adapter=XgboostAdapter(), model=xgboost.XGBClassifier(n_estimators=5).fit(X, Y), sample=X,
                    unfitted=xgboost.XGBClassifier(), wrong=SMALL, module="xgboost"),
    "lightgbm": Case(adapter=LightgbmAdapter(), model=lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(X, Y),
                     sample=X, unfitted=lightgbm.LGBMClassifier(), wrong=SMALL, module="lightgbm"),
    "catboost": Case(adapter=CatboostAdapter(), sample=X, unfitted=catboost.CatBoostClassifier(), wrong=SMALL,
                     model=catboost.CatBoostClassifier(iterations=5, verbose=0, allow_writing_files=False).fit(X, Y),
                     module="catboost"),
    "scikit-learn": Case(adapter=SklearnAdapter(), model=LogisticRegression().fit(X, Y), sample=X,
                         unfitted=LogisticRegression(), wrong=SMALL, module="sklearn"),
    "statsmodels": Case(adapter=StatsmodelsAdapter(), model=statsmodels.api.OLS(X["a"] * 2, X).fit(), sample=X,
                        wrong=X[["b"]], graph=False, module="statsmodels"),
    "statsmodels-formula": Case(adapter=StatsmodelsAdapter(), sample=with_target()[["a", "b", "kind"]], wrong=SMALL,
                                model=statsmodels.formula.api.ols("y ~ a + I(b ** 2) + C(kind)", with_target()).fit(),
                                graph=False, module="statsmodels"),
    "context": Case(adapter=FunctionAdapter(), model=Scored(), sample=X, wrong=X[["b"]], graph=False),
    "function": Case(adapter=FunctionAdapter(), model=total, sample=X, wrong=[object()], graph=False),
}  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_contract(case: Case, check: Check, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.parametrize("name", ["statsmodels", "statsmodels-formula"])
def test_training_data_of_statsmodels_stays_here(name: str, tmp_path: Path) -> None:
    """All of it for arrays; for formulas the columns that they do not name."""
    case = CASES[name]
    with pack(case.model, name="line", version="1.0", sample=case.sample, out=tmp_path) as bundle:
        assert b"customer 4711" not in bundle.path.read_bytes()
        column = X["b"].to_numpy().tobytes()[80:160]
        assert (column in bundle.path.read_bytes()) is (name == "statsmodels-formula")


# --- somebody else's ---

ADAPTER = """
import sys
from modelwheel.adapters import Adapter

class Line:
    def __init__(self, slope):
        self.slope = slope

    def answer(self, rows):
        return rows["x"].to_numpy() * self.slope

class LineAdapter(Adapter):
    framework = "acme-lines"

    def recognises(self, model):
        return type(model) is Line

    def methods(self, model):
        return ("answer",)

    def convert(self, model, schema, methods):
        yield "lines have no graph"
"""
SCRIPT = """
import pathlib, sys
import pandas as pd
from acme_lines import Line, LineAdapter
from modelwheel.testing import CHECKS, Case

case = Case(adapter=LineAdapter(), model=Line(2.0), sample=pd.DataFrame({"x": [1.0, 2.0, 3.5]}), graph=False)
for number, check in enumerate(CHECKS):
    check(case, pathlib.Path(sys.argv[1], str(number)))
    print(check.__name__)
"""


def installed(folder: Path, value: str = "acme_lines:LineAdapter") -> Path:
    """A distribution with an adapter, built as a wheel and installed by pip."""
    wheel = folder / "acme_lines-1.0-py3-none-any.whl"
    info = "acme_lines-1.0.dist-info/"
    files = {
        "acme_lines.py": ADAPTER,
        info + "METADATA": "Metadata-Version: 2.1\nName: acme-lines\nVersion: 1.0\n",
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "entry_points.txt": f"[modelwheel.adapters]\nlines = {value}\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr(info + "RECORD", "".join(f"{name},,\n" for name in [*files, info + "RECORD"]))
    site = folder / "site"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True)
    return site


def test_an_adapter_of_an_installed_distribution_passes_the_suite(tmp_path: Path) -> None:
    site = installed(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(site)!r}); exec({SCRIPT!r})"
    environment = {"PYTHONPATH": str(site), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], capture_output=True, text=True, env=environment,
        check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.split() == [check.__name__ for check in CHECKS]


@pytest.mark.parametrize(
    ("value", "told"),
    [("acme_lines:Nothing", "cannot be loaded: AttributeError"), ("acme_lines:Line", "cannot be loaded: TypeError"),
     ("builtins:object", "does not derive from")],
)  # fmt: skip
def test_a_broken_adapter_is_named(value: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path, value))
    with pytest.raises(PackError, match=told) as error:
        recognise(object())
    assert value in str(error.value)
    monkeypatch.delitem(sys.modules, "acme_lines", raising=False)


def test_adapters_of_others_are_not_looked_for_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed(tmp_path, "acme_lines:Nothing"))
    assert recognise(CASES["scikit-learn"].model).framework == "scikit-learn"
