"""One schema, two validators that agree: the same data as rows, columns and tables of any library is judged alike.

`../shared/DESIGN.md`, section 4: "One schema, two compiled validators that must agree (a property test holds them
together): one for rows, one for columns."
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
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
from modelwheel_loader.validate.inputs import InputCheck, compile_input

WALL = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001
INSTANTS = WALL.map(lambda value: value.replace(tzinfo=dt.UTC))
SPANS = st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000))
TEXT = st.text(max_size=4)
UNITS = st.sampled_from(["s", "ms", "us", "ns"])

SCALARS: st.SearchStrategy[DataType] = st.one_of(
    st.just(Bool()),
    st.builds(Integer, st.sampled_from([8, 16, 32, 64]), st.booleans()),
    st.builds(Float, st.sampled_from([16, 32, 64])),
    st.just(String()),
    st.just(Binary()),
    st.just(Date()),
    st.builds(Timestamp, UNITS, st.sampled_from([None, "UTC", "Europe/Berlin"])),
    st.builds(Duration, UNITS),
    st.just(Decimal(6, 2)),
    st.just(Category(("lo", "mid", "hi"))),
    st.just(Category((1, 2, 3))),
    st.just(Category((0.5, 1.0))),
)
TENSORS = st.builds(
    Tensor, st.sampled_from(["bool", "int32", "float32", "float64"]), st.sampled_from([(2,), (None,), (2, 2)])
)
TYPES: st.SearchStrategy[DataType] = st.one_of(
    SCALARS,
    SCALARS,
    TENSORS,
    st.builds(List, SCALARS, st.booleans()),
    st.builds(List, st.builds(List, st.sampled_from([Integer(8), String()]))),
    st.builds(
        lambda first, second: Struct(
            (Field(name="a", type=first), Field(name="b", type=second, nullable=True, default=None))
        ),
        SCALARS,
        SCALARS,
    ),
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(
        [2**53 + 1, 2**63, 300, 65520, 3.4028235677973366e38, 1e39, 2.0**60, "1.5", "é", "\ud800", "NaN", ""]
    ),
    st.sampled_from(
        [np.float32(1.5), np.int64(7), np.bool_(True), np.float64("nan"), np.timedelta64(5, "s"), np.str_("lo")]
    ),
    st.sampled_from([np.datetime64("2020-01-01"), np.datetime64("NaT"), np.datetime64("2020-01-01T00:00:00.5")]),
    st.sampled_from(
        [pd.NA, pd.NaT, pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-01", tz="UTC"), pd.Timedelta("1ns")]
    ),
    st.sampled_from([decimal.Decimal("1.5"), decimal.Decimal("1E+999999"), decimal.Decimal("NaN")]),
    TEXT,
    st.binary(max_size=3),
    WALL,
    INSTANTS,
    WALL.map(dt.datetime.date),
    SPANS,
    st.sampled_from(["2020-01-01", "2020-01-01T01:02:03", "2020-01-01T01:02:03Z", "PT1H", "AAAA"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from(
        [[1.0, 2.0], [[1, 2], [3, 4]], [True, 1], [None], [float("inf"), 1], {"a": 1}, {"a": "x", "b": None}]
    ),
)


def valid(kind: DataType) -> st.SearchStrategy[Any]:
    match kind:
        case Bool():
            return st.booleans()
        case Integer():
            return st.integers(*kind.range) | st.integers(max(kind.range[0], -9), 9).map(float)
        case Float():
            return st.floats(width=16, allow_nan=False) | st.integers(-9, 9)
        case String():
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
        case Binary():
            return st.binary(max_size=4)
        case Date():
            return st.dates() | st.dates().map(str)
        case Timestamp():
            return (INSTANTS if kind.zone else WALL).map(lambda value: value.replace(microsecond=0))
        case Duration():
            return SPANS.map(lambda value: dt.timedelta(days=value.days))
        case Decimal():
            return st.decimals(-99, 99, places=2) | st.integers(-9, 9)
        case Category():
            return st.sampled_from(kind.values)
        case List():
            item = valid(kind.item) | st.none() if kind.nullable else valid(kind.item)
            return st.lists(item, max_size=3)
        case Struct():
            return st.fixed_dictionaries(
                {"a": valid(kind.fields[0].type)}, optional={"b": valid(kind.fields[1].type) | st.none()}
            )
        case Tensor():
            item = st.booleans() if kind.dtype == "bool" else st.integers(-9, 9)
            made: st.SearchStrategy[Any] = item
            for axis in reversed(kind.shape):
                made = st.lists(made, min_size=axis or 0, max_size=axis if axis is not None else 3)
            return made
    raise TypeError(kind)


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(TYPES)
    rules: dict[str, Any] = {"nullable": draw(st.booleans())}
    if isinstance(kind, Integer | Float | Decimal) and draw(st.booleans()):
        rules |= {"minimum": 0, "maximum": draw(st.sampled_from([5, 100]))}
    elif isinstance(kind, Integer | Float | String) and draw(st.integers(0, 4)) == 0:
        rules["allowed"] = ("lo", "a") if isinstance(kind, String) else (1, 2, 3)
    if isinstance(kind, String | Binary | List) and draw(st.booleans()):
        rules |= {"min_length": 1, "max_length": 2}
    if isinstance(kind, String) and draw(st.integers(0, 3)) == 0:
        rules["pattern"] = "[a-z]*"
    if isinstance(kind, Float | Tensor | List):
        rules["allow_infinity"] = draw(st.booleans())
    return Field(name=name, type=kind, **rules)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schema, list[dict[str, Any]]]:
    made = [draw(fields(f"f{index}")) for index in range(draw(st.integers(1, 3)))]
    schema = Schema(fields=(Field(name="id", type=Integer()), *made))
    share = draw(st.sampled_from([0, 1, 3]))
    count = draw(st.integers(0, 4))
    rows = []
    for number in range(count):
        row: dict[str, Any] = {"id": number}
        for field in made:
            junk = draw(st.integers(0, 9)) < share
            row[field.name] = draw(JUNK if junk else valid(field.type))
        rows.append(row)
    return schema, rows


def plain(value: Any) -> Any:
    """A canonical value in a form that compares with its type."""
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, repr(value.tolist()))
    if isinstance(value, list):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items()}
    return (type(value).__name__, repr(value))


def judged(check: InputCheck, data: Any) -> Any:
    """What the check says: the canonical values, or the codes and places of the defects."""
    try:
        batch = check(data)
    except InputError as error:
        return error.counted, sorted((d.code, -1 if d.row is None else d.row, d.field or "") for d in error.defects)
    answer: dict[str, Any] = {}
    for field in check.schema.fields:
        values, missing = batch.column(field.name)
        absent = np.zeros(batch.rows, dtype=bool) if missing is None else missing
        assert len(values) == batch.rows
        assert isinstance(field.type, Tensor) or str(values.dtype) == field.type.canonical
        answer[field.name] = [None if gone else plain(value) for value, gone in zip(values, absent, strict=True)]
    return answer


def columns_of(rows: list[dict[str, Any]], schema: Schema) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in schema.names}


def as_objects(values: list[Any]) -> np.ndarray[Any, Any]:
    return np.fromiter(values, dtype=object, count=len(values))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_rows_and_columns_agree(case: tuple[Schema, list[dict[str, Any]]]) -> None:
    schema, rows = case
    check = compile_input(schema)
    columns = columns_of(rows, schema)
    before = repr(rows)
    expected = judged(check, rows)
    assert judged(check, columns) == expected
    assert judged(check, {name: as_objects(values) for name, values in columns.items()}) == expected
    frame = pd.DataFrame({name: pd.Series(as_objects(values), dtype=object) for name, values in columns.items()})
    assert judged(check, frame) == expected
    assert repr(rows) == before


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_one_row_is_judged_as_in_a_list(case: tuple[Schema, list[dict[str, Any]]]) -> None:
    schema, rows = case
    check = compile_input(schema)
    for row in rows:
        alone = judged(check, row)
        if not isinstance(alone, tuple) or alone[1][0][0] != "input.ambiguous":  # a list might be a column
            assert alone == judged(check, [row]), row


def arrow_type(kind: DataType) -> pa.DataType | None:
    match kind:
        case Bool() | Integer() | String() | Binary():
            return pa.type_for_alias(str(kind))
        case Float():
            return {16: pa.float16(), 32: pa.float32(), 64: pa.float64()}[kind.bits]
        case Date():
            return pa.date32()
        case Timestamp():
            return pa.timestamp(kind.unit, kind.zone)
        case Duration():
            return pa.duration(kind.unit)
        case Decimal():
            return pa.decimal128(kind.precision, kind.scale)
        case Category():
            return {str: pa.dictionary(pa.int8(), pa.string()), int: pa.int64(), float: pa.float64()}[
                type(kind.values[0])
            ]
        case List():
            item = arrow_type(kind.item)
            return None if item is None else pa.list_(item)
        case Struct():
            parts = [(field.name, arrow_type(field.type)) for field in kind.fields]
            return None if any(part is None for _, part in parts) else pa.struct(parts)
        case Tensor():
            return pa.list_(pa.type_for_alias(kind.dtype)) if len(kind.shape) == 1 else None
    return None


@st.composite
def tables(draw: st.DrawFn) -> tuple[Schema, pa.Table]:
    """A schema, and a table of types of its own: often the schema's, often others."""
    count = draw(st.integers(0, 3))
    made, arrays = [], {}
    for index in range(draw(st.integers(1, 3))):
        field = draw(fields(f"f{index}"))
        sent = draw(st.one_of(st.just(field.type), st.just(field.type), SCALARS))
        # a whole array of a wrong shape is one defect, rows of wrong shapes are many
        dtype = arrow_type(field.type if isinstance(field.type, Tensor) else sent)
        if dtype is None:
            continue
        sent = field.type if isinstance(field.type, Tensor) else sent
        values = draw(st.lists(valid(sent) | st.none(), min_size=count, max_size=count))
        if isinstance(sent, Date):
            values = [dt.date.fromisoformat(value) if isinstance(value, str) else value for value in values]
        try:
            arrays[field.name] = pa.array(values, type=dtype)
        except (pa.ArrowException, OverflowError, TypeError):
            continue  # the library itself cannot hold these
        made.append(field)
    schema = Schema(fields=tuple(made))
    return schema, pa.table(arrays)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as Python has them; nanoseconds as numpy's scalars, for Python has none."""
    columns = {}
    for name in table.column_names:
        column = table.column(name)
        fine = pa.types.is_duration(column.type) or (pa.types.is_timestamp(column.type) and column.type.tz is None)
        columns[name] = list(column.to_numpy()) if fine else column.to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables())
def test_tables_are_judged_as_their_rows(case: tuple[Schema, pa.Table]) -> None:
    schema, table = case
    if not len(schema):
        return
    check = compile_input(schema)
    answer = judged(check, table)
    if table.num_rows:
        assert judged(check, rows_of(table)) == answer
    if not table.num_rows:
        return
    nested = any(pa.types.is_nested(column.type) for column in table.columns)
    if not nested and not any(pa.types.is_decimal(column.type) for column in table.columns):
        assert judged(check, table.to_pandas(types_mapper=pd.ArrowDtype)) == answer
    if not nested:
        assert judged(check, table.to_pandas(integer_object_nulls=True, timestamp_as_object=False)) == answer
    odd = ("halffloat", "timestamp[s", "duration[s", "dictionary")  # which Polars has not, or panics on when empty
    if not any(name in str(column.type) for name in odd for column in table.columns):
        frame = pl.from_arrow(table)
        assert judged(check, frame) == answer
