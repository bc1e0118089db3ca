"""METADATA of a bundle's distribution: what its author says of it. Installers and indexes read the same file.

They read it as an e-mail's head, which may continue lines, end early, or end lines in three ways; so the reader takes
only the one form that our writer has, in which nobody can see another requirement than it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import TYPE_CHECKING

from ..defects import MOST_DEFECTS, Defect
from ..errors import InvalidBundle
from ..limits import Limits
from ..text import clip, shown
from .manifest import MEMBER, Manifest, read_manifest
from .members import Checker
from .names import is_plain_range, normalize_name

if TYPE_CHECKING:
    from .places import Place


Misfit = tuple[str, str, str, str]
"""Where, what is wrong, what was found, what was expected."""
Headers = Mapping[str, tuple[str, ...]]
_SELF = "modelwheel"
_EXTRAS = ("native", "onnx")
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_NAME = _LETTERS + "0123456789._-"


def read_headers(place: Place, limits: Limits) -> Headers:
    """The headers by their names in lower case, each with all its values in the order of the file."""
    data = place.read(f"{place.dist_info}METADATA", limit=limits.metadata)
    return parse_headers(data.decode("utf-8", "replace"))[0]


def parse_headers(text: str) -> tuple[Headers, list[str]]:
    """The headers of a METADATA file, and the lines of its head that are none in their plain form."""
    found: dict[str, list[str]] = {}
    strange = []
    for line in text.partition("\n\n")[0].removesuffix("\n").split("\n"):
        name, colon, value = line.partition(": ")
        if not colon or not name.strip("-") or name.strip(_LETTERS + "-") or "\r" in value or not value.strip():
            strange.append(line)
        found.setdefault(name.strip().lower(), []).append(value.strip())
    return {name: tuple(values) for name, values in found.items()}, strange


def _metadata(text: str, place: Place) -> Iterator[Misfit]:
    headers, strange = parse_headers(text)
    joined = {key: ", ".join(values) for key, values in headers.items()}
    if strange:
        yield "METADATA", "has a line that is not a header of the form 'Name: value'", strange[0], ""
    for key, expected in (("name", place.name), ("version", place.version)):
        if headers.get(key) != (expected,):
            yield f"METADATA {key}", "is not that of the wheel", joined.get(key, ""), expected
    if len(headers.get("metadata-version", ())) != 1:
        yield "METADATA metadata-version", "must be there once", joined.get("metadata-version", ""), ""
    if tuple(sorted(headers.get("provides-extra", ()))) != _EXTRAS:
        yield "METADATA provides-extra", "must be both extras", joined.get("provides-extra", ""), ", ".join(_EXTRAS)
    for value in headers.get("requires-dist", ()):
        if message := _requirement_misfit(value, place.name):
            yield "METADATA requires-dist", message, value, "modelwheel and a range, or name and range in an extra"


def _requirement_misfit(value: str, own_name: str) -> str:
    """What is wrong with a requirement of the bundle; empty when nothing is."""
    requirement, semicolon, marker = value.partition(";")
    versions = requirement.lstrip(_NAME)
    name = normalize_name(requirement[: len(requirement) - len(versions)])
    if not name or not is_plain_range(versions):
        return "must be a name and a range of versions"
    if semicolon and marker.strip() not in [f'extra == "{extra}"' for extra in _EXTRAS]:
        return "must be in the extra native or onnx"
    if not semicolon and name != _SELF:
        return "is installed with the bundle, and only modelwheel may be"
    return f"is {clip(own_name)} itself, whose place the bundle would take" if name == own_name else ""


# Whether the parts of a bundle agree: the manifest, the files, RECORD, METADATA and the names of the folders.


_WHEEL = "Wheel-Version: 1.0\nGenerator: "
_AFTER_GENERATOR = "Root-Is-Purelib: true\nTag: py3-none-any\n"


def checked_manifest(place: Place, limits: Limits) -> tuple[Manifest, str]:
    """The manifest of the bundle at `place`, agreeing with all that lies around it, and its digest.

    Raises `IntegrityError` when the manifest is not what RECORD says, `InvalidBundle` with every contradiction.
    """
    full = place.root + MEMBER
    if full not in place.members:
        raise InvalidBundle.of("manifest.members", f"there is no {MEMBER}", where=clip(place.root))
    data = _compared(place, full, limits.manifest)
    manifest = read_manifest(data, limits=limits)
    found = chain(_names(place, manifest), _installable(place, limits), _members(place, manifest))
    defects = list(islice(found, MOST_DEFECTS))
    if defects:
        raise InvalidBundle("the parts of the bundle contradict each other", defects)
    return manifest, f"sha256:{place.record[full].sha256}"


def _compared(place: Place, name: str, limit: int) -> bytes:
    """The bytes of a member; raises `IntegrityError` when they are not what RECORD says."""
    row = place.record[name]
    return Checker(place, "always").small(name, limit=limit, sha256=row.sha256, size=row.size)


def _defect(where: str, message: str, *, found: str = "", expected: str = "") -> Defect:
    return Defect(code="manifest.members", where=where, message=message, found=found, expected=expected)


def _names(place: Place, manifest: Manifest) -> Iterator[Defect]:
    for what, declared, outside in (("name", manifest.name, place.name), ("version", manifest.version, place.version)):
        if declared != outside:
            where = f"{MEMBER}.{what}"
            yield _defect(where, f"is not the {what} of the wheel", found=shown(declared), expected=shown(outside))


def _installable(place: Place, limits: Limits) -> Iterator[Defect]:
    """Installing the bundle must put data into one folder and nothing else, and bring nothing that it does not need."""
    for member, misfits in (("METADATA", _metadata), ("WHEEL", _wheel), ("entry_points.txt", _entry_points)):
        full = place.dist_info + member
        if full not in place.members:
            yield _defect(member, "is missing")
            continue
        text = _compared(place, full, limits.metadata).decode("utf-8", "replace")
        for where, message, found, expected in misfits(text, place):
            yield _defect(where, message, found=shown(found), expected=expected)


def _entry_points(text: str, place: Place) -> Iterator[Misfit]:
    expected = entry_points(place.name, place.root)
    if text.replace("\r\n", "\n") != expected:
        yield "entry_points.txt", "must list the bundle and nothing else", text, shown(expected)


def _wheel(text: str, _: Place) -> Iterator[Misfit]:
    """All of WHEEL is fixed but the name of what wrote it."""
    whole = text.replace("\r\n", "\n")
    generator, newline, rest = whole.removeprefix(_WHEEL).partition("\n")
    plain = 0 < len(generator) <= 100 and generator.isascii() and generator.isprintable()
    if not (newline and whole.startswith(_WHEEL) and plain and rest in (_AFTER_GENERATOR, f"{_AFTER_GENERATOR}\n")):
        yield "WHEEL", "must describe a wheel for any Python and platform", text, ""


def entry_points(name: str, root: str) -> str:
    """The one content that entry_points.txt has: data that lists the bundle; nothing is ever imported by it."""
    return f"[modelwheel.bundles]\n{name} = {root.rstrip('/').replace('/', '.')}\n"


def _members(place: Place, manifest: Manifest) -> Iterator[Defect]:
    """Every file is declared, with its size and with the digest that RECORD has, and every declared one is there."""
    present = {name.removeprefix(place.root) for name in place.members if name.startswith(place.root)} - {MEMBER}
    for name in sorted(present - set(manifest.members)):
        yield _defect(clip(name), "is not listed in the manifest")
    for name in sorted(set(manifest.members) - present):
        yield _defect(clip(name), "is listed in the manifest and not there")
    for name in sorted(present & set(manifest.members)):
        declared, row = manifest.members[name], place.record[place.root + name]  # whose size is that of the file
        if (declared.sha256, declared.size) != (row.sha256, row.size):
            found, expected = f"{row.size:,} bytes", f"{declared.size:,} bytes"
            yield _defect(clip(name), "has another size or digest in RECORD", found=found, expected=expected)
