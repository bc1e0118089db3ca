"""Keras and SavedModels: both payloads answer as the model, by name; what is hostile is refused before it runs."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import modelwheel
from builders import replaced
from modelwheel.adapters import recognise
from modelwheel.adapters.keras import KerasAdapter
from modelwheel.adapters.tensorflow import TensorflowAdapter
from modelwheel.errors import EnvironmentMismatch, InvalidBundle, MissingExtra, PackError, TrustError
from modelwheel.testing import (
    CHECKS,
    Case,
    Check,
    answers_as_the_model,
    recognises_its_model_and_no_other,
)
from modelwheel_loader.opening.manifest import NativePayload, OnnxPayload, Requirement
from modelwheel_loader.proof.comparison import compare
from modelwheel_loader.run import archives as opener
from modelwheel_loader.run.archives import check_keras, keras_references
from modelwheel_loader.run.environment import check
from modelwheel_loader.run.model_files import open_file

# Keras hands TensorFlow's variables to NumPy in a way of old, and names a type that NumPy no longer has
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]
LAYERS = keras.layers
NATIVE = modelwheel.Options(runtimes=("native",))
TRUST = modelwheel.Trust.unsafe_run_code()
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(40, 3))
ROWS = {"numbers": X, "city": RANDOM.integers(0, 10, 40)}


def dense(width: int = 2) -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), LAYERS.Dense(4, activation="relu"), LAYERS.Dense(width)])


def several(*, by_name: bool) -> Any:
    keras.utils.set_random_seed(0)
    numbers, city = keras.Input((3,), name="numbers"), keras.Input((1,), name="city", dtype="int64")
    hidden = LAYERS.Concatenate()([LAYERS.Dense(4)(numbers), LAYERS.Flatten()(LAYERS.Embedding(10, 2)(city))])
    score, kind = LAYERS.Dense(1, name="score")(hidden), LAYERS.Dense(3, activation="softmax", name="kind")(hidden)
    if by_name:
        return keras.Model({"numbers": numbers, "city": city}, {"score": score, "kind": kind})
    return keras.Model([numbers, city], [score, kind])


class Own(keras.Model):  # type: ignore[misc]
    """Code of the author's own, with two inputs that only calling it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = LAYERS.Dense(2)

    def call(self, given: Any) -> Any:
        return self.dense(given["x"]) * 2 + given["y"]


def own() -> Any:
    keras.utils.set_random_seed(0)
    model = Own()
    model.predict_on_batch(OWN_ROWS)
    return model


def with_lambda() -> Any:
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), LAYERS.Dense(2), LAYERS.Lambda(lambda x: x * 2)])


OWN_ROWS = {"y": X[:, :2], "x": X}


def pack(model: Any, sample: Any, out: Path, **more: Any) -> modelwheel.Bundle:
    return modelwheel.pack(model, name="net", version="1.0", sample=sample, out=out, **more)


def exported(model: Any, folder: Path) -> Path:
    model.export(str(folder), verbose=False)
    return folder


def native(bundle: modelwheel.Bundle) -> NativePayload:
    return next(item for item in bundle.runtimes if isinstance(item, NativePayload))


CASE = Case(adapter=KerasAdapter(), model=dense(), sample=X, unfitted=keras.Sequential([LAYERS.Dense(1)]),
            wrong=X[:, :2], module="keras")  # fmt: skip
