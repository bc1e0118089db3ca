"""CatBoost: models of all its classes, kept in its binary format."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.opening.types import CategoryValue
from modelwheel_loader.run.model_files import CATBOOST

from ..capturing.capture import NativeFile
from ..onnx import Conversion
from .base import Adapter
from .boosters import converted, is_of, read_classes


class CatboostAdapter(Adapter):
    """`CatBoost`, `CatBoostClassifier`, `CatBoostRegressor` and `CatBoostRanker`, and no class derived from them."""

    framework = "catboost"

    def recognises(self, model: object) -> bool:
        """Whether it is of one of CatBoost's classes."""
        return is_of(model, "catboost", CATBOOST)

    def check(self, model: Any) -> None:
        """Raise `PackError` when it is not trained."""
        if not model.is_fitted():
            raise PackError.of("pack.not-fitted", f"this {type(model).__name__} is not fitted yet")

    def methods(self, model: Any) -> tuple[str, ...]:
        """`predict`, and the probabilities of classifiers."""
        names = ("predict", "predict_proba", "predict_log_proba")
        return names if hasattr(model, "predict_proba") else names[:1]

    def classes(self, model: Any, method: str) -> tuple[CategoryValue, ...] | None:
        """The labels of a classifier."""
        return read_classes(model)

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
        return NativeFile(format="catboost-cbm", data=data, modules={"catboost": "reads the model"}, settings=settings)

    def convert(self, model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
        """From the model's JSON."""
        return converted(model, schema, methods, "catboost")
