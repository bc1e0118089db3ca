"""`explain`: for each runtime, whether it can run here, why not, what to do, and what loading it would import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    """One runtime: can it run here, and what is known of it.

    `imports` are the modules and names that unpickling would look up, read from the pickle without running it:
    information, never a gate. `mapped_bytes` are shared between processes, `copied_bytes` are not. `detail` says in
    words how it would run, `risk` why opening it needs trust, `cost` what it took when that was measured at packing.
    """

    kind: str
    available: bool
    reasons: tuple[Defect, ...]
    methods: tuple[str, ...]
    requires: tuple[Requirement, ...]
    imports: tuple[str, ...]
    mapped_bytes: int
    copied_bytes: int
    parity: dict[str, Parity]
    detail: str = ""
    risk: str = ""
    cost: Cost | None = None

    @property
    def state(self) -> str:
        """Whether it can run here, in words. Trust that is missing is no fault of the machine."""
        if self.available:
            return "can run here"
        lacking = {reason.code for reason in self.reasons}
        return "can run here when you trust it" if lacking == {"trust.refused"} else "can NOT run here"

    def lines(self) -> Iterator[str]:
        """The status as text."""
        yield f"{self.kind}: {self.state} ({', '.join(self.methods)})"
        for defect in self.reasons:
            yield f"  {defect}"
        for advice in dict.fromkeys(defect.advice for defect in self.reasons):
            yield f"  → {advice}"
        if self.detail:
            yield f"  {safe(self.detail)}"
        for item in self.requires:
            yield f"  needs {safe(item.name)}{safe(item.specifier)}, {_range(item)}; {clip(item.reason, 160)}"
        yield from (f"  {line}" for line in parity_lines(self.parity))
        if self.cost is not None:
            yield from (f"  {line}" for line in cost_lines(self.cost))
        if self.mapped_bytes or self.copied_bytes:
            yield f"  {self.mapped_bytes:,} bytes are mapped and shared, {self.copied_bytes:,} are copied"
        if self.imports:
            yield f"  would import {', '.join(clip(name, 100) for name in self.imports)}"


def _range(item: Requirement) -> str:
    """Why that range is accepted, and from which version it was made."""
    packed = f" (packed with {safe(item.version)})" if item.version else ""
    return f"{reason_for(item.name, item.version, item.specifier)}{packed}"


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
        return {
            "name": self.name,
            "version": self.version,
            "runtimes": [
                {
                    "kind": status.kind,
                    "available": status.available,
                    "reasons": [defect.to_dict() for defect in status.reasons],
                    "methods": list(status.methods),
                    "requires": [plain(item) for item in status.requires],
                    "imports": list(status.imports),
                    "mapped_bytes": status.mapped_bytes,
                    "copied_bytes": status.copied_bytes,
                    "parity": {method: plain(parity) for method, parity in status.parity.items()},
                    "detail": status.detail,
                    "cost": None if status.cost is None else plain(status.cost),
                }
                for status in self.runtimes
            ],
            "left_out": [plain(item) for item in self.left_out],
        }


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
    if candidate.kind == ISOLATED:
        return _isolated(candidate)
    if isinstance(payload, NativePayload):
        mapped, copied, imports = payload.mapped_bytes, payload.copied_bytes, _imports(payload, members)
        parity = {}
    else:
        mapped, copied, imports = _weight_bytes(payload, manifest), manifest.members[payload.member].size, ()
        parity = dict(payload.parity)
    return RuntimeStatus(
        kind=payload.kind,
        risk=FORMATS[payload.format].risk,
        available=candidate.available,
        reasons=(*candidate.refusal, *candidate.hindrances),
        methods=payload.methods,
        requires=payload.requires,
        imports=imports,
        mapped_bytes=mapped,
        copied_bytes=copied,
        parity=parity,
        detail=_brought(payload),
        cost=payload.cost,
    )


def _brought(payload: Payload) -> str:
    if not isinstance(payload, NativePayload):
        return ""
    parts = [f"brings the source of {', '.join(payload.modules)}"] if payload.modules else []
    if payload.format == "skops":
        types = [name for name in payload.settings.get("types", ()) if isinstance(name, str)]
        parts.append(f"builds, beside what skops trusts by itself: {', '.join(types) or 'nothing'}")
    return "; ".join(parts)


def _isolated(candidate: Candidate) -> RuntimeStatus:
    """The native payload elsewhere: what it needs lies in its lock, and not here."""
    return RuntimeStatus(
        kind=candidate.kind,
        risk=FORMATS[candidate.payload.format].risk,
        available=candidate.available,
        reasons=(*candidate.refusal, *candidate.hindrances),
        methods=candidate.payload.methods,
        requires=(),
        imports=(),
        mapped_bytes=0,
        copied_bytes=0,
        parity={},
        detail="" if candidate.plan is None else str(candidate.plan),
    )


def _imports(payload: Payload, members: Members) -> tuple[str, ...]:
    """What opening the payload would import, where its format names that."""
    if payload.format not in SCANNERS:
        return ()
    return tuple(
        dict.fromkeys(map(str, SCANNERS[payload.format](members.small(payload.member), limits=members.limits)))
    )


def _weight_bytes(payload: Payload, manifest: Manifest) -> int:
    return sum(manifest.members[name].size for name in payload.members[1:])
