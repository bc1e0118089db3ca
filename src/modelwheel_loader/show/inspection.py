"""How near a runtime comes to the original, in words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..opening.types import Category
from ..text import clip, counted, safe

if TYPE_CHECKING:
    from ..bundle import Bundle
    from ..opening.manifest import Cost, LockFile, Method, Parity, Proof
    from ..opening.schema import Field, Schema
    from .explanation import RuntimeStatus


def parity_lines(parities: Mapping[str, Parity]) -> Iterator[str]:
    """How far a runtime is from the original, made safe: one line for all methods of which the same can be said."""
    said: dict[tuple[str, str], list[str]] = {}
    largest: dict[tuple[str, str], float] = {}
    for method, parity in sorted(parities.items(), key=lambda item: not item[1].exact):
        kind = ("bit for bit" if parity.exact else _labels(parity), rows_text(parity))
        said.setdefault(kind, []).append(clip(method))
        largest[kind] = max(largest.get(kind, 0.0), parity.max_absolute)
    for kind, methods in said.items():
        words, rows = kind
        what = (
            "as the original, bit for bit"
            if words == "bit for bit"
            else f"within {largest[kind]:.1g} of the original{words}"
        )
        yield f"{', '.join(methods)}: {what}, on {rows}"


def rows_text(parity: Parity) -> str:
    """How many rows were compared, in words."""
    made_up = sum(count for kind, count in parity.tried.items() if kind not in ("examples", "sample"))
    if not made_up:
        return counted(parity.rows, "row")
    ties = f" ({parity.undecided:,} more hang on the order of equals)" if parity.undecided else ""
    return f"{counted(parity.rows - made_up, 'row')} and {made_up:,} made-up ones{ties}"


def cost_lines(cost: Cost) -> Iterator[str]:
    """What a runtime cost when it was measured at packing, made safe: a line per method, then opening."""
    for name, one in cost.methods.items():
        times = f"one row {seconds_text(one.row)}, {counted(one.rows, 'row')} {seconds_text(one.batch)}"
        yield f"{safe(name)}: {times}"
    yield f"opens in {seconds_text(cost.open)} (all measured when packed, on {counted(cost.cores, 'core')})"


def seconds_text(seconds: float) -> str:
    """A duration for people: `0.28 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _labels(parity: Parity) -> str:
    return f", {parity.label_disagreements:,} labels differ" if parity.label_disagreements else ""


# What `inspect` says of a bundle: as text for people, and as JSON types. Everything from the bundle is made safe.


SHOWN_FIELDS = 40
"""How many fields `describe` lists unless it is verbose."""
_WIDTH = 60
_BARE = ("implementation", "platform")


def summary(bundle: Bundle) -> dict[str, Any]:
    """The manifest, the digest, where the bundle lies, and what can run here."""
    return {
        "name": bundle.name,
        "version": bundle.version,
        "digest": bundle.digest,
        "path": str(bundle.path),
        "kind": bundle.kind,
        "manifest": bundle.manifest.to_dict(),
        "metadata": {name: list(values) for name, values in bundle.metadata.items()},
        "runtimes": bundle.explain().to_dict()["runtimes"],
    }


def describe(bundle: Bundle, *, verbose: bool = False) -> Iterator[str]:
    """The lines of a page about the bundle: what it is, takes, answers, needs, and where it can run."""
    manifest = bundle.manifest
    yield f"{safe(manifest.name)} {safe(manifest.version)}"
    if manifest.summary:
        yield f"  {clip(manifest.summary, 200)}"
    yield ""
    yield from _table([(name, safe(value)) for name, value in facts(bundle)])
    yield ""
    about = ", ".join([fields_text(manifest.input), *table_notes(manifest.input)])
    yield f"takes {clip(about, 5 * _WIDTH)}"
    shown = manifest.input.fields if verbose else manifest.input.fields[:SHOWN_FIELDS]
    yield from _table([_field_row(field, verbose=verbose) for field in shown])
    if len(shown) < len(manifest.input.fields):
        yield f"  … and {len(manifest.input.fields) - len(shown):,} more (--verbose lists them)"
    yield ""
    yield "answers"
    yield from _table([_method_row(method) for method in manifest.methods])
    yield ""
    yield "runs"
    explanation = bundle.explain()
    for status in explanation.runtimes:
        yield from (f"  {line}" for line in _status_lines(status, verbose=verbose))
    yield from (f"  {safe(item.kind)}: left out when packed, {clip(item.reason, 300)}" for item in explanation.left_out)


def facts(bundle: Bundle) -> list[tuple[str, str]]:
    """What there is to say of a bundle as a whole, by name; not yet made safe."""
    manifest = bundle.manifest
    model = manifest.model
    said = [
        ("model", " · ".join(model[key] for key in ("class", "framework") if model.get(key))),
        ("made by", authors(bundle)),
        ("size", size_text(size(bundle))),
        ("digest", bundle.digest),
        ("examples", examples_text(bundle)),
        ("packed with", _packed_with(manifest.packed_with)),
        ("lock", "" if manifest.lock is None else lock_text(manifest.lock)),
        ("proof", "" if manifest.proof is None else proof_text(manifest.proof)),
        ("lies in", f"{bundle.path} ({bundle.kind})"),
    ]
    return [fact for fact in said if fact[1]]


def size(bundle: Bundle) -> int:
    """The bytes of the file, while it is there; else, and of what is no single file, those of all it holds."""
    if bundle.kind == "wheel":
        with contextlib.suppress(OSError):
            return os.stat(bundle.path).st_size
    return sum(digest.size for digest in bundle.manifest.members.values())


def _packed_with(packed: Mapping[str, str]) -> str:
    """Versions first; then the interpreter and the platform, which have none."""
    words = [f"{name} {version}" for name, version in packed.items() if name not in _BARE]
    return ", ".join([*words, *(packed[name] for name in _BARE if name in packed)])


def authors(bundle: Bundle) -> str:
    """Who made the bundle and under what licence, as its METADATA says; not yet made safe."""
    headers = bundle.metadata
    values = [value for key in ("author", "author-email", "license-expression") for value in headers.get(key, ())]
    return " · ".join(clip(value, 200) for value in values)


def examples_text(bundle: Bundle) -> str:
    """How many golden examples travel in the bundle, and whose rows they are."""
    goldens = bundle.manifest.examples
    if goldens is None:
        return "none recorded"
    if goldens.source == "sample":
        real = "which is a real row" if goldens.rows == 1 else "which are real rows"
        return f"{counted(goldens.rows, 'row')}, {real} of the author's sample"
    return f"{counted(goldens.rows, 'row')} ({safe(goldens.source)})"


def lock_text(lock: LockFile) -> str:
    """For which platforms the lock is, and what made it."""
    several = lock.platforms in ("all", "some")
    return f"for {safe(lock.platforms)} {'platforms' if several else 'only'}, made by {safe(lock.resolver)}"


def proof_text(proof: Proof) -> str:
    """What the author proved of the bundle."""
    room = f"Python {safe(proof.python)} on {safe(proof.platform)}"
    return f"proven in a clean room: {room}, {counted(proof.rows, 'golden example')}"


def size_text(size: int) -> str:
    """A number of bytes for people: `1.4 MB`."""
    amount, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB"):
        if amount < 1000:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "bytes" else f"{amount:.1f} {unit}"


def fields_text(schema: Schema) -> str:
    """How many fields there are."""
    return counted(len(schema.fields), "field")


def table_notes(schema: Schema) -> Iterator[str]:
    """What is said of a table as a whole; not yet made safe."""
    if schema.min_rows is not None or schema.max_rows is not None:
        low, high = schema.min_rows or 0, schema.max_rows
        yield f"at least {counted(low, 'row')}" if high is None else f"{low:,} to {high:,} rows at a time"
    if schema.unique:
        yield f"each {', '.join(schema.unique)} once"


def _field_row(field: Field, *, verbose: bool) -> Sequence[str]:
    text = ", ".join(field_notes(field))
    name = f"{field.name} [{field.unit}]" if field.unit else field.name
    null = "or null" if field.nullable else ""
    return clip(name, 40), clip(str(field.type), 40), null, safe(text) if verbose else clip(text, _WIDTH)


def field_notes(field: Field) -> Iterator[str]:
    """What there is to say of a field beyond its name and type; not yet made safe."""
    yield from _limits(field)
    yield from _observed(field)
    if field.deprecated:
        yield "deprecated"
    if field.description:
        yield field.description


def _limits(field: Field) -> Iterator[str]:
    values = field.allowed or (field.type.values if isinstance(field.type, Category) else None)
    if values is not None:
        yield f"one of {', '.join(str(value) for value in values[:50])}{' …' if len(values) > 50 else ''}"
    if field.minimum is not None:
        yield f"≥ {field.minimum}"
    if field.maximum is not None:
        yield f"≤ {field.maximum}"
    if field.pattern is not None:
        yield f"matching {field.pattern}"
    if not field.required:
        yield f"default {field.default!r}"


def _observed(field: Field) -> Iterator[str]:
    seen = field.observed
    if seen is None:
        return
    if seen.minimum is not None and seen.maximum is not None:
        low, high = _short(seen.minimum), _short(seen.maximum)
        yield f"seen {low} … {high}" if seen.minimum != seen.maximum else f"seen {low} only"
    elif seen.distinct is not None:
        yield "one value seen" if seen.distinct == 1 else f"{seen.distinct:,} different seen"
    if seen.nulls and seen.rows:
        yield f"{100 * seen.nulls / seen.rows:.2g}% null"


def _short(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else re.sub(r"(:\d\d)\.0+(?!\d)", r"\1", str(value))


def _method_row(method: Method) -> Sequence[str]:
    return clip(method.name, 40), clip(answer_types(method), 60), clip(", ".join(method_notes(method)), 5 * _WIDTH)


def answer_types(method: Method) -> str:
    """The types of what a method answers; not yet made safe."""
    kinds = ", ".join(f"{field.type}" for field in method.output.fields[:4])
    return f"{kinds}, … ({len(method.output.fields)} in all)" if len(method.output.fields) > 4 else kinds


def method_notes(method: Method) -> Iterator[str]:
    """What there is to say of a method beyond the types of its answers; not yet made safe."""
    if method.parameters is not None:
        yield from (_parameter(field) for field in method.parameters.fields)
    if method.classes:
        more = " …" if len(method.classes) > 12 else ""
        yield f"classes {', '.join(str(value) for value in method.classes[:12])}{more}"
    if not method.deterministic:
        yield "answers differ from call to call"


def _parameter(field: Field) -> str:
    limits = [note for note in _limits(field) if not note.startswith("default ")]
    return f"takes {field.name}={field.default!r} ({', '.join([str(field.type), *limits])})"


def _status_lines(status: RuntimeStatus, *, verbose: bool) -> Iterator[str]:
    lines = list(status.lines())
    yield from (line for line in lines if verbose or not line.strip().startswith("would import"))


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    """Left-aligned columns, two blanks apart, indented by two; trailing blanks cut."""
    if not rows:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip() for row in rows
    ]
