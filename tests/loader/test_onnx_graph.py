from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from graphs import constant, data, external, function, graph, model, node, value
from modelwheel_loader.errors import InvalidBundle
from modelwheel_loader.limits import Limits
from modelwheel_loader.opening.graph import MOST_ELEMENTS, check_graph
from modelwheel_loader.opening.manifest import Weight

WEIGHT = Weight(name="w", dtype="float32", shape=(3, 2), offset=0, size=24)


def refused(graph_data: bytes, **options: Any) -> list[str]:
    with pytest.raises(InvalidBundle) as caught:
        check_graph(graph_data, **options)
    assert {defect.code for defect in caught.value.defects} == {"onnx.graph"}
    return [defect.message for defect in caught.value.defects]


def test_a_graph_tells_what_it_takes_and_gives() -> None:
    info = check_graph(
        data(
            inputs=[value("x"), value("names", TensorProto.STRING, ["n", 1]), value("k", TensorProto.INT64, [])],
            outputs=[value("y", TensorProto.DOUBLE, [None, 2])],
            opsets={"": 21, "ai.onnx.ml": 3},
        )
    )
    assert vars(info) == {
        "inputs": {"x": ("float32", (None, 3)), "names": ("string", (None, 1)), "k": ("int64", ())},
        "outputs": {"y": ("float64", (None, 2))},
        "opsets": {"": 21, "ai.onnx.ml": 3},
        "nodes": 1,
        "ir_version": 10,
    }


def test_memory_views_are_walked_like_bytes() -> None:
    made = data(initializers=[constant("c", np.zeros(1000))])
    assert vars(check_graph(memoryview(made))) == vars(check_graph(made))


def test_inputs_that_are_no_tensors_have_no_dtype() -> None:
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    assert check_graph(data(inputs=[sequence])).inputs == {"x": ("?", ())}


def test_weights_among_the_inputs_are_no_inputs() -> None:
    made = data(inputs=[value("x"), value("c", TensorProto.INT64, [1])], initializers=[constant("c", [1])])
    assert list(check_graph(made).inputs) == ["x"]


def test_all_defects_are_told_at_once() -> None:
    made = data(
        [node("EPContext", ["x"], ["y"], domain="com.microsoft"), node("Run", ["x"], ["z"], domain="evil")],
        opsets={"": 2**31, "evil": 1},
        initializers=[external("w", [3])],
    )
    assert refused(made) == [
        "a tensor lies outside the file",
        "uses an operator that is not allowed",
        "uses an operator that is not allowed",
        "asks for the operator set 2147483648",
        "uses a domain of operators that is not allowed",
    ]


def test_the_defects_that_are_kept_are_bounded_and_all_are_counted() -> None:
    made = data(initializers=[external(f"w{number}", [3]) for number in range(300)])
    with pytest.raises(InvalidBundle) as caught:
        check_graph(made)
    assert (len(caught.value.defects), caught.value.counted) == (100, 300)


# -- weights that the manifest declares ----------------------------------------------------------------------------


def test_a_declared_weight_may_lie_outside() -> None:
    assert check_graph(data(initializers=[external("w", [3, 2])]), weights=[WEIGHT]).nodes == 1


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (external("w", [3, 3]), "another type or shape"),
        (external("w", [3, 2], TensorProto.DOUBLE), "another type or shape"),
        (external("w", [3, 2], location="/etc/passwd"), "must be in weights.bin"),
        (external("v", [3, 2]), "lies outside the file"),
        (constant("w", np.zeros((3, 2)), "float32"), "does not have"),
    ],
)
def test_a_weight_is_as_the_manifest_says(tensor: Any, message: str) -> None:
    assert any(message in found for found in refused(data(initializers=[tensor]), weights=[WEIGHT]))


@pytest.mark.parametrize("other", [external("w", [3, 2]), constant("w", 1.0, "float32")])
def test_an_initializer_that_is_there_twice_is_refused(other: Any) -> None:
    made = data(initializers=[external("w", [3, 2]), other])
    assert refused(made, weights=[WEIGHT]) == ["an initializer is there twice"]


def test_a_declared_weight_is_one_of_the_main_graph_only() -> None:
    inner = graph(inputs=[], initializers=[external("w", [3, 2])])
    made = data([node("If", ["x"], ["y"], then_branch=inner, else_branch=graph(inputs=[]))])
    messages = refused(made, weights=[WEIGHT])
    assert "a tensor lies outside the file" in messages


