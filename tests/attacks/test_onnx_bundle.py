"""Hostile graphs inside a bundle that is otherwise whole: `load` refuses them, for a caller who trusts nothing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

import modelwheel_loader
from builders import FILE_NAME, IDENTITY, INFO, ROOT, metadata
from graphs import constant, data, external, function, node, value
from modelwheel.wheel.writer import write_wheel
from modelwheel_loader.errors import InvalidBundle
from modelwheel_loader.opening.manifest import GraphInput, Manifest, Method, OnnxPayload, Weight
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.strictjson import dump_json
from modelwheel_loader.opening.types import Float

INPUTS = [value("x", TensorProto.DOUBLE, [None, 1])]
OUTPUTS = [value("y", TensorProto.DOUBLE, [None, 1])]
GOOD = data(inputs=INPUTS, outputs=OUTPUTS)
WEIGHT = Weight(name="w", dtype="float64", shape=(1, 4), offset=64, size=32)
WITH_WEIGHT = data(
    [node("MatMul", ["x", "w"], ["m"]), node("ReduceMax", ["m"], ["y"], keepdims=1)],
    inputs=INPUTS,
    outputs=OUTPUTS,
    initializers=[external("w", [1, 4], TensorProto.DOUBLE)],
)
PAYLOAD = OnnxPayload(
    inputs=(GraphInput(name="x", dtype="float64", fields=("a",), shape=(None, 1)),),
    outputs={"predict": ("y",)},
    opsets={"": 21},
)


def bundle(folder: Path, graph: bytes, stored: bytes | None = None, **changes: Any) -> Path:
    """A bundle with this graph; `changes` are those of its entry in the manifest."""
    field = Field(name="a", type=Float(64))
    made = Manifest(
        name=IDENTITY.name,
        version=IDENTITY.version,
        input=Schema(fields=(field,), layout="matrix", dtype="float64"),
        methods=(Method(name="predict", output=Schema(fields=(field,), layout="matrix", dtype="float64")),),
        runtimes=(PAYLOAD.replace(**changes),),
        members={},
    )
    stream = io.BytesIO()
    write_wheel(
        stream,
        root=ROOT,
        dist_info=INFO,
        payload={"onnx/model.onnx": [graph], **({"onnx/weights.bin": [stored]} if stored is not None else {})},
        manifest=lambda digests: dump_json(made.replace(members=digests).to_dict()),
        metadata=metadata(),
    )
    path = folder / FILE_NAME
    path.write_bytes(stream.getvalue())
    return path


def load(path: Path) -> modelwheel_loader.Model:
    return modelwheel_loader.load(path, runtime="onnx", cache=path.parent / "cache")


def test_the_graph_that_is_spoilt_below_answers(tmp_path: Path) -> None:
    assert load(bundle(tmp_path, GOOD)).predict(np.ones((2, 1))).tolist() == [[1.0], [1.0]]


def test_declared_weights_come_from_the_map(tmp_path: Path) -> None:
    stored = bytes(64) + np.array([1.0, 2.0, 4.0, 3.0]).tobytes()
    model = load(bundle(tmp_path, WITH_WEIGHT, stored, weights_member="onnx/weights.bin", weights=(WEIGHT,)))
    assert model.predict({"a": 2.0}) == [8.0]


@pytest.mark.parametrize(
    "graph",
    [
        b"",
        GOOD[:-1],
        b"MZ" * 1000,
        WITH_WEIGHT,
        data([node("EPContext", ["x"], ["y"], domain="com.microsoft")], inputs=INPUTS, outputs=OUTPUTS),
        data(
            [node("F", ["x"], ["y"], domain="own")],
            functions=[function("F", [node("F", ["a"], ["b"], domain="own")])],
            opsets={"": 21, "own": 1},
        ),
        data(
            [node("ConstantOfShape", ["s"], ["y"])],
            inputs=INPUTS,
            outputs=OUTPUTS,
            initializers=[constant("s", [2**36])],
        ),
    ],
    ids=["empty", "cut", "other", "external", "EPContext", "recursion", "bomb"],
)
def test_hostile_graphs(tmp_path: Path, graph: bytes) -> None:
    path = bundle(tmp_path, graph)
    modelwheel_loader.open(path).close()  # describing a bundle does not read its graph
    with pytest.raises(InvalidBundle) as caught:
        load(path)
    assert caught.value.code == "onnx.graph"


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": ()},
        {"inputs": (PAYLOAD.inputs[0].replace(dtype="float32"),)},
        {"inputs": (PAYLOAD.inputs[0].replace(name="z"),)},
        {"outputs": {"predict": ("z",)}},
        {"inputs": (PAYLOAD.inputs[0].replace(fields=("b",)),)},
    ],
    ids=["no inputs", "dtype", "name", "output", "field"],
)
def test_manifests_that_describe_another_graph(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidBundle):
        load(bundle(tmp_path, GOOD, **changes))


@pytest.mark.parametrize(
    "weight",
    [
        WEIGHT.replace(offset=72),
        WEIGHT.replace(offset=2**62),
        WEIGHT.replace(size=31),
        WEIGHT.replace(size=2**40),
        WEIGHT.replace(shape=(1, 5)),
        WEIGHT.replace(shape=(2**33, 2**31)),
        WEIGHT.replace(dtype="float32"),
        WEIGHT.replace(name="other"),
    ],
)
def test_weights_that_do_not_lie_in_their_member(tmp_path: Path, weight: Weight) -> None:
    with pytest.raises(InvalidBundle):
        load(bundle(tmp_path, WITH_WEIGHT, bytes(96), weights_member="onnx/weights.bin", weights=(weight,)))
