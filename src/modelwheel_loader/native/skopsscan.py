"""The names that reading a skops file would look up, read from its `schema.json`. Nothing is imported or built.

A skops file is a zip of arrays and of one JSON tree, in which each object names its class. The list is information,
never a gate: the gate is skops' own audit of the same tree, with the types that the manifest lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..documents import parse_json
from ..errors import InvalidBundle
from ..limits import DEFAULT, Limits
from .picklescan import Reference
from .storedzip import StoredZip

TREE = "schema.json"
_DEPTH = 500
"""Nesting of the tree: five levels for each estimator inside another."""


def skops_references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The classes and functions that the skops file `data` names, each once, in the order of the tree.

    Raises InvalidBundle when it is no such file, or names more than `limits.pickle_references`.
    """
    found: dict[Reference, None] = {}
    for module, name in _names(read_tree(data)):
        found.setdefault(Reference(module, name))
        if len(found) > limits.pickle_references:
            message = f"the skops file names more than {limits.pickle_references:,} types"
            raise InvalidBundle.of("native.file", message)
    return tuple(found)


def read_tree(data: bytes) -> Any:
    """The tree of the skops file `data`; raises InvalidBundle when there is none."""
    return parse_json(StoredZip(data, "skops file").read(TREE), TREE, depth=_DEPTH)


def _names(node: Any) -> Iterator[tuple[str, str]]:
    """Module and name of each node of the tree that has both, the node before what is in it."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            module, name = item.get("__module__"), item.get("__class__")
            if isinstance(module, str) and isinstance(name, str):
                yield module, name
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
