"""What several commands share: their base class, the argument BUNDLE, common options, and options as records."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from modelwheel_loader.errors import ModelwheelError, UsageError
from modelwheel_loader.opening import RUNTIMES, installed_bundles
from modelwheel_loader.run import Trust
from modelwheel_loader.show import GOOD, INTERRUPTED, SHORT, USAGE
from modelwheel_loader.text import safe

from .screen import print_error, print_json

__all__ = ["GOOD", "INTERRUPTED", "SHORT", "USAGE"]
Callback = Callable[..., Any]


class Command(click.Command):
    """A command that reports errors of modelwheel and of files in one way.

    The exit status is what its callback returns (None is 0). With `--json`, an error is JSON on standard output.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Call the callback."""
        try:
            return super().invoke(ctx)
        except ModelwheelError as error:
            if ctx.params.get("as_json"):
                print_json(error.to_dict())
            else:
                print_error(error)
            return USAGE if isinstance(error, UsageError) else SHORT
        except BrokenPipeError:
            raise
        except OSError as error:
            named = f"{safe(str(error.filename))}: " if error.filename else ""
            message = f"{named}{safe(error.strerror or str(error))}"
            if ctx.params.get("as_json"):
                print_json(UsageError.of("usage.argument", message).to_dict())
            else:
                click.echo(f"Error: {message}", err=True)
            return USAGE


def _complete_bundle(_: click.Context, __: click.Parameter, incomplete: str) -> list[Any]:
    from click.shell_completion import CompletionItem

    names = [item.name for item in installed_bundles() if item.name.startswith(incomplete)]
    return [*(CompletionItem(name) for name in names), CompletionItem(incomplete, type="file")]


bundle_argument = click.argument("bundle", shell_complete=_complete_bundle)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


def trust_options(function: Callback) -> Callback:
    """Give the callback `trust: Trust | None` from `--trust-digest` and `--unsafe-run-code`."""

    @click.option(
        "--trust-digest", multiple=True, metavar="SHA256", help="Run the code of the bundle with this digest."
    )
    @click.option("--unsafe-run-code", is_flag=True, help="Run any code that the bundle holds.")
    @functools.wraps(function)
    def _wrapped(*args: Any, trust_digest: tuple[str, ...], unsafe_run_code: bool, **options: Any) -> Any:
        if trust_digest and unsafe_run_code:
            raise click.UsageError("--trust-digest and --unsafe-run-code contradict each other.")
        trust = Trust.unsafe_run_code() if unsafe_run_code else None
        return function(*args, trust=Trust.digests(*trust_digest) if trust_digest else trust, **options)

    return _wrapped


def collected(name: str, record: type[Any]) -> Callable[[Callback], Callback]:
    """Give the callback a `record` as its argument `name`, made of the options that are named as its fields."""

    def decorate(function: Callback) -> Callback:
        @functools.wraps(function)
        def _wrapped(*args: Any, **values: Any) -> Any:
            fields = [field for field in record.__annotations__ if field in values]
            values[name] = record(**{field: values.pop(field) for field in fields})
            return function(*args, **values)

        return _wrapped

    return decorate


def options(*rows: Callback) -> Callable[[Callback], Callback]:
    """Several options as one decorator: a group that is declared as a table."""
    return lambda function: functools.reduce(lambda made, row: row(made), reversed(rows), function)


def choice(
    *names: str,
    of: Iterable[str],
    help: str,  # noqa: A002 - as click calls it
    default: str | None = None,
    multiple: bool = False,
    callback: Callable[..., Any] | None = None,
) -> Callback:
    """An option with one of several values; a default is shown."""
    kind = click.Choice(list(of))
    return click.option(
        *names,
        type=kind,
        default=default,
        show_default=default is not None,
        multiple=multiple,
        callback=callback,
        help=help,
    )


runtime_option = choice(
    "--runtime",
    of=["auto", *RUNTIMES],
    default="auto",
    help="The runtime; auto is the first available one, in the author's order.",
)
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
