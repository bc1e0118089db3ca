"""scikit-learn estimators as ONNX graphs, by skl2onnx. Whether they answer as the original does is measured later."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwheel_loader.errors import MissingExtra
from modelwheel_loader.manifest import GraphInput
from modelwheel_loader.schema import Field, Schema
from modelwheel_loader.text import clip
from modelwheel_loader.types import Bool, Category, Float, Integer, String, Tensor

from .candidates import Candidate, Conversion
from .classifiers import binary_scores, converter_options, gives_scores, is_classifier
from .converters import custom

OPSETS = {"": 21, "ai.onnx.ml": 3}
"""Operator sets that onnxruntime 1.20 and newer run, and that skl2onnx writes trees for."""
_PRECISIONS = ("float64", "float32")
_CLASS = re.compile(r"<class '(?:\w+\.)*(\w+)'>")


def convert_estimator(model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
    """Graphs of the estimator that answer as many of `methods` as can be had, in double precision first, then single.

    Raises `MissingExtra` without skl2onnx. Anything that goes wrong in the converter becomes a reason.
    """
    try:
        import skl2onnx  # noqa: F401
    except ModuleNotFoundError as error:
        hint = 'pip install "modelwheel[sklearn]", or pack with options=Options(runtimes=("native",))'
        message = "converting to ONNX needs skl2onnx, which is not installed"
        raise MissingExtra.of("pack.extra", message, hint=hint) from error
    for inputs in graph_inputs(schema):
        yield inputs if isinstance(inputs, str) else _convert(model, inputs, methods)


def graph_inputs(schema: Schema) -> Iterator[tuple[GraphInput, ...] | str]:
    """The inputs that a graph for `schema` may have, best first; or why a graph cannot take such data.

    Numbers of a frame are fed as one matrix where the estimator takes its columns together; else each column alone,
    integers as such, or as floats, for skl2onnx does not mix them in imputers and scalers. Double precision first.
    """
    seen: set[tuple[GraphInput, ...]] = set()
    for precision in _PRECISIONS:
        for inputs in _variants(schema, precision):
            if isinstance(inputs, str):
                yield inputs
                return
            if inputs not in seen:
                seen.add(inputs)
                yield inputs


def _variants(schema: Schema, precision: str) -> Iterator[tuple[GraphInput, ...] | str]:
    field = schema.fields[0]
    if schema.layout == "frame":
        if {_dtype(field, precision, precision) for field in schema.fields} <= {precision, "float32"}:
            yield (GraphInput(name="x", dtype=precision, fields=schema.names, shape=(None, len(schema))),)
        for whole in ("int64", precision):
            made = [_column_input(field, precision, whole) for field in schema.fields]
            refused = [item for item in made if isinstance(item, str)]
            yield refused[0] if refused else tuple(item for item in made if isinstance(item, GraphInput))
    elif schema.layout == "matrix":
        for whole in ("int64", precision):
            yield _matrix_input(schema, precision, whole)
    elif schema.layout == "array" and isinstance(field.type, Tensor) and len(field.type.shape) == 1:
        if field.type.sparse:
            yield "ONNX has no sparse matrices"
        else:
            shape = (None, field.type.shape[0])
            yield (GraphInput(name="x", dtype=precision, fields=(field.name,), shape=shape),)
    elif schema.layout == "array" and isinstance(field.type, String) and not field.nullable:
        yield (GraphInput(name="x", dtype="string", fields=(field.name,), shape=(None, 1)),)
    else:
        yield f"skl2onnx has no input for data of the layout {schema.layout!r}"


def _dtype(field: Field, precision: str, whole: str) -> str | None:
    kind = field.type
    if isinstance(kind, Category) and kind.values:
        kind = {bool: Bool(), int: Integer(), float: Float()}.get(type(kind.values[0]), String())
    if isinstance(kind, Float):
        return "float32" if kind.bits < 64 else precision
    if isinstance(kind, Integer):
        return precision if field.nullable else whole
    if isinstance(kind, Bool):
        return None if field.nullable else "bool"
    return "string" if isinstance(kind, String) else None


def _column_input(field: Field, precision: str, whole: str) -> GraphInput | str:
    dtype = _dtype(field, precision, whole)
    if dtype is None:
        null = "nullable " if field.nullable else ""
        return f"the field {clip(field.name)!r} is a {null}{field.type}, which has no counterpart in skl2onnx"
    null_text = None
    if dtype == "string" and field.nullable:
        # skl2onnx writes a category that is null by its text
        null_text = "None" if field.physical is not None and field.physical.null == "none" else "nan"
    return GraphInput(name=field.name, dtype=dtype, fields=(field.name,), shape=(None, 1), null_text=null_text)


def _matrix_input(schema: Schema, precision: str, whole: str) -> tuple[GraphInput, ...] | str:
    kinds = {_dtype(field, precision, whole) for field in schema.fields}
    if None in kinds or len(kinds) > 1:
        return "the columns of the matrix have different types, and a graph's matrix has one"
    dtype = str(*kinds)
    if any(field.nullable for field in schema.fields) and dtype == "string":
        return "the matrix holds texts that may be null"
    return (GraphInput(name="x", dtype=dtype, fields=schema.names, shape=(None, len(schema))),)


def _convert(model: Any, inputs: Sequence[GraphInput], methods: Sequence[str]) -> Candidate | str:
    """One conversion; the reason when it fails."""
    from skl2onnx import convert_sklearn

    scores = gives_scores(model, methods)
    try:
        with _quiet():
            converters, shapes = custom(frozenset(item.null_text for item in inputs if item.null_text is not None))
            made = convert_sklearn(
                model,
                name="model",
                initial_types=_types(inputs),
                options=converter_options(model, scores=scores),
                target_opset=OPSETS,
                custom_conversion_functions=converters,
                custom_shape_calculators=shapes,
            )
            if scores:
                binary_scores(made, model)
            graph = _finished(made)
    except Exception as error:  # noqa: BLE001 - the converters of skl2onnx raise anything, NameError included
        told = _CLASS.sub(r"\1", str(error).strip().partition("\n")[0])
        return f"skl2onnx does not convert it: {type(error).__name__}: {clip(told, 200)}"
    if any(node.op_type == "StringNormalizer" for node in made.graph.node):
        return "skl2onnx writes a graph that needs the locale en_US.UTF-8, which slim machines do not have"
    outputs = _outputs(model, [item.name for item in made.graph.output], methods, scores=scores)
    if not outputs:
        return "skl2onnx converts none of its prediction methods"
    used = {item.name for item in made.graph.input}
    return Candidate(
        graph=graph,
        inputs=tuple(item for item in inputs if item.name in used),
        outputs=outputs,
        opsets={item.domain: item.version for item in made.opset_import},
    )


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Converters warn, print and log about what parity shows anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _outputs(
    model: Any, names: Sequence[str], methods: Sequence[str], *, scores: bool
) -> Mapping[str, tuple[str, ...]]:
    """Which outputs answer which methods, by the order in which skl2onnx writes them."""
    from sklearn.base import is_outlier_detector

    if is_classifier(model):
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
    """The graph's bytes with our own metadata and nothing of the machine."""
    made.producer_name = "modelwheel"
    made.producer_version = ""
    made.domain = ""
    made.doc_string = ""
    del made.metadata_props[:]
    for node in made.graph.node:
        _without_defaults(node)
    graph: bytes = made.SerializeToString(deterministic=True)
    return graph


def _without_defaults(node: Any) -> None:
    """Drop what the specification lets trees leave out: a fifth of the file, and of the time to open it."""
    if not node.op_type.startswith("TreeEnsemble"):
        return
    for attribute in list(node.attribute):
        unused = attribute.name.startswith("nodes_hitrates")
        if unused or (attribute.name == "nodes_missing_value_tracks_true" and not any(attribute.ints)):
            node.attribute.remove(attribute)
