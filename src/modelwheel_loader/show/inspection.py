"""What `inspect` says of a bundle, as text for people and as JSON types. Text of the bundle is made safe to print."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..opening.types import Category
from ..text import clip, counted, safe

if TYPE_CHECKING:
    from ..bundle import Bundle
    from ..opening.manifest import Cost, LockFile, Method, Parity, Proof
    from ..opening.schema import Field, Schema

SHOWN_FIELDS = 40
"""How many fields `describe` lists unless it is verbose."""
_WIDTH = 60
_BARE = ("implementation", "platform")


def summary(bundle: Bundle) -> dict[str, Any]:
    """The manifest, the digest, the path, and what can run here."""
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
    """The lines of a page about the bundle: its facts, input, methods, and the runtimes on this machine."""
    manifest = bundle.manifest
    yield f"{safe(manifest.name)} {safe(manifest.version)}"
    if manifest.summary:
        yield f"  {clip(manifest.summary, 200)}"
    yield ""
    yield from _table([(name, safe(value)) for name, value in facts(bundle)])
    yield ""
    yield f"input: {clip(', '.join([fields_text(manifest.input), *table_notes(manifest.input)]), 5 * _WIDTH)}"
    shown = manifest.input.fields if verbose else manifest.input.fields[:SHOWN_FIELDS]
    yield from _table([_field_row(field, verbose=verbose) for field in shown])
    if len(shown) < len(manifest.input.fields):
        yield f"  … and {len(manifest.input.fields) - len(shown):,} more (--verbose lists them)"
    yield ""
    yield "methods"
    yield from _table([_method_row(method) for method in manifest.methods])
    yield ""
    yield "runtimes on this machine"
    explanation = bundle.explain()
    for line in (line for status in explanation.runtimes for line in status.lines()):
        if verbose or not line.strip().startswith("would import"):
            yield f"  {line}"
    yield from (f"  {safe(item.kind)}: left out when packed, {clip(item.reason, 300)}" for item in explanation.left_out)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Left-aligned columns, two blanks apart, indented by two; trailing blanks cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()


# --- the bundle as a whole ---


def facts(bundle: Bundle) -> list[tuple[str, str]]:
    """The facts of a bundle as a whole, by name; not yet made safe."""
    manifest = bundle.manifest
    model, packed = manifest.model, manifest.packed_with
    # versions first; then the interpreter and the platform, which have none
    versions = [f"{name} {version}" for name, version in packed.items() if name not in _BARE]
    rows = [
        ("model", " · ".join(model[key] for key in ("class", "framework") if model.get(key))),
        ("author", authors(bundle)),
        ("size", size_text(size(bundle))),
        ("digest", bundle.digest),
        ("examples", examples_text(bundle)),
        ("packed with", ", ".join([*versions, *(packed[name] for name in _BARE if name in packed)])),
        ("lock", "" if manifest.lock is None else lock_text(manifest.lock)),
        ("proof", "" if manifest.proof is None else proof_text(manifest.proof)),
        ("file", f"{bundle.path} ({bundle.kind})"),
    ]
    return [row for row in rows if row[1]]


def size(bundle: Bundle) -> int:
    """The bytes of the file while it exists; otherwise, and for a folder, those of all members."""
    if bundle.kind == "wheel":
        with contextlib.suppress(OSError):
            return os.stat(bundle.path).st_size
    return sum(digest.size for digest in bundle.manifest.members.values())


def authors(bundle: Bundle) -> str:
    """The author and the licence, as METADATA has them; not yet made safe."""
    headers = bundle.metadata
    values = [value for key in ("author", "author-email", "license-expression") for value in headers.get(key, ())]
    return " · ".join(clip(value, 200) for value in values)


def examples_text(bundle: Bundle) -> str:
    """How many golden examples the bundle includes, and whether they are real rows."""
    goldens = bundle.manifest.examples
    if goldens is None:
        return "none recorded"
    if goldens.source == "sample":
        return f"{counted(goldens.rows, 'real row')} from the author's data"
    return f"{counted(goldens.rows, 'row')} ({safe(goldens.source)})"


def lock_text(lock: LockFile) -> str:
    """The platforms of the lock, and the tool that resolved it."""
    several = lock.platforms in ("all", "some")
    return f"{safe(lock.platforms)} {'platforms' if several else 'only'} (resolved by {safe(lock.resolver)})"


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


# --- fields and methods ---


def fields_text(schema: Schema) -> str:
    """How many fields there are."""
    return counted(len(schema.fields), "field")


def table_notes(schema: Schema) -> Iterator[str]:
    """The rules of a table as a whole; not yet made safe."""
    if schema.min_rows is not None or schema.max_rows is not None:
        low, high = schema.min_rows or 0, schema.max_rows
        yield f"at least {counted(low, 'row')}" if high is None else f"{low:,} to {high:,} rows at a time"
    if schema.unique:
        yield f"each {', '.join(schema.unique)} once"


def _field_row(field: Field, *, verbose: bool) -> Sequence[str]:
    text = ", ".join(field_notes(field))
    null = "or null" if field.nullable else ""
    return clip(field_name(field), 40), clip(str(field.type), 40), null, safe(text) if verbose else clip(text, _WIDTH)


def field_name(field: Field) -> str:
    """The name with its unit; not yet made safe."""
    return f"{field.name} [{field.unit}]" if field.unit else field.name


def field_notes(field: Field) -> Iterator[str]:
    """The limits of a field, what the sample held, and its description; not yet made safe."""
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
        yield f"seen {low} … {high}" if seen.minimum != seen.maximum else f"constant: {low}"
    elif seen.distinct is not None:
        yield counted(seen.distinct, "distinct value")
    if seen.nulls and seen.rows:
        yield f"{100 * seen.nulls / seen.rows:.2g}% null"


def _short(value: float | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else re.sub(r"(:\d\d)\.0+(?!\d)", r"\1", str(value))


def _method_row(method: Method) -> Sequence[str]:
    return clip(method.name, 40), clip(answer_types(method), 60), clip(", ".join(method_notes(method)), 5 * _WIDTH)


def answer_types(method: Method) -> str:
    """The types of a method's output; not yet made safe."""
    kinds = ", ".join(f"{field.type}" for field in method.output.fields[:4])
    return f"{kinds}, … ({len(method.output.fields)} in all)" if len(method.output.fields) > 4 else kinds


