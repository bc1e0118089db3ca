"""Columns: what is taken at once, what one by one, what lies inside others, and where a defect is said to be."""

from __future__ import annotations

import datetime as dt
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from modelwheel_loader.opening.schema import Field
from modelwheel_loader.opening.types import (
    Binary,
    Bool,
    Category,
    DataType,
    Date,
    Decimal,
    Duration,
    Float,
    Integer,
    List,
    String,
    Struct,
    Tensor,
    Timestamp,
)
from modelwheel_loader.validate.batch import Instant, Raw, is_null
from modelwheel_loader.validate.inputs import compile_column
from modelwheel_loader.validate.kinds import Mismatch, found
from modelwheel_loader.validate.problems import COLLECTED, Inside, Problems
from modelwheel_loader.validate.times import (
    LossyError,
    ZoneError,
    convert_unit,
    day_count,
    duration_count,
    timestamp_count,
)


def column(kind: DataType, values: Any, **rules: Any) -> list[Any]:
    """The canonical values of a column, with None for null."""
    missing_at = rules.pop("missing", None)
    raw = Raw(values, None if missing_at is None else np.array(missing_at), utc=rules.pop("utc", False))
    problems = Problems()
    checked = compile_column(Field(name="x", type=kind, **rules))(raw, problems)
    if checked is None:
        raise AssertionError([str(defect) for defect in problems.defects])
    array, missing = checked
    absent = [False] * len(array) if missing is None else missing.tolist()
    return [None if gone else value for gone, value in zip(absent, array.tolist(), strict=True)]


