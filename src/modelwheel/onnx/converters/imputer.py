"""SimpleImputer on numbers, in the precision of its input: ONNX's own Imputer exists in single precision only.

Follows `sklearn.impute.SimpleImputer.transform`: NaN (or the given number) becomes the statistic of its column, and
columns without a statistic are dropped.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def converters() -> dict[type, tuple[Any, Any]]:
    """The shape calculator and the converter."""
    from sklearn.impute import SimpleImputer

    return {SimpleImputer: (_shape, _convert)}


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
