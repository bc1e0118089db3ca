"""Whatever is passed, the check gives a batch or raises `InputError`: never another exception, never a warning."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import (
    Category,
    Date,
    Decimal,
    Float,
    Integer,
    List,
    String,
    Struct,
    Tensor,
    Timestamp,
)
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

PAIR = (Field(name="a", type=Float(), nullable=True), Field(name="b", type=Float(32)))
SCHEMAS = {
    "frame": Schema(
        fields=(
            Field(name="a", type=Integer(8), nullable=True),
            Field(name="b", type=String(), pattern="[a-z]*"),
            Field(name="c", type=Category(("x", "y")), nullable=True, default=None),
            Field(name="d", type=Timestamp("us", "UTC"), nullable=True, default=None),
            Field(name="e", type=Decimal(6, 2), nullable=True, default=None, minimum=0),
        )
    ),
    "nested": Schema(
        fields=(
            Field(name="a", type=List(Date(), nullable=True), nullable=True, default=None, max_length=2),
            Field(name="b", type=Struct(PAIR), nullable=True),
            Field(name="c", type=Tensor("float32", (None, 2)), nullable=True, default=None),
        ),
        extra="error",
    ),
    "matrix": Schema(fields=PAIR, layout="matrix", dtype="float64"),
    "floats": Schema(fields=(Field(name="a", type=Float()), Field(name="b", type=Float())), layout="matrix"),
    "texts": Schema(fields=(Field(name="a", type=String()),), layout="array", container="list"),
    "images": Schema(fields=(Field(name="a", type=Tensor("uint8", (2, None))),), layout="array"),
    "sparse": Schema(fields=(Field(name="a", type=Tensor("float64", (3,), sparse=True)),), layout="array"),
}
NAMES = st.sampled_from(["a", "b", "c", "d", "e", "A", "", 0, 1, None, "a" * 500])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.decimals(),
    st.fractions(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.datetimes(),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from([pd.NA, pd.NaT, Ellipsis, object, object(), range(3), {1, 2}, "PT1H", "2026-01-01", "x", "y"]),
    hnp.scalar_dtypes().flatmap(lambda dtype: hnp.arrays(dtype, ())).map(lambda array: array[()]),
)
ARRAYS = hnp.arrays(
    hnp.scalar_dtypes() | st.just(np.dtype(object)),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
DATA: st.SearchStrategy[Any] = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(NAMES, inner, max_size=5),
        st.lists(inner, max_size=3).map(lambda items: pd.Series(items, dtype=object)),
        st.lists(st.dictionaries(NAMES, inner, max_size=5), max_size=3),
    ),
    max_leaves=12,
)


def table(columns: dict[str, Any], library: str) -> Any:
    """A table of the library; None where that cannot hold the values."""
    try:
        match library:
            case "pandas":
                return pd.DataFrame(columns)
            case "polars":
                return pl.DataFrame(columns, strict=False)
            case "pyarrow":
                return pa.table(columns)
            case "sparse":
                return sparse.csr_matrix(np.array(list(columns.values())))
    except (Exception, pl.exceptions.PanicException):  # whatever that library says
        return None
    raise AssertionError


def judge(name: str, data: Any) -> None:
    """Check the data and bind it."""
    schema = SCHEMAS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            batch = compile_input(schema)(data)
        except InputError as error:
            refused: InputError | None = error
        else:
            refused = None
    if refused is not None:
        assert refused.code != "input.unreadable"  # for objects of the caller that raise, never for an error of ours
        assert refused.counted >= len(refused.defects) > 0
        assert len(str(refused)) < 20_000
        assert refused.to_problem()["counted"] == refused.counted
        return
    if schema.container != "numpy" or schema.layout != "frame":
        compile_native(schema)(batch)


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=DATA)
def test_any_data(name: str, data: Any) -> None:
    judge(name, data)


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(
    columns=st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.one_of(st.lists(SCALARS, min_size=2, max_size=2), hnp.arrays(hnp.scalar_dtypes(), (2,))),
        min_size=1,
        max_size=5,
    ),
    library=st.sampled_from(["pandas", "polars", "pyarrow", "sparse"]),
)
def test_any_table(name: str, columns: dict[str, Any], library: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = table(columns, library)
    if made is not None:
        judge(name, made)
