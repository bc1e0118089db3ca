"""A12: a method of that name, not a relative of it; an answer of that class, refused or named where it is not kept."""

from __future__ import annotations

import collections
import decimal
import enum
import fractions
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LinearRegression

import modelwheel
from field.elsewhere import answers_elsewhere, differs, kinds, pack, promised, refused, said
from modelwheel.errors import PackError

FRAME = pd.DataFrame({"a": np.random.default_rng(0).normal(size=40)})
X = np.random.default_rng(0).normal(size=(40, 3)).astype("float32")


class Own(torch.nn.Module):  # type: ignore[misc]
    """A module with methods of its own; `predict` answers labels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 4)

    def forward(self, x: Any) -> Any:
        return self.layer(x)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def predict(self, x: Any) -> Any:
        return self(torch.as_tensor(x)).argmax(1).numpy()

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def predict_proba(self, x: Any) -> Any:
        return self(torch.as_tensor(x)).softmax(1).numpy()


def own() -> Any:
    torch.manual_seed(0)
    return Own().eval()


def test_predict_of_a_module_is_its_own(tmp_path: Path) -> None:
    model = own()
    try:
        bundle = pack(model, X, tmp_path)
    except PackError as error:
        refused(error, "predict.*forward|forward.*predict")
        return
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            if "predict" in loaded.methods:
                assert not differs(model.predict(X), loaded.predict(X), 1e-6)
    assert "predict_proba" in bundle.methods or "predict_proba" in said(bundle)
    assert "predict" in bundle.methods or "forward" in said(bundle)


def test_predict_of_a_module_elsewhere(tmp_path: Path) -> None:
    model = own()
    try:
        bundle = pack(model, X, tmp_path)
    except PackError as error:
        refused(error, "predict")
        return
    if "native" in kinds(bundle) and "predict" in bundle.methods:
        assert not differs(model.predict(X), answers_elsewhere(bundle, X), 1e-6)


def test_the_bound_predict_of_a_module(tmp_path: Path) -> None:
    model = own()
    bundle = pack(model.predict, X, tmp_path)
    with bundle.load() as loaded:
        assert not differs(model.predict(X), loaded.predict(X))


class Lightning(torch.nn.Module):  # type: ignore[misc]
    """Its `forward` in training mode is a step of training; what it answers otherwise is another thing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        made = self.layer(x)[:, 0]
        return ((made - 1) ** 2).expand(len(x)) if self.training else made


def test_advice_leads_to_what_answers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Lightning()
    with pytest.raises(PackError) as caught:
        pack(model, X, tmp_path)
    refused(caught.value, "training mode")
    model.eval()
    bundle = pack(model, X, tmp_path)
    with torch.no_grad():
        expected = model(torch.as_tensor(X)).numpy()
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            assert not differs(expected, loaded.predict(X), 1e-5)


