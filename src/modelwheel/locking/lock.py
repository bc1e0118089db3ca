"""Makes the lock of a bundle: what its runtime needs, in the versions that are installed here, with all that they need.

Locking asks an index. By default it is tried within a time limit, and a bundle without a lock is a good bundle that
cannot run isolated and says why; an author who needs the lock says so, or gives one that was made before.
"""

from __future__ import annotations

import os
import platform
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelwheel_loader.environments.rules import satisfies
from modelwheel_loader.errors import Defect, DependencyError, UsageError
from modelwheel_loader.manifest.records import LockFile, Requirement
from modelwheel_loader.names import normalize_name
from modelwheel_loader.text import clip, shown

from ..options import Dependencies
from ..origins import Origins
from .pylock import checked, write_pylock
from .resolvers import Question, Unresolved, resolve

_LOADER_NEEDS = "numpy"
"""What a worker runs the loader with, whether the model needs it or not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """The lock, and what the manifest says of it. Without one, `reason` says why; `detail` is a resolver's words."""

    data: bytes | None = None
    file: LockFile | None = None
    reason: str = ""
    detail: str = ""


def make_lock(
    requires: Sequence[Requirement], python_specifier: str, settings: Dependencies, origins: Origins
) -> Locked:
    """The lock for a runtime that needs `requires`, on the Pythons of `python_specifier`.

    Raises `DependencyError` when the author asked for a lock and none can be made, or gave one that does not fit.
    """
    if isinstance(settings.lock, os.PathLike):
        return _given(Path(settings.lock), requires, python_specifier)
    if settings.lock not in ("auto", "required", "none"):
        expected = "auto, required, none, or the pathlib.Path of a pylock.toml"
        raise UsageError.of("usage.argument", "lock cannot be that", found=shown(settings.lock), expected=expected)
    if settings.lock == "none":
        return Locked()
    try:
        return _resolved(requires, python_specifier, settings, origins)
    except Unresolved as error:
        if settings.lock == "required":
            hint = 'Without a lock the bundle runs where its packages are installed: Dependencies(lock="none").'
            raise DependencyError.of("pack.lock", f"no lock can be made: {error}", hint=hint) from error
        return Locked(reason=f"no lock: {error.reason}", detail=error.detail)


def _resolved(
    requires: Sequence[Requirement], python_specifier: str, settings: Dependencies, origins: Origins
) -> Locked:
    minor = "{}.{}".format(*platform.python_version_tuple())
    pins = {item.name: f"=={item.version}" if item.version else item.specifier for item in requires}
    pins.setdefault(_LOADER_NEEDS, f"=={origins.installed[_LOADER_NEEDS].version}")
    question = Question(
        pins=tuple(f"{name}{wanted}" for name, wanted in sorted(pins.items())),
        constraints=tuple(
            f"{item.name}=={item.version}"
            for item in origins.installed.values()
            if item.from_index and item.name not in pins
        ),
        python=minor,
        find_links=tuple(str(os.fspath(path)) for path in settings.find_links),
        no_index=settings.no_index,
        timeout=settings.lock_timeout,
    )
    answer = resolve(question)
    same_minor = not answer.universal or python_specifier == f"=={minor}.*"
    data = write_pylock(
        answer.packages,
        requires_python=f"=={minor}.*" if same_minor else f">={minor}",
        environments=() if answer.universal else (_this_platform(),),
    )
    platforms = "all" if answer.universal else f"{sys.platform}-{platform.machine()}"
    return Locked(data=data, file=LockFile(resolver=answer.resolver, platforms=platforms))


def _this_platform() -> str:
    """The marker of this platform."""
    return f"sys_platform == '{sys.platform}' and platform_machine == '{platform.machine()}'"


# --- a lock that the author gives ---


def _given(path: Path, requires: Sequence[Requirement], python_specifier: str) -> Locked:
    try:
        document = tomllib.loads(checked(path.read_bytes()).decode("utf-8"))
        environments = tuple(document.get("environments", ()))
        data = write_pylock(
            document["packages"],
            requires_python=document.get("requires-python", python_specifier),
            environments=environments,
        )
    except OSError as error:
        message = f"the lock cannot be read: {error.strerror}"
        raise DependencyError.of("pack.lock", message, where=clip(path, 200)) from error
    except Unresolved as error:
        message = f"the lock cannot be used: {error}"
        raise DependencyError.of("pack.lock", message, where=clip(path, 200)) from error
    defects = list(_lacking(requires, document["packages"]))
    if defects:
        raise DependencyError("the lock does not hold what the model needs", defects)
    platforms = "some" if environments else "all"
    return Locked(data=data, file=LockFile(resolver="author", platforms=platforms))


def _lacking(requires: Sequence[Requirement], packages: Sequence[Mapping[str, Any]]) -> Iterator[Defect]:
    held: dict[str, list[str]] = {}
    for package in packages:
        held.setdefault(normalize_name(package["name"]), []).append(str(package.get("version", "")))
    for item in requires:
        versions = held.get(item.name, [])
        if not any(satisfies(version, item.specifier) for version in versions):
            yield Defect(
                code="pack.lock",
                message=f"the lock holds no {item.name} that the model can be loaded with",
                found=clip(", ".join(versions)) or "nothing",
                expected=f"{item.name}{item.specifier}",
                hint="Make the lock in the environment in which the model was trained.",
            )
