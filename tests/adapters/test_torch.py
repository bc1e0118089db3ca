"""PyTorch modules: several inputs, mapped weights, an exported graph, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import modelwheel
from modelwheel.adapters.torch import TorchAdapter
from modelwheel.errors import MissingExtra, PackError
from modelwheel.pickling.dump import dump
from modelwheel.testing import CHECKS, Case, Check, answers_as_the_model, recognises_its_model_and_no_other

NATIVE = modelwheel.Options(runtimes=("native",))
RANDOM = np.random.default_rng(0)


class Words(torch.nn.Module):  # type: ignore[misc]
    """Numbers of words and three numbers beside; two answers."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(50, 4)
        self.layers = torch.nn.Sequential(torch.nn.Linear(7, 8), torch.nn.ReLU(), torch.nn.Dropout(0.5))
        self.last = torch.nn.Linear(8, 2)

    def forward(self, ids: Any, x: Any) -> Any:
        hidden = self.layers(torch.cat([self.table(ids).mean(1), x], dim=1))
        return torch.softmax(self.last(hidden), dim=1), hidden.sum(dim=1)


def seeded(make: Any) -> Any:
    torch.manual_seed(0)
    return make().eval()


SAMPLE = {"ids": RANDOM.integers(0, 50, (30, 6)), "x": RANDOM.normal(size=(30, 3))}
CASE = Case(adapter=TorchAdapter(), model=seeded(Words), sample=SAMPLE, unfitted=Words(), module="torch",
            wrong={"ids": SAMPLE["ids"], "x": SAMPLE["x"][:, :2]})  # fmt: skip
QUICK = (answers_as_the_model, recognises_its_model_and_no_other)


@pytest.mark.parametrize(
    "check",
    [pytest.param(check, marks=() if check in QUICK else pytest.mark.slow, id=check.__name__) for check in CHECKS],
)
def test_contract(check: Check, tmp_path: Path) -> None:
    check(CASE, tmp_path)


def pack(model: Any, sample: Any, out: Path, **more: Any) -> modelwheel.Bundle:
    return modelwheel.pack(model, name="net", version="1.0", sample=sample, out=out, **more)


def linear(width: int = 3) -> Any:
    return seeded(lambda: torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Linear(width, 1)))


def test_large_weights_are_mapped(tmp_path: Path) -> None:
    model = linear(9000)
    x = RANDOM.normal(size=(20, 3)).astype("float32")
    with pack(model, x, tmp_path, options=NATIVE) as bundle:
        payload: Any = bundle.runtimes[0]
        assert payload.mapped_bytes == 9000 * 3 * 4  # the second weight is small
        with torch.inference_mode():
            expected = model(torch.from_numpy(x)).numpy()
        np.testing.assert_array_equal(bundle.load().predict(x), expected)


@pytest.mark.parametrize("sample", [torch.ones(5, 3), pd.DataFrame(np.ones((5, 3)), columns=list("abc"))])
def test_tensors_and_tables_are_samples(sample: Any, tmp_path: Path) -> None:
    model = linear()
    with pack(model, sample, tmp_path, options=NATIVE) as bundle:
        rows = np.ones((2, 3), "float32")
        given = pd.DataFrame(rows, columns=list("abc")) if isinstance(sample, pd.DataFrame) else rows
        found = bundle.load().predict(given)
        np.testing.assert_allclose(found, model(torch.ones(2, 3)).detach().numpy(), rtol=1e-6)


class Named(torch.nn.Module):  # type: ignore[misc]
    def forward(self, x: Any, scale: float = 2.0) -> Any:
        return {"twice": x * scale, "sum": x.sum(dim=1)}


def test_answers_by_name_and_modules_without_weights(tmp_path: Path) -> None:
    with pack(Named().eval(), np.ones((4, 3)), tmp_path, options=NATIVE) as bundle:
        answer = bundle.load().predict(np.ones((2, 3)))
        assert answer["twice"].dtype == np.float64
        assert answer["sum"].tolist() == [3.0, 3.0]


class Branches(torch.nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return x if float(x.sum()) > 0 else -x  # a graph has no such branch


def test_what_the_exporter_cannot_do_is_a_reason(tmp_path: Path) -> None:
    with pack(Branches().eval(), np.ones((4, 3), "float32"), tmp_path) as bundle:
        assert [item.kind for item in bundle.runtimes] == ["native"]
        (reason,) = [item.reason for item in bundle.manifest.left_out if item.kind == "onnx"]
        assert reason.startswith("PyTorch does not export it")


def test_modules_in_training_or_elsewhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError, match="training mode"):
        pack(torch.nn.Linear(3, 1), np.ones((4, 3)), tmp_path)
    with pytest.raises(PackError, match="not on the CPU"):
        pack(torch.nn.Linear(3, 1, device="meta").eval(), np.ones((4, 3)), tmp_path)


def test_tensors_that_numpy_does_not_have_are_pickled_by_pytorch() -> None:
    model = {"b": torch.ones(3, dtype=torch.bfloat16), "g": torch.ones(2, requires_grad=True)}
    made = __import__("pickle").loads(dump(model).stream)
    assert made["b"].dtype is torch.bfloat16
    assert made["g"].requires_grad


def test_exporting_needs_onnxscript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtra, match=r"modelwheel\[torch\]"):
        pack(linear(), np.ones((4, 3)), tmp_path)


class Labels(torch.nn.Linear):  # type: ignore[misc]
    def predict(self, x: Any) -> Any:
        with torch.inference_mode():
            return self(torch.as_tensor(x)).argmax(1).numpy()


def test_a_predict_of_its_own_is_not_replaced_by_forward(tmp_path: Path) -> None:
    model, x = seeded(lambda: Labels(3, 4)), np.eye(3, dtype="float32")
    with pytest.raises(PackError, match=r"predict\(\) of its own, and forward\(\)"):
        pack(model, x, tmp_path)
    with pack(model.predict, x, tmp_path, options=NATIVE) as bundle:
        np.testing.assert_array_equal(bundle.load().predict(x), model.predict(x))


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_inputs_without_keyword_and_traced_modules(tmp_path: Path) -> None:
    class Positional(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any, /, y: Any, **more: Any) -> Any:
            return x - y + sum(more.values())

    sample = {name: np.full((4, 2), number) for name, number in [("z", 1.0), ("y", 3.0), ("x", 9.0)]}
    with pack(Positional().eval(), sample, tmp_path, options=NATIVE) as bundle:
        assert bundle.load().predict(sample).tolist() == [[7.0, 7.0]] * 4
    traced = torch.jit.trace(linear(), torch.ones(2, 3))
    with pytest.raises(PackError, match="names of its inputs"):
        pack(traced, {"x": np.ones((4, 3), "float32")}, tmp_path)
