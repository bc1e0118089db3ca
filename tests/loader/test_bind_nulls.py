"""Encoders and imputers fitted on each kind of null and fed every other answer as the original does with its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from modelwheel.inference.infer import infer_schema
from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.manifest import GraphInput
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Tensor
from modelwheel_loader.run.onnx_runtime import compile_feeds
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

WORDS = ["red", "blue", None, "red", "green", None]
NUMBERS = [1, 2, None, 3, 2, None]
FLAGS = [True, False, None, True, True, None]


def objects(values: list[Any], null: Any) -> np.ndarray[Any, Any]:
    return np.fromiter((null if value is None else value for value in values), dtype=object, count=len(values))


def text_columns() -> dict[str, Any]:
    """The same words as every kind of column that may hold null."""
    return {
        "object-none": pd.Series(objects(WORDS, None), dtype=object),
        "object-nan": pd.Series(objects(WORDS, np.nan), dtype=object),
        "object-na": pd.Series(objects(WORDS, pd.NA), dtype=object),
        "str": pd.Series(WORDS, dtype="str"),
        "string-python": pd.Series(WORDS, dtype="string[python]"),
        "string-pyarrow": pd.Series(WORDS, dtype="string[pyarrow]"),
        "category": pd.Series(WORDS, dtype="category"),
        "arrow": pd.Series(WORDS, dtype=pd.ArrowDtype(__import__("pyarrow").string())),
    }


def number_columns() -> dict[str, Any]:
    return {
        "float64": pd.Series(NUMBERS, dtype="float64"),
        "float32": pd.Series(NUMBERS, dtype="float32"),
        "Int64": pd.Series(NUMBERS, dtype="Int64"),
        "Float64": pd.Series(NUMBERS, dtype="Float64"),
        "object-none": pd.Series(objects(NUMBERS, None), dtype=object),
        "object-nan": pd.Series(objects(NUMBERS, np.nan), dtype=object),
        "object-na": pd.Series(objects(NUMBERS, pd.NA), dtype=object),
        "category": pd.Series(NUMBERS, dtype="category"),
    }


def flag_columns() -> dict[str, Any]:
    return {
        "object-none": pd.Series(objects(FLAGS, None), dtype=object),
        "object-nan": pd.Series(objects(FLAGS, np.nan), dtype=object),
        "boolean": pd.Series(FLAGS, dtype="boolean"),
    }


def as_callers_send(series: pd.Series[Any]) -> dict[str, Any]:
    """The column as a caller may send it, beside the library's own forms."""
    plain = [None if pd.isna(value) else value for value in series.tolist()]
    return {
        "rows": [{"c": value} for value in plain],
        "rows-nan": [{"c": np.nan if value is None else value} for value in plain],
        "rows-na": [{"c": pd.NA if value is None else value} for value in plain],
        "list": {"c": plain},
        "objects": {"c": objects(plain, None)},
    }


TRANSFORMERS: dict[str, Any] = {
    "one-hot": lambda: OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    "ordinal": lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    "impute": lambda: SimpleImputer(strategy="most_frequent"),
    "impute-none": lambda: SimpleImputer(strategy="most_frequent", missing_values=None),
    "impute-na": lambda: SimpleImputer(strategy="most_frequent", missing_values=pd.NA),
    "impute-constant": lambda: SimpleImputer(strategy="constant"),
}
FAMILIES = {"text": text_columns, "number": number_columns, "flag": flag_columns}
FITTED = [(family, name) for family, make in FAMILIES.items() for name in make()]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::RuntimeWarning")
@pytest.mark.parametrize("transformer", TRANSFORMERS)
@pytest.mark.parametrize(("family", "fitted"), FITTED, ids=["-".join(pair) for pair in FITTED])
def test_every_null_is_answered_as_the_fitted_one(family: str, fitted: str, transformer: str) -> None:
    own = pd.DataFrame({"c": FAMILIES[family]()[fitted]})
    inferred = infer_schema(own)
    model = make_column_transformer((TRANSFORMERS[transformer](), ["c"]))
    try:
        expected = model.fit(inferred.sample).transform(inferred.sample)
    except (TypeError, ValueError):
        return  # scikit-learn itself takes no such column, so there is no answer to compare with
    check, bind = compile_input(inferred.schema), compile_native(inferred.schema)
    others: dict[str, Any] = {name: pd.DataFrame({"c": column}) for name, column in FAMILIES[family]().items()}
    for name, column in FAMILIES[family]().items():
        others |= {f"{name}/{form}": data for form, data in as_callers_send(column).items()}
    for name, data in others.items():
        answer = model.transform(bind(check(data)))
        np.testing.assert_array_equal(as_text(answer), as_text(expected), err_msg=name)


