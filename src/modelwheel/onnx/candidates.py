"""What a converter gives: graphs to try, best first; a text in their place says why an attempt gave none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelwheel_loader.opening.manifest import GraphInput


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A serialized graph: what feeds its inputs, and which outputs make up each method's answer.

    `weights` are large initializers that were taken out already (`externalize.take_out`), as arrays by name: a graph
    of more than 2 GB cannot be serialized with them. `onnxruntime` is the range of its versions that run the graph,
    empty for the usual one. A graph `as_given` by the author is packed as it is. `ties` says of each row whether the
    original chooses between equals, such as donors equally far away: which of them it takes is decided by how NumPy
    sorts on the processor at hand. It is asked when parity is measured.
    """

    graph: bytes
    inputs: tuple[GraphInput, ...]
    outputs: Mapping[str, tuple[str, ...]]
    opsets: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    onnxruntime: str = ""
    as_given: bool = False
    ties: Candidate | None = None


Conversion = Iterator[Candidate | str]
"""Made one by one, for converting is slow and the first is often good."""
