"""`modelwheel export`: a bundle and all that it needs in one folder, for machines without an index."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.opening.manifest import NativePayload
from modelwheel_loader.show.inspection import size_text
from modelwheel_loader.text import counted

from ...airgap.export import export
from ...airgap.targets import NAMES, Target, here
from ..arguments import Command, bundle_argument, json_option
from ..progress import progress
from ..screen import console, plain, print_json

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("export", cls=Command, short_help="Collect a bundle and its wheels in one folder.")
@bundle_argument
@click.option(
    "--with-dependencies", "folder", type=_FOLDER, required=True, metavar="DIR", help="The folder, made if need be."
)
@click.option(
    "--platform",
    "platforms",
    multiple=True,
    help=f"Where it will run: {', '.join(NAMES)}, or the platform tag of a wheel; else as here. Repeatable.",
)
@click.option(
    "--python", "pythons", multiple=True, metavar="3.X", help="Its Python; else the one that packed. Repeatable."
)
@click.option(
    "--find-links", multiple=True, type=_FOLDER, metavar="DIR", help="A folder of wheels to look into too. Repeatable."
)
@click.option("--no-index", is_flag=True, help="Ask no index.")
@json_option
def command(
    bundle: str,
    *,
    folder: Path,
    platforms: tuple[str, ...],
    pythons: tuple[str, ...],
    find_links: tuple[Path, ...],
    no_index: bool,
    as_json: bool,
) -> None:
    """Put the wheel of BUNDLE, its lock, modelwheel, and the wheels that both need into one folder.

    The folder installs with --no-index, and isolated environments can be built from it. Wheels are downloaded by pip
    and have the hashes of the lock. Running it again changes nothing; several bundles may share a folder.
    """
    with open_bundle(bundle) as opened:
        targets = [
            Target(python=python, platform=name)
            for python in pythons or (_python(opened),)
            for name in platforms or (here(),)
        ]
        with progress() as tell:
            done = export(opened, folder, targets, find_links=find_links, no_index=no_index, progress=tell)
        name = f"{opened.name}-{opened.version}"
    if as_json:
        files = {"requirements": str(done.requirements), "lock": str(done.lock)}
        print_json({**files, "wheels": list(done.wheels), "added": list(done.added), "size": done.size})
        return
    screen = console()
    came = f"{len(done.added)} of them new" if done.added else "all of them there already"
    where = ", ".join(map(str, targets))
    screen.print(
        plain(f"{name} and {counted(len(done.wheels), 'wheel')} for {where}: {size_text(done.size)}, {came}"),
        soft_wrap=True,
    )
    screen.print(plain("install it there by"), soft_wrap=True)
    install = f"  pip install --no-index --find-links {folder} --require-hashes -r {done.requirements}"
    screen.print(plain(install, "bold"), soft_wrap=True)


def _python(bundle: Bundle) -> str:
    """The minor version of the Python that packed the original; of this one where there is none."""
    for payload in bundle.runtimes:
        if isinstance(payload, NativePayload):
            return ".".join(payload.python_version.split(".")[:2])
    return f"{sys.version_info.major}.{sys.version_info.minor}"
