"""`predict`: run predictions on a file of rows."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import Any

import click
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.run import PREFERENCES, Preference, Trust
from modelwheel_loader.show import BATCH
from modelwheel_loader.text import counted

from ..options import (
    GOOD,
    SHORT,
    Command,
    bundle_argument,
    choice,
    collected,
    json_option,
    options,
    runtime_option,
    trust_options,
)
from ..predicting import Job, Outcome, Watch, score
from ..screen import console, is_terminal, print_json, warn
from ..tables.sources import KINDS, Source
from ..tables.writers import KINDS as TARGETS


def _parameters(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """Names and values; what is not JSON is text."""
    made: dict[str, Any] = {}
    for name, equals, value in (text.partition("=") for text in texts):
        if not equals:
            raise click.UsageError("--parameter is NAME=JSON, such as threshold=0.3.")
        try:
            made[name] = json.loads(value)
        except (ValueError, RecursionError):
            made[name] = value
    return made


_job = options(
    click.argument("input", default="-", metavar="[INPUT]"),
    click.option("--output", "-o", default="-", help="File for the predictions (default: -, standard output)."),
    choice("--from", "source", of=KINDS, help="Input format (default: from the file extension)."),
    choice("--to", "target", of=TARGETS, help="Output format (default: from the file extension)."),
    click.option(
        "--method",
        "-m",
        "methods",
        multiple=True,
        default=["predict"],
        show_default=True,
        help="A prediction method. Repeatable.",
    ),
    click.option(
        "--parameter",
        "-p",
        "parameters",
        multiple=True,
        metavar="NAME=JSON",
        callback=_parameters,
        help="A parameter of the method. Repeatable.",
    ),
    click.option("--keep", "-k", multiple=True, metavar="COLUMN", help="Copy this column of the input. Repeatable."),
    choice(
        "--on-error",
        of=["stop", "skip", "separate"],
        default="stop",
        help="What to do with a rejected row: stop, skip it, or write it to a separate file.",
    ),
    click.option(
        "--rejected", metavar="FILE", help="File for rejected rows, as JSON lines (default: next to the output)."
    ),
    click.option("--batch", type=click.IntRange(min=1), default=BATCH, show_default=True, help="Rows at a time."),
    click.option("--delimiter", help="CSV delimiter (default: comma; tab for .tsv)."),
    collected("job", Job),
)


@click.command("predict", cls=Command, short_help="Run predictions on a file of rows.")
@bundle_argument
@_job
@runtime_option
@choice(
    "--prefer",
    of=PREFERENCES,
    help="Choose the fastest runtime, by the timings recorded at packing: for one row (latency) or many (throughput).",
)
@trust_options
@json_option
def predict(
    bundle: str, *, job: Job, runtime: str, prefer: Preference | None, trust: Trust | None, as_json: bool
) -> int:
    """Run predictions on the rows of INPUT: CSV, JSON lines, JSON, Parquet or Arrow (default: -, standard input).

    Files of any size are read in batches, in constant memory. An output file appears whole, or not at all when the
    run fails or is interrupted. Rejected rows are counted on standard error; the exit status is 1 when the run stops
    at one, and when every row was rejected. With --json, the summary is JSON.
    """
    job = job.settled()
    with (
        open_bundle(bundle) as opened,
        opened.load(trust=trust, runtime=runtime, prefer=prefer) as model,
        _watching(job) as watch,
    ):
        outcome = score(model, job, watch)
    _report(outcome, job, as_json=as_json)
    return SHORT if outcome.refused and not outcome.rows else GOOD


@contextlib.contextmanager
def _watching(job: Job) -> Iterator[Watch]:
    """Shows rows, and rows per second, on a terminal that does not also show the predictions."""
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


def _report(outcome: Outcome, job: Job, *, as_json: bool) -> None:
    """The summary: on standard error, and only when it says more than the predictions."""
    if as_json:
        made = {"rows": outcome.rows, "refused": outcome.refused, "codes": outcome.codes}
        made |= {"seconds": round(outcome.seconds, 3), "rows_per_second": round(outcome.rate)}
        print_json({**made, "output": job.output, "rejected": job.rejected}, err=job.output == "-")
        return
    if job.output != "-" or outcome.refused:
        where = "" if job.output == "-" else f" into {job.output}"
        rate = f"{outcome.seconds:.1f} s, {outcome.rate:,.0f} rows/s"
        warn(f"{counted(outcome.rows, 'row')} predicted{where} ({rate})")
    if outcome.refused:
        where = f", in {job.rejected}" if job.rejected else ""
        codes = ", ".join(f"{count:,} {code}" for code, count in outcome.codes.items())
        warn(f"{counted(outcome.refused, 'row')} rejected{where}: {codes}")


COMMANDS = {"predict": predict}
