"""What is printed, and how. Nothing here reads markup: text of bundles and data is shown as it is, made safe."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.segment import Segment, Segments
from rich.text import Text

from modelwheel_loader.errors import ModelwheelError, TrustError
from modelwheel_loader.text import safe, safe_json

NARROWEST = 40
"""Columns below which nothing is laid out any more: lines are then longer than the terminal."""


def console(*, err: bool = False) -> Console:
    """A console that reads no markup. Colours are for terminals, and not where NO_COLOR is set."""
    made = Console(stderr=err, markup=False, highlight=False, emoji=False)
    made.width = max(made.width, NARROWEST)
    return made


def plain(text: object, style: str = "") -> Text:
    """Text of a bundle, made safe; rich takes what is a `Text` for no markup anywhere."""
    return Text(safe(str(text)), style=style)


def show(screen: Console, what: RenderableType) -> None:
    """Print without the blanks that tables put at the ends of lines: they would be copied, and wrap."""
    for line in screen.render_lines(what, pad=False):
        while line and not line[-1].text.strip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        screen.print(Segments([*line, Segment.line()]), soft_wrap=True)


def print_json(value: Any, *, err: bool = False) -> None:
    """JSON on standard output, or error; characters that a terminal would obey are escaped."""
    click.echo(safe_json(json.dumps(value, indent=1, ensure_ascii=False)), err=err)


def print_error(error: ModelwheelError) -> None:
    """An error with all its defects on standard error."""
    screen = console(err=True)
    first, _, rest = str(error).partition("\n")
    text = Text(f"{type(error).__name__}: ", style="bold red")
    text.append(first, style="not bold default")
    screen.print(text, soft_wrap=True)
    for line in [*rest.splitlines(), *getattr(error, "__notes__", ())]:
        screen.print(Text(line, style="green" if line.lstrip().startswith("→") else ""), soft_wrap=True)
    if isinstance(error, TrustError) and "Trust." in error.hint:
        click.echo("  on the command line: --trust-digest DIGEST or --unsafe-run-code", err=True)


def warn(text: str) -> None:
    """One line on standard error."""
    click.echo(safe(text), err=True)


def is_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty()
