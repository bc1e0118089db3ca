"""Words: messages, docstrings, comments and pages are plain technical English. `python tests/test_words.py` lists what
is not.

A few patterns that read translated, with almost no false positives: CONTRIBUTING.md has the rules behind them.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATTERNS = {
    r"(?<!there )\b(?:is|are) no (?!longer\b|more\b|later\b|larger\b|better\b|slower\b)": "is not a …",
    r"\bis none of\b": "is not one of",
    r"\b(?:is|are|was|were|be) told\b(?! apart)": "a subject and a verb: modelwheel reports …, an error says …",
    r"\btells? of\b": "reports, names",
    r"\b(?:is|are|was|were|be) judged\b": "is checked, is evaluated",
    r"\blooked at\b": "checked, read, inspected",
    r"\blies? in (?:the |a )?(?:files?|folders?|wheel|bundle|current|`|\{)": "is in, is stored in",
    r"\bfor ever\b": "always",
    r"\bmade-up\b": "generated",
    r"\bif need be\b": "if necessary",
    r"; else\b": "otherwise …, default: …",
    r"\bwhat (?:it|the model) is fed\b": "input data",
}
ALLOWED = {
    "CONTRIBUTING.md": ('never "is no …"', "told, asked, judged, looked at"),
    "src/modelwheel/capturing/capture.py": ("is no module fails h",),
    "src/modelwheel/capturing/overrides.py": ("is no plain requirem", "is no requirement: {"),
    "src/modelwheel/onnx/estimators.py": ("; else each column i",),
    "src/modelwheel/packing/contract.py": ("are no part of the co",),
    "src/modelwheel/proving/room.py": ("; else its source: D",),
    "src/modelwheel_loader/isolated/environments.py": ("is none of that name.",),
    "src/modelwheel_loader/isolated/wire.py": ("lie in `memory` and st",),
}
"""By file, what a pattern finds although it stays for now: remove a line when you rewrite what it names."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """The prose of a file, by line: of Python its strings and comments, of Markdown all but the blocks."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                for offset, line in enumerate(token.string.splitlines()):
                    yield token.start[0] + offset, line
    else:
        block = False
        for number, line in enumerate(text.splitlines(), 1):
            block ^= line.lstrip().startswith("```")
            if not block:
                yield number, line


def offenders(path: Path) -> Iterator[str]:
    """What a file says that reads translated, with what to write instead."""
    for number, line in texts(path):
        for pattern, better in PATTERNS.items():
            for found in re.finditer(pattern, line, re.IGNORECASE):
                around = line[max(found.start() - 30, 0) : found.end() + 30].strip()
                if not any(allowed in line for allowed in ALLOWED.get(path.relative_to(ROOT).as_posix(), ())):
                    yield f"{path.relative_to(ROOT)}:{number}: {around!r} -> {better}"


FILES = sorted([*(ROOT / "src").rglob("*.py"), *ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_prose_is_plain_english(path: Path) -> None:
    assert not list(offenders(path))


if __name__ == "__main__":
    for file in FILES:
        print(*offenders(file), sep="\n", end="\n" if any(offenders(file)) else "")
