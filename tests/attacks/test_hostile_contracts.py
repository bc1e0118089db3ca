"""Schemas and golden examples of strangers: patterns, numbers and layouts that their readers were not made for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

import modelwheel
from builders import FILE_NAME, archive, files
from modelwheel.errors import InvalidBundle, ModelwheelError, UsageError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, Float, String, Tensor
from modelwheel_loader.proof.comparison import compare
from modelwheel_loader.proof.examples import decode_output, encode_columns

PATTERNS = {
    "too many times": "x{99999999999}",
    "too deep": "(" * 3_000 + "a" + ")" * 3_000,
    "a set that is never closed": "[a-",
    "what Python warns of": "[[a]",
}


@pytest.mark.parametrize("kind", [String(), Category(("x", "y"))], ids=str)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_that_python_cannot_read_are_our_errors(pattern: str, kind: DataType, tmp_path: Path) -> None:
    field = {**Field(name="a", type=kind).to_dict(), "pattern": PATTERNS[pattern]}
    schema = Schema.from_dict({"fields": [field], "layout": "records"})
    path = tmp_path / FILE_NAME
    path.write_bytes(archive(files(input=schema.to_dict())))
    with modelwheel.open(path) as bundle:
        bundle._repr_html_()
        with pytest.raises(UsageError, match="not a regular expression"):
            bundle.load(trust=modelwheel.Trust.unsafe_run_code()).predict([{"a": "x"}])
        for use in (bundle.schema.to_json_schema, bundle.schema.to_pydantic, bundle.schema.to_arrow):
            attempt(use)


@pytest.mark.parametrize("limit", ["minimum", "maximum"])
def test_a_text_is_no_limit_of_a_number(limit: str) -> None:
    schema = Schema.from_dict({"fields": [{"name": "a", "type": "int64", limit: "2020"}], "layout": "records"})
    for use in (schema.to_json_schema, schema.to_pydantic):
        with pytest.raises(UsageError) as caught:
            use()
        assert caught.value.code == "schema.bound"


def attempt(use: Any) -> None:
    """Use a schema; it may refuse."""
    try:
        use()
    except ModelwheelError:
        return


LAYOUTS: dict[str, tuple[Schema, list[Any]]] = {
    "records of a sparse matrix": (
        Schema(fields=(Field(name="a", type=Tensor("float64", (2,), sparse=True)),), layout="records"),
        [sparse.csr_matrix(np.eye(2))],
    ),
    "matrix of tensors of two shapes": (
        Schema(
            fields=(Field(name="a", type=Tensor("float64", (2,))), Field(name="b", type=Tensor("float64", (3,)))),
            layout="matrix",
        ),
        [np.zeros((2, 2)), np.zeros((2, 3))],
    ),
    "matrix of a number and a tensor": (
        Schema(
            fields=(Field(name="a", type=Float()), Field(name="b", type=Tensor("float64", (3,)))),
            layout="matrix",
            dtype="float64",
        ),
        [np.zeros(2), np.zeros((2, 3))],
    ),
}


@pytest.mark.parametrize("attack", LAYOUTS)
def test_answers_that_no_layout_has(attack: str) -> None:
    schema, columns = LAYOUTS[attack]
    data = encode_columns(dict(zip(schema.names, columns, strict=True)), schema, 2)
    with pytest.raises(InvalidBundle, match=f"no answer of the layout '{schema.layout}'"):
        decode_output(data, schema, "x.json")


@pytest.mark.parametrize(("bits", "number"), [(16, 65520.0), (16, -1e5), (32, 1e39), (32, 2**128)])
def test_recorded_numbers_fit_their_type(bits: int, number: float) -> None:
    """NumPy warns and makes them infinite."""
    schema = Schema(fields=(Field(name="a", type=Float(bits)),), layout="array")
    data = json.dumps({"rows": 1, "columns": [{"name": "a", "values": [float(number)]}]}).encode()
    with pytest.raises(InvalidBundle, match=f"is not a value of float{bits}"):
        decode_output(data, schema, "x.json")
    good = json.dumps({"rows": 2, "columns": [{"name": "a", "values": [65504.0, "Infinity"]}]}).encode()
    assert decode_output(good, schema, "x.json").tolist() == [65504.0, np.inf]


def test_lists_of_sparse_matrices_are_compared_as_such() -> None:
    one, other = sparse.csr_matrix(np.eye(3)), sparse.csr_matrix(2 * np.eye(3))
    assert compare([one, one], [one, one], absolute=0.0, relative=0.0).exact
    assert not compare([one, one], [one, other], absolute=0.0, relative=0.0).within
