"""Prints, and writes to docs/benchmarks.md, what modelwheel costs beside doing the same by hand and beside its peers.

Every number is the median of several runs; what is compared runs in turn in this one script, so that ratios hold on a
noisy machine. Run it by `make bench`; `--quick` makes arrays small.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import isolated
import measures
import services
from measures import Row

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
PACKAGES = ("modelwheel", "numpy", "scikit-learn", "onnxruntime", "joblib", "skops", "pydantic", "pandas")


def machine() -> str:
    """The machine and the versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{model}, {measures.cores()} cores, {platform.system()}, Python {platform.python_version()}; {versions}."


def page(rows: list[Row], quick: bool) -> str:
    """The page with the table."""
    size = "100 MB" if quick else "1 GB"
    lines = [
        "# Benchmarks",
        "",
        "`make bench` (`benchmarks/run.py`) writes this page: medians of alternating runs, on one machine. The ratios",
        "hold elsewhere; the times do not. *Target* is the limit in the design.",
        "",
        f"Machine: {machine()} The large model is {size} of float64.",
        "",
        "| what | modelwheel | beside | theirs | ratio or difference | target |",
        "| --- | --- | --- | --- | --- | --- |",
        *(row.markdown() for row in rows),
        "",
        "- *by hand, onnxruntime*: `InferenceSession(path)`, an array of the dict, `session.run`; nothing is checked.",
        "- *by hand, joblib*: `joblib.load(path)`, a DataFrame made of the row, `model.predict`; nothing is checked.",
        "- *start*: a new process until its first prediction, the imports of Python included.",
        "- *telemetry*: onnxruntime has sent some from 1.29 on; the loader turns it off. By hand: by its variable.",
        "- *two passes*: one that reads the input (`sum`) and one that copies it, then the call on the copy.",
        "  Ours copies, so that a model which works in place never changes what it was passed.",
        "- *100,000 × 30, checked*: with one thread of BLAS; a second waits in a loop, at times on the same core.",
        "- *MLflow's pyfunc*: a model with a signature, in an environment that has both; it is fed a DataFrame",
        "  made of the row, for its signature is one of columns. Ours checks the dict itself.",
        "- *isolated*: the model in a worker process with packages of its own, which come from its lock.",
        "- *360 bytes to a process and back*: by the same kind of socket, nothing done: the floor of such a call.",
        "- *seen before*: its digest was compared by an earlier load on this machine; *never seen*: it was not.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="only measures whose name holds this; the page is not written")
    quick, only = (given := parser.parse_args()).quick, given.only
    folder = Path(tempfile.mkdtemp(prefix="modelwheel-bench-"))
    try:
        rows = []
        for measure in (*measures.ALL, *services.ALL, *isolated.ALL):
            if only not in f"{measure.__module__}.{measure.__name__}":
                continue
            print(f"… {measure.__doc__}", file=sys.stderr, flush=True)
            rows += measure(folder, quick)
    finally:
        shutil.rmtree(folder)
    text = page(rows, quick)
    print(text)
    if not (quick or only):
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