# -- operators, domains, functions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("domain", ["", "ai.onnx", "ai.onnx.ml"])
def test_standard_operators_are_allowed(domain: str) -> None:
    assert check_graph(data([node("Anything", ["x"], ["y"], domain=domain)], opsets={"": 21, domain: 3})).nodes == 1


def test_listed_operators_of_onnxruntime_are_allowed() -> None:
    made = data([node("Gelu", ["x"], ["y"], domain="com.microsoft")], opsets={"": 21, "com.microsoft": 1})
    assert check_graph(made).opsets == {"": 21, "com.microsoft": 1}


@pytest.mark.parametrize("opset", [0, -1, 101])
def test_operator_sets_are_bounded(opset: int) -> None:
    assert refused(data(opsets={"": opset})) == [f"asks for the operator set {opset}"]


@pytest.mark.parametrize("version", [0, -3, 1000])
def test_ir_versions_are_bounded(version: int) -> None:
    assert refused(data(ir_version=version)) == [f"has the IR version {version}"]


def test_functions_of_the_file_are_operators() -> None:
    twice = function("Twice", [node("Add", ["a", "a"], ["b"])])
    made = data([node("Twice", ["x"], ["y"], domain="own")], functions=[twice], opsets={"": 21, "own": 1})
    assert check_graph(made).nodes == 1


def test_functions_that_call_themselves_are_refused() -> None:
    one = function("One", [node("Two", ["a"], ["b"], domain="own")])
    two = function("Two", [node("One", ["a"], ["b"], domain="own")])
    made = data([node("One", ["x"], ["y"], domain="own")], functions=[one, two], opsets={"": 21, "own": 1})
    assert refused(made) == ["its functions call themselves"]


def test_functions_in_the_default_domain_are_no_way_around() -> None:
    own = function("Loopy", [node("Loopy", ["a"], ["b"])], domain="ai.onnx", opsets={"": 21})
    assert refused(data([node("Loopy", ["x"], ["y"])], functions=[own])) == ["its functions call themselves"]


def test_nodes_in_the_branches_of_functions_count_each_time() -> None:
    branch = graph([node("Neg", ["a"], [f"n{number}"]) for number in range(40)], inputs=[], outputs=[])
    many = function("Many", [node("If", ["a"], ["b"], then_branch=branch, else_branch=branch)])
    nodes = [node("Many", ["x"], [f"y{number}"], domain="own") for number in range(20)]
    made = data(nodes, functions=[many], opsets={"": 21, "own": 1})
    assert check_graph(made, limits=Limits(onnx_nodes=2_000)).nodes == 20
    assert "written out" in refused(made, limits=Limits(onnx_nodes=1_000))[0]


def test_the_number_of_nodes_is_bounded() -> None:
    made = data([node("Neg", ["x"], [f"y{number}"]) for number in range(30)])
    assert refused(made, limits=Limits(onnx_nodes=29)) == ["has more than 29 nodes"]


