"""The loader of modelwheel: opens, verifies, validates and runs model bundles.

It needs the standard library, numpy, and `packaging` where it compares version ranges. Public names are imported on
first use, so that importing the package is cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import errors as errors
    from .bundle import Bundle as Bundle
    from .bundle import load as load
    from .bundle import open_bundle as open  # noqa: A004 - the design's name, always used as modelwheel.open
    from .bundle import verify as verify
    from .limits import Limits as Limits
    from .model import Model as Model
    from .opening import types as types
    from .opening.manifest import Manifest as Manifest
    from .opening.schema import Field as Field
    from .opening.schema import Schema as Schema
    from .proof.report import Report as Report
    from .run.isolation import Isolation as Isolation
    from .run.onnx_runtime import SessionOptions as SessionOptions
    from .run.trust import Trust as Trust


_PLACES = {
    "Bundle": "bundle:Bundle",
    "Field": "opening.schema:Field",
    "Isolation": "run.isolation:Isolation",
    "Limits": "limits:Limits",
    "Manifest": "opening.manifest:Manifest",
    "Model": "model:Model",
    "Report": "proof.report:Report",
    "Schema": "opening.schema:Schema",
    "SessionOptions": "run.onnx_runtime:SessionOptions",
    "Trust": "run.trust:Trust",
    "errors": "errors:",
    "load": "bundle:load",
    "open": "bundle:open_bundle",
    "types": "opening.types:",
    "verify": "bundle:verify",
}

__all__ = [  # noqa: RUF022 - grouped: verbs, then records
    "load",
    "open",
    "verify",
    "Bundle",
    "Field",
    "Isolation",
    "Limits",
    "Manifest",
    "Model",
    "Report",
    "Schema",
    "SessionOptions",
    "Trust",
    "errors",
    "types",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    found = importlib.import_module(f".{module}", __name__)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
