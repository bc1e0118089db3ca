"""Nothing is quadratic in rows, columns, defects or candidates: ten times as much data, about ten times the calls.

Calls of functions are counted, Python's and C's: a clock would only measure the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import modelwheel
from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.inputs import compile_input

NUMBER, TEXT, WHOLE = parse_type("float64"), parse_type("string"), parse_type("int64")
Work = Callable[[int], Callable[[], Any]]


def calls(work: Callable[[], Any]) -> int:
    """How many functions `work` calls."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    except InputError as error:
        str(error)
        error.to_problem()
    finally:
        sys.setprofile(None)
    return count


def rows(data: Callable[[int], Any], *fields: Field, **options: Any) -> Work:
    check = compile_input(Schema(fields=fields, **options))

    def work(size: int) -> Callable[[], Any]:
        made = data(size)
        return lambda: check(made)

    return work


def wide(value: Any, *, kind: Any = NUMBER, **options: Any) -> Work:
    """One row of `size` columns."""

    def work(size: int) -> Callable[[], Any]:
        names = [f"column {number}" for number in range(size)]
        check = compile_input(Schema(fields=tuple(Field(name=name, type=kind) for name in names), **options))
        data = value(names)
        return lambda: check(data)

    return work


A, T, W = Field(name="a", type=NUMBER), Field(name="a", type=TEXT), Field(name="a", type=WHOLE)
WORKS: dict[str, Work] = {
    "rows, good": rows(lambda size: [{"a": 1.0}] * size, A),
    "rows, wrong": rows(lambda size: [{"a": "x"}] * size, A),
    "rows, extra fields": rows(lambda size: [{"a": 1.0, "b": 1}] * size, A, extra="error"),
    "rows, missing fields": rows(lambda size: [{"b": 1.0}] * size, A),
    "rows, no mappings": rows(lambda size: [{"a": 1.0}, 1] * size, A),
    "rows, not whole": rows(lambda size: {"a": np.full(size, 1.5)}, W),
    "rows, null": rows(lambda size: [{"a": None}] * size, A),
    "rows, too large": rows(lambda size: {"a": np.ones(size)}, A.replace(maximum=0)),
    "rows, not of the category": rows(
        lambda size: {"a": ["x"] * size}, Field(name="a", type=Category(tuple(map(str, range(1000)))))
    ),
    "rows, pattern": rows(lambda size: {"a": ["x"] * size}, T.replace(pattern="y+")),
    "rows, keys come again": rows(lambda size: {"a": np.ones(size)}, A, unique=("a",)),
    "rows, keys differ": rows(lambda size: {"a": np.arange(float(size))}, A, unique=("a",)),
    "rows, lists": rows(lambda size: {"a": [[1.0, "x"]] * size}, Field(name="a", type=List(NUMBER))),
    "one list": rows(lambda size: {"a": [1.0, *["x"] * size]}, Field(name="a", type=List(NUMBER))),
    "rows, structs": rows(lambda size: {"a": [{"b": 1}] * size}, Field(name="a", type=Struct((A,)))),
    "rows, tensors": rows(lambda size: {"a": [[1.0, 2.0]] * size}, Field(name="a", type=Tensor("float32", (3,)))),
    "columns, good": wide(lambda names: dict.fromkeys(names, 1.0)),
    "columns, wrong": wide(lambda names: dict.fromkeys(names, "x")),
    "columns, missing": wide(lambda _: {}),
    "columns, misspelt": wide(lambda names: {f"{name}!": 1.0 for name in names}),
    "columns, extra": wide(lambda names: dict.fromkeys([*names, *(f"{name}!" for name in names)], 1.0), extra="error"),
    "columns of pandas": wide(lambda names: pd.DataFrame([dict.fromkeys(names, 1.0)])),
    "columns of texts in pandas": wide(lambda names: pd.DataFrame([dict.fromkeys(names, "x")]), kind=TEXT),
    "columns of Polars": wide(lambda names: pl.DataFrame([dict.fromkeys(names, 1)])),
    "columns of Arrow": wide(lambda names: pa.table({name: [1] for name in names})),
    "columns of one name": wide(lambda names: pd.DataFrame([[1.0] * len(names)], columns=["a"] * len(names))),
}


@pytest.mark.parametrize("name", WORKS)
def test_ten_times_the_data_is_ten_times_the_work(name: str) -> None:
    work = WORKS[name]
    calls(work(200))  # whatever is done once only
    few, many = calls(work(200)), calls(work(2000))
    assert many <= 12 * few


@pytest.mark.parametrize("kind", [list, pd.DataFrame, pl.DataFrame, pa.Table.from_pylist])
def test_inference_is_linear(kind: Callable[[Any], Any]) -> None:
    def work(size: int) -> Callable[[], Any]:
        sample = kind([{"a": float(number), "b": f"id {number}", "c": None} for number in range(size)])
        return lambda: modelwheel.infer_schema(sample)

    calls(work(200))
    assert calls(work(2000)) <= 12 * calls(work(200))
