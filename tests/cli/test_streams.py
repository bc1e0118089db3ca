"""Both commands with streams as services, cron and old locales give them: closed, not UTF-8, with a byte order mark."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import modelwheel

TOWNS = ("Köln", "Łódź", "東京")
LOCALES = {
    "ascii": {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "utf-8": {"LC_ALL": "C.UTF-8"},
}
UNCHANGED: Mapping[str, str] = {}
COMMANDS = ("modelwheel_loader", "modelwheel")


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> str:
    def echo(rows: list[dict[str, str]]) -> list[str]:
        return [row["town"] for row in rows]

    sample = [{"town": town} for town in TOWNS] * 4  # plain rows: loading imports nothing large
    folder = tmp_path_factory.mktemp("dist")
    about = modelwheel.About(summary="Städte → Städte")
    return str(modelwheel.pack(echo, name="towns", version="1.0", sample=sample, about=about, out=folder).path)


def command(
    package: str, *arguments: str, data: bytes = b"", redirect: str = "", environment: Mapping[str, str] = UNCHANGED
) -> tuple[int, bytes, bytes]:
    """Status, output and errors of one command; `redirect` is the shell's, such as `<&-`."""
    line = f'exec "$0" -m {package} "$@" {redirect}'
    done = subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *arguments],
        input=data,
        capture_output=True,
        check=False,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("package", COMMANDS)
@pytest.mark.parametrize("locale", LOCALES)
def test_data_are_utf_8_in_every_locale(towns: str, package: str, locale: str) -> None:
    rows = "".join(json.dumps({"town": town}, ensure_ascii=False) + "\n" for town in TOWNS).encode()
    status, out, err = command(package, "predict", towns, "--unsafe-run-code", data=rows, environment=LOCALES[locale])
    assert status == 0, err
    assert [json.loads(line)["predict"] for line in out.decode().splitlines()] == list(TOWNS)


@pytest.mark.parametrize("package", COMMANDS)
@pytest.mark.parametrize("locale", LOCALES)
def test_pages_and_errors_are_written_in_every_locale(towns: str, package: str, locale: str) -> None:
    status, out, err = command(package, "inspect", towns, environment=LOCALES[locale])
    assert (status, err) == (0, b"")
    assert "Städte → Städte" in out.decode()
    status, out, err = command(package, "inspect", "Łódź.whl", environment=LOCALES[locale])
    assert status == 1
    assert b"resolve.missing" in err
    assert b"Traceback" not in err


@pytest.mark.parametrize("package", COMMANDS)
@pytest.mark.parametrize(
    ("redirect", "arguments", "status"),
    [
        ("<&-", ("predict", "--unsafe-run-code"), 0),
        (">&-", ("inspect",), 0),
        ("2>&-", ("inspect",), 0),
        ("<&- >&- 2>&-", ("verify", "--unsafe-run-code"), 0),
        ("2>&-", ("predict", "--no-such-option"), 2),
    ],
)
def test_closed_streams_are_empty_ones(
    towns: str, package: str, redirect: str, arguments: tuple[str, ...], status: int
) -> None:
    name, *options = arguments
    found, _, err = command(package, name, towns, *options, redirect=redirect)
    assert (found, err) == (status, b"")


@pytest.mark.parametrize("package", COMMANDS)
def test_bytes_that_are_no_utf_8_are_named_with_their_row(towns: str, package: str, tmp_path: Path) -> None:
    rows = '{"town":"Rom"}\n{"town":"Köln"}\n'.encode("latin-1")
    (tmp_path / "rows.jsonl").write_bytes(rows)
    given = (
        ("--input", str(tmp_path / "rows.jsonl")) if package == "modelwheel_loader" else (str(tmp_path / "rows.jsonl"),)
    )
    for arguments, data in ((given, b""), ((), rows)):
        status, _, err = command(
            package, "predict", towns, *arguments, "--unsafe-run-code", data=data, environment=LOCALES["utf-8"]
        )
        assert status == 1
        assert b"row 1" in err
        assert b"town" in err


@pytest.mark.parametrize("package", COMMANDS)
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_name(towns: str, package: str, kind: str) -> None:
    rows = "town\nKöln\n" if kind == "csv" else '{"town": "Köln"}\n'
    said = ("--from", kind)
    status, out, err = command(
        package, "predict", towns, *said, "--unsafe-run-code", "--to", "csv", data=b"\xef\xbb\xbf" + rows.encode()
    )
    assert status == 0, err
    assert list(csv.reader(io.StringIO(out.decode()))) == [["predict"], ["Köln"]]
