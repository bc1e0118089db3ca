"""The names that reading a skops file would look up, read from its `schema.json`. Nothing is imported or built.

A skops file is a zip of arrays and of one JSON tree, in which each object names its class. The list is information,
never a gate: the gate is skops' own audit of the same tree, with the types that the manifest lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...defects import Defect
from ...errors import InvalidBundle, MissingExtra
from ...limits import DEFAULT, Limits
from ...opening.strictjson import parse_json
from ...text import clip
from .picklescan import Reference
from .storedzip import StoredZip
from .unpickle import judged_warnings

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


# Opens skops files: objects of the classes that the manifest lists, and of those that skops trusts by itself.
#
# skops looks at the whole tree before it builds anything. Its reader and the classes that it builds are no border
# against hostile bytes all the same, so the caller has made sure of trust (docs/decisions/0011).


_SHOWN = 20


def open_skops(data: bytes, settings: Mapping[str, Any]) -> object:
    """The object in `data`, by skops, with exactly the types of the setting `types` beside its own.

    Raises MissingExtra without skops, EnvironmentMismatch for a scikit-learn that may answer differently, and
    InvalidBundle for a file with another type, of which nothing is built.
    """
    try:
        import skops.io
        from skops.io.exceptions import UntrustedTypesFoundException
    except ModuleNotFoundError as error:
        hint = 'pip install "modelwheel[skops]"'
        message = "the model is a skops file, and skops is not installed"
        raise MissingExtra.of("native.skops", message, hint=hint) from error
    StoredZip(data, "skops file")  # nothing in it is compressed, so nothing grows when skops reads it
    types = [name for name in settings.get("types", ()) if isinstance(name, str)]
    try:
        with judged_warnings(data):
            return skops.io.loads(data, trusted=types)
    except UntrustedTypesFoundException as error:
        unlisted = sorted(set(skops.io.get_untrusted_types(data=data)) - set(types))
        raise InvalidBundle("the skops file holds types that the manifest does not list", _defects(unlisted)) from error


def _defects(names: list[str]) -> list[Defect]:
    return [
        Defect(
            code="native.types",
            where=clip(name, 200),
            message="is in the file and not among the types that the bundle says it has",
        )
        for name in names[:_SHOWN]
    ]
