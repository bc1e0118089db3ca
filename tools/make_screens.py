"""Draws what a terminal shows: docs/images/inspect.svg for the README, and every screen as SVG and PNG to look at.

`make_screens.py` writes the README's picture. `make_screens.py FOLDER` also draws all screens in 80 and 120 columns,
what notebooks show, and the pages of the documentation that `make docs` has built; as PNG where Chromium is installed.
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

import modelwheel
from notebook_screens import photograph, write_views

SITE = Path(__file__).parents[1] / "site"
IMAGE = Path(__file__).parents[1] / "docs" / "images" / "inspect.svg"
WIDTHS = (80, 120)
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


def main(folder: str | None = None) -> None:
    """Draw."""
    with tempfile.TemporaryDirectory() as scratch:
        packed = make_bundle(Path(scratch))
        wheel = packed.path
        IMAGE.parent.mkdir(exist_ok=True)
        IMAGE.write_text(draw(["inspect", wheel.name], wheel.parent, 92), encoding="utf-8")
        if folder is None:
            return
        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        for name, command in screens(wheel).items():
            for width in WIDTHS:
                picture = out / f"{name}-{width}.svg"
                picture.write_text(draw(command, wheel.parent, width), encoding="utf-8")
                photograph(picture.resolve().as_uri(), picture.with_suffix(".png"), dark=True, width=1600, height=1400)
        write_views(packed, out)
        for page in sorted(SITE.rglob("index.html")):
            name = "-".join(page.relative_to(SITE).parent.parts) or "index"
            for scheme in ("light", "dark"):
                target = out / f"page-{name}-{scheme}.png"
                photograph(page.as_uri(), target, dark=scheme == "dark", width=1400, height=2200)


def make_bundle(folder: Path) -> Any:
    """The bundle in the picture: made from the same numbers each time, so that the picture stays the same."""
    import numpy as np
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(0)
    rows = 2000
    customers = pd.DataFrame(
        {
            "age": np.where(random.random(rows) < 0.04, np.nan, random.integers(18, 91, rows)),
            "monthly_bill": random.gamma(4, 12, rows).round(2),
            "support_calls": random.poisson(1.2, rows),
            "plan": random.choice(["basic", "plus", "family"], rows),
        }
    )
    left = np.where(customers["support_calls"] + random.normal(0, 1, rows) > 2, "leaves", "stays")
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    columns = make_column_transformer(
        (numbers, ["age", "monthly_bill", "support_calls"]), (OneHotEncoder(handle_unknown="ignore"), ["plan"])
    )
    model = make_pipeline(columns, LogisticRegression()).fit(customers, left)
    about = modelwheel.About(
        summary="Who leaves within 90 days", author="Ada Example", author_email="ada@example.com", license="Apache-2.0"
    )
    customers.to_csv(folder / "customers.csv", index=False)
    bad = customers.head(4).astype(object)
    bad.loc[1, "support_calls"] = "many"
    bad.to_csv(folder / "today.csv", index=False)
    sample, examples = customers, modelwheel.Examples(source="synthetic")
    return modelwheel.pack(
        model, name="churn", version="1.2.0", sample=sample, about=about, examples=examples, out=folder
    )


def screens(wheel: Path) -> dict[str, list[str]]:
    """All screens that are worth a look."""
    name = wheel.name
    return {
        "help": ["--help"],
        "inspect": ["inspect", name],
        "inspect-verbose": ["inspect", name, "--verbose"],
        "explain": ["explain", name],
        "verify": ["verify", name, "--unsafe-run-code"],
        "check-refused": ["check", name, "--runtime", "native"],
        "predict": ["predict", name, "customers.csv", "-o", "answers.csv"],
        "predict-refused": ["predict", name, "today.csv"],
        "schema": ["schema", name],
        "list": ["list", "."],
    }


def draw(command: list[str], folder: Path, width: int) -> str:
    """The screen of one command as SVG."""
    shown = run(command, folder, width)
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
    """What the command prints to a terminal of that width, by a real pseudo terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(width), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    argv = [sys.executable, "-m", "modelwheel", *command]
    with subprocess.Popen(argv, cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        parts = []
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:  # the other side has closed
                break
            if not piece:
                break
            parts.append(piece)
        status = process.wait()
    os.close(master)
    if status not in (0, 1):
        raise SystemExit(f"{' '.join(argv)} ended with {status}")
    text = b"".join(parts).decode("utf-8").replace("\r\n", "\n")
    if "Traceback" in text:
        raise SystemExit(text)
    return text


if __name__ == "__main__":
    main(*sys.argv[1:])
