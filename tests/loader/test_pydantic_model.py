from __future__ import annotations

import base64
import datetime as dt
import subprocess
import sys
from typing import Any

import pydantic
import pytest

from conversions import row_judge
from modelwheel_loader.bridges.pydantic_model import to_pydantic
from modelwheel_loader.errors import MissingExtra
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.inputs import compile_input


def schema(kind: DataType | str, **changes: Any) -> Schema:
    made = parse_type(kind) if isinstance(kind, str) else kind
    return Schema(fields=(Field(name="v", type=made, **changes),), extra="error")


STRUCT = Struct(
    (Field(name="a", type=parse_type("int64")), Field(name="b", type=parse_type("string"), nullable=True, default=None))
)
VALUES: list[tuple[Schema, list[Any]]] = [
    (schema("bool"), [True, 0, "true", None]),
    (schema("int8"), [1, 1.0, 1.5, 128, True, "1", None]),
    (schema("int64", minimum=0, maximum=9), [0, 9, 10, -1]),
    (schema("float64"), [1, 1.5, "1.5", True, float("inf"), None]),
    (schema("float64", allow_infinity=True), [float("inf")]),
    (schema("float32"), [1.5, 1e39]),
    (schema("float64", minimum=0.5, nullable=True), [0.4, 0.5, None]),
    (schema("string"), ["a", 1, None]),
    (schema("string", pattern="[A-Z]+", min_length=2, max_length=3), ["AB", "A", "ABCD", "ab", "ABc"]),
    (schema("string", allowed=("a", "b")), ["a", "c"]),
    (schema("float64", allowed=(0.5, 1.0)), [0.5, 0.7]),
    (schema("date"), ["2026-01-31", "soon", dt.date(2026, 1, 31)]),
    (schema("date", minimum="2026-01-01"), ["2026-01-31", "2025-01-31"]),
    (schema("timestamp[us]"), ["2026-01-31T12:00:00", "2026-01-31T12:00:00Z"]),
    (
        schema("timestamp[us, UTC]", minimum="2026-01-01T00:00:00Z"),
        ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00", "2025-01-01T00:00:00Z"],
    ),
    (schema("duration[us]", maximum="PT2H"), ["PT1H30M", "PT3H"]),
    (schema("decimal(5, 2)"), ["1.10", "1.123", "12345.67"]),
    (schema("binary"), [base64.b64encode(b"hi").decode(), "?"]),
    (schema(Category(("a", "b"))), ["a", "c"]),
    (schema(Category((1, 2))), [1, 1.0, 3, True, "1"]),
    (schema(Category((0.5,))), [0.5, 1.5]),
    (schema(List(parse_type("int64"), nullable=True)), [[1, None], ["1"], 1]),
    (schema(List(parse_type("int64"))), [[1], [None]]),
    (schema(STRUCT), [{"a": 1}, {"a": 1, "b": "x"}, {"b": "x"}, {"a": "1"}]),
    (schema(Tensor("float64", (2, 1))), [[[1.0], [2.0]], [[1.0]], [1.0, 2.0]]),
    (schema(Tensor("int64", (None,))), [[1, 2, 3], []]),
]


@pytest.mark.parametrize(
    ("described", "values"), VALUES, ids=lambda item: str(item.fields[0].type) if isinstance(item, Schema) else ""
)
def test_it_judges_as_the_row_validator(described: Schema, values: list[Any]) -> None:
    model = to_pydantic(described)
    check, takes = compile_input(described), row_judge(described)
    for value in values:
        try:
            row = model.model_validate({"v": value})
        except pydantic.ValidationError:
            assert not takes(value), value
        else:
            assert takes(value), value
            assert check(row.model_dump(by_alias=True)).rows == 1


def test_names_that_python_does_not_have_become_aliases() -> None:
    names = ("sepal length (cm)", "class", "model_id", "copy", "1st", "_x", "x", "ä", "")
    described = Schema(fields=tuple(Field(name=name, type=parse_type("int64")) for name in names))
    model = to_pydantic(described, "Iris")
    row = dict.fromkeys(names, 1)
    assert model.model_validate(row).model_dump(by_alias=True) == row
    assert model.model_json_schema(by_alias=True)["required"] == list(names)
    assert model.__name__ == "Iris"


def test_descriptions_units_and_defaults_are_in_the_openapi_document() -> None:
    fields = (
        Field(name="a", type=parse_type("float64"), description="How far.", unit="km", deprecated=True),
        Field(name="b", type=parse_type("int64"), nullable=True, default=None),
    )
    document = to_pydantic(Schema(fields=fields)).model_json_schema()
    assert document["properties"]["a"]["description"] == "How far."
    assert document["properties"]["a"]["x-unit"] == "km"
    assert document["properties"]["a"]["deprecated"] is True
    assert document["required"] == ["a"]
    assert to_pydantic(Schema(fields=fields)).model_validate({"a": 1.0, "z": 1}).model_dump() == {"a": 1.0, "b": None}


def test_extra_fields_are_refused_when_the_schema_says_so() -> None:
    with pytest.raises(pydantic.ValidationError):
        to_pydantic(schema("int64")).model_validate({"v": 1, "w": 2})


def test_without_pydantic_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['pydantic'] = None\n"
        "from modelwheel_loader.opening.schema import Schema\n"
        "from modelwheel_loader.bridges.pydantic_model import to_pydantic\n"
        "try:\n    to_pydantic(Schema(fields=()))\n"
        "except Exception as error:\n    print(type(error).__name__, 'modelwheel[pydantic]' in str(error))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [MissingExtra.__name__, "True"]
