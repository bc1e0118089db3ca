"""What a model of Keras takes, where it says so: names, shapes and dtypes of its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def structure_of(model: Any) -> Any:
    """The inputs as the model was built with them: a tensor, a list or a dict; None for a model that is a class."""
    functional = getattr(model, "_functional", model)
    return getattr(functional, "_inputs_struct", None)


def named_inputs(model: Any) -> dict[str, Any]:
    """The inputs by the names that data has them under; empty when the model does not say, or takes one array."""
    structure = structure_of(model)
    if isinstance(structure, Mapping):
        return dict(structure)
    if isinstance(structure, list | tuple):
        return {item.name: item for item in structure}
    return {}


def form_of(model: Any) -> str:
    """What the model is called with: `one` array, a `list`, or a `dict`."""
    structure = structure_of(model)
    if isinstance(structure, Mapping):
        return "dict"
    return "list" if isinstance(structure, list | tuple) else "one"


def only_input(model: Any) -> Any:
    """The one tensor that the model takes; None when it takes several, or does not say."""
    structure = structure_of(model)
    return None if isinstance(structure, Mapping | list | tuple) else structure


def tensor_name(model: Any, name: str) -> str:
    """The name that the model itself has for the input `name`."""
    found = named_inputs(model).get(name)
    return name if found is None else str(found.name)
