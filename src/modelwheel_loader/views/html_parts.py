"""The pieces of HTML that notebooks show: text that is escaped by default, tables, and one scoped style. No scripts.

Colours are the page's own wherever there is text (`inherit`), and the few accents are readable on white and on black:
notebooks are dark or light whatever the reader's system prefers, so a media query would be wrong half of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from ..text import clip

LONGEST = 300
"""Characters of one cell; what is longer is cut, and ends in `…`."""
_CLASS = "modelwheel-view"
_GREEN = "var(--jp-success-color1, #1f883d)"
_RED = "var(--jp-error-color1, #d1414b)"
_LINE = "rgba(128, 128, 128, .35)"
_RULES = {
    "": "color: inherit; font-size: 13px; line-height: 1.45; max-width: 76em; overflow-x: auto",
    " h4": "color: inherit; font-size: 1.2em; font-weight: 600; margin: .3em 0",
    " h5": "color: inherit; font-size: 1em; font-weight: 600; margin: 1em 0 .2em",
    " p": "margin: .2em 0",
    " table": "border: none; border-collapse: collapse; margin: .2em 0; table-layout: auto; font-size: inherit",
    " tbody tr:nth-child(n)": "background: none; border: none",
    " th": f"border: none; border-bottom: 1px solid {_LINE}; font-weight: 500; opacity: .7; white-space: nowrap",
    " td": f"border: none; border-bottom: 1px solid {_LINE}; overflow-wrap: break-word; white-space: pre-wrap",
    " td:nth-child(n)": "max-width: 44em",
    " th, #td": "color: inherit; padding: .2em 1.2em .2em 0; text-align: left; vertical-align: top; line-height: 1.45",
    " .mw-mono": "font-family: var(--jp-code-font-family, ui-monospace, monospace); font-size: .95em",
    " .mw-narrow": "display: inline-block; max-width: 16em",
    " .mw-dim": "opacity: .7",
    " .mw-good": f"color: {_GREEN}; font-weight: 600",
    " .mw-bad": f"color: {_RED}; font-weight: 600",
}


class Html(str):
    """Text that is HTML already. Every other text is escaped where it is put in."""

    __slots__ = ()


def text(value: object, limit: int = LONGEST) -> Html:
    """`value` as HTML: made safe to show, cut at `limit` characters, escaped. What is `Html` already stays."""
    return value if isinstance(value, Html) else Html(escape(clip(value, limit)))


def styled(style: str, value: object, limit: int = LONGEST) -> Html:
    """`value` in one of the styles `good`, `bad`, `dim`, `mono` and `narrow`."""
    return Html(f'<span class="mw-{style}">{text(value, limit)}</span>')


def joined(parts: Iterable[object], between: str = "<br>") -> Html:
    """Several pieces, one below the other."""
    return Html(between.join(text(part) for part in parts))


def paragraph(*parts: object) -> Html:
    """A paragraph of pieces with blanks between."""
    return Html(f"<p>{joined(parts, ' ')}</p>")


def heading(value: object, *, level: int = 5) -> Html:
    """The heading of a section (5) or of the whole (4)."""
    return Html(f"<h{level}>{text(value)}</h{level}>")


def table(rows: Iterable[Sequence[object]], header: Sequence[str] = ()) -> Html:
    """A table; columns that are empty in all rows are left out. Nothing for no rows."""
    cells = [[text(cell) for cell in row] for row in rows]
    if not cells:
        return Html()
    kept = [column for column in range(len(cells[0])) if any(row[column] for row in cells)]
    head = "".join(f"<th>{text(header[column])}</th>" for column in kept) if header else ""
    body = "".join("<tr>" + "".join(f"<td>{row[column]}</td>" for column in kept) + "</tr>" for row in cells)
    return Html(f"<table>{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>")


def view(*parts: Html) -> str:
    """The whole that a notebook shows."""
    rules = "".join(f".{_CLASS}{where.replace('#', f'.{_CLASS} ')} {{{rule}}}" for where, rule in _RULES.items())
    return f'<div class="{_CLASS}"><style>{rules}</style>{"".join(parts)}</div>'
