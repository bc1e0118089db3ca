"""What checking a bundle found, as records: the steps of `verify`, and the runtimes of `explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

from ..defects import SHOWN_DEFECTS, Defect, listed
from ..doors import door
from ..opening.manifest import Cost, LeftOut, Parity, Requirement
from ..records import Record
from ..text import clip, safe

Outcome = Literal["passed", "failed", "not run"]
Tried = Literal["structure", "model", "schema"]
"""What a step tried: the bundle's structure; the model; the model, of whose output only the schema was checked."""
_MARKS: dict[Outcome, str] = {"passed": "✓", "failed": "✗", "not run": "·"}


class Step(Record):
    """One step of a check: its name, how it ended, one sentence of detail, the defects it found, and what it tried."""

    name: str
    outcome: Outcome
    detail: str = ""
    defects: tuple[Defect, ...] = ()
    tried: Tried = "structure"

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
    """The steps of a check of the bundle `subject`. `structure_only` says that the caller wanted no model to run."""

    subject: str
    steps: tuple[Step, ...]
    structure_only: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing failed and a model ran (with `structure_only`: whether the structure is valid).

        Steps that were not run do not count against a bundle; each says why.
        """
        passed = {step.tried for step in self.steps if step.outcome == "passed"}
        return not self._failed and bool(passed if self.structure_only else passed - {"structure"})

    @property
    def verdict(self) -> str:
        """What the check found, in words: `OK` with what it left out, `FAILED`, or that no model ran."""
        passed = {step.tried for step in self.steps if step.outcome == "passed"}
        if self._failed:
            return "FAILED"
        if passed <= {"structure"}:
            return "structure OK, no model ran" if passed else "no model ran"
        missing = ", ".join(step.name for step in self.steps if step.outcome == "not run")
        loose = ", ".join(step.name for step in self.steps if step.outcome == "passed" and step.tried == "schema")
        notes = [f"{clip(missing, 200)} not run"] if missing else []
        notes += [f"{clip(loose, 200)} not deterministic: only the schema of the output was checked"] if loose else []
        return f"OK ({'; '.join(notes)})" if notes else "OK"

    @property
    def _failed(self) -> bool:
        return any(step.outcome == "failed" for step in self.steps)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """All defects of all steps."""
        return tuple(defect for step in self.steps for defect in step.defects)

    def __str__(self) -> str:
        lines = [f"{safe(self.subject)}: {self.verdict}"]
        lines += [f"  {line}" for step in self.steps for line in step.lines()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return str(door("html.report")(self))

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "verdict": self.verdict,
            "steps": [
                {
                    "name": step.name,
                    "outcome": step.outcome,
                    "tried": step.tried,
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
