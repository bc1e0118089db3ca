"""Any callable: it is its own prediction method, named `predict`."""

from __future__ import annotations

from collections.abc import Sequence

from modelwheel_loader.schema import Schema

from ..onnx.candidates import Conversion
from .base import Adapter


class FunctionAdapter(Adapter):
    """Functions, lambdas, bound methods and objects with `__call__` or a `predict` method."""

    framework = ""

    def recognises(self, model: object) -> bool:
        """Anything that can be called, or that has a callable `predict`."""
        return not isinstance(model, type) and (callable(model) or callable(getattr(model, "predict", None)))

    def methods(self, model: object) -> tuple[str, ...]:
        """`predict`, whether it is a method of the object or the object itself."""
        return ("predict",)

    def convert(self, model: object, schema: Schema, methods: Sequence[str]) -> Conversion:
        """There is no graph in Python code."""
        yield "the model is Python code, which has no graph"
