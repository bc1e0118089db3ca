"""The settings of `load(…, runtime="isolated", isolation=Isolation(…))`."""

from __future__ import annotations

import os
from collections.abc import Callable

from ..errors import UsageError
from ..records import Record

Folder = str | os.PathLike[str]


class Isolation(Record):
    """Settings of the isolated runtime. Giving them to `load` also allows it to `runtime="auto"`, as the last choice.

    `workers` processes serve calls of several threads at once. A call waits `timeout` seconds for a free worker, and as
    long for the output, after which it ends its worker; None: no limit. `memory` limits the address space of a
    worker, in bytes. `start_timeout` are the seconds in which a worker must have opened the model.

    `environments` is the folder that keeps environments (default: the user's cache folder); `python` is the path of the
    interpreter to use instead of the one that is found. Packages come from the index for which pip and uv are set up on
    this machine; `find_links` are folders of wheels to search as well, and `no_index` searches nowhere else.
    `source_builds` permits packages that exist as source only: building them runs their code. `progress` is called
    while an environment is built: with the step, how much of it is done, and how much there is.
    """

    workers: int = 1
    timeout: float | None = None
    memory: int | None = None
    start_timeout: float = 300.0
    environments: Folder | None = None
    python: Folder | None = None
    find_links: tuple[Folder, ...] = ()
    no_index: bool = False
    source_builds: bool = False
    progress: Callable[[str, int, int], None] | None = None

    def __post_init__(self) -> None:
        """Raise `UsageError` for values of the wrong type or range."""
        if type(self.workers) is not int or not 1 <= self.workers <= 1024:
            raise UsageError.argument("workers", self.workers, "a whole number from 1 to 1024")
        for name in ("timeout", "start_timeout", "memory"):
            value = getattr(self, name)
            if name != "start_timeout" and value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise UsageError.argument(name, value, "a number above 0")
        if isinstance(self.find_links, str | os.PathLike):
            raise UsageError.argument("find_links", self.find_links, "a tuple of folders")

    @classmethod
    def checked(cls, value: object) -> Isolation | None:
        """`value` when it is None or such settings; raises `UsageError` otherwise."""
        if value is None or isinstance(value, Isolation):
            return value
        raise UsageError.argument("isolation", value, "modelwheel.Isolation(…)")
