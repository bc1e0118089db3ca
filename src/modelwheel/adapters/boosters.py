"""What the adapters of boosters share."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any

from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.types import CategoryValue

from ..extras import needed
from ..onnx import Conversion, convert_booster


def is_of(model: object, module: str, names: Collection[str]) -> bool:
    """Whether the model is of one of these classes of `module`, and of none derived from it. Imports nothing."""
    kind = type(model)
    return kind.__name__ in names and kind is getattr(sys.modules.get(module), kind.__name__, None)


def read_classes(model: Any) -> tuple[CategoryValue, ...] | None:
    """The labels of a classifier, when they are of types that a manifest can hold."""
    if not hasattr(model, "predict_proba"):
        return None
    values = tuple(model.classes_.tolist())
    return values if all(type(value) in (str, int, float, bool) for value in values) else None


def converted(model: Any, schema: Schema, methods: Sequence[str], extra: str) -> Conversion:
    """The graph of a booster or its wrapper; raises `MissingExtra`, which names `extra`, without onnx."""
    with needed("onnx", "converting to ONNX", extra=extra, or_native=True):
        import onnx  # noqa: F401
    return convert_booster(model, schema, methods)
