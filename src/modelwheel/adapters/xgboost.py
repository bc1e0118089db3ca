"""XGBoost: boosters and their scikit-learn wrappers, kept as UBJSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.types import CategoryValue
from modelwheel_loader.run.model_files import XGBOOST, XgboostBooster

from ..capturing.capture import NativeFile
from ..onnx import Conversion
from .base import Adapter
from .boosters import converted, is_of


class XgboostAdapter(Adapter):
    """`xgboost.Booster` and the wrappers themselves; classes derived from those are scikit-learn's to pickle."""

    framework = "xgboost"

    def recognises(self, model: object) -> bool:
        """Whether it is a booster or a wrapper, and of no class derived from it."""
        return is_of(model, "xgboost", {*XGBOOST, "Booster"})

    def opened(self, model: Any) -> Any:
        """The wrapper, or a bare booster behind a `predict` that takes rows."""
        return model if type(model).__name__ in XGBOOST else XgboostBooster(model)

    def class_name(self, model: Any) -> str:
        """The class of the wrapper or the booster."""
        return super().class_name(_unwrapped(model))

    def check(self, model: Any) -> None:
        """Raise `PackError` when it is not trained."""
        if isinstance(model, XgboostBooster):
            if not _rounds(model.booster):
                raise PackError.of("pack.not-fitted", "this Booster is not trained yet")
        elif not model.__sklearn_is_fitted__():
            raise PackError.of("pack.not-fitted", f"this {type(model).__name__} is not fitted yet")

    def methods(self, model: Any) -> tuple[str, ...]:
        """`predict`, and `predict_proba` of classifiers."""
        return ("predict", "predict_proba") if hasattr(model, "predict_proba") else ("predict",)

    def classes(self, model: Any, method: str) -> tuple[CategoryValue, ...] | None:
        """0, 1, …: XGBoost's classifiers take no other labels."""
        return tuple(model.classes_.tolist()) if hasattr(model, "predict_proba") else None

    def native(self, model: Any) -> NativeFile | None:
        """UBJSON; a pickle where an objective is Python code."""
        if isinstance(model, XgboostBooster):
            return _file(model.booster, {"class": "Booster"}, {"xgboost": "reads the model"})
        if callable(model.objective):
            return None
        name = type(model).__name__
        settings = {"class": name, "missing": _missing(model), "enable_categorical": bool(model.enable_categorical)}
        modules = {"xgboost": "reads the model", "sklearn": f"the base of xgboost.{name}"}
        return _file(model.get_booster(), settings, modules)

    def convert(self, model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
        """From the booster's JSON."""
        return converted(_unwrapped(model), schema, methods, "xgboost")


def _rounds(booster: Any) -> int:
    """How often it was boosted; XGBoost refuses to say of one that has seen no data."""
    try:
        return int(booster.num_boosted_rounds())
    except ValueError:
        return 0


def _missing(model: Any) -> float | None:
    """The number that counts as null to a wrapper; None for NaN."""
    value = float(model.missing)
    return None if math.isnan(value) else value


def _unwrapped(model: Any) -> Any:
    return model.booster if isinstance(model, XgboostBooster) else model


def _file(booster: Any, settings: dict[str, str | float | bool | None], modules: dict[str, str]) -> NativeFile:
    return NativeFile(format="xgboost-ubj", data=bytes(booster.save_raw("ubj")), modules=modules, settings=settings)
