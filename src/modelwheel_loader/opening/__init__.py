"""Untrusted bytes become a manifest and verified members. Imports the base modules and nothing else of ours.

Read it in this order (`docs/opening.md` says what to look for): resolve, places, archive, names, record, strictjson,
types, schema, manifest, consistency, members; and graph, which walks an ONNX file before a runtime sees it.
"""

# ruff: noqa: F403, I001 - the first of two names counts
from typing import TYPE_CHECKING

from ..doors import face

if TYPE_CHECKING:
    from ..limits import *
    from .types import *
    from .schema import *
    from .manifest import *
    from .archive import *  # type: ignore[assignment]
    from .integrity import *
    from .graph import *
    from .names import *  # type: ignore[assignment]
    from .places import *
    from .record import *
    from .resolve import *
    from .strictjson import *  # type: ignore[assignment]
else:
    __getattr__ = face(__name__)
