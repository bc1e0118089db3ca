"""Schemas that are made or changed by hand: what contradicts itself is refused where it is written, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwheel.inference.infer import infer_schema
from modelwheel_loader.errors import InvalidBundle, UsageError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, Decimal, Integer, List, Struct, Tensor, Timestamp
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

AGE = Field(name="age", type=Integer())


def refused(code: str, call: Any) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == code, caught.value
    assert str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "attributes",
    [
        {"extra": "forbid"},
        {"layout": "Frame"},
        {"container": "dask"},
        {"fields": (AGE, AGE)},
        {"fields": (AGE, AGE.replace(name="b")), "layout": "array"},
        {"fields": ("age",)},
        {"unique": "name"},
        {"min_rows": 3, "max_rows": 2},
    ],
    ids=str,
)
def test_a_schema_that_contradicts_itself(attributes: dict[str, Any]) -> None:
    refused("schema.table", lambda: Schema(**{"fields": (AGE,), **attributes}))


def test_everything_is_told_at_once() -> None:
    error = refused("schema.table", lambda: Schema(fields=(AGE, AGE), extra="no", min_rows=2, max_rows=1))  # type: ignore[arg-type]
    assert len(error.defects) == 3


def test_the_same_in_a_manifest_is_an_invalid_bundle() -> None:
    written = Schema(fields=(AGE,)).to_dict()
    for change in ({"min_rows": 3, "max_rows": 2}, {"layout": "x"}, {"fields": written["fields"] * 2}):
        with pytest.raises(InvalidBundle):
            Schema.from_dict({**written, **change})


@pytest.mark.parametrize(
    ("code", "attributes"),
    [
        ("schema.name", {"name": 3}),
        ("schema.type", {"type": int}),
        ("schema.type", {"type": None}),
        ("schema.type", {"type": "int65"}),
        ("schema.bound", {"allowed": "abc"}),
    ],
    ids=str,
)
def test_a_field_that_is_none(code: str, attributes: dict[str, Any]) -> None:
    refused(code, lambda: Field(**{"name": "a", "type": "int64", **attributes}))


@pytest.mark.parametrize(
    "kind",
    [
        Integer(12),
        Decimal(2, 5),
        Timestamp("D"),  # type: ignore[arg-type]
        Timestamp("us", "a b"),
        Tensor("object", (2,)),
        Tensor("float32", ("n",)),  # type: ignore[arg-type]
        Category(("a", 1)),
        Category(("a", "a")),
        List(int),  # type: ignore[arg-type]
        List(Integer(12)),
        Struct((Field(name="x", type=Integer(12)),)),
    ],
    ids=str,
)
def test_types_that_are_none(kind: DataType) -> None:
    refused("schema.type", lambda: compile_input(Schema(fields=(Field(name="a", type=kind),))))


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("int64", {"minimum": 2, "maximum": 1}),
        ("int64", {"minimum": 0.5}),
        ("float64", {"minimum": float("nan")}),
        ("float64", {"maximum": float("inf")}),
        ("date", {"minimum": "2026-02-01", "maximum": "2026-01-31"}),
        ("bool", {"minimum": 0}),
        ("string", {"minimum": "a"}),
        ("binary", {"maximum": "AAEC"}),
        ("string", {"min_length": -1}),
        ("string", {"max_length": "3"}),
        ("string", {"min_length": 3, "max_length": 2}),
        ("int64", {"pattern": "a"}),
        ("int64", {"min_length": 1}),
    ],
    ids=str,
)
def test_limits_that_do_not_fit(kind: Any, limits: dict[str, Any]) -> None:
    refused("schema.bound", lambda: compile_input(Schema(fields=(Field(name="a", type=kind, **limits),))))
    schema = Schema(fields=(Field(name="a", type=kind),))
    refused("schema.bound", lambda: schema.with_field("a", **limits))


@pytest.mark.parametrize(
    "field",
    [
        Field(name="a", type=Integer(), default="x"),
        Field(name="a", type=Integer(), default=None),
        Field(name="a", type=Integer(), default=5, minimum=10),
        Field(name="a", type=List(Integer()), default=[1.5]),
        Field(name="a", type=Struct((Field(name="x", type=Integer(), default="y"),))),
    ],
    ids=str,
)
def test_a_default_that_no_caller_sent_is_no_error_of_the_caller(field: Field) -> None:
    refused("schema.default", lambda: compile_input(Schema(fields=(field,))))


def test_misspelt_names_are_told_the_right_one() -> None:
    schema = Schema(fields=(AGE,))
    assert refused("schema.no-field", lambda: schema.with_field("agee", minimum=0)).hint == "did you mean 'age'?"
    assert refused("schema.attribute", lambda: schema.with_field("age", minimun=0)).hint == "did you mean 'minimum'?"
    assert "where the model is fitted" in refused("schema.attribute", lambda: schema.with_field("age", name="b")).hint


def test_another_type_is_what_the_model_is_fed() -> None:
    frame = pd.DataFrame({"age": np.array([1, 2])})
    changed = infer_schema(frame).schema.with_field("age", type="float64", nullable=True)
    made = compile_native(changed)(compile_input(changed)([{"age": 1.5}, {"age": None}]))
    assert made["age"].dtype == np.float64
    assert made["age"].iloc[0] == 1.5


def test_lists_may_be_given_for_tuples() -> None:
    values: Any = ["a", "b"]
    shape: Any = [2, None]
    assert Category(values) == Category(("a", "b"))
    assert hash(Tensor("float32", shape)) == hash(Tensor("float32", (2, None)))
    assert Schema(fields=[AGE]) == Schema(fields=AGE) == Schema(fields=(AGE,))  # type: ignore[arg-type]
