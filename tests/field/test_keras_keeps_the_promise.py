"""Neighbours of A5, A6 and A12: models of Keras, which are fed by name, and may have methods of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from field.elsewhere import ONNX, ask_elsewhere, differs, kinds, options, pack, refused, said
from modelwheel.errors import PackError

# Keras hands TensorFlow's variables to NumPy in a way of old, and names a type that NumPy no longer has
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning"),
]
RANDOM = np.random.default_rng(0)
ROWS = {"left": RANDOM.normal(size=(24, 3)).astype("float32"), "right": RANDOM.normal(size=(24, 3)).astype("float32")}


def two_inputs() -> Any:
    keras.utils.set_random_seed(0)
    left, right = keras.Input((3,), name="left"), keras.Input((3,), name="right")
    return keras.Model({"left": left, "right": right}, keras.layers.Dense(2)(left * 2.0 - right))


class Labels(keras.Sequential):  # type: ignore[misc]
    """`predict` answers labels, as people write it over the one of Keras."""

    def predict(self, x: Any, **more: Any) -> Any:
        return np.argmax(super().predict(x, verbose=0, **more), axis=1)


@pytest.mark.parametrize("order", [("left", "right"), ("right", "left")])
def test_a_dict_is_fed_by_name(order: tuple[str, str], tmp_path: Path) -> None:
    model, sample = two_inputs(), {name: ROWS[name] for name in order}
    bundle = pack(model, sample, tmp_path)
    expected = model.predict(sample, verbose=0)
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            assert not differs(expected, loaded.predict(sample), ONNX)


def test_an_input_that_the_model_does_not_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError) as caught:
        pack(two_inputs(), {**ROWS, "label": np.zeros(24)}, tmp_path)
    refused(caught.value, "label")


def test_predict_of_a_class_is_its_own(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = Labels([keras.Input((3,)), keras.layers.Dense(4)])
    expected = model.predict(ROWS["left"])
    try:
        bundle = pack(model, ROWS["left"], tmp_path)
    except PackError as error:
        refused(error, "predict")
        return
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            found = loaded.predict(ROWS["left"])
        assert not differs(expected, found) or "predict" in str(bundle.report.notes), differs(expected, found)


def test_double_precision_of_the_process(tmp_path: Path) -> None:
    """`keras.config.set_floatx` when the model is made, and another setting where it is asked."""
    keras.config.set_floatx("float64")
    try:
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        sample = RANDOM.normal(size=(24, 3)) * 1e6
        expected = model.predict(sample, verbose=0)
        bundle = pack(model, sample, tmp_path, options=options(runtimes=("native",)))
    finally:
        keras.config.set_floatx("float32")
    (found,) = ask_elsewhere(bundle, ("predict", sample, {}))
    assert not differs(expected, found, 1e-12) or "floatx" in said(bundle)
