"""`manifest.json`: what a bundle says about itself, as records; their declarations are how it is read and written.

`docs/format.md` is normative, and `docs/manifest.schema.json` is written from the same declarations. Reading collects
every defect, imports nothing and runs nothing; unknown keys are ignored, an unknown version or feature is refused.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from ..errors import InvalidBundle, UnsupportedFormat
from ..limits import DEFAULT, Limits
from ..records import Contradiction, Record, optional, required, sparse
from ..text import clip, counted, shown
from .archive import ALIGNMENT
from .names import is_canonical_version, is_normalized_name, is_plain_range, is_plain_version, normalize_name
from .schema import SCHEMA, Schema
from .strictjson import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    SCALAR,
    TEXT,
    Array,
    Choice,
    Cursor,
    Integer,
    Kind,
    Nullable,
    Object,
    Table,
    Text,
    parse_json,
    plain,
)
from .types import TENSOR_DTYPES, CategoryValue

KINDS = ("onnx", "native")
"""The kinds of payload, in the order in which `runtime="auto"` tries them."""
ISOLATED = "isolated"
RUNTIMES = (*KINDS, ISOLATED)
"""What `load` takes for `runtime`, beside `auto`. The isolated runtime runs the payload of the native one."""


class Format(Record):
    """A payload format: the runtime that opens it, and whether opening it runs code that the bundle brought.

    `risk` says why opening needs trust, as the end of "the native model is …"; empty when it does not.
    """

    kind: str
    runs_code: bool
    member: str
    risk: str = ""


_COMPILED = "a file of {}, whose compiled reader is not made for files of strangers"
_NATIVE = {
    "pickle": ("native/model.pkl", "a pickle, which runs code when it is loaded"),
    # no code, and readers in C++ that fall over damaged files (docs/decisions/0004)
    "xgboost-ubj": ("native/model.ubj", _COMPILED.format("XGBoost")),
    "lightgbm-text": ("native/model.txt", _COMPILED.format("LightGBM")),
    "catboost-cbm": ("native/model.cbm", _COMPILED.format("CatBoost")),
    # configurations and graphs that frameworks follow wherever they lead (docs/decisions/0012)
    "keras": ("native/model.keras", "an archive of Keras, which builds the layers that it names"),
    "saved-model": (
        "native/saved_model.zip",
        "a SavedModel of TensorFlow, whose graph is a program that may read and write files",
    ),
    # no code, and classes that were not made to be built from bytes of strangers (docs/decisions/0011)
    "skops": ("native/model.skops", "a skops file, which builds objects of the classes that it lists"),
}
FORMATS = {
    "onnx": Format(kind="onnx", runs_code=False, member="onnx/model.onnx"),
    **{
        name: Format(kind="native", runs_code=name == "pickle", member=member, risk=risk)
        for name, (member, risk) in _NATIVE.items()
    },
}
"""The fixed table of payload formats. A manifest names one of these, never a module or a function to import."""

FORMAT_NAME = "modelwheel"
FORMAT_MAJOR = 1
"""Raise this only for a change that older loaders must refuse, and keep a reader for every older major."""
FORMAT = f"{FORMAT_NAME}/{FORMAT_MAJOR}"
FIRST_READER = "0.1.0"
FEATURES: Mapping[str, str] = {"answers-index": "0.1.0", "sklearn-settings": "0.1.0"}
"""What this reader understands beyond the first form, and the first version that does: see `docs/format.md`."""
MEMBER = "manifest.json"
PACKER = "modelwheel"
"""The key of `packed_with` that holds the version of modelwheel."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_HEX = frozenset("0123456789abcdef")


def is_sha256(text: str) -> bool:
    """Whether `text` is a SHA-256 as manifests write it."""
    return len(text) == 64 and _HEX.issuperset(text)


def is_method(text: str) -> bool:
    """Whether `text` may name a method."""
    return text.isidentifier() and not text.startswith("_")


def is_distribution(text: str) -> bool:
    """Whether `text` may name a distribution, in any spelling."""
    return is_normalized_name(normalize_name(text))