def places(kind: DataType, values: Any, **rules: Any) -> list[tuple[str, int | None, str | None]]:
    """The codes and places of the defects of a column."""
    raw = Raw(values, utc=rules.pop("utc", False))
    problems = Problems()
    assert compile_column(Field(name="x", type=kind, **rules))(raw, problems) is None
    return [(defect.code.removeprefix("input."), defect.row, defect.field) for defect in problems.defects]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Bool(), np.array([True, False])),
        (Integer(8), np.array([1, 2], dtype=np.int8)),
        (Float(32), np.array([1.0, 2.0], dtype=np.float32)),
        (Timestamp("ns"), np.array(["2026-01-01"], dtype="M8[ns]")),
        (String(), np.array(["a", None], dtype=object)),
        (Tensor("float64", (2,)), np.ones((3, 2))),
    ],
)
def test_what_is_right_already_is_not_copied(kind: DataType, values: Any) -> None:
    checked = compile_column(Field(name="x", type=kind, nullable=True))(Raw(values), Problems())
    assert checked is not None
    assert np.shares_memory(checked.values, values)


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (Integer(8), np.array([1, 200], dtype=np.int64) - 100, [-99, 100]),
        (Integer(), np.array([1.0, np.nan]), [1, None]),
        (Integer(8), np.array([1.0, np.nan], dtype=np.float16), [1, None]),
        (Integer(64, signed=False), np.array([2.0**63]), [2**63]),
        (Float(), np.array([1, 2], dtype=np.uint8), [1.0, 2.0]),
        (Float(16), np.array([1, 2]), [1.0, 2.0]),
        (Float(), [1, None, 2.5, np.nan, np.float64(3)], [1.0, None, 2.5, None, 3.0]),
        (Float(), [1, pd.NA], [1.0, None]),
        (Bool(), [True, None], [True, None]),
        (Bool(), [np.bool_(False)], [False]),
        (Integer(), [1, np.nan, pd.NaT], [1, None, None]),
        (String(), np.array(["a", "b"]), ["a", "b"]),
        (String(), ["a", np.nan, None, pd.NA], ["a", None, None, None]),
        (Category((True, False)), np.array([True, False]), [True, False]),
        (Category((1, 2)), np.array([1, 2], dtype=np.int8), [1, 2]),
        (Category((1, 2)), np.array([1.0, np.nan]), [1, None]),
        (Category((0.5, 1.0)), [0.5, 1], [0.5, 1.0]),
        (Category(("a",)), np.array(["a"]), ["a"]),
        (Date(), np.array(["2026-01-01", "NaT"], dtype="M8[ns]"), [dt.date(2026, 1, 1), None]),
        (Date(), ["2026-01-01", dt.date(2026, 1, 2)], [dt.date(2026, 1, 1), dt.date(2026, 1, 2)]),
        (Duration("s"), np.array([1000], dtype="m8[ms]"), [dt.timedelta(seconds=1)]),
        (
            Duration("s"),
            ["-PT1S", pd.Timedelta("1s"), np.timedelta64(1, "m")],
            [dt.timedelta(seconds=s) for s in (-1, 1, 60)],
        ),
        (Binary(), [b"a", bytearray(b"b"), memoryview(b"c"), "ZA=="], [b"a", b"b", b"c", b"d"]),
        (List(Integer()), [[1, 2], (3,), np.array([4]), pd.Series([5]), pl.Series([6])], [[1, 2], [3], [4], [5], [6]]),
        (List(Float(32)), [np.ones(2, dtype=np.float32), np.zeros(0, dtype=np.float32)], [[1.0, 1.0], []]),
        (List(Date()), [np.array(["2026-01-01"], dtype="M8[D]")], [[np.datetime64("2026-01-01")]]),
        (List(List(Integer())), [[[1], []], []], [[[1], []], []]),
        (List(Tensor("int8", (2,))), [[[1, 2]]], [[pytest.approx([1, 2])]]),
        (Tensor("float32", (2,)), [[1, 2], np.array([3.0, 4.0]), (5, 6)], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        (Tensor("float32", ()), [1, 2.5, np.float64(3)], [1.0, 2.5, 3.0]),
        (Tensor("int64", (1,)), np.array([[1.0], [2.0]]), [[1], [2]]),
        (Tensor("float64", (1,)), np.array([[1], [2]]), [[1.0], [2.0]]),
        (Tensor("float64", (2, 0)), [[[], []]], [[[], []]]),
    ],
)
def test_what_is_taken(kind: DataType, values: Any, expected: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert column(kind, values, nullable=True) == expected


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (Integer(8), np.array([1, 300]), [("out-of-range", 1, "x")]),
        (Integer(), np.array([1.5, np.inf]), [("not-whole", 0, "x"), ("not-finite", 1, "x")]),
        (Integer(), np.array([True]), [("wrong-type", 0, "x")]),
        (Integer(), np.array([1], dtype="m8[s]"), [("wrong-type", 0, "x")]),
        (Integer(), [10**400], [("out-of-range", 0, "x")]),
        (Float(), [10**400], [("out-of-range", 0, "x")]),
        (Float(), [1, 2**53 + 1], [("out-of-range", 1, "x")]),
        (Float(32), np.array([1.0, 1e39]), [("out-of-range", 1, "x")]),
        (Float(32), [1e39, float("inf")], [("out-of-range", 0, "x"), ("not-finite", 1, "x")]),
        (Float(), np.array(["1"]), [("wrong-type", 0, "x")]),
        (Float(), [np.longdouble("1e4000")], [("out-of-range", 0, "x")]),
        (String(), ["a", 1], [("wrong-type", 1, "x")]),
        (String(), np.array(["a", "\ud800"], dtype=object), [("wrong-type", 1, "x")]),
        (String(), np.array([b"a"]), [("wrong-type", 0, "x")]),
        (Category(("a",)), ["b", 1], [("not-allowed", 0, "x"), ("wrong-type", 1, "x")]),
        (Binary(), ["not base64!"], [("wrong-type", 0, "x")]),
        (Date(), ["2026-W01-1", "2026-02-30"], [("wrong-type", 0, "x"), ("wrong-type", 1, "x")]),
        (Date(), np.array(["2026-01-01T12"], dtype="M8[h]"), [("out-of-range", 0, "x")]),
        (Timestamp("ns"), np.array(["9999-01-01"], dtype="M8[s]"), [("out-of-range", 0, "x")]),
        (Timestamp("us", "UTC"), np.array(["2026-01-01"], dtype="M8[s]"), [("zone", 0, "x")]),
        (Duration("s"), ["P1Y", "PT", "P", "-"], [("wrong-type", row, "x") for row in range(4)]),
        (Decimal(4, 1), ["1.25", "x", "NaN", 1.5, "1" * 200],
         [("out-of-range", 0, "x"), *(("wrong-type", r, "x") for r in range(1, 5))]),
        (List(Integer()), [[1, "a"], 5, {1}, "ab", b"ab", {"a": 1}],
         [("wrong-type", r, "x") for r in range(1, 6)] + [("wrong-type", 0, "x[1]")]),
        (List(Integer()), [[], [1, None]], [("null", 1, "x[1]")]),
        (List(Float()), [[1.0], [2.0, np.inf]], [("not-finite", 1, "x[1]")]),
        (List(List(Integer())), [[[1], [2, "a"]]], [("wrong-type", 0, "x[1][1]")]),
        (Tensor("float64", (2,)), np.ones((3, 3)), [("shape", None, "x")]),
        (Tensor("float64", (2,)), np.array([[1.0, np.inf],
         [np.nan, 1.0]]), [("null", 1, "x[0]"), ("not-finite", 0, "x[1]")]),
        (Tensor("float64", (2, 2)), np.array([[[1, 2], [3, np.inf]]]), [("not-finite", 0, "x[1, 1]")]),
        (Tensor("float64", (2,)), [[1], [1, 2, 3], "ab", 5, [[1], [2]], {"a": 1}],
         [("shape", 0, "x"), ("shape", 1, "x"), ("wrong-type", 2, "x"),
          ("wrong-type", 3, "x"), ("shape", 4, "x"), ("wrong-type", 5, "x")]),
        (Tensor("float64", (None, 2)), [[[1, 2], [3]], [[1, 2]]], [("shape", 0, "x")]),
        (Tensor("float64", (None,)), [[1.0], [2.0, "a"]], [("wrong-type", 1, "x[1]")]),
        (Tensor("int8", (1,)), np.array([[300]]), [("out-of-range", 0, "x[0]")]),
        (Tensor("float32", (1,)), np.array([[1e39]]), [("out-of-range", 0, "x[0]")]),
        (Tensor("bool", (1,)), np.array([[1]]), [("wrong-type", 0, "x[0]")]),
        (Tensor("int64", (2,)), [[True, 1]], [("wrong-type", 0, "x[0]")]),
    ],
)  # fmt: skip
def test_what_is_refused(kind: DataType, values: Any, expected: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert places(kind, values) == expected


def test_structs() -> None:
    inner = (
        Field(name="a", type=Integer(), minimum=0),
        Field(name="b", type=String(), nullable=True, default=None),
        Field(name="c", type=List(Float()), default=()),
    )
    kind = Struct(inner)
    good = [{"a": 1, "b": "x", "c": [1.0]}, {"a": 2, "extra": 1}]
    assert column(kind, good) == [{"a": 1, "b": "x", "c": [1.0]}, {"a": 2, "b": None, "c": []}]
    assert column(kind, [None], nullable=True) == [None]
    assert column(Struct(()), [{}]) == [{}]
    bad = [None, {"a": -1}, 5, {"b": 1}, {"a": 1, "c": [1.0, np.inf]}]
    assert sorted(places(kind, bad), key=str) == sorted(
        [
            ("null", 0, "x"),
            ("too-small", 1, "x.a"),
            ("wrong-type", 2, "x"),
            ("missing-field", 3, "x.a"),
            ("wrong-type", 3, "x.b"),
            ("not-finite", 4, "x.c[1]"),
        ],
        key=str,
    )


def test_the_length_of_what_holds_a_wrong_value() -> None:
    assert places(List(Integer()), [["a", 2, 3]], max_length=2) == [("wrong-type", 0, "x[0]"), ("too-long", 0, "x")]
    assert places(String(), [5, "abc"], max_length=2) == [("wrong-type", 0, "x"), ("too-long", 1, "x")]


def test_masks_of_containers() -> None:
    for kind, values in (
        (Integer(8), np.array([1, 999])),
        (Float(), np.array([1.0, 2.0])),
        (Float(), np.array([1, 2])),
        (Bool(), np.array([True, False])),
        (String(), np.array(["a", "b"], dtype=object)),
        (Category((1, 2)), np.array([1, 2])),
        (Date(), np.array(["2026-01-01", "2026-01-02"], dtype="M8[D]")),
        (List(Integer()), [[1], [2]]),
        (Tensor("int8", (1,)), np.array([[1], [2]])),
    ):
        assert column(kind, values, missing=[False, True], nullable=True)[1] is None


def test_nan_inside_a_tensor_where_infinity_is_allowed() -> None:
    data = np.array([[np.nan, np.inf]])
    kind = Tensor("float64", (2,))
    checked = compile_column(Field(name="x", type=kind, allow_infinity=True))(Raw(data), Problems())
    assert checked is not None
    assert checked.values.tolist() == [[pytest.approx(np.nan, nan_ok=True), np.inf]]
    made = column(kind, [[None, 1.0]], allow_infinity=True)
    assert np.isnan(made[0][0])


def test_null_rows_among_tensors() -> None:
    assert column(Tensor("int64", (2,)), [[1, 2], None], nullable=True) == [[1, 2], None]
    ragged = column(Tensor("int64", (None,)), [[1, 2], None, [3]], nullable=True)
    assert [None if row is None else list(row) for row in ragged] == [[1, 2], None, [3]]
    assert column(Tensor("int64", (None,)), []) == []


def test_arrays_inside_columns_that_cannot_be_read() -> None:
    class Array:
        def __array__(self, *_: object, **__: object) -> Any:
            raise RuntimeError("needs a gradient")

    assert places(Tensor("float64", (2,)), [Array()]) == [("wrong-type", 0, "x")]


def test_arrow_lists_of_one_length_are_not_taken_apart() -> None:
    from modelwheel_loader.validate.reading import arrow_column, polars_column

    pairs = pa.list_(pa.float64(), 2)
    assert arrow_column(pa.array([[1.0, 2.0]], type=pairs)).values.shape == (1, 2)
    assert arrow_column(pa.array([[1.0, None]], type=pairs)).values == [[1.0, None]]
    assert polars_column(pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float64, 2))).values.shape == (1, 2)
    assert polars_column(pl.Series([[1.0, None]], dtype=pl.Array(pl.Float64, 2))).values == [[1.0, None]]


