"""A newcomer's way: from an empty folder, by the README's commands as they stand, to an installed bundle's answer."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from doc_blocks import blocks

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MOST_COMMANDS = 10


def commands() -> list[str]:
    """The README's block of commands for newcomers."""
    found = [block.text for block in blocks(README) if block.text.startswith("mkdir ../churn")]
    assert len(found) == 1
    return found[0].splitlines()


def example() -> str:
    """The README's example, which the reader saves as churn.py."""
    return next(block.text for block in blocks(README) if block.language == "python")


def test_there_are_at_most_ten() -> None:
    assert 5 < len(commands()) <= MOST_COMMANDS
    assert "churn.py" in README.read_text(encoding="utf-8")


@pytest.mark.slow
def test_they_lead_to_an_answer(tmp_path: Path) -> None:
    checkout = tmp_path / "modelwheel"
    checkout.mkdir()
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    shutil.copytree(ROOT / "src", checkout / "src", ignore=shutil.ignore_patterns("__pycache__"))
    first, *others = commands()
    saved = f"{first} && cat > churn.py <<'END'\n{example()}END"
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    began = time.monotonic()
    done = subprocess.run(
        ["/bin/sh", "-e", "-c", "\n".join([saved, *others])],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    print(f"{len(others) + 1} commands, {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "churn 1.2.0: OK" in done.stdout
    assert done.stdout.splitlines()[-1] == "yes"
