"""The pydantic class of a schema takes what the row validator takes of JSON, and refuses what it refuses."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.inputs import compile_input

NUMBERS: list[Any] = [0, 1, -1, 3.0, 3.5, 127, 128, 255, 256, 65504, 65520.0, 1e39, 2**53, 2**53 + 1, 2**63, -(2**63)]
TEXTS: list[Any] = [
    "",
    "red",
    "Red",
    "red\n",
    "3",
    "1.5",
    "true",
    "ab",
    "abab",
    "é",
    "1.10",
    "1.100",
    "1_0",
    "٣",
    " 1 ",
]
TEXTS += ["1e1", "+1", "-.5", "5.", "NaN", "Infinity", "AAEC", "AAE", "AA EC", "_-__", "null"]
TIMES: list[Any] = ["2026-01-31", "2026-1-31", "20260131", "2026-01-31T12:30", "2026-01-31 12:30:00", "2026-02-30"]
TIMES += ["2026-01-31T12:30:00Z", "2026-01-31t12:30:00z", "2026-01-31T12:30:00+0100", "2026-01-31T12:30:00.1234567"]
TIMES += [
    "2026-01-31T12:30:00.123456",
    "20000",
    "PT1H30M",
    "P1Y",
    "1:30:00",
    "3 days",
    "P1DT",
    "-PT1.5S",
    "P1W",
    "soon",
]
OTHERS: list[Any] = [None, True, False, [], [1, 2], ["a"], [None], {}, {"x": 1}, {"x": "a"}, [[1.0, 2.0]], [1.5, 2.5]]
VALUES = [*NUMBERS, *TEXTS, *TIMES, *OTHERS]
SIMPLE = ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64", "string", "binary", "date"]
SIMPLE += [f"timestamp[{unit}{zone}]" for unit in ("s", "us", "ns") for zone in ("", ", UTC", ", Europe/Berlin")]
SIMPLE += ["duration[s]", "duration[us]", "decimal(6, 2)", "decimal(3, 3)"]
STRUCT = Struct(
    (Field(name="x", type=parse_type("int8")), Field(name="y", type=parse_type("date"), default="2026-01-31"))
)
TYPES: list[DataType] = [
    *map(parse_type, SIMPLE),
    Category(("red", "ab")),
    Category((1, 3)),
    Category((1.5, 3.5)),
    Category((True,)),
    List(parse_type("int8")),
    List(parse_type("float64"), nullable=True),
    List(parse_type("string")),
    STRUCT,
    Tensor("float32", (2,)),
    Tensor("float64", (None, 2)),
]
DIFFERENT: list[tuple[str, Any]] = [("timestamp[ns", "2026-01-31T12:30:00.1234567"), ("float", 2**53 + 1)]
"""What the row validator holds and no object of Python, and what pydantic rounds without a word."""


def takes(call: Any, row: dict[str, Any]) -> bool:
    try:
        call(row)
    except (InputError, pydantic.ValidationError):
        return False
    return True


def compare(field: Field) -> None:
    schema = Schema(fields=(field,))
    check, model = compile_input(schema), schema.to_pydantic()
    for value in [*VALUES, *(field.allowed or ())]:
        if any(str(field.type).startswith(kind) and value == other for kind, other in DIFFERENT):
            continue
        row = {"a": value}
        ours = takes(lambda row: check([row]), row)
        assert takes(model.model_validate, row) is ours, f"{field.type}: {value!r} is {'taken' if ours else 'refused'}"
        if ours:  # and what a service passes on is taken again
            check([model.model_validate(row).model_dump(by_alias=True)])


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("nullable", [False, True])
def test_every_type(kind: DataType, nullable: bool) -> None:
    compare(Field(name="a", type=kind, nullable=nullable))


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("int8", {"minimum": 1, "maximum": 127}),
        ("int64", {"allowed": (1, 3, 128)}),
        ("float64", {"minimum": -1, "maximum": 3.5}),
        ("float64", {"allowed": (1, 3.5)}),
        ("bool", {"allowed": (True,)}),
        ("string", {"pattern": "(?i)red|ab"}),
        ("string", {"pattern": "(?!r)[a-z]*"}),
        ("string", {"pattern": r"(a|b)\1|(ab)+"}),
        ("string", {"pattern": "(?x) r e d # a colour"}),
        ("string", {"min_length": 1, "max_length": 3}),
        ("string", {"allowed": ("red", "3")}),
        ("binary", {"min_length": 2}),
        ("binary", {"allowed": ("AAEC",)}),
        ("date", {"minimum": "2026-01-31"}),
        ("date", {"allowed": ("2026-02-01",)}),
        ("timestamp[us]", {"maximum": "2026-01-31T12:30:00"}),
        ("timestamp[us, UTC]", {"minimum": "2026-01-31T12:00:00Z", "allowed": ("2026-01-31T12:30:00Z",)}),
        ("duration[s]", {"maximum": "PT1H30M"}),
        ("duration[us]", {"allowed": ("-PT1.5S",)}),
        ("decimal(6, 2)", {"minimum": "0.5", "maximum": 3}),
        ("decimal(6, 2)", {"allowed": ("1.1", "3")}),
    ],
    ids=str,
)
def test_every_constraint(kind: str, limits: dict[str, Any]) -> None:
    compare(Field(name="a", type=parse_type(kind), **limits))


@pytest.mark.parametrize("limits", [{"allowed": ("ab", "abc")}, {"pattern": "a."}], ids=str)
def test_categories_have_fewer_values_then(limits: dict[str, Any]) -> None:
    compare(Field(name="a", type=Category(("red", "ab", "abc")), **limits))


def test_what_is_finer_than_python_is_refused_and_not_cut() -> None:
    model = Schema(fields=(Field(name="a", type=parse_type("timestamp[ns]")),)).to_pydantic()
    with pytest.raises(pydantic.ValidationError, match="finer than microseconds"):
        model.model_validate({"a": "2026-01-31T12:30:00.123456789"})


def test_defaults_have_their_type_in_python() -> None:
    schema = Schema(
        fields=(
            Field(name="a", type=parse_type("duration[us]"), default="PT1H"),
            Field(name="b", type=parse_type("decimal(6, 2)"), default="1.5"),
        )
    )
    row = schema.to_pydantic().model_validate({})
    assert (str(row.a), str(row.b)) == ("1:00:00", "1.50")


def test_an_openapi_page_shows_limits_and_no_noise() -> None:
    schema = Schema(
        fields=(
            Field(name="age", type=parse_type("int64"), minimum=0, maximum=120),
            Field(name="id", type=parse_type("int64"), nullable=True),
            Field(name="small", type=parse_type("int8"), minimum=0),
            Field(name="rate", type=parse_type("float32"), maximum=1),
            Field(name="price", type=parse_type("float64")),
            Field(name="image", type=Tensor("float32", (2,))),
            Field(name="tags", type=List(parse_type("uint64"), nullable=True)),
        )
    )
    shown = schema.to_pydantic().model_json_schema()["properties"]
    for told in shown.values():
        del told["title"]
    image = {"type": "array", "items": {"type": "number", "format": "float"}, "minItems": 2, "maxItems": 2}
    assert shown == {
        "age": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 120},
        "id": {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "null"}]},
        "small": {"type": "integer", "minimum": 0, "maximum": 127},
        "rate": {"type": "number", "format": "float", "maximum": 1},
        "price": {"type": "number"},
        "image": image,
        "tags": {"type": "array", "items": {"anyOf": [{"type": "integer", "format": "uint64"}, {"type": "null"}]}},
    }
