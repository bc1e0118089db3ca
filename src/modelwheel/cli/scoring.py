"""`predict`: a file of rows through a model into a file of answers, in constant memory."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from modelwheel_loader.errors import UsageError
from modelwheel_loader.model import Model
from modelwheel_loader.text import clip

from ..wheel.save import save
from .tables.answering import Answering
from .tables.chunks import Chunk
from .tables.refusals import OnError, Refusals
from .tables.sources import Source, chunks, opened
from .tables.writers import Writer, writer


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What is read, asked and written. `-` is standard input and output; `rejected` is None unless rows go there."""

    input: str
    source: str
    output: str
    target: str
    methods: tuple[str, ...]
    parameters: Mapping[str, Any]
    keep: tuple[str, ...]
    batch: int
    delimiter: str
    on_error: OnError
    rejected: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How it went: rows answered and refused, the codes of what was wrong, and the seconds that it took."""

    rows: int
    refused: int
    codes: dict[str, int]
    seconds: float

    @property
    def rate(self) -> float:
        """Rows per second, refused ones too."""
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
            written = writer(job.target, target, _labels(model), watched=target.isatty())
            rows = _run(model, job, source, refusals, written, watch)
            result.append((rows, refusals))

        _with_outputs(job, into)
    rows, refusals = result[0]
    seconds = time.monotonic() - started
    return Outcome(rows=rows, refused=refusals.rows, codes=dict(refusals.codes.most_common()), seconds=seconds)


def _with_outputs(job: Job, into: Callable[[BinaryIO, BinaryIO | None], None]) -> None:
    """Call `into` with the output and the file of refused rows, which get their names when it returns."""

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
    read = chunks(source, job.source, model.bundle.schema, refusals, size=job.batch, delimiter=job.delimiter)
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
            raise UsageError.of("usage.argument", f"--keep: the input has no column {clip(name)!r}")
    return kept
