"""Trees, forests and boosted trees of scikit-learn: the same decisions, and sums in double precision.

`sklearn.tree` casts X to float32 and compares that with thresholds in double; so do these graphs. Sources:
`sklearn.tree._tree.Tree._apply_dense`, `sklearn.ensemble.ForestClassifier.predict_proba`,
`sklearn.ensemble._gb.BaseGradientBoosting._raw_predict`. Several outputs at once, and boosting that starts from an
estimator of the author's, are left to skl2onnx.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
NOTHING: Mapping[str, Any] = MappingProxyType({})


def converters() -> dict[type, tuple[Any, Any]]:
    """The shape calculator and the converter of each class."""
    from skl2onnx._supported_operators import sklearn_operator_name_map
    from skl2onnx.common._registration import get_converter, get_shape_calculator
    from sklearn import ensemble, tree

    classifiers = (
        ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier, tree.DecisionTreeClassifier,
        tree.ExtraTreeClassifier,
    )  # fmt: skip
    regressors = (
        ensemble.RandomForestRegressor, ensemble.ExtraTreesRegressor, tree.DecisionTreeRegressor,
        tree.ExtraTreeRegressor,
    )  # fmt: skip
    known = {
        **dict.fromkeys(classifiers, _classifier),
        **dict.fromkeys(regressors, _regressor),
        ensemble.GradientBoostingClassifier: _boosted_classifier,
        ensemble.GradientBoostingRegressor: _boosted_regressor,
    }
    made = {}
    for kind, convert in known.items():
        alias = sklearn_operator_name_map[kind]
        made[kind] = (_exact_shape(get_shape_calculator(alias)), _or_else(convert, get_converter(alias)))
    return made


def _exact_shape(calculate: Any) -> Any:
    """`calculate`, and what it has wrong: that shares are single precision, and several targets one column."""

    def shape(operator: Any) -> None:
        from skl2onnx.common.data_types import DoubleTensorType

        calculate(operator)
        answer = operator.outputs[-1]
        if isinstance(operator.inputs[0].type, DoubleTensorType):
            answer.set_type(DoubleTensorType(answer.type.shape))
        if len(operator.outputs) == 1:
            answer.type.shape = [answer.type.shape[0], getattr(operator.raw_operator, "n_outputs_", 1)]

    return shape


def _or_else(convert: Any, other: Any) -> Any:
    """`convert` where it can, else skl2onnx's own behind a cast of the input to single precision."""
    rounded = _rounded(other)

    def converter(scope: Any, operator: Any, container: Any) -> None:
        if not convert(_Steps(scope, container, operator), operator.raw_operator):
            rounded(scope, operator, container)

    return converter


class _Steps:
    """Nodes of a converter, written one after the other, each with one output."""

    def __init__(self, scope: Any, container: Any, operator: Any) -> None:
        self._scope = scope
        self._container = container
        self.source: str = operator.inputs[0].full_name
        self._options = container.get_options
        self._outputs = operator.outputs

    def node(
        self,
        kind: str,
        inputs: Sequence[Any],
        attributes: Mapping[str, Any] = NOTHING,
        *,
        name: str | None = None,
        domain: str = "",
    ) -> str:
        """The name of what the operator gives for inputs, which are names, or arrays of constants."""
        output = name or self._scope.get_unique_variable_name(kind.lower())
        names = [item if isinstance(item, str) else self._constant(item) for item in inputs]
        version = 3 if domain else 13
        unique = self._scope.get_unique_operator_name(kind)
        self._container.add_node(kind, names, [output], op_domain=domain, op_version=version, name=unique, **attributes)
        return output

    def _constant(self, values: Array) -> str:
        from onnx import numpy_helper

        name: str = self._scope.get_unique_variable_name("constant")
        return self.node("Constant", [], {"value": numpy_helper.from_array(values, name)}, name=name)

    def wants_scores(self, model: Any) -> bool:
        """Whether the second output is to be `decision_function`."""
        return bool(self._options(model, {"raw_scores": False}).get("raw_scores"))

    def output(self, place: int, name: str) -> None:
        """Let `name`, which is in double precision, be an output of the converter in the type that it has there."""
        from skl2onnx.common.data_types import guess_proto_type

        variable = self._outputs[place]
        self.node("Cast", [name], {"to": guess_proto_type(variable.type)}, name=variable.full_name)

    def label(self, classes: Array, places: str) -> None:
        """Let the classes at `places` be the first output."""
        labels = classes.astype(object) if classes.dtype.kind in "USO" else classes.astype(np.int64)
        self.node("Gather", [labels, places], {"axis": 0}, name=self._outputs[0].full_name)

    def trees(self, trees: Sequence[Any], weights: Sequence[Array], targets: Sequence[int] | None, width: int) -> str:
        """The sums of the leaves' `weights`, of shape (rows, width), in double precision.

        `weights` are (nodes,) per tree, for the target of the tree, or (nodes, width) for all targets.
        """
        single = self.node("Cast", [self.source], {"to": 1})
        wide = self.node("Cast", [single], {"to": 11})
        attributes = _attributes(trees, weights, targets or [0] * len(trees), width)
        summed = self.node("TreeEnsembleRegressor", [wide], attributes, domain="ai.onnx.ml")
        return self.node("Cast", [summed], {"to": 11})


