"""A model in its framework's own file format, which is no pickle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeFile:
    """The bytes of a model in one of the formats of `modelwheel_loader.formats`.

    `modules` are the top-level modules that open it, each with the reason; `settings` is what the file does not hold
    and the opener needs.
    """

    format: str
    data: bytes
    modules: Mapping[str, str]
    settings: Mapping[str, str | float | bool | None] = field(default_factory=dict)
