"""One file per framework, one protocol (`base.Adapter`); an adapter knows nothing of the others.

Distributions bring adapters of their own by the entry-point group `modelwheel.adapters`; each entry names a class that
is made without arguments. They are looked up only for models that none of ours knows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from modelwheel_loader.errors import PackError
from modelwheel_loader.text import clip, shown

from ..pickling.culprit import PACK_THE_ORIGINAL, is_reference
from .base import Adapter
from .boosters import CatboostAdapter, LightgbmAdapter, XgboostAdapter
from .function import FunctionAdapter
from .keras import KerasAdapter
from .onnx_model import OnnxAdapter
from .sklearn import SklearnAdapter
from .statsmodels import StatsmodelsAdapter
from .tensorflow import TensorflowAdapter
from .torch import TorchAdapter

__all__ = ["ADAPTERS", "GROUP", "Adapter", "recognise"]

GROUP = "modelwheel.adapters"
ADAPTERS: tuple[Adapter, ...] = (
    OnnxAdapter(),
    XgboostAdapter(),
    LightgbmAdapter(),
    CatboostAdapter(),
    SklearnAdapter(),
    KerasAdapter(),
    TensorflowAdapter(),
    TorchAdapter(),
    StatsmodelsAdapter(),
)
"""In the order in which they are asked: boosters before scikit-learn, whose estimators their wrappers are too; Keras
before PyTorch, whose modules its models may be."""
_LAST = FunctionAdapter()
"""Takes any callable, so it is asked after the adapters of others."""


def recognise(model: object) -> Adapter:
    """The adapter for `model`; raises `PackError` when there is none, or an installed one cannot be loaded."""
    if is_reference(model):
        message = "this is a loaded model or a bundle, which pickles as the place of a file"
        raise PackError.of("pack.unknown-model", message, found=shown(model), hint=PACK_THE_ORIGINAL)
    for adapter in ADAPTERS:
        if adapter.recognises(model):
            return adapter
    for adapter in _of_others():
        if adapter.recognises(model):
            return adapter
    if _LAST.recognises(model):
        return _LAST
    raise PackError.of(
        "pack.unknown-model",
        "this is not a model of a framework that modelwheel knows, and not callable",
        found=shown(model),
        expected="a fitted estimator, a booster, an ONNX model, or any callable that takes the sample",
        hint=_hint(model),
    )


def _hint(model: object) -> str:
    """What to pass instead of things that are often passed."""
    if isinstance(model, type):
        return f"This is the class: pass an object of it that is fitted, such as {clip(model.__name__)}().fit(…)."
    if isinstance(model, str | os.PathLike):
        return "Load it first, such as with joblib.load(…). By their path only ONNX files and SavedModels are read."
    if isinstance(model, Mapping | list | tuple):
        return "Pass the model in it; or a function that calls its parts one after the other."
    return ""


def _of_others() -> Iterator[Adapter]:
    """The adapters that installed distributions bring, by name."""
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        where = f"{clip(point.name, 80)} = {clip(point.value, 120)}"
        try:
            adapter = point.load()()
        except Exception as error:  # the border to foreign code
            kind = type(error).__name__
            message = f"an installed adapter cannot be loaded: {kind}: {clip(error, 200)}"
            raise PackError.of("pack.adapter", message, where=where) from error
        if not isinstance(adapter, Adapter):
            message = "an installed adapter does not derive from modelwheel.adapters.Adapter"
            raise PackError.of("pack.adapter", message, where=where, found=shown(adapter))
        yield adapter
