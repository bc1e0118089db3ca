"""`Schema.of`: a schema from whatever describes one."""

from __future__ import annotations

import dataclasses
from typing import TypedDict

import pyarrow as pa
import pydantic
import pytest

from modelwheel_loader import Field, Schema
from modelwheel_loader.errors import InvalidBundle, UsageError
from modelwheel_loader.opening.types import Float, Integer

FIELDS = (Field(name="age", type=Integer()), Field(name="income", type=Float()))


class Model(pydantic.BaseModel):
    age: int
    income: float


@dataclasses.dataclass
class Data:
    age: int
    income: float


class Typed(TypedDict):
    age: int
    income: float


def arguments(age: int, income: float) -> float:
    return age * income


def row(row: Data, threshold: float = 0.3) -> float:
    return row.age * threshold


def rows(rows: list[Typed], threshold: float = 0.3) -> list[float]:
    return [row["age"] * threshold for row in rows]


class Callable:
    def __call__(self, age: int, income: float) -> float:
        return age * income


ARROW = pa.schema([pa.field("age", pa.int64(), nullable=False), pa.field("income", pa.float64(), nullable=False)])
SOURCES = [Schema(fields=FIELDS), Schema(fields=FIELDS).to_dict(), Model, Data, Typed, arguments, row, rows, Callable()]


@pytest.mark.parametrize("source", [*SOURCES, ARROW], ids=lambda source: type(source).__name__)
def test_whatever_describes_a_schema_gives_it(source: object) -> None:
    assert Schema.of(source).fields == FIELDS


@pytest.mark.parametrize("source", [3, None, "int64", [1, 2]])
def test_what_describes_none_is_refused(source: object) -> None:
    with pytest.raises(UsageError, match=r"describes no schema.*pydantic model") as caught:
        Schema.of(source)
    assert caught.value.code == "schema.source"


def test_a_wrong_description_says_all_that_is_wrong() -> None:
    with pytest.raises(InvalidBundle):
        Schema.of({"fields": [{"name": "a", "type": "int65"}], "layout": "frame"})
    with pytest.raises(UsageError, match="has no type hint"):
        Schema.of(lambda x, y: x + y)


def test_hints_that_name_what_is_not_there_are_none() -> None:
    def broken(x: NotHere) -> float:  # type: ignore[name-defined]  # noqa: F821
        return float(x)

    with pytest.raises(UsageError, match="a name is not known here"):
        Schema.from_callable(broken)


def test_metadata_that_is_not_ours_is_ignored() -> None:
    strange = ARROW.with_metadata({b"modelwheel": b'{"layout": "round"}'})
    assert Schema.from_arrow(strange) == Schema.from_arrow(ARROW)
