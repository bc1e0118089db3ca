"""`predict`: the rows of a file through a model into a file of predictions, in constant memory."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from modelwheel_loader.errors import Defect, InputError, OutputError, PredictionError, UsageError
from modelwheel_loader.model import Model
from modelwheel_loader.show import answer_columns
from modelwheel_loader.text import clip, safe
from modelwheel_loader.validate import compile_input

from ..wheel.save import save
from .tables.chunks import Chunk, OnError, Refusals, placed
from .tables.sources import Source, chunks, kind_of, opened
from .tables.writers import KINDS as TARGETS
from .tables.writers import Writer, writer


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """The files, formats and methods of a run, as the options of `modelwheel predict` name them.

    `-` is standard input or output. `settled` replaces what is None by its default.
    """

    input: str
    source: str | None
    output: str
    target: str | None
    methods: tuple[str, ...]
    parameters: Mapping[str, Any]
    keep: tuple[str, ...]
    batch: int
    delimiter: str | None
    on_error: OnError
    rejected: str | None

    def settled(self) -> Job:
        """The job with its defaults; raises `UsageError` when options or files contradict each other."""
        separate, tab = self.on_error == "separate", self.input.lower().removesuffix(".gz").endswith(".tsv")
        job = replace(
            self,
            source=kind_of(self.input, self.source),
            target=kind_of(self.output, self.target, TARGETS),
            delimiter=self.delimiter or ("\t" if tab else ","),
            rejected=self.rejected or (f"{self.output}.rejected.jsonl" if separate else None),
        )
        if len((job.delimiter or "").encode()) != 1 or (job.delimiter or "") in '"\r\n':
            raise _wrong("--delimiter must be one ASCII character, neither a quote nor a line break")
        if self.rejected is not None and not separate:
            raise _wrong("--rejected goes with --on-error separate")
        if separate and self.rejected is None and self.output == "-":
            raise _wrong("--on-error separate needs --rejected FILE when the predictions go to standard output")
        files = [os.path.realpath(path) for path in (job.input, job.output, job.rejected) if path not in (None, "-")]
        if len(set(files)) < len(files):
            raise _wrong("the input, the output and the file of rejected rows must be different files")
        for path in (job.output, job.rejected):
            if path is not None and Path(path).is_dir():
                raise _wrong(f"{safe(path)} is a folder", hint="Pass the name of a file in it.")
        if job.target == "parquet" and job.output == "-" and sys.stdout.isatty():
            raise _wrong("Parquet is not text: set a file with --output")
        return job


def _wrong(message: str, hint: str = "") -> UsageError:
    return UsageError.of("usage.argument", message, hint=hint)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The result: rows predicted and rejected, the codes of the defects, and the seconds that it took."""

    rows: int
    refused: int
    codes: dict[str, int]
    seconds: float

    @property
    def rate(self) -> float:
        """Rows per second, rejected ones too."""
        return (self.rows + self.refused) / self.seconds if self.seconds else 0.0


Watch = Callable[[Source, int], None]
"""Called after each batch with the source and the number of rows so far."""


def score(model: Model, job: Job, watch: Watch) -> Outcome:
    """Do the job. Output files appear whole, or not at all when anything fails or is interrupted."""
    started = time.monotonic()
    with opened(job.input) as source:
        result: list[tuple[int, Refusals]] = []

        def into(target: BinaryIO, rejected: BinaryIO | None) -> None:
            refusals = Refusals(job.on_error, rejected)
            written = writer(job.target or "", target, _labels(model), watched=target.isatty())
            rows = _run(model, job, source, refusals, written, watch)
            result.append((rows, refusals))

        _with_outputs(job, into)
    rows, refusals = result[0]
    seconds = time.monotonic() - started
    return Outcome(rows=rows, refused=refusals.rows, codes=dict(refusals.codes.most_common()), seconds=seconds)


def _with_outputs(job: Job, into: Callable[[BinaryIO, BinaryIO | None], None]) -> None:
    """Call `into` with the output and the file of rejected rows, which get their names when it returns."""

    def with_answers(rejected: BinaryIO | None) -> None:
        if job.output == "-":
            into(sys.stdout.buffer, rejected)
            sys.stdout.buffer.flush()
        else:
            save(Path(job.output), lambda stream: into(stream, rejected), overwrite=True)

    if job.rejected is None:
        with_answers(None)
    else:
        save(Path(job.rejected), with_answers, overwrite=True)


def _labels(model: Model) -> dict[str, Sequence[object]]:
    return {name: method.classes or () for name, method in model.bundle.methods.items()}


def _run(model: Model, job: Job, source: Source, refusals: Refusals, out: Writer, watch: Watch) -> int:
    answer = Answering(model, job.methods, job.parameters, refusals)
    rows = 0
    read = chunks(
        source, job.source or "", model.bundle.schema, refusals, size=job.batch, delimiter=job.delimiter or ","
    )
    with contextlib.closing(out):
        for answered, columns in _answered(read, answer):
            out.write({**_kept(answered, job.keep), **columns})
            rows += len(answered)
            watch(source, rows + refusals.rows)
    return rows


def _answered(read: Iterator[Chunk], answer: Answering) -> Iterator[tuple[Chunk, dict[str, Any]]]:
    """The answers of all chunks; without any, those of no rows, so that a table has its columns."""
    first = True
    for chunk in read:
        first = False
        yield answer(chunk)
    if first:
        yield answer(Chunk.empty())


def _kept(chunk: Chunk, names: Sequence[str]) -> dict[str, Any]:
    kept = {name: chunk.column(name) for name in names}
    for name, values in kept.items():
        if values is None:
            raise _wrong(f"--keep: the input has no column {clip(name)!r}")
    return kept


# --- rows that are to blame when a chunk is rejected ---


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
        # the rest may still be rejected: rows that only fail together, or at which the model itself fails
        return self(good) if 0 < len(good) < len(chunk) else (good, self._ask(good))

    def _ask(self, chunk: Chunk) -> dict[str, Any]:
        data: Any = chunk.data(self._names) if len(chunk) else []
        columns: dict[str, Any] = {}
        for name, call in self._calls.items():
            columns |= answer_columns(call(data, **self._parameters), name)
        return columns

    def _blame(self, chunk: Chunk, error: InputError) -> Blame:
        """The rows that the schema rejects. An error lists a bounded number: with more, halves are checked."""
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
        """The chunk without the rows to blame, which are reported."""
        bad = chunk.take(sorted(blame))
        for number, place, values in zip(bad.numbers, sorted(blame), bad.rows(), strict=True):
            self._refusals.row(int(number), blame[place], values)
        return chunk.take([place for place in range(len(chunk)) if place not in blame])
