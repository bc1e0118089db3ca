"""Progress of long work on standard error, only where a person watches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from modelwheel_loader.text import safe

from .screen import console, is_terminal

Tell = Callable[[str, int, int], None]


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
