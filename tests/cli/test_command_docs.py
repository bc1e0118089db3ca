from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from modelwheel.cli.app import COMMANDS

ROOT = Path(__file__).parents[2]


def test_the_page_on_commands_is_what_the_commands_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "tools"))
    page = importlib.import_module("write_command_docs").page()
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == page, "run write_command_docs.py"
    assert set(importlib.import_module("command_examples").EXAMPLES) == set(COMMANDS)


def test_every_command_has_a_file_and_a_short_help_that_fits() -> None:
    for name in COMMANDS:
        command = importlib.import_module(f"modelwheel.cli.commands.{COMMANDS[name]}").COMMANDS[name]
        assert command.name == name
        assert len(command.get_short_help_str(200)) <= 60, name
