"""Boosters inside scikit-learn's pipelines, by the trees of `modelwheel.onnx.boosters`.

Only for frameworks that are imported already: a model of another cannot be in the pipeline.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from ..boosters.catboost_trees import read_catboost
from ..boosters.emit import Nodes, write
from ..boosters.lightgbm_trees import read_lightgbm
from ..boosters.trees import Boosted
from ..boosters.xgboost_trees import read_xgboost

_KINDS: tuple[tuple[str, tuple[str, ...], Callable[[Any], Boosted]], ...] = (
    ("xgboost", ("XGBClassifier", "XGBRegressor", "XGBRFClassifier", "XGBRFRegressor", "XGBRanker"), read_xgboost),
    ("lightgbm", ("LGBMClassifier", "LGBMRegressor", "LGBMRanker"), read_lightgbm),
    ("catboost", ("CatBoostClassifier", "CatBoostRegressor", "CatBoost", "CatBoostRanker"), read_catboost),
)


_OPTIONS: dict[str, list[Any]] = {
    "zipmap": [True, False, "columns"],
    "raw_scores": [True, False],
    "nocl": [True, False],
    "output_class_labels": [False, True],
}
"""What skl2onnx asks for of classifiers; we write plain probabilities under each."""


def register() -> None:
    """Tell skl2onnx of the wrappers of every booster that is imported and that it does not know yet."""
    from skl2onnx import update_registered_converter
    from skl2onnx._supported_operators import sklearn_operator_name_map

    for module, names, read in _KINDS:
        for name in names:
            kind = getattr(sys.modules.get(module), name, None)
            if kind is None or kind in sklearn_operator_name_map:
                continue
            classifier = hasattr(kind, "predict_proba")
            alias = f"Modelwheel{name}"
            update_registered_converter(
                kind,
                alias,
                _shape(classifier),
                _converter(read),
                options=_OPTIONS if classifier else None,
                parser=_classifier_parser(alias) if classifier else None,
            )


def _shape(classifier: bool) -> Callable[[Any], None]:  # noqa: FBT001 - of one caller
    def shape(operator: Any) -> None:
        from skl2onnx.common import shape_calculator

        if classifier:
            shape_calculator.calculate_linear_classifier_output_shapes(operator)
        else:
            shape_calculator.calculate_linear_regressor_output_shapes(operator)

    return shape


def _classifier_parser(alias: str) -> Callable[..., Any]:
    """Declares labels and probabilities: skl2onnx knows classifiers by a base class, which CatBoost's have not."""

    def parse(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:  # noqa: ARG001 - its signature
        from skl2onnx.common.data_types import guess_tensor_type

        operator = scope.declare_local_operator(alias, model)
        operator.inputs = inputs
        kind = guess_tensor_type(inputs[0].type)
        operator.outputs.append(scope.declare_local_variable("label", _label_type(model)))
        operator.outputs.append(scope.declare_local_variable("probabilities", kind))
        return operator.outputs

    return parse


def _label_type(model: Any) -> Any:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    return StringTensorType() if model.classes_.dtype.kind in "OU" else Int64TensorType()


def _converter(read: Callable[[Any], Boosted]) -> Callable[[Any, Any, Any], None]:
    def convert(scope: Any, operator: Any, container: Any) -> None:
        nodes = Nodes(unique=scope.get_unique_variable_name)
        source, wide = _matrix(operator.inputs[0], nodes)
        found = write(read(operator.raw_operator), nodes, source, wide=wide)
        parts = ("labels", "probabilities") if "labels" in found else ("scores",)
        for output, part in zip(operator.outputs, parts, strict=True):
            _answer(found[part], output, nodes, column=part == "scores")
        _add_to(scope, container, nodes)

    return convert


def _matrix(variable: Any, nodes: Nodes) -> tuple[str, bool]:
    """The input as floats, and whether they are double; whole numbers and Booleans become single ones."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    if isinstance(variable.type, FloatTensorType | DoubleTensorType):
        return variable.full_name, isinstance(variable.type, DoubleTensorType)
    return nodes.add("Cast", variable.full_name, attributes={"to": int(TensorProto.FLOAT)}), False


def _answer(name: str, output: Any, nodes: Nodes, *, column: bool) -> None:
    """Give `name` the type and the name of the operator's output, and scores the shape (rows, targets)."""
    from onnx import TensorProto
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    if column and len(output.type.shape) == 2 and output.type.shape[1] in (None, 1):
        name = nodes.add("Reshape", name, nodes.constant([-1, 1], "int64"))
    if isinstance(output.type, FloatTensorType | DoubleTensorType):
        double = isinstance(output.type, DoubleTensorType)
        name = nodes.add("Cast", name, attributes={"to": int(TensorProto.DOUBLE if double else TensorProto.FLOAT)})
    nodes.nodes.append(("Identity", (name,), output.full_name, "", {}))


def _add_to(scope: Any, container: Any, nodes: Nodes) -> None:
    from onnx import helper

    for name, values in nodes.constants.items():
        texts = values.dtype == object
        kind = helper.TensorProto.STRING if texts else helper.np_dtype_to_tensor_dtype(values.dtype)
        listed = [item.encode() for item in values.tolist()] if texts else values.ravel().tolist()
        container.add_initializer(name, kind, list(values.shape), listed)
    for operator, inputs, output, domain, attributes in nodes.nodes:
        version = 3 if domain else container.target_opset_any_domain("")
        container.add_node(
            operator,
            list(inputs),
            [output],
            op_domain=domain,
            op_version=version,
            name=scope.get_unique_operator_name(operator),
            **attributes,
        )
