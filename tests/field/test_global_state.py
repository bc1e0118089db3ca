"""A6: settings of the process that an answer depends on are recorded and restored around each call, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import modelwheel
from field.elsewhere import answers_elsewhere, differs, kinds, pack, refused
from modelwheel.errors import PackError

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])


def ratio(frame: Any) -> Any:
    return frame.assign(ratio=frame["a"] * frame["b"])


@pytest.fixture
def pandas_output() -> Iterator[None]:
    with sklearn.config_context(transform_output="pandas"):
        yield


def packed(model: Any, sample: Any, out: Path, words: str) -> Any:
    """The bundle; None when it was refused in these words."""
    try:
        return pack(model, sample, out)
    except PackError as error:
        refused(error, words)
        return None


def test_a_pipeline_that_needs_frames_answers_elsewhere(pandas_output: None, tmp_path: Path) -> None:
    model = make_pipeline(StandardScaler(), FunctionTransformer(ratio), Ridge()).fit(FRAME, FRAME["a"])
    bundle = packed(model, FRAME, tmp_path, "transform_output|set_config")
    if bundle is not None:
        assert not differs(model.predict(FRAME), answers_elsewhere(bundle, FRAME))


def test_a_transformer_answers_frames_elsewhere(pandas_output: None, tmp_path: Path) -> None:
    """The neighbour: the answer itself depends on the setting."""
    model = StandardScaler().fit(FRAME)
    bundle = packed(model, FRAME, tmp_path, "transform_output|set_config")
    for kind in kinds(bundle) if bundle is not None else ():
        found = answers_elsewhere(bundle, FRAME, "transform", kind)
        assert not differs(model.transform(FRAME), found, 1e-6), kind


def test_isolated_too(pandas_output: None, tmp_path: Path, isolated: Callable[[Any], modelwheel.Model]) -> None:
    model = make_pipeline(StandardScaler(), FunctionTransformer(ratio), Ridge()).fit(FRAME, FRAME["a"])
    bundle = packed(model, FRAME, tmp_path, "transform_output|set_config")
    if bundle is not None:
        with isolated(bundle) as loaded:
            assert not differs(model.predict(FRAME), loaded.predict(FRAME))


def test_the_settings_of_the_caller_stay_his_own(tmp_path: Path) -> None:
    with sklearn.config_context(transform_output="pandas"):
        model = make_pipeline(StandardScaler(), FunctionTransformer(ratio), Ridge()).fit(FRAME, FRAME["a"])
        bundle = packed(model, FRAME, tmp_path, "transform_output|set_config")
        expected = model.predict(FRAME)
    if bundle is None:
        return
    before = sklearn.get_config()
    with bundle.load(runtime="native") as loaded, ThreadPoolExecutor(4) as threads:
        found = list(threads.map(loaded.predict, [FRAME] * 4))  # threads of scikit-learn have settings of their own
    assert sklearn.get_config() == before
    assert isinstance(StandardScaler().fit_transform(FRAME), np.ndarray)
    assert not any(differs(expected, one) for one in found)


def test_a_model_packed_without_the_setting_answers_where_it_is_set(tmp_path: Path) -> None:
    """The setting of the caller does not change what a bundle answers."""
    scaler = StandardScaler().fit(FRAME)
    bundle = pack(scaler, FRAME, tmp_path)
    expected = scaler.transform(FRAME)
    with sklearn.config_context(transform_output="pandas"):
        for kind in kinds(bundle):
            with bundle.load(runtime=kind) as loaded:
                assert not differs(expected, loaded.transform(FRAME), 1e-6)


class Routed(Ridge):  # type: ignore[misc]
    """Answers by a setting of its framework."""

    def predict(self, X: Any) -> Any:
        extra = 1.0 if sklearn.get_config()["enable_metadata_routing"] else 0.0
        return super().predict(X) + extra


def test_metadata_routing(tmp_path: Path) -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = Routed().fit(FRAME, FRAME["a"])
        expected = model.predict(FRAME)
        bundle = packed(model, FRAME, tmp_path, "enable_metadata_routing|set_config")
    if bundle is not None:
        assert not differs(expected, answers_elsewhere(bundle, FRAME))


def printed(frame: Any) -> Any:
    return frame[["a"]].to_string(header=False, index=False).splitlines()


def test_options_of_pandas(tmp_path: Path) -> None:
    with pd.option_context("display.precision", 2):
        expected = printed(FRAME)
        bundle = packed(printed, FRAME, tmp_path, "display.precision|options? of pandas|pandas.*options?")
    if bundle is not None:
        assert not differs(expected, answers_elsewhere(bundle, FRAME))


class Zeros(torch.nn.Module):  # type: ignore[misc]
    """Makes a tensor of the default dtype."""

    def forward(self, x: Any) -> Any:
        return torch.full((x.shape[0],), 0.1) + x[:, 0].to(torch.get_default_dtype())


def test_the_default_dtype_of_torch(tmp_path: Path) -> None:
    sample = torch.rand(20, 2, dtype=torch.float64)
    torch.set_default_dtype(torch.float64)
    try:
        model = Zeros().eval()
        expected = model(sample).numpy()
        bundle = packed(model, sample, tmp_path, "default dtype")
    finally:
        torch.set_default_dtype(torch.float32)
    for kind in kinds(bundle) if bundle is not None else ():
        assert not differs(expected, answers_elsewhere(bundle, sample.numpy(), runtime=kind), 1e-6), kind
    assert torch.get_default_dtype() == torch.float32
