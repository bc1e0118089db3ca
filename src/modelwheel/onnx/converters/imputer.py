"""SimpleImputer on numbers, in the precision of its input, and on texts; ONNX's own Imputer is for float32.

Follows `sklearn.impute.SimpleImputer.transform`: what is missing becomes the statistic of its column. Columns without a
statistic are left to skl2onnx. Among texts, a null comes as the `null_text` of its input: None and NaN are two nulls to
scikit-learn, and an imputer replaces one of them only.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def converters(null_texts: frozenset[str]) -> dict[type, tuple[Any, Any]]:
    """The shape calculator and the converter, for a graph whose inputs have nulls that come as `null_texts`."""
    from sklearn.impute import SimpleImputer

    def convert(scope: Any, operator: Any, container: Any) -> None:
        if _is_text(operator) and not operator.raw_operator.add_indicator:
            _convert_text(scope, operator, container, null_texts)
        else:
            _convert(scope, operator, container)

    return {SimpleImputer: (_shape, convert)}


def _is_text(operator: Any) -> bool:
    from skl2onnx.common.data_types import StringTensorType

    statistics = operator.raw_operator.statistics_.tolist()
    texts = all(isinstance(value, str) for value in statistics)
    return texts and isinstance(operator.inputs[0].type, StringTensorType) and len(operator.inputs) == 1


def _convert_text(scope: Any, operator: Any, container: Any, null_texts: frozenset[str]) -> None:
    from skl2onnx.proto import onnx_proto

    model, source, target = operator.raw_operator, operator.inputs[0].full_name, operator.outputs[0].full_name
    missing = model.missing_values if isinstance(model.missing_values, str) else str(model.missing_values)
    if missing not in null_texts and not isinstance(model.missing_values, str):
        # no input has nulls of this kind; a text that reads so is a text
        container.add_node("Identity", [source], [target], name=scope.get_unique_operator_name("Identity"))
        return
    names = [scope.get_unique_variable_name(name) for name in ("missing", "statistics", "absent")]
    statistics = [value.encode() for value in model.statistics_.tolist()]
    container.add_initializer(names[0], onnx_proto.TensorProto.STRING, [1], [missing.encode()])
    container.add_initializer(names[1], onnx_proto.TensorProto.STRING, [1, len(statistics)], statistics)
    container.add_node(
        "Equal", [source, names[0]], [names[2]], op_version=19, name=scope.get_unique_operator_name("Equal")
    )
    container.add_node(
        "Where", [names[2], names[1], source], [target], op_version=16, name=scope.get_unique_operator_name("Where")
    )


def _is_numeric(operator: Any) -> bool:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    return isinstance(operator.inputs[0].type, DoubleTensorType | FloatTensorType) and len(operator.inputs) == 1


def _shape(operator: Any) -> None:
    from skl2onnx.shape_calculators.imputer import calculate_sklearn_imputer_output_shapes

    calculate_sklearn_imputer_output_shapes(operator)


def _convert(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    statistics = np.asarray(model.statistics_)
    numeric = _is_numeric(operator) and statistics.dtype.kind in "fiu"
    if not numeric or model.add_indicator or np.isnan(statistics.astype(float)).any():
        from skl2onnx.operator_converters.imputer_op import convert_sklearn_imputer

        convert_sklearn_imputer(scope, operator, container)
        return
    from skl2onnx.algebra.onnx_ops import OnnxEqual, OnnxIsNaN, OnnxWhere
    from skl2onnx.common.data_types import guess_numpy_type

    source = operator.inputs[0]
    dtype = guess_numpy_type(source.type)
    opset = container.target_opset
    missing: Any = model.missing_values
    is_nan = isinstance(missing, float) and np.isnan(missing)
    if is_nan:
        absent = OnnxIsNaN(source, op_version=opset)
    else:
        absent = OnnxEqual(source, np.array([missing], dtype), op_version=opset)
    filling = statistics.astype(dtype).reshape(1, -1)
    made = OnnxWhere(absent, filling, source, op_version=opset, output_names=[operator.outputs[0].full_name])
    made.add_to(scope, container)
