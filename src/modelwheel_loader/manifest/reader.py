"""Reads `manifest.json`: every defect is collected, nothing is imported or run.

Unknown keys are ignored (they stay in the file); an unknown major version of the format is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..contract.schema import read_schema
from ..contract.types import TENSOR_DTYPES, CategoryValue
from ..documents import Cursor, parse_json
from ..errors import Defect, InvalidBundle, UnsupportedFormat
from ..limits import DEFAULT, Limits
from ..names import is_canonical_version, is_normalized_name, is_plain_range, is_plain_version, normalize_name
from ..text import shown
from .formats import FORMATS, KINDS
from .records import (
    FORMAT,
    FORMAT_MAJOR,
    FORMAT_NAME,
    MEMBER,
    Digest,
    ExampleFiles,
    GraphInput,
    LeftOut,
    LockFile,
    Manifest,
    Method,
    NativePayload,
    OnnxPayload,
    Parity,
    Payload,
    Proof,
    Requirement,
    Tolerance,
    Weight,
)
from .references import contradictions

if TYPE_CHECKING:
    from ..contract.schema import Schema
    from .cost import Cost

_SHA256 = frozenset("0123456789abcdef")


def read_manifest(data: bytes, *, limits: Limits = DEFAULT) -> Manifest:
    """The manifest in `data`; raises `InvalidBundle` with every defect, or `UnsupportedFormat` for another major."""
    value = parse_json(data, MEMBER, depth=limits.json_depth)
    defects: list[Defect] = []
    cursor = Cursor(value, MEMBER, defects, limits)
    _check_format(cursor)
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


def _manifest(cursor: Cursor) -> Manifest:
    return Manifest(
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
        parameters=_parameters(cursor.object("parameters")) if cursor.has("parameters") else None,
    )


def _parameters(cursor: Cursor) -> Schema:
    from ..checking.parameters import read_parameters

    return read_parameters(cursor)


def _cost(cursor: Cursor) -> Cost:
    from .cost import read_cost

    return read_cost(cursor)


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
        cost=_cost(cursor) if cursor.has("cost") else None,
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
        cost=_cost(cursor) if cursor.has("cost") else None,
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
