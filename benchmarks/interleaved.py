"""Compares the speed of two source trees in one run: `python benchmarks/interleaved.py OLD/src NEW/src`.

The measures of `run.py` run for the old and the new tree in turn, each time in a new process with the tree on
PYTHONPATH, so that both see the same noise. A row is fine when its new time is within 10 % of the old one, or within
the old tree's own spread. The measured code uses public names only, so that it runs with both.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
PARTS = ("imports", "starts", "rows", "tables", "inputs", "large", "peers")
MOST = 1.10
"""How much slower than the old tree a row may be."""


def inputs(folder: Path, quick: bool) -> list[Any]:
    """What checking costs: a model that does nothing"""
    import numpy as np
    import pandas as pd

    import modelwheel
    from measures import Row, thirty

    frame, _ = thirty()
    random = np.random.default_rng(0)
    count = 100_000
    floats = pd.DataFrame(random.random((count, 30)), columns=frame.columns)
    mixed = pd.DataFrame(
        {f"number_{i}": random.random(count) for i in range(4)}
        | {f"whole_{i}": random.integers(0, 100, count) for i in range(4)}
        | {f"text_{i}": random.choice(["red", "green", "blue"], count) for i in range(4)}
    )

    def loaded(name: str, sample: Any) -> Any:
        alone, native = modelwheel.Dependencies(lock="none"), modelwheel.Options(runtimes=("native",))
        packed = modelwheel.pack(
            nothing, name=name, version="1", sample=sample, out=folder, dependencies=alone, options=native
        )
        return packed.load().predict

    of_frame, of_mixed, of_matrix = (
        loaded("frame", frame),
        loaded("mixed", mixed[:2000]),
        loaded("matrix", frame.to_numpy()),
    )
    row, mixed_row = dict.fromkeys(frame.columns, 0.5), mixed.iloc[0].to_dict()
    many, wrong = [row] * 1000, [dict.fromkeys(frame.columns, "x")] * 200
    matrix = floats.to_numpy()

    def refused() -> str:
        try:
            of_frame(wrong)
        except ValueError as error:
            return str(error)
        return ""

    cases: list[tuple[str, Callable[[], Any], int]] = [
        ("one row of 30 floats", lambda: of_frame(row), 300),
        ("one mixed row", lambda: of_mixed(mixed_row), 300),
        ("1,000 rows of 30 floats", lambda: of_frame(many), 3),
        ("DataFrame, 100,000 × 30 floats", lambda: of_frame(floats), 1),
        ("DataFrame, 100,000 mixed rows", lambda: of_mixed(mixed), 1),
        ("array, 100,000 × 30 floats", lambda: of_matrix(matrix), 3),
        ("200 wrong rows, to the message", refused, 1),
    ]
    return [Row(f"check: {name}", *least(case, runs=25, repeat=repeat), "", 1.0, "") for name, case, repeat in cases]


def nothing(rows: Any) -> Any:
    """One number for each row."""
    import numpy as np

    return np.zeros(len(rows))


def measure(source: str, parts: list[str]) -> None:
    """In a child: run the measures once, and print the times by row as JSON."""
    import measures
    import modelwheel

    if not Path(modelwheel.__file__).is_relative_to(source):
        raise SystemExit(f"modelwheel was imported from {modelwheel.__file__}")
    measures.in_turn = least
    found: dict[str, float] = {}
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            function = inputs if part == "inputs" else getattr(measures, part)
            found |= {row.what: row.ours for row in function(Path(folder), quick=True)}
    print(json.dumps(found))


def least(*functions: Callable[[], Any], runs: int = 7, repeat: int = 1) -> list[float]:
    """As `in_turn`, with the shortest time of each, which other work on the machine changes least; there are rounds."""
    found = [float("inf")] * len(functions)
    for number in range(runs + 1):
        for place, function in enumerate(functions):
            start = time.perf_counter()
            for _ in range(repeat if number else 1):
                function()
            if number:  # the first call only makes ready
                found[place] = min(found[place], (time.perf_counter() - start) / repeat)
    return found


def times(source: Path, parts: list[str]) -> dict[str, float]:
    """The times of one round with the tree `source`."""
    command = [sys.executable, "-W", "ignore", HERE, "--measure", source, *parts]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run the rounds, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="*", type=Path, help="the folders src of the old and the new tree")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(PARTS), help="some of the measures, with commas")
    parser.add_argument("--measure", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure[0], given.measure[1:])
        return
    old, new = (path.resolve() for path in given.sources)
    parts = given.only.split(",")
    rounds: dict[Path, list[dict[str, float]]] = {old: [], new: []}
    for number in range(given.rounds):
        for source in (old, new) if number % 2 == 0 else (new, old):
            rounds[source].append(times(source, parts))
        print(f"… round {number + 1} of {given.rounds}", file=sys.stderr, flush=True)
    print("\n".join(table(rounds[old], rounds[new])))


def table(old: list[dict[str, float]], new: list[dict[str, float]]) -> list[str]:
    """A line for each row: the medians of the rounds, their ratio, and the spread of the old tree's rounds."""
    from measures import shown

    lines = ["| what | old | new | ratio | spread of old | |", "| --- | --- | --- | --- | --- | --- |"]
    for what in old[0]:
        before, after = [each[what] for each in old], [each[what] for each in new]
        middle, now = statistics.median(before), statistics.median(after)
        told = "" if now <= max(MOST * middle, *before) else "SLOWER"
        spread = f"{min(before) / middle:.2f} … {max(before) / middle:.2f}"
        lines.append(f"| {what} | {shown(middle)} | {shown(now)} | {now / middle:.2f} × | {spread} | {told} |")
    return lines


if __name__ == "__main__":
    main()
