"""scikit-learn: any fitted estimator, alone or composed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.types import CategoryValue

from ..capturing.capture import NativeFile
from ..extras import needed
from ..onnx import Conversion, convert_estimator
from .base import Adapter
from .skopsfile import skops_file

METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)
"""scikit-learn's prediction methods, as its glossary lists them."""
_OF_CLASSES = frozenset({"predict", "predict_proba", "predict_log_proba", "decision_function"})


class SklearnAdapter(Adapter):
    """Everything that derives from `sklearn.base.BaseEstimator`."""

    framework = "scikit-learn"

    def recognises(self, model: object) -> bool:
        """Whether it is an estimator instance. When scikit-learn was never imported, nothing is."""
        base = sys.modules.get("sklearn.base")
        return base is not None and isinstance(model, base.BaseEstimator)

    def check(self, model: object) -> None:
        """Raise `PackError` when the estimator is not fitted."""
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(model)
        except NotFittedError:
            raise PackError.of("pack.not-fitted", f"this {type(model).__name__} is not fitted yet") from None

    def methods(self, model: object) -> tuple[str, ...]:
        """Those of `METHODS` that the estimator has in the state that it is in."""
        return tuple(name for name in METHODS if callable(getattr(model, name, None)))

    def classes(self, model: object, method: str) -> tuple[CategoryValue, ...] | None:
        """`classes_` of a classifier with one output."""
        found: Any = getattr(model, "classes_", None)
        if method not in _OF_CLASSES or found is None or isinstance(found, list) or getattr(found, "ndim", 0) != 1:
            return None
        values = tuple(found.tolist())
        return values if all(type(value) in (str, int, float, bool) for value in values) else None

    def native_as(self, model: object, form: str) -> NativeFile | None:
        """A skops file."""
        return skops_file(model) if form == "skops" else None

    def convert(self, model: object, schema: Schema, methods: Sequence[str]) -> Conversion:
        """By converters of modelwheel's own, else by skl2onnx; raises `MissingExtra` without it."""
        with needed("skl2onnx", "converting to ONNX", extra="sklearn", or_native=True):
            import skl2onnx  # noqa: F401
        return convert_estimator(model, schema, methods)
