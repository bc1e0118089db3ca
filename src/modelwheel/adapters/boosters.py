"""Boosters, kept in their own formats: XGBoost as UBJSON, LightGBM as text, CatBoost in its binary format."""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, ClassVar

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import CategoryValue, Schema
from modelwheel_loader.run import CATBOOST, XGBOOST, LightgbmRegressor, XgboostBooster

from ..capturing.capture import NativeFile
from ..extras import needed
from ..onnx import Conversion, convert_booster
from .base import PREDICT, Adapter, plain_classes, unless_made_up


class BoosterAdapter(Adapter):
    """A bare `Booster` and the framework's own estimators; classes derived from those are scikit-learn's to pickle."""

    estimators: ClassVar[Collection[str]]
    """The names of the estimators' classes."""
    bare: ClassVar[Any] = None
    """What answers rows by a bare `Booster`; None where there is none."""
    probabilities: ClassVar[tuple[str, ...]] = ("predict_proba",)

    def recognises(self, model: object) -> bool:
        """Whether it is of one of these very classes. Imports nothing."""
        kind = type(model)
        known = kind.__name__ in self.estimators or (self.bare is not None and kind.__name__ == "Booster")
        return known and kind is getattr(sys.modules.get(self.framework), kind.__name__, None)

    def opened(self, model: Any) -> Any:
        """The estimator, or a bare booster behind a `predict` that takes rows."""
        return model if self.bare is None or type(model).__name__ in self.estimators else self.bare(model)

    def class_name(self, model: Any) -> str:
        """The class of the estimator or the booster."""
        return super().class_name(self.unwrapped(model))

    def check(self, model: Any) -> None:
        """Raise `PackError` when it is not trained."""
        if not self.is_trained(model):
            raise PackError.of("pack.not-fitted", f"this {type(self.unwrapped(model)).__name__} is not fitted yet")

    def methods(self, model: Any) -> tuple[str, ...]:
        """`predict`, and the probabilities of classifiers."""
        return PREDICT + (self.probabilities if hasattr(model, "predict_proba") else ())

    def classes(self, model: Any, method: str) -> tuple[CategoryValue, ...] | None:
        """The labels of a classifier, when they are of types that a manifest can hold."""
        return plain_classes(model.classes_) if hasattr(model, "predict_proba") else None

    def convert(self, model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
        """From the booster's JSON or dump; raises `MissingExtra` without onnx."""
        with needed("onnx", "converting to ONNX", extra=self.framework, or_native=True):
            import onnx  # noqa: F401
        return convert_booster(self.unwrapped(model), schema, methods)

    def unwrapped(self, model: Any) -> Any:
        """The bare booster, or the estimator."""
        return model.booster if self.bare is not None and isinstance(model, self.bare) else model

    def is_trained(self, model: Any) -> bool:
        """Whether it can predict."""
        raise NotImplementedError

    def file(self, form: str, data: bytes, settings: Any, also: dict[str, str] | None = None) -> NativeFile:
        """The content of the framework's own file."""
        return NativeFile(
            format=form, data=data, modules={self.framework: "reads the model", **(also or {})}, settings=settings
        )


class XgboostAdapter(BoosterAdapter):
    """XGBoost. The labels of its classifiers count up from 0."""

    framework = "xgboost"
    estimators = XGBOOST
    bare = XgboostBooster

    def columns(self, model: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
        """The names in the booster."""
        model = self.unwrapped(model)
        names = (model if type(model).__name__ == "Booster" else model.get_booster()).feature_names
        return None if names is None else tuple(names)

    def is_trained(self, model: Any) -> bool:
        """Whether it was boosted; XGBoost raises for a booster that has seen no data."""
        if not isinstance(model, XgboostBooster):
            return bool(model.__sklearn_is_fitted__())
        try:
            return int(model.booster.num_boosted_rounds()) > 0
        except ValueError:
            return False

    def native(self, model: Any) -> NativeFile | None:
        """UBJSON; a pickle where an objective is Python code."""
        if isinstance(model, XgboostBooster):
            return self.file("xgboost-ubj", bytes(model.booster.save_raw("ubj")), {"class": "Booster"})
        if callable(model.objective):
            return None
        name, missing = type(model).__name__, float(model.missing)
        settings = {
            "class": name,
            "missing": None if math.isnan(missing) else missing,
            "enable_categorical": bool(model.enable_categorical),
        }
        data = bytes(model.get_booster().save_raw("ubj"))
        return self.file("xgboost-ubj", data, settings, {"sklearn": f"the base of xgboost.{name}"})


class LightgbmAdapter(BoosterAdapter):
    """LightGBM."""

    framework = "lightgbm"
    estimators = ("LGBMClassifier", "LGBMRegressor", "LGBMRanker")
    bare = LightgbmRegressor

    def columns(self, model: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
        """The names in the booster; those of an array's columns are `Column_0`, `Column_1`, …."""
        model = self.unwrapped(model)
        names = (model if type(model).__name__ == "Booster" else model.booster_).feature_name()
        return unless_made_up(names, labels, made_up=names == [f"Column_{place}" for place in range(len(names))])

    def is_trained(self, model: Any) -> bool:
        """Whether it has trees."""
        return bool(model.booster.num_trees() if isinstance(model, self.bare) else model.__sklearn_is_fitted__())

    def native(self, model: Any) -> NativeFile | None:
        """LightGBM's text; a pickle where an objective is Python code, or labels are not of the contract's types."""
        bare, classes = isinstance(model, LightgbmRegressor), self.classes(model, "predict")
        if (not bare and callable(model.objective_)) or (classes is None and hasattr(model, "predict_proba")):
            return None
        data = (model.booster if bare else model.booster_).model_to_string().encode("utf-8")
        return self.file("lightgbm-text", data, {} if classes is None else {"classes": list(classes)})


class CatboostAdapter(BoosterAdapter):
    """CatBoost: `CatBoost`, `CatBoostClassifier`, `CatBoostRegressor` and `CatBoostRanker`."""

    framework = "catboost"
    estimators = CATBOOST
    probabilities = ("predict_proba", "predict_log_proba")

    def columns(self, model: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
        """The names in the model; those of an array's columns are their numbers."""
        names = model.feature_names_ or []
        return unless_made_up(names, labels, made_up=names == list(map(str, range(len(names)))))

    def is_trained(self, model: Any) -> bool:
        """Whether it was trained."""
        return bool(model.is_fitted())

    def native(self, model: Any) -> NativeFile:
        """The binary format, which holds everything."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.cbm")
            model.save_model(str(path), format="cbm")
            data = path.read_bytes()
        settings = {"class": type(model).__name__}
        loss = model.get_param("objective") or model.get_param("loss_function")
        if isinstance(loss, str):
            settings["loss_function"] = loss
        return self.file("catboost-cbm", data, settings)
