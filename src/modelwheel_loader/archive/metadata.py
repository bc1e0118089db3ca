"""METADATA of a bundle's distribution: what its author says of it. Installers and indexes read the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..limits import Limits
    from .places import Place


def read_headers(place: Place, limits: Limits) -> dict[str, tuple[str, ...]]:
    """The headers by their names in lower case, each with all its values in the order of the file."""
    text = place.read(f"{place.dist_info}METADATA", limit=limits.metadata).decode("utf-8", "replace")
    found: dict[str, list[str]] = {}
    for line in text.partition("\n\n")[0].splitlines():
        name, colon, value = line.partition(":")
        if colon:
            found.setdefault(name.strip().lower(), []).append(value.strip())
    return {name: tuple(values) for name, values in found.items()}
