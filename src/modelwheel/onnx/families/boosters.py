"""XGBoost, LightGBM and CatBoost, alone and inside scikit-learn's pipelines and composites."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays import FLOAT, SINGLE, WHOLE, Array
from ..boosters import Boosted
from ..boosters.catboost_trees import read_catboost
from ..boosters.lightgbm_trees import read_lightgbm
from ..boosters.xgboost_trees import read_xgboost
from ..frames import Frame
from ..graph import STRING
from ..numpy_names import np
from ..registry import converts, labels
from ..steps import flat, softmax
from .encoding import codes
from .trees import sums

_READERS: dict[str, Callable[[Any], Boosted]] = {
    "xgboost": read_xgboost,
    "lightgbm": read_lightgbm,
    "catboost": read_catboost,
}
_LINKS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda raw: raw,
    "sigmoid": lambda raw: raw.emit("Sigmoid"),
    "softmax": softmax,
    "exp": np.exp,
}
_CLASSIFIERS = ("XGBClassifier", "XGBRFClassifier", "LGBMClassifier", "CatBoostClassifier")
_OTHERS = (
    "XGBRegressor", "XGBRFRegressor", "XGBRanker", "LGBMRegressor", "LGBMRanker", "CatBoostRegressor", "CatBoostRanker",
    "CatBoost", "Booster",
)  # fmt: skip


def read_booster(model: Any) -> Boosted:
    """A booster of one of the three packages, or its wrapper; raises `Unconvertible`."""
    return _READERS[type(model).__module__.partition(".")[0]](model)


def answered(boosted: Boosted, x: Frame) -> dict[str, Array]:
    """The booster's outputs by kind: `scores` (after the link), or `labels`, `probabilities` and `raw` scores."""
    forest = boosted.forest
    values = _coded(boosted, x).astype(forest.dtype)
    if boosted.missing is not None:
        values = np.where(values == boosted.missing, np.nan, values)
    raw = sums(values, forest)
    if any(boosted.base):
        raw = raw + np.array(boosted.base, forest.dtype)
    found = _LINKS[boosted.link](raw)
    if boosted.classes is None:
        return {"scores": found[:, 0] if forest.targets == 1 else found}
    judged = found if boosted.by_probability else raw
    if forest.targets == 1:
        place = (judged > (0.5 if boosted.by_probability else 0.0)).astype(WHOLE)[:, 0]
        found = np.concatenate([1.0 - found, found], axis=1)
    else:
        place = judged.argmax(1)
    if boosted.labels_only:
        return {"scores": place.astype(forest.dtype)}
    label = labels(boosted.classes, place)
    return {"labels": label[:, None] if boosted.label_column else label, "probabilities": found, "raw": raw}


def _coded(boosted: Boosted, x: Frame) -> Array:
    """All columns as numbers: categories as their codes, NaN for null and for values that are not among them."""
    if boosted.categories:
        coded = np.concatenate([_column(boosted, x, index) for index in range(x.width)], axis=1)
        return coded.astype(SINGLE) if boosted.single else coded
    return x.single() if boosted.single else x.matrix()


def _column(boosted: Boosted, x: Frame, index: int) -> Array:
    values = boosted.categories.get(index)
    if values is not None:
        found = codes(x, index, values)
        return np.where(found == len(values), np.float64(np.nan), found.astype(FLOAT))[:, None]
    column, _ = x.column(index)
    return (column != column).astype(FLOAT) if column.dtype == STRING else column.astype(FLOAT)  # noqa: PLR0124


def _once(model: Any, x: Frame) -> dict[str, Array]:
    return x.graph.once("boosted", (model, x), lambda: answered(read_booster(model), x))


@converts("predict", *_CLASSIFIERS)
def _labels(model: Any, x: Frame) -> Array:
    return _once(model, x)["labels"]


@converts("predict_proba", *_CLASSIFIERS)
def _probabilities(model: Any, x: Frame) -> Array:
    return _once(model, x)["probabilities"]


@converts("decision_function", "LGBMClassifier")
def _raw(model: Any, x: Frame) -> Array:
    return flat(_once(model, x)["raw"])


@converts("predict", *_OTHERS)
def _scores(model: Any, x: Frame) -> Array:
    return _once(model, x)["scores"]
