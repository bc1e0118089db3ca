"""How the report of a check looks: a line per step, defects and what to do below it."""

from __future__ import annotations

from rich.console import Console

from modelwheel_loader.proof.report import Outcome, Report, Step

from .screen import console, hanging, plain, print_json

_STYLES: dict[Outcome, str] = {"passed": "green", "failed": "bold red", "not run": "yellow"}


def print_report(report: Report, *, as_json: bool) -> None:
    """The report on standard output."""
    if as_json:
        print_json(report.to_dict())
        return
    screen = console()
    title = plain(report.subject, "bold")
    title.append(": good" if report.ok else ": NOT GOOD", style="green" if report.ok else "bold red")
    screen.print(title)
    for step in report.steps:
        _print_step(screen, step)


def _print_step(screen: Console, step: Step) -> None:
    lines = iter(step.lines())
    first = plain(next(lines))
    first.stylize(_STYLES[step.outcome], 0, 1)
    screen.print(hanging(screen, first, "  ", "    "), soft_wrap=True)
    for line in lines:
        indent = "  " + " " * (len(line) - len(line.lstrip()))
        text = plain(line.strip(), "green" if line.lstrip().startswith("→") else "")
        screen.print(hanging(screen, text, indent, indent + "  "), soft_wrap=True)
