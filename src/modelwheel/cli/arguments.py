"""What several commands have in common: their base class, the argument BUNDLE, `--json`, trust and runtime."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from modelwheel_loader.errors import ModelwheelError, UsageError
from modelwheel_loader.opening.manifest import RUNTIMES
from modelwheel_loader.opening.resolve import installed_bundles
from modelwheel_loader.run.trust import Trust
from modelwheel_loader.text import safe

from .screen import print_error, print_json
from .status import SHORT, USAGE

Callback = Callable[..., Any]


class Command(click.Command):
    """A command that tells errors of modelwheel, and of files, as every other one does.

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
    @click.option("--unsafe-run-code", is_flag=True, help="Run whatever code the bundle holds.")
    @functools.wraps(function)
    def _wrapped(*args: Any, trust_digest: tuple[str, ...], unsafe_run_code: bool, **options: Any) -> Any:
        if trust_digest and unsafe_run_code:
            raise click.UsageError("--trust-digest and --unsafe-run-code contradict each other.")
        trust = Trust.unsafe_run_code() if unsafe_run_code else None
        return function(*args, trust=Trust.digests(*trust_digest) if trust_digest else trust, **options)

    return _wrapped


def runtime_option(function: Callback) -> Callback:
    """Give the callback `runtime: str`."""
    option = click.option(
        "--runtime",
        type=click.Choice(["auto", *RUNTIMES]),
        default="auto",
        show_default=True,
        help="What runs the model; auto is the first that can, in the author's order.",
    )
    return option(function)
