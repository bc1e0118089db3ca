"""What it costs that weights given from the map are not packed anew by onnxruntime: a row, a batch, and opening.

Weights inside the file are rearranged for the processor when the session is made ("prepacking"); those that are given
from the map stay as they are, and are shared by all processes. Run: python benchmarks/prepacking.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from modelwheel.onnx.externalize import laid_out, take_out
from modelwheel_loader.onnx.session import open_session

WIDTH, LAYERS, REPEATS = 1024, 4, 60


def network() -> Any:
    """Layers of a multiplication and a ReLU, 16 MB of weights."""
    random = np.random.default_rng(0)
    nodes, weights = [], []
    for index in range(LAYERS):
        values = (random.normal(size=(WIDTH, WIDTH)) / WIDTH**0.5).astype("float32")
        weights.append(numpy_helper.from_array(values, f"w{index}"))
        nodes.append(helper.make_node("MatMul", [f"x{index}", f"w{index}"], [f"m{index}"]))
        nodes.append(helper.make_node("Relu", [f"m{index}"], [f"x{index + 1}"]))
    shape = [None, WIDTH]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x0", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(f"x{LAYERS}", TensorProto.FLOAT, shape)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    model = network()
    whole = model.SerializeToString()
    graph, arrays = take_out(onnx.ModelProto.FromString(whole))
    declared = laid_out(arrays)

    def inside() -> Any:
        return open_session(whole)

    def mapped() -> Any:
        return open_session(graph, arrays, declared=declared)

    opened = [inside(), mapped()]
    print("| | prepacked, in the file | from the map | ratio |")
    print("| --- | --- | --- | --- |")
    times = [[seconds(make) for make in (inside, mapped)] for _ in range(5)]
    row("opening", times)
    for rows in (1, 16, 256):
        fed = {"x0": np.ones((rows, WIDTH), "float32")}
        times = [[seconds(partial(session.run, fed, [f"x{LAYERS}"])) for session in opened] for _ in range(REPEATS)]
        row(f"{rows:,} rows", times)


def row(what: str, times: list[list[float]]) -> None:
    one, other = (min(column) for column in zip(*times, strict=True))
    print(f"| {what} | {one * 1000:.3g} ms | {other * 1000:.3g} ms | {other / one:.2f} |", flush=True)


if __name__ == "__main__":
    main()
