"""Measures whether a graph answers as the original does, over the golden rows and the whole sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from modelwheel_loader.bind import compile_feeds
from modelwheel_loader.comparison import Comparison, compare
from modelwheel_loader.errors import ModelwheelError
from modelwheel_loader.inputs import compile_input
from modelwheel_loader.manifest import Parity
from modelwheel_loader.onnx_session import Session, open_session
from modelwheel_loader.outputs import compile_output
from modelwheel_loader.schema import Schema
from modelwheel_loader.text import clip

from .infer import take
from .onnx.candidates import Candidate, Conversion
from .onnx.externalize import laid_out
from .onnx.trees import faster
from .recording import Recorded

BATCH = 10_000
"""Rows that are answered at a time, so that the memory does not grow with the sample."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A candidate with the parity of each method that it answers; or None and the reasons."""

    candidate: Candidate | None
    parity: Mapping[str, Parity]
    reasons: tuple[str, ...]


def measure(conversion: Conversion, schema: Schema, recorded: Sequence[Recorded], sample: Any, rows: int) -> Measured:
    """The first candidate whose every method is within tolerance; candidates are tried until one fits.

    A graph that answers one method wrongly decides differently from the original somewhere, so none of it is kept.
    """
    reasons: list[str] = []
    for candidate in conversion:
        if isinstance(candidate, str):
            reasons.append(candidate)
            continue
        candidate = faster(candidate)  # noqa: PLW2901 - what is measured is what will be written
        parity, failed = _try(candidate, schema, recorded, sample, rows)
        if parity and not failed:
            kept = {name: candidate.outputs[name] for name in parity}
            return Measured(candidate=replace(candidate, outputs=kept), parity=parity, reasons=())
        reasons += failed
    return Measured(
        candidate=None, parity={}, reasons=tuple(dict.fromkeys(reasons)) or ("no converter answers its methods",)
    )


def _try(
    candidate: Candidate, schema: Schema, recorded: Sequence[Recorded], sample: Any, rows: int
) -> tuple[dict[str, Parity], list[str]]:
    """The parity of each method within tolerance, and why others are not."""
    parity: dict[str, Parity] = {}
    reasons: list[str] = []
    known = {item.name: item for item in recorded}
    try:
        session = open_session(candidate.graph, candidate.weights, declared=laid_out(candidate.weights))
        for name, outputs in candidate.outputs.items():
            if name not in known or not known[name].deterministic:
                continue
            comparison = _compared(session, candidate, schema, known[name], outputs, sample, rows)
            if comparison.within:
                parity[name] = _parity(comparison, rows)
            else:
                reasons.append(_outside(name, comparison, candidate))
    except ModelwheelError as error:
        reasons.append(clip(error.message, 300))
    return parity, reasons


def _compared(
    session: Session,
    candidate: Candidate,
    schema: Schema,
    method: Recorded,
    outputs: Sequence[str],
    sample: Any,
    rows: int,
) -> Comparison:
    # a call's number of rows, and what is unique in the whole, say nothing of a part of the sample
    check = compile_input(schema.replace(min_rows=None, max_rows=None, unique=()))
    feeds = compile_feeds(schema, candidate.inputs)
    answer = compile_output(method.output)
    worst: Comparison | None = None
    for start in range(0, rows, BATCH):
        places = np.arange(start, min(start + BATCH, rows))
        batch = check(take(sample, places))
        found = session.run(feeds(batch), outputs)
        given = answer(found[0] if len(outputs) == 1 else found, batch.rows, batch.single)
        tolerance = method.tolerance
        one = compare(part(method.whole, places), given, absolute=tolerance.absolute, relative=tolerance.relative)
        worst = one if worst is None else merge(worst, one)
    return worst if worst is not None else Comparison(exact=True, within=True)


def part(answer: Any, places: np.ndarray[Any, Any]) -> Any:
    """Some rows of an answer of any layout."""
    if isinstance(answer, Mapping):
        return {name: take(values, places) for name, values in answer.items()}
    if isinstance(answer, list | tuple) and answer and isinstance(answer[0], np.ndarray):
        return [values[places] for values in answer]
    return take(answer, places)


def merge(one: Comparison, other: Comparison) -> Comparison:
    """Both comparisons as one."""
    return Comparison(
        exact=one.exact and other.exact,
        within=one.within and other.within,
        max_absolute=max(one.max_absolute, other.max_absolute),
        max_relative=max(one.max_relative, other.max_relative),
        disagreements=one.disagreements + other.disagreements,
        first=one.first or other.first,
    )


def _parity(comparison: Comparison, rows: int) -> Parity:
    return Parity(
        rows=rows,
        exact=comparison.exact,
        max_absolute=comparison.max_absolute,
        max_relative=comparison.max_relative,
        label_disagreements=comparison.disagreements,
    )


def _outside(name: str, comparison: Comparison, candidate: Candidate) -> str:
    precision = "double" if any(item.dtype == "float64" for item in candidate.inputs) else "single"
    differs = f"{name} differs from the original in {precision} precision"
    if comparison.disagreements:
        return f"{differs}: {comparison.disagreements:,} labels disagree"
    return f"{differs} by up to {comparison.max_absolute:.3g} ({comparison.max_relative:.2g} relative)"
