"""Boosters inside scikit-learn's pipelines and composites: the trees of `modelwheel.onnx.boosters`, in our graphs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays import FLOAT, SINGLE, Array
from ..boosters.catboost_trees import read_catboost
from ..boosters.emit import Nodes, write
from ..boosters.lightgbm_trees import read_lightgbm
from ..boosters.trees import Boosted, NotConvertible
from ..boosters.xgboost_trees import read_xgboost
from ..frames import Frame
from ..graph import STRING, Unconvertible, tensor
from ..registry import answers
from ..untyped import np
from .encoding import codes

_READERS: dict[str, Callable[[Any], Boosted]] = {
    "xgboost": read_xgboost,
    "lightgbm": read_lightgbm,
    "catboost": read_catboost,
}
_CLASSIFIERS = ("XGBClassifier", "XGBRFClassifier", "LGBMClassifier", "CatBoostClassifier")
_OTHERS = (
    "XGBRegressor", "XGBRFRegressor", "XGBRanker", "LGBMRegressor", "LGBMRanker", "CatBoostRegressor", "CatBoostRanker",
    "CatBoost",
)  # fmt: skip


def read_booster(model: Any) -> Boosted:
    """A booster of one of the three packages, or its wrapper; raises `NotConvertible`."""
    return _READERS[type(model).__module__.partition(".")[0]](model)


def _answered(model: Any, x: Frame) -> dict[str, Array]:
    """The outputs of the booster by what they are; made once for each graph."""
    return x.graph.once("boosted", (model, x), lambda: _written(model, x))


def _written(model: Any, x: Frame) -> dict[str, Array]:
    try:
        return written(read_booster(model), x)
    except NotConvertible as error:
        raise Unconvertible(str(error)) from error


def written(boosted: Boosted, x: Frame) -> dict[str, Array]:
    """The outputs of a booster by what they are; raises `NotConvertible`."""
    from onnx import helper

    matrix, graph = _coded(boosted, x), x.graph
    graph.widest = max(graph.widest, len(boosted.trees.tables))
    nodes = Nodes(unique=lambda _: graph.name())
    found = write(boosted, nodes, matrix.name, wide=True)
    made = [
        helper.make_node(operator, list(inputs), [output], domain=domain, **attributes)
        for operator, inputs, output, domain, attributes in nodes.nodes
    ]
    graph.splice(made, {name: tensor(values, name) for name, values in nodes.constants.items()})
    return {part: Array(graph, name, *_kind(boosted, part)) for part, name in found.items()}


def _coded(boosted: Boosted, x: Frame) -> Array:
    """All columns as numbers: categories as their codes, NaN for null and for values that are none of them."""
    if not boosted.categories:
        return x.matrix()
    return np.concatenate([_column(boosted, x, index) for index in range(x.width)], axis=1)


def _column(boosted: Boosted, x: Frame, index: int) -> Array:
    values = boosted.categories.get(index)
    if values is not None:
        found = codes(x, index, values)
        return np.where(found == len(values), np.float64(np.nan), found.astype(FLOAT))[:, None]
    column, _ = x.column(index)
    return (column != column).astype(FLOAT) if column.dtype == STRING else column.astype(FLOAT)  # noqa: PLR0124


def _kind(boosted: Boosted, part: str) -> tuple[Any, tuple[int | None, ...]]:
    """The dtype and the shape of an output."""
    targets = boosted.trees.targets
    precision = FLOAT if boosted.trees.double else SINGLE
    if part == "scores":
        return precision, (None,) if targets == 1 or boosted.labels_only else (None, targets)
    if part == "raw":
        return precision, (None, targets)
    if part == "probabilities":
        return precision, (None, max(targets, 2))
    dtype = np.asarray(boosted.classes).dtype
    return STRING if dtype.kind == "U" else dtype, (None, 1) if boosted.label_column else (None,)


@answers("predict", *_CLASSIFIERS)
def _labels(model: Any, x: Frame) -> Array:
    return _answered(model, x)["labels"]


@answers("predict_proba", *_CLASSIFIERS)
def _probabilities(model: Any, x: Frame) -> Array:
    return _answered(model, x)["probabilities"]


@answers("decision_function", "LGBMClassifier")
def _raw(model: Any, x: Frame) -> Array:
    found = _answered(model, x)["raw"]
    return found[:, 0] if found.shape[1] == 1 else found


@answers("predict", *_OTHERS)
def _scores(model: Any, x: Frame) -> Array:
    return _answered(model, x)["scores"]
