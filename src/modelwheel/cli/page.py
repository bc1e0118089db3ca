"""The page that `inspect` shows: what a bundle is, takes, answers, where it can run, and what it needs."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.show.inspection import (
    SHOWN_FIELDS,
    answer_types,
    facts,
    field_notes,
    fields_text,
    method_notes,
    table_notes,
)
from modelwheel_loader.text import clip, safe

from .runtimes import needs_table, print_imports, runtime_states
from .screen import plain, show

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
    _heading(screen, f"Takes {_fields(bundle.schema)}")
    show(screen, _indented(fields_table(bundle.schema, verbose=verbose), top=0))
    _heading(screen, "Answers")
    show(screen, _indented(_methods(bundle), top=0))
    explanation = bundle.explain()
    _heading(screen, "Runs here")
    for number, state in enumerate(runtime_states(explanation, offered=True)):
        show(screen, _indented(state, top=1 if number else 0))
    _heading(screen, "Needs")
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
    extra = "others are refused" if schema.extra == "error" else "others are ignored"
    return safe(", ".join([f"{fields_text(schema)} ({extra})", *table_notes(schema)]))


def fields_table(schema: Schema, *, verbose: bool = False) -> Table:
    """The fields of a schema: name, type, whether null is taken, and what else is known."""
    shown = schema.fields if verbose else schema.fields[:SHOWN_FIELDS]
    longest = 10_000 if verbose else _LONG
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    made.add_column("name", overflow="fold", style="bold", max_width=40)
    made.add_column("type", overflow="fold", style="magenta", max_width=30)
    made.add_column("null", width=4)
    made.add_column("limits, and what the sample held", overflow="fold")
    for field in shown:
        name = f"{field.name} [{field.unit}]" if field.unit else field.name
        null = Text("null" if field.nullable else "–", style="" if field.nullable else "dim")
        notes = clip(", ".join(field_notes(field)), longest)
        made.add_row(plain(clip(name, longest)), plain(clip(field.type, longest)), null, plain(notes))
    if len(shown) < len(schema.fields):
        made.add_row(plain(f"… {len(schema.fields) - len(shown):,} more", "dim"), "", "", plain("--verbose", "dim"))
    return made


def _methods(bundle: Bundle) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0), show_header=False, pad_edge=False)
    made.add_column(style="bold", overflow="fold", max_width=40)
    made.add_column(style="magenta", overflow="fold", max_width=40)
    notes = [", ".join(method_notes(method)) for method in bundle.manifest.methods]
    if any(notes):  # a column without a word in it takes the room of the others
        made.add_column(overflow="fold")
    for method, note in zip(bundle.manifest.methods, notes, strict=True):
        cells = (method.name, answer_types(method), note)[: len(made.columns)]
        made.add_row(*(plain(clip(cell, _LONG)) for cell in cells))
    return made
