"""`modelwheel explain`: for each runtime, whether it can run here, and if not, exactly why and what to do."""

from __future__ import annotations

import click
from rich.padding import Padding

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.run.trust import Trust

from ..arguments import Command, bundle_argument, json_option, trust_options
from ..runtimes import needs_table, print_imports, runtime_states
from ..screen import console, plain, print_json, show
from ..status import GOOD, SHORT


@click.command("explain", cls=Command, short_help="Say which runtimes can run here, and why not.")
@bundle_argument
@trust_options
@json_option
def command(bundle: str, trust: Trust | None, *, as_json: bool) -> int:
    """Say for each runtime whether it can run here, and if not, why and what to do.

    Shows the packages that it needs, what its pickle would import, and how it was compared with the original. Runs
    nothing of the bundle. Exit status 1 when no runtime can run here.
    """
    with open_bundle(bundle) as opened:
        explanation = opened.explain(trust=trust)
    if as_json:
        print_json(explanation.to_dict())
    else:
        screen = console()
        screen.print(plain(f"{explanation.name} {explanation.version}", "bold cyan"))
        for state in runtime_states(explanation):
            show(screen, Padding(state, (1, 0, 0, 2)))
        screen.print()
        show(screen, Padding(needs_table(explanation), (0, 0, 1, 2)))
        print_imports(screen, explanation)
    return GOOD if any(status.available for status in explanation.runtimes) else SHORT
