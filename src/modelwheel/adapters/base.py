"""What modelwheel needs to know of a framework's models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from modelwheel_loader.schema import Schema
from modelwheel_loader.types import CategoryValue

from ..onnx.candidates import Conversion


class Adapter(Protocol):
    """A framework. Recognised without importing it: a model of it exists only if somebody imported it already."""

    framework: str
    """The name of the framework's distribution, for people; empty when there is none."""

    def recognises(self, model: object) -> bool:
        """Whether `model` is one of this framework's."""

    def check(self, model: object) -> None:
        """Raise `PackError` when the model cannot answer yet, such as an estimator that is not fitted."""

    def methods(self, model: object) -> tuple[str, ...]:
        """The prediction methods that the model has, most used first."""

    def classes(self, model: object, method: str) -> tuple[CategoryValue, ...] | None:
        """The labels that `method` tells apart, in the order of its columns; None when it is no classification."""

    def convert(self, model: object, schema: Schema, methods: Sequence[str]) -> Conversion:
        """Graphs to try, best first, and reasons where there is none. Never raises for a model it cannot convert."""
