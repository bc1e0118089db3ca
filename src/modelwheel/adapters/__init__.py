"""One file per framework, one protocol (`base.Adapter`); an adapter knows nothing of the others."""

from __future__ import annotations

from modelwheel_loader.errors import PackError
from modelwheel_loader.text import shown

from .base import Adapter
from .catboost import CatboostAdapter
from .function import FunctionAdapter
from .lightgbm import LightgbmAdapter
from .onnx_model import OnnxAdapter
from .sklearn import SklearnAdapter
from .xgboost import XgboostAdapter

ADAPTERS: tuple[Adapter, ...] = (
    OnnxAdapter(),
    XgboostAdapter(),
    LightgbmAdapter(),
    CatboostAdapter(),
    SklearnAdapter(),
    FunctionAdapter(),
)
"""In the order in which they are asked: boosters before scikit-learn, whose estimators their wrappers are too; the one
that takes any callable comes last."""


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
