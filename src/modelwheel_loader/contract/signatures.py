"""The fields that a callable takes, by its signature and type hints."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import Defect, UsageError
from .fields import NO_DEFAULT, Field
from .hints import LISTS, collect, has_fields


def arguments_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The arguments of a callable that have a name: neither `self`, nor `*args` and `**kwargs`.

    Raises `ValueError` for one without a signature, as some that are written in C.
    """
    listed = inspect.signature(function).parameters.values()
    return [item for item in listed if item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD) and item.name != "self"]


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The type hints of a callable; none where they name what is not there."""
    if isinstance(function, functools.partial):
        return hints_of(function.func)
    source: Any = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(source, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def row_class(function: Callable[..., Any]) -> type | None:
    """The class with fields that the first argument is, or is a list of; None when the arguments are the fields.

    Raises `UsageError` for a callable without a signature.
    """
    try:
        first = next(iter(arguments_of(function)), None)
    except ValueError:
        raise UsageError.of("schema.hint", "the callable has no signature that Python can read") from None
    hint = None if first is None else hints_of(function).get(first.name)
    if get_origin(hint) in LISTS:
        hint = get_args(hint)[0]
    return hint if isinstance(hint, type) and has_fields(hint) else None


def fields_of_callable(function: Callable[..., Any]) -> tuple[Field, ...]:
    """A field for each argument of a callable; raises `UsageError` for those without a type hint."""
    hints = hints_of(function)
    arguments = arguments_of(function)
    bare = [item for item in arguments if item.name not in hints]
    if bare:
        unread = "has a type hint of which a name is not known here"
        messages = ["has no type hint" if item.annotation is item.empty else unread for item in bare]
        pairs = zip(bare, messages, strict=True)
        defects = [Defect(code="schema.hint", message=message, field=item.name) for item, message in pairs]
        raise UsageError("no schema can be made from the type hints", defects)
    return collect({item.name: (hints[item.name], _argument_default(item)) for item in arguments})


def _argument_default(item: inspect.Parameter) -> Any:
    return NO_DEFAULT if item.default is item.empty else item.default
