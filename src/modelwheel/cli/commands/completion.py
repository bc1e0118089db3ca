"""`modelwheel completion`: the script that makes a shell complete commands, options and installed bundles."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ..app import application
from ..arguments import Command

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command, short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the script with which a shell completes commands, options and names of installed bundles.

    Append the script to ~/.bashrc or ~/.zshrc, or write it to ~/.config/fish/completions/modelwheel.fish.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"No completion for {shell}.")
    click.echo(found(application, {}, "modelwheel", "_MODELWHEEL_COMPLETE").source())