SHA256 = Text(rule=is_sha256, must="64 hexadecimal digits in lower case")
NAME = Text(200, is_normalized_name, "the normalised name of a distribution")
VERSION = Text(200, is_canonical_version, "a version in the normalised form of PEP 440")
RANGE = Text(1_000, is_plain_range, "a range of versions")
WORDS = Table(TEXT)
PAIR = Array(COUNT, least=2, most=2, harmless=(0, 0))


class Digest(Record):
    """The size in bytes and the SHA-256 (64 hexadecimal digits) of a member."""

    size: int = required(COUNT)
    sha256: str = required(SHA256)


class Requirement(Record):
    """A distribution that a runtime needs: the version at packing, the range that is accepted, and why.

    The first three go into commands that people copy, so they hold nothing else.
    """

    name: str = required(Text(200, is_distribution, "the name of a distribution"))
    version: str = required(Text(200, is_plain_version, "a version"))
    specifier: str = required(RANGE)
    reason: str = optional(TEXT, default="")


class MethodCost(Record):
    """Seconds that a method took: `row` for one row, `batch` for `rows` rows at once."""

    row: float = required(NUMBER)
    batch: float = required(NUMBER)
    rows: int = required(Integer(1))


class Cost(Record):
    """Seconds that a runtime took on the machine that packed, which had `cores`: to `open`, and per method."""

    open: float = required(NUMBER)
    cores: int = required(Integer(1))
    methods: Mapping[str, MethodCost] = required(Table(Object(MethodCost)))


class Tolerance(Record):
    """How far an answer may be from the recorded one: `|found - expected| <= absolute + relative * |expected|`."""

    absolute: float = required(NUMBER, default=0.0)
    relative: float = required(NUMBER, default=0.0)


class Parity(Record):
    """How a runtime's answers compared with the original's: over `rows` rows, the largest differences seen.

    `tried` counts the rows by their kind; `refused` are generated rows that were not compared, since the contract or
    the original rejects them; `undecided` are generated rows on which the answers differ since the original takes
    one of several equals there, such as donors equally far away.
    """

    rows: int = required(COUNT)
    exact: bool = required(FLAG)
    max_absolute: float = required(NUMBER)
    max_relative: float = required(NUMBER)
    label_disagreements: int = required(COUNT)
    tried: Mapping[str, int] = optional(Table(COUNT), default=_NOTHING)
    refused: int = optional(COUNT, default=0)
    undecided: int = optional(COUNT, default=0)


def can_be_called(name: str) -> bool:
    """Whether a parameter may have that name: `data` and `self` are arguments of every loaded method."""
    return is_method(name) and not keyword.iskeyword(name) and name not in ("data", "self")


def _not_parameters(schema: Schema) -> Iterator[Contradiction]:
    for field in schema.fields:
        if field.required or not can_be_called(field.name):
            yield "fields", "a parameter has a public Python name and a default", shown(field.name)


PARAMETERS = Object(Schema, _not_parameters)


class Method(Record):
    """A prediction method: its output, whether it is deterministic, how near other machines come, its classes.

    `parameters` are its named arguments beside the data, a field with a default each; None when it has none. With
    `index`, the answer for a DataFrame or Series of pandas has the index of that.
    """

    name: str = required(Text(100, is_method, "a public Python name"))
    output: Schema = required(SCHEMA)
    deterministic: bool = required(FLAG, default=True)
    tolerance: Tolerance = required(Object(Tolerance), default=Tolerance())
    classes: tuple[CategoryValue, ...] | None = optional(Array(SCALAR), default=None)
    parameters: Schema | None = sparse(PARAMETERS, default=None)
    index: bool = sparse(FLAG, default=False)


class Weight(Record):
    """A large initializer of a graph, in the weights member at `offset`."""

    name: str = required(TEXT)
    dtype: str = required(Choice(*TENSOR_DTYPES))
    shape: tuple[int, ...] = required(Array(COUNT, most=64))
    offset: int = required(COUNT)
    size: int = required(COUNT)


