"""`modelwheel verify`: every byte compared with its digest, and the golden examples replayed."""

from __future__ import annotations

import click

from modelwheel_loader.bundle import verify
from modelwheel_loader.run.trust import Trust

from ..arguments import Command, bundle_argument, json_option, trust_options
from ..progress import progress
from ..reports import print_report
from ..status import GOOD, SHORT


@click.command("verify", cls=Command, short_help="Compare every byte, replay the golden examples.")
@bundle_argument
@trust_options
@json_option
def command(bundle: str, trust: Trust | None, *, as_json: bool) -> int:
    """Compare every byte with its digest and replay the golden examples.

    The examples are replayed on each runtime that may run here. A file's own pickle is not run unless it is trusted.
    """
    with progress() as tell:
        report = verify(bundle, trust=trust, progress=tell)
    print_report(report, as_json=as_json)
    return GOOD if report.ok else SHORT
