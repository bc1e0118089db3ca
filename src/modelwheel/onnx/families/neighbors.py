"""Nearest neighbours and nearest centres: `sklearn.neighbors`, clusterers that predict, Isomap."""

from __future__ import annotations

from typing import Any

from ..arrays import FLOAT, WHOLE, Array
from ..frames import Frame, frame
from ..numpy_names import np
from ..registry import apply, converts, label, labels, largest
from ..result import Unconvertible
from ..steps import distances, smallest, squared_distances, tied

MOST_DIFFERENCES = 64
"""Up to this many features, distances are sums of differences, which are exact; beyond, products of matrices."""


def to_points(model: Any, x: Frame) -> Array:
    """Distances to all fitted points, in the metric of the estimator."""
    points = model._fit_X  # noqa: SLF001
    if hasattr(points, "toarray"):
        raise Unconvertible("it was fitted on a sparse matrix")
    metric, p = model.effective_metric_, getattr(model, "p", 2)
    given = {key: value for key, value in (model.effective_metric_params_ or {}).items() if value is not None}
    p = given.pop("p", p)
    if given:
        raise Unconvertible(f"the metric {metric!r} with parameters has no converter")
    if metric == "euclidean" and points.shape[1] > MOST_DIFFERENCES:
        return np.sqrt(squared_distances(x.matrix(), points))
    return distances(x.matrix(), points, metric, p)


def nearest(model: Any, x: Frame, count: int) -> tuple[Array, Array]:
    """Distances and places of the nearest fitted points, in order."""

    def made() -> tuple[Array, Array]:
        whole = to_points(model, x)
        x.graph.ties.append(tied(whole, count, len(model._fit_X)))  # noqa: SLF001
        return smallest(whole, count)

    return x.graph.once(f"nearest {count}", (model, x), made)


def weights_of(distance: Array, weights: Any) -> Any:
    """`sklearn.neighbors._base._get_weights`: None, or inverse distances; at distance zero only those count."""
    if weights in ("uniform", None):
        return None
    if weights != "distance":
        raise Unconvertible("its weights are a function")
    zero = distance == 0.0
    some = zero.astype(FLOAT).max(1, keepdims=True) > 0.0
    return np.where(some, zero.astype(FLOAT), 1.0 / np.where(zero, 1.0, distance))


def _targets(model: Any) -> list[Any]:
    y = np.asarray(model._y)  # noqa: SLF001
    return [y] if y.ndim == 1 else [y[:, place] for place in range(y.shape[1])]


def _proba(total: Array) -> Array:
    size = total.sum(1, keepdims=True)
    return total / np.where(size == 0.0, 1.0, size)


@converts("predict_proba", "KNeighborsClassifier")
def _classes(model: Any, x: Frame) -> Any:
    distance, places = nearest(model, x, model.n_neighbors)
    weights = weights_of(distance, model.weights)
    several = model.outputs_2d_
    made = []
    for codes, classes in zip(_targets(model), model.classes_ if several else [model.classes_], strict=True):
        hot = (places.of(codes.astype(np.int64)).take(places)[:, :, None] == np.arange(len(classes))).astype(FLOAT)
        total = hot.sum(1) if weights is None else (hot * weights[:, :, None]).sum(1)
        made.append(_proba(total))
    return made if several else made[0]


@converts("predict", "KNeighborsClassifier", "RadiusNeighborsClassifier")
def _most(model: Any, x: Frame) -> Array:
    proba = apply(model, "predict_proba", x)
    outlier = getattr(model, "outlier_label_", None)
    several = isinstance(proba, list)
    known = model.classes_ if several else [model.classes_]
    made = []
    for place, (part, classes) in enumerate(zip(proba if several else [proba], known, strict=True)):
        found = labels(classes, part.argmax(1))
        if outlier is not None:
            found = np.where(part.max(1) == 0.0, outlier[place], found)
        made.append(found)
    return np.stack(made, axis=1) if several else made[0]


@converts("predict", "KNeighborsRegressor")
def _mean(model: Any, x: Frame) -> Array:
    distance, places = nearest(model, x, model.n_neighbors)
    weights = weights_of(distance, model.weights)
    y = np.asarray(model._y, np.float64)  # noqa: SLF001
    values = places.of(y.reshape(len(y), -1)).take(places)
    made = values.mean(1) if weights is None else _weighted(values, weights)
    return made[:, 0] if y.ndim == 1 else made


