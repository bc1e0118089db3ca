"""What a reference means: a path to a wheel or an unpacked folder, or a requirement that an installation satisfies.

Installed bundles are found by scanning `sys.path` for `.dist-info` folders: about a millisecond, where importing
`importlib.metadata` takes fifty.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from ..errors import ResolutionError, UsageError
from ..limits import DEFAULT, Limits
from ..records import Record
from ..text import clip, shown
from .names import NAMESPACE, Requirement, normalize_name, parse_requirement
from .places import Folder, Installed, Place, WheelFile, read_start

_SUFFIX = ".dist-info"
_INSTALL = "Install it from the index or folder that has it. A file or folder is named with a path: ./NAME."
_SECTION, _SECTION_BYTES = b"[modelwheel.bundles]", 100


def open_place(reference: str | os.PathLike[str], *, limits: Limits = DEFAULT) -> Place:
    """The place that `reference` means, its structure checked; raises `ResolutionError` when there is nothing."""
    if isinstance(reference, os.PathLike) or is_path(reference):
        return _open_path(os.fspath(reference), limits)
    return Installed(find_installed(parse_requirement(reference)), limits)


def is_path(reference: object) -> bool:
    """Whether a text means a path: it ends in `.whl` or holds a separator. Raises `UsageError` if it is not a text."""
    if not isinstance(reference, str):
        message = "a reference is a path or a requirement"
        raise UsageError.of("usage.argument", message, found=shown(reference), expected="str or PathLike")
    separators = [os.sep, *([os.altsep] if os.altsep else [])]
    return reference.endswith(".whl") or any(separator in reference for separator in separators)


def _open_path(path: str | bytes, limits: Limits) -> Place:
    path = os.fsdecode(path)
    if not os.path.isdir(path):
        return WheelFile(path, limits)
    whole = path.rstrip(os.sep)
    return Installed(whole, limits) if whole.endswith(_SUFFIX) else Folder(path, limits)


class Distribution(Record):
    """An installed distribution: its normalised name, its version, and the path of its `.dist-info`."""

    name: str
    version: str
    dist_info: str

    def __str__(self) -> str:
        return f"{clip(self.name)} {clip(self.version)}"


def find_installed(requirement: Requirement, path: Sequence[str] | None = None) -> str:
    """The path of the `.dist-info` of the installed bundle; the first on `sys.path` wins, as it does for imports.

    Raises `ResolutionError` that says what is there instead.
    """
    for folder in _folders(path):
        found = [item for item in _distributions(folder, requirement.name) if _is_whole(item)]
        if found:
            return _checked(found, requirement).dist_info
    raise _not_installed(requirement, path)


def _checked(found: Sequence[Distribution], requirement: Requirement) -> Distribution:
    """The one distribution of that name in its folder, when it is a bundle of the version that is asked for."""
    first, where = found[0], clip(found[0].dist_info, 300)
    if len(found) > 1:
        versions = ", ".join(clip(item.version) for item in found)
        message = f"{clip(first.name)} is installed {len(found)} times in one folder: {versions}"
        raise ResolutionError.of("resolve.twice", message, where=os.path.dirname(first.dist_info))
    if not is_bundle(first.dist_info):
        if _says_bundle(first.dist_info):
            raise ResolutionError.of("resolve.incomplete", f"the files of {first} were not installed", where=where)
        raise ResolutionError.of(
            "resolve.not-a-bundle", f"{first} is installed, but it is not a model bundle", where=where
        )
    if not requirement.accepts(first.version):
        raise ResolutionError.of(
            "resolve.version",
            f"the installed {first.name} does not satisfy the requirement",
            where=where,
            found=clip(first.version),
            expected=requirement.specifier,
            hint=f'pip install "{requirement.name}{requirement.specifier}"',
        )
    return first


def _not_installed(requirement: Requirement, path: Sequence[str] | None) -> ResolutionError:
    import difflib

    names = sorted(item.name for item in installed_bundles(path))
    close = difflib.get_close_matches(requirement.name, names, n=1)
    known = f"; installed bundles are {', '.join(map(clip, names[:10]))}" if names else ", and no other bundle either"
    install = f'pip install "{requirement.name}{requirement.specifier}"' if requirement.specifier else _INSTALL
    hint = f"did you mean {close[0]!r}?" if close else install
    message = f"no bundle named {clip(requirement.name)!r} is installed{known}"
    return ResolutionError.of("resolve.not-installed", message, hint=hint)


def _folders(path: Sequence[str] | None) -> list[str]:
    """The entries of `path`, each once; as for imports, only texts count, and the empty one is the current folder."""
    entries = sys.path if path is None else path
    return list(dict.fromkeys(entry or os.curdir for entry in entries if isinstance(entry, str)))


def _distributions(folder: str, wanted: str | None = None) -> list[Distribution]:
    """Every `.dist-info` in `folder`, or those of the distribution that is wanted, sorted by name."""
    try:
        entries = sorted(entry for entry in os.listdir(folder) if entry.endswith(_SUFFIX))
    except (OSError, ValueError):
        return []  # archives, and folders that are not there or not ours to read, are usual on sys.path
    found = []
    for entry in entries:
        name, _, version = entry.removesuffix(_SUFFIX).rpartition("-")
        normal = normalize_name(name)
        if name and wanted in (None, normal):
            found.append(Distribution(name=normal, version=version, dist_info=os.path.join(folder, entry)))
    return found


def _is_whole(distribution: Distribution) -> bool:
    """Whether there is more than the folder: an interrupted installation leaves an empty one behind."""
    return os.path.exists(os.path.join(distribution.dist_info, "METADATA"))


def is_bundle(dist_info: str) -> bool:
    """Whether a `.dist-info` has the folder of a bundle beside it."""
    folder, name = os.path.split(dist_info)
    return os.path.isdir(os.path.join(folder, NAMESPACE, name.removesuffix(_SUFFIX).rpartition("-")[0]))


def _says_bundle(dist_info: str) -> bool:
    """Whether the metadata of a distribution, which its author wrote, say that it is a bundle."""
    start = read_start(os.path.join(dist_info, "entry_points.txt"), _SECTION_BYTES) or b""
    return start.partition(b"\n")[0].rstrip() == _SECTION


def installed_bundles(path: Sequence[str] | None = None) -> Iterator[Distribution]:
    """The installed bundles, those that `open` would find: the first of each name, when it is a bundle."""
    seen: set[str] = set()
    for folder in _folders(path):
        for item in _distributions(folder):
            if item.name not in seen and _is_whole(item):
                seen.add(item.name)
                if is_bundle(item.dist_info):
                    yield item
