"""What a schema says of a table as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwheel
from modelwheel_loader.errors import InputError, UsageError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import List, parse_type
from modelwheel_loader.show.inspection import table_notes
from modelwheel_loader.validate.inputs import compile_input

FIELDS = (
    Field(name="id", type=parse_type("int64"), nullable=True),
    Field(name="day", type=parse_type("date")),
    Field(name="x", type=parse_type("float64")),
)


def rows(*ids: int | None) -> list[dict[str, Any]]:
    return [{"id": item, "day": "2026-01-31", "x": 1.0} for item in ids]


def columns(*ids: int | None) -> dict[str, Any]:
    return {name: [row[name] for row in rows(*ids)] for name in ("id", "day", "x")}


@pytest.mark.parametrize("form", [rows, columns])
@pytest.mark.parametrize(("count", "fits"), [(0, False), (1, False), (2, True), (3, True), (4, False)])
def test_the_number_of_rows_is_judged(form: Any, count: int, fits: bool) -> None:
    check = compile_input(Schema(fields=FIELDS, min_rows=2, max_rows=3))
    if fits:
        assert check(form(*range(count))).rows == count
        return
    with pytest.raises(InputError, match=r"number of rows is not right \(expected 2 … 3, found") as caught:
        check(form(*range(count)))
    assert caught.value.code == "input.row-count"


def test_one_bare_row_is_one_row() -> None:
    with pytest.raises(InputError, match="expected at least 2, found 1"):
        compile_input(Schema(fields=FIELDS, min_rows=2))(rows(1)[0])
    assert compile_input(Schema(fields=FIELDS, max_rows=1, unique=("id",)))(rows(1)[0]).single


@pytest.mark.parametrize("form", [rows, columns])
def test_keys_come_once(form: Any) -> None:
    check = compile_input(Schema(fields=FIELDS, unique=("id",)))
    assert check(form(1, 2, None)).rows == 3
    with pytest.raises(InputError) as caught:
        check(form(7, None, 7, 8, None, 7))
    told = [(defect.row, defect.field, defect.found, defect.expected) for defect in caught.value.defects]
    assert told == [
        (2, "id", "7", "other values than in row 0"),
        (4, "id", "None", "other values than in row 1"),
        (5, "id", "7", "other values than in row 0"),
    ]


def test_keys_of_several_fields_and_of_floats() -> None:
    check = compile_input(Schema(fields=FIELDS, unique=("id", "day")))
    assert check([*rows(1), {"id": 1, "day": "2026-02-01", "x": 1.0}]).rows == 2
    with pytest.raises(InputError, match="comes twice") as caught:
        check(rows(1, 1))
    assert caught.value.defects[0].field == "id, day"
    frame = pd.DataFrame({"x": [1.0, 2.0, 1.0]})
    with pytest.raises(InputError, match="row 2, field 'x': comes twice"):
        compile_input(Schema(fields=FIELDS[2:], unique=("x",)))(frame)


def test_many_defects_are_counted() -> None:
    check = compile_input(Schema(fields=FIELDS, unique="id"))  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        check(columns(*np.zeros(10_000, dtype=int).tolist()))
    assert (len(caught.value.defects), caught.value.counted) == (100, 9_999)


def test_wrong_values_are_told_first() -> None:
    with pytest.raises(InputError, match="wrong type"):
        compile_input(Schema(fields=FIELDS, max_rows=1))(rows("x", 2))  # type: ignore[arg-type]


def test_a_key_is_a_field_of_single_values() -> None:
    with pytest.raises(UsageError, match="names what is not a field"):
        compile_input(Schema(fields=FIELDS, unique=("other",)))
    tags = Field(name="tags", type=List(parse_type("string")))
    with pytest.raises(UsageError, match="only single values can be a key"):
        compile_input(Schema(fields=(tags,), unique=("tags",)))


def test_they_travel_and_are_shown() -> None:
    schema = Schema(fields=FIELDS, min_rows=1, max_rows=1000, unique=("id", "day"))
    assert Schema.from_dict(schema.to_dict()) == schema
    assert Schema.from_arrow(schema.to_arrow()) == schema
    made = schema.to_json_schema(rows="many")
    assert (made["minItems"], made["maxItems"]) == (1, 1000)
    assert list(table_notes(schema)) == ["1 to 1,000 rows at a time", "each id, day once"]
    assert list(table_notes(Schema(fields=FIELDS, min_rows=2))) == ["at least 2 rows"]
    with pytest.raises(modelwheel.errors.InvalidBundle, match="names what is not a field"):
        Schema.from_dict({**schema.to_dict(), "unique": ["other"]})


def test_what_breaks_callers_is_said() -> None:
    plain = Schema(fields=FIELDS)
    bound = plain.replace(min_rows=2, max_rows=10, unique=("id",))
    assert {change.what for change in plain.diff(bound).breaking} == {"min_rows", "max_rows", "unique"}
    assert not bound.diff(plain).breaking
    assert not bound.diff(bound.replace(min_rows=1, max_rows=11, unique=("id", "day"))).breaking
    assert bound.diff(bound.replace(unique=("day",))).breaking


@pytest.mark.parametrize("bounds", [{"max_rows": 5}, {"min_rows": 20}, {"unique": ("id",)}])
def test_models_are_packed_with_them(bounds: dict[str, Any], tmp_path: Path) -> None:
    """The sample has as many rows as it has; the bounds are for calls."""
    sample = pd.DataFrame({"id": range(40), "x": np.linspace(0, 1, 40)})
    schema = modelwheel.infer_schema(sample).schema.replace(**bounds)
    bundle = modelwheel.pack(
        lambda frame: frame["x"], name="b", version="1", sample=sample, schema=schema, out=tmp_path
    )
    assert bundle.schema == schema
    assert bundle.verify().ok
    with pytest.raises(InputError):
        bundle.load().predict(pd.concat([sample[:3]] * 2 + [sample[:0]]))
