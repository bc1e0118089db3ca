"""What a caller of a service is told: whose fault it is, where, what was expected, and no value of the data."""

from __future__ import annotations

import collections
import dataclasses
import json
from typing import Any

import numpy as np
import pydantic
import pytest

from modelwheel_loader.errors import InputError, OutputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.inputs import compile_input
from modelwheel_loader.validate.outputs import compile_output

NUMBER = Schema(fields=(Field(name="a", type=parse_type("float64")),))
SECRETS: dict[str, tuple[Any, Any]] = {
    "a": (Field(name="a", type=parse_type("float64"), minimum=0), -7777.5),
    "n": (Field(name="n", type=parse_type("int8")), 99999),
    "s": (Field(name="s", type=parse_type("string"), pattern="[a-z]+", max_length=3), "SECRET1"),
    "t": (Field(name="t", type=parse_type("timestamp[us, UTC]")), "SECRET2"),
    "c": (Field(name="c", type=Category(("lo", "hi"))), "secret3"),
    "l": (Field(name="l", type=List(parse_type("int8"))), [1, 88888]),
    "r": (Field(name="r", type=Struct((Field(name="x", type=parse_type("int8")),))), {"x": "SECRET4"}),
    "v": (Field(name="v", type=Tensor("float32", (2,))), [1, 2, 31337]),
    "d": (Field(name="d", type=parse_type("decimal(6, 2)")), "SECRET5"),
    "b": (Field(name="b", type=parse_type("binary")), "SECRET6!"),
}
WORDS = ["7777", "99999", "SECRET", "secret", "88888", "31337"]


def test_no_value_is_echoed_unless_asked() -> None:
    schema = Schema(fields=tuple(field for field, _ in SECRETS.values()))
    row = {name: value for name, (_, value) in SECRETS.items()}
    with pytest.raises(InputError) as caught:
        compile_input(schema)([row, row])
    problem = caught.value.to_problem()
    assert not [word for word in WORDS if word in json.dumps(problem)]
    assert (problem["status"], problem["counted"]) == (422, 22)
    assert {defect["field"].partition(".")[0].partition("[")[0] for defect in problem["errors"]} == set(SECRETS)
    assert all("expected" in defect and "detail" in defect for defect in problem["errors"])
    told = json.dumps(caught.value.to_problem(values=True))
    assert [word for word in WORDS if word in told] == WORDS[:5]  # of a tensor the shape is told


@pytest.mark.parametrize(
    ("schema", "data"),
    [
        (NUMBER.replace(unique="a"), [{"a": 7777.0}, {"a": 7777.0}]),
        (NUMBER, [{"a": 1.0}, "7777"]),
        (NUMBER, "7777"),
        (NUMBER.replace(layout="matrix"), [[7777, 7777]]),
    ],
)
def test_nor_where_the_table_is_wrong(schema: Schema, data: Any) -> None:
    with pytest.raises(InputError) as caught:
        compile_input(schema)(data)
    assert "7777" not in json.dumps(caught.value.to_problem())


def test_a_wrong_answer_is_no_fault_of_the_caller() -> None:
    schema = Schema(fields=(Field(name="p", type=parse_type("float64"), maximum=1),), layout="array")
    with pytest.raises(OutputError) as caught:
        compile_output(schema)(np.array([7777.0]), 1, False)
    problem = caught.value.to_problem()
    assert (problem["status"], problem["title"]) == (500, "The answer of the model does not fit its schema")
    assert "7777" not in json.dumps(problem)


@dataclasses.dataclass
class Row:
    a: float


class Model(pydantic.BaseModel):
    a: float


Named = collections.namedtuple("Named", "a")  # noqa: PYI024


@pytest.mark.parametrize(
    ("row", "hint"),
    [
        (Row(1.0), "dataclasses.asdict(row)"),
        (Model(a=1.0), "row.model_dump(by_alias=True)"),
        (Named(1.0), "row._asdict()"),
    ],
)
def test_rows_that_are_objects_are_told_how_to_become_dicts(row: Any, hint: str) -> None:
    for data in (row, [row]):
        with pytest.raises(InputError) as caught:
            compile_input(NUMBER)(data)
        assert hint in caught.value.hint
    with pytest.raises(InputError, match="the first of its items a "):
        compile_input(NUMBER)([row])


def test_arrays_without_axes_are_told_to_become_numbers() -> None:
    with pytest.raises(InputError) as caught:
        compile_input(NUMBER)({"a": np.array(1.0)})
    assert caught.value.hint == "an array without axes is not a number: send value.item()"
    with pytest.raises(InputError) as caught:
        compile_input(NUMBER)({"a": np.True_})
    assert "item" not in caught.value.hint
