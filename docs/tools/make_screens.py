"""Draws what a terminal shows: docs/images/inspect.svg for the README, and every screen to look at.

`make_screens.py` writes the README's picture. `make_screens.py FOLDER [terminal] [notebook] [docs]` draws into FOLDER
(all three when none is named): every command in 80 and 120 columns, as text, SVG and PNG; what notebooks show, light
and dark; and the pages that `make docs` has built, light and dark, wide and as on a telephone. PNGs need Chromium.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from notebook_screens import photograph, write_views
from screen_commands import CHURN, SCREENS
from screen_subjects import make_all, ordinary

SITE = Path(__file__).parents[2] / "site"
IMAGE = Path(__file__).parents[2] / "docs" / "images" / "inspect.svg"
WIDTHS = (80, 120)
WINDOWS = {"wide": (1400, 2200), "phone": (390, 2600)}
PARTS = ("terminal", "notebook", "docs")
DARK = TerminalTheme(
    (13, 17, 23),
    (201, 209, 217),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
)
"""Readable on light and dark pages alike: the picture brings its own background."""
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_ERASED = re.compile(r"(?:\r?\x1b\[\d*[AK]|\x1b\[\?25[lh]|\r(?!\n))+")
"""What a progress bar writes between two pictures of itself."""


def main(folder: str | None = None, *parts: str) -> None:
    """Draw."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if folder is None:
            ordinary(scratch)
            IMAGE.parent.mkdir(exist_ok=True)
            IMAGE.write_text(draw(["inspect", CHURN], run(["inspect", CHURN], scratch, 92), 92), encoding="utf-8")
            return
        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        wanted = parts or PARTS
        packed = make_all(scratch) if {"terminal", "notebook"} & set(wanted) else {}
        if "terminal" in wanted:
            draw_terminals(scratch, out)
        if "notebook" in wanted:
            write_views(packed, out)
        if "docs" in wanted:
            draw_pages(out)


def draw_terminals(scratch: Path, out: Path) -> None:
    """Every command, in each width: text, SVG and PNG."""
    evil = str(next((scratch / "evil").glob("*.whl")).relative_to(scratch))
    for name, typed in SCREENS.items():
        command = [evil if word == "{evil}" else word for word in typed]
        for width in WIDTHS:
            shown = run(command, scratch, width)
            picture = out / f"terminal-{name}-{width}.svg"
            picture.write_text(draw(command, shown, width), encoding="utf-8")
            picture.with_suffix(".txt").write_text(Text.from_ansi(shown).plain + "\n", encoding="utf-8")
            height = min(4000, 90 + 25 * (shown.count("\n") + 2))
            photograph(picture.resolve().as_uri(), picture.with_suffix(".png"), dark=True, width=1500, height=height)


def draw_pages(out: Path) -> None:
    """Every page of the documentation, in each window, light and dark."""
    if not SITE.is_dir():
        raise SystemExit("there are no pages: make docs first")
    for page in sorted(SITE.rglob("index.html")):
        name = "-".join(page.relative_to(SITE).parent.parts) or "index"
        for window, (width, height) in WINDOWS.items():
            # Chromium makes no window as narrow as a telephone, but a frame
            frame = out / f"page-{name}-{window}.html"
            look = f"border: none; width: {width}px; height: {height}px"
            frame.write_text(f'<body style="margin: 0"><iframe src="{page.as_uri()}" style="{look}">', encoding="utf-8")
            for scheme in ("light", "dark"):
                target = frame.with_name(f"page-{name}-{window}-{scheme}.png")
                photograph(frame.resolve().as_uri(), target, dark=scheme == "dark", width=width, height=height)


def draw(command: list[str], shown: str, width: int) -> str:
    """What one command shows, as SVG."""
    screen = Console(record=True, width=width, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
    prompt = Text("$ ", style="bold green")
    prompt.append(f"modelwheel {' '.join(command)}", style="not bold default")
    screen.print(prompt)
    screen.print(Text.from_ansi(shown.rstrip()), soft_wrap=True)
    drawn = screen.export_svg(title="", theme=DARK, unique_id=f"modelwheel-{command[0].strip('-')}-{width}")
    # fonts from the network are none of a picture's business: the reader's own will do
    drawn = re.sub(r"\s*@font-face \{[^}]*\}|\s*<!-- Generated.*?-->", "", drawn)
    return drawn.replace("font-family: Fira Code, monospace", f"font-family: {FONTS}")


def run(command: list[str], folder: Path, width: int) -> str:
    """What the command prints to a terminal of that width, by a real pseudo terminal; of progress, the last picture."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    argv = [sys.executable, "-m", "modelwheel", *command]
    with subprocess.Popen(argv, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        parts: list[bytes] = []
        while piece := _piece(master):
            parts.append(piece)
        status = process.wait()
    os.close(master)
    text = b"".join(parts).decode("utf-8").replace("\r\n", "\n")
    if status not in (0, 1, 2) or "Traceback" in text:
        raise SystemExit(f"{' '.join(argv)} ended with {status}\n{text}")
    *drawn, rest = _ERASED.split(text)
    progress = [frame.rstrip("\n") for frame in drawn if frame.strip()]
    return f"{progress[-1]}\n{rest.lstrip(chr(10))}" if progress else rest


def _piece(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other side has closed
        return b""


if __name__ == "__main__":
    arguments: Any = sys.argv[1:]
    main(*arguments)
