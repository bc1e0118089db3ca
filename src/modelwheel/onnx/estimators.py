"""scikit-learn estimators as ONNX graphs: by converters of our own, else by skl2onnx. Parity is measured later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelwheel_loader.opening import Bool, Category, Field, Float, GraphInput, Integer, Schema, String, Tensor
from modelwheel_loader.text import clip

from .families.boosters import answered, read_booster
from .families.composing import METHODS
from .foreign import convert_by_skl2onnx
from .frames import Frame
from .numpy_names import np
from .result import Conversion, Graph, Unconvertible
from .translate import translate

_PRECISIONS = ("float64", "float32")


def convert(
    estimator: Any, inputs: Mapping[str, tuple[str, Sequence[int | None]]], methods: Sequence[str] | None = None
) -> Graph:
    """The ONNX graph of a fitted estimator. Needs onnx and skl2onnx. What it answers is not compared with the original.

    `inputs` has the dtype and the shape of each input by name: `{"x": ("float64", (None, 4))}` is a matrix of four
    columns. Inputs of one column, `("string", (None, 1))`, are columns of a DataFrame with their names. `methods` are
    those to convert (default: all that the estimator has); the graph answers as many of them as have a converter.
    Raises `Unconvertible` with the reasons when that is none.
    """
    given = tuple(
        GraphInput(name=name, dtype=dtype, fields=(name,), shape=tuple(shape))
        for name, (dtype, shape) in inputs.items()
    )
    names = list(inputs) if all(tuple(shape[1:]) == (1,) for _, shape in inputs.values()) else None
    wanted = [name for name in methods or METHODS if callable(getattr(estimator, name, None))]
    found = translate(estimator, given, names, wanted)
    if isinstance(found, str):
        reason, found = found, convert_by_skl2onnx(estimator, given, wanted)
        if isinstance(found, str):
            raise Unconvertible(f"{reason}; {found}")
    return found


def convert_estimator(model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
    """Graphs of the estimator with as many of `methods` as possible: our own, then those of skl2onnx.

    Needs skl2onnx. Anything that goes wrong in a converter becomes a reason.
    """
    for place, inputs in enumerate(possible_inputs(schema)):
        if isinstance(inputs, str):
            yield _without_unused(model, schema, methods, inputs)
            continue
        if place == 0:
            yield translate(model, inputs, column_names(schema), methods)
        yield convert_by_skl2onnx(model, inputs, methods)


def convert_booster(model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
    """The graph of a booster of XGBoost, LightGBM or CatBoost, or of its scikit-learn wrapper. Needs onnx."""
    try:
        boosted = read_booster(model)
        if boosted.forest.splits or boosted.categories:
            inputs = next(possible_inputs(schema))
        else:
            inputs = (_numbers_input(schema, "float32" if boosted.single else "float64"),)
    except Unconvertible as error:
        yield str(error)
        return
    if isinstance(inputs, str):
        yield inputs
        return

    def answer(model: Any, method: str, x: Frame) -> Any:
        found = x.graph.once("boosted", (model, x), lambda: answered(model, x))
        if method == "predict":
            return found["labels" if "labels" in found else "scores"]
        return np.log(found["probabilities"]) if method == "predict_log_proba" else found["probabilities"]

    yield translate(boosted, inputs, column_names(schema), methods, answer)


def _numbers_input(schema: Schema, dtype: str) -> GraphInput:
    """The one input that all fields feed together; raises `Unconvertible` where they are not all numbers."""
    first = schema.fields[0]
    if schema.layout == "array" and isinstance(first.type, Tensor):
        if first.type.sparse or len(first.type.shape) != 1:
            raise Unconvertible("ONNX trees need dense rows of numbers")
        return GraphInput(name="x", dtype=dtype, fields=(first.name,), shape=(None, first.type.shape[0]))
    if schema.layout not in ("frame", "matrix"):
        raise Unconvertible(f"ONNX trees do not accept data of the layout {schema.layout!r}")
    for field in schema.fields:
        if not isinstance(field.type, Bool | Integer | Float):
            raise Unconvertible(f"the field {clip(field.name)!r} is a {field.type}, and ONNX trees accept numbers only")
    return GraphInput(name="x", dtype=dtype, fields=schema.names, shape=(None, len(schema)))


def _without_unused(model: Any, schema: Schema, methods: Sequence[str], reason: str) -> Graph | str:
    """A graph without the fields that ONNX has no type for, when the model drops them all; otherwise the reason."""
    if schema.layout not in ("frame", "records"):
        return reason
    made = [(field.name, _column_input(field, "float64", "int64")) for field in schema.fields]
    strange = {name: item for name, item in made if isinstance(item, str)}
    # texts stand for them during conversion: at the end, the inputs of the graph show whether the model uses them
    inputs = [
        GraphInput(name=name, dtype="string", fields=(name,), shape=(None, 1)) if isinstance(item, str) else item
        for name, item in made
    ]
    found = translate(model, inputs, column_names(schema), methods)
    if isinstance(found, str):
        return reason
    asked = [item.name for one in (found, found.ties) if one for item in one.inputs]
    return next((strange[name] for name in asked if name in strange), found)


def column_names(schema: Schema) -> tuple[str, ...] | None:
    """The names of the columns as the estimator knows them: those of DataFrames and records."""
    return schema.names if schema.layout in ("frame", "records") else None


def possible_inputs(schema: Schema) -> Iterator[tuple[GraphInput, ...] | str]:
    """The possible inputs of a graph for `schema`, best first; or why a graph cannot accept such data.

    Numbers of a frame are one matrix where the estimator uses its columns together; else each column is an input,
    integers as such or as floats, because skl2onnx does not mix them in imputers and scalers. Double precision first.
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
            yield _columns(schema, precision, whole)
    elif schema.layout == "matrix":
        for whole in ("int64", precision):
            yield _matrix_input(schema, precision, whole)
    elif schema.layout == "array" and isinstance(field.type, Tensor) and len(field.type.shape) == 1:
        if field.type.sparse:
            yield "ONNX has no sparse matrices"
        else:
            shape = (None, field.type.shape[0])
            yield (GraphInput(name="x", dtype=precision, fields=(field.name,), shape=shape),)
    elif schema.layout == "records":
        yield _columns(schema, precision, "int64")
    elif schema.layout == "array" and _dtype(field, precision, precision) == precision:
        yield (GraphInput(name="x", dtype=precision, fields=(field.name,), shape=(None, 1)),)
    elif schema.layout == "array" and isinstance(field.type, String) and not field.nullable:
        yield (GraphInput(name="x", dtype="string", fields=(field.name,), shape=(None, 1)),)
    else:
        yield f"an ONNX graph does not accept data of the layout {schema.layout!r}"


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


