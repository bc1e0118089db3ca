"""Looking at processes: whether they run, whose they are, and what runs in another one."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np

import modelwheel

X = np.arange(12.0).reshape(4, 3)


def alive(number: int) -> bool:
    """Whether the process or one of its threads runs; one that has ended and waits for its parent does not."""
    try:
        ended = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return not ended or len(list(Path(f"/proc/{number}/task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def gone(number: int, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while alive(number) and time.monotonic() < until:
        time.sleep(0.01)
    return not alive(number)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def children() -> set[int]:
    return {int(item) for item in Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()}


def all_processes() -> list[int]:
    return [int(item.name) for item in Path("/proc").iterdir() if item.name.isdigit()]


def session_of(number: int) -> int:
    try:
        return os.getsid(number)
    except ProcessLookupError:
        return 0


def answer_elsewhere(model: modelwheel.Model) -> tuple[float, float]:
    return model.predict(X + 1)[0], model.predict(X, act="number")[0]
