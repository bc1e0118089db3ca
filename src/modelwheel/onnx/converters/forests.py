"""Trees and forests of scikit-learn fed in double precision: they compare in single, so the input is rounded first.

`sklearn.tree` casts X to float32 before it compares with its thresholds; skl2onnx lowers the thresholds to the float32
that decides alike. What comes before the trees stays in double.
"""

from __future__ import annotations

from typing import Any


def converters() -> dict[type, tuple[Any, Any]]:
    """The shape calculator and the converter of each class."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter, get_shape_calculator
    from sklearn import ensemble, tree

    kinds = (
        ensemble.RandomForestClassifier, ensemble.RandomForestRegressor, ensemble.ExtraTreesClassifier,
        ensemble.ExtraTreesRegressor, tree.DecisionTreeClassifier, tree.DecisionTreeRegressor,
        tree.ExtraTreeClassifier, tree.ExtraTreeRegressor, ensemble.GradientBoostingClassifier,
        ensemble.GradientBoostingRegressor,
    )  # fmt: skip
    made = {}
    for kind in kinds:
        alias = sklearn_operator_name_map[kind]
        made[kind] = (get_shape_calculator(alias), _rounded(get_converter(alias)))
    return made


def _rounded(convert: Any) -> Any:
    """`convert` behind a cast of the input to single precision."""

    def converter(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.common._apply_operation import apply_cast
        from skl2onnx.common.data_types import DoubleTensorType
        from skl2onnx.proto import onnx_proto

        source = operator.inputs[0]
        if not isinstance(source.type, DoubleTensorType):
            convert(scope, operator, container)
            return
        rounded = _single(scope, source, "rounded")
        apply_cast(scope, source.full_name, rounded.full_name, container, to=onnx_proto.TensorProto.FLOAT)
        operator.inputs.set_element(0, rounded)
        with_wide_answers(scope, operator, container, convert)

    return converter


def _single(scope: Any, variable: Any, name: str) -> Any:
    from skl2onnx.common.data_types import FloatTensorType

    return scope.declare_local_variable(name, FloatTensorType(variable.type.shape))


def with_wide_answers(scope: Any, operator: Any, container: Any, convert: Any) -> None:
    """Call `convert`, and cast what trees answer (always single precision) to the double that is expected of them."""
    from skl2onnx.common._apply_operation import apply_cast
    from skl2onnx.common.data_types import DoubleTensorType
    from skl2onnx.proto import onnx_proto

    answers = {
        place: (variable, _single(scope, variable, "answer"))
        for place, variable in enumerate(operator.outputs)
        if isinstance(variable.type, DoubleTensorType)
    }
    for place, (_, answer) in answers.items():
        operator.outputs.set_element(place, answer)
    convert(scope, operator, container)
    for wide, answer in answers.values():
        apply_cast(scope, answer.full_name, wide.full_name, container, to=onnx_proto.TensorProto.DOUBLE)
