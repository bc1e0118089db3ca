"""How `inspect` and `explain` show the runtimes of a bundle: can it run here, and if not, why and what to do."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from modelwheel_loader.opening.manifest import ISOLATED
from modelwheel_loader.show.explanation import Explanation, RuntimeStatus
from modelwheel_loader.show.inspection import cost_lines, parity_lines, size_text
from modelwheel_loader.text import clip

from .screen import plain, show

_TRUST = "trust.refused"
_NO_LOCK = "isolated.no-lock"
_LONGEST = 300


def runtime_states(explanation: Explanation, *, offered: bool = False) -> Iterator[Table]:
    """For each runtime a mark and how it stands here, its size and how it compares.

    `offered` leaves out the isolated runtime of a bundle without the lock that it needs: nobody meant to offer it.
    """
    every = {method for status in explanation.runtimes for method in status.methods}
    told: set[str] = set()
    for status in explanation.runtimes:
        if not offered or _NO_LOCK not in {reason.code for reason in status.reasons}:
            yield _state(status, every, told)
    for item in explanation.left_out:
        made = _grid()
        made.add_row(plain("–", "dim"), plain(item.kind, "bold dim"), plain(f"left out: {clip(item.reason, _LONGEST)}"))
        yield made


def _state(status: RuntimeStatus, every: set[str], told: set[str]) -> Table:
    """One runtime. It is said what it answers unless that is `every` method; nothing is said that was `told` before."""
    mark, style = ("✓", "bold green") if status.available else ("✗", "bold red")
    if not status.available and {reason.code for reason in status.reasons} == {_TRUST}:
        mark, style = "●", "bold yellow"
    made = _grid()
    first = plain(status.state, style.replace("bold ", ""))
    made.add_row(plain(mark, style), plain(status.kind, "bold"), first)
    if set(status.methods) != every:
        made.add_row("", "", plain(f"answers {', '.join(status.methods)}"))
    for text in _notes(status):
        if text.plain not in told:
            made.add_row("", "", text)
            told.add(text.plain)
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
            what = "its pickle runs code when it is loaded" if pickled else f"it is {status.risk}"
            yield plain(f"{what}: --trust-digest DIGEST, or install the bundle", "dim")
        return
    for reason in status.reasons:
        if reason.code != _TRUST:
            yield plain(str(reason), "red")
    for advice in dict.fromkeys(reason.advice for reason in status.reasons if reason.code != _TRUST):
        yield plain(f"→ {advice}", "green")


def memory_text(status: RuntimeStatus) -> str:
    """What loading costs: copied bytes are each process's own, mapped ones are shared by all."""
    copied = f"{size_text(status.copied_bytes)} copied into each process"
    return f"{copied}, {size_text(status.mapped_bytes)} shared by all of them" if status.mapped_bytes else copied


def needs_table(explanation: Explanation) -> Table:
    """What each runtime needs: the range that is accepted, the version at packing, and why."""
    made = Table(box=None, padding=(0, 2, 0, 0), show_header=True, header_style="dim", pad_edge=False)
    for title in ("runtime", "needs", "packed with", "because"):
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
            screen.print(plain(f"loading the {status.kind} payload would import", "bold"))
            text = plain(", ".join(clip(name, 100) for name in status.imports))
            show(screen, Padding(text, (0, 0, 1, 2), expand=False))
