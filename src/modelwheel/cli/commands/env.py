"""`modelwheel env`: the environments in which isolated models run, and removing them."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.table import Table

from modelwheel_loader.errors import ResolutionError
from modelwheel_loader.isolated import environments as environment_cache
from modelwheel_loader.isolated.environments import Environment
from modelwheel_loader.run.isolation import Isolation
from modelwheel_loader.show.inspection import size_text
from modelwheel_loader.text import clip

from ..arguments import Command, json_option
from ..screen import console, plain, print_json, show

_DAY = 86_400
_WIDEST = 1_000
folder_option = click.option(
    "--environments",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where they are kept, as Isolation(environments=…); the user's cache without it.",
)


@click.group("env", short_help="List and remove environments of isolated models.")
def command() -> None:
    """List and remove the environments in which isolated models run.

    Each is built once from the lock of a bundle, and used by all bundles that have the same lock.
    """


@command.command("list", cls=Command, short_help="List the environments, the last used first.")
@folder_option
@json_option
def list_command(environments: Path | None, *, as_json: bool) -> None:
    """List the environments, the last used first."""
    settings = Isolation(environments=environments)
    found = environment_cache.listed(settings)
    if as_json:
        print_json([item.to_dict() for item in found])
        return
    screen = console()
    if not found:
        screen.print(plain(f"no environment is in {environment_cache.folder_of(settings)}"), soft_wrap=True)
        return
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for title in ("built for", "Python", "packages", "size", "last used", "name"):
        right = title in ("packages", "size")
        made.add_column(title, justify="right" if right else "left", overflow="fold", no_wrap=title != "built for")
    for item in found:
        used = time.strftime("%Y-%m-%d", time.localtime(item.used))
        cells = (clip(item.bundle, 100), item.python, len(item.packages), size_text(item.size), used, item.key)
        made.add_row(*(plain(cell) for cell in cells))
    # a name is copied, so it stays in one piece, wherever the terminal ends
    widest = screen.options.update(width=_WIDEST)
    screen.width = max(screen.width, screen.measure(made, options=widest).maximum)
    show(screen, made)


@command.command("remove", cls=Command, short_help="Remove environments.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Remove all environments.")
@click.option(
    "--unused-for", type=click.IntRange(min=0), metavar="DAYS", help="Remove those not used for so many days."
)
@folder_option
@json_option
def remove_command(
    names: tuple[str, ...], environments: Path | None, unused_for: int | None, *, everything: bool, as_json: bool
) -> None:
    """Remove the environments with these names, of which the beginning is enough.

    A model that runs in one keeps running until its worker is started again; the next load builds it again.
    """
    if bool(names) + everything + (unused_for is not None) != 1:
        raise click.UsageError("Give names, or --all, or --unused-for.")
    settings = Isolation(environments=environments)
    known = environment_cache.listed(settings)
    if names:
        chosen = {item.key: item for name in names for item in [_named(name, known, settings)]}
    else:
        before = time.time() - (unused_for or 0) * _DAY
        chosen = {item.key: item for item in known if everything or item.used <= before}
    sizes = {key: item.size for key, item in chosen.items()}
    for key in chosen:
        environment_cache.remove(key, settings)
        if not as_json:
            click.echo(f"removed {key}, {size_text(sizes[key])}")
    if as_json:
        print_json({"removed": list(sizes), "size": sum(sizes.values())})
    elif not chosen:
        click.echo("nothing to remove")


def _named(name: str, known: list[Environment], settings: Isolation) -> Environment:
    found = [item for item in known if item.key.startswith(name)]
    if len(found) == 1:
        return found[0]
    where = environment_cache.folder_of(settings)
    if found:
        message = f"{len(found)} environments begin with {clip(name, 80)}"
        raise ResolutionError.of(
            "isolated.ambiguous", message, found=", ".join(clip(item.key, 80) for item in found[:5])
        )
    raise ResolutionError.of("isolated.unknown", f"there is no environment {clip(name, 120)} in {clip(where, 200)}")
