"""modelwheel: a model bundle is a wheel. Pack a trained model, open it without running it, load it and predict.

Names are resolved on first use, so that a service which only loads never pays for packing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelwheel_loader import Bundle as Bundle
    from modelwheel_loader import Field as Field
    from modelwheel_loader import Isolation as Isolation
    from modelwheel_loader import Limits as Limits
    from modelwheel_loader import Manifest as Manifest
    from modelwheel_loader import Model as Model
    from modelwheel_loader import Report as Report
    from modelwheel_loader import Schema as Schema
    from modelwheel_loader import Trust as Trust
    from modelwheel_loader import load as load
    from modelwheel_loader import open as open  # noqa: A004 - the design's name, always used as modelwheel.open
    from modelwheel_loader import verify as verify

    from . import errors as errors
    from . import types as types
    from .inference.infer import infer_schema as infer_schema
    from .options import Dependencies as Dependencies
    from .options import Examples as Examples
    from .options import Options as Options
    from .packing.pack import pack as pack
    from .proving.prove import prove as prove
    from .version import VERSION as __version__  # noqa: F401, N811
    from .wheel.metadata import About as About
    from .wheel.repack import repack as repack

_OWN = {
    "About": "wheel.metadata",
    "Dependencies": "options",
    "Examples": "options",
    "Options": "options",
    "infer_schema": "inference.infer",
    "pack": "packing.pack",
    "prove": "proving.prove",
    "repack": "wheel.repack",
}

__all__ = [  # noqa: RUF022 - grouped: verbs, then records
    "pack",
    "open",
    "load",
    "verify",
    "prove",
    "repack",
    "infer_schema",
    "About",
    "Bundle",
    "Dependencies",
    "Examples",
    "Field",
    "Isolation",
    "Limits",
    "Manifest",
    "Model",
    "Options",
    "Report",
    "Schema",
    "Trust",
    "errors",
    "types",
]


def __getattr__(name: str) -> Any:
    if name in _OWN:
        value = getattr(importlib.import_module(f".{_OWN[name]}", __name__), name)
    elif name in ("errors", "types"):
        return importlib.import_module(f".{name}", __name__)
    elif name == "__version__":
        value = importlib.import_module(".version", __name__).VERSION
    elif name in __all__:
        value = getattr(importlib.import_module("modelwheel_loader"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
