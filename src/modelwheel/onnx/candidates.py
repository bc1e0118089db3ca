"""What a converter gives: graphs to try, best first; a text in their place says why an attempt gave none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from modelwheel_loader.manifest import GraphInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A serialized graph: what feeds its inputs, and which outputs make up each method's answer."""

    graph: bytes
    inputs: tuple[GraphInput, ...]
    outputs: Mapping[str, tuple[str, ...]]
    opsets: Mapping[str, int] = field(default_factory=dict)


Conversion = Iterator[Candidate | str]
"""Made one by one, for converting is slow and the first is often good."""
