"""`modelwheel requirements`: the lock of a bundle as a requirements file."""

from __future__ import annotations

import click

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.run.requirements import unfolded

from ..arguments import Command, bundle_argument, json_option
from ..screen import print_json
from ..status import GOOD


@click.command("requirements", cls=Command, short_help="Print the lock as a requirements file.")
@bundle_argument
@click.option(
    "--runtime", type=click.Choice(["native", "onnx"]), help="Only what this runtime needs; else what all do."
)
@json_option
def command(bundle: str, *, runtime: str | None, as_json: bool) -> int:
    """Print the lock of the bundle as a requirements file: exact versions with the hash of every file.

    For `pip install --require-hashes -r FILE`, with the index for which your machine is set up.
    """
    with open_bundle(bundle) as opened:
        text = opened.requirements(runtime)
        if as_json:
            print_json({"name": opened.name, "version": opened.version, "requirements": unfolded(text)})
        else:
            click.echo(text, nl=False)
    return GOOD
