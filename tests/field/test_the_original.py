"""Must hold: `.original` gives the object back to those who trust it, and the tools of scikit-learn work with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import PartialDependenceDisplay, partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, get_scorer, make_scorer

import modelwheel
from field.elsewhere import TRUST, pack
from modelwheel.adapters.function import FunctionAdapter
from modelwheel.errors import ModelwheelError, TrustError
from modelwheel_loader.model import RESERVED

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list("abc"))
TARGET = np.where(FRAME["a"] > 0, "yes", "no")
MODEL = RandomForestClassifier(5, random_state=0).fit(FRAME, TARGET)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return pack(MODEL, FRAME, tmp_path_factory.mktemp("dist"))


def test_the_object_comes_back(bundle: Any) -> None:
    with bundle.load(runtime="native") as loaded:
        assert type(loaded.original) is RandomForestClassifier
        assert (loaded.original.feature_importances_ == MODEL.feature_importances_).all()
        assert loaded.original is loaded.original


def test_only_to_those_who_trust_it(bundle: Any) -> None:
    with pytest.raises(TrustError):
        modelwheel.load(bundle.path, runtime="native")
    assert modelwheel.load(bundle.path, runtime="native", trust=TRUST).original is not None


def test_another_runtime_names_the_one_that_has_it(bundle: Any) -> None:
    with bundle.load(runtime="onnx") as loaded, pytest.raises(ModelwheelError, match=r'runtime="native"'):
        loaded.original  # noqa: B018


def test_a_closed_model_gives_nothing(bundle: Any) -> None:
    loaded = bundle.load(runtime="native")
    loaded.close()
    with pytest.raises(ModelwheelError, match="closed"):
        loaded.original  # noqa: B018


def test_functions_and_modules_come_back_as_they_were(tmp_path: Path) -> None:
    import torch

    def double(frame: Any) -> Any:
        return frame["a"].to_numpy() * 2

    with pack(double, FRAME, tmp_path / "function").load() as loaded:
        assert (loaded.original(FRAME) == double(FRAME)).all()
    net = torch.nn.Linear(3, 2).eval()
    sample = FRAME.to_numpy().astype("float32")
    with pack(net, sample, tmp_path / "net").load(runtime="native") as loaded:
        assert isinstance(loaded.original, torch.nn.Linear)


class Painting:
    """Has a method with the name that `Model` got later."""

    def predict(self, frame: Any) -> Any:
        return frame["a"].to_numpy()

    def original(self, frame: Any) -> Any:
        return frame["a"].to_numpy() + 1


def test_a_method_of_the_bundle_wins_over_a_name_of_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FunctionAdapter, "methods", lambda _, model: ("predict", "original"))
    monkeypatch.setattr(FunctionAdapter, "function", lambda _, model, name, *__: getattr(model, name))
    with pack(Painting(), FRAME, tmp_path).load() as loaded:
        assert (loaded.original(FRAME) == Painting().original(FRAME)).all()
        assert "original" in loaded.methods


def test_reserved_names_are_those_of_format_1() -> None:
    """A name that is added here would hide a method of a bundle that was packed before."""
    assert sorted(RESERVED) == ["bundle", "check", "close", "methods", "runtime"]


def tool_works(use: Any) -> None:
    """The tool answers as for the original, or the error says in one sentence that `.original` is the way."""
    try:
        use()
    except (ModelwheelError, TypeError, ValueError, AttributeError) as error:
        told = str(error)
    else:
        return
    assert ".original" in told


@pytest.mark.parametrize("runtime", ["native", "onnx"])
@pytest.mark.parametrize("name", ["accuracy", "neg_log_loss", "roc_auc", "f1_macro"])
def test_scorers(name: str, runtime: str, bundle: Any) -> None:
    scorer = get_scorer(name)
    with bundle.load(runtime=runtime) as loaded:
        tool_works(lambda: _equal(scorer(loaded, FRAME, TARGET), scorer(MODEL, FRAME, TARGET)))


def _equal(one: Any, other: Any) -> None:
    assert np.allclose(one, other, atol=1e-6)


def test_a_scorer_of_the_authors_own(bundle: Any) -> None:
    scorer = make_scorer(accuracy_score)
    with bundle.load(runtime="native") as loaded:
        tool_works(lambda: _equal(scorer(loaded, FRAME, TARGET), scorer(MODEL, FRAME, TARGET)))


@pytest.mark.parametrize("scoring", [None, "accuracy"])
def test_permutation_importance(scoring: str | None, bundle: Any) -> None:
    def importance(model: Any) -> Any:
        made = permutation_importance(model, FRAME, TARGET, scoring=scoring, n_repeats=2, random_state=0)
        return made.importances_mean

    with bundle.load(runtime="native") as loaded:
        tool_works(lambda: _equal(importance(loaded), importance(MODEL)))


def test_partial_dependence(bundle: Any) -> None:
    with bundle.load(runtime="native") as loaded:

        def compare() -> None:
            _equal(*(partial_dependence(each, FRAME, ["a"])["average"] for each in (loaded, MODEL)))

        tool_works(compare)
        pytest.importorskip("matplotlib")
        tool_works(lambda: PartialDependenceDisplay.from_estimator(loaded, FRAME, ["a"]))


def test_tools_work_with_the_original(bundle: Any) -> None:
    with bundle.load(runtime="native") as loaded:
        _equal(get_scorer("accuracy")(loaded.original, FRAME, TARGET), MODEL.score(FRAME, TARGET))
        made = permutation_importance(loaded.original, FRAME, TARGET, n_repeats=1, random_state=0)
        assert len(made.importances_mean) == 3
        assert LogisticRegression is not type(loaded.original)
