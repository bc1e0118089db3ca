"""Models in their frameworks' own formats: one table of how each is opened, and of the names in it.

No code of the bundle runs, but readers in C++ get bytes of the bundle, so the caller has established trust.
`modelwheel` records answers through the same classes where a model does not take rows by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import EnvironmentMismatch, InvalidBundle, ModelwheelError
from ..text import clip
from .archives import keras_references, open_keras, open_saved_model, open_skops, skops_references
from .pickle_names import Reference, references

Settings = Mapping[str, Any]
XGBOOST = frozenset({"XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor"})
"""The wrappers that a file of XGBoost can become again."""
CATBOOST = frozenset({"CatBoost", "CatBoostClassifier", "CatBoostRegressor", "CatBoostRanker"})


class XgboostBooster:
    """A bare `xgboost.Booster`, which takes rows only as a `DMatrix`."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, data: Any) -> Any:
        """The output of `booster.predict`; null is NaN."""
        import xgboost

        categories = "c" in (self.booster.feature_types or ())
        names = self.booster.feature_names if isinstance(data, np.ndarray) else None  # an array has none of its own
        return self.booster.predict(xgboost.DMatrix(data, feature_names=names, enable_categorical=categories))


class LightgbmRegressor:
    """A booster of LightGBM: numbers, or whatever its objective gives."""

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def predict(self, data: Any) -> Any:
        """The output of the booster, by its best iteration."""
        return self.booster.predict(data)


class LightgbmClassifier:
    """A booster of LightGBM with labels, which predicts as `LGBMClassifier` does."""

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


def _open_xgboost(data: bytes, settings: Settings) -> object:
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


def _open_lightgbm(data: bytes, settings: Settings) -> object:
    """A booster that predicts as the wrapper did."""
    import lightgbm

    booster = lightgbm.Booster(model_str=data.decode("utf-8"))
    classes = settings.get("classes")
    return LightgbmRegressor(booster) if classes is None else LightgbmClassifier(booster, classes)


def _open_catboost(data: bytes, settings: Settings) -> object:
    """A wrapper of `CATBOOST`."""
    import catboost

    name = settings["class"]
    loss = settings.get("loss_function")
    # read from memory, a regressor does not know its loss, by which it chooses its output
    given = {"loss_function": str(loss)} if loss is not None and name == "CatBoostRegressor" else {}
    model = getattr(catboost, name if name in CATBOOST else "CatBoost")(**given)
    model.load_model(blob=data)
    return model


OPENERS: dict[str, Callable[[bytes, Settings], object]] = {
    "xgboost-ubj": _open_xgboost,
    "lightgbm-text": _open_lightgbm,
    "catboost-cbm": _open_catboost,
    "skops": open_skops,
    "keras": open_keras,
    "saved-model": open_saved_model,
}
SCANNERS: dict[str, Callable[..., tuple[Reference, ...]]] = {
    "pickle": references,
    "skops": skops_references,
    "keras": keras_references,
}
"""What reads the names in a payload without running it, by its format; the other formats hold none."""


def open_file(name: str, data: bytes, settings: Settings) -> object:
    """The model in `data`, of the format `name`.

    Raises EnvironmentMismatch when the framework is not installed, and InvalidBundle for everything else that goes
    wrong. The original exception is the `__cause__`.
    """
    try:
        return OPENERS[name](data, settings)
    except ModelwheelError:
        raise
    except ImportError as error:
        module = clip(error.name or name, 100)
        raise EnvironmentMismatch.of(
            "native.module", f"the model needs {module}, which cannot be imported: {clip(error, 200)}"
        ) from error
    except Exception as error:  # the readers of frameworks raise errors of their own, without a common base
        raise InvalidBundle.of(
            "native.file", f"the {name} file cannot be read: {type(error).__name__}: {clip(error, 300)}"
        ) from error
