"""The fixed table of payload formats. A manifest names one of these, never a module or a function to import."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from ..defects import Defect
from ..errors import InvalidBundle, UnsupportedFormat
from ..limits import DEFAULT, Limits
from ..records import Record
from ..text import clip, counted, shown
from .archive import ALIGNMENT
from .names import is_canonical_version, is_normalized_name, is_plain_range, is_plain_version, normalize_name
from .schema import Schema, read_schema
from .strictjson import Cursor, parse_json
from .types import TENSOR_DTYPES, CategoryValue

if TYPE_CHECKING:
    from .schema import Schema


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


def _compiled(framework: str) -> str:
    return f"a file of {framework}, whose compiled reader is not made for files of strangers"


FORMATS = {
    "onnx": Format(kind="onnx", runs_code=False, member="onnx/model.onnx"),
    "pickle": Format(
        kind="native", runs_code=True, member="native/model.pkl", risk="a pickle, which runs code when it is loaded"
    ),
    # no code, and readers in C++ that fall over damaged files (docs/decisions/0004)
    "xgboost-ubj": Format(kind="native", runs_code=False, member="native/model.ubj", risk=_compiled("XGBoost")),
    "lightgbm-text": Format(kind="native", runs_code=False, member="native/model.txt", risk=_compiled("LightGBM")),
    "catboost-cbm": Format(kind="native", runs_code=False, member="native/model.cbm", risk=_compiled("CatBoost")),
    # configurations and graphs that frameworks follow wherever they lead (docs/decisions/0012)
    "keras": Format(
        kind="native",
        runs_code=False,
        member="native/model.keras",
        risk="an archive of Keras, which builds the layers that it names",
    ),
    "saved-model": Format(
        kind="native",
        runs_code=False,
        member="native/saved_model.zip",
        risk="a SavedModel of TensorFlow, whose graph is a program that may read and write files",
    ),
    # no code, and classes that were not made to be built from bytes of strangers (docs/decisions/0011)
    "skops": Format(
        kind="native",
        runs_code=False,
        member="native/model.skops",
        risk="a skops file, which builds objects of the classes that it lists",
    ),
}


class MethodCost(Record):
    """Seconds that a method took: `row` for one row, `batch` for `rows` rows at once."""

    row: float
    batch: float
    rows: int


class Cost(Record):
    """Seconds that a runtime took on the machine that packed, which had `cores`: to `open`, and per method."""

    open: float
    cores: int
    methods: Mapping[str, MethodCost]


def read_cost(cursor: Cursor) -> Cost:
    """The cost in a runtime's part of the manifest; what is wrong is collected by the cursor."""
    cost = cursor.object("cost")
    return Cost(
        open=cost.number("open"),
        cores=cost.integer("cores", minimum=1),
        methods={name: _read_method(item) for name, item in cost.object("methods").items()},
    )


def _read_method(cursor: Cursor) -> MethodCost:
    rows = cursor.integer("rows", minimum=1)
    return MethodCost(row=cursor.number("row"), batch=cursor.number("batch"), rows=rows)


# `manifest.json`: what a bundle says about itself, as records. The reader below reads them from a file.
#
# `docs/format.md` is normative, with a JSON Schema beside it.


FORMAT_NAME = "modelwheel"
FORMAT_MAJOR = 1
"""Raise this only for a change that older loaders must refuse, and keep a reader for every older major."""
FORMAT = f"{FORMAT_NAME}/{FORMAT_MAJOR}"
FIRST_READER = "0.1.0"
"""The first version of modelwheel; it reads the first form of the format."""
FEATURES: Mapping[str, str] = {}
"""What this reader understands beyond the first form, with the first version of modelwheel that does. A change of the
file that a reader must not overlook adds its name here, in `docs/format.md` and to each bundle that uses it."""
MEMBER = "manifest.json"
PACKER = "modelwheel"
"""The key of `packed_with` that holds the version of modelwheel."""

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
    features: tuple[str, ...] = ()
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
            **({"features": list(self.features)} if self.features else {}),
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


