from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from conversions import row_judge
from modelwheel_loader.bridges.json_schema import to_json_schema
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, List, Struct, Tensor, parse_type

KINDS: dict[str, DataType] = {
    **{name: parse_type(name) for name in ("bool", "int8", "uint64", "float32", "float64", "string", "binary", "date")},
    **{name: parse_type(name) for name in ("timestamp[s]", "timestamp[us, UTC]", "duration[us]", "decimal(5, 2)")},
    "category": Category(("a", "b")),
    "numbers": Category((1, 2)),
    "list": List(parse_type("int64"), nullable=True),
    "struct": Struct(
        (
            Field(name="a", type=parse_type("int64")),
            Field(name="b", type=parse_type("string"), nullable=True, default=None),
        )
    ),
    "tensor": Tensor("float64", (2, None)),
}
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    127,
    128,
    -129,
    2**63,
    2**64,
    1.0,
    1.5,
    1e39,
    "",
    "a",
    "b",
    "c",
    "1",
    "aGk=",
    "a=b",
    "2026-01-31",
    "2026-01-31T12:00:00",
    "2026-01-31T12:00:00Z",
    "2026-01-31T12:00:00+01:00",
    "PT1H30M",
    "1.10",
    "1.123",
    "123456",
    [],
    [1],
    [1, None],
    [1.5],
    ["a"],
    {},
    {"a": 1},
    {"a": 1, "b": None},
    {"a": 1, "b": "x"},
    {"a": "1"},
    {"b": "x"},
    [[1.0], [2.0]],
    [[1.0, 2], [3, 4]],
    [[1.0]],
    [[1.0], [2.0, 3.0]],
    [["a"], ["b"]],
]


def beyond_json_schema(name: str, value: Any) -> bool:
    """What JSON Schema cannot say, or says only as a format that its validators may skip."""
    times = name.startswith(("timestamp[us", "duration")) and isinstance(value, str)
    ragged = name == "tensor" and value == [[1.0], [2.0, 3.0]]
    return times or ragged or (name.startswith("decimal") and isinstance(value, float))


CHECKER = jsonschema.FormatChecker(["date"])


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_it_is_json_schema_and_judges_as_the_row_validator(name: str, nullable: bool) -> None:
    schema = Schema(fields=(Field(name="v", type=KINDS[name], nullable=nullable),))
    made = to_json_schema(schema)
    jsonschema.Draft202012Validator.check_schema(made)
    validator = jsonschema.Draft202012Validator(made, format_checker=CHECKER)
    takes = row_judge(schema)
    for value in VALUES:
        if beyond_json_schema(name, value):
            continue
        assert validator.is_valid({"v": value}) == takes(value), (name, value, made)


CONSTRAINED: list[tuple[str, dict[str, Any], list[Any]]] = [
    ("int64", {"minimum": 0, "maximum": 10}, [-1, 0, 10, 11]),
    ("int8", {"maximum": 100}, [100, 101, 128]),
    ("float64", {"minimum": 0.5}, [0.4, 0.5, 1]),
    ("int64", {"allowed": (1, 2), "nullable": True}, [1, 3, None]),
    ("string", {"allowed": ("a", "b")}, ["a", "c", None]),
    ("string", {"pattern": "[A-Z]{2}|x"}, ["AB", "ABC", "aAB", "AB\n", "x", "xx"]),
    ("string", {"min_length": 1, "max_length": 2}, ["", "a", "äö", "abc"]),
    ("string", {"nullable": True, "default": None}, [None, "a"]),
]


@pytest.mark.parametrize(("kind", "changes", "values"), CONSTRAINED)
def test_constraints_are_kept(kind: str, changes: dict[str, Any], values: list[Any]) -> None:
    schema = Schema(fields=(Field(name="v", type=parse_type(kind), **changes),))
    validator = jsonschema.Draft202012Validator(to_json_schema(schema))
    takes = row_judge(schema)
    for value in values:
        assert validator.is_valid({"v": value}) == takes(value), value


def test_rows_presence_and_extra_fields() -> None:
    fields = (
        Field(name="a", type=parse_type("int64")),
        Field(name="b", type=parse_type("int64"), default=5, unit="m", description="How far.", deprecated=True),
    )
    schema = Schema(fields=fields, extra="error")
    made = to_json_schema(schema, rows="many", title="Walk")
    validator = jsonschema.Draft202012Validator(made)
    assert validator.is_valid([{"a": 1}, {"a": 1, "b": 2}])
    assert not validator.is_valid([{"b": 1}])
    assert not validator.is_valid([{"a": 1, "c": 2}])
    assert made["items"]["title"] == "Walk"
    assert made["items"]["properties"]["b"]["default"] == 5
    assert made["items"]["properties"]["b"]["description"] == "How far. Unit: m."
    assert made["items"]["properties"]["b"]["deprecated"] is True
    open_row = to_json_schema(Schema(fields=fields))
    assert jsonschema.Draft202012Validator(open_row).is_valid({"a": 1, "c": 2})


def test_times_have_a_format_for_people_and_generators() -> None:
    kinds = {
        "a": ("timestamp[us, UTC]", "2026-01-31T00:00:00Z"),
        "b": ("duration[s]", "PT1S"),
        "c": ("date", "2026-01-31"),
    }
    schema = Schema(
        fields=tuple(Field(name=name, type=parse_type(kind), allowed=(one,)) for name, (kind, one) in kinds.items())
    )
    properties = to_json_schema(schema)["properties"]
    assert [properties[name]["format"] for name in kinds] == ["date-time", "duration", "date"]
