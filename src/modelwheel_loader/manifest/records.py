"""`manifest.json`: what a bundle says about itself, as records. `reader.py` reads them from a file.

`docs/format.md` is normative, with a JSON Schema beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ..contract.schema import Schema
from ..contract.types import CategoryValue
from ..records import Record
from ..text import counted

if TYPE_CHECKING:
    from .cost import Cost

FORMAT_NAME = "modelwheel"
FORMAT_MAJOR = 1
"""Raise this only for a change that older loaders must refuse, and keep a reader for every older major."""
FORMAT = f"{FORMAT_NAME}/{FORMAT_MAJOR}"
MEMBER = "manifest.json"

Kind = Literal["onnx", "native"]
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class Digest(Record):
    """The size in bytes and the SHA-256 (64 hexadecimal digits) of a member."""

    size: int
    sha256: str


class Requirement(Record):
    """A distribution that a runtime needs: the version at packing, the range that is accepted, and why."""

    name: str
    version: str
    specifier: str
    reason: str = ""


class Tolerance(Record):
    """How far an answer may be from the recorded one: `|found - expected| <= absolute + relative * |expected|`."""

    absolute: float = 0.0
    relative: float = 0.0


class Parity(Record):
    """How a runtime's answers compared with the original's: over `rows` rows, the largest differences seen.

    `tried` counts the rows by their kind; `refused` are made-up rows that were not compared, for the contract or the
    original does not take them; `undecided` are made-up rows on which the answers differ since the original takes
    one of several equals there, such as donors equally far away.
    """

    rows: int
    exact: bool
    max_absolute: float
    max_relative: float
    label_disagreements: int
    tried: Mapping[str, int] = _NOTHING
    refused: int = 0
    undecided: int = 0

    @property
    def rows_text(self) -> str:
        """How many rows were compared, in words."""
        made_up = sum(count for kind, count in self.tried.items() if kind not in ("examples", "sample"))
        if not made_up:
            return counted(self.rows, "row")
        ties = f" ({self.undecided:,} more hang on the order of equals)" if self.undecided else ""
        return f"{counted(self.rows - made_up, 'row')} and {made_up:,} made-up ones{ties}"


class Method(Record):
    """A prediction method: what it answers, whether twice the same, how near other machines come, its classes.

    `parameters` are its named arguments beside the data, a field with a default each; None when it has none.
    """

    name: str
    output: Schema
    deterministic: bool = True
    tolerance: Tolerance = Tolerance()
    classes: tuple[CategoryValue, ...] | None = None
    parameters: Schema | None = None


class Weight(Record):
    """A large initializer of a graph, in the weights member at `offset`."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    offset: int
    size: int


class GraphInput(Record):
    """An input of a graph: which fields feed it. `dtype` is numpy's name, or `string`; a null text is `null_text`."""

    name: str
    dtype: str
    fields: tuple[str, ...]
    shape: tuple[int | None, ...]
    null_text: str | None = None


class OnnxPayload(Record):
    """A graph for onnxruntime."""

    kind: Literal["onnx"] = "onnx"
    format: str = "onnx"
    member: str = "onnx/model.onnx"
    weights_member: str | None = None
    weights: tuple[Weight, ...] = ()
    inputs: tuple[GraphInput, ...] = ()
    outputs: Mapping[str, tuple[str, ...]] = _NOTHING
    opsets: Mapping[str, int] = _NOTHING
    requires: tuple[Requirement, ...] = ()
    parity: Mapping[str, Parity] = _NOTHING
    cost: Cost | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that this runtime has."""
        return tuple(self.outputs)

    @property
    def members(self) -> tuple[str, ...]:
        """The members that hold this payload."""
        return (self.member, self.weights_member) if self.weights_member else (self.member,)


class NativePayload(Record):
    """The original object: a pickle, or a file of its framework with the `settings` that such a file does not hold.

    The large arrays of a pickle lie in `buffers_member`, at `spans` of (offset, size).
    `code_member` holds the source of `modules` that the author gave, which the pickle refers to.
    """

    kind: Literal["native"] = "native"
    format: str = "pickle"
    member: str = "native/model.pkl"
    buffers_member: str | None = None
    code_member: str | None = None
    modules: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    methods: tuple[str, ...] = ()
    python_version: str = ""
    python_specifier: str = ""
    requires: tuple[Requirement, ...] = ()
    mapped_bytes: int = 0
    copied_bytes: int = 0
    reproducible: bool = True
    settings: Mapping[str, Any] = _NOTHING
    cost: Cost | None = None

    @property
    def members(self) -> tuple[str, ...]:
        """The members that hold this payload."""
        return tuple(name for name in (self.member, self.buffers_member, self.code_member) if name)


Payload = OnnxPayload | NativePayload


class LeftOut(Record):
    """A runtime that the bundle does not have, and why."""

    kind: str
    reason: str


class LockFile(Record):
    """The lock of the runtime's environment (PEP 751), what made it, and for which platforms: `all`, or one of them."""

    member: str = "pylock.toml"
    resolver: str = ""
    platforms: str = "all"


