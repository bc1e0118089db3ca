"""What skl2onnx must be told about classifiers, and the shape in which scikit-learn gives their scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def is_classifier(model: Any) -> bool:
    """Whether scikit-learn says so."""
    from sklearn import base

    return bool(base.is_classifier(model))


def gives_scores(model: Any, methods: Sequence[str]) -> bool:
    """Whether the second output is `decision_function`: one graph has either that or `predict_proba`."""
    return is_classifier(model) and "decision_function" in methods and "predict_proba" not in methods


def converter_options(model: Any, *, scores: bool) -> dict[int, dict[str, bool]] | None:
    """Options by the id of the estimator: probabilities as one array, or scores."""
    from sklearn.svm import LinearSVC

    if not is_classifier(model):
        return None
    last = _last_estimator(model)
    if isinstance(last, LinearSVC):  # the one classifier that has no `zipmap`
        return {id(last): {"raw_scores": scores}}
    # both, for skl2onnx asks for them under either: an SVC in a pipeline has its scores negated without
    options = {"zipmap": False, **({"raw_scores": True} if scores else {})}
    return {id(model): options, id(last): options}


def _last_estimator(model: Any) -> Any:
    """The estimator that answers in a pipeline or a search."""
    while True:
        if hasattr(model, "steps"):
            model = model.steps[-1][1]
        elif hasattr(model, "best_estimator_"):
            model = model.best_estimator_
        else:
            return model


def binary_scores(made: Any, model: Any) -> None:
    """Change the second output from one column per class to the scores of the second class, of shape (rows,).

    That is what `decision_function` answers when there are two classes.
    """
    if len(model.classes_) != 2 or len(made.graph.output) < 2:
        return
    import numpy as np
    from onnx import helper, numpy_helper

    output = made.graph.output[1]
    kind = output.type.tensor_type.elem_type
    made.graph.initializer.append(numpy_helper.from_array(np.array(1, np.int64), "second_class"))
    made.graph.node.append(helper.make_node("Gather", [output.name, "second_class"], ["scores"], axis=1))
    made.graph.output[1].CopyFrom(helper.make_tensor_value_info("scores", kind, [None]))