class GraphInput(Record):
    """An input of a graph: which fields feed it. `dtype` is numpy's name, or `string`; a null text is `null_text`."""

    name: str = required(TEXT)
    dtype: str = required(Choice(*TENSOR_DTYPES, "string"))
    fields: tuple[str, ...] = required(Array(TEXT))
    shape: tuple[int | None, ...] = required(Array(Nullable(COUNT)))
    null_text: str | None = optional(TEXT, default=None)


class OnnxPayload(Record):
    """A graph for onnxruntime."""

    kind: Literal["onnx"] = required(Choice("onnx"), default="onnx")
    format: str = required(Choice("onnx"), default="onnx")
    member: str = required(TEXT, default="onnx/model.onnx")
    weights_member: str | None = optional(TEXT, default=None, name="member", within="weights")
    weights: tuple[Weight, ...] = optional(Array(Object(Weight)), default=(), name="tensors", within="weights")
    inputs: tuple[GraphInput, ...] = required(Array(Object(GraphInput)), default=())
    outputs: Mapping[str, tuple[str, ...]] = required(Table(Array(TEXT)), default=_NOTHING)
    opsets: Mapping[str, int] = required(Table(Integer(1)), default=_NOTHING)
    requires: tuple[Requirement, ...] = required(Array(Object(Requirement)), default=())
    parity: Mapping[str, Parity] = required(Table(Object(Parity)), default=_NOTHING)
    cost: Cost | None = sparse(Object(Cost), default=None)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that this runtime has."""
        return tuple(self.outputs)

    @property
    def members(self) -> tuple[str, ...]:
        """The members that hold this payload."""
        return (self.member, self.weights_member) if self.weights_member else (self.member,)


class Setting(Kind):
    """What a framework's file does not hold: a text, a number, a Boolean, null, or a list of such."""

    harmless = ""

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        parts = value if type(value) is list else [value]
        if not all(part is None or type(part) in SCALAR.types for part in parts):
            at.wrong(key, "must be a text, a number, a Boolean, null, or a list of such")
        return value

    def write(self, value: Any) -> Any:  # noqa: D102
        return list(value) if isinstance(value, tuple) else value


class NativePayload(Record):
    """The original object: a pickle, or a file of its framework with the `settings` that such a file does not hold.

    The large arrays of a pickle are in `buffers_member`, at `spans` of (offset, size).
    `code_member` holds the source of `modules` that the author gave, which the pickle refers to. scikit-learn's own
    settings `transform_output` and `metadata_routing` are set around each call.
    """

    kind: Literal["native"] = required(Choice("native"), default="native")
    format: str = required(Choice(*_NATIVE), default="pickle")
    member: str = required(TEXT, default="native/model.pkl")
    buffers_member: str | None = optional(TEXT, default=None, name="member", within="buffers")
    code_member: str | None = sparse(Choice("native/code.json"), default=None, name="member", within="code")
    modules: tuple[str, ...] = sparse(Array(TEXT), default=(), within="code")
    spans: tuple[tuple[int, int], ...] = optional(Array(PAIR), default=(), within="buffers")
    methods: tuple[str, ...] = required(Array(TEXT), default=())
    python_version: str = required(VERSION, default="", name="version", within="python")
    python_specifier: str = required(RANGE, default="", name="specifier", within="python")
    requires: tuple[Requirement, ...] = required(Array(Object(Requirement)), default=())
    mapped_bytes: int = optional(COUNT, default=0)
    copied_bytes: int = optional(COUNT, default=0)
    reproducible: bool = optional(FLAG, default=True)
    settings: Mapping[str, Any] = sparse(Table(Setting()), default=_NOTHING)
    transform_output: str = sparse(Choice("default", "pandas", "polars"), default="default", within="sklearn")
    metadata_routing: bool = sparse(FLAG, default=False, name="enable_metadata_routing", within="sklearn")
    cost: Cost | None = sparse(Object(Cost), default=None)

    @property
    def members(self) -> tuple[str, ...]:
        """The members that hold this payload."""
        return tuple(name for name in (self.member, self.buffers_member, self.code_member) if name)


