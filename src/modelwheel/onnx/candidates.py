"""What a converter gives: graphs to try, best first, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelwheel_loader.manifest import GraphInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A serialized graph: what feeds its inputs, and which outputs make up each method's answer."""

    graph: bytes
    inputs: tuple[GraphInput, ...]
    outputs: Mapping[str, tuple[str, ...]]
    opsets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conversion:
    """Candidates, or none and a `reason` in one sentence for people."""

    candidates: tuple[Candidate, ...] = ()
    reason: str = ""
