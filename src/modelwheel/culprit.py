"""Where in a model the object lies that could not be pickled, as a path that a person can follow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from modelwheel_loader.text import clip

_STEPS = 30
"""How many steps of a path are shown; a cycle of objects could make it endless."""


def path_of(trail: Sequence[object], root: str = "model") -> str:
    """The path to the innermost object of `trail`, which lists objects from the inside out.

    Between an object and its attributes lie the tuples and dictionaries that its `__reduce__` made; they give no step
    of their own, but the keys of its state are its attributes.
    """
    steps = [root]
    attributes = False
    for parent, child in pairwise(reversed(trail)):
        is_container = type(parent) in (dict, list, tuple, set, frozenset)
        if not is_container:
            attributes = type(child) in (dict, tuple)
            continue
        key = _key(parent, child)
        if isinstance(parent, dict):
            steps.append(f".{clip(key, 60)}" if attributes and isinstance(key, str) else f"[{clip(repr(key), 60)}]")
        elif not attributes:
            steps.append(f"[{key}]" if isinstance(key, int) else "{…}")
        attributes = attributes and isinstance(parent, tuple) and type(child) in (dict, tuple)
    return "".join(steps[:_STEPS]) + ("…" if len(steps) > _STEPS else "")


def _key(parent: object, child: object) -> object:
    """The key or the index under which the child lies in a container; None when it is a member or a key itself."""
    if isinstance(parent, dict):
        return next((key for key, value in parent.items() if value is child), None)
    if isinstance(parent, list | tuple):
        return next((index for index, value in enumerate(parent) if value is child), None)
    return None
