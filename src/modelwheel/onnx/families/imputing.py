"""Missing values: `sklearn.impute`. Among numbers that is NaN; among texts, the text that stands for null."""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT, Array
from ..frames import Frame, beside
from ..graph import STRING
from ..numpy_names import np
from ..registry import apply, converts
from ..result import Unconvertible
from ..steps import smallest, tied


def _mask(model: Any, column: Array, null: str | None) -> Array | None:
    """Where a column of shape (rows, 1), or a matrix, has missing values; None when it cannot have any."""
    missing = model.missing_values
    if column.dtype == STRING:
        if isinstance(missing, str):
            return column == (f"{missing}\0" if missing == null else missing)
        return None if null is None or str(missing) != null else column == null
    if missing is None or isinstance(missing, str):
        return None
    if isinstance(missing, float) and np.isnan(missing):
        return np.isnan(column) if column.dtype.kind == "f" else None
    return column.astype(FLOAT) == float(missing)


@converts("transform", "SimpleImputer")
def _simple(model: Any, x: Frame) -> Frame:
    """Columns without a statistic are left out, unless `keep_empty_features`."""
    statistics = np.asarray(model.statistics_, dtype=object)
    kept = [
        index
        for index, value in enumerate(statistics.tolist())
        if model.keep_empty_features or not (isinstance(value, float) and np.isnan(value))
    ]
    if not any(block.dtype == STRING for block in x.blocks):
        made = Frame([_numbers(model, x, kept, statistics)])
    else:
        columns = [_filled(model, *x.column(index), statistics[index]) for index in kept]
        made = Frame(columns, None, [x.column(index)[1] for index in kept])
    if model.add_indicator:
        return beside([made, Frame([apply(model.indicator_, "transform", x)])])
    return made


def _numbers(model: Any, x: Frame, kept: list[int], statistics: Any) -> Array:
    matrix = x.select(kept).matrix()
    mask = _mask(model, matrix, None)
    if mask is None:
        return matrix
    return np.where(mask, statistics[kept].astype(np.float64)[None, :], matrix)


def _filled(model: Any, column: Array, null: str | None, statistic: Any) -> Array:
    mask = _mask(model, column, null)
    if mask is None:
        return column
    if (column.dtype == STRING) != isinstance(statistic, str):
        raise Unconvertible("missing values are filled with a value of another type")
    filling = f"{statistic}\0" if statistic == null and column.dtype == STRING else statistic
    return np.where(mask, filling, column)


@converts("transform", "MissingIndicator")
def _indicator(model: Any, x: Frame) -> Array:
    columns = []
    for index in model.features_.tolist():
        column, null = x.column(index)
        mask = _mask(model, column, null)
        columns.append(column != column if mask is None else mask)  # noqa: PLR0124 - nowhere
    if not columns:
        raise Unconvertible("its training data had no missing values, so it has no output columns")
    return np.concatenate(columns, axis=1)


@converts("transform", "KNNImputer")
def _nearest(model: Any, x: Frame) -> Any:
    """The mean of the nearest rows that have the value, by `nan_euclidean_distances`."""
    if model.weights not in ("uniform", "distance") or model.metric != "nan_euclidean":
        raise Unconvertible("its weights or metric are functions")
    matrix = x.matrix()
    mask = _mask(model, matrix, None)
    if mask is None:
        raise Unconvertible("its missing value is not a number")
    fitted, absent = np.asarray(model._fit_X, np.float64), model._mask_fit_X  # noqa: SLF001
    present = (~absent).astype(np.float64)
    clean = np.where(absent, 0.0, fitted)
    there = (~mask).astype(FLOAT)
    value = np.where(mask, 0.0, matrix)
    squares = (value * value) @ present.T - (value @ clean.T) * 2.0 + there @ (clean * clean).T
    shared = there @ present.T
    squares = np.maximum(squares, 0.0) / np.where(shared == 0.0, 1.0, shared) * float(x.width)
    distance = np.where(shared == 0.0, np.inf, np.sqrt(squares))
    columns = []
    for index in np.flatnonzero(model._valid_mask).tolist():  # noqa: SLF001
        donors = np.flatnonzero(~absent[:, index])
        equal = tied(distance[:, donors], model.n_neighbors, len(donors))
        x.graph.ties.append(mask[:, index] & equal)
        found = _mean_of_donors(model, distance[:, donors], fitted[donors, index])
        columns.append(np.where(mask[:, index], found, matrix[:, index]))
    made = np.stack(columns, axis=1)
    if model.keep_empty_features and not model._valid_mask.all():  # noqa: SLF001
        raise Unconvertible("it keeps columns that had no value in the training data")
    if model.add_indicator:
        return beside([Frame([made]), Frame([apply(model.indicator_, "transform", x)])])
    return made


def _mean_of_donors(model: Any, distance: Array, donors: Any) -> Array:
    near, places = smallest(distance, min(model.n_neighbors, len(donors)))
    known = ~np.isinf(near)
    if model.weights == "distance":
        zero = near == 0.0
        some = zero.max(1, keepdims=True) if zero.dtype.kind == "f" else zero.astype(FLOAT).max(1, keepdims=True) > 0.0
        inverse = 1.0 / np.where(zero, 1.0, near)
        weights = np.where(some, zero.astype(FLOAT), inverse)
    else:
        weights = known.astype(FLOAT)
    weights = np.where(known, weights, 0.0)
    total = weights.sum(1)
    mean = (distance.of(donors).take(places) * weights).sum(1) / np.where(total == 0.0, 1.0, total)
    return np.where(total == 0.0, float(donors.mean()), mean)
