"""The three standard streams of a command, made fit for text of any language."""

from __future__ import annotations

import io
import os
import sys
from typing import Literal, TextIO


def prepare_streams() -> None:
    """Give the process whole standard streams: call it first in a command.

    Data are UTF-8, as JSON demands, whatever the locale says. A character that the terminal of the locale does not have
    is written as its number, not an error. A stream that the parent has closed is one without content.
    """
    if sys.stdin is None:
        sys.stdin = _nothing("r")
    elif isinstance(sys.stdin, io.TextIOWrapper):
        # bytes that are none of UTF-8 are named by whoever reads the line that holds them
        sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape", newline="")
    if sys.stdout is None:
        sys.stdout = _nothing("w")
    if sys.stderr is None:
        sys.stderr = _nothing("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")


def _nothing(mode: Literal["r", "w"]) -> TextIO:
    return open(os.devnull, mode, encoding="utf-8")
