"""Progress of `pack` as lines of text: `pack(…, progress=True)`. The command line draws bars of its own."""

from __future__ import annotations

import sys
import time

from ..options import Progress


def chosen(*, progress: Progress | bool | None) -> Progress | None:
    """The callback that is meant: the caller's own, or for True lines on standard error."""
    if isinstance(progress, bool):
        return StepLines() if progress else None
    return progress


class StepLines:
    """Writes a line per step, with the seconds since the start; of a long step one per tenth of it.

    Nothing is overwritten: a notebook, a terminal and a log show the same, and a traceback begins on its own line.
    """

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._last: tuple[str, int] = ("", 0)

    def __call__(self, what: str, done: int, total: int) -> None:
        """A line when the step is a new one, or a tenth further."""
        now = (what, 10 * done // max(total, 1))
        if now == self._last:
            return
        share = f" {10 * now[1]}%" if what == self._last[0] else ""
        self._last = now
        print(f"pack {time.monotonic() - self._start:6.1f} s  {what}{share}", file=sys.stderr, flush=True)  # noqa: T201
