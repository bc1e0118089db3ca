"""Decompositions, projections and partial least squares: linear maps, some of them with a function behind."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from ..frames import Frame
from ..numpy_names import np
from ..registry import apply, converts
from ..result import Unconvertible
from ..steps import dense, expit


def _components(model: Any) -> Any:
    return dense(model.components_)


@converts("transform", "PCA", "IncrementalPCA")
def _pca(model: Any, x: Frame) -> Array:
    components = _components(model)
    made = x.matrix() @ components.T - np.asarray(model.mean_, np.float64) @ components.T
    if not model.whiten:
        return made
    scale = np.sqrt(np.asarray(model.explained_variance_, np.float64))
    return made / np.maximum(scale, np.finfo(scale.dtype).eps)


@converts("score_samples", "PCA", "FactorAnalysis")
def _pca_likelihood(model: Any, x: Frame) -> Array:
    """The logarithm of the likelihood under the probabilistic model of Tipping and Bishop."""
    centered, precision = x.matrix() - model.mean_, model.get_precision()
    determinant = np.linalg.slogdet(precision)[1]
    distance = (centered * (centered @ precision)).sum(1)
    return distance * -0.5 - 0.5 * (x.width * np.log(2.0 * np.pi) - determinant)


@converts("transform", "FactorAnalysis")
def _factors(model: Any, x: Frame) -> Array:
    weighted = model.components_ / model.noise_variance_
    covariance = np.linalg.inv(np.eye(len(model.components_)) + weighted @ model.components_.T)
    return (x.matrix() - model.mean_) @ weighted.T @ covariance


@converts("transform", "FastICA")
def _ica(model: Any, x: Frame) -> Array:
    return (x.matrix() - model.mean_ if model.whiten else x.matrix()) @ _components(model).T


@converts("transform", "SparsePCA", "MiniBatchSparsePCA")
def _sparse_pca(model: Any, x: Frame) -> Array:
    """`ridge_regression` on the components, whose solution is linear in the row."""
    components = _components(model)
    gram = components @ components.T + model.ridge_alpha * np.eye(len(components))
    return (x.matrix() - model.mean_) @ np.linalg.solve(gram, components).T


@converts("transform", "TruncatedSVD", "NeighborhoodComponentsAnalysis", "GaussianRandomProjection",
         "SparseRandomProjection")  # fmt: skip
def _projected(model: Any, x: Frame) -> Array:
    return x.matrix() @ _components(model).T


@converts("transform", "BernoulliRBM")
def _hidden(model: Any, x: Frame) -> Array:
    return expit(x.matrix() @ _components(model).T + model.intercept_hidden_)


@converts("transform", "PLSRegression", "PLSCanonical", "CCA")
def _scores(model: Any, x: Frame) -> Array:
    return ((x.matrix() - model._x_mean) / model._x_std) @ model.x_rotations_  # noqa: SLF001


@converts("transform", "PLSSVD")
def _svd_scores(model: Any, x: Frame) -> Array:
    return ((x.matrix() - model._x_mean) / model._x_std) @ model.x_weights_  # noqa: SLF001


@converts("predict", "PLSRegression", "PLSCanonical", "CCA")
def _pls(model: Any, x: Frame) -> Array:
    made = (x.matrix() - model._x_mean) @ model.coef_.T + model.intercept_  # noqa: SLF001
    return made[:, 0] if model._predict_1d else made  # noqa: SLF001


@converts("transform", "FeatureAgglomeration")
def _pooled(model: Any, x: Frame) -> Array:
    matrix, labels = x.matrix(), model.labels_
    if model.pooling_func is np.mean:
        members = labels[:, None] == np.arange(labels.max() + 1)
        return matrix @ (members / members.sum(0))
    if model.pooling_func not in (np.max, np.min, np.sum):
        raise Unconvertible("its pooling function has no converter")
    pooled = [model.pooling_func(matrix[:, labels == label], axis=1) for label in np.unique(labels)]
    return np.stack(pooled, axis=1)


# -- approximations of kernels -------------------------------------------------------------------------------------


@converts("transform", "RBFSampler")
def _rbf_sampler(model: Any, x: Frame) -> Array:
    return np.cos(x.matrix() @ model.random_weights_ + model.random_offset_) * (2.0 / model.n_components) ** 0.5


@converts("transform", "SkewedChi2Sampler")
def _skewed(model: Any, x: Frame) -> Array:
    logs = np.log(x.matrix() + float(model.skewedness))
    made = np.cos(logs @ model.random_weights_ + model.random_offset_)
    return made * (2.0 / model.n_components) ** 0.5


@converts("transform", "AdditiveChi2Sampler")
def _additive(model: Any, x: Frame) -> Array:
    """`AdditiveChi2Sampler._transform_dense`."""
    interval = model.sample_interval or {1: 0.8, 2: 0.5, 3: 0.4}[model.sample_steps]
    matrix = x.matrix()
    zero = matrix == 0.0
    parts = [np.sqrt(matrix * interval)]
    logs = np.log(np.where(zero, 1.0, matrix)) * interval
    for step in range(1, model.sample_steps):
        factor = np.sqrt(matrix * (2.0 * interval / np.cosh(np.pi * step * interval)))
        parts += [factor * np.cos(logs * float(step)), factor * np.sin(logs * float(step))]
    return np.concatenate([np.where(zero, 0.0, part) for part in parts], axis=1)


@converts("transform", "PolynomialCountSketch")
def _count_sketch(model: Any, x: Frame) -> Array:
    """Products of Fourier transforms of count sketches; the transforms are matrices here."""
    width, size = model.indexHash_.shape[1], model.n_components
    angle = 2.0 * np.pi * np.outer(np.arange(size), np.arange(size)) / size
    real: Any = None
    imaginary: Any = None
    for places, signs in zip(model.indexHash_, model.bitHash_, strict=True):
        sketch = np.zeros((width, size))
        sketch[np.arange(width), places] = signs
        added = np.sqrt(model.coef0) * sketch[-1] if model.coef0 != 0 else 0.0
        counted = x.matrix() @ (np.sqrt(model.gamma) * sketch[: x.width]) + added
        re, im = counted @ np.cos(angle), -(counted @ np.sin(angle))
        real, imaginary = (re, im) if real is None else (real * re - imaginary * im, real * im + imaginary * re)
    return (real @ np.cos(angle) - imaginary @ np.sin(angle)) / float(size)


@converts("transform", "Nystroem")
def _nystroem(model: Any, x: Frame) -> Array:
    from .kernels import pairwise

    return pairwise(model, x, model.components_) @ model.normalization_.T


@converts("transform", "KernelCenterer")
def _centered(model: Any, x: Frame) -> Array:
    kernel = x.matrix()
    rows = kernel.sum(1, keepdims=True) / float(len(model.K_fit_rows_))
    return kernel - model.K_fit_rows_ - rows + float(model.K_fit_all_)


@converts("transform", "KernelPCA")
def _kernel_pca(model: Any, x: Frame) -> Array:
    from .kernels import pairwise

    centered = apply(model._centerer, "transform", Frame([pairwise(model, x, model.X_fit_)]))  # noqa: SLF001
    alphas = np.zeros_like(model.eigenvectors_)
    used = np.flatnonzero(model.eigenvalues_)
    alphas[:, used] = model.eigenvectors_[:, used] / np.sqrt(model.eigenvalues_[used])
    return centered @ alphas
