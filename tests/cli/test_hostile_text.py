"""Text of a bundle, of data and of file names is shown as it is: it never moves the cursor, colours or hides itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import modelwheel
from hostile import EVIL, hostile_bundle
from modelwheel.cli import main
from modelwheel_loader.text import safe
from terminals import in_terminal, piped

OWN = re.compile(r"\x1b\[[0-9;]*m|\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\r")
"""What rich itself writes to a terminal."""


def test_the_text_is_evil() -> None:
    assert len(set(EVIL) - set(safe(EVIL))) >= 7


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose column, categories and labels are hostile."""

    def answer(rows: list[dict[str, Any]]) -> list[str]:
        return [str(row[EVIL]) for row in rows]

    sample = [{EVIL: EVIL}, {EVIL: "plain"}] * 4
    options = modelwheel.Options(runtimes=("native",))
    out = tmp_path_factory.mktemp("packed")
    return Path(modelwheel.pack(answer, name="evil", version="1", sample=sample, options=options, out=out).path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that is hostile wherever a manifest and METADATA have text."""
    return hostile_bundle(tmp_path_factory.mktemp("made"))


COMMANDS = [
    ["inspect"],
    ["inspect", "--verbose"],
    ["inspect", "--json"],
    ["explain"],
    ["explain", "--json"],
    ["verify"],
    ["verify", "--json"],
    ["check"],
    ["schema"],
    ["schema", "--json"],
    ["schema", "--as", "json-schema"],
    ["schema", "--as", "pydantic"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("bundle", ["packed", "made"])
def test_no_command_lets_text_through(
    command: list[str], bundle: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = request.getfixturevalue(bundle)
    assert main([command[0], str(wheel), *command[1:]]) in (0, 1)
    printed = capsys.readouterr()
    text = printed.out + printed.err
    assert text
    lines = text.split("\n")
    assert lines == [safe(line) for line in lines]
    if "--json" in command:
        json.loads(printed.out)


@pytest.mark.parametrize("command", [["inspect", "--verbose"], ["explain"], ["verify"], ["schema"]], ids=" ".join)
@pytest.mark.parametrize("bundle", ["packed", "made"])
def test_nor_in_a_terminal(command: list[str], bundle: str, request: pytest.FixtureRequest) -> None:
    text, _ = in_terminal(command[0], request.getfixturevalue(bundle), *command[1:], width=120)
    lines = OWN.sub("", text).split("\n")
    assert lines == [safe(line) for line in lines]
    if command[0] in ("inspect", "schema"):
        assert "owned" in text
    assert "\U0001f604" not in text


def test_markup_is_shown_as_it_is_written(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(made)]) == 0
    words = re.sub(r"\s+", "", capsys.readouterr().out)  # lines are broken anywhere
    assert "[boldred]loud[/]:smile:" in words


def test_the_bundle_lists_safely(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", str(made.parent)]) == 0
    lines = capsys.readouterr().out.split("\n")
    assert lines == [safe(line) for line in lines]


def test_pydantic_source_is_no_code_of_the_bundle(made: Path, packed: Path) -> None:
    for wheel in (made, packed):
        source = piped("schema", wheel, "--as", "pydantic").stdout
        names: dict[str, Any] = {"__name__": "generated"}
        exec(compile(source, "generated", "exec"), names)
        assert issubclass(names["Row"], object)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_answers_and_refusals(packed: Path, tmp_path: Path, kind: str) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({EVIL: EVIL}) + "\n" + json.dumps({EVIL: 3}) + "\n", encoding="utf-8")
    rejected = tmp_path / "rejected.jsonl"
    arguments: list[str | Path] = ["predict", packed, rows, "--to", kind, "--unsafe-run-code", "-k", EVIL]
    text, status = in_terminal(*arguments, "--on-error", "separate", "--rejected", rejected)
    assert status == 0
    lines = OWN.sub("", text).split("\n")
    assert lines == [safe(line) for line in lines]
    assert "owned" in text
    assert json.loads(rejected.read_text(encoding="utf-8"))["values"] == {EVIL: 3}
    stopped = piped(*arguments).stderr.split("\n")
    assert stopped == [safe(line) for line in stopped]


def test_files_hold_the_values_themselves(packed: Path, tmp_path: Path) -> None:
    import csv

    rows = json.dumps({EVIL: EVIL}) + "\n"
    assert piped("predict", packed, "-o", tmp_path / "a.csv", "--unsafe-run-code", text=rows).returncode == 0
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [["predict"], [EVIL]]
    assert piped("predict", packed, "-o", tmp_path / "a.jsonl", "--unsafe-run-code", text=rows).returncode == 0
    assert json.loads((tmp_path / "a.jsonl").read_text(encoding="utf-8")) == {"predict": EVIL}


def test_arguments_and_names_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = EVIL.replace("/", "")
    (tmp_path / f"{name}.csv").write_bytes(b"\xff")
    for arguments in (
        ["inspect", name],
        ["inspect", "a", name],
        [name],
        ["predict", "x.whl", f"{tmp_path}/{name}.xyz"],
    ):
        assert main(arguments) in (1, 2)
        lines = capsys.readouterr().err.split("\n")
        assert lines == [safe(line) for line in lines]
