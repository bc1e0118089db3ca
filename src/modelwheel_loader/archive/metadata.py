"""METADATA of a bundle's distribution: what its author says of it. Installers and indexes read the same file.

They read it as an e-mail's head, which may continue lines, end early, or end lines in three ways; so the reader takes
only the one form that our writer has, in which nobody can see another requirement than it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..names import is_plain_range, normalize_name
from ..text import clip

if TYPE_CHECKING:
    from ..limits import Limits
    from .places import Place

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


def misfits(text: str, name: str, version: str) -> Iterator[tuple[str, str, str, str]]:
    """What installers must not be told: where, what is wrong with it, what was found, what was expected."""
    headers, strange = parse_headers(text)
    if strange:
        yield "METADATA", "has a line that is no header of the form 'Name: value'", strange[0], ""
    for key, expected in (("name", name), ("version", version)):
        values = headers.get(key, ())
        if values != (expected,):
            yield f"METADATA {key}", "is not that of the wheel", ", ".join(values), expected
    if len(headers.get("metadata-version", ())) != 1:
        yield "METADATA metadata-version", "must be there once", ", ".join(headers.get("metadata-version", ())), ""
    if tuple(sorted(headers.get("provides-extra", ()))) != _EXTRAS:
        yield (
            "METADATA provides-extra",
            "must be both extras",
            ", ".join(headers.get("provides-extra", ())),
            "native, onnx",
        )
    for value in headers.get("requires-dist", ()):
        if message := _requirement_misfit(value, name):
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
