"""`explain`: for each runtime, whether it can run here, if not why and what to do, and what loading it would import."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..opening.manifest import FORMATS, ISOLATED, NativePayload, Payload
from ..opening.strictjson import plain
from ..proof.report import Explanation, RuntimeStatus
from ..records import Record
from ..run.environment import reason_for
from ..run.model_files import SCANNERS
from ..text import clip, safe
from .inspection import cost_lines, parity_lines

if TYPE_CHECKING:
    from ..opening.integrity import Members
    from ..opening.manifest import Manifest
    from ..run.selection import Candidate


def status_lines(status: RuntimeStatus) -> Iterator[str]:
    """The status as text."""
    yield f"{status.kind}: {status.state} ({', '.join(status.methods)})"
    yield from (f"  {line}" for line in _details(status))


def _details(status: RuntimeStatus) -> Iterator[str]:
    yield from map(str, status.reasons)
    yield from dict.fromkeys(f"→ {defect.advice}" for defect in status.reasons)
    if status.detail:
        yield safe(status.detail)
    for item in status.requires:
        packed = f" (packed with {safe(item.version)})" if item.version else ""
        why = f"{reason_for(item.name, item.version, item.specifier)}{packed}; {clip(item.reason, 160)}"
        yield f"needs {safe(item.name)}{safe(item.specifier)}, {why}"
    yield from parity_lines(status.parity)
    if status.cost is not None:
        yield from cost_lines(status.cost)
    if status.mapped_bytes or status.copied_bytes:
        yield f"{status.copied_bytes:,} bytes per process (not shared), {status.mapped_bytes:,} mapped and shared"
    if status.imports:
        yield f"would import {', '.join(clip(name, 100) for name in status.imports)}"


def explanation_text(explanation: Explanation) -> str:
    """The explanation for people."""
    lines = [f"{safe(explanation.name)} {safe(explanation.version)}"]
    lines += [f"  {line}" for status in explanation.runtimes for line in status_lines(status)]
    lines += [f"  {safe(item.kind)}: left out by pack: {safe(item.reason)}" for item in explanation.left_out]
    return "\n".join(lines)


def to_json(explanation: Explanation) -> dict[str, Any]:
    """The explanation as JSON types."""
    hidden = ("reasons", "risk")
    return {
        "name": explanation.name,
        "version": explanation.version,
        "runtimes": [
            {"kind": status.kind, "available": status.available}
            | {"reasons": [defect.to_dict() for defect in status.reasons]}
            | {name: _json(value) for name, value in status.attributes().items() if name not in hidden}
            for status in explanation.runtimes
        ],
        "left_out": [plain(item) for item in explanation.left_out],
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
