"""`modelwheel list`: the bundles that are installed here, and those in folders."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from modelwheel_loader.bundle import Bundle, open_bundle
from modelwheel_loader.errors import ModelwheelError
from modelwheel_loader.opening.names import NAMESPACE
from modelwheel_loader.opening.resolve import installed_bundles
from modelwheel_loader.show.inspection import size, size_text
from modelwheel_loader.text import clip

from ..arguments import Command, json_option
from ..screen import console, plain, print_json, show
from ..status import GOOD, SHORT

Row = dict[str, Any]
_SHOWN = 200
_TITLES = ("version", "runtimes", "size")
_GAPS, _SUMMARY = 4 * 2 + 1, 16
"""Blanks between the columns, and the least room for what a bundle is for."""
_WIDEST = 1_000
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("list", cls=Command, short_help="List installed bundles, or those in folders.")
@click.argument(
    "folders", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="[FOLDER]..."
)
@json_option
def command(folders: tuple[Path, ...], *, as_json: bool) -> int:
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
    """Whether a wheel that cannot be opened holds the folder of a bundle; what is no archive may be half of one."""
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
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
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
