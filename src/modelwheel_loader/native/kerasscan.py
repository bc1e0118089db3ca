"""The classes that reading a `.keras` archive would build, read from its `config.json`. Nothing is imported or built.

`pack` keeps only models of Keras' own classes in such archives, so the loader refuses any other before Keras sees it:
layers with Python code inside, names of functions, and classes that a process would have to have registered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..documents import parse_json
from ..errors import Defect, InvalidBundle
from ..limits import DEFAULT, Limits
from ..text import clip
from .picklescan import Reference
from .storedzip import StoredZip

CONFIG = "config.json"
MEMBERS = ("metadata.json", CONFIG, "model.weights.h5")
"""The members of an archive that `pack` writes. Others (assets) would be files that layers read."""
_DEPTH = 500
_BRING_CODE = frozenset({"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
"""Layers whose configuration is a program, or the path of one."""
_SHOWN = 20


def keras_references(data: bytes, *, limits: Limits = DEFAULT) -> tuple[Reference, ...]:
    """The classes and functions that the archive `data` names, each once, in the order of its configuration.

    Raises InvalidBundle when it is no such archive, or names more than `limits.pickle_references`.
    """
    found: dict[Reference, None] = {}
    for item in _objects(_config(data)):
        found.setdefault(_reference(item))
        if len(found) > limits.pickle_references:
            message = f"the Keras archive names more than {limits.pickle_references:,} classes"
            raise InvalidBundle.of("native.file", message)
    return tuple(found)


def check_keras(data: bytes) -> None:
    """Raise InvalidBundle when the archive `data` holds anything but objects of Keras' own classes."""
    defects = [
        Defect(code="native.types", where=clip(name, 200), message="is no class of Keras that holds data alone")
        for name in foreign_names(data)
    ]
    if defects:
        raise InvalidBundle("the Keras archive names what a bundle may not hold", defects[:_SHOWN])


def foreign_names(data: bytes) -> tuple[str, ...]:
    """What keeps the archive `data` from being loaded by Keras alone: names of code that is not its own."""
    found = (str(_reference(item)) for item in _objects(_config(data)) if not _is_plain(item))
    return tuple(dict.fromkeys(found))


def _config(data: bytes) -> Any:
    archive = StoredZip(data, "Keras archive")
    if unknown := sorted(set(archive.names) - set(MEMBERS)):
        raise archive.invalid(f"it holds {clip(unknown[0], 100)}")
    return parse_json(archive.read(CONFIG), CONFIG, depth=_DEPTH)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Each serialized object, before what is in it. Values such as arrays have names that begin with `__`."""
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            name = item.get("class_name")
            if name is not None and not (isinstance(name, str) and name in _VALUES):
                yield item
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


_VALUES = frozenset(
    {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__typespec__"}
)


def _reference(item: dict[str, Any]) -> Reference:
    module, name = item.get("module"), item["class_name"]
    if name == "function" and isinstance(item.get("config"), str):
        name = item["config"]
    return Reference(module if isinstance(module, str) else "<registered>", clip(name, 200))


def _is_plain(item: dict[str, Any]) -> bool:
    """Whether the object is of a class of Keras that is built from data. Functions of Keras have small letters."""
    module, name = item.get("module"), item["class_name"]
    return (
        isinstance(module, str)
        and module.partition(".")[0] == "keras"
        and isinstance(name, str)
        and name[:1].isupper()
        and name not in _BRING_CODE
        and item.get("registered_name") in (None, name)
    )
