"""`modelwheel check`: load the model and replay its golden examples."""

from __future__ import annotations

import click

from modelwheel_loader.bundle import open_bundle
from modelwheel_loader.run.trust import Trust

from ..arguments import Command, bundle_argument, json_option, runtime_option, trust_options
from ..reports import print_report
from ..status import GOOD, SHORT


@click.command("check", cls=Command, short_help="Load the model and replay its golden examples.")
@bundle_argument
@runtime_option
@trust_options
@json_option
def command(bundle: str, runtime: str, trust: Trust | None, *, as_json: bool) -> int:
    """Load the model on one runtime and replay its golden examples, as a service would before it answers.

    Exit status 1 when it cannot be loaded, when an answer differs from the recorded one, or when none was recorded.
    """
    with open_bundle(bundle) as opened, opened.load(trust=trust, runtime=runtime) as model:
        report = model.check()
    print_report(report, as_json=as_json)
    return GOOD if report.ok else SHORT
