"""How `inspect` and `explain` show a bundle: its facts, input and methods, and for each runtime whether it can run."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.opening import ISOLATED, Schema
from modelwheel_loader.proof import Explanation, RuntimeStatus
from modelwheel_loader.show import (
    SHOWN_FIELDS,
    answer_types,
    cost_lines,
    facts,
    field_name,
    field_notes,
    fields_text,
    method_notes,
    parity_lines,
    size_text,
    table_notes,
)
from modelwheel_loader.text import clip, safe

from .screen import plain, plain_table, show

_HEADING = "bold cyan"
_LONG = 400


def print_page(screen: Console, bundle: Bundle, *, verbose: bool) -> None:
    """The whole page."""
    manifest = bundle.manifest
    screen.print(plain(f"{bundle.name} {bundle.version}", "bold"))
    if manifest.summary:
        screen.print(plain(clip(manifest.summary, _LONG), "italic"))
    screen.print(plain(bundle.digest, "dim"), soft_wrap=True)
    show(screen, _indented(_facts(bundle)))
    _heading(screen, f"Input: {_fields(bundle.schema)}")
    show(screen, _indented(fields_table(bundle.schema, verbose=verbose), top=0))
    _heading(screen, "Methods")
    show(screen, _indented(_methods(bundle), top=0))
    explanation = bundle.explain()
    _heading(screen, "Runtimes on this machine")
    for number, state in enumerate(runtime_states(explanation, offered=True)):
        show(screen, _indented(state, top=1 if number else 0))
    _heading(screen, "Requirements")
    show(screen, _indented(needs_table(explanation), top=0))
    screen.print()
    if verbose:
        if manifest.description:
            screen.print(Text("About", style=_HEADING))
            show(screen, _indented(_paragraphs(manifest.description), top=0))
            screen.print()
        print_imports(screen, explanation)


def _heading(screen: Console, text: str) -> None:
    screen.print()
    screen.print(Text(text, style=_HEADING))


def _indented(what: RenderableType, *, top: int = 1) -> Padding:
    return Padding(what, (top, 0, 0, 2), expand=False)


def _paragraphs(text: str) -> Text:
    """Text of several lines, each made safe by itself."""
    return Text("\n").join(plain(line) for line in text.splitlines())


def _facts(bundle: Bundle) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in facts(bundle):
        if name != "digest":  # it stands above, in one piece
            made.add_row(Text(name), plain(clip(value, _LONG)))
    return made


def _fields(schema: Schema) -> str:
    extra = "extra columns are rejected" if schema.extra == "error" else "extra columns are ignored"
    return safe(", ".join([f"{fields_text(schema)} ({extra})", *table_notes(schema)]))


def fields_table(schema: Schema, *, verbose: bool = False) -> Table:
    """The fields of a schema: name, type, whether null is taken, and what else is known."""
    shown = schema.fields if verbose else schema.fields[:SHOWN_FIELDS]
    longest = 10_000 if verbose else _LONG
    made = plain_table()
    made.add_column("name", overflow="fold", style="bold", max_width=40)
    made.add_column("type", overflow="fold", style="magenta", max_width=30)
    made.add_column("null", width=4)
    made.add_column("limits · seen in the sample", overflow="fold")
    for field in shown:
        null = Text("null" if field.nullable else "–", style="" if field.nullable else "dim")
        notes = clip(", ".join(field_notes(field)), longest)
        made.add_row(plain(clip(field_name(field), longest)), plain(clip(field.type, longest)), null, plain(notes))
    if len(shown) < len(schema.fields):
        made.add_row(plain(f"… {len(schema.fields) - len(shown):,} more", "dim"), "", "", plain("--verbose", "dim"))
    return made


def _methods(bundle: Bundle) -> Table:
    made = plain_table(header=False)
    made.add_column(style="bold", overflow="fold", max_width=40)
    made.add_column(style="magenta", overflow="fold", max_width=40)
    notes = [", ".join(method_notes(method)) for method in bundle.manifest.methods]
    if any(notes):  # a column without a word in it takes the room of the others
        made.add_column(overflow="fold")
    for method, note in zip(bundle.manifest.methods, notes, strict=True):
        cells = (method.name, answer_types(method), note)[: len(made.columns)]
        made.add_row(*(plain(clip(cell, _LONG)) for cell in cells))
    return made


# --- runtimes ---


_TRUST = "trust.refused"
_NO_LOCK = "isolated.no-lock"
_LONGEST = 300


def runtime_states(explanation: Explanation, *, offered: bool = False) -> Iterator[Table]:
    """For each runtime a mark and its state here, its size and how it compares.

    `offered` leaves out the isolated runtime of a bundle without the lock that it needs: nobody meant to offer it.
    """
    every = {method for status in explanation.runtimes for method in status.methods}
    shown: set[str] = set()
    for status in explanation.runtimes:
        if not offered or _NO_LOCK not in {reason.code for reason in status.reasons}:
            yield _state(status, every, shown)
    for item in explanation.left_out:
        made = _grid()
        made.add_row(plain("–", "dim"), plain(item.kind, "bold dim"), plain(f"left out: {clip(item.reason, _LONGEST)}"))
        yield made


def _state(status: RuntimeStatus, every: set[str], shown: set[str]) -> Table:
    """One runtime: its methods unless it has `every`, and no note that is in `shown` already."""
    mark, style = ("✓", "bold green") if status.available else ("✗", "bold red")
    if status.needs_trust and not status.available:
        mark, style = "●", "bold yellow"
    made = _grid()
    first = plain(status.state, style.replace("bold ", ""))
    made.add_row(plain(mark, style), plain(status.kind, "bold"), first)
    if set(status.methods) != every:
        made.add_row("", "", plain(f"methods: {', '.join(status.methods)}"))
    for text in _notes(status):
        if text.plain not in shown:
            made.add_row("", "", text)
            shown.add(text.plain)
    return made


def _grid() -> Table:
    made = Table.grid(padding=(0, 1))
    made.add_column(width=1)
    made.add_column(width=9)
    made.add_column(overflow="fold")
    return made


def _notes(status: RuntimeStatus) -> Iterator[Text]:
    if status.copied_bytes or status.mapped_bytes:
        yield plain(memory_text(status))
    yield from map(plain, parity_lines(status.parity))
    if status.cost is not None:
        yield from map(plain, cost_lines(status.cost))
    if status.detail and status.kind != ISOLATED:
        yield plain(status.detail)
    if {reason.code for reason in status.reasons} <= {_TRUST}:
        if status.reasons:
            pickled = status.risk.startswith("a pickle")
            what = "Loading it runs code" if pickled else f"It is {status.risk}"
            yield plain(f"{what}. Allow it with --trust-digest DIGEST, or install the bundle", "dim")
        return
    for reason in status.reasons:
        if reason.code != _TRUST:
            yield plain(str(reason), "red")
    for advice in dict.fromkeys(reason.advice for reason in status.reasons if reason.code != _TRUST):
        yield plain(f"→ {advice}", "green")


def memory_text(status: RuntimeStatus) -> str:
    """The memory of a runtime: copied bytes are each process's own, mapped ones are shared."""
    copied = f"{size_text(status.copied_bytes)} per process (not shared)"
    return f"{copied}, {size_text(status.mapped_bytes)} shared" if status.mapped_bytes else copied


def needs_table(explanation: Explanation) -> Table:
    """What each runtime needs: the range that is accepted, the version at packing, and why."""
    made = plain_table()
    for title in ("runtime", "needs", "packed with", "why"):
        made.add_column(title, overflow="fold")
    for status in explanation.runtimes:
        for item in status.requires:
            cells = (status.kind, f"{item.name}{item.specifier}", item.version, clip(item.reason, 80))
            made.add_row(*(plain(cell) for cell in cells))
    return made


def print_imports(screen: Console, explanation: Explanation) -> None:
    """What loading a pickle would import: information, never a gate."""
    for status in explanation.runtimes:
        if status.imports:
            screen.print(plain(f"Loading the {status.kind} model would import:", "bold"))
            text = plain(", ".join(clip(name, 100) for name in status.imports))
            show(screen, Padding(text, (0, 0, 1, 2), expand=False))
