"""Zips inside payloads are read before anybody has trusted them: whatever they hold, only our errors come out."""

from __future__ import annotations

import io
import random
import warnings
import zipfile

import pytest

from modelwheel_loader.errors import InvalidBundle
from modelwheel_loader.run.archives import StoredZip, check_keras, keras_references, read_files, skops_references

OBJECT = b'{"__class__":"A","__module__":"b","class_name":"Dense","module":"keras.layers","config":{}}'
TREE = b"[" + b",".join([OBJECT] * 40) + b"]"
NAMES = {
    "skops": ("schema.json",),
    "keras": ("metadata.json", "config.json", "model.weights.h5"),
    "SavedModel": ("saved_model.pb", "variables/variables.index"),
}
READERS = {"skops": (skops_references,), "keras": (keras_references, check_keras), "SavedModel": (read_files,)}


def zipped(kind: str, compression: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as archive:
        for name in NAMES[kind]:
            archive.writestr(name, TREE)
    return made.getvalue()


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_whole_is_read(kind: str) -> None:
    for read in READERS[kind]:
        read(zipped(kind))


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_compressed_is_refused_before_it_is_inflated(kind: str, compression: int) -> None:
    data = zipped(kind, compression)
    for read in READERS[kind]:
        for broken in (data, data[:60] + b"\xff" * 20 + data[80:]):
            with pytest.raises(InvalidBundle, match="is compressed"):
                read(broken)


@pytest.mark.parametrize("kind", NAMES)
def test_any_damage_is_our_error(kind: str) -> None:
    draw = random.Random(7)
    data = zipped(kind)
    refused = 0
    for _ in range(1500):
        broken = bytearray(data)
        for _ in range(draw.choice([1, 1, 2, 4])):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        if draw.random() < 0.1:
            del broken[draw.randrange(len(broken)) :]
        for read in READERS[kind]:
            try:
                read(bytes(broken))
            except InvalidBundle:
                refused += 1
    assert refused > 500


def test_a_name_that_is_there_twice_is_refused() -> None:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("schema.json", "{}")
        archive.writestr("schema.json", TREE)
    with pytest.raises(InvalidBundle, match="there twice"):
        skops_references(made.getvalue())


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(InvalidBundle, match=r"other\.json"):
        StoredZip(zipped("skops"), "skops file").read("other.json")
