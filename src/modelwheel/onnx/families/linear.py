"""Linear models, discriminant analysis, multilayer perceptrons and constants."""

from __future__ import annotations

from typing import Any

from ..arrays import Array
from ..frames import Frame
from ..numpy_names import np
from ..registry import apply, converts, decided, labels, largest, ones
from ..result import Unconvertible
from ..steps import both, dense, expit, flat, logistic, normalized, softmax

_REGRESSORS = (
    "LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "LassoLars", "LassoLarsCV", "LassoLarsIC", "Lars",
    "LarsCV", "ElasticNet", "ElasticNetCV", "MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet",
    "MultiTaskElasticNetCV", "OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV", "BayesianRidge",
    "ARDRegression", "HuberRegressor", "QuantileRegressor", "TheilSenRegressor", "SGDRegressor",
    "PassiveAggressiveRegressor", "LinearSVR",
)  # fmt: skip
_SCORED = (
    "LogisticRegression", "LogisticRegressionCV", "SGDClassifier", "Perceptron", "PassiveAggressiveClassifier",
    "RidgeClassifier", "RidgeClassifierCV", "LinearSVC", "LinearDiscriminantAnalysis",
)  # fmt: skip


def linear(model: Any, x: Frame) -> Array:
    """`X @ coef_.T + intercept_`; of one axis when `coef_` is."""
    # coefficients are sparse after `sparsify()`
    return x.matrix() @ dense(model.coef_).T + np.asarray(model.intercept_, np.float64)


converts("predict", *_REGRESSORS)(linear)


@converts("predict", "PoissonRegressor", "GammaRegressor", "TweedieRegressor")
def _generalized(model: Any, x: Frame) -> Array:
    link = type(model._base_loss.link).__name__  # noqa: SLF001 - scikit-learn says it nowhere else
    if link not in ("LogLink", "IdentityLink"):
        raise Unconvertible(f"the link {link} has no converter")
    raw = linear(model, x)
    return np.exp(raw) if link == "LogLink" else raw


@converts("decision_function", *_SCORED)
def _scores(model: Any, x: Frame) -> Array:
    """`LinearClassifierMixin.decision_function`."""
    return flat(linear(model, x))


@converts("predict", *_SCORED)
def _predict_by_scores(model: Any, x: Frame) -> Array:
    scores = apply(model, "decision_function", x)
    binarizer = getattr(model, "_label_binarizer", None)
    if binarizer is not None and binarizer.y_type_.startswith("multilabel"):
        return (scores > 0).astype(np.int64)
    return decided(model, scores)


@converts("predict_proba", "LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis")
def _logistic_proba(model: Any, x: Frame) -> Array:
    return logistic(apply(model, "decision_function", x))


@converts("predict_log_proba", "LinearDiscriminantAnalysis")
def _never_zero(model: Any, x: Frame) -> Array:
    proba = apply(model, "predict_proba", x)
    return np.log(np.where(proba == 0.0, np.finfo(np.float64).smallest_normal, proba))


@converts("predict_proba", "SGDClassifier")
def _sgd_proba(model: Any, x: Frame) -> Array:
    scores = apply(model, "decision_function", x)
    second = expit(scores) if model.loss == "log_loss" else (np.clip(scores, -1.0, 1.0) + 1.0) / 2.0
    return both(second) if scores.ndim == 1 else normalized(second)


@converts("transform", "LinearDiscriminantAnalysis")
def _lda_transform(model: Any, x: Frame) -> Array:
    matrix = x.matrix() - model.xbar_ if model.solver == "svd" else x.matrix()
    return (matrix @ model.scalings_)[:, : model._max_components]  # noqa: SLF001


# -- quadratic discriminant analysis -------------------------------------------------------------------------------


def _qda_scores(model: Any, x: Frame) -> Array:
    """`QuadraticDiscriminantAnalysis._decision_function`."""
    norms = []
    for rotation, scaling, mean in zip(model.rotations_, model.scalings_, model.means_, strict=True):
        norms.append((((x.matrix() - mean) @ (rotation * scaling**-0.5)) ** 2).sum(1))
    determinants = np.asarray([np.sum(np.log(scaling)) for scaling in model.scalings_])
    return (np.stack(norms, axis=1) + determinants) * -0.5 + np.log(model.priors_)


def log_softmax_stable(scores: Array) -> Array:
    """`DiscriminantAnalysisPredictionMixin.predict_log_proba`."""
    likelihood = scores - scores.max(1, keepdims=True)
    return likelihood - np.log(np.exp(likelihood).sum(1)[:, None])


