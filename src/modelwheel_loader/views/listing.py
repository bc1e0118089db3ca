"""Which of many defects are listed: the first few of each kind, so that no kind crowds the others out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..errors import Defect

ALIKE = 3
"""How many of one kind, in one place or field, a text lists."""


def listed(defects: Sequence[Defect], most: int, alike: int = ALIKE) -> list[Defect]:
    """At most `most` of the defects: of one kind in one place or field only the first `alike`."""
    seen: dict[tuple[str, str, str | None], int] = {}
    chosen = []
    for defect in defects:
        kind = (defect.code, defect.where, defect.field)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= alike:
            chosen.append(defect)
    return chosen[:most]
