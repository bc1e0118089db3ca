"""How many processor cores this process may use: the machine's, its affinity, and the quota of its container."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ...defects import Defect
from ...errors import EnvironmentMismatch, InvalidBundle, MissingExtra, PredictionError, UsageError
from ...limits import DEFAULT, Limits
from ...opening.graph import GraphInfo, check_graph
from ...opening.manifest import GraphInput, Weight
from ...records import Record
from ...text import clip

CGROUP = "/sys/fs/cgroup/cpu.max"
"""Where a container reads its quota (cgroup v2): microseconds of computing per period, or `max`."""


def granted_cores(path: str = CGROUP) -> int | None:
    """The cores that this process may use when it is fewer than the machine has; None when it may use all of them.

    onnxruntime starts a thread for each core of the machine, however few of them a container may use.
    """
    machine = os.cpu_count() or 1
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    quota = _quota(path)
    if quota is not None:
        granted = min(granted, max(1, round(quota)))
    return granted if granted < machine else None


def _quota(path: str) -> float | None:
    """The quota in cores; None without one."""
    try:
        with open(path, encoding="ascii") as file:
            granted, _, period = file.read(100).strip().partition(" ")
    except (OSError, UnicodeDecodeError):  # another system, or no container
        return None
    if not (granted.isdigit() and period.isdigit() and int(period)):
        return None
    return int(granted) / int(period)


# Runs a checked graph by onnxruntime, with settings that suit services.


_FOLDER = "session.model_external_initializers_file_folder_path"
_FATAL_ONLY = 4  # errors come as exceptions; onnxruntime would print them as well
# what an onnxruntime says that is too old for the graph, in its own words
_TOO_OLD = ("No Op registered", "IR version", "opset", "NOT_IMPLEMENTED")
# … and when the system refuses it something; such words are no fault of the graph
_TOO_LITTLE = ("pthread_create failed", "bad_alloc", "Failed to allocate memory")
_PREFIX = r"(?s)^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(/\S+:\d+ .*?[)\]] (?=[A-Z]))?"
"""What an exception of onnxruntime begins with: its number, and the file and function of its source."""


class SessionOptions(Record):
    """Settings of onnxruntime, with defaults for services: many models and workers on one machine.

    `threads` is how many cores one call may use; None is all that this process may use, counting its affinity and its
    container's quota. `spinning` lets idle threads burn their core for some microseconds of latency. `arena` keeps the
    memory of a call for the next one: without it, each call allocates and frees, and a large batch leaves nothing.
    `prepacking` rearranges the weights of multiplications for the processor: each process then has a copy of them;
    without it, large weights stay in the map, which processes share, and small batches take longer.
    """

    threads: int | None = None
    spinning: bool = False
    arena: bool = True
    prepacking: bool = True

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.threads is not None and (type(self.threads) is not int or not 1 <= self.threads <= 1024):
            raise UsageError.argument("threads", self.threads, "None, or a whole number from 1 to 1024")
        for name in ("spinning", "arena", "prepacking"):
            if type(getattr(self, name)) is not bool:
                raise UsageError.argument(name, getattr(self, name), "True or False")

    @classmethod
    def checked(cls, value: object) -> SessionOptions | None:
        """`value` when it is None or such settings; raises `UsageError` otherwise."""
        if value is None or isinstance(value, SessionOptions):
            return value
        raise UsageError.argument("onnx", value, "modelwheel_loader.SessionOptions(…)")


class Session:
    """An open graph. Threads may call `run` at the same time."""

    def __init__(self, session: Any, info: GraphInfo, kept: object) -> None:
        # the session behind the public one: the public `run` looks at its arguments again, which costs as much as a
        # small model itself; both take the same arguments
        self._run = getattr(session, "_sess", session).run
        self.info = info
        self._kept = (session, kept)  # the weights' memory, which onnxruntime refers to

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str]) -> list[Any]:
        """The named outputs for the given inputs; raises `PredictionError` when the graph fails on them."""
        try:
            answers: list[Any] = self._run(outputs, feeds, None)
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise PredictionError.of("predict.failed", f"onnxruntime: {_said(error)}") from error
        return answers


def import_onnxruntime() -> Any:
    """The module, whose telemetry is off unless `ORT_DISABLE_TELEMETRY` says something else or it is there already.

    From 1.29 on, it notes what it is fed and sends that to its maker: names and hashes of graphs, versions, counts. It
    decides once, as it is imported. Raises `MissingExtra`.
    """
    if "onnxruntime" not in sys.modules:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise _not_imported(error) from error
    return onnxruntime


def _not_imported(error: ImportError) -> MissingExtra:
    """The error for an onnxruntime that is not there, or is there and does not work."""
    if isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime":
        message = "running ONNX needs onnxruntime, which is not installed"
        return MissingExtra.of("onnx.extra", message, hint='pip install "modelwheel[onnx]"')
    message = "running ONNX needs onnxruntime, which is installed and cannot be imported"
    hint = 'Its own message says why. To install it again: pip install --force-reinstall "modelwheel[onnx]"'
    return MissingExtra.of("onnx.extra", message, found=clip(error, 300), hint=hint)


def open_session(
    data: bytes,
    weights: Mapping[str, Any] | None = None,
    *,
    declared: Collection[Weight] = (),
    options: SessionOptions | None = None,
    inputs: Collection[GraphInput] = (),
    outputs: Collection[str] = (),
    limits: Limits = DEFAULT,
) -> Session:
    """Open the graph in `data`, its large initializers given as arrays by name.

    The graph is walked first (`opening/graph.py`); when `inputs` or `outputs` are given, it must have just
    those inputs and at least those outputs. Raises `InvalidBundle`, `MissingExtra` without onnxruntime, and
    `EnvironmentMismatch` when the installed onnxruntime does not know an operator or operator set.
    """
    info = check_graph(data, weights=declared, limits=limits)
    if inputs or outputs:
        _check_interface(info, inputs, outputs)
    onnxruntime = import_onnxruntime()
    kept = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array) for name, array in (weights or {}).items()}
    try:
        session = _opened(onnxruntime, data, options or SessionOptions(), kept)
    except Exception as error:  # onnxruntime's errors share no base but Exception
        raise _not_opened(error) from error
    return Session(session, info, (kept, weights))


def _opened(onnxruntime: Any, data: bytes, options: SessionOptions, weights: Mapping[str, Any]) -> Any:
    """The session. Weights are lent to it first: those that it does not rearrange then stay where they are.

    It refuses that when it wants to compute with a weight while it opens the graph (folding constants, fusing a
    normalisation into a convolution). It is given copies then, and says what else is wrong with the graph.
    """
    # without a fallback, which would print on standard output, and try the same again
    chosen: dict[str, Any] = {"providers": ["CPUExecutionProvider"], "enable_fallback": 0}
    settings = _settings(onnxruntime, options)
    if not weights:
        return onnxruntime.InferenceSession(data, settings, **chosen)
    lending = _settings(onnxruntime, options)
    # it wants the file of a weight that is lent to be there, and does not read it: an empty one of ours
    lending.add_session_config_entry(_FOLDER, os.path.join(os.path.dirname(__file__), "stand_in"))
    for name, value in weights.items():
        lending.add_initializer(name, value)
    with contextlib.suppress(Exception):
        return onnxruntime.InferenceSession(data, lending, **chosen)
    settings.add_external_initializers(list(weights), list(weights.values()))
    return onnxruntime.InferenceSession(data, settings, **chosen)


def _settings(onnxruntime: Any, options: SessionOptions) -> Any:
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = _FATAL_ONLY
    threads = options.threads or granted_cores()
    if threads is not None:
        settings.intra_op_num_threads = threads
    settings.enable_cpu_mem_arena = options.arena
    if not options.prepacking:
        settings.add_session_config_entry("session.disable_prepacking", "1")
    if not options.spinning:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return settings


def _check_interface(info: GraphInfo, inputs: Collection[GraphInput], outputs: Collection[str]) -> None:
    """Raise `InvalidBundle` unless the manifest and the graph agree on what goes in and comes out."""
    declared = {item.name: item.dtype for item in inputs}
    found = {name: dtype for name, (dtype, _) in info.inputs.items()}
    defects = [
        Defect(
            code="onnx.graph",
            where=clip(f"input {name}", 120),
            message="the manifest and the graph disagree on an input",
            found=declared.get(name, "none") + " in the manifest",
            expected=found.get(name, "none"),
        )
        for name in sorted(declared.keys() | found.keys())
        if declared.get(name) != found.get(name)
    ]
    defects += [
        Defect(code="onnx.graph", where=clip(f"output {name}", 120), message="the graph has no such output")
        for name in sorted(set(outputs) - info.outputs.keys())
    ]
    if defects:
        raise InvalidBundle("the ONNX graph is not the one that the manifest describes", defects)


def _not_opened(error: Exception) -> EnvironmentMismatch | InvalidBundle:
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in _TOO_LITTLE):
        message = "onnxruntime gets too little memory or too few threads from the system to open the graph"
        return EnvironmentMismatch.of("onnx.resources", message, found=_said(error) or type(error).__name__)
    if any(sign in str(error) for sign in _TOO_OLD):
        return EnvironmentMismatch.of("onnx.runtime", f"the installed onnxruntime cannot run the graph: {_said(error)}")
    return InvalidBundle.of("onnx.graph", f"onnxruntime refuses the graph: {_said(error)}")


def _said(error: Exception) -> str:
    return clip(re.sub(_PREFIX, "", str(error)), 300)
