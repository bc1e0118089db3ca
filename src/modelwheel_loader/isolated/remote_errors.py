"""Errors on their way from a worker to its caller: as they were raised, rebuilt from a fixed list of classes."""

from __future__ import annotations

import builtins
import traceback
from typing import Any

from .. import errors
from ..defects import Defect
from ..errors import ModelwheelError
from ..show.codes import CODES
from ..text import clip, safe

_LONGEST = 20_000
_OWN = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ModelwheelError)
}
_BUILTIN = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, Exception) and not issubclass(kind, UnicodeError | ImportError)
}
"""Exceptions of Python that are made from their message alone."""


class RemoteError(Exception):
    """An exception of a worker whose class is not rebuilt here; `kind` is its class, `traceback` its text."""

    def __init__(self, message: str, kind: str, traceback: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.traceback = traceback

    def __str__(self) -> str:
        return f'{self.args[0]}\n"""\n{self.traceback}"""'

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.kind, self.traceback)


def to_document(error: ModelwheelError) -> dict[str, Any]:
    """An error, and the exception behind it, as JSON types."""
    cause = error.__cause__
    return {
        "error": type(error).__name__,
        "message": error.message,
        "defects": [defect.to_dict() for defect in error.defects],
        "counted": error.counted,
        "cause": None if cause is None else _cause(cause),
    }


def _cause(cause: BaseException) -> dict[str, str]:
    kind = type(cause)
    try:
        message = str(cause)
    except Exception:  # noqa: BLE001 - the border to foreign code: an exception whose text cannot be made
        message = ""
    lines = "".join(traceback.format_exception(cause))
    return {
        "kind": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "message": _printable(message),
        "traceback": _printable(lines[-_LONGEST:]),
    }


def _printable(text: str) -> str:
    """Safe to print, line by line."""
    return "\n".join(map(safe, text[:_LONGEST].split("\n")))


def from_document(document: Any) -> ModelwheelError:
    """The error of a document. What is not as it should be gives a `WorkerError`."""
    try:
        kind = _OWN[document["error"]]
        defects = [Defect(**_typed(item)) for item in document["defects"]]
        error = kind(str(document["message"]), defects, counted=_whole(document["counted"]))
        cause = document["cause"]
        if cause is not None:
            error.__cause__ = _rebuilt(str(cause["kind"]), str(cause["message"]), str(cause["traceback"]))
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        return errors.WorkerError.of(
            "worker.protocol", "the worker failed, and what it says of that is broken", found=clip(wrong, 200)
        )
    return error


def _typed(item: dict[str, Any]) -> dict[str, Any]:
    known = {name: item[name] for name in Defect._fields if name in item}
    if known["code"] not in CODES:
        raise ValueError("there is no such code")
    row = known.pop("row", None)
    return {**{name: str(value) for name, value in known.items()}, "row": None if row is None else _whole(row)}


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a count is no whole number")
    return value


def _rebuilt(kind: str, message: str, lines: str) -> Exception:
    """The original exception where Python itself has its class, with the remote traceback behind it."""
    remote = RemoteError(message, kind, lines)
    if kind not in _BUILTIN:
        return remote
    original = _BUILTIN[kind](message)
    original.__cause__ = remote
    return original
