"""Small ONNX files for tests: a dict of what differs from a graph that runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def value(name: str, kind: int = TensorProto.FLOAT, shape: Sequence[int | str | None] | None = (None, 3)) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any) -> Any:
    return helper.make_node(operator, inputs, outputs, domain=domain, **attributes)


def constant(name: str, values: Any, dtype: str = "int64") -> Any:
    return numpy_helper.from_array(np.asarray(values, dtype=dtype), name)


def graph(
    nodes: Sequence[Any] | None = None,
    *,
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
    initializers: Sequence[Any] = (),
    name: str = "g",
) -> Any:
    return helper.make_graph(
        [node("Identity", ["x"], ["y"])] if nodes is None else list(nodes),
        name,
        [value("x")] if inputs is None else list(inputs),
        [value("y", shape=None)] if outputs is None else list(outputs),
        list(initializers),
    )


def model(
    nodes: Sequence[Any] | None = None,
    *,
    opsets: dict[str, int] | None = None,
    functions: Sequence[Any] = (),
    ir_version: int = 10,
    **parts: Any,
) -> Any:
    """A `ModelProto`; `parts` are those of `graph`."""
    made: onnx.ModelProto = helper.make_model(
        graph(nodes, **parts),
        opset_imports=[helper.make_opsetid(*item) for item in (opsets or {"": 21}).items()],
        functions=list(functions),
    )
    made.ir_version = ir_version
    return made


def data(*args: Any, **parts: Any) -> bytes:
    """The bytes of `model(…)`."""
    made: bytes = model(*args, **parts).SerializeToString()
    return made


def function(name: str, nodes: Sequence[Any], domain: str = "own", opsets: dict[str, int] | None = None) -> Any:
    imports = [helper.make_opsetid(*item) for item in (opsets or {"": 21, "own": 1}).items()]
    return helper.make_function(domain, name, ["a"], ["b"], list(nodes), imports)


def external(name: str, shape: Sequence[int], kind: int = TensorProto.FLOAT, location: str = "weights.bin") -> Any:
    """A tensor whose data is said to lie in another file."""
    tensor = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    return tensor
