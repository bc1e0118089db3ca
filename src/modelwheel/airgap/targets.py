"""The machines for which wheels are collected: a Python and a platform, as wheel tags and as values of markers."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from modelwheel_loader.errors import Defect, ResolutionError, UsageError
from modelwheel_loader.opening import specifier_set
from modelwheel_loader.run import divided, parse_lock, read_lock
from modelwheel_loader.text import clip, shown

NAMES = {
    "linux-x86_64": "manylinux_2_28_x86_64",
    "linux-aarch64": "manylinux_2_28_aarch64",
    "macos-arm64": "macosx_14_0_arm64",
    "macos-x86_64": "macosx_14_0_x86_64",
    "windows-x86_64": "win_amd64",
}
"""Platforms in short, and what each stands for: wheels for these, and for older ones of their kind."""
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_LINUX = re.compile(r"(manylinux|musllinux)_(\d)_(\d{1,2})_(\w{1,20})")
_MAC = re.compile(r"macosx_(\d{2})_(\d{1,2})_(\w{1,20})")
_WINDOWS = {"win_amd64": "AMD64", "win_arm64": "ARM64", "win32": "x86"}
_MINOR = re.compile(r"3\.\d{1,2}")
_LAST_PATCH = 99


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A CPython of a minor version (`3.11`) on a platform, by its short name or by the tag of a wheel."""

    python: str
    platform: str
    platforms: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Raise `UsageError` for what names no machine."""
        if not _MINOR.fullmatch(self.python):
            raise UsageError.argument("python", self.python, "a Python version such as 3.11")
        object.__setattr__(self, "platforms", tuple(_expanded(NAMES.get(self.platform, self.platform), self.platform)))

    def __str__(self) -> str:
        return f"Python {self.python} on {self.platform}"

    @property
    def tags(self) -> dict[Tag, int]:
        """The tags of wheels that it takes, each with its rank: the lower the better."""
        version = (3, int(self.python.partition(".")[2]))
        interpreter = f"cp3{version[1]}"
        own = cpython_tags(version, abis=[interpreter], platforms=self.platforms)
        every = [*own, *compatible_tags(version, interpreter, self.platforms)]
        return {tag: rank for rank, tag in reversed(list(enumerate(every)))}

    def environments(self) -> Iterator[dict[str, str]]:
        """The values of markers there, for the first and the last patch version."""
        for patch in (0, _LAST_PATCH):
            full = f"{self.python}.{patch}"
            yield {
                **_system(self.platforms[0]),
                "python_version": self.python,
                "python_full_version": full,
                "implementation_name": "cpython",
                "implementation_version": full,
                "platform_python_implementation": "CPython",
                "platform_release": "",
                "platform_version": "",
                "extra": "",
            }


def here() -> str:
    """The short name of this machine's platform."""
    system = {"linux": "linux", "darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
    machine = platform.machine().lower()
    return f"{system}-{'x86_64' if machine == 'amd64' else machine}"


def _expanded(tag: str, given: str) -> Iterator[str]:
    """The tag of a platform, and those of older ones of its kind, whose wheels it takes as well."""
    if tag in _WINDOWS:
        yield tag
    elif linux := _LINUX.fullmatch(tag):
        kind, major, newest, machine = linux[1], linux[2], int(linux[3]), linux[4]
        for minor in range(newest, -1, -1):
            yield f"{kind}_{major}_{minor}_{machine}"
            if kind == "manylinux" and minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{machine}"
        yield f"linux_{machine}"
    elif mac := _MAC.fullmatch(tag):
        yield from mac_platforms((int(mac[1]), int(mac[2])), mac[3])
    else:
        expected = f"{', '.join(NAMES)}, or the platform tag of a wheel"
        raise UsageError.of("usage.argument", "there is no such platform", found=shown(given), expected=expected)


def _system(tag: str) -> dict[str, str]:
    if tag in _WINDOWS:
        names, machine = ("nt", "win32", "Windows"), _WINDOWS[tag]
    elif mac := _MAC.fullmatch(tag):
        names, machine = ("posix", "darwin", "Darwin"), mac[3]
    else:
        names, machine = ("posix", "linux", "Linux"), tag.split("_", 3)[3]
    return {
        **dict(zip(("os_name", "sys_platform", "platform_system"), names, strict=True)),
        "platform_machine": machine,
    }


# --- which wheels of a lock a machine takes: by the lock alone, no index is asked ---


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
