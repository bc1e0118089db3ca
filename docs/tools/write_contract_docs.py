"""Writes the table of conversions into docs/contract.md from tests/conversions.py. Run it after changing a cell."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contract.md"
sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    """Replace the table."""
    from conversions import table

    text = PAGE.read_text(encoding="utf-8")
    made = re.sub(r"(?m)^\| sent \|.*\n(?:\|.*\n)*", lambda _: table() + "\n", text)
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
