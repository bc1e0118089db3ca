"""What a reference means: a path to a wheel or an unpacked folder, or a requirement that an installation satisfies.

Installed bundles are found by scanning `sys.path` for `.dist-info` folders: about a millisecond, where importing
`importlib.metadata` takes fifty.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from .errors import ResolutionError, UsageError
from .limits import DEFAULT, Limits
from .membernames import NAMESPACE
from .names import Requirement, normalize_name, parse_requirement
from .places import Folder, Installed, Place, WheelFile
from .text import clip, safe, shown

_SUFFIX = ".dist-info"


def open_place(reference: str | os.PathLike[str], *, limits: Limits = DEFAULT) -> Place:
    """The place that `reference` means, its structure checked; raises `ResolutionError` when there is nothing."""
    if isinstance(reference, os.PathLike) or is_path(reference):
        return _open_path(os.fspath(reference), limits)
    return Installed(find_installed(parse_requirement(reference)), limits)


def is_path(reference: object) -> bool:
    """Whether a text means a path: it ends in `.whl` or holds a separator. Raises `UsageError` for what is no text."""
    if not isinstance(reference, str):
        message = "a reference is a path or a requirement"
        raise UsageError.of("usage.argument", message, found=shown(reference), expected="str or PathLike")
    separators = [os.sep, *([os.altsep] if os.altsep else [])]
    return reference.endswith(".whl") or any(separator in reference for separator in separators)


def _open_path(path: str | bytes, limits: Limits) -> Place:
    path = os.fsdecode(path)
    return Folder(path, limits) if os.path.isdir(path) else WheelFile(path, limits)


def find_installed(requirement: Requirement, path: Sequence[str] | None = None) -> str:
    """The path of the `.dist-info` of the installed bundle; the first on `sys.path` wins, as it does for imports.

    Raises `ResolutionError` that says what is there instead.
    """
    for name, version, dist_info in _dist_infos(sys.path if path is None else path):
        if name != requirement.name:
            continue
        if not is_bundle(dist_info):
            message = f"{name} {safe(version)} is installed, but it is no model bundle"
            raise ResolutionError.of("resolve.not-a-bundle", message, where=clip(dist_info, 300))
        if not requirement.accepts(version):
            raise ResolutionError.of(
                "resolve.version",
                f"the installed {name} does not satisfy the requirement",
                found=safe(version),
                expected=requirement.specifier,
                hint=f'pip install "{name}{requirement.specifier}"',
            )
        return dist_info
    raise _not_installed(requirement, path)


def _not_installed(requirement: Requirement, path: Sequence[str] | None) -> ResolutionError:
    import difflib

    names = sorted(
        {name for name, _, dist_info in _dist_infos(sys.path if path is None else path) if is_bundle(dist_info)}
    )
    close = difflib.get_close_matches(requirement.name, names, n=1)
    known = f"installed bundles are {', '.join(map(clip, names[:10]))}" if names else "no bundle is installed"
    hint = f"did you mean {close[0]!r}?" if close else f'pip install "{requirement.name}{requirement.specifier}"'
    message = f"no bundle named {clip(requirement.name)!r} is installed; {known}"
    return ResolutionError.of("resolve.not-installed", message, hint=hint)


def _dist_infos(path: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Normalised name, version and folder of every distribution that is installed on `path`, first ones first."""
    for folder in dict.fromkeys(path):
        try:
            with os.scandir(folder or ".") as listing:
                found = sorted(entry.name for entry in listing if entry.name.endswith(_SUFFIX))
        except OSError:
            continue  # archives and folders that are not there are usual on sys.path
        for entry_name in found:
            name, _, version = entry_name.removesuffix(_SUFFIX).rpartition("-")
            if name:
                yield normalize_name(name), version, os.path.join(folder or ".", entry_name)


def is_bundle(dist_info: str) -> bool:
    """Whether a `.dist-info` has the folder of a bundle beside it."""
    folder, name = os.path.split(dist_info)
    return os.path.isdir(os.path.join(folder, NAMESPACE, name.removesuffix(_SUFFIX).rpartition("-")[0]))


def installed_bundles(path: Sequence[str] | None = None) -> Iterator[tuple[str, str, str]]:
    """Name, version and `.dist-info` of the installed bundles, those that `open` would find."""
    seen: set[str] = set()
    for name, version, dist_info in _dist_infos(sys.path if path is None else path):
        if name not in seen and is_bundle(dist_info):
            yield name, version, dist_info
        seen.add(name)
