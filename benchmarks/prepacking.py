"""What it costs, and saves, that onnxruntime is given large weights from the map.

Weights inside a file are rearranged for the processor when onnxruntime opens it ("prepacking"). A network of
multiplications is opened by plain onnxruntime and by `load`, each in processes of its own and in turn; the least of the
runs counts. The table goes into docs/decisions/0005-weights-from-the-map.md and docs/onnx.md.
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
SIZES = {"16 MB": (1024, 4), "512 MB": (4096, 8)}
"""The width and the number of layers for so many weights in single precision."""
ROWS = (1, 1000)
REPEATS = {1: 200, 1000: 3}
ROUNDS = 3
PLAIN, MAPPED = "plain", "mapped"


def network(width: int, layers: int) -> Any:
    """Layers of a multiplication and a ReLU."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights = [], []
    for index in range(layers):
        values = random.standard_normal((width, width), np.float32) / np.float32(width**0.5)
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [f"x{index}", f"w{index}"], [f"m{index}"]))
        nodes.append(helper.make_node("Relu", [f"m{index}"], [f"x{index + 1}"]))
    shape = [None, width]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("predict", TensorProto.FLOAT, shape)],
        weights,
    )
    graph.node.append(helper.make_node("Identity", [f"x{layers}"], ["predict"]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


# -- one process ---------------------------------------------------------------------------------------------------


def own_megabytes() -> float:
    """Memory that this process shares with no other and no file."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssAnon:"))


def opened(kind: str, path: str) -> Callable[[Any], Any]:
    """What answers an array of rows."""
    if kind == MAPPED:
        model = modelwheel.load(path, runtime="onnx")
        return lambda rows: model.predict({"x0": rows})
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # as ours
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    return lambda rows: session.run(None, {"x0": rows})


def child(kind: str, path: str, width: int) -> dict[str, float]:
    """Seconds to open and to answer, and megabytes of its own after a first row."""
    import onnxruntime  # noqa: F401 - importing it is not opening

    before = own_megabytes()
    answer = None
    found = {"open": seconds(lambda: opened(kind, path))}
    answer = opened(kind, path)
    answer(np.ones((1, width), np.float32))
    found["own"] = own_megabytes() - before
    for rows in ROWS:
        fed = np.random.default_rng(1).standard_normal((rows, width), np.float32)
        found[str(rows)] = min(seconds(lambda fed=fed: answer(fed)) for _ in range(REPEATS[rows]))
    return found


def seconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


# -- all of them ---------------------------------------------------------------------------------------------------


def measured(folder: Path, width: int, layers: int) -> dict[str, dict[str, float]]:
    """The least numbers of each kind."""
    import onnx

    path = folder / f"{width}.onnx"
    onnx.save(network(width, layers), str(path))
    unlocked = modelwheel.Dependencies(lock="none")
    sample = {"x0": np.random.default_rng(2).standard_normal((4, width), np.float32)}
    bundle = modelwheel.pack(path, name=f"m{width}", version="1", sample=sample, dependencies=unlocked, out=folder)
    paths = {PLAIN: path, MAPPED: Path(bundle.path)}
    bundle.close()
    found: dict[str, list[dict[str, float]]] = {PLAIN: [], MAPPED: []}
    for _ in range(ROUNDS):
        for kind, runs in found.items():
            given = [sys.executable, __file__, "--child", kind, str(paths[kind]), str(width)]
            runs.append(json.loads(subprocess.run(given, check=True, capture_output=True, text=True).stdout))
    return {kind: {key: min(run[key] for run in runs) for key in runs[0]} for kind, runs in found.items()}


def table(folder: Path, sizes: dict[str, tuple[int, int]]) -> str:
    """The lines of Markdown."""
    lines = [
        "| weights | | onnxruntime, from its file | `load`, from the map | ratio |",
        "| --- | --- | --- | --- | --- |",
    ]
    for size, (width, layers) in sizes.items():
        found = measured(folder, width, layers)
        one, other = found[PLAIN], found[MAPPED]
        for key, title in {"open": "opening", "1": "one row", "1000": "1,000 rows"}.items():
            cells = f"{one[key] * 1000:.3g} ms | {other[key] * 1000:.3g} ms | {other[key] / one[key]:.2f}"
            lines.append(f"| {size} | {title} | {cells} |")
        ratio = f"{max(other['own'], 0.0) / one['own']:.2f}"
        lines.append(f"| {size} | memory of its own | {one['own']:.0f} MB | {other['own']:.0f} MB | {ratio} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="only few weights; nothing is written")
    parser.add_argument("--child", nargs=3, metavar=("KIND", "PATH", "WIDTH"), help="one process of the measurement")
    given = parser.parse_args()
    if given.child:
        kind, path, width = given.child
        print(json.dumps(child(kind, path, int(width))))
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
