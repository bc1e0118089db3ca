"""What the adapters of boosters share."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

from modelwheel_loader.opening.types import CategoryValue


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