# -- tensors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tensor",
    [
        helper.make_tensor("t", TensorProto.FLOAT, [2], [1.0, 2.0]),
        helper.make_tensor("t", TensorProto.DOUBLE, [2], [1.0, 2.0]),
        helper.make_tensor("t", TensorProto.INT64, [2], [1, -2]),
        helper.make_tensor("t", TensorProto.UINT32, [2], [1, 2]),
        helper.make_tensor("t", TensorProto.BOOL, [3], [1, 0, 1]),
        helper.make_tensor("t", TensorProto.FLOAT16, [2], [1.0, 2.0]),
        helper.make_tensor("t", TensorProto.BFLOAT16, [2], [1.0, 2.0]),
        helper.make_tensor("t", TensorProto.COMPLEX64, [2], [1 + 1j, 2]),
        helper.make_tensor("t", TensorProto.COMPLEX128, [2], [1 + 1j, 2]),
        helper.make_tensor("t", TensorProto.INT4, [3], [1, 2, 3]),
        helper.make_tensor("t", TensorProto.FLOAT8E4M3FN, [2], [1.0, 2.0]),
        helper.make_tensor("t", TensorProto.STRING, [2], [b"a", b"bc"]),
        helper.make_tensor("t", TensorProto.INT64, [0], []),
        helper.make_tensor("t", TensorProto.INT64, [], [5]),
        constant("t", [[1, 2], [3, 4]], "float64"),
    ],
    ids=lambda tensor: f"{TensorProto.DataType.Name(tensor.data_type)}-{'raw' if tensor.raw_data else 'typed'}",
)
def test_tensors_with_their_data_are_allowed(tensor: Any) -> None:
    assert check_graph(data(initializers=[tensor])).nodes == 1


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (TensorProto(name="t", data_type=1, dims=[3], raw_data=b"12345678"), "bytes do not fit"),
        (TensorProto(name="t", data_type=22, dims=[3], raw_data=b"1"), "bytes do not fit"),
        (TensorProto(name="t", data_type=8, dims=[1], raw_data=b"1"), "bytes do not fit"),
        (TensorProto(name="t", data_type=1, dims=[2**40]), "values do not fit"),
        (TensorProto(name="t", data_type=1, dims=[2], float_data=[1.0]), "values do not fit"),
        (TensorProto(name="t", data_type=11, dims=[2**20], double_data=[1.0]), "values do not fit"),
        (TensorProto(name="t", data_type=8, dims=[2**30], string_data=[b"a"]), "values do not fit"),
        (TensorProto(name="t", data_type=1, dims=[-2]), "negative axis"),
        (TensorProto(name="t", data_type=1, dims=[1] * 65, raw_data=b"1234"), "more than 64 axes"),
        (TensorProto(name="t", data_type=77, dims=[1], raw_data=b"1"), "unknown element type"),
    ],
)
def test_tensors_whose_data_does_not_fit_are_refused(tensor: Any, message: str) -> None:
    assert message in refused(data(initializers=[tensor]))[0]


def test_a_million_axes_are_no_work() -> None:
    made = data(initializers=[TensorProto(name="t", data_type=1, dims=[2**62] * 1_000_000)])
    assert refused(made) == ["a tensor has more than 64 axes"]


# -- sizes that constants ask for ----------------------------------------------------------------------------------

HUGE = MOST_ELEMENTS + 1


@pytest.mark.parametrize(
    ("operator", "constants"),
    [
        ("ConstantOfShape", [[2**18, 2**18]]),
        ("ConstantOfShape", [[HUGE]]),
        ("Expand", [None, [HUGE, 1]]),
        ("Tile", [None, [HUGE]]),
        ("OneHot", [None, HUGE, None]),
        ("Resize", [None, None, None, [1, HUGE]]),
        ("Resize", [None, None, [1, HUGE]]),
        ("Upsample", [None, [2**14, 2**15]]),
        ("CenterCropPad", [None, [HUGE]]),
        ("Pad", [None, [0, HUGE]]),
        ("Pad", [None, [2**14, -(2**14), 2**14, 0]]),
        ("HannWindow", [HUGE]),
        ("HammingWindow", [HUGE]),
        ("BlackmanWindow", [HUGE]),
        ("Loop", [HUGE, None]),
        ("Range", [0, HUGE, 1]),
        ("Range", [0, 100, 0]),
    ],
)
def test_constants_that_ask_for_absurd_sizes_are_refused(operator: str, constants: list[Any]) -> None:
    names = [f"c{place}" if item is not None else "x" for place, item in enumerate(constants)]
    made = [constant(name, item) for name, item in zip(names, constants, strict=True) if item is not None]
    assert f"{operator} asks for" in refused(data([node(operator, names, ["y"])], initializers=made))[0]