class Proof(Record):
    """What a clean room showed: in an environment of nothing but the lock, the model answered as recorded.

    `lock` is the SHA-256 of the lock, `python` and `platform` are those of the room, `tool` built it. `rows` golden
    examples were replayed; `methods` says for each how: `exact`, `within` (tolerance), `schema` (not deterministic).
    """

    lock: str
    python: str
    platform: str
    tool: str
    rows: int
    methods: Mapping[str, str]


class ExampleFiles(Record):
    """Where the golden examples are: one member of inputs, and one of expected answers per method."""

    source: str
    rows: int
    input: str
    outputs: Mapping[str, str]


class Manifest(Record):
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
    lock: LockFile | None = None
    proof: Proof | None = None
    packed_with: Mapping[str, str] = _NOTHING
    model: Mapping[str, str] = _NOTHING

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
            "methods": [_method_to_dict(method) for method in self.methods],
            "runtimes": [_payload_to_dict(payload) for payload in self.runtimes],
            "left_out": [item.attributes() for item in self.left_out],
            "examples": plain(self.examples) if self.examples else None,
            **({"lock": plain(self.lock)} if self.lock else {}),
            **({"proof": plain(self.proof)} if self.proof else {}),
            "members": {name: digest.attributes() for name, digest in self.members.items()},
        }


def plain(value: Any) -> Any:
    """Records, and what they hold, as JSON types."""
    if isinstance(value, Record):
        return {name: plain(item) for name, item in value.attributes().items()}
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, tuple | list) else value


def _plain(record: Any, *names: str) -> dict[str, Any]:
    return {name: plain(getattr(record, name)) for name in names}


def _method_to_dict(method: Method) -> dict[str, Any]:
    made = {**_plain(method, "name", "deterministic", "tolerance", "classes"), "output": method.output.to_dict()}
    return made if method.parameters is None else {**made, "parameters": method.parameters.to_dict()}


def _payload_to_dict(payload: Payload) -> dict[str, Any]:
    common = {**_plain(payload, "kind", "format", "member", "requires"), "methods": list(payload.methods)}
    if payload.cost is not None:
        common["cost"] = plain(payload.cost)
    if isinstance(payload, OnnxPayload):
        weights = {"member": payload.weights_member, "tensors": [plain(weight) for weight in payload.weights]}
        return {
            **common,
            **_plain(payload, "inputs", "outputs", "opsets", "parity"),
            "weights": weights if payload.weights_member else None,
        }
    buffers = {"member": payload.buffers_member, "spans": [list(span) for span in payload.spans]}
    code = {"code": {"member": payload.code_member, "modules": list(payload.modules)}} if payload.code_member else {}
    return {
        **common,
        **code,
        **_plain(payload, "mapped_bytes", "copied_bytes", "reproducible"),
        "python": {"version": payload.python_version, "specifier": payload.python_specifier},
        "buffers": buffers if payload.buffers_member else None,
        **({"settings": plain(payload.settings)} if payload.settings else {}),
    }
