"""Writes the table of docs/tasks/frameworks.md: a model of every framework, packed. Takes a minute."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
HEAD = [
    "| model | native | runs code | ONNX | differs by at most | other labels |",
    "| --- | --- | --- | --- | --- | --- |",
]


def main() -> None:
    """Pack, print, and write the table into the page."""
    from frameworks import BEGIN, END, MODELS, PAGE, row

    lines = list(HEAD)
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            lines.append(row(name, Path(folder)).line())
        print(lines[-1], flush=True)
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join([before + BEGIN, "", *lines, "", END + after]), encoding="utf-8")


if __name__ == "__main__":
    main()
