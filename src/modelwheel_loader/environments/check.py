"""Does this interpreter, with its packages, satisfy what a payload needs? All defects at once, each with its cure.

Installed versions are read from the names of `.dist-info` folders on `sys.path`: a few directory listings, where
importing `importlib.metadata` alone costs 44 to 58 ms. It is asked only for what the listing does not show
(`.egg-info`, zip imports, import hooks). `packaging` is imported only when a version differs from the recorded one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import Defect
from ..text import clip

if TYPE_CHECKING:
    from ..manifest.records import Requirement


def check(
    python_specifier: str | None,
    requires: Sequence[Requirement],
    *,
    bundle: str = "",
    extra: str = "native",
    path: Sequence[str] | None = None,
) -> list[Defect]:
    """Everything that keeps this interpreter from running a payload; empty when it fits.

    `python_specifier` is a range of Python versions, or None when any will do. `bundle` and `extra` name the
    requirement that brings everything (`pip install "churn[native]"`). `path` is `sys.path` unless given.
    """
    installed = _installed([_key(item.name) for item in requires], path)
    unmet = [item for item in requires if not _fits(installed.get(_key(item.name)), item)]
    advice = _advice(unmet, bundle, extra)
    defects = [_defect(item, installed.get(_key(item.name)), advice) for item in unmet]
    if python_specifier is not None and not fits_python(python_specifier):
        defects.insert(0, _python_defect(python_specifier))
    return defects


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


# --- installed versions ---

_SAME_MODULE = {
    "onnxruntime": ("onnxruntime_gpu",),
    "tensorflow": ("tensorflow_cpu", "tensorflow_intel", "tensorflow_macos"),
    "tensorflow_cpu": ("tensorflow", "tensorflow_intel", "tensorflow_macos"),
    "xgboost": ("xgboost_cpu",),
    "xgboost_cpu": ("xgboost",),
}
"""Distributions that bring the same module, built for other processors: either will do."""


def _installed(names: Sequence[str], path: Sequence[str] | None) -> Mapping[str, str]:
    """The installed versions, each by the name asked for, though another distribution may bring the module."""
    found = dict(versions(names, path))
    others = {name: _SAME_MODULE[name] for name in names if name not in found and name in _SAME_MODULE}
    if others:
        instead = versions([other for several in others.values() for other in several], path)
        for name, several in others.items():
            for other in several:
                if other in instead:
                    found[name] = instead[other]
    return found


def versions(names: Iterable[str], path: Sequence[str] | None = None) -> Mapping[str, str]:
    """The installed versions of `names`, by name in lower case with `_` for `-` and `.`; what is absent is left out.

    Where a distribution is there twice, the first folder on `path` counts, as it does for imports.
    """
    wanted = {_key(name): name for name in names}
    found: dict[str, str] = {}
    for folder in sys.path if path is None else path:
        if len(found) == len(wanted):
            break
        for name, version in _listed(folder or os.curdir, wanted):
            found.setdefault(name, version)
    for key in wanted.keys() - found.keys():
        asked = _asked(wanted[key], path)
        if asked is not None:
            found[key] = asked
    return found


def _listed(folder: str, wanted: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and version of the `.dist-info` folders that are wanted and whole: pip leaves empty ones after a crash."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return  # not a folder, or not ours to read: imports skip it as well
    for entry in entries:
        if not entry.endswith(".dist-info"):
            continue
        name, _, number = entry.removesuffix(".dist-info").rpartition("-")
        if _key(name) in wanted and os.path.exists(f"{folder}/{entry}/METADATA"):
            yield _key(name), number


def _asked(name: str, path: Sequence[str] | None) -> str | None:
    """The version by `importlib.metadata`, which knows every kind of installation."""
    from importlib.metadata import Distribution, DistributionFinder

    context = DistributionFinder.Context(name=name, path=list(sys.path if path is None else path))
    for distribution in Distribution.discover(context=context):
        if distribution.metadata is not None and "Version" in distribution.metadata:
            return distribution.metadata["Version"]
    return None


# --- judging ---


def _fits(version: str | None, requirement: Requirement) -> bool:
    if version is None:
        return False
    if version == requirement.version:
        return True
    from .rules import satisfies

    return satisfies(version, requirement.specifier)


def python_version() -> str:
    """The version of this interpreter, with its pre-release part, as PEP 440 writes it."""
    info = sys.version_info
    letter = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info.releaselevel)
    return f"{info.major}.{info.minor}.{info.micro}" + (f"{letter}{info.serial}" if letter else "")


def fits_python(specifier: str) -> bool:
    """Whether this interpreter lies in the range; the two forms that `rules.python_specifier` makes need no import."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    if specifier in (f"=={minor}.*", ">=3.11"):
        return True  # modelwheel itself needs 3.11
    from .rules import satisfies

    return satisfies(python_version(), specifier)


# --- saying so ---


def _python_defect(specifier: str) -> Defect:
    return Defect(
        code="environment.python",
        message="this Python cannot load the model",
        found=f"Python {python_version()}",
        expected=f"Python {clip(specifier)}",
    )


def _defect(item: Requirement, version: str | None, advice: str) -> Defect:
    name, why = clip(item.name, 80), clip(item.reason, 120)
    if version is None:
        message = f"{name} is not installed"
        found = "nothing"
    else:
        message = f"{name} is of a version that may answer differently"
        found = clip(version)
    return Defect(
        code="environment.missing" if version is None else "environment.version",
        message=f"{message}; needed for {why}" if why else message,
        found=found,
        expected=f"{name}{clip(item.specifier, 80)}" + (f" (packed with {clip(item.version)})" if item.version else ""),
        hint=advice,
    )


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+!=<>~,*")


def _advice(unmet: Sequence[Requirement], bundle: str, extra: str) -> str:
    """The command that fixes everything; none when a name of the bundle is not plain enough for a command line."""
    parts = [f"{item.name}{item.specifier}" for item in unmet]
    if not parts or not _PLAIN.issuperset("".join(parts)):
        return ""
    if getattr(sys, "frozen", False):  # PyInstaller leaves out what says which versions an application brings
        return "build the application with the metadata of its packages: --copy-metadata=" + unmet[0].name
    command = "pip install " + " ".join(f'"{part}"' for part in parts)
    if bundle and _PLAIN.issuperset(bundle + extra):
        return f'{command}, or pip install "{bundle}[{extra}]"'
    return command
