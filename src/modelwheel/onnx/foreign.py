"""skl2onnx: estimators without a converter of our own, whole or as parts of our graphs, by its public API."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwheel_loader.opening import GraphInput
from modelwheel_loader.text import clip

from .arrays import Array
from .exporting import quiet, sort_opsets
from .frames import Frame
from .result import Graph, Unconvertible

OPSETS = {"": 21, "ai.onnx.ml": 3}
"""Operator sets that onnxruntime 1.20 and newer run, and that skl2onnx writes trees for."""
_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")


def convert_by_skl2onnx(model: Any, inputs: Sequence[GraphInput], methods: Sequence[str]) -> Graph | str:
    """One conversion; the reason when it fails."""
    scores = _gives_scores(model, methods)
    try:
        made = _convert(model, _types(inputs), scores=scores)
        graph = _finished(made)
    except Exception as error:  # noqa: BLE001 - the converters of skl2onnx raise anything, NameError included
        return _reason(model, error)
    if any(node.op_type == "StringNormalizer" for node in made.graph.node):
        return "skl2onnx writes a graph that needs the locale en_US.UTF-8, which minimal systems lack"
    outputs = _outputs(model, [item.name for item in made.graph.output], methods, scores=scores)
    if not outputs:
        return "skl2onnx converts none of its prediction methods"
    used = {item.name for item in made.graph.input}
    return Graph(
        data=graph,
        inputs=tuple(item for item in inputs if item.name in used),
        outputs=outputs,
        opsets={item.domain: item.version for item in made.opset_import},
    )


def embed(model: Any, method: str, x: Frame) -> Array:
    """The output of `method` by a graph of skl2onnx that becomes part of ours; raises `Unconvertible` without one."""
    methods = [name for name in ("predict", "predict_proba", "decision_function", "transform") if hasattr(model, name)]
    scores = _gives_scores(model, methods) or (method == "decision_function" and _is_classifier(model))
    what = "by skl2onnx, with scores" if scores else "by skl2onnx"
    found = x.graph.once(what, (model, x), lambda: _spliced(model, x.matrix(), scores=scores))
    outputs = _outputs(model, list(found), [method], scores=scores)
    if method not in outputs:
        raise Unconvertible(f"{type(model).__name__}.{method} has no converter")
    answer = found[outputs[method][0]]
    # skl2onnx gives one target as a column
    return answer[:, 0] if method == "predict" and answer.ndim == 2 and answer.shape[1] == 1 else answer


def _spliced(model: Any, matrix: Array, *, scores: bool) -> dict[str, Array]:
    from onnx import helper
    from skl2onnx.common.data_types import DoubleTensorType

    try:
        made = _convert(model, [("x", DoubleTensorType([None, matrix.shape[1]]))], scores=scores)
    except Exception as error:
        raise Unconvertible(_reason(model, error)) from error
    if any(node.op_type == "StringNormalizer" for node in made.graph.node):
        raise Unconvertible("skl2onnx writes a graph that needs the locale en_US.UTF-8")
    graph = matrix.graph
    names = {"": "", "x": matrix.name}

    def renamed(name: str) -> str:
        if name not in names:
            names[name] = graph.name()
        return names[name]

    constants = {}
    for constant in made.graph.initializer:
        constant.name = renamed(constant.name)
        constants[constant.name] = constant
    for node in made.graph.node:
        if any(attribute.HasField("g") for attribute in node.attribute):
            raise Unconvertible(f"skl2onnx writes a loop for {type(model).__name__}")
        node.name = ""
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
        _without_defaults(node)
    graph.splice(list(made.graph.node), constants)
    found = {}
    for output in made.graph.output:
        kind = output.type.tensor_type
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        shape = tuple(axis.dim_value or None for axis in kind.shape.dim)
        found[output.name] = Array(graph, names[output.name], np.dtype(dtype), shape)
    return found


def _convert(model: Any, types: Sequence[tuple[str, Any]], *, scores: bool) -> Any:
    from skl2onnx import convert_sklearn

    with quiet():
        made = convert_sklearn(
            model,
            name="model",
            initial_types=list(types),
            options=_converter_options(model, scores=scores),
            target_opset=OPSETS,
        )
        if scores:
            _binary_scores(made, model)
    return made


def _reason(model: Any, error: Exception) -> str:
    if type(error).__name__ == "MissingShapeCalculator":
        return f"skl2onnx has no converter for {type(model).__name__} or a part of it"
    message = _CLASS.sub(r"\1", str(error).strip().partition("\n")[0])
    return f"skl2onnx does not convert {type(model).__name__}: {type(error).__name__}: {clip(message, 200)}"


def _types(inputs: Sequence[GraphInput]) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    kinds = {
        "float32": data_types.FloatTensorType,
        "float64": data_types.DoubleTensorType,
        "int64": data_types.Int64TensorType,
        "bool": data_types.BooleanTensorType,
        "string": data_types.StringTensorType,
    }
    return [(item.name, kinds[item.dtype](list(item.shape))) for item in inputs]


def _outputs(
    model: Any, names: Sequence[str], methods: Sequence[str], *, scores: bool
) -> Mapping[str, tuple[str, ...]]:
    """The graph outputs of each method, by the order in which skl2onnx writes them."""
    from sklearn.base import is_outlier_detector

    if _is_classifier(model):
        wanted = ("predict", "decision_function" if scores else "predict_proba")
    elif is_outlier_detector(model):
        wanted = ("predict", "decision_function")
    elif "predict" in methods:
        wanted = ("predict", "transform")  # regressors, and clusterers, which also give distances
    else:
        wanted = ("transform", "")
    pairs = zip(wanted, names, strict=False)
    return {method: (name,) for method, name in pairs if method in methods}


def _finished(made: Any) -> bytes:
    """The graph's bytes with modelwheel's metadata, and nothing about this machine."""
    made.producer_name = "modelwheel"
    made.producer_version = ""
    made.domain = ""
    made.doc_string = ""
    del made.metadata_props[:]
    for node in made.graph.node:
        _without_defaults(node)
    sort_opsets(made)
    graph: bytes = made.SerializeToString(deterministic=True)
    return graph


def _without_defaults(node: Any) -> None:
    """Drop the optional attributes of trees: a fifth of the file, and of the time to open it."""
    if not node.op_type.startswith("TreeEnsemble"):
        return
    for attribute in list(node.attribute):
        unused = attribute.name.startswith("nodes_hitrates")
        if unused or (attribute.name == "nodes_missing_value_tracks_true" and not any(attribute.ints)):
            node.attribute.remove(attribute)


# --- classifiers ---


def _is_classifier(model: Any) -> bool:
    """Whether scikit-learn calls it a classifier."""
    from sklearn import base

    return bool(base.is_classifier(model))


def _gives_scores(model: Any, methods: Sequence[str]) -> bool:
    """Whether the second output is `decision_function`: one graph has either that or `predict_proba`."""
    return _is_classifier(model) and "decision_function" in methods and "predict_proba" not in methods


def _converter_options(model: Any, *, scores: bool) -> dict[int, dict[str, bool]] | None:
    """Options by the id of the estimator: probabilities as one array, or scores."""
    from sklearn.svm import LinearSVC

    if not _is_classifier(model):
        return None
    last = _last_estimator(model)
    if isinstance(last, LinearSVC):  # the one classifier that has no `zipmap`
        return {id(last): {"raw_scores": scores}}
    # both ids: skl2onnx looks under either, and negates the scores of an SVC in a pipeline without them
    options = {"zipmap": False, **({"raw_scores": True} if scores else {})}
    return {id(model): options, id(last): options}


def _last_estimator(model: Any) -> Any:
    """The final estimator of a pipeline or a search."""
    while True:
        if hasattr(model, "steps"):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def _binary_scores(made: Any, model: Any) -> None:
    """Change the second output from one column per class to the scores of the second class, of shape (rows,).

    That is what `decision_function` answers when there are two classes.
    """
    if len(model.classes_) != 2 or len(made.graph.output) < 2:
        return
    from onnx import helper, numpy_helper

    output = made.graph.output[1]
    kind = output.type.tensor_type.elem_type
    made.graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "second_class"))
    made.graph.node.append(helper.make_node("Gather", [output.name, "second_class"], ["scores"], axis=1))
    made.graph.output[1].CopyFrom(helper.make_tensor_value_info("scores", kind, [None]))
