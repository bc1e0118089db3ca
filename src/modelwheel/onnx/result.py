"""The results of a converter: graphs to try, best first; a text in place of a graph is the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from modelwheel_loader.opening import GraphInput

USUAL = ">=1.20"
"""The versions of onnxruntime that run every graph that modelwheel writes itself."""


class Unconvertible(Exception):
    """The reason why an estimator, or a part of it, has no graph. The manifest records it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A serialized ONNX model (`data`), its inputs, and which of its outputs make up each method's answer.

    `weights` are large initializers that were taken out of `data` (`externalize.take_out`), as arrays by name: a
    protobuf message cannot exceed 2 GB. `onnxruntime` is the range of its versions that run the graph. A graph
    `as_given` by the author is packed unchanged. `ties` is a graph that answers for each row whether the original
    chooses between equals, such as donors equally far away: how NumPy sorts on the processor at hand decides which of
    them it takes. Parity measurement asks it.
    """

    data: bytes
    inputs: tuple[GraphInput, ...]
    outputs: Mapping[str, tuple[str, ...]]
    opsets: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    onnxruntime: str = USUAL
    as_given: bool = False
    ties: Graph | None = None

    def described(self, producer_version: str, metadata: Mapping[str, str]) -> bytes:
        """`data` with its producer and `metadata`; unchanged for a graph of the author.

        A protobuf message is extended by the bytes that follow it, so nothing is parsed.
        """
        if self.as_given:
            return self.data
        import onnx

        more = onnx.ModelProto(producer_name="modelwheel", producer_version=producer_version)
        for key, value in metadata.items():
            more.metadata_props.add(key=key, value=value)
        added: bytes = more.SerializeToString(deterministic=True)
        return self.data + added


Conversion = Iterator[Graph | str]
"""Made one by one, because converting is slow and the first graph is often good."""
