"""Collects what is wrong with data: all of it counted, a bounded part of it described."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import Defect, InputError

if TYPE_CHECKING:
    import numpy as np

COLLECTED = 100
"""How many defects are described; the others are only counted."""


class Problems:
    """The defects of one call."""

    __slots__ = ("counted", "defects")

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self.counted = 0

    def add(self, code: str, message: str, **place: Any) -> None:
        """One defect."""
        self.counted += 1
        if len(self.defects) < COLLECTED:
            self.defects.append(Defect(code=code, message=message, **place))

    def rows(self, bad: np.ndarray[Any, Any], describe: Callable[[int], dict[str, Any]]) -> None:
        """One defect for each row where `bad` is true; `describe` is called for those that are kept."""
        found = bad.nonzero()[0]
        kept = found[: max(COLLECTED - len(self.defects), 0)]
        self.defects += [Defect(row=int(row), **describe(int(row))) for row in kept]
        self.counted += len(found)

    def raise_all(self, rows: int | None = None, fields: Sequence[str] = ()) -> NoReturn:
        """Raise `InputError` with everything, in the order of rows, and within a row in that of `fields`."""
        places = {name: place for place, name in enumerate(fields)}

        def place(defect: Defect) -> tuple[int, int]:
            return -1 if defect.row is None else defect.row, places.get(defect.field or "", len(places))

        ordered = sorted(self.defects, key=place)
        count = "1 defect" if self.counted == 1 else f"{self.counted:,} defects"
        where = "" if rows is None or rows == 1 else f" in {rows:,} rows"
        raise InputError(f"the data does not fit the model's schema: {count}{where}", ordered, counted=self.counted)