def method_notes(method: Method) -> Iterator[str]:
    """The parameters and classes of a method; not yet made safe."""
    for field in () if method.parameters is None else method.parameters.fields:
        limits = [note for note in _limits(field) if not note.startswith("default ")]
        yield f"parameter {field.name}={field.default!r} ({', '.join([str(field.type), *limits])})"
    if method.classes:
        more = " …" if len(method.classes) > 12 else ""
        yield f"classes: {', '.join(str(value) for value in method.classes[:12])}{more}"
    if not method.deterministic:
        yield "output differs from call to call"


# --- how near a runtime comes to the original, and what it costs ---


def parity_lines(parities: Mapping[str, Parity]) -> Iterator[str]:
    """How far a runtime is from the original, made safe: one line for all methods with the same result."""
    groups: dict[tuple[bool, str, str], list[str]] = {}
    largest: dict[tuple[bool, str, str], float] = {}
    for method, parity in sorted(parities.items(), key=lambda item: not item[1].exact):
        labels = f", {parity.label_disagreements:,} labels differ" if parity.label_disagreements else ""
        kind = (parity.exact, "" if parity.exact else labels, rows_text(parity))
        groups.setdefault(kind, []).append(clip(method))
        largest[kind] = max(largest.get(kind, 0.0), parity.max_absolute)
    for kind, methods in groups.items():
        exact, labels, rows = kind
        near = "identical to" if exact else "differs from"
        most = "" if exact else f" by at most {largest[kind]:.1g}{labels}"
        yield f"{', '.join(methods)}: {near} the original{most} ({rows})"


def rows_text(parity: Parity) -> str:
    """How many rows were compared, in words."""
    generated = sum(count for kind, count in parity.tried.items() if kind not in ("examples", "sample"))
    if not generated:
        return counted(parity.rows, "row")
    ties = f"; {parity.undecided:,} more depend on the order of equal values" if parity.undecided else ""
    return f"{counted(parity.rows - generated, 'sample row')} + {generated:,} generated{ties}"


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
