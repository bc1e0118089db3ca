"""Manifests that are no JSON, or lie about what lies beside them (THREATS rows 9, 10, 15)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import modelwheel
from builders import FILE_NAME, IDENTITY, PICKLE, ROOT, archive, files, with_record
from modelwheel.errors import BundleError, UnsupportedFormat
from modelwheel_loader.show.inspection import describe

GOOD = files()[f"{ROOT}manifest.json"]


def bundle(tmp_path: Path, manifest: bytes) -> Path:
    path = tmp_path / FILE_NAME
    path.write_bytes(archive(with_record({**files(), f"{ROOT}manifest.json": manifest})))
    return path


def changed(*keys: Any, value: Any) -> bytes:
    """The good manifest with another value at a path of keys."""
    document = json.loads(GOOD)
    inner = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return json.dumps(document).encode()


NATIVE = ("runtimes", 0)
JSON_ATTACKS: dict[str, bytes] = {
    "empty": b"",
    "no object": b"[]",
    "cut off": GOOD[:-20],
    "trailing": GOOD + b"{}",
    "byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "latin-1": GOOD.replace(b"tiny", b"t\xedny"),
    "surrogate": GOOD.replace(b'"tiny"', b'"\\ud800"'),
    "key twice": GOOD.replace(b'"name": "tiny"', b'"name": "tiny", "name": "tiny"', 1),
    "NaN": changed("extra", value=float("nan")),
    "Infinity": changed("extra", value=float("inf")),
    "float that overflows": GOOD.replace(b'"format"', b'"extra": 1e999, "format"'),
    "integer of 5,000 digits": GOOD.replace(b'"format"', b'"extra": ' + b"9" * 5000 + b', "format"'),
    "integer beyond 64 bits": GOOD.replace(b'"format"', b'"extra": 18446744073709551616, "format"'),
    "nested lists": GOOD.replace(b'"format"', b'"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b', "format"'),
    "nested objects": GOOD.replace(
        b'"format"', b'"extra": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b', "format"'
    ),
    "open lists": b"[" * 1_000_000,
    "strings that hide brackets": b'{"a": "' + b'\\"[' * 100_000,
    "too large": b'{"a": "' + b"x" * (5 << 20) + b'"}',
}
LIES: dict[str, bytes] = {
    "another name": changed("name", value="numpy"),
    "another version": changed("version", value="9.9"),
    "no methods": changed("methods", value=[]),
    "methods as object": changed("methods", value={}),
    "private method": changed("methods", 0, "name", value="__class__"),
    "no runtimes": changed("runtimes", value=[]),
    "unknown runtime": changed(*NATIVE, "kind", value="shell"),
    "unknown payload format": changed(*NATIVE, "format", value="joblib"),
    "module as format": changed(*NATIVE, "format", value="os:system"),
    "runtime with another's format": changed(*NATIVE, "format", value="onnx"),
    "payload outside": changed(*NATIVE, "member", value="../../../etc/passwd"),
    "payload absolute": changed(*NATIVE, "member", value="/etc/passwd"),
    "payload unlisted": changed(*NATIVE, "member", value="native/other.pkl"),
    "payload is METADATA": changed(*NATIVE, "member", value="../../tiny-1.0.dist-info/METADATA"),
    "method of a runtime unknown": changed(*NATIVE, "methods", value=["predict", "fit"]),
    "bool as size": changed("members", "native/model.pkl", "size", value=True),
    "negative size": changed("members", "native/model.pkl", "size", value=-1),
    "other size": changed("members", "native/model.pkl", "size", value=1),
    "digest too short": changed("members", "native/model.pkl", "sha256", value="abc"),
    "digest in capitals": changed("members", "native/model.pkl", "sha256", value="A" * 64),
    "other digest": changed("members", "native/model.pkl", "sha256", value="0" * 64),
    "member that is not there": changed("members", "ghost", value={"size": 1, "sha256": "0" * 64}),
    "buffers outside": changed(*NATIVE, "buffers", value={"member": "native/model.pkl", "spans": [[0, 1 << 40]]}),
    "buffers overlap": changed(*NATIVE, "buffers", value={"member": "native/model.pkl", "spans": [[0, 8], [0, 8]]}),
    "buffers not aligned": changed(*NATIVE, "buffers", value={"member": "native/model.pkl", "spans": [[1, 2]]}),
    "buffers negative": changed(*NATIVE, "buffers", value={"member": "native/model.pkl", "spans": [[-64, 2]]}),
    "buffers of text": changed(*NATIVE, "buffers", value={"member": "native/model.pkl", "spans": ["0-8"]}),
    "examples unlisted": changed("examples", value={"source": "sample", "rows": 1, "input": "x", "outputs": {}}),
    "type unknown": changed("input", "fields", 0, "type", value="object"),
    "type deep": changed("input", "fields", 0, "type", value={"list": {"item": {"list": {"item": 3}}}}),
    "dtype of objects": changed("input", "fields", 0, "type", value={"tensor": {"dtype": "O", "shape": [1]}}),
    "dtype void": changed("input", "dtype", value="V8"),
    "layout unknown": changed("input", "layout", value="pickle"),
    "fields without name": changed("input", "fields", 0, value={"type": "int64"}),
    "field as text": changed("input", "fields", value=["a"]),
    "same field twice": changed("input", "fields", value=[{"name": "a", "type": "int64"}] * 2),
    "version as number": changed("version", value=1.0),
    "summary as list": changed("summary", value=["a"]),
    "format of nobody": changed("format", value="modelwheel"),
    "format as number": changed("format", value=1),
}  # fmt: skip


@pytest.mark.parametrize("attack", JSON_ATTACKS)
def test_bad_json_is_refused(attack: str, tmp_path: Path) -> None:
    path = bundle(tmp_path, JSON_ATTACKS[attack])
    with pytest.raises(BundleError):
        modelwheel.open(path)  # at once: what cost quadratic time would never come to an end here


@pytest.mark.parametrize("attack", LIES)
def test_lies_are_refused(attack: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError) as caught:
        modelwheel.open(bundle(tmp_path, LIES[attack]))
    assert {defect.code for defect in caught.value.defects} <= {"manifest.invalid", "manifest.members"}


@pytest.mark.parametrize("format_name", ["modelwheel/2", "modelwheel/99"])
def test_other_majors_are_refused_with_what_to_do(format_name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedFormat, match="pip install --upgrade modelwheel"):
        modelwheel.open(bundle(tmp_path, changed("format", value=format_name)))


@pytest.mark.parametrize(
    ("packed_with", "advice"),
    [
        ({"modelwheel": "9.1"}, 'pip install "modelwheel>=9.1"'),
        ({"modelwheel": "9; rm -rf ~"}, "pip install --upgrade modelwheel"),
        ({"modelwheel": 9}, "pip install --upgrade modelwheel"),
        ([], "pip install --upgrade modelwheel"),
    ],
    ids=str,
)
def test_a_feature_that_the_reader_does_not_know_is_refused(packed_with: Any, advice: str, tmp_path: Path) -> None:
    """Before anything else is read: a later form may differ in every other key."""
    document = json.loads(changed("features", value=["signed", "\x1b[2J"])) | {"packed_with": packed_with, "input": 3}
    with pytest.raises(UnsupportedFormat) as caught:
        modelwheel.open(bundle(tmp_path, json.dumps(document).encode()))
    assert caught.value.code == "manifest.features"
    assert caught.value.hint == advice
    assert "'signed'" in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("features", ["signed", [1], {"signed": True}], ids=str)
def test_features_are_texts(features: Any, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="features"):
        modelwheel.open(bundle(tmp_path, changed("features", value=features)))


def test_no_features_are_not_written(tmp_path: Path) -> None:
    opened = modelwheel.open(bundle(tmp_path, changed("features", value=[])))
    assert opened.manifest.features == ()
    assert "features" not in opened.manifest.to_dict()
    assert opened.manifest.replace(features=("signed",)).to_dict()["features"] == ["signed"]


def test_unknown_keys_are_ignored(tmp_path: Path) -> None:
    document = json.loads(GOOD) | {"new": {"key": [1, 2]}}
    document["input"]["fields"][0]["novel"] = 1
    document["runtimes"][0]["later"] = None
    assert modelwheel.open(bundle(tmp_path, json.dumps(document).encode())).name == IDENTITY.name


def test_all_defects_at_once(tmp_path: Path) -> None:
    document = json.loads(GOOD) | {"version": 3, "methods": [{"name": "_x"}], "summary": 1}
    with pytest.raises(BundleError) as caught:
        modelwheel.open(bundle(tmp_path, json.dumps(document).encode()))
    assert caught.value.counted >= 6


def test_text_of_a_bundle_cannot_act_on_the_terminal(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e\r\n\x9b31m"
    document = json.loads(GOOD) | {"summary": evil, "model": {"class": evil, "framework": evil}}
    document["packed_with"] = {evil: evil}
    document["input"]["fields"][0] |= {"description": evil, "unit": evil, "pattern": evil}
    document["left_out"] = [{"kind": "onnx", "reason": evil}]
    opened = modelwheel.open(bundle(tmp_path, json.dumps(document).encode()))
    for text in ("\n".join(describe(opened, verbose=True)), str(opened.explain()), repr(opened), str(opened.verify())):
        assert not set(text.replace("\n", "")) & {"\x1b", "\x07", "\x9b", "\u202e", "\r"}


def test_pickle_is_untouched_by_everything_but_load(tmp_path: Path) -> None:
    """The pickle of the tiny bundle is whole; what it holds is never looked up unless the caller trusts it."""
    assert PICKLE in bundle(tmp_path, GOOD).read_bytes()
    opened = modelwheel.open(tmp_path / FILE_NAME)
    with pytest.raises(modelwheel.errors.TrustError, match=opened.digest):
        opened.load()
