"""Archives that say two things, lie about themselves or hide something (THREATS rows 5, 6, 8, 14)."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import pytest

import modelwheel
from builders import FILE_NAME, INFO, PICKLE, ROOT, archive, files, put, record, tiny, with_record
from modelwheel.errors import BundleError, InvalidBundle, ModelwheelError
from modelwheel_loader.limits import Limits
from modelwheel_loader.opening import archive as zipformat

VALID = archive(files())
MODEL = f"{ROOT}native/model.pkl"


def extra(name: str, data: bytes = b"x") -> bytes:
    """The tiny bundle with one more member, listed in RECORD."""
    return archive(with_record({name: data, **files()}))


def renamed(name: str | bytes) -> bytes:
    """The tiny bundle whose pickle has another name."""
    return archive([(name if old == MODEL else old, data) for old, data in files().items()])


def python_zip(compression: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as made:
        for name, data in files().items():
            made.writestr(name, data)
        made.comment = comment
    return out.getvalue()


def with_end(**changes: int) -> bytes:
    """The end record with other numbers: disk, directory_disk, here, entries, size, offset, comment."""
    names = ("signature", "disk", "directory_disk", "here", "entries", "size", "offset", "comment")
    values = dict(zip(names, zipformat.END.unpack(VALID[-22:]), strict=True)) | changes
    return VALID[:-22] + zipformat.END.pack(*values.values())


def wide(offset_change: int = 0) -> bytes:
    """ZIP64 end records where none are needed."""
    entries, size, offset = struct.unpack("<HII", VALID[-12:-2])
    position = len(VALID) - 22
    end64 = zipformat.END64.pack(zipformat.END64_SIGNATURE, 44, 813, 45, 0, 0, entries, entries, size, offset)
    locator = zipformat.LOCATOR64.pack(zipformat.LOCATOR64_SIGNATURE, 0, position + offset_change, 1)
    end = zipformat.END.pack(zipformat.END_SIGNATURE, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return VALID[:-22] + end64 + locator + end


SOME = list(files().items())
ATTACKS: dict[str, bytes] = {
    "empty": b"",
    "only an end record": zipformat.end_records(0, 0, 0),
    "no zip": b"#!/bin/sh\nrm -rf /\n" * 100,
    "prefix": b"#!/bin/sh\n" + VALID,
    "trailing bytes": VALID + b"\0",
    "comment": python_zip(comment=b"hello"),
    "made by zipfile": python_zip(),
    "deflate": python_zip(zipfile.ZIP_DEFLATED),
    "bzip2": python_zip(zipfile.ZIP_BZIP2),
    "gap between members": archive(files(), gap=b"\0"),
    "hidden bytes between members": archive(files(), gap=b"evil"),
    "duplicate member": archive([*SOME[:1], *SOME]),
    "duplicate with other data": archive([(SOME[0][0], b"other"), *SOME]),
    "local name differs": archive(files(), local=lambda n, h: h.replace(b"model.pkl", b"model.pkk")),
    "central name differs": archive(files(), central=lambda n, h: h.replace(b"model.pkl", b"model.pkk")),
    "local crc differs": archive(files(), local=put(14, "I", 1)),
    "central crc differs": archive(files(), central=put(16, "I", 1)),
    "local size differs": archive(files(), local=put(22, "I", 1)),
    "central size smaller": archive(files(), central=put(24, "I", 1)),
    "central size huge": archive(files(), central=put(24, "I", 0x7FFFFFFF)),
    "both central sizes huge": archive(files(), central=lambda n, h: put(24, "I", 2**31)(n, put(20, "I", 2**31)(n, h))),
    "zip64 size without record": archive(files(), central=put(24, "I", 0xFFFFFFFF)),
    "overlap": archive(files(), central=lambda n, h: h[:42] + b"\0" * 4 + h[46:] if "manifest" in n else h),
    "offset beyond the end": archive(files(), central=put(42, "I", 0x7FFFFFFF)),
    "local flags": archive(files(), local=put(6, "H", 0x800)),
    "encrypted": archive(files(), central=put(8, "H", 1), local=put(6, "H", 1)),
    "data descriptor": archive(files(), central=put(8, "H", 8), local=put(6, "H", 8)),
    "masked headers": archive(files(), central=put(8, "H", 0x2000)),
    "method 99": archive(files(), central=put(10, "H", 99), local=put(8, "H", 99)),
    "local method differs": archive(files(), local=put(8, "H", 8)),
    "version 99": archive(files(), central=put(6, "H", 99)),
    "symbolic link": archive(files(), central=put(38, "I", 0o120777 << 16)),
    "executable": archive(files(), central=put(38, "I", 0o100755 << 16)),
    "device": archive(files(), central=put(38, "I", 0o020666 << 16)),
    "directory attribute": archive(files(), central=put(38, "I", 0x10)),
    "internal attributes": archive(files(), central=put(36, "H", 1)),
    "member on another disk": archive(files(), central=put(34, "H", 1)),
    "member comment": archive(
        files(), central=lambda n, h: put(32, "H", 3)(n, h) + (b"abc" if "model.pkl" in n else b"")
    ),
    "padding with bytes": archive(files(), local=lambda n, h: h[:-1] + b"x"),
    "padding of another kind": archive(files(), local=lambda n, h: h.replace(b"\x35\xd9", b"\x36\xd9")),
    "name as unicode extra": archive(files(), local=lambda n, h: h.replace(b"\x35\xd9", b"\x75\x70")),
    "central signature": archive(files(), central=put(0, "I", 0)),
    "local signature": archive(files(), local=put(0, "I", 0)),
    "several disks": with_end(disk=1),
    "directory on another disk": with_end(directory_disk=1),
    "fewer entries here": with_end(here=1),
    "too few entries": with_end(here=3, entries=3),
    "too many entries": with_end(here=60_000, entries=60_000),
    "directory size": with_end(size=10),
    "directory offset": with_end(offset=10),
    "comment length": with_end(comment=4),
    "needless zip64": wide(),
    "zip64 locator elsewhere": wide(8),
    "zip64 marks without records": with_end(here=0xFFFF, entries=0xFFFF),
    "a member that says it has petabytes": archive(
        files(),
        central=lambda n, h: (
            h if "model.pkl" not in n
            else put(24, "I", 0xFFFFFFFF)(n, put(20, "I", 0xFFFFFFFF)(n, put(30, "H", 20)(n, h)))
            + struct.pack("<HHQQ", 1, 16, 2**50, 2**50)
        ),
    ),
    "python file": extra(f"{ROOT}model.py"),
    "python file in capitals": extra(f"{ROOT}MODEL.PY"),
    "byte code": extra(f"{ROOT}model.pyc"),
    "extension module": extra(f"{ROOT}model.so"),
    "pth": extra("evil.pth"),
    "pth inside": extra(f"{ROOT}evil.pth"),
    "package of its own": extra("requests/__init__.py"),
    "data folder": extra("tiny-1.0.data/scripts/evil"),
    "another bundle": extra("modelwheel_bundles/other/manifest.json"),
    "file in the namespace": extra("modelwheel_bundles/evil"),
    "another dist-info": extra("other-1.0.dist-info/METADATA"),
    "signature of old": extra(f"{INFO}RECORD.jws"),
    "signature of old, p7s": extra(f"{INFO}RECORD.p7s"),
    "top_level": extra(f"{INFO}top_level.txt"),
    "undeclared payload": extra(f"{ROOT}hidden.bin"),
    "scripts": archive(with_record(files() | {f"{INFO}entry_points.txt": b"[console_scripts]\nls = evil:main\n"})),
    "scripts beside the bundle": archive(
        with_record(
            files() | {f"{INFO}entry_points.txt": files()[f"{INFO}entry_points.txt"] + b"[console_scripts]\nls = a:b\n"}
        )
    ),
    "not purelib": archive(with_record(files() | {f"{INFO}WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\n"})),
    "another name in METADATA": archive(
        with_record(files() | {f"{INFO}METADATA": b"Metadata-Version: 2.4\nName: numpy\nVersion: 1.0\n\n"})
    ),
    "two names in METADATA": archive(
        with_record(files() | {f"{INFO}METADATA": b"Metadata-Version: 2.4\nName: tiny\nName: numpy\nVersion: 1.0\n\n"})
    ),
    "absolute name": renamed("/etc/passwd"),
    "parent name": renamed(f"{ROOT}../../evil"),
    "dot part": renamed(f"{ROOT}./model.pkl"),
    "empty part": renamed(f"{ROOT}native//model.pkl"),
    "folder entry": extra(f"{ROOT}folder/", b""),
    "backslash": renamed(f"{ROOT}native\\model.pkl"),
    "drive": renamed("C:/evil"),
    "stream": renamed(f"{ROOT}model.pkl:stream"),
    "NUL": renamed(f"{ROOT}manifest.json\0evil"),
    "control": renamed(f"{ROOT}mod\x1bel.pkl"),
    "trailing dot": renamed(f"{ROOT}model.pkl."),
    "trailing blank": renamed(f"{ROOT}model.pkl "),
    "not UTF-8": renamed(ROOT.encode() + b"\xff\xfe"),
    "empty name": renamed(""),
    "long name": renamed(ROOT + "a" * 5_000),
    "deep name": renamed(ROOT + "a/" * 500 + "b"),
    "names that differ by case": extra(f"{ROOT}MANIFEST.json"),
    "names that differ by normalisation": archive(
        with_record({f"{ROOT}caf\u00e9": b"1", f"{ROOT}cafe\u0301": b"2", **files()})
    ),
    "file that is a folder": extra(f"{ROOT}manifest.json/x"),
    "no RECORD": archive({name: data for name, data in SOME if not name.endswith("RECORD")}),
    "no manifest": archive(with_record({name: data for name, data in SOME if not name.endswith("manifest.json")})),
    "no METADATA": archive(with_record({name: data for name, data in SOME if not name.endswith("METADATA")})),
    "no entry points": archive(with_record({name: data for name, data in SOME if not name.endswith("points.txt")})),
    "payload missing": archive(with_record({name: data for name, data in SOME if name != MODEL})),
    "payload of another size": archive(with_record(files() | {MODEL: PICKLE + b"."})),
}  # fmt: skip


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE_NAME


def test_the_builder_makes_what_the_writer_writes(tmp_path: Path) -> None:
    assert tiny(tmp_path).read_bytes() == VALID
    assert modelwheel.verify(tmp_path / FILE_NAME, structure_only=True).ok


@pytest.mark.parametrize("attack", ATTACKS)
def test_refused_before_any_content_with_our_error(attack: str, path: Path) -> None:
    path.write_bytes(ATTACKS[attack])
    with pytest.raises(BundleError) as caught:
        modelwheel.open(path)
    assert caught.value.defects
    assert not modelwheel.verify(path, structure_only=True).ok
    assert [entry.name for entry in path.parent.iterdir()] == [FILE_NAME]


def test_every_truncation_is_refused_by_open(path: Path) -> None:
    for length in range(len(VALID)):
        path.write_bytes(VALID[:length])
        with pytest.raises(InvalidBundle):
            modelwheel.open(path)


@pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["one per byte", "every bit"]
)
def test_every_flipped_bit_is_found_by_open_or_verify(path: Path, every: bool) -> None:
    whole = bytearray(VALID)
    missed = []
    for position in range(len(VALID)):
        for bit in range(8) if every else (position % 8,):
            whole[position] ^= 1 << bit
            path.write_bytes(whole)
            if modelwheel.verify(path, structure_only=True).ok:
                missed.append((position, bit))
            whole[position] ^= 1 << bit
    # times of members are free, and nothing depends on them; they are the same in both headers, so one bit shows
    assert not missed


def test_random_bytes_never_give_another_error(path: Path) -> None:
    import random

    source = random.Random(0)
    for _ in range(300):
        changed = bytearray(VALID)
        for _ in range(source.randrange(1, 8)):
            changed[source.randrange(len(changed))] = source.randrange(256)
        cut = source.randrange(len(changed))
        path.write_bytes(changed[:cut] if source.random() < 0.2 else changed)
        try:
            modelwheel.open(path).close()
        except ModelwheelError:
            continue


def test_limits_are_the_callers(path: Path) -> None:
    path.write_bytes(VALID)
    for limits in (
        Limits(members=3),
        Limits(manifest=100),
        Limits(record=10),
        Limits(metadata=5),
        Limits(name_bytes=10),
    ):
        with pytest.raises(InvalidBundle):
            modelwheel.open(path, limits=limits)


def test_many_members_cost_no_memory(path: Path) -> None:
    members = {f"{ROOT}{number}": b"" for number in range(30_000)}
    path.write_bytes(archive(members))
    tracemalloc.start()
    try:
        with pytest.raises(InvalidBundle, match="too many"):
            modelwheel.open(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_names_that_attack_the_reader_are_escaped(path: Path) -> None:
    path.write_bytes(extra(f"{ROOT}\x1b[2J\u202egpj.exe"))
    with pytest.raises(InvalidBundle) as caught:
        modelwheel.open(path)
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_record_is_checked_even_when_the_archive_is_good(path: Path) -> None:
    members = files()
    others = {name: data for name, data in members.items() if not name.endswith("RECORD")}
    path.write_bytes(archive(others | {f"{INFO}RECORD": record(others | {f"{ROOT}manifest.json": b"{}"})}))
    with pytest.raises(BundleError):
        modelwheel.open(path)
