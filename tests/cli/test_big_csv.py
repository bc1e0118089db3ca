"""A CSV of any size is scored in constant memory. It is made on the fly and comes through a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

MEGABYTE = 1_000_000
ROWS_OF_BLOCK = 5_000
GENERATOR = """
import random, sys
random.seed(0)
rows = [",".join(f"{random.gauss(0, 1):.15f}" for _ in range(10)) + "\\n" for _ in range(ROWS)]
block = "".join(rows).encode()
write = sys.stdout.buffer.write
write((",".join(f"f{i}" for i in range(10)) + "\\n").encode())
for _ in range(max(1, int(sys.argv[1]) // len(block))):
    write(block)
""".replace("ROWS", str(ROWS_OF_BLOCK))
RUN = """
import resource, sys
from modelwheel.cli import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""
SPARE = 40
"""Megabytes by which two runs may differ: what a process holds is not the same twice."""


class Scored(NamedTuple):
    rows: int
    megabytes: float


def score(wheel: Path, size: int, output: str | Path = "-") -> Scored:
    """Score about `size` bytes of CSV; the rows that were answered, and the most memory that it held."""
    source = subprocess.Popen([sys.executable, "-c", GENERATOR, str(size)], stdout=subprocess.PIPE)
    argv = [sys.executable, "-W", "ignore", "-c", RUN, "predict", str(wheel), "--from", "csv", "-o", str(output)]
    counted = subprocess.PIPE if output == "-" else subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=source.stdout, stdout=counted, stderr=subprocess.PIPE) as process:
        assert source.stdout is not None
        source.stdout.close()
        rows = 0
        if process.stdout is not None:
            while piece := process.stdout.read(1 << 20):
                rows += piece.count(b"\n")
        assert process.stderr is not None
        errors = process.stderr.read().decode()
    assert source.wait() == 0
    assert process.returncode == 0, errors
    if isinstance(output, Path):
        with output.open("rb") as stream:
            rows = sum(piece.count(b"\n") for piece in iter(lambda: stream.read(1 << 20), b""))
    return Scored(rows, int(errors.split()[-1]) * 1024 / MEGABYTE)


def test_a_large_csv_is_scored_in_the_memory_of_a_small_one(line: Path, tmp_path: Path) -> None:
    small = score(line, 20 * MEGABYTE, tmp_path / "small.jsonl")
    large = score(line, 120 * MEGABYTE, tmp_path / "large.jsonl")
    assert large.rows > 5 * small.rows
    assert large.rows % ROWS_OF_BLOCK == 0
    assert large.megabytes < small.megabytes + SPARE


@pytest.mark.slow
def test_five_gigabytes(line: Path) -> None:
    small = score(line, 50 * MEGABYTE)
    large = score(line, 5_000 * MEGABYTE)
    assert large.rows > 95 * small.rows
    assert large.megabytes < small.megabytes + SPARE