QUICK = (answers_as_the_model, recognises_its_model_and_no_other)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check, tmp_path: Path) -> None:
    check(CASE, tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(dense(), tmp_path_factory.mktemp("saved") / "model")


@pytest.mark.parametrize(
    "check",
    [pytest.param(check, marks=() if check in QUICK else pytest.mark.slow, id=check.__name__) for check in CHECKS],
)
def test_contract_of_saved_models(check: Check, tmp_path: Path, folder: Path) -> None:
    check(
        Case(adapter=TensorflowAdapter(), model=folder, sample=X, wrong=X[:, :2], module="tensorflow"),
        tmp_path,
    )


MODELS: dict[str, Any] = {
    "dict": (lambda: several(by_name=True), ROWS, "keras"),
    "list": (lambda: several(by_name=False), ROWS, "keras"),
    "own": (own, OWN_ROWS, "saved-model"),
    "lambda": (with_lambda, X, "saved-model"),
}


@pytest.mark.parametrize("name", MODELS)
def test_both_payloads_answer_as_the_model(name: str, tmp_path: Path) -> None:
    make, sample, form = MODELS[name]
    model = make()
    expected = recognise(model).opened(model).predict(sample)
    with pack(model, sample, tmp_path) as bundle:
        assert native(bundle).format == form
        assert native(bundle).reproducible is (form == "keras")
        assert compare(expected, bundle.load(runtime="native").predict(sample)).exact
        assert compare(expected, bundle.load(runtime="onnx").predict(sample), absolute=1e-5).within
        graph = next(item for item in bundle.runtimes if isinstance(item, OnnxPayload))
        if isinstance(sample, dict):
            assert {item.name for item in graph.inputs} == set(sample)
            one = {key: values[3].tolist() for key, values in sample.items()}
            row = bundle.load(runtime="native").predict(one)
            assert compare(bundle.load(runtime="onnx").predict(one), row, absolute=1e-5).within


def test_tables_feed_inputs_by_name_and_many_rows_are_answered_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
    model = keras.Model({"a": a, "b": b}, {"sum": LAYERS.Add()([a, b]), "all": [a, b]})
    table = pd.DataFrame({"b": X[:, 0], "a": X[:, 1]})
    monkeypatch.setattr(opener, "ROWS_AT_ONCE", 15)
    opened = recognise(model).opened(model)
    found = opened.predict(table)
    assert list(found) == ["all", "sum"]
    np.testing.assert_allclose(found["sum"][:, 0], table.sum(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found["all"][1][:, 0], table["b"].astype("float32"))
    with pack(keras.Model({"a": a, "b": b}, LAYERS.Add()([a, b])), table, tmp_path, options=NATIVE) as bundle:
        assert bundle.load().predict({"a": 2.0, "b": 1.0}) == 3.0
        assert bundle.load().predict(table[:0]).shape == (0, 1)


def test_sequences_have_any_length_and_texts_are_looked_up(tmp_path: Path) -> None:
    steps, city = keras.Input((None, 4), name="steps"), keras.Input((1,), name="city", dtype="string")
    found = LAYERS.StringLookup(vocabulary=["Bern", "Oslo"], output_mode="one_hot")(city)
    model = keras.Model([steps, city], LAYERS.Dense(1)(LAYERS.Concatenate()([LAYERS.LSTM(3)(steps), found])))
    sample = {"steps": RANDOM.normal(size=(30, 6, 4)), "city": np.resize(np.array(["Bern", "Oslo", "?"], object), 30)}
    with pack(model, sample, tmp_path) as bundle:
        (reason,) = [item.reason for item in bundle.manifest.left_out if item.kind == "onnx"]
        assert reason.startswith("the graph of Keras does not accept the sample")
        longer = {"steps": RANDOM.normal(size=(2, 9, 4)), "city": np.array(["Oslo", "Bern"], object)}
        answer = bundle.load(runtime="native").predict(longer)
        np.testing.assert_array_equal(answer, recognise(model).opened(model).predict(longer))


def test_the_archive_holds_no_optimizer_and_no_time(tmp_path: Path) -> None:
    model = dense()
    model.compile("adam", loss=lambda truth, found: keras.ops.mean(found - truth))
    model.fit(X, X[:, :2], verbose=0)
    with pack(model, X, tmp_path, options=NATIVE) as bundle, zipfile.ZipFile(bundle.path) as wheel:
        data = wheel.read("modelwheel_bundles/net/native/model.keras")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert json.loads(archive.read("config.json"))["compile_config"] is None
        assert json.loads(archive.read("metadata.json"))["date_saved"] == "1980-01-01@00:00:00"
        assert len(archive.read("model.weights.h5")) < 25_000
    assert model.optimizer is not None


def test_classes_that_this_process_has_registered_are_not_elsewhere(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable("acme")
    class Thrice(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return x * 3

    model = keras.Sequential([keras.Input((3,)), Thrice()])
    with pack(model, X, tmp_path, options=NATIVE) as bundle:
        assert native(bundle).format == "saved-model"
    assert "acme>Thrice" in keras.saving.get_custom_objects()


# --- SavedModels ---


def test_loaded_ones_are_saved_again(tmp_path: Path) -> None:
    model = several(by_name=True)
    loaded = tf.saved_model.load(str(exported(model, tmp_path / "model")))
    expected = recognise(model).opened(model).predict(ROWS)
    with pack(loaded, ROWS, tmp_path, options=NATIVE) as bundle:
        assert native(bundle).settings["signature"] == "serving_default"
        assert bundle.manifest.model == {"framework": "tensorflow", "class": "tensorflow.saved_model"}
        assert compare(expected, bundle.load().predict(ROWS)).exact


class Scaled(tf.Module):  # type: ignore[misc]
    """A signature of numbers, and one that looks words up in a file."""

    def __init__(self, words: Path) -> None:
        super().__init__()
        words.write_text("cat\ndog\n")
        read = tf.lookup.TextFileInitializer(
            str(words), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
        )
        self.table = tf.lookup.StaticHashTable(read, -1)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "word")])  # type: ignore[untyped-decorator]
    def number(self, word: Any) -> Any:
        return {"number": self.table.lookup(word)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])  # type: ignore[untyped-decorator]
    def scaled(self, x: Any) -> Any:
        return {"twice": x * 2, "half": x / 2}


def test_signatures_of_all_names_and_what_has_none(tmp_path: Path) -> None:
    made, one, none = Scaled(tmp_path / "words.txt"), tmp_path / "one", tmp_path / "none"
    tf.saved_model.save(made, str(one), signatures={"score": made.scaled})
    with pack(str(one), {"x": np.arange(4.0)}, tmp_path / "out", options=NATIVE) as bundle:
        assert bundle.load().predict({"x": 3.0}) == {"half": 1.5, "twice": 6.0}
    tf.saved_model.save(made, str(tmp_path / "words"), signatures=made.number)
    words = np.array(["dog", "cat", "?"], object)
    with pack(tmp_path / "words", {"word": words}, tmp_path / "words-out", options=NATIVE) as bundle:
        assert bundle.load().predict({"word": words}).tolist() == [1, 0, -1]
    tf.saved_model.save(made, str(none))
    with pytest.raises(PackError, match="no signature that services ask"):
        pack(none, {"x": np.arange(4.0)}, tmp_path)
    (one / "notes").mkdir()
    (one / "notes" / "a.txt").write_text("no file of a SavedModel")
    with pytest.raises(PackError, match="does not belong to a SavedModel"):
        pack(one, {"x": np.arange(4.0)}, tmp_path)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(PackError, match="TensorFlow cannot load"):
        pack(tmp_path / "broken", {"x": np.arange(4.0)}, tmp_path)
    assert not TensorflowAdapter().recognises("no\0name")


# --- what is missing here ---


def test_without_the_framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    path = pack(dense(), X, tmp_path, options=NATIVE).path
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tensorflow", None)
        with pytest.raises(MissingExtra, match=r"modelwheel\[tensorflow\]"):
            pack(folder, X, tmp_path)
        patch.setitem(sys.modules, "keras", None)
        with pytest.raises(EnvironmentMismatch, match="keras"):
            modelwheel.load(path, trust=TRUST)
    assert not check(">=3.11", [Requirement(name="tensorflow", version="2.0", specifier=">=2")])