def test_what_a_graph_asks_for_is_added_up() -> None:
    """onnxruntime works out constants when it opens a graph, and keeps them: twenty took all memory."""
    half = constant("s", [MOST_ELEMENTS // 2])
    nodes = [node("ConstantOfShape", ["s"], [f"y{number}"]) for number in range(3)]
    assert check_graph(data(nodes[:2], initializers=[half])).nodes == 2
    (said,) = refused(data(nodes, initializers=[half]))
    assert "with all before it" in said


def test_padding_of_pictures_is_allowed() -> None:
    made = data([node("Pad", ["x", "s"], ["y"])], initializers=[constant("s", [0, 0, 100, 100, 0, 0, 100, 100])])
    assert check_graph(made).nodes == 1


def test_the_same_with_small_constants_is_allowed() -> None:
    shape = constant("s", [1000, 3])
    made = data(
        [
            node("ConstantOfShape", ["s"], ["a"]),
            node("Expand", ["x", "s"], ["b"]),
            node("Range", ["i", "j", "k"], ["y"]),
        ],
        initializers=[
            shape,
            constant("i", 0.0, "float32"),
            constant("j", 9.0, "float32"),
            constant("k", 0.5, "float32"),
        ],
    )
    assert check_graph(made).nodes == 3


@pytest.mark.parametrize(
    "attributes",
    [
        {"value": constant("", [HUGE])},
        {"value": helper.make_tensor("", TensorProto.INT64, [1], [HUGE])},
        {"value": constant("", [HUGE], "int32")},
        {"value": helper.make_tensor("", TensorProto.FLOAT, [1], [1e30])},
        {"value_int": HUGE},
        {"value_ints": [HUGE, 1]},
        {"value_float": 1e30},
        {"value_floats": [1e30]},
        {"value_floats": [float("nan")]},
    ],
)
def test_constants_of_nodes_are_seen(attributes: dict[str, Any]) -> None:
    made = data([node("Constant", [], ["s"], **attributes), node("ConstantOfShape", ["s"], ["y"])])
    assert "ConstantOfShape asks for" in refused(made)[0]


def test_constants_are_seen_inside_branches() -> None:
    inner = graph([node("ConstantOfShape", ["s"], ["y"])], inputs=[])
    made = data([node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)], initializers=[constant("s", [HUGE])])
    assert len(refused(made)) == 2


def test_constants_of_a_branch_are_not_seen_outside() -> None:
    inner = graph([node("Constant", [], ["s"], value_int=HUGE)], inputs=[], outputs=[])
    made = data([node("If", ["x"], ["z"], then_branch=inner, else_branch=inner), node("ConstantOfShape", ["s"], ["y"])])
    assert check_graph(made).nodes == 4


def test_random_tensors_of_absurd_shape_are_refused() -> None:
    assert "RandomNormal asks for" in refused(data([node("RandomNormal", [], ["y"], shape=[HUGE])]))[0]
    assert check_graph(data([node("RandomUniform", [], ["y"], shape=[10, 10], low=0.5)])).nodes == 1


def test_long_lists_of_a_constant_are_no_shape() -> None:
    made = data([node("Constant", [], ["s"], value_ints=[HUGE] * 5000), node("ConstantOfShape", ["s"], ["y"])])
    assert check_graph(made).nodes == 2


# -- what onnx itself makes ----------------------------------------------------------------------------------------


def test_what_is_walked_is_what_onnx_reads() -> None:
    """Every node, at any depth, is counted once."""
    inner = graph([node("Neg", ["x"], ["y"])] * 3, inputs=[])
    middle = graph([node("If", ["x"], ["y"], then_branch=inner, else_branch=inner)], inputs=[])
    made = model([node("If", ["x"], ["y"], then_branch=middle, else_branch=inner)])

    def count(part: Any) -> int:
        branches = [attribute.g for one in part.node for attribute in one.attribute if attribute.HasField("g")]
        return len(part.node) + sum(map(count, branches))

    assert check_graph(made.SerializeToString()).nodes == count(made.graph) == 1 + 3 + 1 + 6


@pytest.mark.parametrize("bad", [b"", b"\x08\x0a", b"\x3a\x00\x3a\x00\x08\x0a"])
def test_a_file_holds_one_graph(bad: bytes) -> None:
    assert "must hold one graph" in refused(bad)


def test_fields_of_another_wire_type_are_unknown_to_parsers_and_to_us() -> None:
    tail = b"\x38\x01\x40\x01\x70\x01\xc8\x01\x01"  # graph, opset_import, metadata_props and functions as numbers
    assert vars(check_graph(data() + tail)) == vars(check_graph(data()))
    own = function("F", [node("Identity", ["a"], ["b"])]).SerializeToString() + b"\x38\x01"
    made = (
        data([node("F", ["x"], ["y"], domain="own")], opsets={"": 21, "own": 1}) + b"\xca\x01" + bytes([len(own)]) + own
    )
    assert check_graph(made).nodes == 1
