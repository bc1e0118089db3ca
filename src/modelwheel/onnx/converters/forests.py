"""Trees and forests of scikit-learn fed in double precision: they compare in single, so the input is rounded first.

`sklearn.tree` casts X to float32 before it compares with its thresholds; skl2onnx lowers the thresholds to the float32
that decides alike. What comes before the trees stays in double.
"""

from __future__ import annotations

from typing import Any


def converters() -> dict[type, tuple[Any, Any]]:
    """The shape calculator and the converter of each class."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from sklearn import ensemble, tree
    from skl2onnx.common._registration import get_converter, get_shape_calculator

    kinds = (
        ensemble.RandomForestClassifier, ensemble.RandomForestRegressor, ensemble.ExtraTreesClassifier,
        ensemble.ExtraTreesRegressor, tree.DecisionTreeClassifier, tree.DecisionTreeRegressor,
        tree.ExtraTreeClassifier, tree.ExtraTreeRegressor,
    )  # fmt: skip
    made = {}
    for kind in kinds:
        alias = sklearn_operator_name_map[kind]
        made[kind] = (get_shape_calculator(alias), _rounded(get_converter(alias)))
    return made


def _rounded(convert: Any) -> Any:
    def converter(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
        from skl2onnx.proto import onnx_proto
        from skl2onnx.common._apply_operation import apply_cast

        source = operator.inputs[0]
        if isinstance(source.type, DoubleTensorType):
            variable = scope.declare_local_variable("rounded", FloatTensorType(source.type.shape))
            apply_cast(scope, source.full_name, variable.full_name, container, to=onnx_proto.TensorProto.FLOAT)
            operator.inputs.set_element(0, variable)
        convert(scope, operator, container)

    return converter