class Training(torch.nn.Module):  # type: ignore[misc]
    """`forward(x, y)` answers the loss: a step of training, whatever the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x: Any, y: Any) -> Any:
        return ((self.layer(x)[:, 0] - y) ** 2).mean()


def test_a_loss_is_no_answer_for_rows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(PackError) as caught:
        pack(Training().eval(), {"x": torch.as_tensor(X), "y": torch.zeros(40)}, tmp_path)
    refused(caught.value, "one value for all rows|row")


# --- classes of answers ---


class Pair(NamedTuple):
    low: Any
    high: Any


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Grade(enum.IntEnum):
    BAD = 1
    GOOD = 2


def values(frame: Any) -> Any:
    return frame["a"].to_numpy()


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "a tuple of rows": lambda frame: tuple(values(frame).tolist()),
    "rows of tuples": lambda frame: [(float(v), float(-v)) for v in values(frame)],
    "a tuple of arrays": lambda frame: (values(frame), -values(frame)),
    "a named tuple of arrays": lambda frame: Pair(values(frame), -values(frame)),
    "rows of named tuples": lambda frame: [Pair(float(v), float(-v)) for v in values(frame)],
    "a masked array": lambda frame: np.ma.masked_less(values(frame), 0.0),
    "an array of a mask and records": lambda frame: np.ma.masked_array(values(frame).round().astype(int), mask=False),
    "numbers as keys": lambda frame: [{0: float(v), 1: float(-v)} for v in values(frame)],
    "Booleans as keys": lambda frame: [{False: float(v), True: float(-v)} for v in values(frame)],
    "a dict of arrays by number": lambda frame: {0: values(frame), 1: -values(frame)},
    "members of an Enum": lambda frame: [Level.HIGH if v > 0 else Level.LOW for v in values(frame)],
    "members of an IntEnum": lambda frame: [Grade.GOOD if v > 0 else Grade.BAD for v in values(frame)],
    "an array of members": lambda frame: np.array([Level.HIGH if v > 0 else Level.LOW for v in values(frame)]),
    "decimals": lambda frame: [decimal.Decimal(int(v * 100)) / 100 for v in values(frame)],
    "fractions": lambda frame: [fractions.Fraction(int(v * 100), 100) for v in values(frame)],
    "sets": lambda frame: [{int(v), 1} for v in values(frame)],
    "an ordered dict": lambda frame: [collections.OrderedDict(z=float(v), a=1.0) for v in values(frame)],
    "numpy scalars": lambda frame: list(values(frame)),
    "float32 scalars": lambda frame: list(values(frame).astype("float32")),
    "complex numbers": lambda frame: values(frame) + 1j,
    "a matrix of the old class": lambda frame: np.matrix(values(frame)).T,  # noqa: NPY201, RUF100
    "large integers": lambda frame: (values(frame) * 1e18).astype("int64"),
    "large integers in a list": lambda frame: [2**53 + index for index in range(len(frame))],
    "int8": lambda frame: values(frame).astype("int8"),
    "datetimes": lambda frame: [pd.Timestamp("2026-01-01", tz="UTC")] * len(frame),
    "a pandas index": lambda frame: pd.Index(values(frame)),
    "a categorical": lambda frame: pd.Categorical(np.where(values(frame) > 0, "hi", "lo")),
    "a structured array": lambda frame: np.array(
        [(float(v), float(-v)) for v in values(frame)], dtype=[("low", "f8"), ("high", "f8")]
    ),
    "None for some": lambda frame: [float(v) if v > 0 else None for v in values(frame)],
    "a generator": lambda frame: (float(v) for v in values(frame)),
    "bytes": lambda frame: [b"x" if v > 0 else b"y" for v in values(frame)],
    "a text of another class": lambda frame: [np.str_("x") for _ in values(frame)],
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("name", ANSWERS)
def test_the_class_of_an_answer_is_kept_refused_or_named(name: str, tmp_path: Path) -> None:
    function = ANSWERS[name]

    def predict(frame: Any) -> Any:
        return function(frame)

    if name == "a generator":
        with pytest.raises(PackError) as caught:
            pack(predict, FRAME, tmp_path)
        refused(caught.value, "generator|iterator|no output schema")
        return
    promised(predict, FRAME, tmp_path, refusal="answer|predict", told=r"predict.*(comes? back|became|answers?) ")


@pytest.mark.parametrize(
    "name",
    [
        "a tuple of arrays",
        "rows of tuples",
        "rows of named tuples",
        "members of an Enum",
        "members of an IntEnum",
        "numbers as keys",
        "a masked array",
        "numpy scalars",
        "a text of another class",
        "decimals",
    ],
)
def test_elsewhere_and_isolated(name: str, tmp_path: Path, isolated: Callable[[Any], modelwheel.Model]) -> None:
    function = ANSWERS[name]

    def predict(frame: Any) -> Any:
        return function(frame)

    try:
        bundle = pack(predict, FRAME, tmp_path)
    except PackError as error:
        refused(error, "answer|predict")
        return
    expected = predict(FRAME)
    found = [answers_elsewhere(bundle, FRAME)]
    with isolated(bundle) as loaded:
        found.append(loaded.predict(FRAME))
    for one in found:
        assert not differs(expected, one) or "comes back" in said(bundle), differs(expected, one)


def test_integers_stay_integers_in_a_graph(tmp_path: Path) -> None:
    """A graph that answers float32 where the original answers int64 loses digits from 2**24 on."""

    class Count(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.sum(1)

    sample = torch.arange(2**24, 2**24 + 120).reshape(40, 3)
    model = Count().eval()
    bundle = pack(model, sample, tmp_path)
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            assert not differs(model(sample).numpy(), loaded.predict(sample.numpy())), kind


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32", "bool"])
def test_the_dtype_of_a_regression_on_another_dtype(dtype: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": np.arange(40) % 7, "b": np.arange(40) % 2}).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression().fit(frame, frame["a"].astype("float64") * 2)
    promised(model, frame, tmp_path)
