"""`parse_type` reads every text that a type prints, and nothing else harms it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwheel.types import (
    Binary,
    Bool,
    Category,
    DataType,
    Date,
    Decimal,
    Duration,
    Float,
    Integer,
    List,
    String,
    Struct,
    Tensor,
    Timestamp,
    TypeTextError,
    parse_type,
)
from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening.schema import Field
from modelwheel_loader.opening.types import TENSOR_DTYPES

UNITS: Any = st.sampled_from(["s", "ms", "us", "ns"])
ZONES = st.sampled_from([None, "UTC", "Europe/Berlin", "+01:00"])
SCALARS: st.SearchStrategy[DataType] = st.one_of(
    st.sampled_from([Bool(), String(), Binary(), Date(), Category()]),
    st.builds(Integer, st.sampled_from([8, 16, 32, 64]), st.booleans()),
    st.builds(Float, st.sampled_from([16, 32, 64])),
    st.builds(Timestamp, UNITS, ZONES),
    st.builds(Duration, UNITS),
    st.integers(1, 76).flatmap(lambda digits: st.builds(Decimal, st.just(digits), st.integers(0, digits))),
    st.builds(
        Tensor,
        st.sampled_from(TENSOR_DTYPES),
        st.lists(st.none() | st.integers(0, 10**6), max_size=4).map(tuple),
        st.booleans(),
    ),
)


def structs(inner: st.SearchStrategy[DataType]) -> st.SearchStrategy[DataType]:
    member = st.tuples(st.text(), inner, st.booleans())
    made = st.lists(member, max_size=4, unique_by=lambda parts: parts[0])
    return made.map(lambda all_: Struct(tuple(Field(name=n, type=kind, nullable=null) for n, kind, null in all_)))


TYPES = st.recursive(SCALARS, lambda inner: st.builds(List, inner, st.booleans()) | structs(inner), max_leaves=8)


@given(kind=TYPES)
def test_a_text_is_read_back(kind: DataType) -> None:
    assert parse_type(str(kind)) == kind


@given(kind=TYPES, cut=st.integers(0, 60), more=st.text(max_size=3))
def test_a_broken_text_is_another_type_or_an_error(kind: DataType, cut: int, more: str) -> None:
    text = str(kind)[:cut] + more
    try:
        made = parse_type(text)
    except TypeTextError:
        return
    assert str(made) == text or '"' in text


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "int65", "int64 ", "list", "list[]", "list[int64", "list[int64]]", "list[int64?", "int64?",
        "struct[a]", "struct[a: int64,]", "struct[a: int8, a: int8]", 'struct["a: int8]', "struct[1: int8",
        "struct[null: ]", "tensor[object, ()]", "tensor[float64]", "tensor[float64, (1, )]", "decimal(77, 0)",
        "category[", "list[" * 100 + "int8" + "]" * 100, "list[" * 50_000,
    ],
)  # fmt: skip
def test_what_is_not_the_text_of_a_type(text: str) -> None:
    with pytest.raises(TypeTextError):
        parse_type(text)


def test_a_field_takes_texts_of_nested_types_but_not_of_a_category_which_lacks_its_values() -> None:
    kind = Field(name="x", type="list[struct[a: float32?]?]").type  # type: ignore[arg-type]
    assert kind == List(Struct((Field(name="a", type=Float(32), nullable=True),)), nullable=True)
    for text in ("category", "list[category]"):
        with pytest.raises(UsageError):
            Field(name="x", type=text)  # type: ignore[arg-type]
