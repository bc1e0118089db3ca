"""Runs a checked graph by onnxruntime, with settings that suit services."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import EnvironmentMismatch, InvalidBundle, MissingExtra, PredictionError
from .manifest import Weight
from .onnx_graph import GraphInfo, check_graph
from .text import clip

_ERRORS_ONLY = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionOptions:
    """Settings of onnxruntime. `threads` is how many cores one call may use; None leaves that to onnxruntime.

    `spinning` lets idle threads burn their core for a few microseconds of latency; services with many models and
    workers do better without.
    """

    threads: int | None = None
    spinning: bool = False


class Session:
    """An open graph. Threads may call `run` at the same time."""

    def __init__(self, session: Any, info: GraphInfo, kept: object) -> None:
        self._run = session.run
        self.info = info
        self._kept = kept  # the weights' memory, which onnxruntime refers to

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str]) -> list[Any]:
        """The named outputs for the given inputs; raises `PredictionError` when the graph fails on them."""
        try:
            answers: list[Any] = self._run(outputs, feeds)
        except Exception as error:  # onnxruntime's errors share no base but Exception
            message = f"onnxruntime: {clip(error, 300)}"
            raise PredictionError.of("predict.failed", message) from error
        return answers


def open_session(
    data: bytes,
    weights: Mapping[str, Any] | None = None,
    *,
    declared: Collection[Weight] = (),
    options: SessionOptions | None = None,
) -> Session:
    """Open the graph in `data`, its large initializers given as arrays by name (they are not copied).

    The graph is walked first (`onnx_graph`). Raises `InvalidBundle`, `MissingExtra` without onnxruntime, and
    `EnvironmentMismatch` when the installed onnxruntime does not know an operator or operator set.
    """
    info = check_graph(data, weights=declared)
    try:
        import onnxruntime
    except ImportError as error:
        hint = 'pip install "modelwheel[onnx]"'
        raise MissingExtra.of("onnx.extra", "running ONNX needs onnxruntime, which is not installed", hint=hint) from error
    settings = _settings(onnxruntime, options or SessionOptions())
    kept = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in (weights or {}).values()]
    if kept:
        settings.add_external_initializers(list(weights or {}), kept)
    try:
        session = onnxruntime.InferenceSession(data, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base but Exception
        raise _not_opened(error) from error
    return Session(session, info, (kept, weights))


def _settings(onnxruntime: Any, options: SessionOptions) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = _ERRORS_ONLY + 1
    if options.threads is not None:
        settings.intra_op_num_threads = options.threads
    if not options.spinning:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return settings


def _not_opened(error: Exception) -> Exception:
    if type(error).__name__ in ("NotImplemented", "InvalidGraph") or "opset" in str(error):
        message = f"the installed onnxruntime cannot run the graph: {clip(error, 300)}"
        return EnvironmentMismatch.of("onnx.runtime", message)
    return InvalidBundle.of("onnx.graph", f"onnxruntime refuses the graph: {clip(error, 300)}")
