"""Boosters from their frameworks' own files, with the methods and answers of the models that were packed.

`modelwheel` records answers through the same classes where a model does not answer rows by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Settings = Mapping[str, Any]
XGBOOST = frozenset({"XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"})
"""The wrappers that a file of XGBoost can become again."""
CATBOOST = frozenset({"CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"})


class XgboostBooster:
    """A bare `xgboost.Booster`, which takes rows only as a `DMatrix`."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, data: Any) -> Any:
        """What `booster.predict` answers; null is NaN."""
        import xgboost

        categories = "c" in (self.booster.feature_types or ())
        return self.booster.predict(xgboost.DMatrix(data, enable_categorical=categories))


class LightgbmRegressor:
    """A booster of LightGBM: numbers, or whatever its objective gives."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, data: Any) -> Any:
        """What the booster answers, by its best iteration."""
        return self.booster.predict(data)


class LightgbmClassifier:
    """A booster of LightGBM with labels, which answers as `LGBMClassifier` does."""

    def __init__(self, booster: Any, classes: Any) -> None:
        self.booster = booster
        self.classes_ = np.asarray(classes)

    def predict_proba(self, data: Any) -> Any:
        """Probabilities of shape (rows, classes)."""
        answer = self.booster.predict(data)
        return np.vstack((1.0 - answer, answer)).transpose() if len(self.classes_) <= 2 else answer

    def predict(self, data: Any) -> Any:
        """The label of the largest probability."""
        return self.classes_[np.argmax(self.predict_proba(data), axis=1)]


def open_xgboost(data: bytes, settings: Settings) -> object:
    """A wrapper of `XGBOOST`, or a bare booster."""
    import xgboost

    name = settings["class"]
    if name not in XGBOOST:
        booster = xgboost.Booster()
        booster.load_model(bytearray(data))
        return XgboostBooster(booster)
    missing = settings.get("missing")
    model = getattr(xgboost, name)(
        missing=np.nan if missing is None else missing, enable_categorical=bool(settings.get("enable_categorical"))
    )
    model.load_model(bytearray(data))
    return model


def open_lightgbm(data: bytes, settings: Settings) -> object:
    """A booster that answers as the wrapper did."""
    import lightgbm

    booster = lightgbm.Booster(model_str=data.decode("utf-8"))
    classes = settings.get("classes")
    return LightgbmRegressor(booster) if classes is None else LightgbmClassifier(booster, classes)


def open_catboost(data: bytes, settings: Settings) -> object:
    """A wrapper of `CATBOOST`."""
    import catboost

    name = settings["class"]
    loss = settings.get("loss_function")
    # read from memory, a regressor does not know its loss, by which it chooses what to answer
    given = {"loss_function": str(loss)} if loss is not None and name == "CatBoostRegressor" else {}
    model = getattr(catboost, name if name in CATBOOST else "CatBoost")(**given)
    model.load_model(blob=data)
    return model
