"""What it costs, and saves, that onnxruntime is lent large weights from the map.

Weights of multiplications are rearranged for the processor when onnxruntime opens a graph ("prepacking"); tables that
are looked up in (embeddings) are not. A network of each is opened by plain onnxruntime, by `load`, and by `load`
without prepacking, in processes of their own and in turn; the least of the runs counts. The table goes into
docs/decisions/0005-weights-from-the-map.md and docs/onnx.md.
Run: python benchmarks/prepacking.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import modelwheel
from written import write_between

ROOT = Path(__file__).parents[1] / "docs"
PAGES = (ROOT / "decisions" / "0005-weights-from-the-map.md", ROOT / "onnx.md")
SIZES = {"16 MB": (1024, 4, 0), "512 MB": (4096, 8, 0), "512 MB, embeddings": (1024, 1, 131_000)}
"""The width, the number of layers and the entries of a table of embeddings for so many weights in single precision."""
ROWS = {1: "one row", 8: "8 rows", 1000: "1,000 rows"}
REPEATS = {1: 200, 8: 50, 1000: 3}
ROUNDS = 3
KINDS = ("plain", "mapped", "shared")


def network(width: int, layers: int, entries: int) -> Any:
    """Layers of a multiplication and a ReLU, behind a table of embeddings when there are entries."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights = [], []
    if entries:
        weights.append(numpy_helper.from_array(random.standard_normal((entries, width), np.float32), "table"))
        nodes.append(helper.make_node("Gather", ["table", "x"], ["x0"]))
    for index in range(layers):
        values = random.standard_normal((width, width), np.float32) / np.float32(width**0.5)
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        source = "x" if index == 0 and not entries else f"x{index}"
        nodes.append(helper.make_node("MatMul", [source, f"w{index}"], [f"m{index}"]))
        nodes.append(helper.make_node("Relu", [f"m{index}"], [f"x{index + 1}"]))
    nodes.append(helper.make_node("Identity", [f"x{layers}"], ["predict"]))
    taken = (TensorProto.INT64, [None]) if entries else (TensorProto.FLOAT, [None, width])
    answered = helper.make_tensor_value_info("predict", TensorProto.FLOAT, [None, width])
    graph = helper.make_graph(nodes, "network", [helper.make_tensor_value_info("x", *taken)], [answered], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def drawn(rows: int, width: int, entries: int) -> Any:
    """Rows for the network."""
    random = np.random.default_rng(1)
    return random.integers(0, entries, rows) if entries else random.standard_normal((rows, width), np.float32)


# -- one process ---------------------------------------------------------------------------------------------------


def own_megabytes() -> float:
    """Memory that this process shares with no other and no file."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def opened(kind: str, path: str) -> Callable[[Any], Any]:
    """What answers an array of rows."""
    if kind != "plain":
        from modelwheel_loader import SessionOptions

        model = modelwheel.load(path, runtime="onnx", onnx=SessionOptions(prepacking=kind == "mapped"))
        return lambda rows: model.predict({"x": rows})
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as ours
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"x": rows})


def child(kind: str, path: str, width: int, entries: int) -> dict[str, float]:
    """Seconds to open and to answer, and megabytes of its own after a first row."""
    import onnxruntime  # noqa: F401 - importing it is not opening

    before = own_megabytes()
    found = {"open": seconds(lambda: opened(kind, path))}
    answer = opened(kind, path)
    answer(drawn(1, width, entries))
    found["own"] = own_megabytes() - before
    for rows in ROWS:
        fed = drawn(rows, width, entries)
        found[str(rows)] = min(seconds(lambda fed=fed: answer(fed)) for _ in range(REPEATS[rows]))
    return found


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# -- all of them ---------------------------------------------------------------------------------------------------


def measured(folder: Path, width: int, layers: int, entries: int) -> dict[str, dict[str, float]]:
    """The least numbers of each kind."""
    import onnx

    path = folder / f"{width}-{layers}.onnx"
    onnx.save(network(width, layers, entries), str(path))
    unlocked = modelwheel.Dependencies(lock="none")
    sample = {"x": drawn(4, width, entries)}
    bundle = modelwheel.pack(
        path, name="weights", version=f"{width}.{layers}", sample=sample, dependencies=unlocked, out=folder
    )
    bundle.close()
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind, runs in found.items():
            file = path if kind == "plain" else bundle.path
            given = [sys.executable, __file__, "--child", kind, str(file), str(width), str(entries)]
            runs.append(json.loads(subprocess.run(given, check=True, capture_output=True, text=True).stdout))
    return {kind: {key: min(run[key] for run in runs) for key in runs[0]} for kind, runs in found.items()}


def table(folder: Path, sizes: dict[str, tuple[int, int, int]]) -> str:
    """The lines of Markdown."""
    lines = [
        "| weights | | onnxruntime, from its file | `load` | | `prepacking=False` | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size, shape in sizes.items():
        found = measured(folder, *shape)
        plain, *ours = (found[kind] for kind in KINDS)
        for key, title in {"open": "opening", **{str(rows): title for rows, title in ROWS.items()}}.items():
            cells = " | ".join(f"{one[key] * 1000:.3g} ms | {one[key] / plain[key]:.2f} ×" for one in ours)
            lines.append(f"| {size} | {title} | {plain[key] * 1000:.3g} ms | {cells} |")
        cells = " | ".join(f"{max(one['own'], 0):.0f} MB | {max(one['own'], 0) / plain['own']:.2f} ×" for one in ours)
        lines.append(f"| {size} | memory of its own | {plain['own']:.0f} MB | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="only few weights; nothing is written")
    parser.add_argument(
        "--child", nargs=4, metavar=("KIND", "PATH", "WIDTH", "ENTRIES"), help="one process of the measurement"
    )
    given = parser.parse_args()
    if given.child:
        kind, path, width, entries = given.child
        print(json.dumps(child(kind, path, int(width), int(entries))))
        return
    from run import machine  # imports what a process that is measured does not need

    sizes = {"16 MB": SIZES["16 MB"]} if given.quick else SIZES
    with tempfile.TemporaryDirectory(prefix="modelwheel-bench-") as folder:
        made = table(Path(folder), sizes)
    text = f"{made}\n\nLeast of {ROUNDS} processes each, in turn, on: {machine()}"
    print(text)
    if not given.quick:
        for page in PAGES:
            write_between(page, "benchmarks/prepacking.py", text)


if __name__ == "__main__":
    main()
