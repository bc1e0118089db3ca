"""Measures whether a graph answers as the original does: on golden rows, the sample, and rows made up at edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from modelwheel_loader.errors import ModelwheelError
from modelwheel_loader.opening import Parity, Schema
from modelwheel_loader.proof import Comparison, compare
from modelwheel_loader.run import Session, compile_feeds, open_session
from modelwheel_loader.text import clip
from modelwheel_loader.validate import compile_input, compile_native, compile_output

from ..golden.choose import Golden
from ..golden.recording import Predict, Recorded, part, predict
from ..inference.infer import Sample
from ..onnx import Conversion, Graph, laid_out
from .edges import Check, Row, Rows, edge_rows
from .steps import has_steps, step_rows, sums_first

BATCH = 10_000
"""Rows that are answered at a time, so that the memory does not grow with the sample."""
MOST_ROWS = 100_000
"""Rows of the sample that are compared; of a larger one, as many spread over all."""
BASES = 8
"""Golden rows that are changed into rows at edges."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A candidate with the parity of each method that it answers; or None and the reasons."""

    candidate: Graph | None
    parity: Mapping[str, Parity]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Original:
    """What graphs are compared with: the original's contract, its methods, and what they answered."""

    schema: Schema
    methods: Mapping[str, Predict]
    recorded: Sequence[Recorded]
    golden: Golden
    sample: Sample


def measure(conversion: Conversion, original: Original) -> Measured:
    """The first candidate whose every method is within tolerance; candidates are tried until one fits.

    A graph that answers one method wrongly decides differently from the original somewhere, so none of it is kept.
    """
    trial: _Trial | None = None
    reasons: list[str] = []
    for candidate in conversion:
        if isinstance(candidate, str):
            reasons.append(candidate)
            continue
        trial = trial or _Trial(original)
        parity, failed = trial.of(candidate)
        if parity and not failed:
            kept = {name: candidate.outputs[name] for name in parity}
            return Measured(candidate=replace(candidate, outputs=kept), parity=parity, reasons=())
        reasons += failed
    return Measured(
        candidate=None, parity={}, reasons=tuple(dict.fromkeys(reasons)) or ("no converter answers its methods",)
    )


@dataclass(kw_only=True, slots=True)
class _Found:
    """What the comparisons of one method have shown so far."""

    comparison: Comparison = field(default_factory=lambda: Comparison(exact=True, within=True))
    tried: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    undecided: int = 0
    outside: str = ""

    def add(self, kinds: Sequence[str], comparison: Comparison) -> None:
        """A comparison of rows, whose kinds these are."""
        for kind, count in Counter(kinds).items():
            self.tried[kind] = self.tried.get(kind, 0) + count
        self.comparison = merge(self.comparison, comparison)
        if not comparison.within and not self.outside:
            row = comparison.first.row if comparison.first is not None else None
            self.outside = kinds[row or 0]

    def parity(self) -> Parity:
        return Parity(
            rows=sum(self.tried.values()),
            exact=self.comparison.exact,
            max_absolute=self.comparison.max_absolute,
            max_relative=self.comparison.max_relative,
            label_disagreements=self.comparison.disagreements,
            tried=self.tried,
            refused=self.refused,
            undecided=self.undecided,
        )


