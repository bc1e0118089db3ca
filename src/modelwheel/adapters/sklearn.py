"""scikit-learn: any fitted estimator, alone or composed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import CategoryValue, Schema
from modelwheel_loader.run import TREE, read_tree, skops_references
from modelwheel_loader.text import clip
from modelwheel_loader.validate import is_a

from ..capturing.capture import NativeFile
from ..extras import needed
from ..onnx import Conversion, convert_estimator
from .base import Adapter, plain_classes

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")
"""scikit-learn's prediction methods, as its glossary lists them."""
_OF_CLASSES = frozenset({"predict", "predict_proba", "predict_log_proba", "decision_function"})


_TIME = (1980, 1, 1, 0, 0, 0)
_ALONE = frozenset({"JsonNode", "TypeNode", "FunctionNode"})
"""Values that nothing can tell apart by identity, though Python shares some of them in some processes."""


class SklearnAdapter(Adapter):
    """Everything that derives from `sklearn.base.BaseEstimator`."""

    framework = "scikit-learn"

    def recognises(self, model: object) -> bool:
        """Whether it is an estimator instance. When scikit-learn was never imported, nothing is."""
        return is_a(model, "sklearn.base", "BaseEstimator")

    checks_columns = True

    def columns(self, model: Any, labels: Sequence[str]) -> tuple[str, ...] | None:
        """`feature_names_in_`."""
        names = getattr(model, "feature_names_in_", None)
        return None if names is None else tuple(map(str, names))

    def check(self, model: object) -> None:
        """Raise `PackError` when the estimator is not fitted."""
        from sklearn.exceptions import NotFittedError
        from sklearn.utils.validation import check_is_fitted

        try:
            check_is_fitted(model)
        except NotFittedError:
            raise PackError.of("pack.not-fitted", f"this {type(model).__name__} is not fitted yet") from None

    def methods(self, model: object) -> tuple[str, ...]:
        """Those of `METHODS` that the estimator has in the state that it is in."""
        return tuple(name for name in METHODS if callable(getattr(model, name, None)))

    def classes(self, model: object, method: str) -> tuple[CategoryValue, ...] | None:
        """`classes_` of a classifier with one output."""
        found: Any = getattr(model, "classes_", None)
        if method not in _OF_CLASSES or found is None or isinstance(found, list) or getattr(found, "ndim", 0) != 1:
            return None
        return plain_classes(found)

    def native_as(self, model: object, form: str) -> NativeFile | None:
        """A skops file."""
        return skops_file(model) if form == "skops" else None

    def convert(self, model: object, schema: Schema, methods: Sequence[str]) -> Conversion:
        """By converters of modelwheel's own, else by skl2onnx; raises `MissingExtra` without it."""
        with needed("skl2onnx", "converting to ONNX", extra="sklearn", or_native=True):
            import skl2onnx  # noqa: F401
        return convert_estimator(model, schema, methods)


# --- skops files ---
#
# skops numbers objects by their addresses and names arrays by these numbers: here both are counted, so that the same
# model gives the same bytes. The zip is stored, with fixed times. What is shared in the model stays shared.


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
