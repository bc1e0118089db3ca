"""`python -m modelwheel_loader inspect | verify | predict`: the command line that needs nothing but the loader.

Exit status: 0 success, 1 problem in the bundle or the data, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from ..bundle import open_bundle, verify
from ..errors import ModelwheelError, UsageError
from ..run.trust import Trust
from ..text import safe, safe_json
from . import tables
from .inspection import describe, summary
from .streams import prepare_streams, written_beside

GOOD, SHORT, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: success; a problem in the bundle or the data; wrong usage; Ctrl-C."""
BATCH = 10_000
"""Rows that `predict` holds in memory at a time, by default."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    if arguments is None:  # else another program calls, whose streams are its own
        prepare_streams()
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # nobody reads our output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SHORT
    except ModelwheelError as error:
        if options.json:
            _print_json(error.to_dict())
        else:
            _warn(f"{type(error).__name__}: {error}")
        return USAGE if isinstance(error, UsageError) else SHORT
    except OSError as error:
        _warn(f"{safe(str(error.filename or ''))}: {safe(error.strerror or str(error))}")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m modelwheel_loader", description="Inspect, verify and run model bundles."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = _command(commands, "inspect", _inspect, "show what a bundle is, its input, methods and requirements")
    inspect.add_argument("--verbose", action="store_true", help="every field in full, and what the pickle would import")
    verify = _trusting(_command(commands, "verify", _verify, "check every byte and replay the golden examples"))
    verify.add_argument("--structure-only", action="store_true", help="run no model: accept a valid structure")
    predict = _trusting(_command(commands, "predict", _predict, "run predictions on rows of JSON lines or CSV"))
    predict.add_argument("--input", "-i", default="-", help="a .jsonl or .csv file (default: -, standard input)")
    predict.add_argument("input", nargs="?", default=argparse.SUPPRESS, help="the same as --input")
    predict.add_argument("--output", "-o", default="-", help="file for the predictions (default: -, standard output)")
    kinds = ("jsonl", "csv")
    predict.add_argument("--from", dest="source", choices=kinds, help="input format (default: from the file extension)")
    predict.add_argument("--to", dest="target", choices=kinds, help="output format (default: from the file extension)")
    predict.add_argument("--method", default="predict", help="the prediction method (default: predict)")
    predict.add_argument("--runtime", default="auto", help="onnx, native, isolated, or auto (default: auto)")
    predict.add_argument(
        "--prefer",
        choices=("latency", "throughput"),
        help="choose the fastest runtime, by the timings recorded at packing: for one row, or for many",
    )
    predict.add_argument("--batch", type=int, default=BATCH, help=f"rows at a time (default: {BATCH})")
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.add_argument("bundle", help="a .whl file, an unpacked folder, or the name of an installed bundle")
    command.add_argument("--json", action="store_true", help="JSON instead of text")
    command.set_defaults(run=run)
    return command


def _trusting(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    group = command.add_mutually_exclusive_group()
    group.add_argument(
        "--trust-digest", action="append", metavar="SHA256", help="run the code of the bundle with this digest"
    )
    group.add_argument("--unsafe-run-code", action="store_true", help="run any code that the bundle holds")
    return command


def _trust(options: argparse.Namespace) -> Trust | None:
    if options.unsafe_run_code:
        return Trust.unsafe_run_code()
    return Trust.digests(*options.trust_digest) if options.trust_digest else None


def _inspect(options: argparse.Namespace) -> int:
    with open_bundle(options.bundle) as bundle:
        if options.json:
            _print_json(summary(bundle))
        else:
            print("\n".join(describe(bundle, verbose=options.verbose)))
    return GOOD


def _print_json(value: Any) -> None:
    print(safe_json(json.dumps(value, indent=1, ensure_ascii=False)))


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _verify(options: argparse.Namespace) -> int:
    progress = _progress if sys.stderr.isatty() else None
    given = {"trust": _trust(options), "structure_only": options.structure_only}
    report = verify(options.bundle, progress=progress, **given)
    if options.json:
        _print_json(report.to_dict())
    else:
        print(report)
    return GOOD if report.ok else SHORT


def _progress(what: str, done: int, total: int) -> None:
    share = 100 if done >= total else 100 * done // total
    print(f"\r{safe(what)}: {share}%", end="\n" if done >= total else "", file=sys.stderr, flush=True)


def _predict(options: argparse.Namespace) -> int:
    if options.batch < 1:
        raise UsageError.of("usage.argument", "--batch must be at least 1")
    loading = {"trust": _trust(options), "runtime": options.runtime, "prefer": options.prefer}
    with open_bundle(options.bundle) as bundle, bundle.load(**loading) as model, _reading(options.input) as source:
        call = getattr(model, options.method)
        is_csv = _kind(options.source, options.input) == "csv"
        rows = tables.csv_rows(source, bundle.schema) if is_csv else tables.json_rows(source)
        text = tables.CsvText() if _kind(options.target, options.output) == "csv" else tables.json_text

        def write(put: Callable[[str], object]) -> None:
            for index, batch in enumerate(tables.batches(rows, options.batch)):
                put(text(tables.answer_columns(_call(call, batch, index * options.batch), options.method)))

        if options.output == "-":
            write(sys.stdout.write)
        else:
            target = Path(options.output)
            with written_beside(target, lambda stream: write(tables.encoded(stream))) as temporary:
                temporary.replace(target)
    return GOOD


def _call(call: Any, batch: list[tables.Row], start: int) -> Any:
    try:
        return call(batch)
    except ModelwheelError:
        if start:
            _warn(f"in the batch that begins at row {start} of the input:")
        raise


def _kind(given: str | None, path: str) -> str:
    return given or ("csv" if path.lower().endswith(".csv") else "jsonl")


@contextlib.contextmanager
def _reading(path: str) -> Iterator[IO[str]]:
    if path == "-":
        yield sys.stdin
        return
    with Path(path).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        yield stream
