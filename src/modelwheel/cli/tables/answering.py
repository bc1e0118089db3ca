"""Asks a model chunk by chunk, and finds the rows that are to blame when a chunk is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelwheel_loader.defects import Defect
from modelwheel_loader.errors import InputError, OutputError, PredictionError
from modelwheel_loader.model import Model
from modelwheel_loader.show.tabletext import answer_columns
from modelwheel_loader.validate.inputs import compile_input

from .chunks import Chunk
from .refusals import Refusals, placed

Blame = dict[int, list[Defect]]


class Answering:
    """Call it with a chunk; it gives the columns of the answers for the rows that were answered, and those rows."""

    def __init__(self, model: Model, methods: Sequence[str], parameters: Mapping[str, Any], refusals: Refusals) -> None:
        schema = model.bundle.schema
        self._calls = {name: getattr(model, name) for name in methods}
        self._parameters = parameters
        self._names = None if schema.extra == "error" else schema.names
        self._check = compile_input(schema)
        self._refusals = refusals

    def __call__(self, chunk: Chunk) -> tuple[Chunk, dict[str, Any]]:
        """The rows that were answered, and the parts of the answers by name."""
        try:
            return chunk, self._ask(chunk)
        except InputError as error:
            if self._refusals.stops or any(defect.row is None for defect in error.defects):
                raise placed(error, chunk.numbers) from error.__cause__
            good = self._without(chunk, self._blame(chunk, error))
        except (OutputError, PredictionError) as error:
            if self._refusals.stops:
                raise placed(error, chunk.numbers) from error.__cause__
            good = self._without(chunk, self._unanswerable(chunk, error, 0))
        # what is left may still be refused: rows that only fail together, or that the model refuses in its turn
        return self(good) if 0 < len(good) < len(chunk) else (good, self._ask(good))

    def _ask(self, chunk: Chunk) -> dict[str, Any]:
        data: Any = chunk.data(self._names) if len(chunk) else []
        columns: dict[str, Any] = {}
        for name, call in self._calls.items():
            columns |= answer_columns(call(data, **self._parameters), name)
        return columns

    def _blame(self, chunk: Chunk, error: InputError) -> Blame:
        """The rows that the schema refuses. An error describes a bounded number: with more, halves are looked at."""
        if error.counted == len(error.defects) or len(chunk) == 1:
            found: Blame = {}
            for defect in error.defects:
                found.setdefault(defect.row or 0, []).append(defect)
            return found
        middle = len(chunk) // 2
        found = {}
        for start, end in ((0, middle), (middle, len(chunk))):
            half = chunk.take(range(start, end))
            try:
                self._check(half.data(self._names))
            except InputError as inner:
                found |= {start + row: defects for row, defects in self._blame(half, inner).items()}
        return found

    def _unanswerable(self, chunk: Chunk, error: OutputError | PredictionError, start: int) -> Blame:
        """The rows at which the model itself fails, found by halving."""
        if len(chunk) == 1:
            return {start: list(error.defects)}
        middle = len(chunk) // 2
        found: Blame = {}
        for first, last in ((0, middle), (middle, len(chunk))):
            half = chunk.take(range(first, last))
            try:
                self._ask(half)
            except (OutputError, PredictionError) as inner:
                found |= self._unanswerable(half, inner, start + first)
        return found

    def _without(self, chunk: Chunk, blame: Blame) -> Chunk:
        """The chunk without the rows to blame, which are told."""
        bad = chunk.take(sorted(blame))
        for number, place, values in zip(bad.numbers, sorted(blame), bad.rows(), strict=True):
            self._refusals.row(int(number), blame[place], values)
        return chunk.take([place for place in range(len(chunk)) if place not in blame])
