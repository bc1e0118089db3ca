"""The report of `pack`: what was inferred and left out, parity, sizes, what to check."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from modelwheel_loader.opening import LockFile, Manifest, OnnxPayload, Payload, plain
from modelwheel_loader.show import cost_lines, fields_text, lock_text, parity_lines, proof_text, size_text, table_notes
from modelwheel_loader.text import clip, counted, safe

from ..inference.infer import Note

_LONG = 500
_NAMED = 6
"""How many fields a line names; more are counted."""


def _together(notes: Iterable[Note]) -> Iterator[str]:
    """The notes; the same note on several fields is one line, which names some of them."""
    fields: dict[str, list[str]] = {}
    for note in notes:
        fields.setdefault(note.message, []).extend([note.field] if note.field else [])
    for message, names in fields.items():
        if len(names) < 2:
            yield str(Note(code="", message=message, field=names[0] if names else None))
        else:
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            yield f"{', '.join(clip(name) for name in names[:_NAMED])}{more}: each {message}"


@dataclass(frozen=True, kw_only=True, slots=True)
class PackReport:
    """What one packing did. `str(report)` is a text of a few lines; a notebook shows it as a table."""

    manifest: Manifest
    size: int
    notes: tuple[Note, ...]
    methods_left_out: dict[str, str]
    replayed: str

    @property
    def title(self) -> str:
        """What was packed, and how large the file is."""
        return f"packed {self.manifest.name} {self.manifest.version}, {size_text(self.size)}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """The report, line by line: each heading, and its text beside it."""
        yield safe(self.title)
        sections = self.sections()
        width = max(len(heading) for heading in sections) + 2
        for heading, said in sections.items():
            for number, line in enumerate(said):
                yield f"  {'' if number else heading:{width}}{line}"

    def sections(self) -> dict[str, list[str]]:
        """The lines under each heading, made safe to print; headings without any are left out."""
        manifest = self.manifest
        sections = {
            "input": [clip(", ".join(self._input()), _LONG)],
            "methods": [clip(", ".join(method.name for method in manifest.methods), _LONG)],
            "runs": [line for payload in manifest.runtimes for line in self._runtime(payload)],
            "left out": list(self._left_out()),
            "lock": [] if manifest.lock is None else [self._lock(manifest.lock)],
            "proof": [] if manifest.proof is None else [proof_text(manifest.proof)],
            "examples": [self._examples()],
            "replay": [safe(self.replayed)],
            "check": [safe(line) for line in _together(self.notes)],
        }
        return {heading: said for heading, said in sections.items() if said}

    def _input(self) -> Iterator[str]:
        schema = self.manifest.input
        rows = max((field.observed.rows for field in schema.fields if field.observed is not None), default=0)
        yield fields_text(schema) + (f" (inferred from {counted(rows, 'sample row')})" if rows else "")
        yield from table_notes(schema)

    def _runtime(self, payload: Payload) -> Iterator[str]:
        size = size_text(sum(self.manifest.members[name].size for name in payload.members))
        if isinstance(payload, OnnxPayload):
            yield f"onnx, {size}"
            yield from (f"  {line}" for line in parity_lines(payload.parity))
        else:
            mapped = f" ({size_text(payload.mapped_bytes)} mapped and shared)" if payload.mapped_bytes else ""
            yield f"native, {size}{mapped}: the original object; needs {_needs(payload)}"
            if not payload.reproducible:
                yield "  not reproducible: packing this model again gives other bytes"
        if payload.cost is not None:
            yield from (f"  {line}" for line in cost_lines(payload.cost))
        missing = [method.name for method in self.manifest.methods if method.name not in payload.methods]
        if missing:
            yield f"  without {clip(', '.join(missing), _LONG)}"

    def _left_out(self) -> Iterator[str]:
        yield from (f"{safe(item.kind)}: {safe(item.reason)}" for item in self.manifest.left_out)
        yield from (f"{safe(name)}: {safe(reason)}" for name, reason in self.methods_left_out.items())

    def _examples(self) -> str:
        examples = self.manifest.examples
        if examples is None:
            return "no golden examples: nobody can verify this model's predictions elsewhere"
        if examples.source != "sample":
            return f"{counted(examples.rows, 'row')} ({safe(examples.source)})"
        rows = counted(examples.rows, "real row")
        return f'includes {rows} of your sample. To use generated rows: Examples(source="synthetic")'

    def _lock(self, lock: LockFile) -> str:
        return f"{lock_text(lock)}, {size_text(self.manifest.members[lock.member].size)}"

    def _repr_html_(self) -> str:
        from modelwheel_loader.show import heading, joined, styled, table, view

        rows = [(styled("dim", name), joined(said)) for name, said in self.sections().items()]
        return view(heading(self.title, level=4), table(rows))

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
            "replayed": self.replayed,
            "notes": [{"code": note.code, "message": note.message, "field": note.field} for note in self.notes],
        }


def _needs(payload: Any) -> str:
    needed = [f"{safe(item.name)}{safe(item.specifier)}" for item in payload.requires]
    return clip(", ".join([f"Python {safe(payload.python_specifier)}", *needed]), _LONG)
