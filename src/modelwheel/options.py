"""The small records in which options travel to `pack`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Source = Literal["sample", "given", "synthetic", "none"]
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examples:
    """The golden examples: recorded inputs, replayed wherever the bundle is verified.

    `source` is `sample` (a spread of real rows: think of whose they are), `given` (those in `data`, of the same kind
    as the sample), `synthetic` (values made up within what the sample showed) or `none`.
    """

    rows: int = 16
    source: Source = "sample"
    data: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What to pack and where limits lie.

    `methods` are the prediction methods to keep (None: all that the model has); `runtimes` the ones to make, in the
    order in which `load` tries them; `overwrite` replaces a file of the same version that has other content;
    `categories` is how many different values a categorical column may have for them to be stored.
    """

    methods: tuple[str, ...] | None = None
    runtimes: tuple[str, ...] = ("onnx", "native")
    overwrite: bool = False
    categories: int = 1000
