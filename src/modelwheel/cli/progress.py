"""Progress of long work on standard error, only where a person watches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from modelwheel_loader.text import safe

from .screen import console, is_terminal

Tell = Callable[[str, int, int], None]


@contextlib.contextmanager
def progress() -> Iterator[Tell | None]:
    """A callback for `pack` and `verify` that shows what is being done; None when nobody watches."""
    if not is_terminal():
        yield None
        return
    name = TextColumn("{task.description}", markup=False)
    with Progress(name, BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), console=console(err=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(safe(what), total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield tell
