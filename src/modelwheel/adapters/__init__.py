"""One file per framework, one protocol (`base.Adapter`); an adapter knows nothing of the others."""

from __future__ import annotations

from modelwheel_loader.errors import PackError
from modelwheel_loader.text import shown

from .base import Adapter
from .function import FunctionAdapter
from .onnx_model import OnnxAdapter
from .sklearn import SklearnAdapter

ADAPTERS: tuple[Adapter, ...] = (OnnxAdapter(), SklearnAdapter(), FunctionAdapter())
"""In the order in which they are asked; the one that takes any callable comes last."""


def recognise(model: object) -> Adapter:
    """The adapter for `model`; raises `PackError` when there is none."""
    for adapter in ADAPTERS:
        if adapter.recognises(model):
            return adapter
    raise PackError.of(
        "pack.unknown-model",
        "this is neither a scikit-learn estimator nor callable",
        found=shown(model),
        expected="a fitted estimator, or any callable that takes the sample",
    )
