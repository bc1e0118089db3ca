"""THREATS row 13: hostile ONNX files. Each is refused by a typed error before any runtime sees it, or does no harm."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from graphs import constant, data, external, function, graph, model, node, value
from modelwheel_loader.errors import InvalidBundle
from modelwheel_loader.opening.graph import check_graph

OUTSIDE = external("w", [3], location="/etc/passwd")


def refused(made: bytes, message: str) -> None:
    with pytest.raises(InvalidBundle, match=re.escape(message)) as caught:
        check_graph(made)
    assert caught.value.code == "onnx.graph"


# -- data outside the file ------------------------------------------------------------------------------------------


def sparse(values: Any, indices: Any, shape: list[int]) -> Any:
    return onnx.SparseTensorProto(values=values, indices=indices, dims=shape)


def in_sparse_initializer(part: str) -> bytes:
    made = model()
    inside = {"values": constant("v", [1.0], "float32"), "indices": constant("i", [0]), part: OUTSIDE}
    made.graph.sparse_initializer.append(sparse(**inside, shape=[3]))
    return bytes(made.SerializeToString())


def in_tensors_attribute() -> bytes:
    made = model()
    made.graph.node[0].attribute.append(helper.make_attribute("t", [OUTSIDE]))
    return bytes(made.SerializeToString())


def in_sparse_attribute(*, repeated: bool) -> bytes:
    made = model([node("Constant", [], ["y"])])
    tensor = sparse(OUTSIDE, constant("i", [0]), [3])
    made.graph.node[0].attribute.append(helper.make_attribute("sparse_value", [tensor] if repeated else tensor))
    return bytes(made.SerializeToString())


def in_subgraph(depth: int) -> bytes:
    inner = graph(inputs=[], initializers=[OUTSIDE])
    for _ in range(depth):
        inner = graph([node("If", ["x"], ["y"], then_branch=inner, else_branch=graph(inputs=[]))], inputs=[])
    return data([node("If", ["x"], ["y"], then_branch=inner, else_branch=graph(inputs=[]))])


def in_graphs_attribute() -> bytes:
    made = model()
    made.graph.node[0].attribute.append(helper.make_attribute("gs", [graph(initializers=[OUTSIDE])]))
    return bytes(made.SerializeToString())


def in_function() -> bytes:
    own = function("F", [node("Constant", [], ["b"], value=OUTSIDE)])
    return data([node("F", ["x"], ["y"], domain="own")], functions=[own], opsets={"": 21, "own": 1})


def in_default_of_function() -> bytes:
    own = function("F", [node("Identity", ["a"], ["b"])])
    own.attribute_proto.append(helper.make_attribute("t", OUTSIDE))
    return data([node("F", ["x"], ["y"], domain="own")], functions=[own], opsets={"": 21, "own": 1})


def without_location() -> bytes:
    made = external("w", [3])
    del made.external_data[:]
    return data(initializers=[made])


def with_data_as_well() -> bytes:
    made = constant("w", [1.0], "float32")
    made.external_data.add(key="location", value="/etc/passwd")
    return data(initializers=[made])


@pytest.mark.parametrize(
    "build",
    [
        lambda: data(initializers=[OUTSIDE]),
        lambda: in_sparse_initializer("values"),
        lambda: in_sparse_initializer("indices"),
        lambda: data([node("Constant", [], ["y"], value=OUTSIDE)]),
        in_tensors_attribute,
        lambda: in_sparse_attribute(repeated=False),
        lambda: in_sparse_attribute(repeated=True),
        lambda: in_subgraph(0),
        lambda: in_subgraph(5),
        in_graphs_attribute,
        in_function,
        in_default_of_function,
        without_location,
        with_data_as_well,
    ],
)
def test_data_outside_the_file(build: Callable[[], bytes]) -> None:
    refused(build(), "a tensor lies outside the file")


def test_training_information() -> None:
    made = model()
    made.training_info.append(onnx.TrainingInfoProto(algorithm=graph(initializers=[OUTSIDE])))
    refused(made.SerializeToString(), "holds training information")


def test_an_enumeration_beyond_32_bits_is_what_parsers_make_of_it() -> None:
    tensor = TensorProto(name="w", data_type=1, dims=[1], raw_data=b"1234").SerializeToString()
    tensor += b"\x70\x81\x80\x80\x80\x10"  # data_location = 2**32 + 1, which parsers read as 1: EXTERNAL
    assert TensorProto.FromString(tensor).data_location == TensorProto.EXTERNAL
    inner = b"\x2a" + bytes([len(tensor)]) + tensor
    refused(b"\x08\x0a\x3a" + bytes([len(inner)]) + inner, "a tensor lies outside the file")


def test_two_graphs_that_parsers_merge_into_one() -> None:
    refused(data() + data(initializers=[OUTSIDE]), "must hold one graph")


# -- code ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("domain", "operator"),
    [
        ("com.microsoft", "EPContext"),
        ("com.microsoft", "PyOp"),
        ("com.microsoft.nchwc", "Conv"),
        ("com.microsoft.extensions", "PyCustomOp"),
        ("ai.onnx.contrib", "PyOp"),
        ("ai.onnx.preview.training", "Adam"),
        ("org.pytorch.aten", "ATen"),
        ("pyopmulti", "PyOp"),
        ("ai.onnx\0", "Add"),
        ("ai.onnx.ml ", "Scaler"),
        ("a" * 100_000, "Add"),
    ],
)
def test_operators_that_run_code_or_are_not_standard(domain: str, operator: str) -> None:
    made = data([node(operator, ["x"], ["y"], domain=domain)], opsets={"": 21, domain: 1})
    refused(made, "uses an operator that is not allowed")


def test_such_operators_inside_functions_and_branches() -> None:
    bad = node("EPContext", ["a"], ["b"], domain="com.microsoft")
    own = function("F", [bad])
    refused(data([node("F", ["x"], ["y"], domain="own")], functions=[own], opsets={"": 21, "own": 1}), "not allowed")
    branch = graph([bad], inputs=[], outputs=[])
    refused(data([node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)]), "not allowed")


@pytest.mark.parametrize("key", ["ort_config", "ORT_CONFIG", "ep_context"])
def test_metadata_that_configure_the_runtime(key: str) -> None:
    made = model()
    made.metadata_props.add(key=key, value='{"session_options": {}}')
    refused(made.SerializeToString(), "its metadata configure the runtime")


# -- bombs -----------------------------------------------------------------------------------------------------------


def test_functions_that_write_out_to_2_to_the_30_nodes() -> None:
    levels = [function("L0", [node("Neg", ["a"], ["b"])])]
    levels += [
        function(
            f"L{number}",
            [node(f"L{number - 1}", [*source], [*target], domain="own") for source, target in ("ac", "cb")],
        )
        for number in range(1, 31)
    ]
    made = data([node("L30", ["x"], ["y"], domain="own")], functions=levels, opsets={"": 21, "own": 1})
    refused(made, "when its functions are written out")


def test_functions_nested_thousands_deep() -> None:
    levels = [function("L0", [node("Neg", ["a"], ["b"])])]
    levels += [function(f"L{n}", [node(f"L{n - 1}", ["a"], ["b"], domain="own")] * 2) for n in range(1, 5_000)]
    made = data([node("L4999", ["x"], ["y"], domain="own")], functions=levels, opsets={"": 21, "own": 1})
    refused(made, "when its functions are written out")


def length_prefixed(tag: int, inner: bytes) -> bytes:
    size, prefix = len(inner), bytearray([tag])
    while size >= 0x80:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*prefix, size]) + inner


def test_graphs_nested_thousands_deep() -> None:
    inner = b""
    for _ in range(2_000):
        # graph { node { attribute { g { … } } } }
        inner = length_prefixed(0x0A, length_prefixed(0x2A, length_prefixed(0x32, inner)))
    refused(b"\x08\x0a" + length_prefixed(0x3A, inner), "nests graphs deeper than 64 levels")


def test_sparse_tensors_that_fill_the_memory_when_made_dense() -> None:
    made = model()
    made.graph.sparse_initializer.append(sparse(constant("v", [1.0], "float32"), constant("i", [0]), [2**20, 2**20]))
    refused(made.SerializeToString(), "a sparse tensor asks for more than")
    made.graph.sparse_initializer[0].dims[:] = [1] * 100
    refused(made.SerializeToString(), "a sparse tensor asks for more than")
    made.graph.sparse_initializer[0].dims[:] = [10, 10]
    assert check_graph(made.SerializeToString()).nodes == 1


def test_a_tensor_of_a_terabyte_without_data() -> None:
    refused(data(initializers=[TensorProto(name="t", data_type=1, dims=[2**38])]), "values do not fit its shape")


@pytest.mark.parametrize("one", [b"\x08\x01", b"\x3a\x00", b"\x72\x00", b"\x2a\x00"])
def test_millions_of_tiny_fields(one: bytes) -> None:
    with pytest.raises(InvalidBundle):
        check_graph(one * (5_100_000 if one == b"\x08\x01" else 300_000))


def test_millions_of_tiny_fields_in_every_place() -> None:
    inner = length_prefixed(0x3A, b"\x0a\x00" * 1_100_000)  # nodes
    refused(b"\x08\x0a" + inner, "has more than 1,000,000 nodes")


# -- text ------------------------------------------------------------------------------------------------------------


def test_names_are_shown_safely() -> None:
    with pytest.raises(InvalidBundle) as caught:
        check_graph(data(initializers=[external("\x1b[31m\u202e" + "w" * 100_000, [3])]))
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 1_000


# -- anything --------------------------------------------------------------------------------------------------------

VALID = data(
    [
        node("Constant", [], ["s"], value_ints=[1, 2, 3]),
        node("F", ["x"], ["z"], domain="own"),
        node("If", ["c"], ["y"], then_branch=graph(inputs=[]), else_branch=graph(inputs=[])),
    ],
    inputs=[value("x"), value("c", TensorProto.BOOL, [])],
    initializers=[
        constant("w", np.arange(300).reshape(3, 100)),
        helper.make_tensor("t", TensorProto.FLOAT, [2], [1, 2]),
    ],
    functions=[function("F", [node("Identity", ["a"], ["b"])])],
    opsets={"": 21, "own": 1},
)


def walked(made: bytes) -> None:
    """It is fine, or it is refused; nothing else comes out."""
    with contextlib.suppress(InvalidBundle):
        check_graph(made)


def test_the_graph_that_is_broken_below_is_whole() -> None:
    assert check_graph(VALID).nodes == 5


def test_every_truncation() -> None:
    for size in range(len(VALID)):
        walked(VALID[:size])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(VALID) - 1), st.binary(max_size=6), st.integers(0, 6)), min_size=1, max_size=6
    )
)
def test_changed_bytes(changes: list[tuple[int, bytes, int]]) -> None:
    made = bytearray(VALID)
    for place, new, cut in changes:
        made[place : place + cut] = new
    walked(bytes(made))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes(made: bytes) -> None:
    walked(made)
    walked(length_prefixed(0x3A, made))
    walked(length_prefixed(0x3A, length_prefixed(0x0A, length_prefixed(0x2A, made))))
    walked(length_prefixed(0x3A, length_prefixed(0x2A, made)))
    walked(length_prefixed(0x3A, length_prefixed(0x7A, made)))
    walked(length_prefixed(0xCA, made))


def test_nothing_is_imported_or_opened() -> None:
    program = (
        "import sys, numpy\n"
        "from modelwheel_loader.opening.graph import check_graph\n"
        "data = sys.stdin.buffer.read()\n"
        "seen = []\n"
        "sys.addaudithook(lambda event, args: seen.append(event))\n"
        "try: check_graph(data)\n"
        "except Exception as error: assert type(error).__name__ == 'InvalidBundle', error\n"
        "assert not set(seen) & {'open', 'import', 'socket.connect', 'subprocess.Popen', 'exec'}, set(seen)\n"
        "assert not {'onnx', 'onnxruntime', 'google.protobuf'} & set(sys.modules)\n"
    )
    for made in (VALID, in_function()):
        subprocess.run([sys.executable, "-c", program], input=made, check=True, timeout=60)
