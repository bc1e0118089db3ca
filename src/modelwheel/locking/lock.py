"""Makes the lock of a bundle: what its runtimes need, in the versions that are installed here, with all that they need.

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

from modelwheel_loader.errors import Defect, DependencyError, UsageError
from modelwheel_loader.opening import LockFile, Requirement, normalize_name
from modelwheel_loader.run import for_runtime, satisfies
from modelwheel_loader.text import clip

from ..options import Dependencies
from ..origins import Origins
from .pylock import checked, write_pylock
from .resolvers import Question, Resolved, Unresolved, resolve

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
    needs: Mapping[str, Sequence[Requirement]], python_specifier: str, settings: Dependencies, origins: Origins
) -> Locked:
    """The lock for runtimes that need `needs`, by their kind, on the Pythons of `python_specifier`.

    What only one of several runtimes needs is marked so: an environment for one holds nothing of the others.
    Raises `DependencyError` when the author asked for a lock and none can be made, or gave one that does not fit.
    """
    if isinstance(settings.lock, os.PathLike):
        return _given(Path(settings.lock), next(iter(needs.values())), python_specifier)
    if settings.lock not in ("auto", "required", "none"):
        expected = "auto, required, none, or the pathlib.Path of a pylock.toml"
        raise UsageError.argument("lock", settings.lock, expected)
    if settings.lock == "none":
        return Locked()
    try:
        return _resolved(needs, python_specifier, settings, origins)
    except Unresolved as error:
        advice = _for_local_versions(needs)
        if settings.lock == "required":
            hint = 'Without a lock the bundle runs where its packages are installed: Dependencies(lock="none").'
            raise DependencyError.of("pack.lock", f"no lock can be made: {error}", hint=advice or hint) from error
        detail = " ".join(filter(None, (error.detail, advice)))
        return Locked(reason=f"no lock: {error.reason}", detail=detail)


def _for_local_versions(needs: Mapping[str, Sequence[Requirement]]) -> str:
    """What to do about versions such as `2.13.0+cpu`, which only the index has that they came from."""
    local = {item.name: item.version for requires in needs.values() for item in requires if "+" in _pin(item)}
    if not local:
        return ""
    name, version = next(iter(local.items()))
    named = ", ".join(f"{name} {version}" for name, version in local.items())
    public = version.partition("+")[0]
    return (
        f"Only the index that it came from has {named}: set that up for uv (UV_INDEX) or pip (PIP_EXTRA_INDEX_URL), "
        f'name a folder with its wheel, Dependencies(find_links=("wheels",)), or lock the version that all have, '
        f'Dependencies(replace={{"{name}": "{name}=={public}"}}).'
    )


def _pin(item: Requirement) -> str:
    """How a requirement is locked: in the exact version that the author says, else in the one that is installed."""
    exact = item.specifier.startswith("==") and not set(item.specifier) & set("*,")
    return item.specifier if exact or not item.version else f"=={item.version}"


def _resolved(
    needs: Mapping[str, Sequence[Requirement]], python_specifier: str, settings: Dependencies, origins: Origins
) -> Locked:
    answers: dict[str, Resolved] = {}
    lacking = ""
    for kind, requires in needs.items():
        known = [package for answer in answers.values() for package in answer.packages]
        try:
            answers[kind] = resolve(_question(requires, known, settings, origins))
        except Unresolved as error:
            if not answers or settings.lock == "required":
                raise
            lacking = f"the lock is not for the {kind} runtime: {error}"
    answer = next(iter(answers.values()))
    minor = _minor()
    same_minor = not answer.universal or python_specifier == f"=={minor}.*"
    data = write_pylock(
        together({kind: answer.packages for kind, answer in answers.items()}),
        requires_python=f"=={minor}.*" if same_minor else f">={minor}",
        environments=() if answer.universal else (_this_platform(),),
        groups=tuple(answers) if len(answers) > 1 else (),
    )
    platforms = "all" if answer.universal else f"{sys.platform}-{platform.machine()}"
    return Locked(data=data, file=LockFile(resolver=answer.resolver, platforms=platforms), detail=lacking)


def _question(
    requires: Sequence[Requirement], known: Sequence[Mapping[str, Any]], settings: Dependencies, origins: Origins
) -> Question:
    """What to resolve: the requirements, in the versions that are installed here, or `known` by now."""
    pins = {item.name: _pin(item) for item in requires}
    pins.setdefault(_LOADER_NEEDS, f"=={origins.installed[_LOADER_NEEDS].version}")
    bounds = {item.name: str(item.version) for item in origins.installed.values() if item.from_index} | _versions(known)
    return Question(
        pins=tuple(f"{name}{wanted}" for name, wanted in sorted(pins.items())),
        constraints=tuple(f"{name}=={version}" for name, version in bounds.items() if name not in pins),
        python=_minor(),
        find_links=tuple(str(os.fspath(path)) for path in settings.find_links),
        no_index=settings.no_index,
        timeout=settings.lock_timeout,
    )


def _versions(packages: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The version of each package that has one everywhere."""
    found: dict[str, set[str]] = {}
    for package in packages:
        found.setdefault(normalize_name(str(package["name"])), set()).add(str(package.get("version")))
    return {name: next(iter(versions)) for name, versions in found.items() if len(versions) == 1}


def together(answers: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Mapping[str, Any]]:
    """The packages of several runtimes; those that not all of them need say so in their marker."""
    sets = {kind: {_identity(package): package for package in packages} for kind, packages in answers.items()}
    first, *others = sets.values()
    common = set(first).intersection(*others)
    for kind, packages in sets.items():
        for identity, package in packages.items():
            if identity not in common:
                yield {**package, "marker": for_runtime(kind, str(package.get("marker") or ""))}
            elif packages is first:
                yield package


def _identity(package: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(package.get(key) or "") for key in ("name", "version", "marker"))


def _minor() -> str:
    return "{}.{}".format(*platform.python_version_tuple())


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
