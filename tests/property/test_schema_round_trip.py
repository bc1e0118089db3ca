"""Schemas go to other systems and come back; what they say there judges as the row validator does."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import jsonschema
import pydantic
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwheel_loader.bridges.json_schema import to_json_schema
from modelwheel_loader.bridges.pydantic_model import to_pydantic
from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import NO_DEFAULT, Field, Schema
from modelwheel_loader.opening.types import Category, DataType, List, parse_type
from modelwheel_loader.show.diff import diff
from modelwheel_loader.validate.inputs import InputCheck, compile_input

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
SCALARS = st.sampled_from(
    ["bool", "int8", "uint16", "int64", "float32", "float64", "string", "date", "timestamp[us]", "timestamp[s, UTC]"]
).map(parse_type)
CATEGORIES = st.one_of(
    st.lists(st.text("abc", max_size=3), min_size=1, max_size=4, unique=True),
    st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True),
).map(lambda values: Category(tuple(values)))
LISTS = st.builds(List, st.sampled_from(["bool", "int64", "float64", "string"]).map(parse_type), st.booleans())
TYPES: st.SearchStrategy[DataType] = st.one_of(SCALARS, CATEGORIES, LISTS)


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(TYPES)
    nullable = draw(st.booleans())
    changes: dict[str, Any] = {"default": None if nullable and draw(st.booleans()) else NO_DEFAULT}
    word = str(kind)
    if word.startswith(("int", "uint")):
        changes |= {"minimum": draw(st.none() | st.integers(0, 9)), "maximum": draw(st.none() | st.integers(10, 99))}
    elif word.startswith("float"):
        changes |= {"minimum": draw(st.none() | st.floats(0, 9, width=16)), "allow_infinity": draw(st.booleans())}
    elif word == "string":
        changes |= {
            "min_length": draw(st.none() | st.integers(0, 2)),
            "max_length": draw(st.none() | st.integers(2, 4)),
        }
        changes |= {"pattern": draw(st.sampled_from([None, "[a-z]*", "a|b+"]))}
    notes: dict[str, Any] = {
        "description": draw(st.sampled_from(["", "What it is."])),
        "deprecated": draw(st.booleans()),
    }
    return Field(name=name, type=kind, nullable=nullable, unit=draw(st.sampled_from(["", "km"])), **changes, **notes)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    made = tuple(draw(fields(name)) for name in names)
    return Schema(fields=made, layout="records", container="list", extra=draw(st.sampled_from(["ignore", "error"])))


def values(kind: DataType) -> st.SearchStrategy[Any]:
    """JSON values of the type, and some that are not."""
    other: st.SearchStrategy[Any] = st.sampled_from([None, True, 0, 5, 50, 300, 1.5, "", "a", "bb", "abc", [], [1], {}])
    word = str(kind)
    if isinstance(kind, Category):
        return st.sampled_from(kind.values) | other
    if isinstance(kind, List):
        return st.lists(values(kind.item), max_size=3) | other
    right: dict[str, st.SearchStrategy[Any]] = {
        "bool": st.booleans(),
        "string": st.text("abz", max_size=5),
        "date": st.dates().map(dt.date.isoformat),
        "timestamp[us]": st.datetimes().map(dt.datetime.isoformat),
        "timestamp[s, UTC]": st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat() + "Z"),
    }
    number = st.floats(0, 99, allow_nan=False, width=16) if word.startswith("float") else st.integers(0, 127)
    return right.get(word, number) | other


def accepts(check: InputCheck, row: dict[str, Any]) -> bool:
    try:
        check([row])
    except InputError:
        return False
    return True


@settings(max_examples=150, deadline=None)
@given(schemas())
def test_there_and_back(schema: Schema) -> None:
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema
    assert Schema.from_arrow(schema.to_arrow()) == schema
    assert Schema.from_class(to_pydantic(schema)) == schema
    assert not diff(schema, schema)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_json_schema_and_pydantic_judge_as_the_row_validator(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    document = to_json_schema(schema)
    jsonschema.Draft202012Validator.check_schema(document)
    validator = jsonschema.Draft202012Validator(document, format_checker=jsonschema.FormatChecker(["date"]))
    model, check = to_pydantic(schema), compile_input(schema)
    jsonschema.Draft202012Validator.check_schema(model.model_json_schema())
    for _ in range(5):
        row = {field.name: data.draw(values(field.type)) for field in schema}
        if data.draw(st.booleans()):
            row.pop(data.draw(st.sampled_from(schema.names)))
        if not any(str(field.type) == "timestamp[s, UTC]" for field in schema):  # date-time is an annotation there
            assert validator.is_valid(row) == accepts(check, row), row
        try:
            model.model_validate(row)
            taken = True
        except pydantic.ValidationError:
            taken = False
        if not any(str(field.type).startswith(("date", "timestamp")) for field in schema):  # pydantic reads more forms
            assert taken == accepts(check, row), row


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_change_that_is_not_breaking_refuses_nothing(data: st.DataObject) -> None:
    old = data.draw(schemas())
    name = data.draw(st.sampled_from(old.names))
    new = Schema(
        fields=tuple(data.draw(fields(name)) if f.name == name else f for f in old), layout="records", extra=old.extra
    )
    if diff(old, new).breaking:
        return
    before, after = compile_input(old), compile_input(new)
    for _ in range(5):
        row = {field.name: data.draw(values(field.type)) for field in old}
        assert not accepts(before, row) or accepts(after, row), row
