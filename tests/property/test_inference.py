"""What inference records, binding restores: the checked sample is the sample, bit for bit. Answers survive storage."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwheel.inference.infer import infer_output, infer_schema, spread
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.proof.comparison import compare
from modelwheel_loader.proof.examples import decode_input, decode_output, encode_input, encode_output
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INSTANTS = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2050, 1, 1))  # noqa: DTZ001 - wall clocks
COLUMNS: dict[str, tuple[st.SearchStrategy[Any], bool]] = {
    "float64": (FLOATS, True),
    "float32": (st.floats(width=32, allow_nan=False, allow_infinity=False), True),
    "int64": (st.integers(-(2**63), 2**63 - 1), False),
    "uint8": (st.integers(0, 255), False),
    "bool": (st.booleans(), False),
    "Int64": (st.integers(-(2**63), 2**63 - 1), True),
    "boolean": (st.booleans(), True),
    "Float64": (FLOATS, True),
    "str": (TEXT, True),
    "string": (TEXT, True),
    "object": (TEXT, True),
    "category": (st.sampled_from(["lo", "mid", "hi"]), True),
    "datetime64[us]": (INSTANTS, True),
    "datetime64[ns, UTC]": (INSTANTS, True),
    "timedelta64[us]": (st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)), True),
}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(1, 6))
    dtypes = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=4))
    columns = {}
    for index, dtype in enumerate(dtypes):
        values, nulls = COLUMNS[dtype]
        items = draw(st.lists(values | st.none() if nulls else values, min_size=rows, max_size=rows))
        columns[f"c{index}"] = pd.Series(items, dtype="object").astype(dtype)
    return pd.DataFrame(columns)


@pytest.mark.filterwarnings("error")
@settings(max_examples=150, deadline=None)
@given(frames())
def test_the_checked_sample_is_the_sample(frame: pd.DataFrame) -> None:
    inferred = infer_schema(frame)
    schema = Schema.from_dict(inferred.schema.to_dict())
    check, bind = compile_input(schema), compile_native(schema)
    batch = check(inferred.sample)
    pd.testing.assert_frame_equal(bind(batch), inferred.sample)
    stored = encode_input(batch, schema)
    again = check(decode_input(stored, schema, "input.json"))
    pd.testing.assert_frame_equal(bind(again), inferred.sample)


@settings(max_examples=80, deadline=None)
@given(frames())
def test_rows_are_judged_as_the_columns_that_they_come_from(frame: pd.DataFrame) -> None:
    schema = infer_schema(frame).schema
    check, bind = compile_input(schema), compile_native(schema)
    records = [{name: frame[name].iloc[row] for name in frame.columns} for row in range(len(frame))]
    pd.testing.assert_frame_equal(bind(check(records)), bind(check(frame)))


@settings(max_examples=80, deadline=None)
@given(frames())
def test_answers_survive_storage(frame: pd.DataFrame) -> None:
    schema = Schema.from_dict(infer_output(frame, len(frame)).to_dict())
    back = decode_output(encode_output(frame, schema, len(frame)), schema, "predict.json")
    result = compare(frame, back)
    assert result.exact, result


ARRAYS = st.one_of(
    st.lists(st.floats(), min_size=1).map(np.array),
    st.lists(st.floats(width=32), min_size=1).map(lambda items: np.array(items, dtype=np.float32)),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1).map(np.array),
    st.lists(st.tuples(st.floats(), st.floats()), min_size=1).map(np.array),
    st.lists(TEXT, min_size=1).map(lambda items: np.array(items, dtype=object)),
    st.lists(TEXT | st.none(), min_size=1).map(lambda items: np.array(items, dtype=object)),
    st.lists(st.booleans(), min_size=1).map(np.array),
)


@settings(max_examples=150, deadline=None)
@given(ARRAYS)
def test_arrays_survive_storage_bit_for_bit(answer: np.ndarray[Any, Any]) -> None:
    rows = len(answer)
    schema = infer_output(answer, rows)
    back = decode_output(encode_output(answer, schema, rows), schema, "predict.json")
    assert back.dtype == answer.dtype
    assert compare(answer, back).exact
    if answer.dtype.kind == "f" and not np.isnan(answer).any():
        assert back.tobytes() == answer.tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text("abcxyz", min_size=1),
        st.lists(st.integers(0, 9) | st.none(), min_size=3, max_size=3),
        min_size=1,
        max_size=3,
    )
)
def test_polars_round_trip(columns: dict[str, list[int | None]]) -> None:
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64))
    inferred = infer_schema(frame)
    made = compile_native(inferred.schema)(compile_input(inferred.schema)(inferred.sample))
    assert made.equals(frame)


@settings(max_examples=60, deadline=None)
@given(frames(), st.integers(0, 8))
def test_a_spread_picks_rows_that_fit_the_schema(frame: pd.DataFrame, rows: int) -> None:
    inferred = infer_schema(frame)
    chosen = spread(inferred.sample, rows=rows)
    assert len(chosen) == min(rows, len(frame))
    assert compile_input(inferred.schema)(inferred.taken.take(chosen)).rows == len(chosen)
