"""Collects what is wrong with data: all of it counted, a bounded part of it described."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from ..defects import Defect
from ..errors import InputError
from ..text import counted

if TYPE_CHECKING:
    import numpy as np

    from .kinds import Mismatch


_INSIDE = r"[.\[]"
COLLECTED = 100
"""How many defects are described; the others are only counted, but for the first of each further field."""
_MOST = 2 * COLLECTED


class _Record:
    """What one call has collected so far."""

    __slots__ = ("counted", "defects", "fields")

    def __init__(self) -> None:
        self.defects: list[Defect] = []
        self.counted = 0
        self.fields: set[str] = set()


class Problems:
    """The defects of one call."""

    __slots__ = ("_record",)

    def __init__(self, record: _Record | None = None) -> None:
        self._record = record or _Record()

    @property
    def counted(self) -> int:
        """How many defects there are in all."""
        return self._record.counted

    @property
    def defects(self) -> list[Defect]:
        """The defects that were kept."""
        return self._record.defects

    @property
    def full(self) -> bool:
        """Whether further defects are only counted."""
        return len(self.defects) >= COLLECTED

    def add(self, code: str, message: str, **place: Any) -> None:
        """One defect."""
        self._record.counted += 1
        if self._keeps(place.get("field")):
            self._record.defects.append(Defect(code=code, message=message, **place))
            self._record.fields.add(_column(place.get("field")))

    def count(self) -> None:
        """One more defect that is not described: `full` says that it would not be kept."""
        self._record.counted += 1

    def _keeps(self, field: str | None) -> bool:
        """Whether a defect there is kept: a field is never silent because another one is wrong in all rows."""
        if not self.full:
            return True
        return len(self.defects) < _MOST and _column(field) not in self._record.fields

    def refuse(self, error: Mismatch, value: object, **place: Any) -> None:
        """One rejected value; it is described only when the defect is kept."""
        if self._keeps(place.get("field")):
            self.add(**error.describe(value), **place)
        else:
            self._record.counted += 1

    def rows(self, bad: np.ndarray[Any, Any], describe: Callable[[int], dict[str, Any]]) -> None:
        """One defect for each row where `bad` is true; `describe` is called for those that are kept."""
        found = bad.nonzero()[0]
        kept = found[: max(COLLECTED - len(self.defects), 1)].tolist()  # one at least: it may be its field's first
        for row in kept:
            self.add(row=row, **describe(row))
        self._record.counted += len(found) - len(kept)

    def raise_all(self, rows: int | None = None, fields: Sequence[str] = ()) -> NoReturn:
        """Raise `InputError` with everything, in the order of rows, and within a row in that of `fields`."""
        places = {name: place for place, name in enumerate(fields)}

        def place(defect: Defect) -> tuple[int, int]:
            name = defect.field or ""
            known = places.get(name, places.get(_column(name), len(places)))
            return -1 if defect.row is None else defect.row, known

        ordered = sorted(self.defects, key=place)
        count = counted(self.counted, "defect")
        where = "" if rows is None or rows == 1 else f" in {rows:,} rows"
        raise InputError(f"the data does not fit the model's schema: {count}{where}", ordered, counted=self.counted)


def _column(field: str | None) -> str:
    """The column that holds a field: `tags` for `tags[3].name`."""
    if field is None:
        return ""
    return field if "." not in field and "[" not in field else re.split(_INSIDE, field, maxsplit=1)[0]


class Inside(Problems):
    """The defects of values inside others: added to `outer` with the row that holds them.

    `owners[item]` is that row. With `place`, which gives the index of a value as text, or where the values of each row
    begin, the index is written into the field's name: `tags[]` becomes `tags[3]`.
    """

    __slots__ = ("_name", "_outer", "_owners", "_place")

    def __init__(
        self,
        outer: Problems,
        owners: Any,
        name: str,
        place: Callable[[int], str] | np.ndarray[Any, Any] | None = None,
    ) -> None:
        super().__init__(outer._record)  # noqa: SLF001 - the class's own
        self._outer = outer
        self._owners = owners
        self._name = name
        self._place = place

    def add(self, code: str, message: str, **place: Any) -> None:
        """One defect."""
        item = place.pop("row", None)
        if item is not None:
            place["row"] = int(self._owners[item])
            place["field"] = self._with_index(place["field"], item)
        self._outer.add(code, message, **place)

    def _with_index(self, field: str, item: int) -> str:
        if self._place is None:
            return field
        index = self._place(item) if callable(self._place) else f"[{item - int(self._place[self._owners[item]])}]"
        return f"{self._name}{index}{field[len(self._name) + 2 :]}"
