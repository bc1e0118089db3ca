"""statsmodels: results of a fit, pickled without the data that they were fitted on, as far as formulas allow."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.opening import Schema
from modelwheel_loader.validate import is_a

from ..onnx import Conversion
from .base import Adapter, Predict, unless_made_up


class StatsmodelsAdapter(Adapter):
    """What `fit` gives, of formulas and of arrays."""

    framework = "statsmodels"

    def recognises(self, model: object) -> bool:
        """Whether it is a result. Where statsmodels was never imported, nothing is."""
        return is_a(model, "statsmodels.base.wrapper", "ResultsWrapper")

    def opened(self, model: Any) -> Any:
        """A copy without the training data, which answers do not need.

        A formula is read again when its results are unpickled, from the table that it was fitted on: of that, the
        columns that the formula names have to stay.
        """
        made = copy.deepcopy(model)
        made.remove_data()
        frame, formula = getattr(made.model.data, "frame", None), str(getattr(made.model, "formula", ""))
        if frame is not None:
            made.model.data.frame = frame[[name for name in frame.columns if str(name) in formula]]
        return made

    def columns(self, model: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
        """Those of the table that it was fitted on. A formula finds its columns by itself."""
        inner = model.model
        names = getattr(inner, "exog_names", None)
        if hasattr(inner, "formula") or not isinstance(names, list):
            return None
        columns = getattr(getattr(inner.data, "orig_exog", None), "columns", None)
        # without the data, the names may be made up, or be of parameters too
        return unless_made_up(names if columns is None else columns, labels, made_up=columns is None)

    def function(self, model: Any, method: str, schema: Schema) -> Predict:
        """`predict` of rows alone: its other arguments belong to each kind of model."""

        def predict(data: Any) -> Any:
            return model.predict(data)

        return predict

    def convert(self, model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
        """No results are converted."""
        yield "results of statsmodels are not converted"
