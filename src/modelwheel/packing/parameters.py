"""The parameters that a prediction method takes beside the data, as its signature tells them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from modelwheel_loader.bridges.hints import HintError, arguments_of, field_of, hints_of, plain_default
from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.opening.manifest import can_be_called
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.text import clip
from modelwheel_loader.validate.batch import Raw
from modelwheel_loader.validate.columns import compile_column
from modelwheel_loader.validate.problems import Problems

from ..inference.infer import Note

FRAMEWORKS = frozenset({"sklearn", "xgboost", "lightgbm", "catboost", "torch", "keras", "tensorflow", "imblearn"})
"""Parameters of these packages' own methods (`return_std`, `copy`, `raw_score`) change what kind of answer comes, or
how it is computed: they are no part of the contract. A method that the author wrote, in a subclass too, is asked."""
_PLAIN = (bool, int, float, str)


def parameters_of(name: str, function: Callable[..., Any]) -> tuple[Schema | None, tuple[Note, ...]]:
    """The parameters of the method `name`, None when it has none, and notes on arguments that cannot be offered.

    They are all arguments with a default but the first, by type hint, or by the type of the default. Raises
    `PackError` when a default does not fit its own hint.
    """
    if _is_of_a_framework(function):
        return None, ()
    try:
        arguments = arguments_of(function)[1:]
    except (TypeError, ValueError):  # built-in functions may have no signature
        return None, ()
    hints = hints_of(function)
    fields, notes = [], []
    for item in arguments:
        if item.default is item.empty or item.kind is item.POSITIONAL_ONLY:
            continue
        try:
            fields.append(_field(item, hints))
        except HintError as error:
            message = f"the parameter {item.name!r} {error}: callers cannot set it"
            notes.append(Note(code="parameter-left-out", message=message, field=name))
    made = Schema(fields=tuple(fields), layout="records", container="list", extra="error") if fields else None
    return made, tuple(notes)


def _is_of_a_framework(function: Callable[..., Any]) -> bool:
    module: Any = getattr(inspect.unwrap(function), "__module__", "")
    return str(module).partition(".")[0] in FRAMEWORKS


def _field(item: inspect.Parameter, hints: dict[str, Any]) -> Field:
    """The field of a parameter; raises `HintError` when it has none, `PackError` when its default does not fit."""
    if not can_be_called(item.name):
        raise HintError("has a name that modelwheel or Python keeps for itself")
    if item.name not in hints and type(item.default) not in _PLAIN:
        raise HintError("has no type hint, and its default does not tell the type")
    default = plain_default(item.default)
    field = field_of(item.name, hints.get(item.name, type(item.default)), default)
    if default is None and not field.nullable:
        field = field.replace(nullable=True)
    problems = Problems()
    try:
        compile_column(field)(Raw([default]), problems)
    except UsageError as error:
        raise PackError.of("pack.parameter", error.message, field=item.name) from None
    for defect in problems.defects:
        message = f"the default {defect.message}"
        raise PackError.of("pack.parameter", message, field=item.name, found=clip(default), expected=defect.expected)
    return field