def as_text(answer: Any) -> Any:
    """Answers with their types: None, NaN and NA differ."""
    return np.array([[f"{type(value).__name__} {value}" for value in row] for row in np.asarray(answer).tolist()])


def test_a_null_where_none_was_seen_is_refused() -> None:
    inferred = infer_schema(pd.DataFrame({"c": ["a", "b"]}))
    with pytest.raises(InputError) as caught:
        compile_input(inferred.schema)({"c": ["a", None]})
    assert [(d.code, d.row, d.field) for d in caught.value.defects] == [("input.null", 1, "c")]


@pytest.mark.parametrize("dtype", ["float32", "int16", "bool"])
@pytest.mark.parametrize("layout", ["array", "columns", "records", "pandas", "polars", "pyarrow"])
def test_a_tensor_that_is_null_is_never_zeros(dtype: str, layout: str) -> None:
    field = Field(name="v", type=Tensor(dtype, (2,)), nullable=True)
    table: Any = {"layout": "frame", "container": layout} if layout.startswith("p") else {"layout": layout}
    schema = Schema(fields=(field,), **table)
    one = [True, False] if dtype == "bool" else [1, 0]
    made: Any = compile_native(schema)(compile_input(schema)([{"v": one}, {"v": None}]))
    if layout == "records":
        made = [row["v"] for row in made]
    elif layout != "array":
        made = made["v"]
    cells = made.to_pylist() if layout == "pyarrow" else list(made)
    assert cells[1] is None
    assert list(cells[0]) == one


def test_a_graph_is_not_fed_zeros_for_null() -> None:
    def fed(dtype: str, *rows: Any, shape: Any = (2,)) -> Any:
        schema = Schema(fields=(Field(name="v", type=Tensor(dtype, shape), nullable=True),), layout="array")
        item = GraphInput(name="v", dtype=dtype, fields=("v",), shape=(None, *shape))
        return compile_feeds(schema, [item])(compile_input(schema)([{"v": row} for row in rows]))["v"]

    assert np.isnan(fed("float32", [1, 2], None)).tolist() == [[False, False], [True, True]]
    with pytest.raises(InputError, match="has no null"):
        fed("int16", [1, 2], None)
    assert fed("int16", [1], [2], shape=(None,)).tolist() == [[1], [2]]
    with pytest.raises(InputError, match="different shapes"):
        fed("int16", [1], [2, 3], shape=(None,))


@pytest.mark.parametrize("shape", [(None, 2), (2, None), (None, None)])
@pytest.mark.parametrize("dtype", ["bool", "uint8", "float64"])
def test_tensors_with_free_axes_are_lists_of_polars(dtype: str, shape: Any) -> None:
    schema = Schema(fields=(Field(name="v", type=Tensor(dtype, shape)),), layout="frame", container="polars")
    rows = [{"v": [[1, 0], [0, 1]]}, {"v": [[1, 1], [0, 0]]}]
    rows = [{"v": [[bool(item) for item in line] for line in row["v"]]} for row in rows] if dtype == "bool" else rows
    made = compile_native(schema)(compile_input(schema)(rows))
    assert made["v"].to_list() == [row["v"] for row in rows]
