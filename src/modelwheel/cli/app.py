"""The command `modelwheel`: finds its commands, and turns whatever ends one into a message and an exit status."""

from __future__ import annotations

import difflib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import click

from modelwheel_loader.errors import UsageError
from modelwheel_loader.show import prepare_streams
from modelwheel_loader.text import safe

from ..version import VERSION
from .options import GOOD, INTERRUPTED, SHORT, USAGE
from .screen import print_json

COMMANDS = {
    **dict.fromkeys(("inspect", "explain", "verify", "check"), "look"),
    "prove": "author",
    "requirements": "look",
    "predict": "predict",
    "schema": "look",
    "list": "manage",
    "pack": "author",
    "repack": "author",
    "env": "manage",
    "export": "author",
    "completion": "manage",
}
"""The file of `commands/` that holds each command, in the order in which `--help` lists them."""


class Application(click.Group):
    """The commands, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"modelwheel.cli.commands.{COMMANDS[cmd_name]}")
        found: dict[str, click.Command] = module.COMMANDS
        return found[cmd_name]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names; an unknown name gives the nearest one in the error."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not close:
                raise
            raise click.UsageError(f"{error.message} Did you mean '{close[0]}'?", error.ctx) from None


@click.group(cls=Application, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(VERSION, prog_name="modelwheel")
def application() -> None:
    """Inspect, verify, run and create model bundles.

    A BUNDLE is a .whl file, an unpacked folder, or the name of an installed bundle (churn, "churn>=1.2,<2").

    Exit status: 0 success, 1 problem in the bundle or the data, 2 wrong usage.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    if arguments is None:  # else another program calls, whose signals and streams are its own
        _end_politely()
        prepare_streams()
    try:
        status = application.main(
            args=None if arguments is None else list(arguments), prog_name="modelwheel", standalone_mode=False
        )
        sys.stdout.flush()
    except click.ClickException as error:
        _explain_usage(error)
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            print_json(UsageError.of("usage.argument", safe(error.format_message())).to_dict())
        return USAGE
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        # nobody reads our output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SHORT
    return status if isinstance(status, int) else GOOD


def _explain_usage(error: click.ClickException) -> None:
    """What was wrong with the call, on standard error. It may repeat an argument, which may be any file's name."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        click.echo(context.get_usage(), err=True)
        click.echo(f"Try '{context.command_path} --help' for help.\n", err=True)
    click.echo(f"Error: {safe(error.format_message())}", err=True)


def _end_politely() -> None:
    """End by an exception where the operating system asks for an end, so that half-written files are removed."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _ended)


def _ended(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