def _weighted(values: Array, weights: Any) -> Array:
    return (values * weights[:, :, None]).sum(1) / weights.sum(1)[:, None]


@converts("transform", "KNeighborsTransformer")
def _graph(model: Any, x: Frame) -> Array:
    """One row of the graph per row: the distances, or ones, of its neighbours."""
    whole = to_points(model, x)
    count = model.n_neighbors + (model.mode == "distance")
    distance, places = smallest(whole, count)
    values = distance if model.mode == "distance" else distance * 0.0 + 1.0
    return (whole * 0.0).emit("ScatterElements", places, values, axis=1)


@converts("transform", "RadiusNeighborsTransformer")
def _radius_graph(model: Any, x: Frame) -> Array:
    whole = to_points(model, x)
    inside = (whole <= float(model.radius)).astype(FLOAT)
    return whole * inside if model.mode == "distance" else inside


def _within(model: Any, x: Frame) -> tuple[Array, Array]:
    whole = to_points(model, x)
    inside = (whole <= float(model.radius)).astype(FLOAT)
    weights = weights_of(np.where(inside > 0.0, whole, np.inf), model.weights)
    return inside, inside if weights is None else weights * inside


@converts("predict_proba", "RadiusNeighborsClassifier")
def _radius_classes(model: Any, x: Frame) -> Any:
    inside, weights = _within(model, x)
    alone = inside.sum(1, keepdims=True) == 0.0
    several = model.outputs_2d_
    made = []
    pairs = zip(_targets(model), model.classes_ if several else [model.classes_], strict=True)
    for place, (codes, classes) in enumerate(pairs):
        total = weights @ np.eye(len(classes))[codes.astype(np.int64)]
        if model.outlier_label_ is None:
            # the original raises for rows without neighbours, and so does the run of the graph
            total = total + _refuse(alone).astype(FLOAT)
        else:
            outlier = (np.asarray(classes) == model.outlier_label_[place]).astype(np.float64)
            total = np.where(alone, outlier, total)
        made.append(_proba(total))
    return made if several else made[0]


def _refuse(bad: Array) -> Array:
    """Zeros; the run fails where `bad` is true."""
    from ..steps import required

    return required(bad.astype(WHOLE), 1)


@converts("predict", "RadiusNeighborsRegressor")
def _radius_mean(model: Any, x: Frame) -> Array:
    _, weights = _within(model, x)
    y = np.asarray(model._y, np.float64)  # noqa: SLF001
    total = weights.sum(1, keepdims=True)
    made = (weights @ y.reshape(len(y), -1)) / np.where(total == 0.0, np.nan, total)
    return made[:, 0] if y.ndim == 1 else made


@converts("transform", "Isomap")
def _isomap(model: Any, x: Frame) -> Array:
    """The shortest path over a neighbour to every fitted point, then the kernel PCA."""
    if model.n_neighbors is None:
        raise Unconvertible("Isomap by radius has no converter")
    distance, places = nearest(model.nbrs_, x, model.n_neighbors)
    ways = places.of(np.asarray(model.dist_matrix_, np.float64)).take(places) + distance[:, :, None]
    shortest = ways.min(1)
    return apply(model.kernel_pca_, "transform", frame(shortest * shortest * -0.5))


@converts("transform", "LocallyLinearEmbedding")
def _embedded(model: Any, x: Frame) -> Array:
    """`barycenter_weights`: a system of equations for each row, solved by unrolled elimination."""
    _, places = nearest(model.nbrs_, x, model.n_neighbors)
    count = model.n_neighbors
    if count > 16:
        raise Unconvertible("a system of more than 16 equations per row has no converter")
    spread = x.matrix()[:, None, :] - places.of(np.asarray(model.nbrs_._fit_X, np.float64)).take(places)  # noqa: SLF001
    gram = spread @ spread.transpose([0, 2, 1])
    cells = [[gram[:, i, j] for j in range(count)] for i in range(count)]
    trace: Any = cells[0][0]
    for place in range(1, count):
        trace = trace + cells[place][place]
    added = np.where(trace > 0.0, trace * float(model.reg), float(model.reg))
    for place in range(count):
        cells[place][place] = cells[place][place] + added
    weights = np.stack(_solve(cells), axis=1)
    weights = weights / weights.sum(1, keepdims=True)
    embedded = places.of(np.asarray(model.embedding_, np.float64)).take(places)
    return (embedded * weights[:, :, None]).sum(1)


