"""What checking a bundle found, as records: the steps of `verify`, and the runtimes of `explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

from ..defects import SHOWN_DEFECTS, Defect, listed
from ..doors import door
from ..opening.manifest import Cost, LeftOut, Parity, Requirement
from ..records import Record
from ..text import safe

Outcome = Literal["passed", "failed", "not run"]
_MARKS: dict[Outcome, str] = {"passed": "✓", "failed": "✗", "not run": "·"}


class Step(Record):
    """One step of a check: its name, how it ended, one sentence of detail, and the defects that it found."""

    name: str
    outcome: Outcome
    detail: str = ""
    defects: tuple[Defect, ...] = ()

    def lines(self) -> Iterator[str]:
        """The step as text, its defects below it."""
        yield f"{_MARKS[self.outcome]} {self.name}{': ' + safe(self.detail) if self.detail else ''}"
        shown = listed(self.defects, SHOWN_DEFECTS)
        for defect in shown:
            yield f"    {defect}"
        if len(self.defects) > len(shown):
            yield f"    … and {len(self.defects) - len(shown):,} more"
        for advice in dict.fromkeys(defect.advice for defect in shown):
            yield f"    → {advice}"


class Report(Record):
    """The steps of a check of the bundle `subject`. `ok` when none failed and at least one passed."""

    subject: str
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed. Steps that were not run do not count against a bundle; each says why."""
        outcomes = [step.outcome for step in self.steps]
        return "failed" not in outcomes and "passed" in outcomes

    @property
    def defects(self) -> tuple[Defect, ...]:
        """All defects of all steps."""
        return tuple(defect for step in self.steps for defect in step.defects)

    def __str__(self) -> str:
        lines = [f"{safe(self.subject)}: {'OK' if self.ok else 'FAILED'}"]
        lines += [f"  {line}" for step in self.steps for line in step.lines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return str(door("html.report")(self))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "steps": [
                {
                    "name": step.name,
                    "outcome": step.outcome,
                    "detail": step.detail,
                    "defects": [defect.to_dict() for defect in step.defects],
                }
                for step in self.steps
            ],
        }


class RuntimeStatus(Record):
    """One runtime: whether it can run here, and what is known of it.

    `imports` are the modules and names that unpickling would look up, read from the pickle without running it:
    information, never a gate. `mapped_bytes` are shared between processes, `copied_bytes` are not. `detail` says in
    words how it would run, `risk` why opening it needs trust, `cost` is its cost if it was measured at packing.
    """

    kind: str
    available: bool
    reasons: tuple[Defect, ...]
    methods: tuple[str, ...]
    requires: tuple[Requirement, ...] = ()
    imports: tuple[str, ...] = ()
    mapped_bytes: int = 0
    copied_bytes: int = 0
    parity: Mapping[str, Parity] = MappingProxyType({})
    detail: str = ""
    risk: str = ""
    cost: Cost | None = None

    @property
    def needs_trust(self) -> bool:
        """Whether nothing but trust is missing."""
        return {reason.code for reason in self.reasons} == {"trust.refused"}

    @property
    def state(self) -> str:
        """Whether it can run here, in words."""
        return "ready" if self.available else "needs your trust" if self.needs_trust else "not available"

    def lines(self) -> Iterator[str]:
        """The status as text."""
        made: Iterator[str] = door("explanation.status")(self)
        return made


class Explanation(Record):
    """The status of every runtime, and the runtimes that the author's `pack` left out with the reason."""

    name: str
    version: str
    runtimes: tuple[RuntimeStatus, ...]
    left_out: tuple[LeftOut, ...]

    def __str__(self) -> str:
        return str(door("explanation.text")(self))

    def _repr_html_(self) -> str:
        return str(door("html.explanation")(self))

    def to_dict(self) -> dict[str, Any]:
        """The explanation as JSON types."""
        made: dict[str, Any] = door("explanation.json")(self)
        return made