@converts("decision_function", "QuadraticDiscriminantAnalysis")
def _qda_decision(model: Any, x: Frame) -> Array:
    scores = _qda_scores(model, x)
    return scores[:, 1] - scores[:, 0] if len(model.classes_) == 2 else scores


@converts("predict", "QuadraticDiscriminantAnalysis")
def _qda_predict(model: Any, x: Frame) -> Array:
    return largest(model, _qda_scores(model, x))


@converts("predict_log_proba", "QuadraticDiscriminantAnalysis")
def _qda_log_proba(model: Any, x: Frame) -> Array:
    return log_softmax_stable(_qda_scores(model, x))


# -- perceptrons of several layers ---------------------------------------------------------------------------------

_ACTIVATIONS = {
    "identity": lambda value: value,
    "tanh": np.tanh,
    "logistic": expit,
    "relu": lambda value: np.maximum(value, 0.0),
    "softmax": softmax,
}


def _forward(model: Any, x: Frame) -> Array:
    """`BaseMultilayerPerceptron._forward_pass_fast`."""
    value: Any = x.matrix()
    last = model.n_layers_ - 2
    for place, (weights, intercept) in enumerate(zip(model.coefs_, model.intercepts_, strict=True)):
        value = value @ weights.astype(np.float64) + intercept.astype(np.float64)
        name = model.out_activation_ if place == last else model.activation
        if name not in _ACTIVATIONS:
            raise Unconvertible(f"the activation {name!r} has no converter")
        value = _ACTIVATIONS[name](value)
    return flat(value)


converts("predict", "MLPRegressor")(_forward)


@converts("predict_proba", "MLPClassifier")
def _mlp_proba(model: Any, x: Frame) -> Array:
    value = _forward(model, x)
    return both(value) if value.ndim == 1 else value


@converts("predict", "MLPClassifier")
def _mlp_classes(model: Any, x: Frame) -> Array:
    """`LabelBinarizer.inverse_transform`: above a half, or the largest."""
    value = _forward(model, x)
    if model._label_binarizer.y_type_.startswith("multilabel"):  # noqa: SLF001
        return (value > 0.5).astype(np.int64)
    return decided(model, value, 0.5)


# -- outliers ------------------------------------------------------------------------------------------------------


@converts("decision_function", "SGDOneClassSVM")
def _one_class(model: Any, x: Frame) -> Array:
    return x.matrix() @ np.ravel(model.coef_) - float(np.ravel(model.offset_)[0])


@converts("score_samples", "SGDOneClassSVM", "OneClassSVM")
def _one_class_scores(model: Any, x: Frame) -> Array:
    return apply(model, "decision_function", x) + float(np.ravel(model.offset_)[0])


@converts("decision_function", "EllipticEnvelope", "IsolationForest", "LocalOutlierFactor")
def _above_offset(model: Any, x: Frame) -> Array:
    return apply(model, "score_samples", x) - float(model.offset_)


@converts("predict", "SGDOneClassSVM", "EllipticEnvelope", "IsolationForest", "LocalOutlierFactor")
def inliers(model: Any, x: Frame) -> Array:
    """1 where `decision_function` is zero or more, else -1."""
    return np.where(apply(model, "decision_function", x) >= 0, np.int64(1), np.int64(-1))


# -- constants -----------------------------------------------------------------------------------------------------


@converts("predict", "DummyRegressor")
def _constant(model: Any, x: Frame) -> Array:
    return flat(ones(x, model.n_outputs_) * np.asarray(model.constant_, np.float64).ravel())


@converts("predict_proba", "DummyClassifier")
def _constant_proba(model: Any, x: Frame) -> Any:
    several = model.n_outputs_ > 1
    classes = model.classes_ if several else [model.classes_]
    priors = model.class_prior_ if several else [model.class_prior_]
    made = []
    for place, (known, prior) in enumerate(zip(classes, priors, strict=True)):
        if model._strategy in ("stratified", "uniform"):  # noqa: SLF001
            raise Unconvertible("its predictions are random")
        row = np.asarray(prior, np.float64)
        if model._strategy == "most_frequent":  # noqa: SLF001
            row = np.eye(len(known))[row.argmax()]
        elif model._strategy == "constant":  # noqa: SLF001
            row = (known == np.ravel(model.constant)[place]).astype(np.float64)
        made.append(ones(x, len(known)) * row)
    return made if several else made[0]


@converts("predict", "DummyClassifier")
def _constant_class(model: Any, x: Frame) -> Array:
    proba = apply(model, "predict_proba", x)
    if isinstance(proba, list):
        pairs = zip(model.classes_, proba, strict=True)
        return np.stack([labels(known, part.argmax(1)) for known, part in pairs], axis=1)
    return largest(model, proba)
