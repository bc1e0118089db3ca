"""Runs `modelwheel` as people do: in a process of its own, with pipes or in a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

COMMAND = (sys.executable, "-W", "ignore", "-m", "modelwheel")


def piped(*arguments: str | Path, cwd: Path | None = None, text: str = "") -> subprocess.CompletedProcess[str]:
    """The command with pipes; `text` is its standard input."""
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.run(argv, cwd=cwd, input=text, capture_output=True, text=True, check=False, timeout=300)


def in_terminal(*arguments: str | Path, width: int = 80, **environment: str) -> tuple[str, int]:
    """What the command writes to a terminal of that width, and its exit status."""
    master, slave = pty.openpty()
    variables = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "FORCE_COLOR"}}
    variables |= {"COLUMNS": str(width), "LINES": "40", "TERM": "xterm-256color", **environment}
    argv = [*COMMAND, *map(str, arguments)]
    with subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, env=variables) as process:
        os.close(slave)
        text = b"".join(_pieces(master))
        status = process.wait(timeout=300)
    os.close(master)
    return text.decode("utf-8").replace("\r\n", "\n"), status


def _pieces(descriptor: int) -> Sequence[bytes]:
    pieces = []
    with contextlib.suppress(OSError):  # the other side has closed
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
    return pieces
