from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from modelwheel.inference.infer import infer_output
from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.types import Tensor

KINDS: list[tuple[Any, str, str, list[tuple[str, str]]]] = [
    (np.array([1.5, 2.5]), "array", "numpy", [("value", "float64")]),
    (np.array([True, False]), "array", "numpy", [("value", "bool")]),
    (np.array(["a", "b"]), "array", "numpy", [("value", "string")]),
    (np.array(["a", "b"], dtype=object), "array", "numpy", [("value", "string")]),
    (np.ones((2, 3), dtype=np.float32), "array", "numpy", [("value", "tensor[float32, (3)]")]),
    (np.ones((2, 3, 4)), "array", "numpy", [("value", "tensor[float64, (3, 4)]")]),
    (np.array([["a", 1.5], ["b", 2.5]], dtype=object), "matrix", "numpy", [("x0", "string"), ("x1", "float64")]),
    (np.array([["a"], ["b"]]), "matrix", "numpy", [("x0", "string")]),
    ([np.ones((2, 2)), np.ones(2)], "arrays", "numpy", [("value0", "tensor[float64, (2)]"), ("value1", "float64")]),
    ((np.ones(2), np.ones(2)), "arrays", "numpy", [("value0", "float64"), ("value1", "float64")]),
    ({"a": np.ones(2), "b": np.ones((2, 2))}, "columns", "numpy", [("a", "float64"), ("b", "tensor[float64, (2)]")]),
    (scipy.sparse.csr_matrix(np.eye(2)), "array", "numpy", [("value", "sparse tensor[float64, (2)]")]),
    (["a", "b"], "array", "list", [("value", "string")]),
    ([1, 2], "array", "list", [("value", "int64")]),
    ([[1], [2, 3]], "array", "list", [("value", "list[int64]")]),
    ([{"a": 1}, {"a": 2}], "records", "list", [("a", "int64")]),
    (pd.DataFrame({"a": [1, 2], 0: ["x", "y"]}), "frame", "pandas", [("a", "int64"), ("0", "string")]),
    (pd.Series([1, 2], name="n"), "array", "pandas", [("n", "int64")]),
    (pd.Series([1, 2]), "array", "pandas", [("value", "int64")]),
]


@pytest.mark.parametrize(("answer", "layout", "container", "fields"), KINDS)
def test_answers(answer: Any, layout: str, container: str, fields: list[tuple[str, str]]) -> None:
    schema = infer_output(answer, 2)
    assert (schema.layout, schema.container) == (layout, container)
    assert [(field.name, str(field.type)) for field in schema] == fields
    assert all(field.observed is None for field in schema)


def test_floats_may_be_anything_later_and_labels_may_not() -> None:
    schema = infer_output({"p": np.ones((2, 2)), "label": np.array(["a", "b"], dtype=object)}, 2)
    assert (schema["p"].nullable, schema["p"].allow_infinity) == (True, True)
    assert (schema["label"].nullable, schema["label"].allow_infinity) == (False, False)
    inner = infer_output([{"a": {"b": [1.5]}}], 1)["a"].type
    assert "b: list[float64]" in str(inner)


def test_a_column_of_the_answer_keeps_its_shape() -> None:
    assert infer_output(np.ones((2, 1)), 2)["value"].type == Tensor("float64", (1,))


@pytest.mark.parametrize(
    "answer",
    [
        1.5,
        None,
        np.float64(1.5),
        np.array(1.5),
        np.ones(3),
        np.ones((3, 2)),
        ["a"],
        {"a": 1.5},
        {"a": np.ones(3)},
        {1: np.ones(2)},
        pd.DataFrame({"a": [1]}),
        scipy.sparse.csr_matrix(np.eye(3)),
        [{"a": 1}, {"b": 1}],
        ["a", 1],
        np.array([1j, 2j]),
        np.array(["a", 1], dtype=object),
    ],
)
def test_an_answer_that_no_schema_describes_is_refused(answer: Any) -> None:
    with pytest.raises(PackError):
        infer_output(answer, 2)