def _columns(schema: Schema, precision: str, whole: str) -> tuple[GraphInput, ...] | str:
    """An input for each field, or why one of them has none."""
    made = [_column_input(field, precision, whole) for field in schema.fields]
    refused = next((item for item in made if isinstance(item, str)), None)
    return refused or tuple(item for item in made if isinstance(item, GraphInput))


def _column_input(field: Field, precision: str, whole: str) -> GraphInput | str:
    dtype = _dtype(field, precision, whole)
    if dtype is None:
        null = "nullable " if field.nullable else ""
        return f"the field {clip(field.name)!r} is a {null}{field.type}, which has no counterpart in ONNX"
    null_text = None
    if dtype == "string" and field.nullable:
        # skl2onnx writes a null category as its text
        null_text = "None" if field.physical is not None and field.physical.null == "none" else "nan"
    return GraphInput(name=field.name, dtype=dtype, fields=(field.name,), shape=(None, 1), null_text=null_text)


def _matrix_input(schema: Schema, precision: str, whole: str) -> tuple[GraphInput, ...] | str:
    kinds = {_dtype(field, precision, whole) for field in schema.fields}
    if None in kinds or len(kinds) > 1:
        return "the columns of the matrix have different types; a matrix in ONNX has one"
    dtype = str(*kinds)
    if any(field.nullable for field in schema.fields) and dtype == "string":
        return "the matrix holds texts that may be null"
    return (GraphInput(name="x", dtype=dtype, fields=schema.names, shape=(None, len(schema))),)
