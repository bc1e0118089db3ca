"""A5: a module is fed every input that its `forward` names, in the dtype of the author's tensors, or pack refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import modelwheel
from field.elsewhere import ONNX, ask_elsewhere, differs, kinds, pack, refused
from modelwheel.errors import InputError, PackError

ROWS = 24


class Encoder(torch.nn.Module):  # type: ignore[misc]
    """As transformers are: a mask that may be left out."""

    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(30, 8)

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        hidden = self.table(input_ids)
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        kept = attention_mask[..., None].float()
        return (hidden * kept).sum(1) / kept.sum(1)


class Keyword(Encoder):
    def forward(self, *, input_ids: Any, attention_mask: Any) -> Any:  # type: ignore[override]
        return super().forward(input_ids, attention_mask)


class Ranker(torch.nn.Module):  # type: ignore[misc]
    """A table in half precision before a line in single."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(10, 4).to(dtype)
        self.line = torch.nn.Linear(4, 1)

    def forward(self, ids: Any, x: Any) -> Any:
        return self.line(x.float() + self.table(ids).float())


class Exact(torch.nn.Module):  # type: ignore[misc]
    """Single precision weights, and sums in the precision of what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.line = torch.nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return (x - 1e9).sum(1) + self.line(x.float())[:, 0]


def seeded(make: Callable[[], Any]) -> Any:
    torch.manual_seed(0)
    return make().eval()


def ids_and_mask() -> dict[str, Any]:
    torch.manual_seed(1)
    lengths = torch.randint(1, 8, (ROWS, 1))
    return {
        "input_ids": torch.randint(0, 30, (ROWS, 7)),
        "attention_mask": (torch.arange(7)[None, :] < lengths).long(),
    }


def ids_and_numbers() -> dict[str, Any]:
    torch.manual_seed(1)
    return {"ids": torch.randint(0, 10, (ROWS,)), "x": torch.randn(ROWS, 4) * 1000}


def arrays(sample: Any) -> Any:
    return {name: value.numpy() for name, value in sample.items()} if isinstance(sample, dict) else sample.numpy()


def turned(sample: dict[str, Any]) -> dict[str, Any]:
    return dict(reversed(sample.items()))


CASES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "a mask with a default": lambda: (seeded(Encoder), ids_and_mask()),
    "a mask with a default, in another order": lambda: (seeded(Encoder), turned(ids_and_mask())),
    "without the mask": lambda: (seeded(Encoder), {"input_ids": ids_and_mask()["input_ids"]}),
    "a mask of Booleans": lambda: (
        seeded(Encoder),
        {**ids_and_mask(), "attention_mask": ids_and_mask()["attention_mask"].bool()},
    ),
    "by keyword alone": lambda: (seeded(Keyword), ids_and_mask()),
    "half": lambda: (seeded(lambda: Ranker(torch.float16)), ids_and_numbers()),
    "brain float": lambda: (seeded(lambda: Ranker(torch.bfloat16)), ids_and_numbers()),
    "double before single": lambda: (seeded(Exact), torch.rand(ROWS, 3, dtype=torch.float64) + 1e9),
    "small integers": lambda: (
        seeded(lambda: Ranker(torch.float32)),
        {**ids_and_numbers(), "ids": ids_and_numbers()["ids"].int()},
    ),
    "half throughout": lambda: (
        seeded(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2))).half(),
        torch.rand(ROWS, 3).half(),
    ),
}


def right(model: Any, sample: Any) -> Any:
    """What the author's module answers to the author's tensors."""
    with torch.inference_mode():
        return (model(**sample) if isinstance(sample, dict) else model(sample)).numpy()


@pytest.mark.parametrize("case", CASES)
def test_it_answers_as_the_module_on_the_authors_tensors(case: str, tmp_path: Path) -> None:
    model, sample = CASES[case]()
    expected = right(model, sample)
    bundle = pack(model, sample, tmp_path)
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            found = loaded.predict(arrays(sample))
        assert not differs(expected, found, ONNX), (kind, differs(expected, found, ONNX))
    names = set(sample) if isinstance(sample, dict) else {"x"}
    assert set(bundle.schema.names) >= names or len(bundle.schema) == 3


@pytest.mark.parametrize("case", ["a mask with a default", "brain float"])
def test_elsewhere_and_isolated(case: str, tmp_path: Path, isolated: Callable[[Any], modelwheel.Model]) -> None:
    model, sample = CASES[case]()
    bundle = pack(model, sample, tmp_path)
    (found,) = ask_elsewhere(bundle, ("predict", arrays(sample), {}))
    assert not differs(right(model, sample), found, ONNX)
    with isolated(bundle) as loaded:
        assert not differs(right(model, sample), loaded.predict(arrays(sample)), ONNX)


def test_no_caller_is_asked_for_what_is_never_fed(tmp_path: Path) -> None:
    """An input with a default is fed when it is in the sample; callers must send it, or may leave it out."""
    model, sample = CASES["a mask with a default"]()
    bundle = pack(model, sample, tmp_path)
    one = {name: value[0].numpy() for name, value in sample.items()}
    with bundle.load(runtime="native") as loaded:
        alone = np.asarray(loaded.predict(one))
        assert not differs(right(model, {name: value[:1] for name, value in sample.items()})[0], alone, ONNX)
        try:
            found = loaded.predict({"input_ids": sample["input_ids"].numpy()})
        except InputError:
            return
        assert not differs(right(model, {"input_ids": sample["input_ids"]}), found, ONNX)


def test_a_field_that_forward_does_not_name_is_refused(tmp_path: Path) -> None:
    sample = {**ids_and_mask(), "labels": torch.zeros(ROWS)}
    with pytest.raises(PackError) as caught:
        pack(seeded(Encoder), sample, tmp_path)
    refused(caught.value, "labels.*forward|forward.*labels")


def test_a_required_input_that_the_sample_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError) as caught:
        pack(seeded(Encoder), {"attention_mask": ids_and_mask()["attention_mask"]}, tmp_path)
    refused(caught.value, "input_ids")


def test_numbers_of_numpy_are_fed_in_the_precision_of_the_module(tmp_path: Path) -> None:
    """An array of float64 is what NumPy makes of numbers, and no module of float32 takes it: it is cast."""
    model = seeded(lambda: torch.nn.Sequential(torch.nn.Linear(3, 2)))
    sample = np.random.default_rng(0).normal(size=(ROWS, 3))
    bundle = pack(model, sample, tmp_path)
    expected = right(model, torch.from_numpy(sample).float())
    for kind in kinds(bundle):
        with bundle.load(runtime=kind) as loaded:
            assert not differs(expected, loaded.predict(sample), ONNX)


def test_parity_compares_with_the_module_itself(tmp_path: Path) -> None:
    """The golden answers are those of `model(**sample)`, not of what a wrapper of ours made of it."""
    model, sample = CASES["brain float"]()
    bundle = pack(model, sample, tmp_path)
    goldens = bundle.examples
    fed = {name: torch.as_tensor(np.asarray(goldens.input[name])) for name in ("ids", "x")}
    fed["x"] = fed["x"].float()
    assert not differs(right(model, fed), np.asarray(goldens.output("predict")), 1e-6)