# Whether what the manifest names is there: members, fields, methods, and the pieces of members.


def contradictions(manifest: Manifest) -> list[Defect]:
    """Every member, field and method that the manifest names must exist, and pieces must lie inside their member."""
    defects: list[Defect] = []

    def wrong(where: str, message: str) -> None:
        defects.append(Defect(code="manifest.invalid", where=f"{MEMBER}.{where}", message=message))

    def member(where: str, name: str) -> None:
        if name not in manifest.members:
            wrong(where, f"names {clip(name)!r}, which is not in members")

    methods = {method.name for method in manifest.methods}
    if len(methods) != len(manifest.methods):
        wrong("methods", "two methods have the same name")
    kinds = [payload.kind for payload in manifest.runtimes]
    if len(set(kinds)) != len(kinds) or not kinds:
        wrong("runtimes", "must hold at least one runtime, and each kind once")
    for index, payload in enumerate(manifest.runtimes):
        where = f"runtimes[{index}]"
        for name in payload.members:
            member(where, name)
        for name in sorted(set(payload.methods) - methods):
            wrong(where, f"has the method {clip(name)!r}, which is not in methods")
        for problem in _misplaced(payload, manifest):
            wrong(where, problem)
    if manifest.lock:
        member("lock", manifest.lock.member)
    if manifest.proof and (not manifest.lock or manifest.proof.lock != _sha256_of(manifest.lock.member, manifest)):
        wrong("proof", "is of another lock")
    if manifest.examples:
        for name in (manifest.examples.input, *manifest.examples.outputs.values()):
            member("examples", name)
        for name in sorted(set(manifest.examples.outputs) - methods):
            wrong("examples.outputs", f"has the method {clip(name)!r}, which is not in methods")
    return defects


def _sha256_of(name: str, manifest: Manifest) -> str:
    known = manifest.members.get(name)
    return known.sha256 if known else ""


def _misplaced(payload: Payload, manifest: Manifest) -> Iterator[str]:
    if isinstance(payload, NativePayload):
        yield from _misplaced_pieces(payload.spans, payload.buffers_member, manifest)
        return
    yield from _misplaced_pieces([(w.offset, w.size) for w in payload.weights], payload.weights_member, manifest)
    fields = set(manifest.input.names)
    for graph_input in payload.inputs:
        for name in graph_input.fields:
            if name not in fields:
                yield f"input {clip(graph_input.name)!r} is fed by {clip(name)!r}, which is not a field"
    for weight in payload.weights:
        items = 1
        for axis in weight.shape:
            items *= axis
        if items * _itemsize(weight.dtype) != weight.size:
            yield f"weight {clip(weight.name)!r} has a size that does not follow from its shape and dtype"


def _itemsize(dtype: str) -> int:
    digits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return int(digits) // 8 if digits else 1


def _misplaced_pieces(pieces: Sequence[tuple[int, int]], member: str | None, manifest: Manifest) -> Iterator[str]:
    """Pieces of a member must be aligned, in order, apart, and inside it."""
    end = 0
    known = manifest.members.get(member or "")
    size = known.size if known is not None else 0
    for offset, length in pieces:
        if offset % ALIGNMENT or offset < end or offset + length > size:
            yield f"the piece at {offset} of {length} bytes is not aligned, overlaps another, or is not in its member"
            return
        end = offset + length


# Reads `manifest.json`: every defect is collected, nothing is imported or run.
#
# Unknown keys are ignored (they stay in the file); an unknown major version of the format is refused.


NO_NAMES = frozenset({"data", "self"})
"""What a parameter cannot be called: the arguments of a loaded method."""
_SHA256 = frozenset("0123456789abcdef")


