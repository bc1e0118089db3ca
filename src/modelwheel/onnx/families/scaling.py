"""Numbers to numbers, column by column: scalers, normalizers, power and quantile transforms, polynomials."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from ..frames import Frame, frame
from ..normal import norm_cdf, norm_ppf
from ..numpy_names import np
from ..registry import apply, converts, ones
from ..result import Unconvertible
from ..steps import interpolate, searchsorted_rows


@converts("transform", "StandardScaler")
def _standard(model: Any, x: Frame) -> Array:
    matrix = x.matrix()
    if model.with_mean:
        matrix = matrix - np.asarray(model.mean_, np.float64)
    return matrix / np.asarray(model.scale_, np.float64) if model.with_std else matrix


@converts("inverse_transform", "StandardScaler")
def _standard_back(model: Any, x: Frame) -> Array:
    matrix = x.matrix() * model.scale_ if model.with_std else x.matrix()
    return matrix + model.mean_ if model.with_mean else matrix


@converts("transform", "MinMaxScaler")
def _min_max(model: Any, x: Frame) -> Array:
    made = x.matrix() * model.scale_ + model.min_
    return np.clip(made, *map(float, model.feature_range)) if model.clip else made


@converts("inverse_transform", "MinMaxScaler")
def _min_max_back(model: Any, x: Frame) -> Array:
    return (x.matrix() - model.min_) / model.scale_


@converts("transform", "MaxAbsScaler")
def _max_abs(model: Any, x: Frame) -> Array:
    made = x.matrix() / model.scale_
    return np.clip(made, -1.0, 1.0) if getattr(model, "clip", False) else made


@converts("inverse_transform", "MaxAbsScaler")
def _max_abs_back(model: Any, x: Frame) -> Array:
    return x.matrix() * model.scale_


@converts("transform", "RobustScaler")
def _robust(model: Any, x: Frame) -> Array:
    matrix = x.matrix() - model.center_ if model.with_centering else x.matrix()
    return matrix / model.scale_ if model.with_scaling else matrix


@converts("inverse_transform", "RobustScaler")
def _robust_back(model: Any, x: Frame) -> Array:
    matrix = x.matrix() * model.scale_ if model.with_scaling else x.matrix()
    return matrix + model.center_ if model.with_centering else matrix


def normalize(matrix: Array, norm: str) -> Array:
    """`sklearn.preprocessing.normalize` of rows; rows of norm zero stay."""
    if norm == "l1":
        size = abs(matrix).sum(1, keepdims=True)
    elif norm == "l2":
        size = np.sqrt((matrix * matrix).sum(1, keepdims=True))
    else:
        size = abs(matrix).max(1, keepdims=True)
    return matrix / np.where(size == 0.0, 1.0, size)


@converts("transform", "Normalizer")
def _normalizer(model: Any, x: Frame) -> Array:
    return normalize(x.matrix(), model.norm)


@converts("transform", "Binarizer")
def _binarizer(model: Any, x: Frame) -> Array:
    return (x.matrix() > float(model.threshold)).astype(np.float64)


@converts("transform", "PolynomialFeatures")
def _polynomial(model: Any, x: Frame) -> Array:
    """Products of as many columns as the highest degree; a column of ones fills up lower degrees."""
    powers = model.powers_
    width = powers.shape[1]
    padded = np.concatenate([x.matrix(), ones(x, 1)], axis=1)
    degree = max(int(powers.sum(1).max(initial=0)), 1)
    places = np.full((degree, len(powers)), width)
    for column, power in enumerate(powers):
        chosen = np.repeat(np.arange(width), power)
        places[: len(chosen), column] = chosen
    made: Any = None
    for row in places:
        factor = padded[:, row]
        made = factor if made is None else made * factor
    return made


# -- power transforms ----------------------------------------------------------------------------------------------


@converts("transform", "PowerTransformer")
def _power(model: Any, x: Frame) -> Any:
    matrix, powers = x.matrix(), np.asarray(model.lambdas_, np.float64)
    made = _raised(np.log(matrix), powers) if model.method == "box-cox" else _yeo_johnson(matrix, powers)
    return apply(model._scaler, "transform", frame(made)) if model.standardize else made  # noqa: SLF001


def _yeo_johnson(matrix: Array, powers: Any) -> Array:
    """`scipy.stats.yeojohnson`: one formula for numbers from zero on, its mirror for those below."""
    up, down = np.log1p(np.maximum(matrix, 0.0)), np.log1p(np.maximum(-matrix, 0.0))
    above, below = _raised(up, powers), -_raised(down, 2.0 - powers)
    made = np.where(matrix >= 0.0, above, below)
    return np.where(np.isnan(matrix), np.nan, made)


def _raised(logs: Array, powers: Any) -> Array:
    """(exp(log * power) - 1) / power, whose limit is the logarithm where the power is zero."""
    made = np.expm1(logs * powers) / np.where(powers == 0, 1.0, powers)
    return np.where(logs.of(powers == 0), logs, made) if (powers == 0).any() else made


@converts("inverse_transform", "PowerTransformer")
def _power_back(model: Any, x: Frame) -> Array:
    matrix = apply(model._scaler, "inverse_transform", x) if model.standardize else x.matrix()  # noqa: SLF001
    powers = np.asarray(model.lambdas_, np.float64)
    if (np.abs(powers) < 1e-8).any() or (np.abs(powers - 2) < 1e-8).any():
        raise Unconvertible("the inverse of a power transform with the power 0 or 2 has no converter")
    if model.method == "box-cox":
        return np.exp(np.log1p(matrix * powers) / powers)
    other = 2.0 - powers
    above = np.expm1(np.log1p(np.where(matrix >= 0.0, matrix, 0.0) * powers) / powers)
    below = -np.expm1(np.log1p(np.where(matrix < 0.0, matrix, 0.0) * -other) / other)
    return np.where(matrix >= 0.0, above, below)


# -- quantiles -----------------------------------------------------------------------------------------------------

_BOUND = 1e-7
"""`sklearn.preprocessing._data.BOUNDS_THRESHOLD`."""


@converts("transform", "QuantileTransformer")
def _quantile(model: Any, x: Frame) -> Array:
    matrix = x.matrix()
    columns = []
    for place in range(x.width):
        value, quantiles = matrix[:, place], np.asarray(model.quantiles_[:, place], np.float64)
        references = model.references_
        made = 0.5 * (
            interpolate(value, quantiles, references) - interpolate(-value, -quantiles[::-1], -references[::-1])
        )
        if model.output_distribution == "normal":
            low, high = value - _BOUND < quantiles[0], value + _BOUND > quantiles[-1]
        else:
            low, high = value == quantiles[0], value == quantiles[-1]
        made = np.where(low, 0.0, np.where(high, 1.0, made))
        if model.output_distribution == "normal":
            ends = [norm_ppf(_BOUND - np.spacing(1)), norm_ppf(1 - (_BOUND - np.spacing(1)))]
            made = np.clip(norm_ppf(made), *map(float, ends))
        columns.append(np.where(np.isnan(value), np.nan, made))
    return np.stack(columns, axis=1)


@converts("inverse_transform", "QuantileTransformer")
def _quantile_back(model: Any, x: Frame) -> Array:
    matrix = x.matrix()
    columns = []
    for place in range(x.width):
        value: Any = matrix[:, place]
        if model.output_distribution == "normal":
            value = norm_cdf(value)
        columns.append(interpolate(value, model.references_, model.quantiles_[:, place]))
    return np.stack(columns, axis=1)


# -- splines -------------------------------------------------------------------------------------------------------


@converts("transform", "SplineTransformer")
def _spline(model: Any, x: Frame) -> Array:
    """Each basis spline as the polynomials between its knots (`scipy.interpolate.PPoly.from_spline`)."""
    matrix = x.matrix()
    columns = [_splines(model, spline, matrix[:, place]) for place, spline in enumerate(model.bsplines_)]
    if not model.include_bias:
        columns = [column[:, :-1] for column in columns]
    return np.concatenate(columns, axis=1)


def _splines(model: Any, spline: Any, value: Array) -> Array:
    from scipy.interpolate import PPoly

    knots, degree = spline.t, spline.k
    last = len(knots) - degree - 1
    low, high = float(knots[degree]), float(knots[last])
    missing = np.isnan(value)
    value = np.where(missing, low, value)
    inside = value
    if model.extrapolation == "periodic":
        span = high - low
        inside = low + ((value - low) - np.floor((value - low) / span) * span)
    elif model.extrapolation in ("constant", "linear"):
        inside = np.clip(value, low, high)
    elif model.extrapolation == "error":
        raise Unconvertible("it rejects values beyond the knots")
    pieces = [PPoly.from_spline((knots, column, degree)).c[:, degree:last] for column in spline.c.T]
    powers = np.stack(pieces, axis=-1)  # (degree + 1, intervals, splines)
    starts = knots[degree:last]
    interval = searchsorted_rows(starts[1:], inside)
    step = inside - value.of(starts).take(interval)
    made: Any = None
    for power in powers:  # Horner
        coefficient = value.of(np.ascontiguousarray(power)).take(interval)
        made = coefficient if made is None else made * step[:, None] + coefficient
    if model.extrapolation == "linear":
        ends = [(low, spline(low, nu=1)), (high, spline(high, nu=1))]
        for (end, slope), outside in zip(ends, (value < low, value > high), strict=True):
            slope = np.where(np.abs(slope) < 1e-300, 0.0, slope)  # noqa: PLW2901
            made = made + np.where(outside, value - end, 0.0)[:, None] * slope
    return np.where(missing[:, None], 0.0, made)
