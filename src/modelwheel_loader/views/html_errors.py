"""What a notebook shows of an error: the message, and a table of all defects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .html_parts import Html, paragraph, styled, table, text, view
from .listing import listed

if TYPE_CHECKING:
    from ..errors import Defect, ModelwheelError

SHOWN_DEFECTS = 100
ALIKE = 10
"""How many defects of one kind in one field have a row of the table."""


def error_view(error: ModelwheelError) -> str:
    """The message, a table of all defects that were kept, and what to do."""
    return view(*error_parts(error))


def error_parts(error: ModelwheelError) -> Iterator[Html]:
    """The pieces of the view of an error."""
    shown = listed(error.defects, SHOWN_DEFECTS, ALIKE)
    yield paragraph(styled("bad", type(error).__name__ + ":"), text(error.message, 1000))
    yield defects_table(shown, said=error.message if error.counted == 1 else "")
    if error.counted > len(shown):
        yield paragraph(styled("dim", f"… and {error.counted - len(shown):,} more"))


def defects_table(defects: Sequence[Defect], *, said: str = "") -> Html:
    """A table of defects. What to do stands below it when it is the same for all; what was `said` is not repeated."""
    advice = {defect.advice for defect in defects}
    rows = [
        (
            "" if defect.row is None else f"{defect.row:,}",
            styled("mono", defect.field) if defect.field is not None else "",
            styled("mono", defect.where) if defect.where else "",
            "" if defect.message == said else defect.message,
            styled("narrow", defect.expected) if defect.expected else "",
            styled("narrow", defect.found) if defect.found else "",
            styled("mono", defect.code),
            defect.advice if len(advice) > 1 else "",
        )
        for defect in listed(defects, SHOWN_DEFECTS, ALIKE)
    ]
    header = ("row", "field", "place", "what is wrong", "expected", "found", "code", "what to do")
    below = paragraph(f"→ {advice.pop()}") if len(advice) == 1 else Html()
    return Html(table(rows, header) + below)
