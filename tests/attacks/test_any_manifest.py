"""Manifests in which anything is replaced by anything: what is done with them works, or is refused by our errors."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import modelwheel
from builders import FILE_NAME, ROOT, archive, files, with_record
from modelwheel.errors import ModelwheelError
from modelwheel_loader.show.inspection import describe, summary

TRUST = modelwheel.Trust.unsafe_run_code()
ROWS: tuple[Any, ...] = ({"a": 0.5}, [{"a": None, "z": 1}], {"a": [1.0]}, [[1.0], [2.0]], [])
FIELD: dict[str, Any] = dict.fromkeys(("minimum", "maximum", "allowed"))
FIELD |= {"name": "a", "type": "string", "nullable": True, "default": "x", "pattern": "x*", "min_length": 0}
FIELD |= {"max_length": 9, "unit": "m", "description": "d", "deprecated": True, "allow_infinity": False}
FIELD |= {"physical": {"dtype": "object", "null": "none", "label": 1}}
FIELD |= {"observed": {"rows": 1, "nulls": 0, "minimum": 0, "maximum": 1, "distinct": 1}}
MANIFEST = json.loads(files()[f"{ROOT}manifest.json"])
MANIFEST["input"]["fields"] = [{**FIELD, "type": "float64", "pattern": None, "default": 1.0}]
MANIFEST["methods"][0] |= {"classes": ["x", "y"]}
MANIFEST["methods"][0]["output"]["fields"][0] |= {"minimum": 0, "maximum": 1, "description": "d"}
TYPES: tuple[Any, ...] = (
    *("int64", "uint8", "float16", "string", "bool", "binary", "date", "timestamp[us, UTC]", "timestamp[ns, No/Where]"),
    *("duration[ms]", "decimal(10, 2)", {"category": {"values": ["x", "y"]}}, {"category": {"values": []}}),
    *({"list": {"item": "int64"}}, {"struct": {"fields": [FIELD]}}, {"tensor": {"dtype": "bool", "shape": [None, 0]}}),
    *({"tensor": {"dtype": "float64", "shape": [2**40, 2**40]}}, {"category": {"values": [1.5, 2.5]}}),
    {"tensor": {"dtype": "float32", "shape": [3], "sparse": True}},
)
WORDS = (
    *("", "a", "\x00", "\x1b[31m", "\u202e", "../x", "NaN", "1e999", "x" * 20_000, "(a+)+$", "[", "x{99999999999}"),
    *("matrix", "array", "arrays", "columns", "records", "frame", "pandas", "polars", "list", "object", "V8", "nan"),
    *(
        "2020-01-01",
        "-9999-01-01",
        "0001-01-01T00:00:00Z",
        "PT1S",
        "onnx",
        "native",
        "pickle",
        ">=0",
        "<<<",
        "__class__",
    ),
)
NUMBERS = (0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.5, -0.0, 1e308, 5e-324)
VALUES: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None], [1, "a"], {"": {}}, *NUMBERS, *WORDS, *TYPES)
Step = str | int


def places(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    """The paths of everything in a document, but for its whole and its members."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if path or key != "members":
            yield from places(inner, (*path, key))


CHANGES = st.lists(st.tuples(st.sampled_from(list(places(MANIFEST))), st.sampled_from(VALUES)), min_size=1, max_size=3)


def changed(changes: list[tuple[tuple[Step, ...], Any]]) -> dict[str, Any]:
    """The manifest with other values at these places, so far as they are still there."""
    document: dict[str, Any] = copy.deepcopy(MANIFEST)
    for path, value in changes:
        inner: Any = document
        try:
            for step in path[:-1]:
                inner = inner[step]
            inner[path[-1]] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    return document


def attempt(use: Any, *arguments: Any) -> Any:
    """What comes of a call; None when it is refused."""
    try:
        return use(*arguments)
    except ModelwheelError as error:
        json.dumps([str(error), *(defect.to_dict() for defect in error.defects)], allow_nan=False)
        return None


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any") / FILE_NAME


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES)
@example(changes=[(("input", "fields", 0, "minimum"), "2020-01-01")])
@example(changes=[(("input", "fields", 0, "type"), "string"), (("input", "fields", 0, "pattern"), "x{99999999999}")])
def test_whatever_a_manifest_says(path: Path, changes: list[tuple[tuple[Step, ...], Any]]) -> None:
    document = json.dumps(changed(changes)).encode()
    path.write_bytes(archive(with_record({**files(), f"{ROOT}manifest.json": document})))
    bundle = attempt(modelwheel.open, path)
    if bundle is None:
        return
    with bundle:
        for use in (bundle._repr_html_, bundle.explain, bundle.requirements, bundle.verify):
            attempt(use)
        json.dumps(attempt(summary, bundle), allow_nan=False)
        attempt(lambda: list(describe(bundle, verbose=True)))
        for schema in (bundle.schema, *(method.output for method in bundle.methods.values())):
            for use in (schema.to_json_schema, schema.to_pydantic, schema.to_arrow, schema._repr_html_, schema.to_dict):
                attempt(use)
        model = attempt(lambda: bundle.load(trust=TRUST, runtime="native"))
        for rows in ROWS if model is not None else ():
            for name in model.methods:
                attempt(getattr(model, name), rows)
