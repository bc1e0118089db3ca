"""`list`, `env` and `completion`: installed bundles, environments of isolated models, and the shell's completion."""

from __future__ import annotations

import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class
from rich.cells import cell_len
from rich.text import Text

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.errors import ModelwheelError, ResolutionError
from modelwheel_loader.isolated import Environment, folder_of, listed, remove
from modelwheel_loader.opening import NAMESPACE, installed_bundles
from modelwheel_loader.run import Isolation
from modelwheel_loader.show import size, size_text
from modelwheel_loader.text import clip

from ..app import application
from ..options import FOLDER, GOOD, SHORT, Command, json_option
from ..screen import console, plain, plain_table, print_json, show

Row = dict[str, Any]
_SHOWN = 200
_TITLES = ("version", "runtimes", "size")
_GAPS, _SUMMARY = 4 * 2 + 1, 16
"""Blanks between the columns, and the least room for what a bundle is for."""
_WIDEST = 1_000


@click.command("list", cls=Command, short_help="List installed bundles, or those in folders.")
@click.argument(
    "folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="[FOLDER]..."
)
@json_option
def list_bundles(folders: tuple[Path, ...], *, as_json: bool) -> int:
    """List the bundles that are installed here, or the wheels in each FOLDER that hold a bundle.

    Wheels of ordinary packages are passed over. Exit status 1 when a bundle is broken; it is listed with the reason.
    """
    paths: list[str | Path] = [path for folder in folders for path in sorted(folder.glob("*.whl"))]
    if not folders:
        paths = [Path(item.dist_info) for item in installed_bundles()]
    rows = [row for path in paths if (row := _row(path)) is not None]
    if as_json:
        print_json(rows)
    else:
        _print_table(rows, folders)
    return SHORT if any("error" in row for row in rows) else GOOD


def _row(path: str | Path) -> Row | None:
    """What is listed of the bundle at `path`; None when it is an ordinary wheel."""
    try:
        with open_bundle(path) as bundle:
            return _described(bundle)
    except ModelwheelError as error:
        if not _may_be_bundle(path):
            return None
        return {"path": str(path), "error": error.to_dict()}


def _may_be_bundle(path: str | Path) -> bool:
    """Whether a wheel that cannot be opened holds the folder of a bundle; what is not an archive may be half of one."""
    if Path(path).is_dir():
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith(NAMESPACE) for name in archive.namelist())
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return True


def _described(bundle: Bundle) -> Row:
    manifest = bundle.manifest
    return {
        "name": bundle.name,
        "version": bundle.version,
        "runtimes": [payload.kind for payload in bundle.runtimes],
        "methods": list(bundle.methods),
        "size": size(bundle),
        "summary": manifest.summary,
        "digest": bundle.digest,
        "path": str(bundle.path),
    }


def _print_table(rows: list[Row], folders: tuple[Path, ...]) -> None:
    screen = console()
    if not rows:
        where = "in " + ", ".join(map(str, folders)) if folders else "installed here"
        screen.print(plain(f"no bundle is {where}"), soft_wrap=True)  # a path is copied, so it stays in one piece
        return
    made = plain_table()
    if not screen.is_terminal:
        screen.width = _WIDEST  # one line each, for grep
    cells = [list(_cells(row)) for row in rows]
    longest, *widths = [max(cell_len(row[column].plain) for row in cells) for column in range(4)]
    widths = [max(width, len(title)) for width, title in zip(widths, _TITLES, strict=True)]
    name = max(min(longest, screen.width - sum(widths) - _GAPS - _SUMMARY), len("name"))
    made.add_column("name", style="bold", overflow="fold", width=name)
    for title in _TITLES:
        made.add_column(title, no_wrap=True, justify="right" if title == "size" else "left")
    made.add_column("", overflow="fold")
    room = max(screen.width - name - sum(widths) - _GAPS, _SUMMARY)
    for row, line in zip(rows, cells, strict=True):
        if "error" not in row:
            line[-1].truncate(room, overflow="ellipsis")
        made.add_row(*line)
    show(screen, made)


def _cells(row: Row) -> Iterator[Text]:
    if "error" in row:
        reason = f"{row['error']['message']} [{row['error']['code']}]"
        yield plain(clip(Path(row["path"]).name, _SHOWN), "red")
        yield from [plain("")] * 3
        yield plain(clip(reason, _SHOWN), "red")
        return
    for cell in (row["name"], row["version"], ", ".join(row["runtimes"]), size_text(row["size"]), row["summary"]):
        yield plain(clip(cell, _SHOWN))


# --- environments of isolated models ---


_DAY = 86_400
folder_option = click.option(
    "--environments",
    type=FOLDER,
    metavar="DIR",
    help="Where they are kept, as Isolation(environments=…); the user's cache without it.",
)


@click.group("env", short_help="List and remove environments of isolated models.")
def env() -> None:
    """List and remove the environments in which isolated models run.

    Each is built once from the lock of a bundle, and used by all bundles that have the same lock.
    """


@env.command("list", cls=Command, short_help="List the environments, the last used first.")
@folder_option
@json_option
def list_command(environments: Path | None, *, as_json: bool) -> None:
    """List the environments, the last used first."""
    settings = Isolation(environments=environments)
    found = listed(settings)
    if as_json:
        print_json([item.to_dict() for item in found])
        return
    screen = console()
    if not found:
        screen.print(plain(f"no environment is in {folder_of(settings)}"), soft_wrap=True)
        return
    made = plain_table()
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


@env.command("remove", cls=Command, short_help="Remove environments.")
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
    known = listed(settings)
    if names:
        chosen = {item.key: item for name in names for item in [_named(name, known, settings)]}
    else:
        before = time.time() - (unused_for or 0) * _DAY
        chosen = {item.key: item for item in known if everything or item.used <= before}
    sizes = {key: item.size for key, item in chosen.items()}
    for key in chosen:
        remove(key, settings)
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
    where = folder_of(settings)
    if found:
        message = f"{len(found)} environments begin with {clip(name, 80)}"
        raise ResolutionError.of(
            "isolated.ambiguous", message, found=", ".join(clip(item.key, 80) for item in found[:5])
        )
    raise ResolutionError.of("isolated.unknown", f"there is no environment {clip(name, 120)} in {clip(where, 200)}")


# --- completion in a shell ---


SHELLS = ("bash", "zsh", "fish")


@click.command("completion", cls=Command, short_help="Print the script for completion in a shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script with which a shell completes commands, options and names of installed bundles.

    Append the script to ~/.bashrc or ~/.zshrc, or write it to ~/.config/fish/completions/modelwheel.fish.
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"No completion for {shell}.")
    click.echo(found(application, {}, "modelwheel", "_MODELWHEEL_COMPLETE").source())


COMMANDS = {item.name: item for item in (list_bundles, env, completion)}