def read_manifest(data: bytes, *, limits: Limits = DEFAULT) -> Manifest:
    """The manifest in `data`; raises `InvalidBundle` with every defect, or `UnsupportedFormat` for another major."""
    value = parse_json(data, MEMBER, depth=limits.json_depth)
    defects: list[Defect] = []
    cursor = Cursor(value, MEMBER, defects, limits)
    _check_format(cursor)
    _check_features(cursor)
    manifest = _manifest(cursor)
    defects += contradictions(manifest)
    if defects:
        raise InvalidBundle("the manifest is not valid", defects)
    return manifest


def _check_format(cursor: Cursor) -> None:
    name, _, major = cursor.text("format", "").partition("/")
    if name == FORMAT_NAME and major.isascii() and major.isdigit() and len(major) < 4:
        if int(major) != FORMAT_MAJOR:
            raise UnsupportedFormat.of(
                "manifest.format",
                f"the bundle has format {major}; this modelwheel reads format {FORMAT_MAJOR}",
                where=MEMBER,
                hint=f"Install a modelwheel that reads format {major}: pip install --upgrade modelwheel",
            )
        return
    cursor.wrong("format", f"must be {FORMAT!r}", found=shown(cursor.value.get("format")))


def _check_features(cursor: Cursor) -> None:
    """Raise `UnsupportedFormat` for what this reader does not understand; the version that packed the bundle does."""
    unknown = [name for name in cursor.texts("features", required=False) if name not in FEATURES]
    if not unknown:
        return
    packed_with = cursor.value.get("packed_with")
    packer = packed_with.get(PACKER) if isinstance(packed_with, dict) else None
    known = isinstance(packer, str) and is_canonical_version(packer)
    raise UnsupportedFormat.of(
        "manifest.features",
        f"the bundle uses {', '.join(clip(repr(name)) for name in unknown[:5])}, which this modelwheel does not know",
        where=f"{MEMBER}.features",
        found=clip(counted(len(unknown), "unknown feature")),
        expected=f"modelwheel {packer}, which packed the bundle, or newer" if known else "a newer modelwheel",
        hint=f'pip install "modelwheel>={packer}"' if known else "pip install --upgrade modelwheel",
    )


def _manifest(cursor: Cursor) -> Manifest:
    return Manifest(
        features=cursor.texts("features", required=False),
        name=cursor.text("name", limit=200),
        version=cursor.text("version", limit=200),
        summary=cursor.text("summary", "", limit=1_000),
        description=cursor.text("description", "", limit=1_000_000),
        packed_with=_texts(cursor, "packed_with"),
        model=_texts(cursor, "model"),
        input=read_schema(cursor.object("input")),
        methods=tuple(_method(item) for item in cursor.objects("methods")),
        runtimes=tuple(_payloads(cursor)),
        left_out=tuple(
            LeftOut(kind=item.text("kind"), reason=item.text("reason"))
            for item in cursor.objects("left_out", required=False)
        ),
        examples=_examples(cursor.object("examples")) if cursor.has("examples") else None,
        lock=_lock(cursor.object("lock")) if cursor.has("lock") else None,
        proof=_proof(cursor.object("proof")) if cursor.has("proof") else None,
        members={name: _digest(item) for name, item in cursor.object("members").items()},
    )


def _texts(cursor: Cursor, key: str) -> dict[str, str]:
    inner = cursor.object(key)
    return {name: inner.text(name) for name in inner.value}


def _digest(cursor: Cursor) -> Digest:
    sha256 = cursor.text("sha256")
    if len(sha256) != 64 or not _SHA256.issuperset(sha256):
        cursor.wrong("sha256", "must be 64 hexadecimal digits in lower case", found=shown(sha256))
    return Digest(size=cursor.integer("size"), sha256=sha256)


def _method(cursor: Cursor) -> Method:
    tolerance = cursor.object("tolerance")
    name = cursor.text("name", limit=100)
    if not name.isidentifier() or name.startswith("_"):
        cursor.wrong("name", "must be a public Python name", found=shown(name))
    return Method(
        name=name,
        output=read_schema(cursor.object("output")),
        deterministic=cursor.flag("deterministic"),
        tolerance=Tolerance(absolute=tolerance.number("absolute"), relative=tolerance.number("relative")),
        classes=_classes(cursor) if cursor.has("classes") else None,
        parameters=read_parameters(cursor.object("parameters")) if cursor.has("parameters") else None,
    )


