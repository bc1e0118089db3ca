"""A loaded model: what goes wrong in it, what it gives for one row and for none, and how it is closed."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import BernoulliRBM

import modelwheel
from modelwheel.errors import NoSuchMethod, OutputError, PredictionError, UsageError

X = np.random.default_rng(0).normal(size=(40, 3))
Y = np.where(X[:, 0] > 0, "yes", "no")
NATIVE = modelwheel.Options(runtimes=("native",))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    model = LogisticRegression().fit(X, Y)
    return modelwheel.pack(model, name="c", version="1", sample=X, out=tmp_path_factory.mktemp("dist"))


def packed(function: Any, sample: Any, out: Path) -> modelwheel.Model:
    return modelwheel.pack(function, name="f", version="1", sample=sample, options=NATIVE, out=out).load()


def test_what_the_model_raises_is_one_typed_error(tmp_path: Path) -> None:
    def model(rows: Any) -> Any:
        if (rows > 99).any():
            raise KeyError("secret")
        return rows.sum(axis=1)

    loaded = packed(model, X, tmp_path)
    with pytest.raises(PredictionError, match=r"predict\(\) raised KeyError") as caught:
        loaded.predict(X * 1000)
    assert isinstance(caught.value.__cause__, KeyError)


def test_an_answer_of_another_type_is_refused(tmp_path: Path) -> None:
    def model(rows: Any) -> Any:
        return rows.sum(axis=1) if rows[0, 0] < 99 else [object()] * len(rows)

    with pytest.raises(OutputError) as caught:
        packed(model, X, tmp_path).predict([[100.0, 0.0, 0.0]])
    assert caught.value.code.startswith("output.")


@pytest.mark.parametrize("runtime", ["onnx", "native"])
def test_one_row_gives_scalars_and_no_rows_give_no_rows(classifier: modelwheel.Bundle, runtime: str) -> None:
    with classifier.load(runtime=runtime) as model:
        one = dict(zip(classifier.schema.names, X[0].tolist(), strict=True))
        label = model.predict(one)
        assert type(label) is str
        assert label == Y[0]
        assert model.predict_proba(one).shape == (2,)
        assert model.predict(X[:0]).shape == (0,)
        assert model.predict_proba([]).shape == (0, 2)
        assert model.predict(X[:0]).dtype.kind == model.predict(X).dtype.kind
        assert model.runtime == runtime
        assert repr(model).startswith("<Model c 1")


def test_scalars_are_pythons_own(tmp_path: Path) -> None:
    model = modelwheel.pack(LinearRegression().fit(X, X[:, 0]), name="r", version="1", sample=X, out=tmp_path).load()
    assert type(model.predict({"x0": 1.0, "x1": 0.0, "x2": 0.0})) is float


def test_closed_models_say_so(classifier: modelwheel.Bundle) -> None:
    model = classifier.load(runtime="onnx")
    model.close()
    with pytest.raises(UsageError, match="closed"):
        model.predict(X)


def test_methods_that_are_not_there(classifier: modelwheel.Bundle) -> None:
    model = classifier.load(runtime="onnx")
    assert not hasattr(model, "transform")
    with pytest.raises(NoSuchMethod, match="no method 'transform'"):
        _ = model.transform


def test_methods_that_only_another_runtime_has(tmp_path: Path) -> None:
    machine = BernoulliRBM(2, random_state=0).fit(X)  # draws at random for `score_samples`, which no graph does
    bundle = modelwheel.pack(machine, name="c", version="1", sample=X, out=tmp_path)
    with pytest.raises(NoSuchMethod, match="the onnx runtime of c"):
        _ = bundle.load(runtime="onnx").score_samples
    assert hasattr(bundle.load(runtime="native"), "score_samples")


def _warning(columns: dict[str, Any]) -> Any:
    warnings.warn("log of zero", RuntimeWarning, stacklevel=1)
    return columns["x"]


def test_warnings_of_the_model_are_no_fault_of_its_answers(tmp_path: Path) -> None:
    sample = {"x": np.arange(4.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bundle = modelwheel.pack(_warning, name="warns", version="1", sample=sample, out=tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        model = bundle.load()
        with pytest.raises(PredictionError):
            model.predict(sample)
        assert model.check().ok
        assert bundle.verify().ok
        assert warnings.filters == before


def test_check_replays_the_examples(classifier: modelwheel.Bundle) -> None:
    report = classifier.load(runtime="native").check()
    assert report.ok
    assert {step.name for step in report.steps} == {f"native {name}" for name in classifier.methods}


@pytest.mark.parametrize("runtime", ["onnx", "native"])
def test_models_and_bundles_pickle(classifier: modelwheel.Bundle, runtime: str) -> None:
    model = pickle.loads(pickle.dumps(classifier.load(runtime=runtime)))
    assert model.runtime == runtime
    np.testing.assert_array_equal(model.predict(X), Y if runtime == "none" else classifier.load().predict(X))
    again = pickle.loads(pickle.dumps(classifier))
    assert again.digest == classifier.digest


def test_a_closed_bundle_reads_nothing_more_and_its_models_go_on(tmp_path: Path) -> None:
    bundle = modelwheel.pack(LogisticRegression().fit(X, Y), name="c", version="1", sample=X, out=tmp_path)
    model = bundle.load(runtime="native")
    bundle.close()
    assert model.predict(X).tolist() == LogisticRegression().fit(X, Y).predict(X).tolist()
    with pytest.raises(modelwheel.errors.ModelwheelError, match="closed"):
        bundle.load()


def test_the_callers_data_never_change(tmp_path: Path) -> None:
    def model(frame: Any) -> Any:
        frame["a"] = -1.0
        frame.iloc[:, 1] = -2.0
        return np.zeros(len(frame))

    sample = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    kept = sample.copy()
    loaded = packed(model, sample, tmp_path)
    loaded.predict(sample)
    pd.testing.assert_frame_equal(sample, kept)


def test_folder_and_file_are_one_bundle(classifier: modelwheel.Bundle, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(classifier.path) as archive:
        archive.extractall(tmp_path / "unpacked")
    folder = modelwheel.open(tmp_path / "unpacked")
    assert (folder.kind, folder.digest) == ("folder", classifier.digest)
    np.testing.assert_array_equal(folder.load(runtime="onnx").predict(X), classifier.load(runtime="onnx").predict(X))
    assert folder.verify(trust=modelwheel.Trust.digests(folder.digest)).ok
    (tmp_path / "unpacked" / "modelwheel_bundles" / "c" / "extra.bin").write_bytes(b"x")
    with pytest.raises(modelwheel.errors.InvalidBundle, match=r"extra\.bin"):
        modelwheel.open(tmp_path / "unpacked")
