"""What is missing in the clean room, and the author's words that would bring it."""

from __future__ import annotations

import re

from modelwheel_loader.defects import Defect
from modelwheel_loader.proof import Step
from modelwheel_loader.text import clip

from ..origins import Origins, is_standard

_PATTERNS = (r"No module named '([\w.]+)'", r"Missing optional dependency '([\w.-]+)'", r"needs the module ([\w.]+),")


def explained(step: Step) -> Step:
    """`step`; where it failed for want of a module, its defect names the distribution and what to tell `pack`."""
    if step.outcome != "failed":
        return step
    text = " ".join([step.detail, *(defect.message for defect in step.defects)])
    module = next((match[1] for pattern in _PATTERNS for match in [re.search(pattern, text)] if match), None)
    if module is None:
        return step
    top = module.partition(".")[0]
    return step.replace(defects=(_defect(top, step.detail), *step.defects[1:]))


def _defect(module: str, detail: str) -> Defect:
    owner = None if is_standard(module) else Origins().distribution(module)
    if owner is not None and owner.from_index:
        hint = f'Tell pack of it: dependencies=Dependencies(add=("{owner.name}",)).'
        return Defect(code="prove.missing", message=f"{owner.name} is missing: {clip(detail, 300)}", hint=hint)
    if owner is not None:
        hint = f'If an index has it: Dependencies(add=("{owner.name}",)); else its source: Dependencies(code=(…,)).'
    else:
        hint = f"Let its source travel, Dependencies(code=(…,)), or add the distribution that has {clip(module, 60)}."
    return Defect(
        code="prove.missing", message=f"the module {clip(module, 60)} is missing: {clip(detail, 300)}", hint=hint
    )
