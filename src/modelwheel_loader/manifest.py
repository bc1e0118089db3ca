"""`manifest.json`: what a bundle says about itself, as records. `manifest_reader.py` reads them from a file.

The normative description is `docs/format.md`, with a JSON Schema beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .schema import Schema
from .types import CategoryValue

FORMAT_NAME = "modelwheel"
FORMAT_MAJOR = 1
"""Raise this only for a change that older loaders must refuse, and keep a reader for every older major."""
FORMAT = f"{FORMAT_NAME}/{FORMAT_MAJOR}"
MEMBER = "manifest.json"

Kind = Literal["onnx", "native"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """The size in bytes and the SHA-256 (64 hexadecimal digits) of a member."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirement:
    """A distribution that a runtime needs: the version at packing, the range that is accepted, and why."""

    name: str
    version: str
    specifier: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How far an answer may be from the recorded one: `|found - expected| <= absolute + relative * |expected|`."""

    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Parity:
    """How a runtime's answers compared with the original's: over `rows` rows, the largest differences seen."""

    rows: int
    exact: bool
    max_absolute: float
    max_relative: float
    label_disagreements: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A prediction method: what it answers, whether twice the same, how near other machines come, its classes."""

    name: str
    output: Schema
    deterministic: bool = True
    tolerance: Tolerance = field(default_factory=Tolerance)
    classes: tuple[CategoryValue, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Weight:
    """A large initializer of a graph, in the weights member at `offset`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphInput:
    """An input of a graph: which fields feed it. `dtype` is numpy's name, or `string`; a null text is `null_text`."""

    name: str
    dtype: str
    fields: tuple[str, ...]
    shape: tuple[int | None, ...]
    null_text: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OnnxPayload:
    """A graph for onnxruntime."""

    kind: Literal["onnx"] = "onnx"
    format: str = "onnx"
    member: str = "onnx/model.onnx"
    weights_member: str | None = None
    weights: tuple[Weight, ...] = ()
    inputs: tuple[GraphInput, ...] = ()
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    opsets: Mapping[str, int] = field(default_factory=dict)
    requires: tuple[Requirement, ...] = ()
    parity: Mapping[str, Parity] = field(default_factory=dict)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that this runtime has."""
        return tuple(self.outputs)

    @property
    def members(self) -> tuple[str, ...]:
        """The members that hold this payload."""
        return (self.member, self.weights_member) if self.weights_member else (self.member,)


@dataclass(frozen=True, kw_only=True, slots=True)
class NativePayload:
    """The original object as a pickle; its large arrays lie in `buffers_member`, at `spans` of (offset, size)."""

    kind: Literal["native"] = "native"
    format: str = "pickle"
    member: str = "native/model.pkl"
    buffers_member: str | None = None
    spans: tuple[tuple[int, int], ...] = ()
    methods: tuple[str, ...] = ()
    python_version: str = ""
    python_specifier: str = ""
    requires: tuple[Requirement, ...] = ()
    mapped_bytes: int = 0
    copied_bytes: int = 0
    reproducible: bool = True

    @property
    def members(self) -> tuple[str, ...]:
        """The members that hold this payload."""
        return (self.member, self.buffers_member) if self.buffers_member else (self.member,)


Payload = OnnxPayload | NativePayload


@dataclass(frozen=True, kw_only=True, slots=True)
class LeftOut:
    """A runtime that the bundle does not have, and why."""

    kind: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ExampleFiles:
    """Where the golden examples are: one member of inputs, and one of expected answers per method."""

    source: str
    rows: int
    input: str
    outputs: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """All of `manifest.json`."""

    name: str
    version: str
    input: Schema
    methods: tuple[Method, ...]
    runtimes: tuple[Payload, ...]
    members: Mapping[str, Digest]
    summary: str = ""
    description: str = ""
    left_out: tuple[LeftOut, ...] = ()
    examples: ExampleFiles | None = None
    packed_with: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON types, in the form of `docs/format.md`."""
        return {
            "format": FORMAT,
            "name": self.name,
            "version": self.version,
            "summary": self.summary,
            "description": self.description,
            "packed_with": dict(self.packed_with),
            "model": dict(self.model),
            "input": self.input.to_dict(),
            "methods": [
                {**_plain(method, "name", "deterministic", "tolerance", "classes"), "output": method.output.to_dict()}
                for method in self.methods
            ],
            "runtimes": [_payload_to_dict(payload) for payload in self.runtimes],
            "left_out": [asdict(item) for item in self.left_out],
            "examples": asdict(self.examples) if self.examples else None,
            "members": {name: asdict(digest) for name, digest in self.members.items()},
        }


def _plain(record: Any, *names: str) -> dict[str, Any]:
    whole = asdict(record)
    return {name: whole[name] for name in names}


def _payload_to_dict(payload: Payload) -> dict[str, Any]:
    common = {**_plain(payload, "kind", "format", "member", "requires"), "methods": list(payload.methods)}
    if isinstance(payload, OnnxPayload):
        weights = {"member": payload.weights_member, "tensors": [asdict(weight) for weight in payload.weights]}
        return {
            **common,
            **_plain(payload, "inputs", "outputs", "opsets", "parity"),
            "weights": weights if payload.weights_member else None,
        }
    buffers = {"member": payload.buffers_member, "spans": [list(span) for span in payload.spans]}
    return {
        **common,
        **_plain(payload, "mapped_bytes", "copied_bytes", "reproducible"),
        "python": {"version": payload.python_version, "specifier": payload.python_specifier},
        "buffers": buffers if payload.buffers_member else None,
    }
