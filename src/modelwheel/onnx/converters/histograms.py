"""HistGradientBoosting of scikit-learn, whose converter in skl2onnx writes an attribute of a wrong type.

Unlike other trees these compare in double precision, so for such input the thresholds stay double (operator set 3).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .forests import with_wide_answers


def converters() -> dict[type, tuple[Any, Any]]:
    """The shape calculator and the converter of each class."""
    from skl2onnx.common._registration import get_shape_calculator
    from skl2onnx.operator_converters import random_forest
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    found = {
        HistGradientBoostingClassifier: random_forest.convert_sklearn_random_forest_classifier,
        HistGradientBoostingRegressor: random_forest.convert_sklearn_random_forest_regressor_converter,
    }
    return {
        kind: (get_shape_calculator(f"Sklearn{kind.__name__}"), _repaired(convert)) for kind, convert in found.items()
    }


def _repaired(convert: Any) -> Any:
    def converter(scope: Any, operator: Any, container: Any) -> None:
        from skl2onnx.common.data_types import DoubleTensorType

        predictors = operator.raw_operator._predictors  # noqa: SLF001
        if any(tree.nodes["is_categorical"].any() for trees in predictors for tree in trees):
            # skl2onnx would take the numbers of categories for thresholds, without a word
            raise NotImplementedError("splits on categories have no counterpart in ONNX's trees")
        if isinstance(operator.inputs[0].type, DoubleTensorType):
            with_wide_answers(
                scope, operator, _Container(container, double=True), functools.partial(convert, op_version=3)
            )
        else:
            convert(scope, operator, _Container(container, double=False))

    return converter


class _Container:
    """A container of nodes that takes Booleans among whole numbers, and keeps numbers of trees in double precision."""

    def __init__(self, container: Any, *, double: bool) -> None:
        self._container = container
        self._double = double
        self.add_node = self._add

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def _add(self, *args: Any, **attributes: Any) -> None:
        name = "nodes_missing_value_tracks_true"
        if name in attributes:
            attributes[name] = [int(value) for value in attributes[name]]
            if self._double:
                attributes = {_wide_name(key): _wide(key, value) for key, value in attributes.items()}
        self._container.add_node(*args, **attributes)


_NUMBERS = frozenset({"nodes_values", "nodes_hitrates", "class_weights", "target_weights", "base_values"})


def _wide_name(name: str) -> str:
    return f"{name}_as_tensor" if name in _NUMBERS else name


def _wide(name: str, value: Any) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.asarray(value, np.float64), name) if name in _NUMBERS else value
