"""Which runtime runs the model: the first that is trusted and fits this environment, or the one that was named.

Runtimes are `run/onnx_runtime.py`, `run/native_runtime.py` and `isolated/runtime.py`; only the one that runs is
imported. Each opens a payload and predicts for validated data.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..defects import Defect
from ..doors import door
from ..errors import EnvironmentMismatch, MissingExtra, ModelwheelError, PredictionError, TrustError, UsageError
from ..opening.manifest import FORMATS, ISOLATED, RUNTIMES, NativePayload, Payload
from ..records import Record
from ..text import clip, safe
from . import environment

if TYPE_CHECKING:
    from ..opening.integrity import Members
    from ..opening.manifest import Manifest, MethodCost, Payload
    from ..opening.places import Place
    from ..validate.batch import Batch
    from .isolation import Isolation
    from .trust import Trust


Call = Callable[["Batch", Mapping[str, Any]], object]
"""Predicts for a validated batch, with the validated parameters of the call."""


class Runtime(Protocol):
    """An opened payload."""

    kind: str

    def prepare(self, method: str) -> Call:
        """The function that runs `method`."""

    def reopen(self) -> None:
        """Make the runtime work in a forked child, on its next call."""

    def close(self) -> None:
        """Release the resources."""


def failed(method: str, error: BaseException) -> PredictionError:
    """The error for an exception that the model itself raised."""
    message = f"the model's {safe(method)}() raised {type(error).__name__}: {clip(error, 300)}"
    return PredictionError.of("predict.failed", message)


class Candidate(Record):
    """A runtime of the bundle, and what keeps it from running here: missing trust, and this environment.

    `isolated` runs the payload of `native`, by `plan` where it can.
    """

    kind: str
    payload: Payload
    refusal: tuple[Defect, ...]
    hindrances: tuple[Defect, ...]
    plan: Any = None

    @property
    def available(self) -> bool:
        """Whether it is trusted and fits this environment."""
        return not self.refusal and not self.hindrances


def candidates(
    manifest: Manifest,
    place: Place,
    members: Members,
    digest: str,
    trust: Trust,
    isolation: Isolation | None,
    runtime: str,
) -> Iterator[Candidate]:
    """The candidates for `runtime`, in the author's order, each checked when the caller reaches it.

    Trust decides whether a payload may run, this interpreter and its packages whether it can; isolated, the environment
    that `isolation` plans for it.
    """
    for payload in manifest.runtimes:
        if runtime in ("auto", payload.kind):
            refusal = _refusal(payload, place, digest, trust)
            python = payload.python_specifier if isinstance(payload, NativePayload) else None
            found = tuple(environment.check(python, payload.requires, bundle=manifest.name, extra=payload.kind))
            yield Candidate(kind=payload.kind, payload=payload, refusal=refusal, hindrances=found)
    native = next((item for item in manifest.runtimes if isinstance(item, NativePayload)), None)
    if isolation is not None and native is not None and runtime in ("auto", ISOLATED):
        refusal = _refusal(native, place, digest, trust)
        planned = door("plan_isolated")(native, manifest, members, isolation)
        hindered, fits = (tuple(planned), None) if isinstance(planned, Sequence) else ((), planned)
        yield Candidate(kind=ISOLATED, payload=native, refusal=refusal, hindrances=hindered, plan=fits)


def _refusal(payload: Payload, place: Place, digest: str, trust: Trust) -> tuple[Defect, ...]:
    risk = FORMATS[payload.format].risk
    return tuple(trust.refusal(place, digest, risk)) if risk else ()


def choose(candidates: Iterable[Candidate], runtime: str, manifest: Manifest, prefer: str | None = None) -> Candidate:
    """The runtime to use. Raises an error that lists every runtime with its exact reasons when none can.

    With `prefer` it is the cheapest by the costs that `pack` recorded, else the first in the author's order: those
    behind it are not checked.
    """
    if prefer is not None:
        candidates = _cheapest_first(list(candidates), checked_preference(prefer, runtime), manifest)
    unfit = []
    for candidate in candidates:
        if candidate.available:
            if runtime == "auto":
                _log(manifest, candidate)
            return candidate
        unfit.append(candidate)
    raise _unavailable(unfit, manifest) if unfit else _absent(runtime, manifest)


def _cheapest_first(candidates: Sequence[Candidate], prefer: str, manifest: Manifest) -> list[Candidate]:
    """The runtimes that can run here, cheapest first, then the others; raises `UsageError` without numbers."""
    available = [item for item in candidates if item.available]
    others = [item for item in candidates if not item.available]
    if len(available) < 2:
        return [*available, *others]
    if missing := [item.kind for item in available if item.payload.cost is None]:
        message = f"the cost of {manifest.name} {manifest.version} was not measured when it was packed"
        raise UsageError.of("usage.no-cost", message, found=f"no numbers for {', '.join(missing)}")
    shared = [name for name in available[0].payload.methods if all(name in costs(item.payload) for item in available)]

    def total(item: Candidate) -> float:
        return seconds(costs(item.payload), shared, prefer, isolated=item.kind == ISOLATED)

    return [*sorted(available, key=total), *others]


LATENCY = "latency"
PREFERENCES = (LATENCY, "throughput")
Preference = Literal["latency", "throughput"]
ISOLATED_CALL = 0.0003
"""Seconds that a call through another process takes on top."""


def checked_preference(value: object, runtime: str) -> str:
    """`value` when it is one of `PREFERENCES` and no runtime is named beside it; raises `UsageError` otherwise."""
    if value not in PREFERENCES:
        raise UsageError.argument("prefer", value, " or ".join(map(repr, PREFERENCES)))
    if runtime != "auto":
        message = f"prefer chooses a runtime, and runtime={runtime!r} names one: give one of the two"
        raise UsageError.of("usage.argument", message)
    return str(value)


def costs(payload: Payload) -> Mapping[str, MethodCost]:
    """The recorded cost of each method of a payload; empty when it was not measured."""
    return {} if payload.cost is None else payload.cost.methods


def seconds(cost: Mapping[str, MethodCost], methods: Sequence[str], prefer: str, *, isolated: bool) -> float:
    """What `prefer` counts: the seconds of one row, or of a row in a batch, summed over `methods`."""
    if prefer == LATENCY:
        return sum(cost[name].row + (ISOLATED_CALL if isolated else 0.0) for name in methods)
    return sum(cost[name].batch / cost[name].rows for name in methods)


def _log(manifest: Manifest, candidate: Candidate) -> None:
    if logging := sys.modules.get("logging"):  # otherwise nobody listens, and importing it takes milliseconds
        message = "%s %s runs by %s; name the runtime in load() to keep it so"
        logging.getLogger("modelwheel").info(message, manifest.name, manifest.version, candidate.kind)


def _absent(runtime: str, manifest: Manifest) -> ModelwheelError:
    if runtime not in RUNTIMES:
        kinds = ", ".join(("auto", *RUNTIMES))
        return UsageError.of("usage.runtime", f"there is no runtime {clip(runtime)!r}", expected=f"one of {kinds}")
    reasons = [safe(item.reason) for item in manifest.left_out if item.kind == runtime]
    why = f": {reasons[0]}" if reasons else ""
    return UsageError.of("usage.runtime-left-out", f"{manifest.name} has no {runtime} runtime{why}")


def _unavailable(candidates: Sequence[Candidate], manifest: Manifest) -> ModelwheelError:
    """The error when nothing can run: about trust when only that is missing, else about the environment."""
    defects = [defect for item in candidates for defect in (*item.refusal, *item.hindrances)]
    name = f"{manifest.name} {manifest.version}"
    if any(not c.hindrances for c in candidates):
        risks = [FORMATS[c.payload.format].risk for c in candidates if not c.hindrances]
        return TrustError(f"{name} was not loaded: its model is {risks[0]}", defects)
    missing = all(d.code == "environment.missing" for c in candidates for d in c.hindrances)
    kind = MissingExtra if missing else EnvironmentMismatch
    return kind(f"{name} cannot run here", defects)
