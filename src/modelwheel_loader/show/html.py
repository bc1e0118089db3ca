"""What notebooks show, as HTML: text escaped by default, tables, and one scoped style. No scripts; runs nothing.

Colours are the page's own wherever there is text (`inherit`), and the few accents are readable on white and on black:
notebooks are dark or light whatever the reader's system prefers, so a media query would be wrong half of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..defects import listed
from ..errors import ModelwheelError
from ..text import clip
from .inspection import (
    answer_types,
    facts,
    field_name,
    field_notes,
    fields_text,
    method_notes,
    parity_lines,
    table_notes,
)

if TYPE_CHECKING:
    from ..bundle import Bundle
    from ..defects import Defect
    from ..model import Model
    from ..opening.manifest import Method
    from ..opening.schema import Field, Schema
    from ..proof.report import Explanation, Report, RuntimeStatus, Step


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
    """Text that is HTML already. Every other text is escaped when it is inserted."""

    __slots__ = ()


def text(value: object, limit: int = LONGEST) -> Html:
    """`value` as HTML: made safe to show, cut at `limit` characters, escaped. `Html` stays as it is."""
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


# --- errors ---


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
    """A table of defects. Advice that is the same for all is below it; a message equal to `said` is left out."""
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


# --- bundles, models, schemas and reports: every size is bounded, and every text goes through `text` ---


SHOWN_FIELDS = 100
_MARKS = {"passed": ("good", "✓ passed"), "failed": ("bad", "✗ failed"), "not run": ("dim", "· not run")}


def bundle_view(bundle: Bundle) -> str:
    """Its facts, input and methods, and the runtimes on this machine."""
    manifest = bundle.manifest
    return view(
        heading(f"{manifest.name} {manifest.version}", level=4),
        *([paragraph(text(manifest.summary))] if manifest.summary else []),
        _readable(lambda: table((styled("dim", name), value) for name, value in facts(bundle))),
        *_fields("input:", manifest.input),
        heading("methods"),
        _methods(manifest.methods),
        heading("runtimes on this machine"),
        _readable(lambda: _explanation(bundle.explain())),
    )


def model_view(model: Model) -> str:
    """The methods, the input and the runtime of a loaded model."""
    bundle = model.bundle
    return view(
        heading(f"{bundle.name} {bundle.version}, loaded: {model.runtime}", level=4),
        heading("methods"),
        _methods([bundle.methods[name] for name in model.methods]),
        *_fields("input:", bundle.schema),
    )


def schema_view(schema: Schema) -> str:
    """The fields."""
    return view(*_fields("", schema))


def explanation_view(explanation: Explanation) -> str:
    """Each runtime, and whether it can run here."""
    return view(heading(f"{explanation.name} {explanation.version}", level=4), _explanation(explanation))


def report_view(report: Report) -> str:
    """Each step with its outcome, and all defects."""
    verdict = styled("good" if report.ok else "bad", report.verdict)
    found = [part for step in report.steps if step.defects for part in _found(step)]
    steps = ((styled(*_MARKS[step.outcome]), step.name, step.detail) for step in report.steps)
    return view(Html(f"<h4>{text(report.subject)}: {verdict}</h4>"), table(steps), *found)


def _found(step: Step) -> Iterator[Html]:
    yield heading(step.name)
    yield defects_table(step.defects)


def _fields(title: str, schema: Schema) -> Iterator[Html]:
    about = ", ".join([fields_text(schema), *table_notes(schema)])
    yield heading(f"{title} {about}".strip())
    shown = schema.fields[:SHOWN_FIELDS]
    yield table((_field(field) for field in shown), ("name", "type", "null", "limits · seen in the sample"))
    if len(shown) < len(schema.fields):
        yield paragraph(styled("dim", f"… and {len(schema.fields) - len(shown):,} more"))


def _field(field: Field) -> Sequence[object]:
    return (
        styled("mono", field_name(field), 80),
        styled("mono", field.type, 80),
        "or null" if field.nullable else "",
        ", ".join(field_notes(field)),
    )


def _methods(methods: Iterable[Method]) -> Html:
    return table(
        (styled("mono", method.name, 80), styled("mono", answer_types(method)), ", ".join(method_notes(method)))
        for method in methods
    )


def _explanation(explanation: Explanation) -> Html:
    every = {method for status in explanation.runtimes for method in status.methods}
    shown: set[str] = set()
    rows: list[Sequence[object]] = []
    for status in explanation.runtimes:
        state = styled("good" if status.available else "dim", status.state)
        rows.append((status.kind, state, joined(_status(status, every, shown))))
    rows += [(item.kind, styled("dim", "left out when packed"), item.reason) for item in explanation.left_out]
    return table(rows)


def _status(status: RuntimeStatus, every: set[str], shown: set[str]) -> Iterator[object]:
    """The notes on a runtime: its methods unless it has `every`, and no line that is in `shown` already."""
    if set(status.methods) != every:
        yield f"methods: {', '.join(status.methods)}"
    lines = [*parity_lines(status.parity), *(str(defect.replace(where="")) for defect in status.reasons)]
    for line in dict.fromkeys([*lines, *(f"→ {defect.advice}" for defect in status.reasons)]):
        if line not in shown:
            yield line
            shown.add(line)


def _readable(make: Callable[[], Html]) -> Html:
    """The result of `make`; the error in its place when the bundle was closed or its file changed."""
    try:
        return make()
    except ModelwheelError as error:
        return joined(error_parts(error), "")
