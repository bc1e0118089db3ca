"""Few rows of many numbers, given as columns: taken together, and judged as the same rows are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from modelwheel_loader import Field, Schema
from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.types import Float
from modelwheel_loader.validate.inputs import compile_input

NAMES = ("a", "b", "c")
FIELDS = (
    Field(name="a", type=Float()),
    Field(name="b", type=Float(), nullable=True),
    Field(name="c", type=Float(), minimum=0, maximum=9),
)
GOOD = {"a": [1.5, -2.0], "b": [math.nan, 3.25], "c": [0.0, 9.0]}


def check(columns: Any, **schema: Any) -> Any:
    return compile_input(Schema(fields=FIELDS, **schema))(columns)


def arrays(columns: dict[str, list[Any]], dtype: str = "float64") -> dict[str, Any]:
    return {name: np.array(values, dtype=dtype) for name, values in columns.items()}


@pytest.mark.parametrize(
    "made",
    [
        dict,
        arrays,
        lambda c: arrays(c, "float32"),
        pd.DataFrame,
        pl.DataFrame,
        pa.table,
        lambda c: {**c, "more": [1, 2]},
    ],
    ids=["lists", "arrays", "float32", "pandas", "polars", "arrow", "extra"],
)
@pytest.mark.parametrize("layout", ["frame", "matrix"])
def test_they_lie_together_in_the_order_of_the_layout(made: Any, layout: str) -> None:
    batch = check(made(GOOD), layout=layout)
    assert batch.block_names == NAMES
    np.testing.assert_array_equal(batch.block, np.array([GOOD[name] for name in NAMES]).T)
    if made is not pd.DataFrame:  # its memory is taken as it is
        assert batch.block.flags.f_contiguous == (layout == "frame")


def test_whole_numbers_and_none_among_lists_are_numbers_and_null() -> None:
    batch = check({"a": [1, 2], "b": [None, 2], "c": [0, 9]})
    np.testing.assert_array_equal(batch.block, [[1, math.nan, 0], [2, 2, 9]])


def test_no_rows_are_none() -> None:
    assert check({name: [] for name in NAMES}).rows == 0


@pytest.mark.parametrize("made", [dict, arrays])
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"a": [math.nan, 1.0]}, "input.null"),
        ({"a": [math.inf, 1.0]}, "input.not-finite"),
        ({"c": [0.0, 9.5]}, "input.too-large"),
        ({"c": [-1.0, 9.0]}, "input.too-small"),
        ({"a": [1.0]}, "input.rows-differ"),
    ],
)
def test_what_is_wrong_is_told(made: Any, wrong: dict[str, list[Any]], code: str) -> None:
    with pytest.raises(InputError) as caught:
        check(made({**GOOD, **wrong}))
    assert [(defect.code, defect.field) for defect in caught.value.defects] == [(code, next(iter(wrong)))]


@pytest.mark.parametrize("wrong", [["1", 1.0], [True, 1.0], [2**53 + 1, 1.0], [10**400, 1.0], [object(), 1.0]])
def test_a_list_with_another_type_is_looked_at_one_by_one(wrong: list[Any]) -> None:
    with pytest.raises(InputError, match="'a'"):
        check({**GOOD, "a": wrong})


def test_columns_of_other_kinds_are_taken_one_by_one() -> None:
    mixed = {"a": np.array([1, 2]), "b": [None, 2.0], "c": np.array([1.0, 2.0])}
    batch = check(mixed)
    assert batch.block is None
    assert [batch.column(name).values.tolist()[1] for name in NAMES] == [2, 2, 2]
    masked = pa.table({"a": [1.0], "b": pa.array([None], pa.float64()), "c": [2.0]})
    assert check(masked).column("b").missing.tolist() == [True]


def test_many_rows_are_not_copied() -> None:
    table = pa.table({name: np.zeros(1000) for name in NAMES})
    batch = check(table)
    assert batch.column("a").values.ctypes.data == table.column("a").chunk(0).buffers()[1].address


def test_two_axes_in_a_column_are_told() -> None:
    with pytest.raises(InputError, match="more than one axis"):
        check({**arrays(GOOD), "a": np.zeros((2, 2))})
