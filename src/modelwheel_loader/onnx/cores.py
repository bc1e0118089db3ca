"""How many processor cores this process may use: the machine's, its affinity, and the quota of its container."""

from __future__ import annotations

import os

CGROUP = "/sys/fs/cgroup/cpu.max"
"""Where a container reads its quota (cgroup v2): microseconds of computing per period, or `max`."""


def granted_cores(path: str = CGROUP) -> int | None:
    """The cores that this process may use when it is fewer than the machine has; None when it may use all of them.

    onnxruntime starts a thread for each core of the machine, however few of them a container may use.
    """
    machine = os.cpu_count() or 1
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    quota = _quota(path)
    if quota is not None:
        granted = min(granted, max(1, round(quota)))
    return granted if granted < machine else None


def _quota(path: str) -> float | None:
    """The quota in cores; None without one."""
    try:
        with open(path, encoding="ascii") as file:
            granted, _, period = file.read(100).strip().partition(" ")
    except (OSError, UnicodeDecodeError):  # another system, or no container
        return None
    if not (granted.isdigit() and period.isdigit() and int(period)):
        return None
    return int(granted) / int(period)