def test_exporting_needs_tf2onnx_and_says_what_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    import tf2onnx

    def fails(*_: Any, **__: Any) -> None:
        raise NotImplementedError("no such operator\nand much more")

    with monkeypatch.context() as patch:
        patch.setattr(tf2onnx.convert, "from_function", fails)
        for number, (model, said) in enumerate(((dense(), "Keras does not export it"), (folder, "tf2onnx does not"))):
            with pack(model, X, tmp_path / str(number)) as bundle:
                (reason,) = [item.reason for item in bundle.manifest.left_out if item.kind == "onnx"]
                assert reason.startswith(said)
                assert reason.endswith("NotImplementedError: no such operator")
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    for model in (dense(), folder):
        with pytest.raises(MissingExtra, match=r"modelwheel\[tensorflow\]"):
            pack(model, X, tmp_path / "missing")


def test_another_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file: Any = KerasAdapter().native(KerasAdapter().opened(dense()))
    with pytest.raises(EnvironmentMismatch, match="another backend") as error:
        open_file("keras", file.data, {**file.settings, "backend": "torch"})
    assert (error.value.defects[0].found, error.value.defects[0].expected) == ("tensorflow", "torch")
    with pytest.raises(InvalidBundle, match="unknown backend"):
        open_file("keras", file.data, {**file.settings, "backend": "os"})
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(EnvironmentMismatch, match="another backend"):
        open_file("keras", file.data, file.settings)


TORCH = """
import sys, keras, numpy as np, modelwheel
assert keras.backend.backend() == "torch"
layers, given = keras.layers, np.random.default_rng(0).normal(size=(20, 3)).astype("float32")
model = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="relu"), layers.Dense(2)])
nothing = modelwheel.Dependencies(lock="none")
with modelwheel.pack(model, name="net", version="1.0", sample=given, out=sys.argv[1], dependencies=nothing) as bundle:
    assert [item.kind for item in bundle.runtimes] == ["onnx", "native"], bundle.report
    assert bundle.load(runtime="native").predict(given).tobytes() == model.predict_on_batch(given).tobytes()
other = keras.Sequential([keras.Input((3,)), layers.Lambda(lambda x: x * 2)])
with modelwheel.pack(other, name="own", version="1.0", sample=given, out=sys.argv[1], dependencies=nothing) as bundle:
    assert [item.kind for item in bundle.runtimes] == ["onnx"], bundle.report
    print(next(item.reason for item in bundle.manifest.left_out if item.kind == "native"))
"""


