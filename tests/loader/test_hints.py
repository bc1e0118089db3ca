from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, Union

import annotated_types
import numpy as np
import pydantic
import pytest

from modelwheel_loader.bridges.hints import field_of
from modelwheel_loader.bridges.pydantic_model import to_pydantic
from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, parse_type


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Passenger(TypedDict):
    name: str
    age: NotRequired[int]


HINTS: list[tuple[Any, str, bool]] = [
    (bool, "bool", False),
    (int, "int64", False),
    (float, "float64", False),
    (str, "string", False),
    (bytes, "binary", False),
    (dt.date, "date", False),
    (dt.datetime, "timestamp[us]", False),
    (dt.timedelta, "duration[us]", False),
    (decimal.Decimal, "decimal(38, 10)", False),
    (np.int16, "int16", False),
    (np.float32, "float32", False),
    (pydantic.AwareDatetime, "timestamp[us, UTC]", False),
    (pydantic.NaiveDatetime, "timestamp[us]", False),
    (Optional[int], "int64", True),  # noqa: UP045
    (Union[None, str], "string", True),  # noqa: UP007
    (int | None, "int64", True),
    (Annotated[int, "how many"] | None, "int64", True),
    (list[int], "list[int64]", False),
    (Sequence[str | None], "list[string?]", False),
    (Colour, "category", False),
    (Literal["a", "b"], "category", False),
    (Point, "struct[x: float64, y: float64]", False),
    (list[Passenger], "list[struct[name: string, age: int64?]]", False),
]


@pytest.mark.parametrize(("hint", "kind", "nullable"), HINTS)
def test_hints(hint: Any, kind: str, nullable: bool) -> None:
    field = field_of("v", hint)
    assert str(field.type) == kind
    assert field.nullable == nullable
    assert field.required


def test_constraints_in_annotated() -> None:
    field = field_of("v", Annotated[int, annotated_types.Gt(0), annotated_types.Le(9), "how many"])
    assert (field.minimum, field.maximum, field.description) == (1, 9, "how many")
    above = field_of("v", Annotated[float, annotated_types.Gt(0), annotated_types.Lt(1)])
    assert (above.minimum, above.maximum) == (5e-324, 0.9999999999999999)
    text = field_of("v", Annotated[str, annotated_types.Len(1, 5)])
    assert (text.min_length, text.max_length) == (1, 5)
    whole = field_of("v", Annotated[int, Field(name="other", type=parse_type("int8"), minimum=3)], 4)
    assert (whole.name, str(whole.type), whole.minimum, whole.default) == ("v", "int8", 3, 4)


def test_dataclasses_and_typed_dicts() -> None:
    point = Schema.from_class(Point)
    assert (point.layout, point.container) == ("records", "list")
    assert [(field.name, str(field.type), field.required) for field in point] == [
        ("x", "float64", True),
        ("y", "float64", False),
    ]
    passenger = Schema.from_class(Passenger)
    assert passenger["age"].default is None
    assert passenger["age"].nullable
    assert passenger["name"].required


@dataclasses.dataclass
class WithDefaults:
    day: dt.date = dt.date(2026, 1, 1)
    colour: Colour = Colour.RED
    tags: list[str] = dataclasses.field(default_factory=list)
    hidden: int = dataclasses.field(init=False, default=1)


def test_defaults_are_json() -> None:
    schema = Schema.from_class(WithDefaults)
    assert [field.default for field in schema] == ["2026-01-01", "red", []]
    assert Schema.from_dict(schema.to_dict()) == schema


class Address(pydantic.BaseModel):
    city: str
    zip_code: str = pydantic.Field(pattern="[0-9]{5}", alias="zip")


class Customer(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    age: int = pydantic.Field(ge=0, lt=150, description="In years.")
    income: float | None = pydantic.Field(default=None, gt=0, deprecated=True, json_schema_extra={"x-unit": "EUR"})
    name: str = pydantic.Field(min_length=1, max_length=80)
    ratio: float = pydantic.Field(allow_inf_nan=True)
    plan: Literal["free", "paid"] = "free"
    tags: list[str] = pydantic.Field(default_factory=list)
    address: Address


def test_pydantic_models_keep_constraints_and_descriptions() -> None:
    schema = Schema.from_class(Customer)
    assert schema.extra == "error"
    assert schema["age"] == Field(name="age", type=parse_type("int64"), minimum=0, maximum=149, description="In years.")
    income = schema["income"]
    assert (income.nullable, income.default, income.minimum, income.deprecated, income.unit) == (
        True,
        None,
        5e-324,
        True,
        "EUR",
    )
    assert (schema["name"].min_length, schema["name"].max_length) == (1, 80)
    assert schema["ratio"].allow_infinity
    assert (schema["plan"].type, schema["plan"].default) == (Category(("free", "paid")), "free")
    assert schema["tags"].default == []
    assert str(schema["address"].type) == "struct[city: string, zip: string]"


def test_a_model_class_made_from_a_schema_gives_it_back() -> None:
    fields = (
        Field(name="sepal length (cm)", type=parse_type("float32"), minimum=0, unit="cm", description="Of the flower."),
        Field(name="n", type=parse_type("int8"), nullable=True, default=None),
        Field(name="at", type=parse_type("timestamp[ns, Europe/Berlin]")),
        Field(name="kind", type=Category(("a", "b"), ordered=True)),
        Field(name="old", type=parse_type("string"), pattern="[a-z]+", deprecated=True, allowed=("x", "y")),
    )
    schema = Schema(fields=fields, layout="records", container="list", extra="error")
    assert Schema.from_class(to_pydantic(schema)) == schema


def test_callables() -> None:
    def predict(age: int, income: float | None = None, plan: Literal["a", "b"] = "a") -> float:
        return age + (income or 0.0) + len(plan)

    schema = Schema.from_callable(predict)
    assert schema.names == ("age", "income", "plan")
    assert [field.required for field in schema] == [True, False, False]
    assert Schema.from_callable(score_one) == Schema.from_callable(score_many) == Schema.from_class(Point)
    assert Schema.from_callable(Scorer().score).names == ("x",)


def score_one(point: Point) -> float:
    return point.x


def score_many(points: list[Point]) -> list[float]:
    return [point.x for point in points]


class Scorer:
    def score(self, x: float, *rest: Any, **more: Any) -> float:
        return x


def test_what_no_type_describes_is_told_at_once() -> None:
    def predict(a: complex, b: int | str, c: Literal[1, "x"], d: dict[str, int], e: int) -> None:
        del a, b, c, d, e

    with pytest.raises(UsageError) as caught:
        Schema.from_callable(predict)
    assert [defect.field for defect in caught.value.defects] == ["a", "b", "c", "d"]

    def bare(a, b: int):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        del a, b

    with pytest.raises(UsageError) as caught:
        Schema.from_callable(bare)
    assert [defect.field for defect in caught.value.defects] == ["a"]
    with pytest.raises(UsageError):
        Schema.from_class(int)
