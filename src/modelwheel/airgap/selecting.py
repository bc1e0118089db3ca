"""Which wheels of a lock a machine takes, by the lock alone: no index is asked, and nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from modelwheel_loader.defects import Defect
from modelwheel_loader.errors import ResolutionError
from modelwheel_loader.opening import specifier_set
from modelwheel_loader.run import divided, parse_lock, read_lock
from modelwheel_loader.text import clip

from .targets import Target

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+!-]{0,250}\.whl")


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedWheel:
    """A wheel that a lock lists."""

    name: str
    version: str
    file: str
    sha256: str


def select(lock: bytes, targets: Sequence[Target]) -> dict[Target, list[LockedWheel]]:
    """The wheels for each target. Raises `ResolutionError` naming every package that has none for one of them."""
    pythons = specifier_set(read_lock(lock).requires_python)
    packages: list[dict[str, Any]] = parse_lock(lock)["packages"]
    chosen: dict[Target, list[LockedWheel]] = {}
    defects: list[Defect] = []
    for target in targets:
        if not any(pythons.contains(environment["python_full_version"]) for environment in target.environments()):
            message = f"the lock is not for {target}"
            defects.append(Defect(code="export.no-wheel", message=message, expected=f"Python {pythons}"))
            continue
        tags = target.tags
        environments = list(target.environments())
        chosen[target] = []
        for package in packages:
            if not _is_needed(package, environments):
                continue
            best = min(_ranked(package, tags), key=lambda item: item[0], default=None)
            if best is None:
                defects.append(_without(package, target))
            else:
                chosen[target].append(best[1])
    if defects:
        raise ResolutionError("the lock lists no wheel of what the model needs", defects)
    return chosen


def _without(package: Mapping[str, Any], target: Target) -> Defect:
    name = f"{package['name']} {package['version']}"
    return Defect(
        code="export.no-wheel",
        message=f"there is no wheel of {clip(name, 150)} for {target}",
        found=clip(", ".join(_file_name(wheel) for wheel in package.get("wheels", ())) or "a source distribution", 200),
    )


def _is_needed(package: Mapping[str, Any], environments: Sequence[dict[str, str]]) -> bool:
    _, marker = divided(package.get("marker", ""))
    if not marker:
        return True
    try:
        judged = Marker(marker)
        return any(judged.evaluate(environment) for environment in environments)
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return True  # building says what is wrong with it


def _ranked(package: Mapping[str, Any], tags: Mapping[Any, int]) -> Iterator[tuple[int, LockedWheel]]:
    for wheel in package.get("wheels", ()):
        file = _file_name(wheel)
        try:
            name, _, _, wheel_tags = parse_wheel_filename(file)
        except InvalidWheelFilename:
            continue
        ranks = [tags[tag] for tag in wheel_tags if tag in tags]
        if ranks and _PLAIN.fullmatch(file) and name == canonicalize_name(package["name"]):
            sha256 = wheel["hashes"]["sha256"]
            yield min(ranks), LockedWheel(name=name, version=package["version"], file=file, sha256=sha256)


def _file_name(wheel: Mapping[str, Any]) -> str:
    """The name of a wheel's file; nothing for an address that is none."""
    try:
        address = urlsplit(str(wheel.get("url") or wheel.get("path")))
    except ValueError:
        address = urlsplit("")
    return str(wheel.get("name") or PurePosixPath(unquote(address.path)).name)
