from __future__ import annotations

import json
from typing import Any

import pytest

from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, parse_type
from modelwheel_loader.show.diff import diff


def schema(*fields: Field, **changes: Any) -> Schema:
    return Schema(fields=fields, **changes)


def field(kind: str | DataType = "int64", name: str = "a", **changes: Any) -> Field:
    return Field(name=name, type=parse_type(kind) if isinstance(kind, str) else kind, **changes)


def test_equal_schemas_have_no_difference() -> None:
    result = diff(schema(field()), schema(field()))
    assert not result
    assert str(result) == "no difference"


TYPES: list[tuple[str | DataType, str | DataType, bool]] = [
    ("int8", "int64", False),
    ("int64", "int8", True),
    ("uint8", "int16", False),
    ("int32", "float64", False),
    ("int64", "float64", True),
    ("float32", "float64", False),
    ("float64", "float32", True),
    ("string", "int64", True),
    (Category(("x",)), Category(("x", "y")), False),
    (Category(("x", "y")), Category(("x",)), True),
    (Category(("x",)), "string", False),
    ("string", Category(("x",)), True),
    ("date", "timestamp[us]", False),
    ("date", "timestamp[us, UTC]", True),
    ("timestamp[s]", "timestamp[us]", False),
    ("timestamp[us]", "timestamp[s]", True),
    ("timestamp[us, UTC]", "timestamp[us, Europe/Berlin]", False),
    ("timestamp[us]", "timestamp[us, UTC]", True),
]


@pytest.mark.parametrize(("old", "new", "breaking"), TYPES)
def test_types(old: str | DataType, new: str | DataType, breaking: bool) -> None:
    result = diff(schema(field(old)), schema(field(new)))
    assert [change.what for change in result.changes] == ["type"]
    assert bool(result.breaking) == breaking


CONSTRAINTS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"nullable": True}, {"nullable": False}, True),
    ({"nullable": False}, {"nullable": True}, False),
    ({"minimum": 0}, {"minimum": 1}, True),
    ({"minimum": 1}, {"minimum": 0}, False),
    ({}, {"minimum": 0}, True),
    ({"minimum": 0}, {}, False),
    ({"maximum": 1}, {"maximum": 0}, True),
    ({"maximum": 0}, {"maximum": 1}, False),
    ({"kind": "string", "max_length": 5}, {"kind": "string", "max_length": 4}, True),
    ({"kind": "string", "min_length": 5}, {"kind": "string", "min_length": 4}, False),
    ({"allowed": (1, 2)}, {"allowed": (1,)}, True),
    ({"allowed": (1,)}, {"allowed": (1, 2)}, False),
    ({}, {"allowed": (1,)}, True),
    ({"allowed": (1,)}, {}, False),
    ({"kind": "string", "pattern": "a"}, {"kind": "string"}, False),
    ({"kind": "string"}, {"kind": "string", "pattern": "a"}, True),
    ({"default": 1}, {}, True),
    ({}, {"default": 1}, False),
    ({"default": 1}, {"default": 2}, False),
    ({"allow_infinity": True}, {}, True),
    ({"unit": "m"}, {"unit": "km"}, False),
    ({"description": "x"}, {}, False),
    ({}, {"deprecated": True}, False),
]


@pytest.mark.parametrize(("old", "new", "breaking"), CONSTRAINTS)
def test_constraints(old: dict[str, Any], new: dict[str, Any], breaking: bool) -> None:
    result = diff(schema(field(**old)), schema(field(**new)))
    assert len(result.changes) == 1
    assert bool(result.breaking) == breaking


def test_fields_that_come_and_go() -> None:
    result = diff(
        schema(field(name="a"), field(name="b")), schema(field(name="b"), field(name="c"), field(name="d", default=1))
    )
    assert [(change.what, change.field, change.breaking) for change in result.changes] == [
        ("added", "c", True),
        ("added", "d", False),
        ("removed", "a", False),
    ]
    assert "c: added (breaking)" in str(result)
    closed = diff(schema(field(name="a")), schema(extra="error"))
    assert [change.what for change in closed.breaking] == ["removed", "extra"]


def test_layout_and_order() -> None:
    old = schema(field(name="a"), field(name="b"), layout="frame", container="pandas")
    new = schema(field(name="b"), field(name="a"), layout="matrix", dtype="float64")
    result = diff(old, new)
    assert [change.what for change in result.changes] == ["layout", "container", "dtype", "order"]
    assert [change.what for change in result.breaking] == ["order"]
    assert json.dumps(result.to_dict())
    assert result.to_dict()["breaking"] is True


def test_long_values_are_shown_in_part() -> None:
    result = diff(schema(field()), schema(field(description="x" * 500)))
    assert len(str(result)) < 200
