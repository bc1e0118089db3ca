"""Any callable: it is its own prediction method, named `predict`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.opening import Schema
from modelwheel_loader.run import ContextModel

from ..onnx import Conversion
from .base import Adapter


class FunctionAdapter(Adapter):
    """Functions, lambdas, bound methods and objects with `__call__` or a `predict` method."""

    framework = ""

    def recognises(self, model: object) -> bool:
        """Anything that can be called, or that has a callable `predict`."""
        return not isinstance(model, type) and (callable(model) or callable(getattr(model, "predict", None)))

    def opened(self, model: Any) -> Any:
        """The model itself, or what gives no context to a `predict` that asks for one."""
        predict = None if callable(model) else getattr(model, "predict", None)
        if predict is None:
            return model
        given = [name for name, item in inspect.signature(predict).parameters.items() if item.default is item.empty]
        return ContextModel(model) if given[:1] == ["context"] and len(given) > 1 else model

    def class_name(self, model: Any) -> str:
        """The class of the object, or the function."""
        return super().class_name(model.model if isinstance(model, ContextModel) else model)

    def convert(self, model: object, schema: Schema, methods: Sequence[str]) -> Conversion:
        """There is no graph in Python code."""
        yield "the model is Python code, which has no graph"
