"""Runs the blocks of a Markdown page, as a reader would: in order, in an empty folder, and compares what is printed.

- ```python blocks of a page share one namespace. What they print is compared with a ```text block that follows.
- ```console blocks run their `$ ` lines in a shell, with this environment's commands; the lines below are compared.
  A command that fails is a difference, unless the page shows its error.
- In expected output, `…` stands for any text within a line, and a line of only `…` for any number of lines.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^( *)```([a-z]*)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, what stands behind it, its text and its line."""

    language: str
    options: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in FENCE.finditer(text):
        body = "\n".join(line.removeprefix(match[1]) for line in match[4].splitlines())
        found.append(Block(match[2], match[3].strip(), body + "\n", text.count("\n", 0, match.start()) + 1))
    return found


def run_page(page: Path, folder: Path) -> Iterator[str]:
    """Run the page's blocks in `folder`; yields what differs from what the page says."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    os.environ["CHECKOUT"] = str(ROOT)
    found = blocks(page)
    with contextlib.chdir(folder), _importing_from(folder):
        for index, block in enumerate(found):
            following = found[index + 1] if index + 1 < len(found) else None
            expected = following.text if following is not None and following.language == "text" else None
            where = f"{page.name}:{block.line}"
            if block.language == "python":
                printed = run_python(block, where, namespace)
                if expected is not None and not matches(expected, printed):
                    yield f"{where}: expected\n{expected}\nfound\n{printed}"
            elif block.language == "console":
                yield from run_console(block, where)


@contextlib.contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Modules in `folder` can be imported, as in a notebook."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def run_python(block: Block, where: str, namespace: dict[str, Any]) -> str:
    out = io.StringIO()
    code = compile(
        "\n" * block.line + block.text, where, "exec", dont_inherit=True
    )  # as in a file: not with the future imports of this one
    with contextlib.redirect_stdout(out):
        exec(code, namespace)
    return out.getvalue()


def run_console(block: Block, where: str) -> Iterator[str]:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "120",
        "CHECKOUT": str(ROOT),
    }
    for command, expected in commands(block.text):
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
        printed = done.stdout + done.stderr
        if done.returncode and "Error" not in expected:
            yield f"{where}: $ {command}\nfailed with {done.returncode}\n{printed}"
        elif expected and not matches(expected, printed):
            yield f"{where}: $ {command}\nexpected\n{expected}\nfound\n{printed}"


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with the output that follows it."""
    command = ""
    expected: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, "\n".join(expected)
            command, expected = line[2:], []
        elif command.endswith("\\"):
            command += "\n" + line
        else:
            expected.append(line)
    if command:
        yield command, "\n".join(expected)


def matches(expected: str, printed: str) -> bool:
    """Whether the output is as expected; `…` stands for anything."""
    pattern = []
    for line in expected.strip().splitlines():
        if line.strip() == "…":
            pattern.append(r"(?:.*\n)*?")
        else:
            pattern.append("[^\n]*".join(re.escape(part) for part in line.rstrip().split("…")) + r" *\n")
    text = "\n".join(line.rstrip() for line in printed.strip().splitlines()) + "\n"
    return re.fullmatch("".join(pattern), text) is not None
