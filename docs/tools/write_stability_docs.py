"""Writes the table of docs/stability.md: what each golden bundle in tests/compat asks of its reader."""

from __future__ import annotations

import json
import zipfile
from email.parser import BytesParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "stability.md"
COMPAT = ROOT / "tests" / "compat"
BEGIN = "<!-- made by docs/tools/write_stability_docs.py -->"
END = "<!-- end of docs/tools/write_stability_docs.py -->"
HEAD = ["| golden bundle | packed by | format | features | needs |", "| --- | --- | --- | --- | --- |"]


def main() -> None:
    """Replace the table in the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def table() -> str:
    """One line for each golden bundle."""
    return "\n".join(["", *HEAD, *map(_line, sorted(COMPAT.glob("*/*.whl"))), ""])


def _line(path: Path) -> str:
    """What the bundle itself says, read without modelwheel."""
    with zipfile.ZipFile(path) as archive:
        files = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files["manifest.json"])
    headers = BytesParser().parsebytes(files["METADATA"], headersonly=True).get_all("Requires-Dist", [])
    needs = ", ".join(text for text in headers if ";" not in text)
    features = ", ".join(f"`{feature}`" for feature in manifest.get("features", ())) or "–"
    packed_by = f"modelwheel {manifest['packed_with']['modelwheel']}"
    wheel = path.relative_to(COMPAT).as_posix()
    return f"| `{wheel}` | {packed_by} | `{manifest['format']}` | {features} | `{needs}` |"


if __name__ == "__main__":
    main()
