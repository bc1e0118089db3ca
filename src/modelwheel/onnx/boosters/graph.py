"""The graph of a booster that stands alone: one matrix in, one output per method."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.opening.manifest import GraphInput
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.types import Bool, Float, Integer, Tensor
from modelwheel_loader.text import clip

from ..arrays import Array
from ..estimators import column_names, graph_inputs
from ..families.boosters import read_booster, written
from ..frames import Frame
from ..result import Conversion, Graph
from ..translate import translate
from ..untyped import np
from .emit import ML, Nodes, write
from .trees import Boosted, NotConvertible

OPSETS = {"": 21, ML: 3}
_IR = 10


def convert_booster(model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
    """The graph of a booster of XGBoost, LightGBM or CatBoost, or of its scikit-learn wrapper. Needs onnx."""
    try:
        boosted = read_booster(model)
        if boosted.trees.tables or boosted.categories:
            yield _of_columns(boosted, schema, methods)
            return
        matrix = matrix_input(schema, "float32" if boosted.single else "float64")
        yield _graph(boosted, matrix, methods)
    except NotConvertible as error:
        yield str(error)


def _of_columns(boosted: Boosted, schema: Schema, methods: Sequence[str]) -> Graph | str:
    """The graph of a booster that is fed categories: one input for each column."""
    inputs = next(graph_inputs(schema))
    return inputs if isinstance(inputs, str) else translate(boosted, inputs, column_names(schema), methods, _answer)


def _answer(boosted: Boosted, method: str, x: Frame) -> Array:
    found = x.graph.once("boosted", (boosted, x), lambda: written(boosted, x))
    if method == "predict":
        return found["labels" if "labels" in found else "scores"]
    probabilities = found["probabilities"]
    return np.log(probabilities) if method == "predict_log_proba" else probabilities


def matrix_input(schema: Schema, dtype: str) -> GraphInput:
    """The one input that all fields feed together; raises `NotConvertible` where they are not all numbers."""
    first = schema.fields[0]
    if schema.layout == "array" and isinstance(first.type, Tensor):
        if first.type.sparse or len(first.type.shape) != 1:
            raise NotConvertible("trees in ONNX take a dense row of numbers")
        return GraphInput(name="x", dtype=dtype, fields=(first.name,), shape=(None, first.type.shape[0]))
    if schema.layout not in ("frame", "matrix"):
        raise NotConvertible(f"trees in ONNX have no input for data of the layout {schema.layout!r}")
    for field in schema.fields:
        if not isinstance(field.type, Bool | Integer | Float):
            raise NotConvertible(f"the field {clip(field.name)!r} is a {field.type}, and trees in ONNX compare numbers")
    return GraphInput(name="x", dtype=dtype, fields=schema.names, shape=(None, len(schema)))


def _graph(boosted: Boosted, matrix: GraphInput, methods: Sequence[str]) -> Graph:
    from onnx import TensorProto, helper, numpy_helper

    counter = itertools.count()
    nodes = Nodes(unique=lambda name: f"{name}_{next(counter)}")
    wide = matrix.dtype == "float64"
    found = write(boosted, nodes, matrix.name, wide=wide)
    answers = {"predict": found.get("labels", found.get("scores")), "predict_proba": found.get("probabilities")}
    if "predict_log_proba" in methods and "probabilities" in found:
        answers["predict_log_proba"] = nodes.add("Log", found["probabilities"])
    outputs = {name: output for name, output in answers.items() if output is not None and name in methods}
    kind = TensorProto.DOUBLE if wide else TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node(operator, list(inputs), [output], domain=domain, **attributes)
            for operator, inputs, output, domain, attributes in nodes.nodes
        ],
        "model",
        [helper.make_tensor_value_info(matrix.name, kind, [None, matrix.shape[1]])],
        [_output(name, _kind_of(boosted, output == found.get("labels"))) for name, output in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in nodes.constants.items()],
    )
    for name, output in outputs.items():  # outputs are called as the methods are
        graph.node.append(helper.make_node("Identity", [output], [name]))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid(*item) for item in OPSETS.items()])
    made.ir_version = _IR
    made.producer_name = "modelwheel"
    data: bytes = made.SerializeToString(deterministic=True)
    return Graph(data=data, inputs=(matrix,), outputs={name: (name,) for name in outputs}, opsets=OPSETS)


def _output(name: str, kind: int) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, kind, None)


def _kind_of(boosted: Boosted, labels: bool) -> int:  # noqa: FBT001 - of one caller
    from onnx import TensorProto, helper

    if not labels or boosted.classes is None:
        return int(TensorProto.DOUBLE if boosted.trees.double else TensorProto.FLOAT)
    import numpy as np

    dtype = np.asarray(boosted.classes).dtype
    return int(TensorProto.STRING if dtype.kind == "U" else helper.np_dtype_to_tensor_dtype(dtype))
