"""What is printed, and how. Nothing here reads markup: text of bundles and data is shown as it is, made safe."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from modelwheel_loader.errors import ModelwheelError, TrustError
from modelwheel_loader.proof import Outcome, Report
from modelwheel_loader.text import safe, safe_json

NARROWEST = 40
"""Columns below which nothing is laid out any more: lines are then longer than the terminal."""

_STYLES: dict[Outcome, str] = {"passed": "green", "failed": "bold red", "not run": "yellow"}
Tell = Callable[[str, int, int], None]


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
    """An error with all its defects on standard error; wrapped for people, one line per defect for programs."""
    screen = console(err=True)
    first, *rest = str(error).splitlines()
    text = Text(f"{type(error).__name__}: ", style="bold red")
    text.append(first, style="not bold default")
    screen.print(hanging(screen, text, "", "  "), soft_wrap=True)
    for line in rest:
        words = line.lstrip()
        indent = " " * (len(line) - len(words))
        advice = words.startswith("→")
        text = Text(_for_the_command_line(words, error) if advice else words, style="green" if advice else "")
        screen.print(hanging(screen, text, indent, indent + "  "), soft_wrap=True)


def _for_the_command_line(advice: str, error: ModelwheelError) -> str:
    """The options that do what the advice says in Python."""
    digest = re.search("sha256:[0-9a-f]{64}", advice) if isinstance(error, TrustError) else None
    if digest is None:
        return advice
    return f"→ If you know this bundle and where it comes from: --trust-digest {digest[0]}"


def hanging(screen: Console, text: Text, first: str, others: str) -> Text:
    """`text` after `first`; on a terminal it is wrapped, with `others` before the lines that follow."""
    if not screen.is_terminal:
        return Text(first).append_text(text)
    made = Text()
    for number, line in enumerate(text.wrap(screen, screen.width - len(others), overflow="fold")):
        line.rstrip()
        made.append("\n" + others if number else first)
        made.append_text(line)
    return made


def warn(text: str) -> None:
    """One line on standard error."""
    click.echo(safe(text), err=True)


def is_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty()


def plain_table(*, header: bool = True) -> Table:
    """A table without lines, whose columns are two blanks apart."""
    return Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=header, pad_edge=False)


def print_indented(screen: Console, line: str, least: str = "") -> None:
    """A line whose continuation is indented as it is, and at least by `least`."""
    words = line.lstrip()
    indent = " " * (len(line) - len(words))
    screen.print(hanging(screen, plain(words), indent, max(indent, least)), soft_wrap=True)


def print_report(report: Report, *, as_json: bool) -> None:
    """The report of a check on standard output: a line per step, defects and what to do below it."""
    if as_json:
        print_json(report.to_dict())
        return
    screen = console()
    title = plain(report.subject, "bold")
    title.append(f": {report.verdict}", style="green" if report.ok else "bold red")
    screen.print(title)
    for step in report.steps:
        first, *rest = step.lines()
        text = plain(first)
        text.stylize(_STYLES[step.outcome], 0, 1)
        screen.print(hanging(screen, text, "  ", "    "), soft_wrap=True)
        for line in rest:
            indent = "  " + " " * (len(line) - len(line.lstrip()))
            text = plain(line.strip(), "green" if line.lstrip().startswith("→") else "")
            screen.print(hanging(screen, text, indent, indent + "  "), soft_wrap=True)


@contextlib.contextmanager
def progress() -> Iterator[Tell | None]:
    """A callback for `pack` and `verify` that shows what is being done; None when nobody watches."""
    if not is_terminal():
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(err=True), transient=True) as bars:
        task = bars.add_task("working", total=None)

        def tell(what: str, done: int, total: int) -> None:
            bars.update(task, description=safe(what), completed=done, total=total)

        yield tell
