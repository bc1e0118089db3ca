"""Each rule of the manifest for single values, broken: the defect says where and what, all of them at once."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import modelwheel
from modelwheel.errors import InvalidBundle
from modelwheel_loader.opening.manifest import read_manifest

FILE = Path(__file__).parents[1] / "compat" / "modelwheel-1" / "golden-1.0.0-py3-none-any.whl"
ONNX, NATIVE, FIELD, INPUT = ("runtimes", 0), ("runtimes", 1), ("input", "fields", 0), ("runtimes", 0, "inputs", 0)
WEIGHT = {"name": "w", "dtype": "float32", "shape": [2], "offset": 0, "size": 8}


def weights(**changes: Any) -> dict[str, Any]:
    return {"member": "onnx/weights.bin", "tensors": [{**WEIGHT, **changes}]}


WRONG: list[tuple[tuple[Any, ...], Any, str, str]] = [
    # where it is put, what, the end of the place that is named, what is said
    (("methods", 0, "name"), "not a name", "methods[0].name", "must be a public Python name"),
    (("methods", 0, "name"), "_predict", "methods[0].name", "must be a public Python name"),
    (("methods", 0, "classes"), ["a", ["b"]], "methods[0].classes[1]", "must be a text, a number or a Boolean"),
    (("methods", 0, "classes"), "ab", "methods[0].classes", "must be a list"),
    (("methods", 0, "deterministic"), 1, "methods[0].deterministic", "must be true or false"),
    (("methods", 0, "tolerance", "absolute"), "0", "tolerance.absolute", "must be a number"),
    (("members", "onnx/model.onnx", "sha256"), "A" * 64, "onnx/model.onnx.sha256", "must be 64 hexadecimal digits"),
    ((*ONNX, "format"), "pickle", "runtimes[0].format", "must be one of onnx"),
    ((*ONNX, "kind"), "shell", "runtimes[0].kind", "must be one of onnx, native"),
    ((*ONNX, "opsets", ""), 0, "opsets.", "must be at least 1"),
    ((*ONNX, "outputs", "predict"), ["label", 1], "predict[1]", "must be a text"),
    ((*ONNX, "weights"), weights(shape=[2, -1]), "tensors[0].shape[1]", "must be at least 0"),
    ((*ONNX, "weights"), weights(shape=[True]), "tensors[0].shape[0]", "must be an integer"),
    ((*ONNX, "weights"), weights(dtype="object"), "tensors[0].dtype", "must be one of bool"),
    ((*ONNX, "weights"), weights(offset=-64), "tensors[0].offset", "must be at least 0"),
    ((*INPUT, "shape"), [None, "3"], "inputs[0].shape[1]", "must be an integer"),
    ((*INPUT, "dtype"), "V8", "inputs[0].dtype", "must be one of bool"),
    ((*INPUT, "fields"), "x0", "inputs[0].fields", "must be a list"),
    ((*ONNX, "parity", "predict", "exact"), "yes", "predict.exact", "must be true or false"),
    ((*ONNX, "parity", "predict", "tried"), {"sample": -1}, "tried.sample", "must be at least 0"),
    ((*NATIVE, "settings"), {"a": [1, {}]}, "settings.a", "must be a text, a number, a Boolean, null, or a list"),
    ((*NATIVE, "buffers"), {"member": "m", "spans": [[0]]}, "spans[0]", "must hold at least 2 elements"),
    ((*NATIVE, "buffers"), {"member": "m", "spans": [[0, 8], [8, True]]}, "spans[1][1]", "must be an integer"),
    ((*NATIVE, "code"), {"member": "native/code.json", "modules": [1]}, "modules[0]", "must be a text"),
    ((*NATIVE, "cost"), {"open": "1", "cores": 0, "methods": {}}, "cost.cores", "must be at least 1"),
    ((*NATIVE, "requires", 0, "name"), "n" * 201, "requires[0].name", "is longer than 200 characters"),
    ((*FIELD, "type"), {"tensor": {"dtype": "float64", "shape": [-1]}}, "tensor.shape[0]", "must be at least 0"),
    ((*FIELD, "type"), {"tensor": {"dtype": "float64", "shape": [1] * 33}}, "tensor.shape", "at most 32 elements"),
    ((*FIELD, "type"), {"category": {"values": ["a", {}]}}, "category.values[1]", "must be a text, a number or"),
    ((*FIELD, "type"), {"category": {"values": ["a", 1]}}, "category.values", "must hold different values of one type"),
    ((*FIELD, "type"), {"category": {"values": ["a", "a"]}}, "category.values", "different values of one type"),
    ((*FIELD, "type"), {"category": {}, "list": {}}, "fields[0].type", "an object with one of"),
    ((*FIELD, "type"), "int65", "fields[0].type", "names no type"),
    ((*FIELD, "minimum"), True, "fields[0].minimum", "must be a number, or a time as text"),
    ((*FIELD, "maximum"), [1], "fields[0].maximum", "must be a number, or a time as text"),
    ((*FIELD, "observed", "minimum"), {}, "observed.minimum", "must be a number, or a time as text"),
    ((*FIELD, "allowed"), [None], "fields[0].allowed[0]", "must be a text, a number or a Boolean"),
    ((*FIELD, "physical", "null"), "void", "physical.null", "must be one of none, nan, nat, na"),
    ((*FIELD, "physical", "label"), 1.5, "physical.label", "must be an integer"),
    (("input", "unique"), ["x9"], "input.unique", "names what is not a field"),
    (("proof",), {"lock": "", "python": 3}, "proof.python", "must be a text"),
    (("lock",), {"member": None}, "lock.member", "is missing"),
    (("left_out",), [{"kind": "onnx"}], "left_out[0].reason", "is missing"),
    (("packed_with", "python"), 3.11, "packed_with.python", "must be a text"),
]  # fmt: skip


SCHEMA = Path(__file__).parents[2] / "docs" / "manifest.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    with modelwheel.open(FILE) as bundle:
        made: dict[str, Any] = json.loads(json.dumps(bundle.manifest.to_dict()))
    return made


def put(document: dict[str, Any], keys: tuple[Any, ...], value: Any) -> None:
    inner: Any = document
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value


def test_the_manifest_that_is_broken_below_is_whole(good: dict[str, Any]) -> None:
    assert read_manifest(json.dumps(good).encode()).to_dict() == good


@pytest.mark.parametrize(
    ("keys", "value", "where", "said"), WRONG, ids=[f"{where}-{index}" for index, (_, _, where, _) in enumerate(WRONG)]
)
def test_a_wrong_value_is_named_with_its_place(
    keys: tuple[Any, ...], value: Any, where: str, said: str, good: dict[str, Any]
) -> None:
    document = copy.deepcopy(good)
    put(document, keys, value)
    with pytest.raises(InvalidBundle) as caught:
        read_manifest(json.dumps(document).encode())
    told = {(defect.where, defect.message) for defect in caught.value.defects}
    assert any(place.endswith(where) and said in message for place, message in told), told


RULES_OF_CODE = {"must hold different values of one type", "names no type", "names what is not a field"}
"""What a JSON Schema cannot say."""


@pytest.mark.parametrize(
    ("keys", "value", "where", "said"), WRONG, ids=[f"{where}-{index}" for index, (_, _, where, _) in enumerate(WRONG)]
)
def test_the_json_schema_refuses_what_the_reader_refuses(
    keys: tuple[Any, ...], value: Any, where: str, said: str, good: dict[str, Any]
) -> None:
    assert VALIDATOR.is_valid(good), where
    document = copy.deepcopy(good)
    put(document, keys, value)
    assert not VALIDATOR.is_valid(document) or any(said in rule for rule in RULES_OF_CODE)


def test_all_are_told_at_once(good: dict[str, Any]) -> None:
    document = copy.deepcopy(good)
    put(document, (*FIELD, "type"), "int65")
    put(document, ("methods", 1, "deterministic"), None)
    put(document, (*NATIVE, "copied_bytes"), -1)
    with pytest.raises(InvalidBundle) as caught:
        read_manifest(json.dumps(document).encode())
    places = {defect.where.removeprefix("manifest.json.") for defect in caught.value.defects}
    assert places >= {"input.fields[0].type", "methods[1].deterministic", "runtimes[1].copied_bytes"}
