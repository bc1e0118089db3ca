"""LightGBM: boosters and their scikit-learn wrappers, kept as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.types import CategoryValue
from modelwheel_loader.run.model_files import LightgbmRegressor

from ..capturing.capture import NativeFile
from ..onnx import Conversion
from .base import Adapter
from .boosters import converted, is_of, read_classes

_WRAPPERS = frozenset({"LGBMClassifier", "LGBMRegressor", "LGBMRanker"})


class LightgbmAdapter(Adapter):
    """`lightgbm.Booster` and the wrappers themselves; classes derived from those are scikit-learn's to pickle."""

    framework = "lightgbm"

    def recognises(self, model: object) -> bool:
        """Whether it is a booster or a wrapper, and of no class derived from it."""
        return is_of(model, "lightgbm", {*_WRAPPERS, "Booster"})

    def opened(self, model: Any) -> Any:
        """The wrapper, or a bare booster behind the `predict` that it has when it was loaded."""
        return model if type(model).__name__ in _WRAPPERS else LightgbmRegressor(model)

    def class_name(self, model: Any) -> str:
        """The class of the wrapper or the booster."""
        return super().class_name(model.booster if isinstance(model, LightgbmRegressor) else model)

    def check(self, model: Any) -> None:
        """Raise `PackError` when it is not trained."""
        trained = model.booster.num_trees() if isinstance(model, LightgbmRegressor) else model.__sklearn_is_fitted__()
        if not trained:
            raise PackError.of("pack.not-fitted", f"this {type(model).__name__} is not fitted yet")

    def methods(self, model: Any) -> tuple[str, ...]:
        """`predict`, and `predict_proba` of classifiers."""
        return ("predict", "predict_proba") if hasattr(model, "predict_proba") else ("predict",)

    def classes(self, model: Any, method: str) -> tuple[CategoryValue, ...] | None:
        """The labels of a classifier."""
        return read_classes(model)

    def native(self, model: Any) -> NativeFile | None:
        """LightGBM's text; a pickle where an objective is Python code, or labels are none of the contract's."""
        if not isinstance(model, LightgbmRegressor) and callable(model.objective_):
            return None
        classes = read_classes(model)
        if classes is None and hasattr(model, "predict_proba"):
            return None
        return NativeFile(
            format="lightgbm-text",
            data=_booster(model).model_to_string().encode("utf-8"),
            modules={"lightgbm": "reads the model"},
            settings={} if classes is None else {"classes": list(classes)},
        )

    def convert(self, model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
        """From the booster's dump."""
        return converted(model.booster if isinstance(model, LightgbmRegressor) else model, schema, methods, "lightgbm")


def _booster(model: Any) -> Any:
    return model.booster if isinstance(model, LightgbmRegressor) else model.booster_
