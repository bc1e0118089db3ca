"""Puts what a benchmark measured between two comments of a page, which say where the numbers come from."""

from __future__ import annotations

from pathlib import Path


def write_between(page: Path, script: str, text: str) -> None:
    """Replace what stands between the comments of `script`; raises `ValueError` when the page has none."""
    begin, end = f"<!-- made by {script} -->", f"<!-- end of {script} -->"
    content = page.read_text(encoding="utf-8")
    if begin not in content or end not in content:
        message = f"{page} has no comments of {script}"
        raise ValueError(message)
    before, _, rest = content.partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
