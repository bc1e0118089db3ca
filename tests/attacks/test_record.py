"""RECORD that lists too much, too little, or something else (THREATS row 7), in archives that are otherwise good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import modelwheel
from builders import FILE_NAME, INFO, ROOT, archive, files, with_record
from modelwheel.errors import BundleError
from modelwheel_loader.opening.record import parse_record

GOOD = files()[f"{INFO}RECORD"].decode()
FIRST = GOOD.splitlines()[0]
DIGEST = FIRST.split(",")[1]

Change = Callable[[str], str]
ATTACKS: dict[str, Change] = {
    "empty": lambda _: "",
    "row missing": lambda text: text.replace(FIRST + "\n", ""),
    "ghost row": lambda text: f"{ROOT}ghost,{DIGEST},1\n" + text,
    "row twice": lambda text: FIRST + "\n" + text,
    "two rows that contradict": lambda text: FIRST.replace(DIGEST, "sha256=" + "A" * 43) + "\n" + text,
    "md5": lambda text: text.replace(DIGEST, "md5=1B2M2Y8AsgTpgAmY7PhCfg"),
    "sha1": lambda text: text.replace(DIGEST, "sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk"),
    "no digest": lambda text: text.replace(DIGEST, ""),
    "padded": lambda text: text.replace(DIGEST, DIGEST + "="),
    "not canonical": lambda text: text.replace(DIGEST, DIGEST[:-1] + chr(ord(DIGEST[-1]) + 1)),
    "hexadecimal": lambda text: text.replace(DIGEST, "sha256=" + "a" * 64),
    "standard alphabet": lambda text: text.replace(DIGEST, "sha256=" + "+/" * 21 + "A"),
    "wrong digest": lambda text: text.replace(DIGEST, "sha256=" + "A" * 43),
    "no size": lambda text: text.replace(FIRST, FIRST.rpartition(",")[0] + ","),
    "wrong size": lambda text: text.replace(FIRST, FIRST + "0"),
    "size with a sign": lambda text: text.replace(FIRST, FIRST.rpartition(",")[0] + ",+14"),
    "size with zeros": lambda text: text.replace(FIRST, FIRST.rpartition(",")[0] + ",014"),
    "size in other digits": lambda text: text.replace(FIRST, FIRST.rpartition(",")[0] + ",\u0661\u0664"),
    "size of 5,000 digits": lambda text: text.replace(FIRST, FIRST.rpartition(",")[0] + "," + "9" * 5000),
    "two cells": lambda text: text.replace(FIRST, FIRST.rpartition(",")[0]),
    "four cells": lambda text: text.replace(FIRST, FIRST + ",x"),
    "does not list itself": lambda text: "".join(text.splitlines(keepends=True)[:-1]),
    "lists itself with a digest": lambda text: text.replace(f"{INFO}RECORD,,", f"{INFO}RECORD,{DIGEST},3"),
    "lists itself twice": lambda text: text + f"{INFO}RECORD,,\n",
    "backslashes": lambda text: text.replace(FIRST, FIRST.replace("/", "\\")),
    "unclosed quote": lambda text: '"' + text,
    "NUL": lambda text: text.replace(FIRST, FIRST + "\0"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_refused(attack: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    changed = ATTACKS[attack](GOOD)
    assert changed != GOOD
    path.write_bytes(archive(files() | {f"{INFO}RECORD": changed.encode()}))
    with pytest.raises(BundleError) as caught:
        modelwheel.open(path)
    assert {defect.code for defect in caught.value.defects} <= {
        "archive.record",
        "integrity.digest",
        "manifest.members",
    }


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(archive(files() | {f"{INFO}RECORD": GOOD.encode() + b"\xff,,\n"}))
    with pytest.raises(BundleError, match="UTF-8"):
        modelwheel.open(path)


def test_all_defects_at_once() -> None:
    with pytest.raises(BundleError) as caught:
        parse_record(b"a,md5=x,1\nb,,\nc\nb,,\n", "RECORD", most=10)
    assert caught.value.counted >= 5


def test_line_ends_of_windows_are_read() -> None:
    rows = parse_record(GOOD.replace("\n", "\r\n").encode(), f"{INFO}RECORD", most=10)
    assert rows == parse_record(GOOD.encode(), f"{INFO}RECORD", most=10)


def test_licences_are_compared_by_verify(tmp_path: Path) -> None:
    """Opening reads what installers act on; a licence that was changed shows when everything is compared."""
    path = tmp_path / FILE_NAME
    members = with_record({**files(), f"{INFO}licenses/LICENSE": b"MIT"})
    path.write_bytes(archive(members | {f"{INFO}licenses/LICENSE": b"GPL"}))
    with modelwheel.open(path):
        report = modelwheel.verify(path)
    assert not report.ok
    assert "LICENSE" in str(report)
    path.write_bytes(archive(members))
    assert modelwheel.verify(path, structure_only=True).ok