def can_be_called(name: str) -> bool:
    """Whether a parameter may have that name."""
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_") and name not in NO_NAMES


def read_parameters(cursor: Cursor) -> Schema:
    """The parameters of a method in a manifest: a schema of named fields with defaults."""
    schema = read_schema(cursor)
    for field in schema.fields:
        if field.required or not can_be_called(field.name):
            cursor.wrong("fields", "a parameter has a public Python name and a default", found=shown(field.name))
    return schema


def _classes(cursor: Cursor) -> tuple[CategoryValue, ...]:
    values = cursor.list("classes")
    if not all(type(value) in (str, int, float, bool) for value in values):
        cursor.wrong("classes", "must hold texts, numbers or Booleans only")
        return ()
    return tuple(values)


def _payloads(cursor: Cursor) -> Iterator[Payload]:
    for item in cursor.objects("runtimes"):
        kind = item.choice("kind", KINDS)
        name = item.text("format")
        if name not in FORMATS or FORMATS[name].kind != kind:
            item.wrong("format", f"is not a format of the {kind} runtime", found=shown(name))
        yield _onnx(item) if kind == "onnx" else _native(item)


def _requirement(cursor: Cursor) -> Requirement:
    """A distribution; the three go into commands that people are told to run, so they hold nothing else."""
    name = cursor.text("name", limit=200)
    if not is_normalized_name(normalize_name(name)):
        cursor.wrong("name", "must be the name of a distribution", found=shown(name))
    version = _version(cursor)
    return Requirement(name=name, version=version, specifier=_range(cursor), reason=cursor.text("reason", ""))


def _version(cursor: Cursor) -> str:
    version = cursor.text("version", limit=200)
    if not is_plain_version(version):
        cursor.wrong("version", "must be a version", found=shown(version))
    return version


def _range(cursor: Cursor) -> str:
    specifier = cursor.text("specifier", limit=1_000)
    if not is_plain_range(specifier):
        cursor.wrong("specifier", "must be a range of versions", found=shown(specifier))
    return specifier


def _requires(cursor: Cursor) -> tuple[Requirement, ...]:
    return tuple(_requirement(item) for item in cursor.objects("requires"))


def _onnx(cursor: Cursor) -> OnnxPayload:
    weights = cursor.object("weights") if cursor.has("weights") else None
    outputs = cursor.object("outputs")
    opsets = cursor.object("opsets")
    return OnnxPayload(
        format=cursor.text("format"),
        member=cursor.text("member"),
        weights_member=weights.text("member") if weights else None,
        weights=tuple(_weight(item) for item in weights.objects("tensors")) if weights else (),
        inputs=tuple(_graph_input(item) for item in cursor.objects("inputs")),
        outputs={name: outputs.texts(name) for name in outputs.value},
        opsets={name: opsets.integer(name, minimum=1) for name in opsets.value},
        requires=_requires(cursor),
        cost=read_cost(cursor) if cursor.has("cost") else None,
        parity={name: _parity(item) for name, item in cursor.object("parity").items()},
    )


def _weight(cursor: Cursor) -> Weight:
    shape = cursor.list("shape")
    if not all(type(axis) is int and axis >= 0 for axis in shape):
        cursor.wrong("shape", "must hold lengths")
        shape = []
    return Weight(
        name=cursor.text("name"),
        dtype=cursor.choice("dtype", TENSOR_DTYPES),
        shape=tuple(shape),
        offset=cursor.integer("offset"),
        size=cursor.integer("size"),
    )


