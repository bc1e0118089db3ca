"""What the runtimes of a bundle have in common: each opens a payload and answers method calls with checked data.

They are `onnx/runtime.py`, `native/runtime.py` and `isolated/runtime.py`; only the one that runs is imported. They know
nothing of schemas' checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from .environments import check as environment
from .errors import Defect, PredictionError
from .manifest.records import NativePayload, Payload
from .text import clip, safe

if TYPE_CHECKING:
    from .batch import Batch

Call = Callable[["Batch", Mapping[str, Any]], object]
"""Answers a checked batch, with the checked parameters that the caller gave beside it."""


class Runtime(Protocol):
    """An opened payload."""

    kind: str

    def prepare(self, method: str) -> Call:
        """The function that answers `method`."""

    def reopen(self) -> None:
        """Make the runtime work in a forked child, on its next call."""

    def close(self) -> None:
        """Give up what the runtime holds."""


def hindrances(payload: Payload, name: str) -> list[Defect]:
    """Why `payload` of the bundle `name` cannot run here; empty when it can. Trust is not judged here."""
    python = payload.python_specifier if isinstance(payload, NativePayload) else None
    return environment.check(python, payload.requires, bundle=name, extra=payload.kind)


def failed(method: str, error: BaseException) -> PredictionError:
    """The error for an exception that the model itself raised."""
    return PredictionError.of(
        "predict.failed",
        f"the model's {safe(method)}() raised {type(error).__name__}: {clip(error, 300)}",
    )