def _solve(cells: list[list[Any]]) -> list[Any]:
    """The solution for a right-hand side of ones; the matrix is positive definite, so no pivots are needed."""
    count = len(cells)
    right: list[Any] = [cells[0][0] * 0.0 + 1.0] * count
    for pivot in range(count):
        for row in range(pivot + 1, count):
            factor = cells[row][pivot] / cells[pivot][pivot]
            for column in range(pivot, count):
                cells[row][column] = cells[row][column] - factor * cells[pivot][column]
            right[row] = right[row] - factor * right[pivot]
    found: list[Any] = [None] * count
    for row in reversed(range(count)):
        value = right[row]
        for column in range(row + 1, count):
            value = value - cells[row][column] * found[column]
        found[row] = value / cells[row][row]
    return found


@converts("score_samples", "LocalOutlierFactor")
def _outlier_factor(model: Any, x: Frame) -> Array:
    """`_local_reachability_density` of a row against those of its neighbours."""
    count = model.n_neighbors_
    distance, places = nearest(model, x, count)
    reach = np.asarray(model._distances_fit_X_, np.float64)[:, count - 1]
    mean = np.maximum(distance, places.of(reach).take(places)).mean(1)
    density = 1.0 / (mean + 1e-10)
    ratios = places.of(np.asarray(model._lrd, np.float64)).take(places) / density[:, None]  # noqa: SLF001
    return -ratios.mean(1)


# -- centres -------------------------------------------------------------------------------------------------------


def _centers(matrix: Array, centers: Any) -> Array:
    centers = np.asarray(centers, np.float64)
    return distances(matrix, centers, "sqeuclidean") if centers.shape[1] <= 16 else squared_distances(matrix, centers)


@converts("predict", "KMeans", "MiniBatchKMeans", "MeanShift", "AffinityPropagation")
def _closest(model: Any, x: Frame) -> Array:
    if len(model.cluster_centers_) == 0:
        raise Unconvertible("it found no centres")
    return _centers(x.matrix(), model.cluster_centers_).argmin(1)


@converts("transform", "KMeans", "MiniBatchKMeans", "BisectingKMeans")
def _to_centers(model: Any, x: Frame) -> Array:
    return np.sqrt(_centers(x.matrix(), model.cluster_centers_))


@converts("predict", "BisectingKMeans")
def _bisected(model: Any, x: Frame) -> Array:
    return _branch(model, x.matrix(), model._bisecting_tree)  # noqa: SLF001


def _branch(model: Any, matrix: Array, node: Any) -> Any:
    """`_predict_recursive`: down the tree to the nearer of two centres."""
    if node.left is None:
        return np.int64(node.label)
    centers = np.vstack([node.left.center, node.right.center]) + getattr(model, "_X_mean", 0.0)
    second = _centers(matrix, centers).argmin(1) > 0
    return np.where(second, _branch(model, matrix, node.right), _branch(model, matrix, node.left))


@converts("predict", "Birch")
def _subclusters(model: Any, x: Frame) -> Array:
    places = _centers(x.matrix(), model.subcluster_centers_).argmin(1)
    return labels(model.subcluster_labels_, places)


@converts("transform", "Birch")
def _to_subclusters(model: Any, x: Frame) -> Array:
    return np.sqrt(_centers(x.matrix(), model.subcluster_centers_))


def _centroid_scores(model: Any, x: Frame) -> Array:
    """`NearestCentroid._decision_function`."""
    scale = np.where(model.within_class_std_dev_ != 0, model.within_class_std_dev_, 1.0)
    found = distances(x.matrix() / scale, model.centroids_ / scale, model.metric)
    return found * found * -1.0 + 2.0 * np.log(model.class_prior_)


@converts("predict", "NearestCentroid")
def _centroid(model: Any, x: Frame) -> Array:
    if np.isclose(model.class_prior_, 1 / len(model.classes_)).all():
        return label(model, distances(x.matrix(), model.centroids_, model.metric).argmin(1))
    return largest(model, _centroid_scores(model, x))


@converts("decision_function", "NearestCentroid")
def _centroid_decision(model: Any, x: Frame) -> Array:
    scores = _centroid_scores(model, x)
    return scores[:, 1] - scores[:, 0] if len(model.classes_) == 2 else scores


@converts("predict_log_proba", "NearestCentroid")
def _centroid_logs(model: Any, x: Frame) -> Array:
    from .linear import log_softmax_stable

    return log_softmax_stable(_centroid_scores(model, x))
