from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphs import model, node, value
from modelwheel.onnx.externalize import LARGE, stored
from modelwheel_loader.opening.archive import ALIGNMENT
from modelwheel_loader.opening.manifest import Weight
from modelwheel_loader.run.onnx_runtime import open_session

W = np.random.default_rng(0).normal(size=(600, 500))


def product(weight: Any, dtype: str) -> bytes:
    """x @ w + b, where b is small."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    made = model(
        [node("MatMul", ["x", "w"], ["m"]), node("Add", ["m", "b"], ["y"])],
        inputs=[value("x", kind, [None, 600])],
        outputs=[value("y", kind, [None, 500])],
        initializers=[weight, numpy_helper.from_array(np.ones(500, dtype), "b")],
    )
    return bytes(made.SerializeToString())


def mapped(pieces: list[bytes | memoryview], weights: tuple[Weight, ...]) -> dict[str, Any]:
    content = b"".join(pieces)
    return {
        weight.name: np.frombuffer(content, weight.dtype, weight.size // np.dtype(weight.dtype).itemsize, weight.offset)
        .reshape(weight.shape)
        for weight in weights
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "listed"])
def test_large_initializers_move_and_the_graph_answers_the_same(dtype: str, raw: bool) -> None:
    array = W.astype(dtype)
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    weight = numpy_helper.from_array(array, "w") if raw else helper.make_tensor("w", kind, array.shape, array.ravel())
    graph = product(weight, dtype)
    smaller, weights, pieces = stored(graph, {})
    assert len(smaller) < 10_000
    assert weights == (Weight(name="w", dtype=dtype, shape=(600, 500), offset=0, size=array.nbytes),)
    x = np.random.default_rng(1).normal(size=(3, 600)).astype(dtype)
    before = open_session(graph).run({"x": x}, ["y"])[0]
    after = open_session(smaller, mapped(pieces, weights), declared=weights).run({"x": x}, ["y"])[0]
    np.testing.assert_allclose(after, before, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-4)


def test_weights_are_aligned() -> None:
    one, two = np.zeros(LARGE + 3, "uint8"), np.arange(LARGE, dtype="int64")
    made = model(initializers=[numpy_helper.from_array(one, "one"), numpy_helper.from_array(two, "two")])
    graph, weights, pieces = stored(made.SerializeToString(), {})
    assert [weight.offset % ALIGNMENT for weight in weights] == [0, 0]
    assert sum(map(len, pieces)) % ALIGNMENT == 0
    arrays = mapped(pieces, weights)
    np.testing.assert_array_equal(arrays["two"], two)
    assert [tensor.data_location for tensor in onnx.load_from_string(graph).graph.initializer] == [1, 1]


def test_small_graphs_and_texts_stay_as_they_are() -> None:
    small = model().SerializeToString()
    assert stored(small, {}) == (small, (), [])
    texts = helper.make_tensor("t", TensorProto.STRING, [LARGE // 10], [b"0123456789"] * (LARGE // 10))
    large = model(initializers=[texts]).SerializeToString()
    assert len(large) > LARGE
    assert stored(large, {}) == (large, (), [])


def test_the_same_graph_gives_the_same_bytes() -> None:
    graph = product(numpy_helper.from_array(W, "w"), "float64")
    assert stored(graph, {}) == stored(graph, {})
