"""`python -m modelwheel_loader inspect | verify | predict`: look at a bundle, check it, ask it.

Exit status: 0 good, 1 the bundle or its data fall short, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from .bundle import Bundle, open_bundle, verify
from .errors import ModelwheelError, UsageError
from .run.trust import Trust
from .show import tabletext
from .show.inspection import describe, summary
from .show.streams import prepare_streams
from .text import safe, safe_json

GOOD, SHORT, USAGE = 0, 1, 2
BATCH = 10_000
"""Rows that `predict` holds in memory at a time, unless told otherwise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    if arguments is None:  # else another program calls, whose streams are its own
        prepare_streams()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader of our output has gone; nothing more can be said to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SHORT
    except ModelwheelError as error:
        if options.json:
            _print_json(error.to_dict())
        else:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return USAGE if isinstance(error, UsageError) else SHORT
    except OSError as error:
        print(f"{safe(str(error.filename or ''))}: {safe(error.strerror or str(error))}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m modelwheel_loader", description="Look at, check and ask model bundles."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    inspect = _command(
        commands, "inspect", _inspect, "say what a bundle is, takes, answers and needs; runs nothing of it"
    )
    inspect.add_argument(
        "--verbose", action="store_true", help="with every field in full and what the pickle would import"
    )
    check = _command(commands, "verify", _verify, "compare every byte with its digest and replay the golden examples")
    _trusting(check)
    predict = _command(commands, "predict", _predict, "answer rows from JSON lines or CSV")
    _trusting(predict)
    predict.add_argument("--input", "-i", default="-", help="a .jsonl or .csv file; - (the default) is standard input")
    predict.add_argument("input", nargs="?", default=argparse.SUPPRESS, help="the same as --input")
    predict.add_argument("--output", "-o", default="-", help="where the answers go; - (the default) is standard output")
    predict.add_argument(
        "--from", dest="source", choices=("jsonl", "csv"), help="what the input is; by its name if not said"
    )
    predict.add_argument("--to", dest="target", choices=("jsonl", "csv"), help="what to write; by its name, else jsonl")
    predict.add_argument("--method", default="predict", help="the prediction method (default: predict)")
    predict.add_argument("--runtime", default="auto", help="onnx, native, isolated, or auto (the default)")
    predict.add_argument(
        "--prefer",
        choices=("latency", "throughput"),
        help="by the cost that pack recorded: fastest for one row, or many",
    )
    predict.add_argument("--batch", type=int, default=BATCH, help=f"rows at a time (default: {BATCH})")
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.add_argument("bundle", help="a .whl file, an unpacked folder, or the name of an installed bundle")
    command.add_argument("--json", action="store_true", help="JSON instead of text")
    command.set_defaults(run=run)
    return command


def _trusting(command: argparse.ArgumentParser) -> None:
    group = command.add_mutually_exclusive_group()
    group.add_argument(
        "--trust-digest", action="append", metavar="SHA256", help="run the code of the bundle with this digest"
    )
    group.add_argument("--unsafe-run-code", action="store_true", help="run whatever code the bundle holds")


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


def _verify(options: argparse.Namespace) -> int:
    progress = _progress if sys.stderr.isatty() else None
    report = verify(options.bundle, trust=_trust(options), progress=progress)
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
    with open_bundle(options.bundle) as bundle, bundle.load(**loading) as model:
        call = getattr(model, options.method)
        with _reading(options) as source, _writing(options.output) as target:
            csv = _kind(options.target, options.output) == "csv"
            rows = _rows(options, source, bundle)
            for index, batch in enumerate(tabletext.batches(rows, options.batch)):
                answers = tabletext.answer_rows(_call(call, batch, index * options.batch), options.method)
                if csv:
                    tabletext.write_csv_rows(answers, target, header=index == 0)
                else:
                    tabletext.write_json_rows(answers, target)
    return GOOD


def _call(call: Any, batch: list[tabletext.Row], start: int) -> Any:
    try:
        return call(batch)
    except ModelwheelError:
        if start:
            print(f"in the batch that begins at row {start} of the input:", file=sys.stderr)
        raise


def _kind(said: str | None, path: str) -> str:
    return said or ("csv" if path.lower().endswith(".csv") else "jsonl")


def _rows(options: argparse.Namespace, source: IO[str], bundle: Bundle) -> Iterator[tabletext.Row]:
    if _kind(options.source, options.input) == "csv":
        return tabletext.csv_rows(source, bundle.schema)
    return tabletext.json_rows(source)


@contextlib.contextmanager
def _reading(options: argparse.Namespace) -> Iterator[IO[str]]:
    if options.input == "-":
        yield sys.stdin
        return
    with Path(options.input).open(encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
        yield stream


@contextlib.contextmanager
def _writing(path: str) -> Iterator[IO[str]]:
    """Standard output, or a file that appears whole under its name, and only when everything went well."""
    if path == "-":
        yield sys.stdout
        return
    target = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(target)
    finally:
        Path(temporary).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
