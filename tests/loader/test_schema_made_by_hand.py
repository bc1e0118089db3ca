"""Schemas that are made or changed by hand: what contradicts itself is refused where it is written, with the reason."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwheel.inference.infer import infer_schema
from modelwheel_loader.errors import InvalidBundle, UsageError
from modelwheel_loader.limits import Limits
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, Decimal, Duration, Float, Integer, List, Struct, Tensor, Timestamp
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
    ("kind", "arguments"),
    [
        (Integer, (12,)),
        (Integer, (8.0,)),
        (Integer, (8, "no")),
        (Float, (80,)),
        (Decimal, (0,)),
        (Decimal, (2, 5)),
        (Decimal, (77,)),
        (Decimal, ("2",)),
        (Timestamp, ("D",)),
        (Timestamp, ("h",)),
        (Timestamp, ("us", "a b")),
        (Timestamp, ("us", 3)),
        (Duration, ("days",)),
        (Tensor, ("object", (2,))),
        (Tensor, ("float32", ("n",))),
        (Tensor, ("float32", (-1,))),
        (Tensor, ("float32", (1,) * 33)),
        (Tensor, ("float32", (2,), "yes")),
        (Category, (("a", 1),)),
        (Category, (("a", "a"),)),
        (Category, ((["a"],),)),
        (Category, (("a",), 1)),
        (List, (int,)),
        (List, ("x",)),
        (List, (Integer(), "yes")),
        (Struct, (("x",),)),
    ],
    ids=str,
)
def test_a_type_that_cannot_be_is_refused_where_it_is_written(kind: Any, arguments: Any) -> None:
    refused("schema.type", lambda: kind(*arguments))


ATTRIBUTES: list[tuple[str, dict[str, Any]]] = [
    ("schema.attribute", {"nullable": "yes"}),
    ("schema.attribute", {"nullable": 1}),
    ("schema.attribute", {"allow_infinity": None}),
    ("schema.attribute", {"deprecated": "since 2"}),
    ("schema.attribute", {"unit": 3}),
    ("schema.attribute", {"description": ["d"]}),
    ("schema.attribute", {"physical": "float64"}),
    ("schema.attribute", {"observed": {"rows": 1}}),
    ("schema.bound", {"pattern": 3}),
    ("schema.bound", {"minimum": [1]}),
    ("schema.bound", {"maximum": True}),
    ("schema.bound", {"allowed": 3}),
    ("schema.bound", {"allowed": {"a": 1, "b": [1]}.items()}),
    ("schema.bound", {"allowed": ("a", "a")}),
    ("schema.bound", {"min_length": 1.5}),
]


@pytest.mark.parametrize(("code", "attributes"), ATTRIBUTES, ids=str)
def test_each_attribute_of_a_field_has_its_type(code: str, attributes: dict[str, Any]) -> None:
    refused(code, lambda: Field(**{"name": "a", "type": "string", **attributes}))


def test_all_that_is_wrong_with_a_field_is_told_at_once() -> None:
    error = refused("schema.attribute", lambda: Field(name="a", type="int64", nullable="no", unit=1, minimum=[]))  # type: ignore[arg-type]
    assert [defect.code for defect in error.defects] == ["schema.attribute", "schema.bound", "schema.attribute"]
    assert {defect.field for defect in error.defects} == {"a"}


LIMITS: list[tuple[Any, dict[str, Any]]] = [
    ("int64", {"minimum": 2, "maximum": 1}),
    ("int64", {"minimum": 0.5}),
    ("int8", {"maximum": 1000}),
    ("float64", {"minimum": float("nan")}),
    ("float64", {"maximum": float("inf")}),
    ("date", {"minimum": "2026-02-01", "maximum": "2026-01-31"}),
    ("date", {"minimum": "tomorrow"}),
    ("bool", {"minimum": 0}),
    ("string", {"minimum": "a"}),
    ("binary", {"maximum": "AAEC"}),
    ("string", {"min_length": -1}),
    ("string", {"max_length": "3"}),
    ("string", {"min_length": 3, "max_length": 2}),
    ("string", {"pattern": "("}),
    ("string", {"allowed": (1, 2)}),
    ("int64", {"pattern": "a"}),
    ("int64", {"min_length": 1}),
    (Tensor("float32", (2,)), {"minimum": 0}),
    (Struct((AGE,)), {"allowed": (1,)}),
]


@pytest.mark.parametrize(("kind", "limits"), LIMITS, ids=str)
def test_limits_that_do_not_fit(kind: Any, limits: dict[str, Any]) -> None:
    refused("schema.bound", lambda: Field(name="a", type=kind, **limits))
    schema = Schema(fields=(Field(name="a", type=kind),))
    refused("schema.bound", lambda: schema.with_field("a", **limits))


@pytest.mark.parametrize(("kind", "limits"), LIMITS, ids=str)
def test_a_contract_that_a_file_brings_is_refused_by_the_contract_engine(kind: Any, limits: dict[str, Any]) -> None:
    """Reading a manifest imports no contract engine; what compiles the contract refuses it."""
    written = {
        **Field(name="a", type=kind).to_dict(),
        **{k: list(v) if type(v) is tuple else v for k, v in limits.items()},
    }
    try:
        schema = Schema.from_dict({"fields": [written], "layout": "records"})
    except InvalidBundle:
        return
    refused("schema.bound", lambda: compile_input(schema))


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("int64", {"default": "x"}),
        ("int64", {"default": None}),
        ("int64", {"default": 5, "minimum": 10}),
        ("string", {"default": "b", "allowed": ("a",)}),
        (List(Integer()), {"default": [1.5]}),
    ],
    ids=str,
)
def test_a_default_that_does_not_fit_its_field(kind: Any, attributes: dict[str, Any]) -> None:
    refused("schema.default", lambda: Field(name="a", type=kind, **attributes))


def test_values_of_numpy_and_enumerations_are_taken_as_pythons_own() -> None:
    import enum

    class Size(enum.StrEnum):
        SMALL = "s"
        LARGE = "l"

    number: Any = np.float64(0.5)
    sizes: Any = list(Size)
    few: Any = np.array([1, 2])
    assert type(Field(name="a", type="float64", minimum=number).minimum) is float  # type: ignore[arg-type]
    assert [type(item) for item in Field(name="a", type="string", allowed=sizes).allowed or ()] == [str, str]  # type: ignore[arg-type]
    assert Field(name="a", type="int64", allowed=few).to_dict()["allowed"] == [1, 2]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "code", "hint"),
    [
        (lambda: Field(name="a", type="int64", minimun=0), "schema.attribute", "did you mean 'minimum'?"),  # type: ignore[call-arg, arg-type]
        (lambda: Schema(fields=(AGE,), layot="frame"), "usage.argument", "did you mean 'layout'?"),  # type: ignore[call-arg]
        (lambda: Limits(member=3), "usage.argument", "did you mean 'members'?"),  # type: ignore[call-arg]
    ],
    ids=["Field", "Schema", "Limits"],
)
def test_a_misspelt_keyword_is_told_the_right_one(call: Any, code: str, hint: str) -> None:
    assert refused(code, call).hint == hint


def test_attributes_without_names_are_refused() -> None:
    refused("schema.attribute", lambda: Field("age", "int64"))  # type: ignore[call-arg, arg-type]


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