Payload = OnnxPayload | NativePayload
PAYLOADS = {"onnx": Object(OnnxPayload), "native": Object(NativePayload)}


class Runtime(Kind):
    """One of the payloads, by its `kind`; all list their methods."""

    types = frozenset({dict})
    must = "an object"
    harmless = OnnxPayload()

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        inner = at.inner(key, value)
        return PAYLOADS[inner.get("kind", Choice(*KINDS))].read_from(inner)

    def write(self, value: Any) -> Any:  # noqa: D102
        return {**plain(value), "methods": list(value.methods)}


class LeftOut(Record):
    """A runtime that the bundle does not have, and why."""

    kind: str = required(TEXT)
    reason: str = required(TEXT)


class LockFile(Record):
    """The lock of the runtime's environment (PEP 751), what made it, and for which platforms: `all`, or one of them."""

    member: str = required(Choice("pylock.toml"), default="pylock.toml")
    resolver: str = optional(Text(100), default="")
    platforms: str = optional(Text(200), default="all")


class Proof(Record):
    """What a clean room showed: in an environment of nothing but the lock, the model answered as recorded.

    `lock` is the SHA-256 of the lock, `python` and `platform` are those of the room, `tool` built it. `rows` golden
    examples were replayed; `methods` says for each how: `exact`, `within` (tolerance), `schema` (not deterministic).
    """

    lock: str = required(SHA256)
    python: str = required(Text(100))
    platform: str = required(Text(200))
    tool: str = required(Text(100))
    rows: int = required(COUNT)
    methods: Mapping[str, str] = required(Table(Choice("exact", "within", "schema")))


class ExampleFiles(Record):
    """Where the golden examples are: one member of inputs, and one of expected answers per method."""

    source: str = required(Choice("sample", "given", "synthetic"))
    rows: int = required(COUNT)
    input: str = required(TEXT)
    outputs: Mapping[str, str] = required(WORDS)


