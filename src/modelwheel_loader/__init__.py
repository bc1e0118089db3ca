"""The loader of modelwheel: opens, verifies, checks and runs model bundles. Standard library and numpy only.

Names are resolved on first use, so that importing costs next to nothing.
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
    from .contract.schema import Field as Field
    from .contract.schema import Schema as Schema
    from .isolation import Isolation as Isolation
    from .limits import Limits as Limits
    from .manifest.records import Manifest as Manifest
    from .model import Model as Model
    from .onnx.session import SessionOptions as SessionOptions
    from .report import Report as Report
    from .trust import Trust as Trust

_PLACES = {
    "Bundle": "bundle:Bundle",
    "Field": "contract.schema:Field",
    "Isolation": "isolation:Isolation",
    "Limits": "limits:Limits",
    "Manifest": "manifest.records:Manifest",
    "Model": "model:Model",
    "Report": "report:Report",
    "Schema": "contract.schema:Schema",
    "SessionOptions": "onnx.session:SessionOptions",
    "Trust": "trust:Trust",
    "errors": "errors:",
    "load": "bundle:load",
    "open": "bundle:open_bundle",
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
