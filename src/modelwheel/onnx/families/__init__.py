"""Converters by family. Each repeats what a method of scikit-learn computes, on symbolic arrays of a graph."""

from . import (  # noqa: F401 - importing registers them
    boosters,
    composing,
    decomposition,
    encoding,
    ensembles,
    histograms,
    imputing,
    kernels,
    linear,
    multiple,
    neighbors,
    probabilistic,
    scaling,
    text,
    trees,
)