@pytest.mark.slow
def test_keras_on_pytorch_is_loaded_on_pytorch(tmp_path: Path) -> None:
    """Whatever this process would have chosen: the backend is the bundle's."""
    chosen = {**os.environ, "KERAS_BACKEND": "torch"}
    command = [sys.executable, "-W", "ignore", "-c"]
    done = subprocess.run([*command, TORCH, str(tmp_path)], env=chosen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "keras.layers.Lambda" in done.stdout
    script = "import sys, modelwheel as m; trust = m.Trust.unsafe_run_code();"
    script += "model = m.load(sys.argv[1], runtime='native', trust=trust);"
    script += "assert model.check().ok; import keras, os; assert keras.backend.backend() == 'torch';"
    script += "assert 'KERAS_BACKEND' not in os.environ and 'tensorflow' not in sys.modules"
    chosen.pop("KERAS_BACKEND")
    path = str(tmp_path / "net-1.0-py3-none-any.whl")
    done = subprocess.run([*command, script, path], env=chosen, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- hostile files ---


def archive(model: Any, folder: Path, **members: bytes) -> bytes:
    """What Keras itself writes of a model, with other members."""
    model.save(folder / "made.keras")
    made = io.BytesIO()
    with zipfile.ZipFile(folder / "made.keras") as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, members.get(name.replace(".", "_"), old.read(name)))
        for name in members.keys() - {name.replace(".", "_") for name in old.namelist()}:
            new.writestr(name, members[name])
    return made.getvalue()


def layer(**changes: Any) -> bytes:
    """A configuration with one object in it, as a hostile author would write it."""
    item = {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}, "registered_name": None} | changes
    config = {"name": "s", "trainable": True, "layers": [item]}
    return json.dumps({"module": "keras", "class_name": "Sequential", "config": config}).encode()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"module": "os", "class_name": "system", "config": "touch /tmp/ran"}, "os.system"),
        ({"module": "builtins", "class_name": "function", "config": "eval"}, "builtins.eval"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "keras.utils.get_file"),
        ({"module": "keras.config", "class_name": "enable_unsafe_deserialization"}, "enable_unsafe_deserialization"),
        ({"class_name": "Lambda"}, "keras.layers.Lambda"),
        ({"class_name": "TFSMLayer", "config": {"filepath": "/tmp/x"}}, "keras.layers.TFSMLayer"),
        ({"class_name": "TorchModuleWrapper"}, "keras.layers.TorchModuleWrapper"),
        ({"class_name": "__lambda__", "module": None}, "__lambda__"),
        ({"class_name": ["Dense"]}, "keras.layers"),
        ({"module": None, "registered_name": "Own"}, "<registered>.Dense"),
        ({"registered_name": "Custom>Own"}, "keras.layers.Dense"),
        ({"module": "kerasx.layers"}, "kerasx.layers.Dense"),
    ],
)
def test_what_is_no_class_of_keras_is_refused_before_keras_sees_it(
    changes: dict[str, Any], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = archive(dense(), tmp_path, config_json=layer(**changes))
    monkeypatch.setattr(keras.saving, "load_model", None)
    with pytest.raises(InvalidBundle, match="names what a bundle may not hold") as error:
        open_file("keras", data, {"backend": "tensorflow", "inputs": [], "form": "one"})
    assert error.value.code == "native.types"
    assert named in str(error.value)


def test_a_swapped_archive_is_shown_and_refused(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,)), LAYERS.Lambda(lambda x: x)])
    path = pack(dense(), X, tmp_path, options=NATIVE).path
    wheel = replaced(path, {"native/model.keras": archive(model, tmp_path)}, tmp_path / "hostile")
    with modelwheel.open(wheel) as bundle:
        assert "keras.layers.Lambda" in bundle.explain().runtimes[0].imports
        with pytest.raises(TrustError, match="an archive of Keras, which builds the layers that it names"):
            bundle.load()
        with pytest.raises(InvalidBundle, match="Lambda"):
            bundle.load(trust=TRUST)
    with modelwheel.open(path) as bundle:
        assert "keras.layers.Dense" in bundle.explain().runtimes[0].imports


def test_archives_that_are_none(tmp_path: Path) -> None:
    model = dense()
    with pytest.raises(InvalidBundle, match=r"it holds assets\.txt"):
        check_keras(archive(model, tmp_path, **{"assets.txt": b"/etc/passwd"}))
    for data in (b"", b"PK\x05\x06" + bytes(18), archive(model, tmp_path)[:-40]):
        with pytest.raises(InvalidBundle):
            open_file("keras", data, {"backend": "tensorflow", "inputs": [], "form": "one"})
    with pytest.raises(InvalidBundle, match="nested"):
        check_keras(archive(model, tmp_path, config_json=b"[" * 9999 + b"]" * 9999))
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("config.json", " " * 1_000_000)
    with pytest.raises(InvalidBundle, match="is compressed"):
        check_keras(made.getvalue())
    with pytest.raises(InvalidBundle, match="more than 2 classes"):
        keras_references(archive(model, tmp_path), limits=modelwheel.Limits(pickle_references=2))


@pytest.mark.parametrize("name", ["../saved_model.pb", "/etc/cron.d/x", "variables/../../x", "run.sh/x", "a\\b"])
def test_saved_models_write_no_file_outside(name: str, tmp_path: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as hostile:
        hostile.writestr(name, b"x")
    with pytest.raises(InvalidBundle, match="not a file of a SavedModel"):
        open_file("saved-model", made.getvalue(), {})
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as hostile:
        hostile.writestr("saved_model.pb", bytes(1_000_000))
    with pytest.raises(InvalidBundle, match="is compressed"):
        open_file("saved-model", made.getvalue(), {})
