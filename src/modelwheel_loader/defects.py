"""One thing that is wrong, and which of many are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .doors import door
from .records import Record
from .text import clip

SHOWN_DEFECTS = 20
"""How many defects the text of an error lists; the rest are counted. `defects` holds what was collected."""

MOST_DEFECTS = 1_000
"""Where the reading of a bundle ends: a hostile file may be wrong in millions of places."""


MOST_PLACE = 300
"""Characters of a place that a defect keeps; its text shows fewer."""


class Defect(Record):
    """One thing that is wrong.

    `where` is the place in a bundle (a member, or a path in a JSON document), made safe here; `row` and `field` are the
    place in data. `found` and `expected` are short and already safe to print (`text.clip`).
    """

    code: str
    message: str
    where: str = ""
    row: int | None = None
    field: str | None = None
    found: str = ""
    expected: str = ""
    hint: str = ""

    def __post_init__(self) -> None:
        if self.where:
            self.__dict__["where"] = clip(self.where, MOST_PLACE)

    def __str__(self) -> str:
        place = ", ".join(
            part
            for part in (
                self.where and clip(self.where, 120),
                "" if self.row is None else f"row {self.row}",
                "" if self.field is None else f"field {clip(self.field, 80)!r}",
            )
            if part
        )
        text = f"{place}: {self.message}" if place else self.message
        if self.expected and self.found:
            text += f" (expected {self.expected}, found {self.found})"
        elif self.expected or self.found:
            text += f" (expected {self.expected})" if self.expected else f" (found {self.found})"
        return f"{text} [{self.code}]"

    @property
    def advice(self) -> str:
        """What to do next: the hint for this case, or the cure that the code always has."""
        return self.hint or str(door("code")(self.code).cure)

    def to_dict(self) -> dict[str, Any]:
        """The defect as JSON types; empty parts are left out."""
        return {name: value for name, value in self.attributes().items() if value not in ("", None)}


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
