"""What modelwheel needs to know of a framework's models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import CategoryValue, Schema

from ..capturing.capture import NativeFile
from ..onnx import Conversion

PREDICT = ("predict",)
Predict = Callable[..., Any]
"""Answers rows as the sample has them, and the method's own parameters by name."""


@runtime_checkable
class Adapter(Protocol):
    """A framework. Recognised without importing it: a model of it exists only if somebody imported it already.

    Inherit from this: what is not overridden suits models that answer the sample as it is and pickle well.
    `modelwheel.testing` checks an adapter against everything that is said here.
    """

    framework: str
    """The name of the framework's distribution, for people; empty when there is none."""

    def recognises(self, model: object) -> bool:
        """Whether `model` is one of this framework's. Imports nothing, and never raises."""

    def opened(self, model: Any) -> Any:
        """The model as the other methods take it: read from a file, or wrapped so that it answers the sample."""
        return model

    def class_name(self, model: Any) -> str:
        """What the manifest calls the model: the dotted name of its class, or of the function itself."""
        named: Any = model if hasattr(model, "__qualname__") else type(model)
        return f"{named.__module__}.{named.__qualname__}"

    def sample(self, sample: Any) -> Any:
        """The sample in containers that schemas describe, where the framework has some of its own."""
        return sample

    checks_columns: ClassVar[bool] = False
    """Whether the models themselves refuse a sample that lacks a column that they need."""

    def columns(self, model: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
        """The names of the columns that the model was fitted on, in its order; None where it knows none.

        `model` may not be `opened` yet. `labels` name the columns of the sample; none when they have no names.
        """
        return None

    def check(self, model: Any) -> None:
        """Raise `PackError` when the model cannot answer yet, such as an estimator that is not fitted."""
        return

    def methods(self, model: Any) -> tuple[str, ...]:
        """The prediction methods that the model has, most used first; `predict` unless overridden."""
        return PREDICT

    def function(self, model: Any, method: str, schema: Schema) -> Predict:
        """What answers `method`: the model's own, or the model itself when it can only be called."""
        found: Any = getattr(model, method, None)
        return found if callable(found) else model  # type: ignore[no-any-return]

    def classes(self, model: Any, method: str) -> tuple[CategoryValue, ...] | None:
        """The labels that `method` predicts, in the order of its columns; None when it does not classify."""
        return None

    def contract(self, model: Any, schema: Schema) -> Schema:
        """The schema of the sample made that of the model, where the model knows better: dtypes, axes that are free.

        Raises `PackError` with every reason for which the model does not take such data.
        """
        return schema

    def bind(self, model: Any, rows: Any) -> None:
        """Settle how `model`, as `opened` returned it, is fed; `rows` are a few of the sample's. After `contract`."""
        return

    def native(self, model: Any) -> NativeFile | str | None:
        """The model in a file format of its own; None to pickle it; a text that says why it has no native form."""
        return None

    def native_as(self, model: Any, form: str) -> NativeFile | None:
        """The model in the format that its author asks for (`Options(native=…)`); None where there is none such."""
        return None

    def convert(self, model: Any, schema: Schema, methods: Sequence[str]) -> Conversion:
        """Graphs to try, best first, and reasons where there is none. Never raises for a model it cannot convert."""


def unless_made_up(names: Sequence[Any], labels: Sequence[str], *, made_up: bool) -> tuple[str, ...] | None:
    """The names of columns; those that a framework made up for an array count only if the sample has them all."""
    known = tuple(map(str, names))
    return None if made_up and not set(known) <= set(labels) else known


def plain_classes(labels: Any) -> tuple[CategoryValue, ...] | None:
    """The labels of a classifier, when they are of types that a manifest can hold."""
    values = tuple(labels.tolist())
    return values if all(type(value) in (str, int, float, bool) for value in values) else None


def refuse_own_predict(model: object, framework: str, packed: str) -> None:
    """Raise `PackError` for a class of the author's with a `predict`: what is `packed` as that predicts otherwise."""
    owner = next((kind for kind in type(model).__mro__ if "predict" in vars(kind)), None)
    if owner is not None and owner.__module__.partition(".")[0] != framework:
        message = f"{owner.__qualname__} has a predict() of its own, and {packed} would be packed under its name"
        hint = "Pack the method that is to predict, pack(model.predict, …), or rename predict() of the class."
        raise PackError.of("pack.method", message, hint=hint)