class _Trial:
    """Asks the original what the sample does not tell, once, and compares candidates with it."""

    def __init__(self, original: Original) -> None:
        self._original = original
        schema = original.schema
        # a call's number of rows, and what is unique in the whole, say nothing of a part of the sample
        self._check: Check = compile_input(schema.replace(min_rows=None, max_rows=None, unique=()))
        self._native = compile_native(schema)
        golden = original.golden
        bases = np.unique(np.linspace(0, golden.rows - 1, BASES).astype(int))
        self._rows = Rows(schema, self._check(golden.sample.take(bases)))
        self._edges = edge_rows(schema, len(bases))
        self._asked: dict[str, list[tuple[list[Row], Any]]] = {}

    def of(self, candidate: Graph) -> tuple[dict[str, Parity], list[str]]:
        """The parity of each method within tolerance, and why others are not."""
        parity: dict[str, Parity] = {}
        reasons: list[str] = []
        try:
            one = _Opened(candidate, self._original.schema)
            known = {method.name: method for method in self._original.recorded if method.deterministic}
            methods = [known[name] for name in candidate.outputs if name in known]
            beside = self._beside_steps(one, methods)
            for method in methods:
                found = self._compared(one, method, beside)
                if found.outside:
                    reasons.append(_outside(method.name, found, candidate))
                else:
                    parity[method.name] = found.parity()
        except ModelwheelError as error:
            reasons.append(clip(error.message, 300))
        return parity, reasons

    def _beside_steps(self, one: _Opened, methods: Sequence[Recorded]) -> list[Row]:
        """Rows beside steps of the first method that answers numbers."""
        for method in methods if has_steps(one.candidate.data) else ():
            if method.tolerance.absolute > 0:
                name, apart = method.name, method.tolerance.absolute
                scores = lambda batch, name=name: one.numbers(name, batch)  # noqa: E731
                exact = not sums_first(one.candidate.data)
                return step_rows(self._original.schema, self._rows, self._check, scores, apart, exact=exact)
        return []

    def _compared(self, one: _Opened, method: Recorded, beside: Sequence[Row]) -> _Found:
        found = _Found()
        original = self._original
        parts = []
        if original.golden.source in ("given", "synthetic"):  # others are rows of the sample
            parts = [("examples", original.golden.sample, method.golden, np.arange(original.golden.rows))]
        whole = np.arange(original.sample.rows)
        if original.sample.rows > MOST_ROWS:
            whole = np.unique(np.linspace(0, original.sample.rows - 1, MOST_ROWS).astype(np.int64))
        parts += [
            ("sample", original.sample, method.whole, whole[start : start + BATCH])
            for start in range(0, len(whole), BATCH)
        ]
        for kind, data, expected, places in parts:
            given = one.answer(method, self._check(data.take(places)))
            found.add([kind] * len(places), _compare(part(method.output, expected, places), given, method))
        if method.name not in self._asked:
            self._asked[method.name] = list(self._ask(method.name, self._edges))
        answered = [*self._asked[method.name], *self._ask(method.name, list(beside))]
        for kept, expected in answered:
            batch = self._check(self._rows.changed(kept))
            given = one.answer(method, batch)
            kinds, comparison = [row.kind for row in kept], _compare(expected, given, method)
            if not comparison.within and one.ties is not None:
                decided = np.flatnonzero(~one.ties.flags("tied", batch))
                found.undecided += len(kept) - len(decided)
                kinds = [kinds[place] for place in decided.tolist()]
                one_part, other = (part(method.output, answer, decided) for answer in (expected, given))
                comparison = _compare(one_part, other, method)
            found.add(kinds, comparison)
        found.refused = len(self._edges) + len(beside) - sum(len(kept) for kept, _ in answered)
        return found

    def _ask(self, name: str, rows: list[Row]) -> Iterator[tuple[list[Row], Any]]:
        """The rows that the contract and the original accept, with its answers: all, or what is left of each half."""
        if not rows:
            return
        try:
            batch = self._check(self._rows.changed(rows))
            answer = predict(name, self._original.methods[name], self._native(batch))
        except ModelwheelError:
            if len(rows) > 1:
                yield from self._ask(name, rows[: len(rows) // 2])
                yield from self._ask(name, rows[len(rows) // 2 :])
            return
        yield rows, answer


class _Opened:
    """A candidate that can be asked."""

    def __init__(self, candidate: Graph, schema: Schema) -> None:
        self.candidate = candidate
        self._session: Session = open_session(candidate.data, candidate.weights, declared=laid_out(candidate.weights))
        self._feeds = compile_feeds(schema, candidate.inputs)
        self.ties = _Opened(candidate.ties, schema) if candidate.ties else None

    def flags(self, name: str, batch: Any) -> np.ndarray[Any, Any]:
        """A Boolean for each row."""
        return np.asarray(self._session.run(self._feeds(batch), self.candidate.outputs[name])[0])

    def answer(self, method: Recorded, batch: Any) -> Any:
        """The answer to a batch, checked by the method's schema."""
        outputs = self.candidate.outputs[method.name]
        found = self._session.run(self._feeds(batch), outputs)
        answer = compile_output(method.output)
        return answer(found[0] if len(outputs) == 1 else found, batch.rows, batch.single)

    def numbers(self, method: str, batch: Any) -> np.ndarray[Any, Any]:
        """All numbers of the answer, of shape (rows, numbers)."""
        found = self._session.run(self._feeds(batch), self.candidate.outputs[method])
        parts = [np.asarray(item) for item in found if np.asarray(item).dtype.kind == "f"]
        return np.concatenate([item.reshape(batch.rows, -1) for item in parts], axis=1)


def _compare(expected: Any, given: Any, method: Recorded) -> Comparison:
    with np.errstate(all="ignore"):  # what is made up may overflow, on both sides alike
        return compare(expected, given, absolute=method.tolerance.absolute, relative=method.tolerance.relative)


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


_KINDS = {
    "examples": "golden examples",
    "sample": "rows of the sample",
    "nulls": "generated rows with nulls",
    "unseen": "generated rows with values that were never seen",
    "extremes": "generated rows beyond the ends of what was seen",
    "zeros": "generated rows of zeros and empty texts",
    "thresholds": "generated rows beside thresholds",
}
"""What the kinds of rows are called."""


def _outside(name: str, found: _Found, candidate: Graph) -> str:
    comparison = found.comparison
    precision = "double" if any(item.dtype == "float64" for item in candidate.inputs) else "single"
    differs = f"{name} differs from the original in {precision} precision"
    if comparison.disagreements:
        apart = f": {comparison.disagreements:,} labels disagree"
    else:
        apart = f" by up to {comparison.max_absolute:.3g} ({comparison.max_relative:.2g} relative)"
    return f"{differs}{apart}, first on {_KINDS[found.outside]}"
