"""What a notebook shows of bundles, models, schemas and reports. Made when asked for; runs nothing.

Every size is bounded, and every text goes through `html_parts.text`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import ModelwheelError
from .html_errors import defects_table, error_parts
from .html_parts import Html, heading, joined, paragraph, styled, table, text, view
from .inspection import answer_types, facts, field_notes, fields_text, method_notes, table_notes
from .parities import parity_lines

if TYPE_CHECKING:
    from ..bundle import Bundle
    from ..contract.schema import Field, Schema
    from ..manifest.records import Method
    from ..model import Model
    from ..report import Report, Step
    from .explanation import Explanation, RuntimeStatus

SHOWN_FIELDS = 100
_MARKS = {"passed": ("good", "✓ passed"), "failed": ("bad", "✗ failed"), "not run": ("dim", "· not run")}


def bundle_view(bundle: Bundle) -> str:
    """What it is, takes and answers, and whether it can run here."""
    manifest = bundle.manifest
    return view(
        heading(f"{manifest.name} {manifest.version}", level=4),
        *([paragraph(text(manifest.summary))] if manifest.summary else []),
        _readable(lambda: table((styled("dim", name), value) for name, value in facts(bundle))),
        *_fields("takes", manifest.input),
        heading("answers"),
        _methods(manifest.methods),
        heading("runs here"),
        _readable(lambda: _explanation(bundle.explain())),
    )


def model_view(model: Model) -> str:
    """What a loaded model takes and answers, and what answers."""
    bundle = model.bundle
    return view(
        heading(f"{bundle.name} {bundle.version}, loaded: {model.runtime}", level=4),
        heading("answers"),
        _methods([bundle.methods[name] for name in model.methods]),
        *_fields("takes", bundle.schema),
    )


def schema_view(schema: Schema) -> str:
    """The fields."""
    return view(*_fields("", schema))


def explanation_view(explanation: Explanation) -> str:
    """Each runtime, and whether it can run here."""
    return view(heading(f"{explanation.name} {explanation.version}", level=4), _explanation(explanation))


def report_view(report: Report) -> str:
    """Each step with its outcome, and all defects."""
    verdict = styled("good", "good") if report.ok else styled("bad", "NOT GOOD")
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
    yield table((_field(field) for field in shown), ("name", "type", "null", "limits, and what the sample held"))
    if len(shown) < len(schema.fields):
        yield paragraph(styled("dim", f"… and {len(schema.fields) - len(shown):,} more"))


def _field(field: Field) -> Sequence[object]:
    name = f"{field.name} [{field.unit}]" if field.unit else field.name
    return (
        styled("mono", name, 80),
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
    told: set[str] = set()
    rows: list[Sequence[object]] = [
        (status.kind, styled("good" if status.available else "dim", status.state), joined(_status(status, every, told)))
        for status in explanation.runtimes
    ]
    rows += [(item.kind, styled("dim", "left out when packed"), item.reason) for item in explanation.left_out]
    return table(rows)


def _status(status: RuntimeStatus, every: set[str], told: set[str]) -> Iterator[object]:
    """What there is to say of a runtime, but for methods when it has `every`, and for what was `told` of another."""
    if set(status.methods) != every:
        yield f"answers {', '.join(status.methods)}"
    lines = [*parity_lines(status.parity), *(str(defect.replace(where="")) for defect in status.reasons)]
    lines += [f"→ {defect.advice}" for defect in status.reasons]
    for line in dict.fromkeys(lines):
        if line not in told:
            yield line
            told.add(line)


def _readable(make: Callable[[], Html]) -> Html:
    """What `make` gives; the error in its place when the bundle has been closed or is no longer what it was."""
    try:
        return make()
    except ModelwheelError as error:
        return joined(error_parts(error), "")