# -- times --------------------------------------------------------------------------------------------------------


def test_instants_of_columns_keep_that_they_have_a_zone() -> None:
    values = np.array(["2026-01-01", "NaT"], dtype="M8[ns]")
    assert column(Timestamp("us", "UTC"), values, utc=True, nullable=True)[1] is None
    for kind in (Date(), Timestamp("us")):
        assert places(kind, values[:1], utc=True) == [("zone", 0, "x")]
    fine = np.array(["2026-01-01T00:00:00.000000001"], dtype="M8[ns]")
    assert places(Timestamp("us", "UTC"), fine, utc=True) == [("out-of-range", 0, "x")]
    assert found(Instant(np.datetime64("2026-01-01"))) == "2026-01-01Z"


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("1970-01-01T00:00:01", "s", 1),
        ("1970-01-01 00:00:01,5", "ms", 1500),
        ("1970-01-01T00:00:00.000000001", "ns", 1),
        (np.datetime64("1970-02"), "s", 31 * 86400),
        (pd.Timestamp(np.datetime64("20000-01-01", "s")), "s", int(np.datetime64("20000-01-01", "s").astype(int))),
        (pd.Timestamp("1970-01-01T00:00:00.000000001"), "ns", 1),
        (dt.datetime(1969, 12, 31, 23, 59, 59, 999999), "us", -1),  # noqa: DTZ001
    ],
)
def test_wall_clocks(value: Any, unit: str, expected: int) -> None:
    assert timestamp_count(value, unit, zoned=False) == expected


