"""The runtime that predicts by onnxruntime: its settings, opening a validated graph, and the graph's inputs.

No code of the bundle runs.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..defects import Defect
from ..errors import EnvironmentMismatch, InputError, InvalidBundle, MissingExtra, PredictionError, UsageError
from ..limits import DEFAULT, Limits
from ..opening.graph import GraphInfo, check_graph
from ..opening.manifest import GraphInput, Weight
from ..opening.schema import Field, Schema
from ..opening.types import Category, Float, String, Tensor
from ..records import Record
from ..text import clip, safe
from ..validate.batch import Array, Batch, objects

if TYPE_CHECKING:
    from ..opening.integrity import Members
    from ..opening.manifest import OnnxPayload
    from ..opening.schema import Schema
    from .selection import Call

CGROUP = "/sys/fs/cgroup/cpu.max"
"""Where a container reads its quota (cgroup v2): microseconds of computing per period, or `max`."""


def granted_cores(path: str = CGROUP) -> int | None:
    """The cores that this process may use when it is fewer than the machine has; None when it may use all of them.

    onnxruntime starts a thread for each core of the machine, however few of them a container may use.
    """
    machine = os.cpu_count() or 1
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    try:
        with open(path, encoding="ascii") as file:
            quota, _, period = file.read(100).strip().partition(" ")
    except (OSError, UnicodeDecodeError):  # another system, or no container
        quota = period = ""
    if quota.isdigit() and period.isdigit() and int(period):
        granted = min(granted, max(1, round(int(quota) / int(period))))
    return granted if granted < machine else None


_FOLDER = "session.model_external_initializers_file_folder_path"
_FATAL_ONLY = 4  # errors come as exceptions; onnxruntime would print them as well
# words of an onnxruntime that is too old for the graph
_TOO_OLD = ("No Op registered", "IR version", "opset", "NOT_IMPLEMENTED")
# … and of one that the system refuses memory or threads, which is not a fault of the graph
_TOO_LITTLE = ("pthread_create failed", "bad_alloc", "Failed to allocate memory")
_PREFIX = r"(?s)^(\[ONNXRuntimeError\] : \d+ : \w+ : )?(/\S+:\d+ .*?[)\]] (?=[A-Z]))?"
"""What an exception of onnxruntime begins with: its number, and the file and function of its source."""


class SessionOptions(Record):
    """Settings of onnxruntime, with defaults for services: many models and workers on one machine.

    `threads` is the most cores that one call uses; None is all that this process may use, by its affinity and its
    container's quota. `spinning` lets idle threads keep their core busy to save some microseconds of latency. `arena`
    keeps the memory of a call for the next one: without it, each call allocates and frees, and a large batch leaves
    nothing. `prepacking` rearranges the weights of multiplications for the processor: each process then has a copy of
    them; without it, processes share large weights, and small batches take longer.
    """

    threads: int | None = None
    spinning: bool = False
    arena: bool = True
    prepacking: bool = True

    def __post_init__(self) -> None:
        """Raise `UsageError` for values of the wrong type or range."""
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
        # the session behind the public one: the public `run` checks its arguments again, which takes as long as a
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
    """The module. Its telemetry is off unless `ORT_DISABLE_TELEMETRY` says otherwise or it is imported already.

    From 1.29 on, it records names and hashes of graphs, versions and counts, and sends them to its maker. It decides
    once, when it is imported. Raises `MissingExtra`.
    """
    if "onnxruntime" not in sys.modules:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        hint = 'pip install "modelwheel[onnx]"'
        if isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime":
            message = "running ONNX needs onnxruntime, which is not installed"
            raise MissingExtra.of("onnx.extra", message, hint=hint) from error
        message = "running ONNX needs onnxruntime, which is installed and cannot be imported"
        hint = f"Its own message says why. To install it again: {hint.replace('install', 'install --force-reinstall')}"
        raise MissingExtra.of("onnx.extra", message, found=clip(error, 300), hint=hint) from error
    return onnxruntime


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

    The graph is validated first (`opening/graph.py`); when `inputs` or `outputs` are given, it must have exactly
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
    """The session. Weights are lent to it first: those that it does not rearrange then stay in place.

    It refuses that when it wants to compute with a weight while it opens the graph (folding constants, fusing a
    normalisation into a convolution). Then it gets copies, and reports what else is wrong with the graph.
    """
    # without a fallback, which would print on standard output, and try the same again
    chosen: dict[str, Any] = {"providers": ["CPUExecutionProvider"], "enable_fallback": 0}
    settings = _settings(onnxruntime, options)
    if not weights:
        return onnxruntime.InferenceSession(data, settings, **chosen)
    lending = _settings(onnxruntime, options)
    # it requires the file of a lent weight to exist, and does not read it: an empty one of ours
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
    settings.intra_op_num_threads = options.threads or granted_cores() or 0
    settings.enable_cpu_mem_arena = options.arena
    if not options.prepacking:
        settings.add_session_config_entry("session.disable_prepacking", "1")
    if not options.spinning:
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        settings.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return settings


def _check_interface(info: GraphInfo, inputs: Collection[GraphInput], outputs: Collection[str]) -> None:
    """Raise `InvalidBundle` unless the manifest and the graph agree on inputs and outputs."""
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


# From a checked batch to the inputs of a graph, which only reads: they are the caller's memory where it fits.

Feeds = dict[str, Any]


def compile_feeds(schema: Schema, inputs: Sequence[GraphInput]) -> Callable[[Batch], Feeds]:
    """The function that makes the inputs of a graph: one column each, or a matrix of several fields."""
    fields = {field.name: field for field in schema.fields}
    alone = [item for item in inputs if _is_float_column(item, fields)]
    feeds = [(item.name, _feed(fields, item)) for item in inputs if not _is_float_column(item, fields)]
    if len(inputs) == 1 and not alone:
        ((name, feed),) = feeds
        return lambda batch: {name: feed(batch)}
    widths = sorted({item.dtype for item in alone})
    fills = [_together([item for item in alone if item.dtype == dtype], dtype) for dtype in widths]

    def bind(batch: Batch) -> Feeds:
        made: Feeds = {}
        for fill in fills:
            fill(batch, made)
        for name, feed in feeds:
            made[name] = feed(batch)
        return made

    return bind


def _is_float_column(item: GraphInput, fields: dict[str, Field]) -> bool:
    return len(item.fields) == 1 and len(item.shape) == 2 and isinstance(fields[item.fields[0]].type, Float)


def _together(items: Sequence[GraphInput], dtype: str) -> Callable[[Batch, Feeds], None]:
    """Inputs of one float column each: the block is converted once, and each is a view of it."""
    pairs = [(item.name, item.fields[0], _column(item.fields[0], dtype)) for item in items]
    positions: dict[str, int] = {}
    known: tuple[str, ...] = ()

    def fill(batch: Batch, feeds: Feeds) -> None:
        nonlocal positions, known
        if batch.block is None:
            for name, _, feed in pairs:
                feeds[name] = feed(batch)
            return
        if batch.block_names is not known:
            positions = {field: index for index, field in enumerate(batch.block_names)}
            known = batch.block_names
        block = np.asfortranarray(batch.matrix(batch.block_names, dtype))
        for name, field, feed in pairs:
            index = positions.get(field)
            feeds[name] = feed(batch) if index is None else block[:, index : index + 1]

    return fill


def _feed(fields: dict[str, Field], item: GraphInput) -> Callable[[Batch], Any]:
    names, dtype = item.fields, item.dtype
    if len(names) == 1 and isinstance(fields[names[0]].type, Tensor):
        return _tensor(names[0], dtype)
    flat = len(item.shape) == 1
    if dtype == "string":
        texts = [_text(fields[name], item.null_text) for name in names]
        if len(names) == 1:
            text = texts[0]
            return text if flat else lambda batch: text(batch).reshape(-1, 1)
        return lambda batch: np.stack([text(batch) for text in texts], axis=1)
    if len(names) == 1:
        feed = _column(names[0], dtype)
        return (lambda batch: feed(batch)[:, 0]) if flat else feed
    return lambda batch: np.ascontiguousarray(batch.matrix(names, dtype))


def _column(name: str, dtype: str) -> Callable[[Batch], Array]:
    """One column as (rows, 1)."""
    names = (name,)

    def feed(batch: Batch) -> Array:
        column = batch.columns.get(name)
        if column is None or column.missing is not None or column.values.dtype != dtype:
            return np.ascontiguousarray(batch.matrix(names, dtype))
        return np.ascontiguousarray(column.values).reshape(-1, 1)

    return feed


def _tensor(name: str, dtype: str) -> Callable[[Batch], Any]:
    def feed(batch: Batch) -> Array:
        values, missing = batch.column(name)
        dense = values.toarray() if hasattr(values, "toarray") else values
        if missing is not None and (not dtype.startswith("float") or dense.dtype == object):
            raise InputError.of("input.null", f"the graph takes {dtype} in one array, which has no null", field=name)
        if dense.dtype == object:
            shapes = {row.shape for row in dense}
            if len(shapes) > 1:
                message = "rows of different shapes cannot be one input of a graph"
                found, hint = clip(", ".join(map(str, shapes))), "Pass rows of one shape at a time."
                raise InputError.of("input.shape", message, field=name, found=found, hint=hint)
            dense = np.stack(list(dense))
        made = np.ascontiguousarray(dense, dtype=dtype)
        if missing is not None:
            made = made.copy()
            made[missing] = np.nan
        return made

    return feed


def _text(field: Field, null_text: str | None) -> Callable[[Batch], Array]:
    """One column of texts; null is `null_text`."""
    name, kind = field.name, field.type
    are_texts = isinstance(kind, String) or (
        isinstance(kind, Category) and {type(part) for part in kind.values} == {str}
    )

    def feed(batch: Batch) -> Array:
        values, missing = batch.column(name)
        if not are_texts:
            values = objects([str(value) for value in values.tolist()])
        if null_text is not None:
            # a text that equals the graph's text for null is not null: it must stay a value that no category has
            same = values == null_text
            if same.any():
                values = values.copy()
                values[same] = f"{null_text}\0"
        if missing is not None:
            values = values.copy()
            values[missing] = null_text
        return values  # type: ignore[no-any-return]

    return feed


class OnnxRuntime:
    """Runs the graph of a bundle."""

    kind = "onnx"

    def __init__(self, payload: OnnxPayload, schema: Schema, members: Members, options: SessionOptions | None) -> None:
        options = SessionOptions.checked(options)
        self._payload = payload
        self._feeds = compile_feeds(schema, payload.inputs)
        # a forked child opens it again, and by then an installer may have put another version there
        read, weights = members.opened(payload.member), _weights(payload, members)
        self._open: Callable[[], Session] = lambda: open_session(
            read(),
            weights,
            declared=payload.weights,
            options=options,
            inputs=payload.inputs,
            outputs=[name for names in payload.outputs.values() for name in names],
            limits=members.limits,
        )
        self._session: Session | None = self._open()

    def prepare(self, method: str) -> Call:
        """The function that runs `method`: one array, or a list of them."""
        names = self._payload.outputs[method]
        feeds = self._feeds
        single = len(names) == 1

        def call(batch: Batch, parameters: Mapping[str, Any]) -> object:
            if parameters:
                message = f"the graph of {safe(method)} was made with the defaults of its parameters"
                hint = 'Load the original, which takes them: load(…, runtime="native").'
                raise UsageError.of("usage.parameter-runtime", message, hint=hint)
            session = self._session
            if session is None:
                session = self._session = self._open()
            answers = session.run(feeds(batch), names)
            return answers[0] if single else answers

        return call

    def reopen(self) -> None:
        """Forget the session, whose threads did not survive the fork: ending it would wait for them, or crash."""
        _never_end(self._session)
        self._session = None

    def close(self) -> None:
        """Drop the session."""
        self._session = None
        self._open = _closed


def _never_end(session: object) -> None:
    """Keep the native part of a session until the process ends: nothing releases this reference, not even Python."""
    import ctypes  # numpy has imported it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))


def _closed() -> Session:
    raise UsageError.of("usage.closed", "the model is closed")


def _weights(payload: OnnxPayload, members: Members) -> Mapping[str, Any]:
    if payload.weights_member is None:
        return {}
    data = members.mapped(payload.weights_member)
    return {
        weight.name: np.frombuffer(data[weight.offset : weight.offset + weight.size], dtype=weight.dtype).reshape(
            weight.shape
        )
        for weight in payload.weights
    }
