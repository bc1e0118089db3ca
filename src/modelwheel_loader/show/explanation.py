"""`explain`: for each runtime, whether it can run here, if not why and what to do, and what loading it would import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..defects import Defect
from ..opening.manifest import FORMATS, ISOLATED, Cost, LeftOut, NativePayload, Parity, Payload, Requirement
from ..opening.strictjson import plain
from ..records import Record
from ..run.environment import reason_for
from ..run.model_files import SCANNERS
from ..text import clip, safe
from .inspection import cost_lines, parity_lines

if TYPE_CHECKING:
    from ..opening.manifest import Manifest
    from ..opening.members import Members
    from ..run.selection import Candidate


class RuntimeStatus(Record):
    """One runtime: whether it can run here, and what is known of it.

    `imports` are the modules and names that unpickling would look up, read from the pickle without running it:
    information, never a gate. `mapped_bytes` are shared between processes, `copied_bytes` are not. `detail` says in
    words how it would run, `risk` why opening it needs trust, `cost` is its cost if it was measured at packing.
    """

    kind: str
    available: bool
    reasons: tuple[Defect, ...]
    methods: tuple[str, ...]
    requires: tuple[Requirement, ...] = ()
    imports: tuple[str, ...] = ()
    mapped_bytes: int = 0
    copied_bytes: int = 0
    parity: Mapping[str, Parity] = MappingProxyType({})
    detail: str = ""
    risk: str = ""
    cost: Cost | None = None

    @property
    def needs_trust(self) -> bool:
        """Whether nothing but trust is missing."""
        return {reason.code for reason in self.reasons} == {"trust.refused"}

    @property
    def state(self) -> str:
        """Whether it can run here, in words."""
        return "ready" if self.available else "needs your trust" if self.needs_trust else "not available"

    def lines(self) -> Iterator[str]:
        """The status as text."""
        yield f"{self.kind}: {self.state} ({', '.join(self.methods)})"
        yield from (f"  {line}" for line in self._details())

    def _details(self) -> Iterator[str]:
        yield from map(str, self.reasons)
        yield from dict.fromkeys(f"→ {defect.advice}" for defect in self.reasons)
        if self.detail:
            yield safe(self.detail)
        for item in self.requires:
            packed = f" (packed with {safe(item.version)})" if item.version else ""
            why = f"{reason_for(item.name, item.version, item.specifier)}{packed}; {clip(item.reason, 160)}"
            yield f"needs {safe(item.name)}{safe(item.specifier)}, {why}"
        yield from parity_lines(self.parity)
        if self.cost is not None:
            yield from cost_lines(self.cost)
        if self.mapped_bytes or self.copied_bytes:
            yield f"{self.copied_bytes:,} bytes per process (not shared), {self.mapped_bytes:,} mapped and shared"
        if self.imports:
            yield f"would import {', '.join(clip(name, 100) for name in self.imports)}"


class Explanation(Record):
    """The status of every runtime, and the runtimes that the author's `pack` left out with the reason."""

    name: str
    version: str
    runtimes: tuple[RuntimeStatus, ...]
    left_out: tuple[LeftOut, ...]

    def __str__(self) -> str:
        lines = [f"{safe(self.name)} {safe(self.version)}"]
        lines += [f"  {line}" for status in self.runtimes for line in status.lines()]
        lines += [f"  {safe(item.kind)}: left out by pack: {safe(item.reason)}" for item in self.left_out]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from .html import explanation_view

        return explanation_view(self)

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON types."""
        hidden = ("reasons", "risk")
        return {
            "name": self.name,
            "version": self.version,
            "runtimes": [
                {"kind": status.kind, "available": status.available}
                | {"reasons": [defect.to_dict() for defect in status.reasons]}
                | {name: _json(value) for name, value in status.attributes().items() if name not in hidden}
                for status in self.runtimes
            ],
            "left_out": [plain(item) for item in self.left_out],
        }


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _json(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_json(item) for item in value]
    return plain(value) if isinstance(value, Record) else value


def explain(manifest: Manifest, candidates: Sequence[Candidate], members: Members) -> Explanation:
    """The explanation of the runtimes of a bundle. Runs nothing of it."""
    return Explanation(
        name=manifest.name,
        version=manifest.version,
        runtimes=tuple(_status(candidate, manifest, members) for candidate in candidates),
        left_out=manifest.left_out,
    )


def _status(candidate: Candidate, manifest: Manifest, members: Members) -> RuntimeStatus:
    payload = candidate.payload
    known: dict[str, Any] = {}
    if candidate.kind == ISOLATED:  # the native payload elsewhere: its lock lists what it needs
        known["detail"] = "" if candidate.plan is None else str(candidate.plan)
    else:
        known = {"requires": payload.requires, "detail": _detail(payload), "cost": payload.cost}
        if isinstance(payload, NativePayload):
            known |= {"mapped_bytes": payload.mapped_bytes, "copied_bytes": payload.copied_bytes}
            known["imports"] = _imports(payload, members)
        else:
            known["mapped_bytes"] = sum(manifest.members[name].size for name in payload.members[1:])
            known |= {"copied_bytes": manifest.members[payload.member].size, "parity": dict(payload.parity)}
    return RuntimeStatus(
        kind=candidate.kind,
        risk=FORMATS[payload.format].risk,
        available=candidate.available,
        reasons=(*candidate.refusal, *candidate.hindrances),
        methods=payload.methods,
        **known,
    )


def _detail(payload: Payload) -> str:
    if not isinstance(payload, NativePayload):
        return ""
    parts = [f"includes the source of {', '.join(payload.modules)}"] if payload.modules else []
    if payload.format == "skops":
        types = [name for name in payload.settings.get("types", ()) if isinstance(name, str)]
        parts.append(f"types beyond those that skops trusts by default: {', '.join(types) or 'none'}")
    return "; ".join(parts)


def _imports(payload: Payload, members: Members) -> tuple[str, ...]:
    """What opening the payload would import, for the formats that name it."""
    if payload.format not in SCANNERS:
        return ()
    found = SCANNERS[payload.format](members.small(payload.member), limits=members.limits)
    return tuple(dict.fromkeys(map(str, found)))
