"""A11: the replay that counts is elsewhere: a fresh interpreter, another folder, nothing of the author's around it."""

from __future__ import annotations

import pickle
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import modelwheel
from field.elsewhere import answers_elsewhere, author, differs, options, pack, refused, said
from modelwheel.errors import ModelwheelError, PackError

X = np.random.default_rng(0).random((40, 2))
FRAME = pd.DataFrame(X, columns=["a", "b"])
pytestmark = pytest.mark.usefixtures("fresh_replay")
FRESH = modelwheel.Options()
"""What `pack` does by default, which these tests are about."""


def fresh(model: Any, sample: Any, out: Path, **more: Any) -> Any:
    return pack(model, sample, out, options=FRESH, **more)


class Log(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: Any = None) -> Any:
        self.n_ = len(X)
        return self

    def transform(self, X: Any) -> Any:
        return X.assign(log=np.log1p(X["b"]))


class Holder:
    """Keeps a model as bytes of a pickle, in which its class goes by name."""

    def __init__(self, model: Any) -> None:
        self.data = pickle.dumps(model)

    def predict(self, X: Any) -> Any:
        return pickle.loads(self.data).predict(X)


class Net:
    """As skorch does: pickles its module into bytes of its own."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getstate__(self) -> dict[str, bytes]:
        return {"bytes": pickle.dumps(self.module)}

    def __setstate__(self, state: dict[str, bytes]) -> None:
        self.module = pickle.loads(state["bytes"])

    def predict(self, X: Any) -> Any:
        return self.module.transform(X)["log"].to_numpy()


class Lazy:
    """Opens its weights when it is asked."""

    def __init__(self, path: str) -> None:
        self.path = path

    def predict(self, X: Any) -> Any:
        return np.asarray(X) @ np.load(self.path)


# --- classes by name in bytes that no scan looks into ---


@pytest.mark.parametrize("make", [Holder, Net], ids=["bytes in an attribute", "bytes in a state"])
def test_a_class_that_goes_by_name_is_found(make: Any, tmp_path: Path) -> None:
    inner = Log().fit(FRAME)
    model = make(make_pipeline(inner, LinearRegression()).fit(FRAME, X[:, 0])) if make is Holder else make(inner)
    expected = model.predict(FRAME)
    try:
        bundle = fresh(model, FRAME, tmp_path)
    except PackError as error:
        refused(error, "Log|test_fresh_replay")
        return
    assert not differs(expected, answers_elsewhere(bundle, FRAME))


def test_a_class_of_the_notebook(tmp_path: Path) -> None:
    code = """
        import pickle
        import numpy as np
        import modelwheel

        class Module:
            def __call__(self, X):
                return X[:, 0] * 2

        class Net:
            def __init__(self, module):
                self.module = module
            def __getstate__(self):
                return {"bytes": pickle.dumps(self.module)}
            def __setstate__(self, state):
                self.module = pickle.loads(state["bytes"])
            def predict(self, X):
                return self.module(X)

        X = np.arange(40.0).reshape(20, 2)
        lock = modelwheel.Dependencies(lock="none")
        try:
            modelwheel.pack(Net(Module()), name="case", version="1.0", sample=X, dependencies=lock)
            print("packed")
        except modelwheel.errors.PackError as error:
            print("refused", error, [defect.hint or defect.advice for defect in error.defects])
    """
    done = author(textwrap.dedent(code), tmp_path)
    assert not done.returncode, done.stderr
    if done.stdout.startswith("refused"):
        assert "Module" in done.stdout
        return
    sample = np.arange(40.0).reshape(20, 2)
    bundle = modelwheel.open(next((tmp_path / "dist").glob("*.whl")))
    assert not differs(sample[:, 0] * 2, answers_elsewhere(bundle, sample))


def test_a_model_inside_brings_its_packages(tmp_path: Path) -> None:
    """scikit-learn is needed by bytes that name it; it is declared, with the reason."""
    model = Holder(make_pipeline(StandardScaler(), LinearRegression()).fit(X, X[:, 0]))
    bundle = fresh(model, X, tmp_path)
    needs = {item.name: item.reason for payload in bundle.runtimes for item in payload.requires}
    assert "scikit-learn" in needs
    assert not differs(model.predict(X), answers_elsewhere(bundle, X))


# --- files ---


@pytest.mark.parametrize("relative", [False, True], ids=["absolute", "relative"])
def test_a_file_that_stays_behind_is_an_error_with_its_path(
    relative: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    np.save(work / "weights.npy", np.array([1.0, 2.0]))
    monkeypatch.chdir(work)
    with pytest.raises(PackError) as caught:
        fresh(Lazy("weights.npy" if relative else str(work / "weights.npy")), X, tmp_path / "dist")
    refused(caught.value, r"weights\.npy")
    assert not list(tmp_path.glob("dist/*.whl"))


def test_so_is_one_that_is_opened_when_the_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Eager:
        def __init__(self, path: str) -> None:
            self.path = path

        def __setstate__(self, state: dict[str, Any]) -> None:
            self.__dict__ = {**state, "weights": np.load(state["path"])}

        def predict(self, X: Any) -> Any:
            weights = self.__dict__.get("weights")
            return X @ (np.load(self.path) if weights is None else weights)

    monkeypatch.chdir(tmp_path)
    np.save("weights.npy", np.array([1.0, 2.0]))
    with pytest.raises(PackError) as caught:
        fresh(Eager(str(tmp_path / "weights.npy")), X, tmp_path / "dist")
    refused(caught.value, r"weights\.npy")


def test_a_file_of_the_machine_is_a_note(tmp_path: Path) -> None:
    def predict(X: Any) -> Any:
        with open("/etc/passwd", "rb") as stream:  # noqa: PTH123
            return np.full(len(X), float(bool(stream.read(1))))

    bundle = fresh(predict, X, tmp_path)
    assert "/etc/passwd" in said(bundle)


def test_files_of_packages_and_of_the_bundle_are_no_news(tmp_path: Path) -> None:
    bundle = fresh(RandomForestClassifier(3).fit(FRAME, X[:, 0] > 0.5), FRAME, tmp_path)
    assert "site-packages" not in said(bundle)
    assert "opened" not in said(bundle)


# --- packages that are imported while answering ---


def test_a_package_that_is_imported_while_answering_is_declared(tmp_path: Path) -> None:
    def predict(X: Any) -> Any:
        import importlib

        return importlib.import_module("palmer" + "penguins").__name__ and X[:, 0]

    try:
        bundle = fresh(predict, X, tmp_path)
    except PackError as error:
        refused(error, "palmerpenguins")
        return
    needs = {item.name: item.reason for payload in bundle.runtimes for item in payload.requires}
    assert "imported while answering" in needs["palmerpenguins"]
    assert any("palmerpenguins" in text for text in bundle.metadata["requires-dist"])


def test_a_module_of_the_author_that_is_imported_while_answering(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_factors.py").write_text("FACTOR = 2.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def predict(X: Any) -> Any:
        import importlib

        return X[:, 0] * importlib.import_module("own_" + "factors").FACTOR

    with pytest.raises(PackError) as caught:
        fresh(predict, X, tmp_path / "dist")
    refused(caught.value, "own_factors")
    sys.modules.pop("own_factors", None)


# --- what only the author's process has ---


def test_a_registry_of_the_process(tmp_path: Path) -> None:
    """As operators are that a library must have registered: the model finds them in a module of somebody else."""
    import email

    email.registered_for_a_test = lambda X: X[:, 0] + 1  # type: ignore[attr-defined]

    def predict(X: Any) -> Any:
        import email

        return email.registered_for_a_test(X)  # type: ignore[attr-defined]

    with pytest.raises(PackError) as caught:
        fresh(predict, X, tmp_path)
    refused(caught.value, "registered_for_a_test")
    del email.registered_for_a_test  # type: ignore[attr-defined]


def test_another_number_of_rows_is_tried(tmp_path: Path) -> None:
    def predict(X: Any) -> Any:
        if len(X) not in (16, 40):  # the golden rows, and the sample
            raise ValueError("another number of rows")
        return X[:, 0]

    with pytest.raises(PackError) as caught:
        fresh(predict, X, tmp_path)
    refused(caught.value, "number of rows")


def test_it_has_an_environment_variable_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PYTHONPATH of the author's shell is not there elsewhere."""
    (tmp_path / "on_the_path.py").write_text("FACTOR = 2.0\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))

    def predict(X: Any) -> Any:
        import importlib

        return X[:, 0] * importlib.import_module("on_the_" + "path").FACTOR

    with pytest.raises(PackError) as caught:
        fresh(predict, X, tmp_path / "dist")
    refused(caught.value, "on_the_path")
    sys.modules.pop("on_the_path", None)


# --- the interpreter, the option, the cost ---


def test_its_interpreter_is_not_sys_executable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In QGIS or uWSGI that is the application, which must not be started again."""
    application = tmp_path / "application"
    application.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 3\n")
    application.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(application))
    monkeypatch.setattr(sys, "_base_executable", str(application), raising=False)
    bundle = fresh(LinearRegression().fit(FRAME, X[:, 0]), FRAME, tmp_path / "dist")
    assert bundle.load() is not None
    assert "fresh" in said(bundle)  # that it was replayed so, or that no interpreter was found


def test_the_report_says_that_it_was_replayed_elsewhere(tmp_path: Path) -> None:
    bundle = fresh(LinearRegression().fit(FRAME, X[:, 0]), FRAME, tmp_path)
    assert "fresh" in said(bundle)


def test_it_can_be_left_out_and_that_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    np.save(folder / "weights.npy", np.array([1.0, 2.0]))
    bundle = pack(Lazy(str(folder / "weights.npy")), X, tmp_path / "dist", options=options(replay="here"))
    assert "this process" in said(bundle) or "fresh" in said(bundle)
    with pytest.raises(ModelwheelError):
        pack(Lazy(""), X, tmp_path / "wrong", options=options(replay="nowhere"))


def test_what_it_costs(tmp_path: Path) -> None:
    """One import of the model's libraries, on any machine; and nothing when it is left out."""
    model = make_pipeline(StandardScaler(), RandomForestClassifier(5)).fit(FRAME, X[:, 0] > 0.5)
    took = {}
    for name, given in {"warm": FRESH, "fresh": FRESH, "here": options(replay="here")}.items():
        started = time.perf_counter()
        bundle = pack(model, FRAME, tmp_path / name, options=given)
        took[name] = time.perf_counter() - started
    started = time.perf_counter()
    answers_elsewhere(bundle, FRAME)
    took["elsewhere"] = time.perf_counter() - started
    assert took["fresh"] - took["here"] < 1.5 * took["elsewhere"] + 0.5, took


def test_interpreters_that_replay_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    fresh(LinearRegression().fit(FRAME, X[:, 0]), FRAME, tmp_path / "dist")
    assert not list(work.iterdir())
    assert not list((tmp_path / "temporary").iterdir())
    assert [path.suffix for path in (tmp_path / "dist").iterdir()] == [".whl"]
