"""Plain input takes the fast paths, which fail nothing when they silently stop being taken; and the limits of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import (
    Bool,
    Category,
    DataType,
    Date,
    Duration,
    Float,
    Integer,
    List,
    String,
    Tensor,
    Timestamp,
)
from modelwheel_loader.validate import careful, inputs, kinds, numbers, problems, texts
from modelwheel_loader.validate.batch import Batch
from modelwheel_loader.validate.inputs import InputCheck, compile_input

KINDS: dict[str, DataType] = {
    "f": Float(),
    "g": Float(32),
    "i": Integer(),
    "u": Integer(8, signed=False),
    "s": String(),
    "b": Bool(),
    "c": Category(("lo", "hi")),
}
PLAIN: dict[str, list[Any]] = {
    "f": [1.5, -2.0, 0.0, 1e30],
    "g": [0.5, 1.0, 1e30, -3.0],
    "i": [1, -2, 2**62, 0],
    "u": [0, 255, 3, 4],
    "s": ["a", "", "xyz", "b"],
    "b": [True, False, True, True],
    "c": ["lo", "hi", "lo", "lo"],
}
MIXED = Schema(fields=tuple(Field(name=name, type=kind, nullable=name in "fsc") for name, kind in KINDS.items()))
FLOATS = Schema(fields=tuple(Field(name=f"x{n}", type=Float()) for n in range(3)), layout="matrix", dtype="float64")
TIMES = Schema(
    fields=(
        Field(name="d", type=Date()),
        Field(name="t", type=Timestamp("us")),
        Field(name="z", type=Timestamp("us", "UTC")),
        Field(name="l", type=Duration("us")),
    )
)
DTYPES = {"f": "float64", "g": "float32", "i": "int64", "u": "uint8", "s": "str", "b": "bool", "c": "category"}


def rows_of(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


class Slow(BaseException):
    """Passes the border that turns what objects raise into errors of the input."""


@pytest.fixture
def never_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise Slow

    monkeypatch.setattr(kinds.Kind, "_one_by_one", fail)


@pytest.mark.parametrize("position", range(4))
def test_one_plain_row_never_reaches_the_careful_path(position: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise Slow

    monkeypatch.setattr(InputCheck, "_make_careful", fail)
    row = rows_of(PLAIN)[position]
    nulls = {**row, "f": None, "s": None, "c": None}
    for given in (row, [row], nulls, dict(reversed(row.items())), {**row, "more": 1}):
        assert compile_input(MIXED)(given).rows == 1
    numbers_ = {"x0": 1, "x1": np.float64(2.5), "x2": -3.0}
    assert compile_input(FLOATS)(numbers_).rows == 1
    strict = compile_input(MIXED.replace(extra="error", fields=MIXED.fields))
    assert strict(row).single


def frames() -> dict[str, Any]:
    pandas = pd.DataFrame(PLAIN).astype(DTYPES)
    arrow = pa.table({name: pa.array(PLAIN[name]) for name in PLAIN})
    return {
        "rows": rows_of(PLAIN),
        "lists": PLAIN,
        "arrays": {name: np.array(values) for name, values in PLAIN.items()},
        "objects": {name: np.array(values, dtype=object) for name, values in PLAIN.items()},
        "pandas": pandas,
        "pandas series": {name: pandas[name] for name in PLAIN},
        "pandas nullable": pd.DataFrame(PLAIN).convert_dtypes(),
        "polars": pl.DataFrame(PLAIN),
        "arrow": arrow,
        "arrow dictionary": arrow.set_column(6, "c", arrow["c"].dictionary_encode()),
        "structured": np.array(
            list(zip(*PLAIN.values(), strict=True)),
            dtype=[(name, DTYPES[name] if name not in "sc" else object) for name in PLAIN],
        ),
    }


@pytest.mark.parametrize("name", frames())
@pytest.mark.usefixtures("never_one_by_one")
def test_many_plain_rows_are_checked_at_once(name: str) -> None:
    batch = compile_input(MIXED)(frames()[name])
    for field, values in PLAIN.items():
        column = batch.column(field)
        assert column.missing is None
        assert column.values.tolist() == np.array(values, dtype=KINDS[field].canonical).tolist(), field


@pytest.mark.parametrize("name", ["rows", "lists", "pandas", "polars", "arrow"])
@pytest.mark.usefixtures("never_one_by_one")
def test_null_among_plain_values_is_found_at_once(name: str) -> None:
    holes = {field: [*values[:3], None if field in "fsc" else values[3]] for field, values in PLAIN.items()}
    given: dict[str, Callable[[], Any]] = {
        "rows": lambda: rows_of(holes),
        "lists": lambda: holes,
        "pandas": lambda: pd.DataFrame(holes).astype(DTYPES),
        "polars": lambda: pl.DataFrame(holes),
        "arrow": lambda: pa.table(holes),
    }
    batch = compile_input(MIXED)(given[name]())
    for field in "fsc":
        missing = batch.column(field).missing
        assert missing is not None
        assert missing.tolist() == [False, False, False, True]


@pytest.mark.parametrize("wrap", [np.asarray, np.float32, lambda data: data.astype(np.int16), np.asfortranarray])
@pytest.mark.usefixtures("never_one_by_one")
def test_a_matrix_is_one_block(wrap: Any) -> None:
    batch = compile_input(FLOATS)(wrap(np.arange(6.0).reshape(2, 3)))
    assert batch.block is not None
    assert batch.block.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert compile_input(FLOATS)([[0.0, 1.0, 2.0]]).rows == 1


@pytest.mark.parametrize(
    "given",
    [
        lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        lambda columns: {name: np.array(values) for name, values in columns.items()},
        lambda columns: columns,
        pd.DataFrame,
    ],
)
@pytest.mark.usefixtures("never_one_by_one")
def test_floats_alone_are_one_block(given: Any) -> None:
    batch = compile_input(FLOATS)(given({f"x{n}": [float(n), 0.5] for n in range(3)}))
    assert batch.block is not None
    assert batch.block.tolist() == [[0.0, 1.0, 2.0], [0.5, 0.5, 0.5]]


@pytest.mark.usefixtures("never_one_by_one")
def test_times_of_frames_are_checked_at_once() -> None:
    moment = dt.datetime(2026, 1, 31, 12, 30)  # noqa: DTZ001
    values = {
        "d": [moment.date()] * 2,
        "t": [moment] * 2,
        "z": [moment.replace(tzinfo=dt.UTC)] * 2,
        "l": [dt.timedelta(seconds=5)] * 2,
    }
    day = np.array(["2026-01-31"] * 2, dtype="M8[D]")
    whole = pd.DataFrame({**values, "d": pd.to_datetime(day)})
    for given in (whole, pl.DataFrame(values), pa.table(values), {**whole.to_dict("series"), "d": day}):
        assert compile_input(TIMES)(given).column("l").values.tolist() == values["l"]


@pytest.mark.usefixtures("never_one_by_one")
def test_plain_lists_and_tensors_are_checked_at_once() -> None:
    schema = Schema(fields=(Field(name="l", type=List(Float())), Field(name="t", type=Tensor("float32", (2,)))))
    check = compile_input(schema)
    for rows in (1, 3):
        assert check([{"l": [1.0, 2.0], "t": [1, 2]}] * rows).rows == rows


# -- at the limits ------------------------------------------------------------------------------------------------


def defects_of(schema: Schema, data: Any) -> list[Any]:
    with pytest.raises(InputError) as caught:
        compile_input(schema)(data)
    return [caught.value.counted, *caught.value.defects]


def one(kind: DataType, **rules: Any) -> Schema:
    return Schema(fields=(Field(name="x", type=kind, **rules),))


@pytest.mark.parametrize("wrong", [problems.COLLECTED - 1, problems.COLLECTED, problems.COLLECTED + 1])
def test_a_hundred_defects_are_described_and_all_counted(wrong: int) -> None:
    for values in (["a"] * wrong, [-1.0] * wrong):
        counted, *found = defects_of(one(Float(), minimum=0), {"x": values})
        assert counted == wrong
        assert len(found) == min(wrong, problems.COLLECTED)


@pytest.mark.parametrize("fields", [problems.COLLECTED - 1, problems.COLLECTED, problems.COLLECTED + 1])
def test_each_further_field_is_described_once_up_to_twice_as_many(fields: int) -> None:
    names = [f"x{n}" for n in range(fields + 1)]
    schema = Schema(fields=tuple(Field(name=name, type=Float()) for name in names))
    rows = [dict.fromkeys(names, 1.0) | {"x0": "a"} for _ in range(problems.COLLECTED - 1)]
    counted, *found = defects_of(schema, [*rows, dict.fromkeys(names, "a")])
    assert counted == problems.COLLECTED - 1 + len(names)
    assert len(found) == min(problems.COLLECTED - 1 + len(names), 2 * problems.COLLECTED)


@pytest.mark.parametrize("length", [numbers._FEW - 1, numbers._FEW, numbers._FEW + 1, careful._FEW, careful._FEW + 1])
def test_few_numbers_are_checked_as_many_are(length: int) -> None:
    """Short arrays are walked by Python, long ones by numpy; few rows of columns are one block, many are not."""
    good = np.arange(float(length))
    assert compile_input(FLOATS)({f"x{n}": good for n in range(3)}).rows == length
    for place in (0, length - 1):
        for bad, code in ((np.inf, "input.not-finite"), (np.nan, "input.null")):
            values = good.copy()
            values[place] = bad
            for given in (values, values.tolist()):
                _, defect = defects_of(FLOATS, {"x0": good, "x1": given, "x2": good})
                assert (defect.code, defect.row, defect.field) == (code, place, "x1")


@pytest.mark.parametrize("rows", [texts._AT_ONCE - 1, texts._AT_ONCE, texts._AT_ONCE + 1])
def test_texts_are_checked_in_pieces(rows: int) -> None:
    good = ["ü"] * rows
    assert compile_input(one(String()))({"x": good}).rows == rows
    for place in (0, rows - 1):
        bad = [*good[:place], "\ud800", *good[place + 1 :]]
        _, defect = defects_of(one(String()), {"x": bad})
        assert (defect.code, defect.row) == ("input.wrong-type", place)


EXACT = numbers.EXACT_IN_FLOAT


@pytest.mark.parametrize("value", [EXACT - 1, EXACT, EXACT + 1, EXACT + 2, 2**54 + 2, 2**54 + 4, 2**60])
def test_whole_numbers_are_floats_where_no_digit_is_lost(value: int) -> None:
    kept = int(float(value)) == value
    for number in (value, -value):
        given = [{"x": number}, {"x": [number]}, {"x": np.array([number])}, [{"x": number}] * 2, {"x": [number, None]}]
        for data in given:
            if kept:
                assert compile_input(one(Float(), nullable=True))(data).column("x").values[0] == number
            else:
                assert defects_of(one(Float(), nullable=True), data)[1].code == "input.out-of-range"


def limits(bits: int) -> tuple[float, float]:
    over = numbers.OVERFLOW[bits]
    return float(np.nextafter(over, 0)), over


@pytest.mark.parametrize("bits", [16, 32])
def test_floats_fit_below_half_a_step_above_the_largest(bits: int) -> None:
    below, over = limits(bits)
    schema = one(Float(bits))
    forms: list[Callable[[float], Any]] = [
        lambda value: {"x": value},
        lambda value: {"x": [value]},
        lambda value: {"x": np.array([value] * 50)},
        lambda value: [{"x": value}, {"x": 0.0}],
        lambda value: pd.DataFrame({"x": [value]}),
    ]
    for sign in (1, -1):
        for form in forms:
            batch = compile_input(schema)(form(sign * below))
            assert batch.column("x").values[0] == sign * float(np.finfo(f"float{bits}").max)
            assert defects_of(schema, form(sign * over))[1].code == "input.out-of-range"


@pytest.mark.parametrize(
    "kind", [Integer(8), Integer(16, signed=False), Integer(64), Integer(64, signed=False)], ids=str
)
def test_integers_at_the_ends_of_their_range(kind: Integer) -> None:
    low, high = kind.range
    for value in (low, high):
        for data in ({"x": value}, {"x": [value]}, {"x": np.array([value])}, [{"x": value}] * 2):
            assert compile_input(one(kind))(data).column("x").values.tolist()[0] == value
    for value in (low - 1, high + 1):
        for data in ({"x": value}, {"x": [value]}, {"x": np.array([value])}, [{"x": value}] * 2):
            assert defects_of(one(kind), data)[1].code == "input.out-of-range"


def test_limits_of_rows_lengths_and_bounds_are_inclusive() -> None:
    counted = one(Float(), minimum=1, maximum=3).replace(min_rows=2, max_rows=3)
    for rows, right in ((1, False), (2, True), (3, True), (4, False)):
        numbers_ = {"x": [1.0, 3.0, 2.0, 2.0][:rows]}
        if right:
            assert compile_input(counted)(numbers_).rows == rows
        else:
            assert defects_of(counted, numbers_)[1].code == "input.row-count"
    schema = one(String(), min_length=2, max_length=3)
    for text, code in (("a", "too-short"), ("ab", ""), ("abc", ""), ("abcd", "too-long")):
        for data in ({"x": text}, {"x": [text]}):
            if code:
                assert defects_of(schema, data)[1].code == f"input.{code}"
            else:
                assert compile_input(schema)(data).rows == 1


def test_numbers_as_narrow_as_half_floats_raise_no_warning() -> None:
    """Under `-W error`: limits beyond what a half float holds are compared in double precision."""
    kinds_: list[DataType] = [Integer(), Integer(64, signed=False), Integer(8), Float(16), Float(32), Float()]
    for kind in kinds_:
        for rules in ({}, {"minimum": -(10**6), "maximum": 10**6} if kind != Integer(8) else {}):
            if kind == Integer(64, signed=False):
                rules = {}  # noqa: PLW2901 - there is no minimum below zero
            check: Callable[[Any], Batch] = compile_input(one(kind, **rules))
            for scalar in (np.float16(3.0), np.float32(3.0), np.float64(3.0), np.longdouble(3.0)):
                for data in ({"x": scalar}, {"x": [scalar]}, {"x": np.array([scalar] * 2)}, [{"x": scalar}] * 2):
                    assert check(data).column("x").values[0] == 3
    assert defects_of(one(Integer()), {"x": np.float16("inf")})[1].code == "input.not-finite"
    assert inputs.compile_input(one(Integer(), nullable=True))({"x": np.float16("nan")}).column("x").missing is not None
