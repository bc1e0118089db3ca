"""skops files instead of pickles: the same answers, the types that are listed, and what is refused."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import modelwheel
from builders import replaced
from modelwheel.adapters.sklearn import SklearnAdapter, canonical, skops_file
from modelwheel.cli import main
from modelwheel.errors import (
    DependencyError,
    EnvironmentMismatch,
    InvalidBundle,
    MissingExtra,
    PackError,
    TrustError,
    UsageError,
)
from modelwheel.testing import CHECKS, Case, Check
from modelwheel_loader.run.archives import skops_references
from modelwheel_loader.run.model_files import open_file

SKOPS = modelwheel.Options(native="skops", runtimes=("native",))
RANDOM = np.random.default_rng(0)
X = pd.DataFrame(RANDOM.normal(size=(120, 3)), columns=list("abc"))
X["kind"] = np.resize(["u", "v", "w"], 120)
Y = np.where(X["a"] + X["b"] > 0, "yes", "no")
TREE = "sklearn.tree._tree.Tree"


def forest() -> Any:
    columns = make_column_transformer(
        (make_pipeline(FunctionTransformer(np.cbrt), StandardScaler()), ["a", "b", "c"]), (OneHotEncoder(), ["kind"])
    )
    return make_pipeline(columns, RandomForestClassifier(n_estimators=3, min_samples_leaf=20, random_state=0)).fit(X, Y)


def pack(model: Any, out: Path, sample: Any = X, options: modelwheel.Options = SKOPS, **more: Any) -> modelwheel.Bundle:
    return modelwheel.pack(model, name="sure", version="1.0", sample=sample, out=out, options=options, **more)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SklearnAdapter, "native", lambda self, model: skops_file(model))
    check(
        Case(adapter=SklearnAdapter(), model=forest(), sample=X, unfitted=LogisticRegression(), wrong=X[["a"]],
             module="skops"),
        tmp_path,
    )  # fmt: skip


MODELS = {
    "forest": (forest, X, [TREE]),
    "linear": (lambda: LogisticRegression().fit(X[["a", "b"]], Y), X[["a", "b"]], []),
    "boosting": (
        lambda: HistGradientBoostingClassifier(max_iter=3, categorical_features="from_dtype").fit(X[["a", "b"]], Y),
        X[["a", "b"]],
        ["sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor"],
    ),
    "texts": (lambda: CountVectorizer().fit(["the cat", "a dog"]), ["the cat", "a dog"], []),
}


@pytest.mark.parametrize("name", MODELS)
def test_every_method_answers_bit_for_bit_and_types_are_listed(name: str, tmp_path: Path) -> None:
    make, sample, types = MODELS[name]
    model = make()
    with pack(model, tmp_path, sample) as bundle:
        payload: Any = bundle.runtimes[0]
        assert (payload.format, payload.member) == ("skops", "native/model.skops")
        assert payload.settings == {"types": types}
        with bundle.load() as loaded:
            for method in loaded.methods:
                expected, found = getattr(model, method)(sample), getattr(loaded, method)(sample)
                dense = [item.toarray() if hasattr(item, "toarray") else item for item in (expected, found)]
                np.testing.assert_array_equal(*dense)


def test_what_it_builds_is_shown_before_anything_is_trusted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle: Any = pack(forest(), tmp_path)
    assert any(TREE in str(note) for note in bundle.report.notes)
    with modelwheel.open(bundle.path) as opened:
        status = opened.explain().runtimes[0]
        assert status.detail == f"types beyond those that skops trusts by default: {TREE}"
        assert {"numpy.cbrt", TREE, "sklearn.pipeline.Pipeline"} <= set(status.imports)
        with pytest.raises(TrustError, match="a skops file, which builds objects of the classes that it lists"):
            opened.load()
    assert main(["inspect", str(bundle.path)]) == 0
    assert TREE in capsys.readouterr().out


def test_the_command_line_packs_it_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    joblib.dump(forest(), tmp_path / "model.joblib")
    X.to_csv(tmp_path / "sample.csv", index=False)
    given = [str(tmp_path / "model.joblib"), str(tmp_path / "sample.csv"), "--out", str(tmp_path), "--lock", "none"]
    options = ["--name", "sure", "--version", "1.0", "--unsafe-run-code", "--native", "skops", "--runtime", "native"]
    assert main(["pack", *given, *options]) == 0
    assert TREE in capsys.readouterr().out
    with modelwheel.open(tmp_path / "sure-1.0-py3-none-any.whl") as bundle:
        assert bundle.runtimes[0].format == "skops"


def test_opening_and_explaining_imports_no_skops(tmp_path: Path) -> None:
    path = pack(forest(), tmp_path).path
    code = "import sys, modelwheel; modelwheel.open(sys.argv[1]).explain(); assert 'skops' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_the_ranges_are_those_of_pickles(tmp_path: Path) -> None:
    with pack(forest(), tmp_path) as bundle:
        needed = {item.name: item for item in bundle.runtimes[0].requires}
        assert set(needed) == {"numpy", "pandas", "scikit-learn", "skops"}
        assert needed["scikit-learn"].specifier.count(".") == 2  # the same minor
        assert needed["numpy"].reason == "numpy.cbrt in the skops file"


# --- what pack refuses ---


class Own(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, x: Any, y: Any = None) -> Own:
        self.fitted_ = True
        return self

    def transform(self, x: Any) -> Any:
        return x * 2


def test_own_code_has_to_travel_as_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DependencyError, match="Own, which no installed distribution provides") as error:
        pack(make_pipeline(Own()).fit(X[["a"]]), tmp_path, X[["a"]])
    assert "Dependencies(code=" in str(error.value.defects[0].hint)
    source = "from sklearn.base import BaseEstimator, TransformerMixin\nimport numpy as np\n"
    source += "class Log(TransformerMixin, BaseEstimator):\n"
    source += "    def fit(self, x, y=None): return self\n"
    source += "    def __sklearn_is_fitted__(self): return True\n"
    source += "    def transform(self, x): return np.log1p(np.abs(x))\n"
    (tmp_path / "acme_logs.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    acme_logs: Any = __import__("acme_logs")

    model = make_pipeline(acme_logs.Log(), StandardScaler()).fit(X[["a"]])
    code = modelwheel.Dependencies(code=(tmp_path / "acme_logs.py",))
    path = pack(model, tmp_path / "out", X[["a"]], dependencies=code).path
    with modelwheel.open(path) as bundle:
        payload: Any = bundle.runtimes[0]
        assert payload.settings["types"] == ["acme_logs.Log"]
        assert bundle.explain().runtimes[0].detail.startswith("includes the source of acme_logs; types")
    script = "import sys, modelwheel as m; b = m.load(sys.argv[1], trust=m.Trust.unsafe_run_code());"
    script += "assert b.check().ok; assert 'acme_logs' in sys.modules"
    subprocess.run([sys.executable, "-I", "-W", "ignore", "-c", script, str(path)], check=True, cwd=tmp_path)
    sys.modules.pop("acme_logs", None)


@pytest.mark.parametrize(
    ("attribute", "told"),
    [(iter([1]), "AttributeError"), (memoryview(b"1"), "skops cannot hold the model"), (..., "refers to itself")],
    ids=["unread", "unwritten", "loop"],
)
def test_what_skops_cannot_hold(attribute: Any, told: str, tmp_path: Path) -> None:
    """What it refuses, and what it writes and cannot read again."""
    model = StandardScaler().fit(X[["a"]])
    model.more = model if attribute is ... else attribute
    with pytest.raises(PackError, match=told) as error:
        pack(model, tmp_path, X[["a"]])
    assert error.value.code == "pack.native"
    assert not list(tmp_path.iterdir())


def test_only_for_scikit_learn_and_only_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="models of callables cannot be kept as skops files"):
        pack(partial(np.multiply, 2), tmp_path, np.ones((4, 2)))
    with pytest.raises(UsageError, match="unknown native format"):
        pack(forest(), tmp_path, options=modelwheel.Options(native="joblib"))  # type: ignore[arg-type]


def test_without_skops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(forest(), tmp_path).path
    file = skops_file(forest())
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "skops", None)
        patch.setitem(sys.modules, "skops.io", None)
        with pytest.raises(MissingExtra, match=r"modelwheel\[skops\]"):
            pack(forest(), tmp_path)
        with pytest.raises(MissingExtra, match=r"modelwheel\[skops\]"):
            open_file("skops", file.data, file.settings)
    assert modelwheel.load(path, trust=modelwheel.Trust.unsafe_run_code()).check().ok


# --- the file ---


def test_sharing_is_kept_and_sets_have_an_order() -> None:
    shared = np.arange(3.0)
    made = StandardScaler().fit(X[["a"]])
    made.one, made.two, made.words, made.raw = shared, shared, {"c", "a", "b"}, b"raw"
    data = canonical(skops.io.dumps(made))
    assert data == canonical(data)
    again: Any = skops.io.loads(data)
    assert again.one is again.two
    assert (again.words, again.raw) == ({"a", "b", "c"}, b"raw")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {item.date_time for item in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


# --- hostile files ---


def tampered(data: bytes, change: Any, compression: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", compression) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(json.loads(content)) if name == "schema.json" else content)
    return made.getvalue()


def runs_a_program(tree: Any) -> str:
    """A call of os.system in the place of a function, as a hostile author would write it."""
    tree["content"]["content"]["func"] = {
        "__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "__id__": 999_999,
    }  # fmt: skip
    return json.dumps(tree)


def test_an_unlisted_type_is_refused_and_nothing_is_built(tmp_path: Path) -> None:
    model = FunctionTransformer(np.cbrt).fit(X[["a"]])
    with pack(model, tmp_path, X[["a"]]) as bundle:
        path = bundle.path
    file = skops_file(model)
    hostile = tampered(file.data, runs_a_program)
    assert "posix.system" in map(str, skops_references(hostile))
    with pytest.raises(InvalidBundle, match="types that the manifest does not list") as error:
        open_file("skops", hostile, file.settings)
    assert [(item.code, item.where) for item in error.value.defects] == [("native.types", "posix.system")]
    wheel = replaced(path, {"native/model.skops": hostile}, tmp_path / "hostile")
    with modelwheel.open(wheel) as opened:
        assert "posix.system" in opened.explain().runtimes[0].imports
        with pytest.raises(InvalidBundle, match=r"posix\.system"):
            opened.load(trust=modelwheel.Trust.unsafe_run_code())


@pytest.mark.parametrize("types", [[True, 1, None], ["sklearn.tree._tree"], "posix.system", {}])
def test_a_list_of_types_that_is_none_lists_nothing(types: Any) -> None:
    hostile = tampered(skops_file(FunctionTransformer(np.cbrt).fit(X[["a"]])).data, runs_a_program)
    with pytest.raises(InvalidBundle, match=r"native\.types"):
        open_file("skops", hostile, {"types": types})


def test_files_that_are_none() -> None:
    file = skops_file(forest())
    for data in (b"", b"PK\x05\x06" + bytes(18), file.data[:-30], b"\x00" * 100):
        with pytest.raises(InvalidBundle):
            skops_references(data)
        with pytest.raises(InvalidBundle):
            open_file("skops", data, file.settings)
    bomb = tampered(file.data, lambda tree: json.dumps([tree, " " * 5_000_000]), zipfile.ZIP_DEFLATED)
    with pytest.raises(InvalidBundle, match="is compressed"):
        skops_references(bomb)
    deep = tampered(file.data, lambda tree: "[" * 100_000 + "]" * 100_000)
    with pytest.raises(InvalidBundle, match="nested"):
        skops_references(deep)
    few = modelwheel.Limits(pickle_references=3)
    with pytest.raises(InvalidBundle, match="more than 3 classes"):
        skops_references(file.data, limits=few)


def test_another_scikit_learn_is_a_decision_not_a_warning() -> None:
    file = skops_file(StandardScaler().fit(X[["a"]]))

    def older(tree: Any) -> str:
        tree["content"]["content"]["_sklearn_version"]["content"] = '"1.2.0"'
        return json.dumps(tree)

    with pytest.raises(EnvironmentMismatch, match="scikit-learn"):
        open_file("skops", tampered(file.data, older), file.settings)