def _graph_input(cursor: Cursor) -> GraphInput:
    shape = cursor.list("shape")
    if not all(axis is None or (type(axis) is int and axis >= 0) for axis in shape):
        cursor.wrong("shape", "must hold lengths or null")
        shape = []
    return GraphInput(
        name=cursor.text("name"),
        dtype=cursor.choice("dtype", (*TENSOR_DTYPES, "string")),
        fields=cursor.texts("fields"),
        shape=tuple(shape),
        null_text=cursor.text("null_text") if cursor.has("null_text") else None,
    )


def _parity(cursor: Cursor) -> Parity:
    tried = cursor.object("tried") if cursor.has("tried") else None
    return Parity(
        rows=cursor.integer("rows"),
        exact=cursor.flag("exact"),
        max_absolute=cursor.number("max_absolute"),
        max_relative=cursor.number("max_relative"),
        label_disagreements=cursor.integer("label_disagreements"),
        tried={kind: tried.integer(kind) for kind in tried.value} if tried else {},
        refused=cursor.integer("refused", 0),
        undecided=cursor.integer("undecided", 0),
    )


def _native(cursor: Cursor) -> NativePayload:
    buffers = cursor.object("buffers") if cursor.has("buffers") else None
    code = cursor.object("code") if cursor.has("code") else None
    python = cursor.object("python")
    return NativePayload(
        format=cursor.text("format"),
        member=cursor.text("member"),
        buffers_member=buffers.text("member") if buffers else None,
        code_member=code.text("member") if code else None,
        modules=code.texts("modules") if code else (),
        spans=_spans(buffers) if buffers else (),
        methods=cursor.texts("methods"),
        python_version=_python_version(python),
        python_specifier=_range(python),
        requires=_requires(cursor),
        cost=read_cost(cursor) if cursor.has("cost") else None,
        mapped_bytes=cursor.integer("mapped_bytes", 0),
        copied_bytes=cursor.integer("copied_bytes", 0),
        reproducible=cursor.flag("reproducible", default=True),
        settings=_settings(cursor.object("settings")) if cursor.has("settings") else {},
    )


def _python_version(cursor: Cursor) -> str:
    """Which interpreters are looked for: a path or an option in its place would be run."""
    version = cursor.text("version", limit=200)
    if not is_canonical_version(version):
        cursor.wrong("version", "must be a version of Python", found=shown(version))
        return "0"
    return version


def _settings(cursor: Cursor) -> dict[str, Any]:
    """What a framework's file does not hold: numbers, texts, Booleans, nulls, and lists of them."""
    for name, value in cursor.value.items():
        parts = value if type(value) is list else [value]
        if not all(part is None or type(part) in (str, int, float, bool) for part in parts):
            cursor.wrong(name, "must be a text, a number, a Boolean, null, or a list of such")
    return dict(cursor.value)


def _spans(cursor: Cursor) -> tuple[tuple[int, int], ...]:
    spans = cursor.list("spans")
    for index, span in enumerate(spans):
        if not (type(span) is list and [type(part) for part in span] == [int, int] and min(span) >= 0):
            cursor.wrong(f"spans[{index}]", "must be an offset and a size")
            return ()
    return tuple((offset, size) for offset, size in spans)


def _examples(cursor: Cursor) -> ExampleFiles:
    return ExampleFiles(
        source=cursor.text("source"),
        rows=cursor.integer("rows"),
        input=cursor.text("input"),
        outputs=_texts(cursor, "outputs"),
    )


def _lock(cursor: Cursor) -> LockFile:
    return LockFile(
        member=cursor.text("member"),
        resolver=cursor.text("resolver", "", limit=100),
        platforms=cursor.text("platforms", "all", limit=200),
    )


def _proof(cursor: Cursor) -> Proof:
    return Proof(
        lock=cursor.text("lock", limit=100),
        python=cursor.text("python", limit=100),
        platform=cursor.text("platform", limit=200),
        tool=cursor.text("tool", limit=100),
        rows=cursor.integer("rows"),
        methods=_texts(cursor, "methods"),
    )
