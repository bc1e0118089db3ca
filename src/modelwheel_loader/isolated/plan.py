"""Whether a bundle can run isolated on this machine, by which Python and in which environment; and doing so."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle
from ..records import Record
from ..run.isolation import Isolation
from ..run.requirements import LOCK, MOST_BYTES, LockedPackages, read_lock
from ..text import clip, counted, safe
from . import environments as environment_cache
from . import environments as pythons
from .environments import Environment, Python
from .runtime import IsolatedRuntime
from .worker_process import Worker

if TYPE_CHECKING:
    from ..opening.manifest import Manifest, NativePayload
    from ..opening.members import Members


_LOADER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Plan(Record):
    """How a bundle would run isolated. Without `python`, uv has to bring one of the minor version `minor` first."""

    lock: bytes
    packages: LockedPackages
    minor: str
    python: Python | None
    settings: Isolation

    @property
    def environment(self) -> Environment | None:
        """The environment, when it was built already."""
        if self.python is None:
            return None
        root = environment_cache.folder_of(self.settings)
        return environment_cache.known(root, environment_cache.key_of(self.lock, self.python))

    def __str__(self) -> str:
        count = counted(len(self.packages.lines), "package")
        if self.python is None:
            return f"Python {self.minor} and {count} would be downloaded by uv"
        if self.environment is not None:
            return f"its environment is there: Python {self.python.version}, {count}"
        tool = "uv" if pythons.find_uv() else "pip"
        return f"its environment would be built by {tool}: Python {self.python.version}, {count}"


def plan(payload: NativePayload, manifest: Manifest, members: Members, settings: Isolation) -> Plan | list[Defect]:
    """How `payload` would run isolated here, or everything that keeps it from that. Builds and runs nothing of it."""
    if sys.platform == "win32":
        return [Defect(code="isolated.platform", message="the isolated runtime needs Linux or macOS", found="Windows")]
    if not os.path.isdir(_LOADER):
        message = "the loader is not in plain files, which a worker could run"
        return [Defect(code="isolated.platform", message=message, found=clip(_LOADER, 200))]
    if LOCK not in manifest.members:
        return [Defect(code="isolated.no-lock", message="the bundle holds no lock from which to build an environment")]
    lock = members.small(LOCK, limit=MOST_BYTES)
    try:
        packages = read_lock(lock, "native")
    except InvalidBundle as error:
        return list(error.defects)
    return _with_python(payload, lock, packages, settings)


def _with_python(
    payload: NativePayload, lock: bytes, packages: LockedPackages, settings: Isolation
) -> Plan | list[Defect]:
    ranges = (payload.python_specifier, packages.requires_python)
    minor = ".".join(payload.python_version.split(".")[:2])
    if settings.python is not None:
        python = pythons.ask(os.path.abspath(settings.python))
    else:
        python = pythons.find(ranges, payload.python_version)
    fits = python is not None and pythons.fits(python.version, ranges)
    if not fits and (settings.python is not None or pythons.find_uv() is None):
        return [_no_python(python, settings, ranges, minor)]
    return Plan(lock=lock, packages=packages, minor=minor, python=python, settings=settings)


def _no_python(python: Python | None, settings: Isolation, ranges: tuple[str, ...], minor: str) -> Defect:
    found = "none" if python is None else f"Python {python.version}"
    if settings.python is not None:
        found = f"{found} at {clip(str(settings.python), 200)}"
    return Defect(
        code="isolated.python",
        message="no Python that the model can run on was found",
        found=found,
        expected=f"Python {clip(', '.join(filter(None, ranges)), 100)}",
        hint=f"Install Python {clip(minor, 10)}, or install uv, which downloads it.",
    )


def open_isolated(
    plan: Plan, manifest: Manifest, methods: tuple[str, ...], opening: Mapping[str, Any]
) -> IsolatedRuntime:
    """The runtime: its environment built if need be, its workers started. The bundle must be trusted by now."""
    python = plan.python or pythons.obtain(plan.minor)
    if python is None:
        raise EnvironmentMismatch.of(
            "isolated.python",
            f"uv could not bring Python {safe(plan.minor)}",
            hint=f"Install Python {safe(plan.minor)}.",
        )
    environment = environment_cache.ready(
        plan.lock,
        plan.packages.lines,
        python,
        plan.settings,
        bundle=f"{manifest.name}=={manifest.version}",
        progress=plan.settings.progress,
    )
    known = {method.name: method for method in manifest.methods}
    return IsolatedRuntime(
        _starter(environment, {**opening, "methods": list(methods)}, plan.settings.memory),
        plan.settings,
        {name: known[name] for name in methods},
    )


def _starter(environment: Environment, opening: Mapping[str, Any], memory: int | None) -> Callable[[], Worker]:
    return lambda: Worker(environment.interpreter, environment.bytecode, opening, memory)