def _attributes(trees: Sequence[Any], weights: Sequence[Array], targets: Sequence[int], width: int) -> dict[str, Any]:
    """The attributes of a `TreeEnsembleRegressor` (ai.onnx.ml 3) with numbers in double precision."""
    from onnx import numpy_helper

    columns: dict[str, list[Array]] = {}

    def add(name: str, values: Array) -> None:
        columns.setdefault(name, []).append(values)

    for number, (tree, weight, target) in enumerate(zip(trees, weights, targets, strict=True)):
        leaf = tree.children_left < 0
        nodes = np.arange(tree.node_count)
        add("nodes_treeids", np.full(tree.node_count, number))
        add("nodes_nodeids", nodes)
        add("nodes_featureids", np.where(leaf, 0, tree.feature))
        add("nodes_modes", leaf)
        add("nodes_truenodeids", np.where(leaf, 0, tree.children_left))
        add("nodes_falsenodeids", np.where(leaf, 0, tree.children_right))
        add("nodes_missing_value_tracks_true", np.where(leaf, 0, tree.missing_go_to_left))
        add("nodes_values", np.where(leaf, 0.0, tree.threshold))
        # zeros add nothing, but a leaf must have a weight
        kept = np.ones((int(leaf.sum()), 1), bool) if weight.ndim == 1 else weight[leaf] != 0.0
        kept[:, 0] |= ~kept.any(axis=1)
        rows, places = np.nonzero(kept)
        add("target_treeids", np.full(len(rows), number))
        add("target_nodeids", nodes[leaf][rows])
        add("target_ids", places if weight.ndim > 1 else np.full(len(rows), target))
        add("target_weights", weight[leaf].reshape(len(kept), -1)[rows, places])
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    texts = np.array([b"BRANCH_LEQ", b"LEAF"], object)[joined.pop("nodes_modes").astype(int)]
    numbers = {
        f"{name}_as_tensor": numpy_helper.from_array(joined.pop(name).astype(np.float64), name)
        for name in ("nodes_values", "target_weights")
    }
    if not joined["nodes_missing_value_tracks_true"].any():
        del joined["nodes_missing_value_tracks_true"]
    whole = {name: values.tolist() for name, values in joined.items()}
    return {**whole, **numbers, "nodes_modes": texts.tolist(), "n_targets": width}


def _estimators(model: Any) -> list[Any]:
    """The trees of a forest; a tree is a forest of one."""
    return [one.tree_ for one in model.estimators_] if hasattr(model, "estimators_") else [model.tree_]


def _mean(steps: _Steps, total: str, count: int) -> str:
    return total if count == 1 else steps.node("Div", [total, np.array(float(count))])


def _regressor(steps: _Steps, model: Any) -> bool:
    trees = _estimators(model)
    width = model.n_outputs_
    weights = [tree.value[:, :, 0] if width > 1 else tree.value[:, 0, 0] for tree in trees]
    steps.output(0, _mean(steps, steps.trees(trees, weights, None, width), len(trees)))
    return True


def _classifier(steps: _Steps, model: Any) -> bool:
    if model.n_outputs_ > 1:
        return False
    trees = _estimators(model)
    classes = model.classes_
    if len(classes) == 2:  # one number per leaf, for shares add up to one
        total = steps.trees(trees, [tree.value[:, 0, 1] for tree in trees], None, 1)
        second = _mean(steps, total, len(trees))
        _binary(steps, classes, second, steps.node("Greater", [second, np.array(0.5)]))
        return True
    total = steps.trees(trees, [tree.value[:, 0, :] for tree in trees], None, len(classes))
    shares = _mean(steps, total, len(trees))
    steps.label(classes, steps.node("ArgMax", [shares], {"axis": 1, "keepdims": 0}))
    steps.output(1, shares)
    return True


def _binary(steps: _Steps, classes: Array, second: str, is_second: str) -> None:
    """The outputs for two classes, from the share of the second and whether it wins, each of shape (rows, 1)."""
    place = steps.node("Cast", [steps.node("Reshape", [is_second, np.array([-1])])], {"to": 7})
    steps.label(classes, place)
    first = steps.node("Sub", [np.array(1.0), second])
    steps.output(1, steps.node("Concat", [first, second], {"axis": 1}))


def _boosted(steps: _Steps, model: Any) -> str | None:
    """The raw predictions of gradient boosting, of shape (rows, trees per iteration)."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    if not (isinstance(model.init_, DummyClassifier | DummyRegressor) or model.init_ == "zero"):
        return None
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), np.float32))  # noqa: SLF001
    stages, width = model.estimators_.shape
    trees = [one.tree_ for one in model.estimators_.ravel()]
    weights = [model.learning_rate * tree.value[:, 0, 0] for tree in trees]
    total = steps.trees(trees, weights, list(range(width)) * stages, width)
    return steps.node("Add", [total, np.asarray(start, np.float64)])


def _boosted_regressor(steps: _Steps, model: Any) -> bool:
    raw = _boosted(steps, model)
    if raw is not None:
        steps.output(0, raw)
    return raw is not None


def _boosted_classifier(steps: _Steps, model: Any) -> bool:
    if steps.wants_scores(model):
        return False
    raw = _boosted(steps, model)
    if raw is None:
        return False
    if len(model.classes_) == 2:
        scaled = raw if model.loss == "log_loss" else steps.node("Mul", [raw, np.array(2.0)])
        second = steps.node("Sigmoid", [scaled])
        _binary(steps, model.classes_, second, steps.node("GreaterOrEqual", [raw, np.array(0.0)]))
    else:
        steps.label(model.classes_, steps.node("ArgMax", [raw], {"axis": 1, "keepdims": 0}))
        steps.output(1, steps.node("Softmax", [raw], {"axis": 1}))
    return True


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