@pytest.mark.parametrize(
    "value",
    ["1970-01-01T01:00:00+01:00", "1970-01-01T00:00Z", "1970-01-01T00:00:00-00", pd.Timestamp(0, tz="Europe/Berlin")],
)
def test_the_same_instant(value: Any) -> None:
    assert timestamp_count(value, "ns", zoned=True) == 0


def test_times_that_lose_something() -> None:
    with pytest.raises(LossyError):
        timestamp_count("1970-01-01T00:00:00.0000000001", "ns", zoned=False)
    with pytest.raises(LossyError):
        timestamp_count(np.datetime64("9999-01-01", "s"), "ns", zoned=False)
    with pytest.raises(ZoneError):
        timestamp_count(dt.date(2026, 1, 1), "s", zoned=True)
    with pytest.raises(TypeError):
        timestamp_count(5, "s", zoned=False)
    with pytest.raises(TypeError):
        timestamp_count(np.datetime64(1, "fs"), "s", zoned=False)
    with pytest.raises(TypeError):
        duration_count(np.timedelta64(1, "M"), "s")
    with pytest.raises(TypeError):
        duration_count(1, "s")
    assert day_count("2026-01-01") == 20454
    assert duration_count("P1W2DT3H4M5.5S", "ms") == 788645500
    _, lost = convert_unit(np.array([1, 1000], dtype="m8[ms]"), "timedelta64[s]")
    assert lost is not None
    assert lost.tolist() == [True, False]


