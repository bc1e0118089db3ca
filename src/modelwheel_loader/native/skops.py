"""Opens skops files: objects of the classes that the manifest lists, and of those that skops trusts by itself.

skops looks at the whole tree before it builds anything. Its reader and the classes that it builds are no border
against hostile bytes all the same, so the caller has made sure of trust (docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Defect, InvalidBundle, MissingExtra
from ..text import clip
from .storedzip import StoredZip
from .unpickle import judged_warnings

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
