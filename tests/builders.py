"""Builders of bundles: valid ones from a few bytes, and broken ones with one thing wrong."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from modelwheel.wheel.metadata import About, identify, metadata_files
from modelwheel.wheel.writer import write_wheel
from modelwheel_loader.opening import archive as zipformat
from modelwheel_loader.opening.manifest import Digest, Manifest, Method, NativePayload, Requirement
from modelwheel_loader.opening.record import RecordRow, format_record
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.strictjson import dump_json
from modelwheel_loader.opening.types import Float

IDENTITY = identify("tiny", "1.0")
FILE_NAME = IDENTITY.file_name
ROOT, INFO = IDENTITY.root, IDENTITY.dist_info
PICKLE = b"\x80\x05\x8c\x05tiny!\x94."
STAMP = (0, 33)


def manifest(members: Mapping[str, Digest], **changes: Any) -> dict[str, Any]:
    """The manifest of the tiny bundle as JSON types, with `changes` to its top-level keys."""
    made = Manifest(
        name=IDENTITY.name,
        version=IDENTITY.version,
        input=Schema(fields=(Field(name="a", type=Float(64)),), layout="matrix", dtype="float64"),
        methods=(Method(name="predict", output=Schema(fields=(Field(name="value", type=Float(64)),), layout="array")),),
        runtimes=(
            NativePayload(
                methods=("predict",),
                python_version="3.11.7",
                python_specifier=">=3.11",
                requires=(Requirement(name="numpy", version="2.0.0", specifier=">=1"),),
            ),
        ),
        members=members,
        packed_with={"modelwheel": "0.1.0"},
        model={"class": "tiny"},
    )
    return made.to_dict() | changes


def metadata() -> dict[str, bytes]:
    """The dist-info files of the tiny bundle but RECORD."""
    return metadata_files(
        IDENTITY, About(), base=["modelwheel>=0.1"], extras={"native": [], "onnx": []}, generator="modelwheel 0.1.0"
    )


def files(**changes: Any) -> dict[str, bytes]:
    """All members of the tiny bundle by name, RECORD last; `changes` go into the manifest."""
    digest = Digest(size=len(PICKLE), sha256=hashlib.sha256(PICKLE).hexdigest())
    made = {f"{ROOT}native/model.pkl": PICKLE}
    made[f"{ROOT}manifest.json"] = dump_json(manifest({"native/model.pkl": digest}, **changes))
    made |= {INFO + name: data for name, data in sorted(metadata().items())}
    return made | {f"{INFO}RECORD": record(made)}


def record(members: Mapping[str, bytes]) -> bytes:
    """RECORD for these members."""
    rows = {name: RecordRow(sha256=hashlib.sha256(data).hexdigest(), size=len(data)) for name, data in members.items()}
    return format_record(rows, f"{INFO}RECORD")


def with_record(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The members with a RECORD that fits them."""
    others = {name: data for name, data in members.items() if not name.endswith("/RECORD")}
    return others | {f"{INFO}RECORD": record(others)}


Patch = Callable[[str, bytes], bytes]


def archive(
    members: Mapping[str, bytes] | list[tuple[str | bytes, bytes]],
    *,
    local: Patch = lambda _, header: header,
    central: Patch = lambda _, header: header,
    gap: bytes = b"",
) -> bytes:
    """The canonical archive of these members; `local` and `central` change headers, `gap` goes between members."""
    pairs = list(members.items()) if isinstance(members, Mapping) else members
    body, directory = bytearray(), bytearray()
    for name, data in pairs:
        encoded = name if isinstance(name, bytes) else name.encode()
        crc = zlib.crc32(data)
        shown = encoded.decode("utf-8", "replace")
        directory += central(shown, zipformat.central_header(encoded, crc, len(data), STAMP, len(body)))
        body += local(shown, zipformat.local_header(encoded, crc, len(data), STAMP, len(body))) + data + gap
    return bytes(body + directory + zipformat.end_records(len(pairs), len(directory), len(body)))


def put(offset: int, form: str, value: int) -> Patch:
    """Change a number in the headers of the pickle's member."""

    def change(name: str, header: bytes) -> bytes:
        if not name.endswith("model.pkl"):
            return header
        changed = bytearray(header)
        struct.pack_into(f"<{form}", changed, offset, value)
        return bytes(changed)

    return change


def replaced(wheel: Path, others: Mapping[str, bytes], out: Path) -> Path:
    """The bundle `wheel` with these members, new or in place of old ones, and a manifest and RECORD that fit them."""
    with zipfile.ZipFile(wheel) as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    (info,) = {name.partition("/")[0] + "/" for name in members if ".dist-info/" in name}
    root = next(name for name in members if name.endswith("/manifest.json")).removesuffix("manifest.json")
    manifest = json.loads(members[f"{root}manifest.json"])
    payload = {
        name.removeprefix(root): [content]
        for name, content in members.items()
        if name.startswith(root) and not name.endswith("/manifest.json")
    }
    stream = io.BytesIO()
    write_wheel(
        stream,
        root=root,
        dist_info=info,
        payload=payload | {name: [data] for name, data in others.items()},
        manifest=lambda digests: dump_json(
            manifest | {"members": {name: digest.attributes() for name, digest in digests.items()}}
        ),
        metadata={
            name.removeprefix(info): content
            for name, content in members.items()
            if name.startswith(info) and not name.endswith("/RECORD")
        },
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / wheel.name
    path.write_bytes(stream.getvalue())
    return path


def tiny(folder: Path) -> Path:
    """The tiny bundle, valid, as the writer writes it. Its pickle is a text: it loads, and answers nothing."""
    stream = io.BytesIO()
    write_wheel(
        stream,
        root=ROOT,
        dist_info=INFO,
        payload={"native/model.pkl": [PICKLE]},
        manifest=lambda digests: dump_json(manifest(digests)),
        metadata=metadata(),
    )
    path = folder / FILE_NAME
    path.write_bytes(stream.getvalue())
    return path


def install(wheel: Path, site: Path, *, installer: str | None = "pip") -> Path:
    """Put the files of a wheel into `site`, as installers do for a bundle; the `.dist-info` that is there then."""
    with zipfile.ZipFile(wheel) as opened:
        opened.extractall(site)
        folder = next(name.partition("/")[0] for name in opened.namelist() if ".dist-info/" in name)
    if installer is not None:
        (site / folder / "INSTALLER").write_text(f"{installer}\n")
    return site / folder