# -- null, errors ---------------------------------------------------------------------------------------------------


def test_what_is_null() -> None:
    from decimal import Decimal as PythonDecimal

    for value in (
        None,
        np.nan,
        float("nan"),
        np.float32("nan"),
        pd.NA,
        pd.NaT,
        np.datetime64("NaT"),
        PythonDecimal("sNaN"),
    ):
        assert is_null(value)
    for value in (0, "", "nan", False, np.array([np.nan]), [], {}):
        assert not is_null(value)


def test_the_first_defect_of_each_field_is_kept() -> None:
    problems = Problems()
    bad = np.ones(3 * COLLECTED, dtype=bool)
    for field in ("a", "b", "b.c", "d[]"):
        told = {"code": "input.null", "message": "is null", "field": field}
        problems.rows(bad, lambda _, told=told: told)  # type: ignore[misc]
    problems.refuse(Mismatch("input.null", "", ""), None, row=5, field="e")
    problems.refuse(Mismatch("input.null", "", ""), None, row=6, field="e")
    kept = [defect.field for defect in problems.defects]
    assert kept == ["a"] * COLLECTED + ["b", "d[]", "e"]
    assert problems.counted == 12 * COLLECTED + 2


def test_they_are_bounded_too() -> None:
    problems = Problems()
    for number in range(1000):
        problems.add("input.missing-field", "is missing", field=f"f{number}")
    assert (len(problems.defects), problems.counted) == (COLLECTED * 2, 1000)


def test_defects_inside_are_counted_with_those_outside() -> None:
    problems = Problems()
    inside = Inside(problems, [7], "x")
    for _ in range(COLLECTED + 5):
        inside.add("input.null", "is null", row=0, field="x")
    inside.refuse(Mismatch("input.null", "", ""), None, row=0, field="x")
    assert (problems.counted, len(problems.defects), problems.defects[0].row) == (COLLECTED + 6, COLLECTED, 7)
