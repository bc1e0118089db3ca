"""Ctrl-C, a polite end, a kill, a full disk: no output file is ever half written."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

from terminals import COMMAND

ROW = b'{"delay": 1.5, "distance": 100, "built": 1990, "carrier": "AA", "origin": "JFK"}\n'


def begun(wheel: Path, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """A run that has written something and waits for more rows."""
    argv = [*COMMAND, "predict", str(wheel), "-o", str(folder / "out.jsonl"), "--batch", "1000", *more]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(ROW * 30_000)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in folder.glob(".out.jsonl.*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_an_interrupt_leaves_everything_as_it_was(
    number: signal.Signals, status: int, wheel: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.jsonl").write_text("as it was")
    process = begun(wheel, tmp_path, "--on-error", "separate")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == status
    assert b"Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert (tmp_path / "out.jsonl").read_text() == "as it was"


def test_a_kill_leaves_the_old_file_and_a_temporary_one(wheel: Path, tmp_path: Path) -> None:
    process = begun(wheel, tmp_path)
    process.kill()
    process.communicate(timeout=60)
    assert not (tmp_path / "out.jsonl").exists()
    assert all(path.name.endswith(".modelwheel.tmp") for path in tmp_path.iterdir())


def test_without_an_interrupt_it_appears_whole(wheel: Path, tmp_path: Path) -> None:
    process = begun(wheel, tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "out.jsonl").read_bytes().count(b"\n") == 30_000
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_a_full_disk(wheel: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        argv = [*COMMAND, "predict", str(wheel)]
        done = subprocess.run(argv, input=ROW, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 2
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr
