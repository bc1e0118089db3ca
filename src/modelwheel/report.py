"""What `pack` has to say to its author: what was inferred and left out, parity, sizes, what to look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modelwheel_loader.inspection import proof_text, size_text
from modelwheel_loader.manifest import LockFile, Manifest, OnnxPayload, plain
from modelwheel_loader.text import safe

from .infer import Note


@dataclass(frozen=True, kw_only=True, slots=True)
class PackReport:
    """The notes on one packing. `str(report)` reads like a colleague's note."""

    manifest: Manifest
    size: int
    notes: tuple[Note, ...]
    methods_left_out: dict[str, str]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        manifest = self.manifest
        yield f"packed {manifest.name} {manifest.version}, {size_text(self.size)}"
        methods = ", ".join(method.name for method in manifest.methods)
        count = len(manifest.input.fields)
        yield f"  takes {count} field{'' if count == 1 else 's'}; answers {methods}"
        yield from (f"  {line}" for payload in manifest.runtimes for line in _runtime(payload))
        if manifest.lock is not None:
            yield f"  lock: {_platforms(manifest.lock)}, made by {safe(manifest.lock.resolver)}"
        if manifest.proof is not None:
            yield f"  {proof_text(manifest.proof)}"
        yield from (f"  {item.kind} left out: {safe(item.reason)}" for item in manifest.left_out)
        yield from (f"  {name} left out: {safe(reason)}" for name, reason in self.methods_left_out.items())
        yield from self._examples()
        if self.notes:
            yield "  to look at:"
            yield from (f"    {safe(str(note))}" for note in self.notes)

    def _examples(self) -> Iterator[str]:
        examples = self.manifest.examples
        if examples is None:
            yield "  no golden examples: nobody can check that the model answers as it did here"
        elif examples.source == "sample":
            rows = f"{examples.rows} rows of your sample"
            yield f"  {rows} travel in the bundle as golden examples (examples=Examples(…) changes that)"
        else:
            yield f"  {examples.rows} golden examples ({examples.source})"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "name": self.manifest.name,
            "version": self.manifest.version,
            "size": self.size,
            "runtimes": [payload.kind for payload in self.manifest.runtimes],
            "lock": plain(self.manifest.lock),
            "proof": plain(self.manifest.proof),
            "left_out": [{"kind": item.kind, "reason": item.reason} for item in self.manifest.left_out],
            "methods_left_out": self.methods_left_out,
            "notes": [{"code": note.code, "message": note.message, "field": note.field} for note in self.notes],
        }


def _platforms(lock: LockFile) -> str:
    return (
        f"for {safe(lock.platforms)} platforms"
        if lock.platforms in ("all", "some")
        else f"for {safe(lock.platforms)} only"
    )


def _runtime(payload: Any) -> Iterator[str]:
    if isinstance(payload, OnnxPayload):
        for name, parity in payload.parity.items():
            how = (
                "bit-equal"
                if parity.exact
                else f"within {parity.max_absolute:.2g}, {parity.label_disagreements} labels differ"
            )
            yield f"onnx {name}: {how} on {parity.rows:,} rows"
        return
    shared = f"{size_text(payload.mapped_bytes)} mapped and shared, " if payload.mapped_bytes else ""
    yield f"native: {shared}{size_text(payload.copied_bytes)} copied at load"
    if not payload.reproducible:
        yield "native: its bytes are not reproducible (two packings of this model differ)"
