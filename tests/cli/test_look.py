"""inspect, explain, schema, list, verify, check, completion: what they print, and what they exit with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

import modelwheel
from modelwheel.cli import main
from modelwheel.cli.app import COMMANDS
from terminals import COMMAND, in_terminal, piped

CURSOR = re.compile(r"\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\r")
SGR = re.compile(r"\x1b\[[0-9;]*m")


def run(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    """What the command prints; its exit status is as expected."""
    found = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert found == status, printed
    return printed.out + printed.err


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> Any:
    assert main([*map(str, arguments), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_inspect(line: Path, wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "inspect", line)
    for part in (
        "line 1.0",
        "Adds up ten numbers",
        "Ada Example · Apache-2.0",
        "Input: 10 fields",
        "Methods",
        "sha256:",
    ):
        assert part in text
    assert "would import" not in text
    assert "would import" in run(capsys, "inspect", wheel, "--verbose")
    made = run_json(capsys, "inspect", line)
    assert made["name"] == "line"
    assert made["metadata"]["author"] == ["Ada Example"]
    assert made["manifest"]["summary"] == "Adds up ten numbers"


def test_a_wide_bundle_is_cut_unless_verbose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = {f"c{number}": [1.0, 2.0] for number in range(60)}
    about = modelwheel.About(description="# What it does\n\nNothing.")
    bundle = modelwheel.pack(_first, name="wide", version="1", sample=sample, about=about, out=tmp_path)
    text = run(capsys, "inspect", bundle.path)
    assert "20 more" in text
    assert "c59" not in text
    text = run(capsys, "inspect", bundle.path, "--verbose")
    assert "c59" in text
    assert "# What it does" in text


def _first(columns: dict[str, Any]) -> Any:
    return columns["c0"]


def test_explain(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "explain", wheel)
    for part in ("✓ onnx", "● native", "needs your trust", "scikit-learn~=", "would import"):
        assert part in text
    assert "● native" not in run(capsys, "explain", wheel, "--unsafe-run-code")
    made = run_json(capsys, "explain", wheel)
    assert [item["kind"] for item in made["runtimes"]][:2] == ["onnx", "native"]


def test_explain_of_a_bundle_that_nothing_can_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = {"c0": [1.0, 2.0]}
    bundle = modelwheel.pack(_first, name="one", version="1", sample=sample, out=tmp_path, options=_native())
    assert "● native" in run(capsys, "explain", bundle.path, status=1)


def _native() -> modelwheel.Options:
    return modelwheel.Options(runtimes=("native",))


def test_explain_says_what_is_missing(
    wheel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelwheel_loader.run.environment.versions", lambda *_: {})
    text = run(capsys, "explain", wheel, "--unsafe-run-code", status=1)
    assert "✗ native    not available" in text
    assert "environment.missing" in text
    assert "→ " in text


def test_schema(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert re.search(r"built +float64 +null", run(capsys, "schema", wheel))
    assert "tensor[float64, (2)]" in run(capsys, "schema", wheel, "--answers", "predict_proba")
    assert json.loads(run(capsys, "schema", wheel, "--as", "json-schema", "--rows", "many"))["type"] == "array"
    assert run_json(capsys, "schema", wheel)["fields"][0]["name"] == "delay"
    assert "usage.no-method" in run(capsys, "schema", wheel, "--answers", "nothing", status=2)


def test_list(wheel: Path, line: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (wheel, line):
        os.link(path, tmp_path / path.name)
    text = run(capsys, "list", tmp_path)
    assert re.search(r"flight-delay +1\.2\.0 +onnx, native", text)
    assert [row["name"] for row in run_json(capsys, "list", tmp_path)] == ["flight-delay", "line"]
    (tmp_path / "half-1.0-py3-none-any.whl").write_bytes(line.read_bytes()[:3000])
    assert "half-1.0" in run(capsys, "list", tmp_path, status=1)
    assert any("error" in row for row in run_json(capsys, "list", tmp_path, status=1))


def test_list_fits_the_terminal(tmp_path: Path) -> None:
    summary = "予測 a long summary that says it all again and again, and once more"
    about = modelwheel.About(summary=summary)
    name = "acme-forecast-of-demand-for-support-calls"
    modelwheel.pack(_first, name=name, version="2026.11.25", sample={"c0": [1.0]}, about=about, out=tmp_path)
    modelwheel.pack(_first, name="b", version="1", sample={"c0": [1.0]}, out=tmp_path)
    lines = SGR.sub("", in_terminal("list", tmp_path, width=80)[0]).splitlines()
    assert max(map(cell_len, lines)) <= 80
    assert "2026.11.25  native" in lines[1]
    assert lines[1].endswith("…")
    piped_lines = piped("list", tmp_path).stdout.splitlines()
    assert len(piped_lines) == 3
    assert name in piped_lines[1]
    assert summary in piped_lines[1]


def test_columns_keep_their_width_beside_empty_ones(line: Path) -> None:
    text = SGR.sub("", in_terminal("inspect", line, width=80)[0])
    assert re.search(r"predict +float64\n", text)


def test_a_wrong_call_is_json_too(capsys: pytest.CaptureFixture[str], wheel: Path, tmp_path: Path) -> None:
    for arguments in (
        ["inspect", "--json"],
        ["predict", str(wheel), str(tmp_path / "none.csv"), "--json"],
        ["predict", str(wheel), "-o", str(tmp_path), "--to", "csv", "--json"],
        ["inspekt", "--json"],
    ):
        assert main(arguments) == 2
        printed = capsys.readouterr()
        error = json.loads(printed.out)
        assert (error["error"], error["code"]) == ("UsageError", "usage.argument")
    assert "Did you mean 'inspect'?" in printed.err
    assert main(["zzz"]) == 2
    assert "mean" not in capsys.readouterr().err


def test_what_is_no_bundle_is_named(tmp_path: Path, wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sdist = tmp_path / "churn-1.0.tar.gz"
    sdist.write_bytes(b"\x1f\x8b" + bytes(100))
    assert "a gzip file, such as a source archive (sdist)" in run(capsys, "inspect", sdist, status=1)
    sdist.write_bytes(b"%PDF" + bytes(100))
    assert "no zip archive" in run(capsys, "inspect", sdist, status=1)
    sdist.unlink()
    os.link(wheel, tmp_path / wheel.name)
    assert "name one of them" in run(capsys, "inspect", tmp_path, status=1)


def test_list_passes_over_ordinary_wheels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "other-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("other/__init__.py", "")
    assert run(capsys, "list", tmp_path) == f"no bundle is in {tmp_path}\n"


def test_list_of_what_is_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert run(capsys, "list") == "no bundle is installed here\n"
    half = tmp_path / "gone-1.0.dist-info"
    half.mkdir()
    (half / "METADATA").write_text("Metadata-Version: 2.4\nName: gone\nVersion: 1.0\n")
    (tmp_path / "modelwheel_bundles" / "gone").mkdir(parents=True)
    assert "gone-1.0" in run(capsys, "list", status=1)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_verify_and_check(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "flight-delay 1.2.0: OK" in run(capsys, "verify", wheel)
    digest = modelwheel.open(wheel).digest
    assert "✓ native predict" in run(capsys, "verify", wheel, "--trust-digest", digest)
    assert "(onnx): OK" in run(capsys, "check", wheel)
    assert run_json(capsys, "check", wheel, "--runtime", "onnx")["ok"] is True
    data = bytearray(wheel.read_bytes())
    data[data.index(b"native/model.pkl") + 5000] ^= 1
    broken = tmp_path / wheel.name
    broken.write_bytes(data)
    text = run(capsys, "verify", broken, status=1)
    assert "FAILED" in text
    assert "integrity.digest" in text
    assert run_json(capsys, "verify", broken, status=1)["ok"] is False


def test_trust_is_asked_for_in_the_words_of_the_command_line(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "check", wheel, "--runtime", "native", status=1)
    assert f"--trust-digest {modelwheel.open(wheel).digest}" in text
    assert "load(" not in text
    text = run(capsys, "check", wheel, "--trust-digest", "a" * 64, "--unsafe-run-code", status=2)
    assert "contradict" in text


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["inspect", "/no/such.whl"], 1, "resolve.missing"),
        (["inspect", "nothing-of-that-name"], 1, "resolve.not-installed"),
        (["inspect", "no requirement at all"], 2, "usage.requirement"),
        (["inspect"], 2, "Missing argument"),
        (["dance"], 2, "No such command"),
        (["verify", "x", "--nothing"], 2, "No such option"),
        (["check", "x", "--runtime", "magic"], 2, "magic"),
        (["list", "/no/such/folder"], 2, "does not exist"),
    ],
)
def test_statuses(arguments: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in run(capsys, *arguments, status=status)


def test_errors_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_json(capsys, "inspect", "/no/such.whl", status=1)["code"] == "resolve.missing"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "--help")
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
        assert "Usage: modelwheel" in run(capsys, name, "-h")
    assert "modelwheel" in run(capsys, "--version")
    assert "Usage" in run(capsys, status=2)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("command", [["inspect"], ["explain"], ["verify", "--unsafe-run-code"], ["schema"]], ids=str)
def test_screens_fit_the_terminal(wheel: Path, width: int, command: list[str]) -> None:
    text, status = in_terminal(command[0], wheel, *command[1:], width=width)
    assert status == 0
    plain = SGR.sub("", CURSOR.sub("\n", text))
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) <= width
    assert SGR.search(text)


def test_errors_fit_the_terminal(wheel: Path) -> None:
    text, status = in_terminal("check", wheel, "--runtime", "native", width=80)
    assert status == 1
    assert max(map(len, SGR.sub("", text).splitlines())) <= 80
    assert SGR.search(text)


def test_colours_are_for_terminals_that_want_them(wheel: Path) -> None:
    assert "\x1b" not in piped("inspect", wheel).stdout
    text, _ = in_terminal("inspect", wheel, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", text)


def test_what_is_piped_has_no_trailing_blanks(wheel: Path) -> None:
    assert not [line for line in piped("inspect", wheel).stdout.splitlines() if line != line.rstrip()]


def test_a_reader_that_goes_away(wheel: Path) -> None:
    argv = f"{' '.join(COMMAND)} inspect {wheel} --json | head -1"
    done = subprocess.run(argv, shell=True, capture_output=True, text=True, check=False)
    assert done.stdout == "{\n"
    assert done.stderr == ""


def test_completion(capsys: pytest.CaptureFixture[str]) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_MODELWHEEL_COMPLETE" in run(capsys, "completion", shell)
    environment = {
        **os.environ,
        "_MODELWHEEL_COMPLETE": "bash_complete",
        "COMP_WORDS": "modelwheel ins",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "plain,inspect\n"
    environment |= {"COMP_WORDS": "modelwheel inspect ch", "COMP_CWORD": "2"}
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("file,ch")


def test_progress_is_for_terminals(wheel: Path) -> None:
    assert piped("verify", wheel).stderr == ""
    text, _ = in_terminal("verify", wheel)
    assert "100%" in text
