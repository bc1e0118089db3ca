"""Fitted estimators as ONNX graphs. The rest of modelwheel uses the names below and nothing else of this package.

Names are imported on first use. `convert` is the way in:

    graph = convert(estimator, {"x": ("float64", (None, 4))})
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimators import convert as convert
    from .estimators import convert_booster as convert_booster
    from .estimators import convert_estimator as convert_estimator
    from .exporting import onnxruntime_range as onnxruntime_range
    from .exporting import quiet as quiet
    from .externalize import WEIGHTS as WEIGHTS
    from .externalize import laid_out as laid_out
    from .externalize import stored as stored
    from .interface import fitted as fitted
    from .interface import graph_inputs as graph_inputs
    from .keras_export import export_keras as export_keras
    from .keras_export import export_saved_model as export_saved_model
    from .modelfile import OnnxModel as OnnxModel
    from .modelfile import read_model as read_model
    from .result import Conversion as Conversion
    from .result import Graph as Graph
    from .result import Unconvertible as Unconvertible
    from .torch_export import export_module as export_module

_HOME = {
    "estimators": "convert convert_booster convert_estimator",
    "exporting": "onnxruntime_range quiet",
    "externalize": "WEIGHTS laid_out stored",
    "interface": "fitted graph_inputs",
    "keras_export": "export_keras export_saved_model",
    "modelfile": "OnnxModel read_model",
    "result": "Conversion Graph Unconvertible",
    "torch_export": "export_module",
}
_MODULES = {name: module for module, names in _HOME.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
    return value
