"""Whether what the manifest names is there: members, fields, methods, and the pieces of members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..archive.zipformat import ALIGNMENT
from ..errors import Defect
from ..text import clip
from .records import MEMBER, Manifest, NativePayload, Payload


def contradictions(manifest: Manifest) -> list[Defect]:
    """Every member, field and method that the manifest names must exist, and pieces must lie inside their member."""
    defects: list[Defect] = []

    def wrong(where: str, message: str) -> None:
        defects.append(Defect(code="manifest.invalid", where=f"{MEMBER}.{where}", message=message))

    def member(where: str, name: str) -> None:
        if name not in manifest.members:
            wrong(where, f"names {clip(name)!r}, which is not in members")

    methods = {method.name for method in manifest.methods}
    if len(methods) != len(manifest.methods):
        wrong("methods", "two methods have the same name")
    kinds = [payload.kind for payload in manifest.runtimes]
    if len(set(kinds)) != len(kinds) or not kinds:
        wrong("runtimes", "must hold at least one runtime, and each kind once")
    for index, payload in enumerate(manifest.runtimes):
        where = f"runtimes[{index}]"
        for name in payload.members:
            member(where, name)
        for name in sorted(set(payload.methods) - methods):
            wrong(where, f"has the method {clip(name)!r}, which is not in methods")
        for problem in _misplaced(payload, manifest):
            wrong(where, problem)
    if manifest.lock:
        member("lock", manifest.lock.member)
    if manifest.proof and (not manifest.lock or manifest.proof.lock != _sha256_of(manifest.lock.member, manifest)):
        wrong("proof", "is of another lock")
    if manifest.examples:
        for name in (manifest.examples.input, *manifest.examples.outputs.values()):
            member("examples", name)
        for name in sorted(set(manifest.examples.outputs) - methods):
            wrong("examples.outputs", f"has the method {clip(name)!r}, which is not in methods")
    return defects


def _sha256_of(name: str, manifest: Manifest) -> str:
    known = manifest.members.get(name)
    return known.sha256 if known else ""


def _misplaced(payload: Payload, manifest: Manifest) -> Iterator[str]:
    if isinstance(payload, NativePayload):
        yield from _misplaced_pieces(payload.spans, payload.buffers_member, manifest)
        return
    yield from _misplaced_pieces([(w.offset, w.size) for w in payload.weights], payload.weights_member, manifest)
    fields = set(manifest.input.names)
    for graph_input in payload.inputs:
        for name in graph_input.fields:
            if name not in fields:
                yield f"input {clip(graph_input.name)!r} is fed by {clip(name)!r}, which is not a field"
    for weight in payload.weights:
        items = 1
        for axis in weight.shape:
            items *= axis
        if items * _itemsize(weight.dtype) != weight.size:
            yield f"weight {clip(weight.name)!r} has a size that does not follow from its shape and dtype"


def _itemsize(dtype: str) -> int:
    digits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) // 8 if digits else 1


def _misplaced_pieces(pieces: Sequence[tuple[int, int]], member: str | None, manifest: Manifest) -> Iterator[str]:
    """Pieces of a member must be aligned, in order, apart, and inside it."""
    end = 0
    known = manifest.members.get(member or "")
    size = known.size if known is not None else 0
    for offset, length in pieces:
        if offset % ALIGNMENT or offset < end or offset + length > size:
            yield f"the piece at {offset} of {length} bytes is not aligned, overlaps another, or is not in its member"
            return
        end = offset + length
