"""`modelwheel inspect`: a page about a bundle. Runs nothing of it."""

from __future__ import annotations

import click

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.show.inspection import summary

from ..arguments import Command, bundle_argument, json_option
from ..page import print_page
from ..screen import console, print_json
from ..status import GOOD


@click.command("inspect", cls=Command, short_help="Show what a bundle is, takes, answers and needs.")
@bundle_argument
@click.option("--verbose", "-v", is_flag=True, help="Every field in full, and what the pickle would import.")
@json_option
def command(bundle: str, *, verbose: bool, as_json: bool) -> int:
    """Show what a bundle is, takes, answers and needs, who made it, and where it can run here.

    Nothing of the bundle is imported or run.
    """
    with open_bundle(bundle) as opened:
        if as_json:
            print_json(summary(opened))
        else:
            print_page(console(), opened, verbose=verbose)
    return GOOD
