"""`modelwheel predict`: answer the rows of a file."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.errors import UsageError
from modelwheel_loader.run.selection import PREFERENCES, Preference
from modelwheel_loader.run.trust import Trust
from modelwheel_loader.text import counted, safe

from ..arguments import Command, bundle_argument, json_option, runtime_option, trust_options
from ..scoring import Job, Outcome, Watch, score
from ..screen import console, is_terminal, print_json, warn
from ..status import GOOD, SHORT
from ..tables.refusals import OnError
from ..tables.sources import KINDS, Source, kind_of
from ..tables.writers import KINDS as TARGETS

BATCH = 10_000


@click.command("predict", cls=Command, short_help="Answer the rows of a file.")
@bundle_argument
@click.argument("input", default="-", metavar="[INPUT]")
@click.option("--output", "-o", default="-", help="Where the answers go; - (the default) is standard output.")
@click.option("--from", "source", type=click.Choice(KINDS), help="What INPUT is; else its name says it.")
@click.option("--to", "target", type=click.Choice(TARGETS), help="What to write; else the name of the output says it.")
@click.option(
    "--method",
    "-m",
    "methods",
    multiple=True,
    default=["predict"],
    show_default=True,
    help="What the model is asked. Repeatable.",
)
@click.option(
    "--parameter", "-p", "parameters", multiple=True, metavar="NAME=JSON", help="A parameter of the method. Repeatable."
)
@click.option("--keep", "-k", multiple=True, metavar="COLUMN", help="Copy this column of the input. Repeatable.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip", "separate"]),
    default="stop",
    show_default=True,
    help="A row that is refused ends the run, is left out, or goes into a file of its own.",
)
@click.option("--rejected", metavar="FILE", help="Where refused rows go: JSON lines. Else beside the output.")
@click.option("--batch", type=click.IntRange(min=1), default=BATCH, show_default=True, help="Rows at a time.")
@click.option("--delimiter", help="Between the cells of CSV; a comma, or a tab for .tsv, if not said.")
@runtime_option
@click.option(
    "--prefer",
    type=click.Choice(PREFERENCES),
    help="By the cost that pack recorded, take the runtime that is fastest for one row, or for many.",
)
@trust_options
@json_option
def command(  # noqa: PLR0913 - one argument per option
    bundle: str,
    *,
    input: str,  # noqa: A002 - the argument's name in the help
    output: str,
    source: str | None,
    target: str | None,
    methods: tuple[str, ...],
    parameters: tuple[str, ...],
    keep: tuple[str, ...],
    on_error: OnError,
    rejected: str | None,
    batch: int,
    delimiter: str | None,
    runtime: str,
    prefer: Preference | None,
    trust: Trust | None,
    as_json: bool,
) -> int:
    """Answer the rows of INPUT: CSV, JSON lines, JSON, Parquet or Arrow; - (the default) is standard input.

    Files of any size are read in batches, in constant memory. An output file appears whole, or not at all when the
    run fails or is interrupted. Refused rows are counted on standard error; the exit status is 1 when the run stops
    at one, and when no row was answered. With --json, the summary is JSON.
    """
    job = Job(
        input=input,
        source=kind_of(input, source),
        output=output,
        target=kind_of(output, target, TARGETS),
        methods=methods,
        parameters=dict(map(_parameter, parameters)),
        keep=keep,
        batch=batch,
        delimiter=_delimiter(delimiter, input),
        on_error=on_error,
        rejected=_rejected(on_error, rejected, output),
    )
    _check(job)
    with (
        open_bundle(bundle) as opened,
        opened.load(trust=trust, runtime=runtime, prefer=prefer) as model,
        _watching(job) as watch,
    ):
        outcome = score(model, job, watch)
    _tell(outcome, job, as_json=as_json)
    return SHORT if outcome.refused and not outcome.rows else GOOD


def _parameter(text: str) -> tuple[str, Any]:
    """A name and a value; what is no JSON is text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError("--parameter is NAME=JSON, such as threshold=0.3.")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


def _delimiter(said: str | None, path: str) -> str:
    made = said or ("\t" if path.lower().removesuffix(".gz").endswith(".tsv") else ",")
    if len(made.encode()) != 1 or made in '"\r\n':
        raise click.UsageError("--delimiter is one character of ASCII, neither a quote nor a line break.")
    return made


def _rejected(on_error: str, said: str | None, output: str) -> str | None:
    if on_error != "separate":
        if said is not None:
            raise click.UsageError("--rejected goes with --on-error separate.")
        return None
    if said is None and output == "-":
        raise click.UsageError("--on-error separate needs --rejected FILE when the answers go to standard output.")
    return said or f"{output}.rejected.jsonl"


def _check(job: Job) -> None:
    files = [os.path.realpath(path) for path in (job.input, job.output, job.rejected) if path not in (None, "-")]
    if len(set(files)) < len(files):
        raise UsageError.of("usage.argument", "the input, the output and the file of refused rows are different files")
    for path in (job.output, job.rejected):
        if path is not None and Path(path).is_dir():
            raise UsageError.of("usage.argument", f"{safe(path)} is a folder", hint="Give the name of a file in it.")
    if job.target == "parquet" and job.output == "-" and sys.stdout.isatty():
        raise click.UsageError("Parquet is no text: say where it goes with --output.")


@contextlib.contextmanager
def _watching(job: Job) -> Iterator[Watch]:
    """Shows rows, and rows per second, to a person who does not read the answers on the same screen."""
    if not is_terminal() or (job.output == "-" and sys.stdout.isatty()):
        yield lambda _source, _rows: None
        return
    columns: list[Any] = [
        TextColumn("{task.fields[rows]:>13,} rows", markup=False),
        TextColumn("{task.fields[rate]:>11,.0f} rows/s", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=console(err=True), transient=True) as bars:
        task = bars.add_task("", total=None, rows=0, rate=0.0)

        def watch(source: Source, rows: int) -> None:
            elapsed = bars.tasks[0].elapsed or 0.0
            rate = rows / elapsed if elapsed else 0.0
            bars.update(task, completed=source.read, total=source.total, rows=rows, rate=rate)

        yield watch


def _tell(outcome: Outcome, job: Job, *, as_json: bool) -> None:
    """The summary: on standard error, and only when there is something to say that the answers do not."""
    if as_json:
        made = {"rows": outcome.rows, "refused": outcome.refused, "codes": outcome.codes}
        made |= {"seconds": round(outcome.seconds, 3), "rows_per_second": round(outcome.rate)}
        print_json({**made, "output": job.output, "rejected": job.rejected}, err=job.output == "-")
        return
    if job.output != "-" or outcome.refused:
        where = "" if job.output == "-" else f" into {job.output}"
        rate = f"{outcome.seconds:.1f} s, {outcome.rate:,.0f} rows/s"
        warn(f"{counted(outcome.rows, 'row')} answered{where} ({rate})")
    if outcome.refused:
        where = f", in {job.rejected}" if job.rejected else ""
        codes = ", ".join(f"{count:,} {code}" for code, count in outcome.codes.items())
        warn(f"{counted(outcome.refused, 'row')} refused{where}: {codes}")
