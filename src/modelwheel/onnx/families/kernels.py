"""Kernels: support vector machines, kernel ridge, Gaussian processes, label propagation, kernel densities."""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame
from ..normal import erf
from ..numpy_names import np
from ..registry import apply, converts, label, largest
from ..result import Unconvertible
from ..steps import added, both, dense, distances, flat, logsumexp, squared_distances
from .multiple import ovr_scores
from .scaling import normalize


def kernel(x: Frame, points: Any, name: Any, *, gamma: Any = None, degree: float = 3, coef0: float = 1) -> Array:
    """`sklearn.metrics.pairwise.pairwise_kernels` of rows with constant points."""
    if name == "precomputed":
        return x.matrix()
    points = dense(points)
    matrix = x.matrix()
    factor = 1.0 / points.shape[1] if gamma is None else float(gamma)
    if name == "rbf":
        return np.exp(squared_distances(matrix, points) * -factor)
    if name == "laplacian":
        return np.exp(distances(matrix, points, "manhattan") * -factor)
    if name == "cosine":
        sizes = np.linalg.norm(points, axis=1, keepdims=True)
        return normalize(matrix, "l2") @ (points / np.where(sizes == 0, 1.0, sizes)).T
    if name not in ("linear", "poly", "polynomial", "sigmoid"):
        raise Unconvertible(
            f"the kernel {name!r} has no converter" if isinstance(name, str) else "its kernel is a function"
        )
    product = matrix @ points.T
    if name == "linear":
        return product
    inner = product * factor + float(coef0)
    return np.tanh(inner) if name == "sigmoid" else inner ** float(degree)


def pairwise(model: Any, x: Frame, points: Any) -> Array:
    """The kernel of an estimator with the parameters `kernel`, `gamma`, `degree` and `coef0`."""
    if getattr(model, "kernel_params", None):
        raise Unconvertible("its kernel has custom parameters")
    gamma = getattr(model, "gamma_", None) if model.gamma is None else model.gamma
    given = {"degree": model.degree, "coef0": model.coef0}
    return kernel(
        x, points, model.kernel, gamma=gamma, **{key: value for key, value in given.items() if value is not None}
    )


@converts("predict", "KernelRidge")
def _ridge(model: Any, x: Frame) -> Array:
    return pairwise(model, x, model.X_fit_) @ model.dual_coef_


# -- support vector machines (libsvm) ------------------------------------------------------------------------------


def _support_kernel(model: Any, x: Frame) -> Array:
    if model.kernel == "precomputed":
        return x.matrix()[:, model.support_]
    given = {"gamma": model._gamma, "degree": model.degree, "coef0": model.coef0}  # noqa: SLF001
    return kernel(x, model.support_vectors_, model.kernel, **given)


def _coefficients(model: Any) -> Any:
    return dense(model._dual_coef_)


@converts("decision_function", "OneClassSVM")
@converts("predict", "SVR", "NuSVR")
def _svr(model: Any, x: Frame) -> Array:
    return (_support_kernel(model, x) @ _coefficients(model).T + model._intercept_)[:, 0]


@converts("predict", "OneClassSVM")
def _one_class_label(model: Any, x: Frame) -> Array:
    """As in libsvm: zero is outside."""
    return np.where(apply(model, "decision_function", x) > 0, np.int64(1), np.int64(-1))


def _pairs(model: Any, x: Frame) -> Array:
    """Libsvm's decision values of each pair of classes: positive for the first of the two."""
    count, coefficients = len(model.classes_), _coefficients(model)
    starts = np.concatenate([[0], np.cumsum(model._n_support)])  # noqa: SLF001
    columns = []
    for i in range(count):
        for j in range(i + 1, count):
            column = np.zeros(coefficients.shape[1])
            first, second = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            column[first], column[second] = coefficients[j - 1, first], coefficients[i, second]
            columns.append(column)
    return _support_kernel(model, x) @ np.stack(columns, axis=1) + model._intercept_