class Manifest(Record):
    """All of `manifest.json` but its `format`."""

    features: tuple[str, ...] = sparse(Array(TEXT), default=())
    name: str = required(NAME)
    version: str = required(VERSION)
    summary: str = optional(Text(1_000), default="")
    description: str = optional(Text(1_000_000), default="")
    packed_with: Mapping[str, str] = required(WORDS, default=_NOTHING)
    model: Mapping[str, str] = required(WORDS, default=_NOTHING)
    input: Schema = required(SCHEMA)
    methods: tuple[Method, ...] = required(Array(Object(Method), least=1))
    runtimes: tuple[Payload, ...] = required(Array(Runtime(), least=1))
    left_out: tuple[LeftOut, ...] = optional(Array(Object(LeftOut)), default=())
    examples: ExampleFiles | None = optional(Object(ExampleFiles), default=None)
    lock: LockFile | None = sparse(Object(LockFile), default=None)
    proof: Proof | None = sparse(Object(Proof), default=None)
    members: Mapping[str, Digest] = required(Table(Object(Digest)))

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON types, in the form of `docs/format.md`."""
        return {"format": FORMAT, **plain(self)}

    def contradictions(self) -> Iterator[Contradiction]:
        """Every member, field and method that the manifest names must exist, and pieces must be inside their member."""
        methods = {method.name for method in self.methods}
        if len(methods) != len(self.methods):
            yield "methods", "holds two methods with the same name", ""
        if len({payload.kind for payload in self.runtimes}) != len(self.runtimes):
            yield "runtimes", "must hold each kind once", ""
        named: list[tuple[str, str]] = []
        called: list[tuple[str, str]] = []
        for index, payload in enumerate(self.runtimes):
            where = f"runtimes[{index}]"
            named += ((where, name) for name in payload.members)
            called += ((where, name) for name in payload.methods)
            yield from ((where, problem, "") for problem in self._misplaced(payload))
        if self.lock:
            named.append(("lock", self.lock.member))
        if self.proof and (not self.lock or self.proof.lock != self._sha256(self.lock.member)):
            yield "proof", "is of another lock", ""
        if self.examples:
            named += (("examples", name) for name in (self.examples.input, *self.examples.outputs.values()))
            called += (("examples.outputs", name) for name in self.examples.outputs)
        for where, name in named:
            if name not in self.members:
                yield where, "names a file that is not in members", shown(name)
        for where, name in called:
            if name not in methods:
                yield where, "names a method that is not in methods", shown(name)

    def _sha256(self, member: str) -> str:
        return self.members[member].sha256 if member in self.members else ""

    def _misplaced(self, payload: Payload) -> Iterator[str]:
        if isinstance(payload, NativePayload):
            yield from self._misplaced_pieces(payload.spans, payload.buffers_member)
            return
        yield from self._misplaced_pieces([(w.offset, w.size) for w in payload.weights], payload.weights_member)
        fields = set(self.input.names)
        for graph_input in payload.inputs:
            for name in graph_input.fields:
                if name not in fields:
                    yield f"input {clip(graph_input.name)!r} is fed by {clip(name)!r}, which is not a field"
        for weight in payload.weights:
            if math.prod(weight.shape) * _itemsize(weight.dtype) != weight.size:
                yield f"weight {clip(weight.name)!r} has a size that does not follow from its shape and dtype"

    def _misplaced_pieces(self, pieces: Sequence[tuple[int, ...]], member: str | None) -> Iterator[str]:
        """Pieces of a member must be aligned, in order, apart, and inside it."""
        end = 0
        size = self.members[member].size if member is not None and member in self.members else 0
        for offset, length in pieces:
            if offset % ALIGNMENT or offset < end or offset + length > size:
                yield f"the piece at {offset} of {length} bytes is not aligned, overlaps another or is not in its file"
                return
            end = offset + length


def _itemsize(dtype: str) -> int:
    digits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) // 8 if digits else 1


MANIFEST = Object(Manifest)


def read_manifest(data: bytes, *, limits: Limits = DEFAULT) -> Manifest:
    """The manifest in `data`; raises `InvalidBundle` with every defect, or `UnsupportedFormat` for a later form."""
    at = Cursor(parse_json(data, MEMBER, depth=limits.json_depth), MEMBER, [], limits)
    _check_format(at)
    _check_features(at)
    manifest: Manifest = MANIFEST.read_from(at)
    if at.defects:
        raise InvalidBundle("the manifest is not valid", at.defects)
    return manifest


def _check_format(at: Cursor) -> None:
    name, _, major = at.get("format", TEXT).partition("/")
    if name == FORMAT_NAME and major.isascii() and major.isdigit() and len(major) < 4:
        if int(major) != FORMAT_MAJOR:
            raise UnsupportedFormat.of(
                "manifest.format",
                f"the bundle has format {major}; this modelwheel reads format {FORMAT_MAJOR}",
                where=MEMBER,
                hint=f"Install a modelwheel that reads format {major}: pip install --upgrade modelwheel",
            )
        return
    at.wrong("format", f"must be {FORMAT!r}", shown(at.value.get("format")))


def _check_features(at: Cursor) -> None:
    """Raise `UnsupportedFormat` for what this reader does not understand; the version that packed the bundle does."""
    unknown = [name for name in at.get("features", Array(TEXT), ()) if name not in FEATURES]
    if not unknown or at.defects:
        return
    packer = at.get("packed_with", OBJECT, Cursor({}, "", [])).value.get(PACKER)
    known = isinstance(packer, str) and is_canonical_version(packer)
    raise UnsupportedFormat.of(
        "manifest.features",
        f"the bundle uses {', '.join(clip(repr(name)) for name in unknown[:5])}, which this modelwheel does not know",
        where=f"{MEMBER}.features",
        found=clip(counted(len(unknown), "unknown feature")),
        expected=f"modelwheel {packer}, which packed the bundle, or newer" if known else "a newer modelwheel",
        hint=f'pip install "modelwheel>={packer}"' if known else "pip install --upgrade modelwheel",
    )
