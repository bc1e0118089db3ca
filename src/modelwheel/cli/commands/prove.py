"""`modelwheel prove`: the bundle in an environment of nothing but its lock."""

from __future__ import annotations

from pathlib import Path

import click

from modelwheel_loader.run.isolation import Isolation
from modelwheel_loader.run.trust import Trust

from ...proving.prove import prove
from ..arguments import Command, bundle_argument, json_option, trust_options
from ..progress import progress
from ..reports import print_report
from ..status import GOOD, SHORT

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_PROGRAM = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("prove", cls=Command, short_help="Replay the examples in a clean environment.")
@bundle_argument
@trust_options
@click.option("--python", type=_PROGRAM, help="The interpreter for the environment; else one is found.")
@click.option("--find-links", multiple=True, type=_FOLDER, help="A folder of wheels to look into. Repeatable.")
@click.option("--no-index", is_flag=True, help="Look into the folders of wheels only.")
@click.option("--out", type=click.Path(path_type=Path), help="Write a copy with the proof into this folder.")
@json_option
def command(
    bundle: str,
    trust: Trust | None,
    *,
    python: Path | None,
    find_links: tuple[Path, ...],
    no_index: bool,
    out: Path | None,
    as_json: bool,
) -> int:
    """Build the environment of the bundle's lock in an empty place, load it there, and replay its golden examples.

    Nothing of this environment is visible there, and nothing is left of it afterwards. The bundle itself is not
    changed; --out writes a copy that holds the proof (with another digest, for the proof is part of its manifest).
    """
    isolation = Isolation(python=python, find_links=find_links, no_index=no_index)
    with progress() as tell:
        report = prove(bundle, trust=trust, isolation=isolation, out=out, progress=tell)
    print_report(report, as_json=as_json)
    return GOOD if report.ok else SHORT
