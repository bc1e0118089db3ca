"""A reader that overlooks what an answer depends on must refuse the bundle: such keys are listed as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from field.elsewhere import pack

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=["a", "b"])


def test_a_plain_bundle_asks_nothing_new_of_its_reader(tmp_path: Path) -> None:
    bundle = pack(Ridge().fit(FRAME, FRAME["a"]), FRAME, tmp_path)
    assert bundle.manifest.features == ()
    assert "features" not in bundle.manifest.to_dict()


def test_answers_with_an_index_are_a_feature(tmp_path: Path) -> None:
    bundle = pack(StandardScaler().set_output(transform="pandas").fit(FRAME), FRAME, tmp_path)
    assert bundle.methods["transform"].index
    assert bundle.manifest.features == ("answers-index",)


def test_settings_of_scikit_learn_are_a_feature(tmp_path: Path) -> None:
    with sklearn.config_context(transform_output="pandas"):
        bundle = pack(StandardScaler().fit(FRAME), FRAME, tmp_path)
    assert "sklearn-settings" in bundle.manifest.features
