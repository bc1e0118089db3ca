"""Converters of our own, where skl2onnx has none, or one that loses precision. One file per estimator."""

from __future__ import annotations

from typing import Any


def custom(null_texts: frozenset[str]) -> tuple[dict[type, Any], dict[type, Any]]:
    """Converters and shape calculators by class, for `convert_sklearn`; `null_texts` is what nulls among texts are."""
    from . import boosters, forests, histograms, imputer

    boosters.register()

    converters: dict[type, Any] = {}
    shapes: dict[type, Any] = {}
    known = {**imputer.converters(null_texts), **forests.converters(), **histograms.converters()}
    for kind, (shape, converter) in known.items():
        converters[kind], shapes[kind] = converter, shape
    return converters, shapes
