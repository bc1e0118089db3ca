"""A scikit-learn model as a skops file, so that the same model gives the same bytes.

skops numbers objects by their addresses and names arrays by these numbers: here both are counted. The zip is stored,
with fixed times. What is shared in the model stays shared.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.run.archives import TREE, read_tree, skops_references
from modelwheel_loader.text import clip

from ..capturing.capture import NativeFile
from ..extras import needed

_TIME = (1980, 1, 1, 0, 0, 0)
_ALONE = frozenset({"JsonNode", "TypeNode", "FunctionNode"})
"""Values that nothing can tell apart by identity, though Python shares some of them in some processes."""


def skops_file(model: object) -> NativeFile:
    """The model in skops' format, with the types in it that skops does not trust by itself.

    Raises `PackError` for what skops cannot hold, and `MissingExtra` without skops.
    """
    with needed("skops", "keeping a model as a skops file", extra="skops"):
        import skops.io
    try:
        data = canonical(skops.io.dumps(model))
        types = skops.io.get_untrusted_types(data=data)
        skops.io.loads(data, trusted=types)  # some of what it writes it cannot read
    except RecursionError as error:
        raise PackError.of("pack.native", "skops cannot hold the model: it refers to itself") from error
    except Exception as error:  # skops, and foreign __reduce__ and __getstate__, raise anything
        message = f"skops cannot hold the model: {type(error).__name__}: {clip(error, 300)}"
        raise PackError.of("pack.native", message) from error
    return NativeFile(
        format="skops",
        data=data,
        modules={"skops": "reads the model"},
        settings={"types": list(types)},
        references=skops_references(data),
    )


def canonical(data: bytes) -> bytes:
    """The skops file `data` with its objects counted in the order of the tree, and its members in that order."""
    tree = read_tree(data)
    counted = _Counted()
    counted.visit(tree)
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as new:
        for name, given in counted.files.items():
            new.writestr(zipfile.ZipInfo(given, _TIME), old.read(name))
        new.writestr(zipfile.ZipInfo(TREE, _TIME), json.dumps(tree, separators=(",", ":")))
    return made.getvalue()


class _Counted:
    """Renumbers the nodes of a tree in place."""

    def __init__(self) -> None:
        self.numbers: dict[Any, int] = {}
        self.files: dict[str, str] = {}
        self.count = 0

    def visit(self, node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                self.visit(item)
        if not isinstance(node, dict):
            return
        if isinstance(node.get("__id__"), int):
            self._number(node)
        if node.get("__loader__") == "SetNode" and isinstance(node.get("content"), list):
            node["content"].sort(key=_by_value)
        for key, item in node.items():
            if key == "file" and isinstance(item, str):
                node[key] = self.files.setdefault(item, f"{len(self.files)}{item[item.rfind('.') :]}")
            else:
                self.visit(item)

    def _number(self, node: dict[str, Any]) -> None:
        self.count += 1
        alone = node.get("__loader__") in _ALONE
        node["__id__"] = self.count if alone else self.numbers.setdefault(node["__id__"], self.count)


def _by_value(node: Any) -> str:
    """Elements of a set in an order of their own: iteration follows hashes, which differ between processes."""
    return json.dumps({key: value for key, value in node.items() if key != "__id__"}, sort_keys=True)
