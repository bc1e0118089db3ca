"""Densities: naive Bayes, Gaussian mixtures, covariance envelopes, isotonic regression."""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame
from ..numpy_names import np
from ..registry import apply, converts, largest
from ..result import Unconvertible
from ..steps import added, interpolate, logsumexp, required

_BAYES = ("GaussianNB", "BernoulliNB", "MultinomialNB", "ComplementNB", "CategoricalNB")


def joint(model: Any, x: Frame) -> Array:
    """`_joint_log_likelihood` of the naive Bayes classifiers, of shape (rows, classes)."""
    name = type(model).__name__
    if name == "GaussianNB":
        return _gaussian(model, x)
    if name == "CategoricalNB":
        return _categorical(model, x)
    logs = model.feature_log_prob_
    if name == "BernoulliNB":
        matrix = x.matrix() if model.binarize is None else (x.matrix() > float(model.binarize)).astype(FLOAT)
        negative = np.log(1 - np.exp(logs))
        return matrix @ (logs - negative).T + (model.class_log_prior_ + negative.sum(1))
    made = x.matrix() @ logs.T
    return made if name == "ComplementNB" and len(model.classes_) > 1 else made + model.class_log_prior_


def _gaussian(model: Any, x: Frame) -> Array:
    columns = []
    for mean, variance, prior in zip(model.theta_, model.var_, model.class_prior_, strict=True):
        centered = x.matrix() - mean
        constant = np.log(prior) - 0.5 * np.sum(np.log(2.0 * np.pi * variance))
        columns.append((centered * centered / variance).sum(1) * -0.5 + float(constant))
    return np.stack(columns, axis=1)


def _categorical(model: Any, x: Frame) -> Array:
    """Unseen categories are an error, as in the original."""
    matrix = x.matrix().astype(WHOLE)
    parts = []
    for place, logs in enumerate(model.feature_log_prob_):
        codes = required(matrix[:, place], logs.shape[1])
        parts.append(codes.of(np.ascontiguousarray(logs.T)).take(codes))
    return added(parts) + model.class_log_prior_


@converts("predict", *_BAYES)
def _bayes(model: Any, x: Frame) -> Array:
    return largest(model, _likelihood(model, x))


@converts("predict_log_proba", *_BAYES)
def _bayes_logs(model: Any, x: Frame) -> Array:
    likelihood = _likelihood(model, x)
    return likelihood - logsumexp(likelihood)


@converts("predict_proba", *_BAYES, "QuadraticDiscriminantAnalysis", "NearestCentroid")
def _from_logs(model: Any, x: Frame) -> Array:
    return np.exp(apply(model, "predict_log_proba", x))


def _likelihood(model: Any, x: Frame) -> Array:
    make = _weighted if hasattr(model, "covariance_type") else joint
    return x.graph.once("likelihood", (model, x), lambda: make(model, x))


# -- mixtures ------------------------------------------------------------------------------------------------------


def _weighted(model: Any, x: Frame) -> Array:
    """`_estimate_weighted_log_prob`: the logarithm of each component's density, with its weight."""
    logs = _log_densities(model, x)
    weights = np.asarray(model._estimate_log_weights(), np.float64)  # noqa: SLF001
    if type(model).__name__ == "BayesianGaussianMixture":
        from scipy.special import digamma

        count, freedom = x.width, model.degrees_of_freedom_
        steps = np.arange(count)[:, None]
        logs = logs + -0.5 * count * np.log(freedom)
        log_lambda = count * np.log(2.0) + digamma(0.5 * (freedom - steps)).sum(0)
        logs = logs + 0.5 * (log_lambda - count / model.mean_precision_)
    return logs + weights


def _log_densities(model: Any, x: Frame) -> Array:
    """`_estimate_log_gaussian_prob`."""
    matrix, count = x.matrix(), x.width
    precisions, kind = model.precisions_cholesky_, model.covariance_type
    columns = []
    for place, mean in enumerate(model.means_):
        if kind == "full":
            whitened = (matrix - mean) @ precisions[place]
            determinant = np.sum(np.log(np.diag(precisions[place])))
        elif kind == "tied":
            whitened = (matrix - mean) @ precisions
            determinant = np.sum(np.log(np.diag(precisions)))
        else:
            scale = precisions[place]
            whitened = (matrix - mean) * scale
            determinant = np.sum(np.log(scale)) if kind == "diag" else count * np.log(scale)
        constant = -0.5 * count * np.log(2 * np.pi) + determinant
        columns.append((whitened * whitened).sum(1) * -0.5 + float(constant))
    return np.stack(columns, axis=1)


_MIXTURES = ("GaussianMixture", "BayesianGaussianMixture")


@converts("predict", *_MIXTURES)
def _component(model: Any, x: Frame) -> Array:
    return _likelihood(model, x).argmax(1)


@converts("predict_proba", *_MIXTURES)
def _responsibilities(model: Any, x: Frame) -> Array:
    logs = _likelihood(model, x)
    return np.exp(logs - logsumexp(logs))


@converts("score_samples", *_MIXTURES)
def _mixture_density(model: Any, x: Frame) -> Array:
    return logsumexp(_likelihood(model, x))[:, 0]


# -- envelopes, monotone functions ---------------------------------------------------------------------------------


@converts("score_samples", "EllipticEnvelope")
def _envelope(model: Any, x: Frame) -> Array:
    centered = x.matrix() - model.location_
    return -(centered * (centered @ model.get_precision())).sum(1)


@converts("predict", "IsotonicRegression")
@converts("transform", "IsotonicRegression")
def _isotonic(model: Any, x: Frame) -> Array:
    """Beyond the fitted range: NaN, the ends (`clip`), or an error."""
    value = x.matrix()[:, 0]
    points, results = np.asarray(model.X_thresholds_, np.float64), np.asarray(model.y_thresholds_, np.float64)
    made = interpolate(value, points, results)
    if model.out_of_bounds == "clip" or len(points) == 1:
        return made
    if model.out_of_bounds == "raise":
        raise Unconvertible("it rejects values beyond the fitted range")
    beyond = (value < points[0]) | (value > points[-1])
    return np.where(beyond, np.nan, made)