@converts("decision_function", "SVC", "NuSVC")
def _svc_scores(model: Any, x: Frame) -> Array:
    values = _pairs(model, x)
    count = len(model.classes_)
    if count == 2:
        return -values[:, 0]
    if model.decision_function_shape != "ovr":
        return values
    columns = [values[:, place] for place in range(count * (count - 1) // 2)]
    return ovr_scores([(column < 0).astype(FLOAT) for column in columns], [-column for column in columns], count)


@converts("predict", "SVC", "NuSVC")
def _svc(model: Any, x: Frame) -> Array:
    """A vote of the pairs, the first class of equals; with `break_ties` the highest score."""
    if model.break_ties and len(model.classes_) > 2:
        return largest(model, apply(model, "decision_function", x))
    values = _pairs(model, x)
    if len(model.classes_) == 2:
        return label(model, (values[:, 0] <= 0).astype(WHOLE))
    count, place = len(model.classes_), 0
    votes: list[Any] = [0.0] * count
    for i in range(count):
        for j in range(i + 1, count):
            first = (values[:, place] > 0).astype(FLOAT)
            votes[i], votes[j] = votes[i] + first, votes[j] + (1.0 - first)
            place += 1
    return largest(model, np.stack(votes, axis=1))


# -- label propagation, densities ----------------------------------------------------------------------------------


@converts("predict_proba", "LabelPropagation", "LabelSpreading")
def _propagated(model: Any, x: Frame) -> Array:
    if model.kernel == "knn":
        from .neighbors import nearest

        _, places = nearest(model.nn_fit, x, model.n_neighbors)
        total = places.of(model.label_distributions_).take(places).sum(1)
    else:
        total = kernel(x, model.X_, model.kernel, gamma=model.gamma) @ model.label_distributions_
    return total / total.sum(1, keepdims=True)


@converts("score_samples", "KernelDensity")
def _density(model: Any, x: Frame) -> Array:
    """The logarithm of the summed kernels; scikit-learn's tree stops early only when `atol` or `rtol` allow it."""
    data, width = np.asarray(model.tree_.data), float(model.bandwidth_)
    count = x.width
    distance = distances(x.matrix(), data, model.metric)
    if model.kernel == "gaussian":
        logs = distance * distance * (-0.5 / width**2)
        norm = -count * (0.5 * np.log(2 * np.pi) + np.log(width))
    elif model.kernel in ("tophat", "exponential", "epanechnikov", "linear"):
        logs, norm = _other_density(model.kernel, distance / width, count, width)
    else:
        raise Unconvertible(f"the density of kernel {model.kernel!r} has no converter")
    weights = model.tree_.sample_weight
    if weights is not None:
        logs, total = logs + np.log(np.asarray(weights)), float(model.tree_.sum_weight)
    else:
        total = float(len(data))
    return logsumexp(logs)[:, 0] + float(norm - np.log(total))


def _other_density(name: str, scaled: Array, count: int, width: float) -> tuple[Any, float]:
    """Logarithms of the kernels, and of their volume (`sklearn.neighbors._binary_tree._log_kernel_norm`)."""
    from scipy.special import gammaln

    ball = 0.5 * count * np.log(np.pi) - gammaln(0.5 * count + 1)
    if name == "exponential":
        sphere = np.log(2 * np.pi) + 0.5 * (count - 1 - 1) * np.log(np.pi) - gammaln(0.5 * (count - 1 - 1) + 1)
        return -scaled, -(sphere + gammaln(count)) - count * np.log(width)
    inside = scaled < 1.0
    if name == "tophat":
        return np.where(inside, 0.0, -np.inf), -ball - count * np.log(width)
    if name == "epanechnikov":
        safe = np.where(inside, 1.0 - scaled * scaled, 1.0)
        return np.where(inside, np.log(safe), -np.inf), -(ball + np.log(2.0 / (count + 2.0))) - count * np.log(width)
    safe = np.where(inside, 1.0 - scaled, 1.0)
    return np.where(inside, np.log(safe), -np.inf), -(ball - np.log(count + 1.0)) - count * np.log(width)


# -- Gaussian processes --------------------------------------------------------------------------------------------


def covariance(part: Any, x: Array, points: Any) -> Array:
    """A kernel of `sklearn.gaussian_process.kernels` between rows and constant points."""
    name = type(part).__name__
    if name in ("Sum", "Product"):
        one, other = covariance(part.k1, x, points), covariance(part.k2, x, points)
        return one + other if name == "Sum" else one * other
    if name == "Exponentiation":
        return covariance(part.kernel, x, points) ** float(part.exponent)
    if name in ("ConstantKernel", "WhiteKernel"):
        value = part.constant_value if name == "ConstantKernel" else 0.0
        return (x[:, [0]] @ np.zeros((1, len(points)))) + float(value)
    if name == "DotProduct":
        return x @ points.T + float(part.sigma_0) ** 2
    if name in ("RBF", "Matern"):
        scale = np.asarray(part.length_scale, np.float64)
        squared = squared_distances(x / scale, points / scale)
        return np.exp(squared * -0.5) if name == "RBF" else _matern(part.nu, squared)
    if name == "RationalQuadratic":
        squared = squared_distances(x, points)
        base = squared / float(2 * part.alpha * part.length_scale**2) + 1.0
        return base ** float(-part.alpha)
    if name == "ExpSineSquared":
        wave = np.sin(distances(x, points) * float(np.pi / part.periodicity)) / float(part.length_scale)
        return np.exp(wave * wave * -2.0)
    raise Unconvertible(f"the kernel {name} has no converter")


def _matern(nu: float, squared: Array) -> Array:
    if nu == np.inf:
        return np.exp(squared * -0.5)
    distance = np.sqrt(squared)
    if nu not in (0.5, 1.5, 2.5):
        raise Unconvertible(f"the Matern kernel with nu={nu} has no converter")
    scaled = distance * float(np.sqrt(2 * nu))
    polynomial: Any = {0.5: 1.0, 1.5: scaled + 1.0, 2.5: scaled + 1.0 + scaled * scaled / 3.0}[nu]
    return np.exp(-scaled) * polynomial


@converts("predict", "GaussianProcessRegressor")
def _process(model: Any, x: Frame) -> Array:
    if not hasattr(model, "X_train_"):
        raise Unconvertible("it is not fitted")
    mean = covariance(model.kernel_, x.matrix(), model.X_train_) @ model.alpha_
    made = mean * np.asarray(model._y_train_std) + np.asarray(model._y_train_mean)  # noqa: SLF001
    return flat(made)


def _latent(model: Any, x: Frame) -> tuple[Array, Array]:
    """`_BinaryGaussianProcessClassifierLaplace`: K*, and the mean of the latent function."""
    found = covariance(model.kernel_, x.matrix(), model.X_train_)
    return found, found @ (model.y_train_ - model.pi_)


def _second_class(model: Any, x: Frame) -> Array:
    from scipy.linalg import solve_triangular
    from sklearn.gaussian_process import _gpc

    found, mean = _latent(model, x)
    solved = solve_triangular(model.L_, np.diag(model.W_sr_), lower=True)
    inner = found @ solved.T
    variance = _diagonal(model.kernel_, x.matrix()) - (inner * inner).sum(1)
    alpha = 1.0 / (variance * 2.0)
    lambdas, coefficients = np.ravel(_gpc.LAMBDAS), np.ravel(_gpc.COEFS)
    parts = []
    for value, coefficient in zip(lambdas.tolist(), coefficients.tolist(), strict=True):
        spread = alpha / (alpha + value**2)
        part = np.sqrt(np.pi / alpha) * erf(mean * value * np.sqrt(spread)) / (np.sqrt(variance * 2.0 * np.pi) * 2.0)
        parts.append(part * coefficient)
    return added(parts) + 0.5 * float(coefficients.sum())


def _diagonal(part: Any, x: Array) -> Any:
    """`kernel.diag`."""
    name = type(part).__name__
    if name in ("Sum", "Product"):
        one, other = _diagonal(part.k1, x), _diagonal(part.k2, x)
        return one + other if name == "Sum" else one * other
    if name in ("ConstantKernel", "WhiteKernel"):
        return float(part.constant_value if name == "ConstantKernel" else part.noise_level)
    if name == "DotProduct":
        return (x * x).sum(1) + float(part.sigma_0) ** 2
    if name == "Exponentiation":
        return _diagonal(part.kernel, x) ** float(part.exponent)
    return 1.0


@converts("predict_proba", "_BinaryGaussianProcessClassifierLaplace")
def _laplace_proba(model: Any, x: Frame) -> Array:
    return both(_second_class(model, x))


@converts("predict", "_BinaryGaussianProcessClassifierLaplace")
def _laplace(model: Any, x: Frame) -> Array:
    return label(model, (_latent(model, x)[1] > 0).astype(WHOLE))
