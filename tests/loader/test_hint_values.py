"""Defaults, bounds and patterns inside type hints: kept exactly, in JSON types, or refused with the field's name."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import re
from typing import Annotated, Any, Final, NewType

import annotated_types as at
import numpy as np
import pydantic
import pydantic.dataclasses
import pytest

from modelwheel_loader.bridges.hints import HintError, field_of, whole_pattern
from modelwheel_loader.errors import InputError, UsageError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.validate.inputs import compile_input

UserId = NewType("UserId", int)


class Inner(pydantic.BaseModel):
    x: int = 1
    at: dt.date = dt.date(2026, 1, 31)


class Colour(enum.Enum):
    RED = "red"


class Node(pydantic.BaseModel):
    children: list[Node] = []


@dataclasses.dataclass
class Broken:
    a: Missing  # type: ignore[name-defined]  # noqa: F821


def schema_of(**members: Any) -> Schema:
    schema = Schema.of(pydantic.create_model("Model", **members))
    assert Schema.from_dict(json.loads(json.dumps(schema.to_dict(), allow_nan=False))) == schema
    compile_input(schema)
    return schema


@pytest.mark.parametrize(
    ("hint", "default", "wanted"),
    [
        (dt.timedelta, dt.timedelta(days=1, hours=2), "P1DT7200S"),
        (dt.timedelta, dt.timedelta(seconds=-1.5), "-P0DT1.500000S"),
        (dt.datetime, dt.datetime(2026, 1, 31, 12), "2026-01-31T12:00:00"),  # noqa: DTZ001
        (decimal.Decimal, decimal.Decimal("0.50"), "0.50"),
        (bytes, b"\x00\x01", "AAE="),
        (tuple[int, ...], (1, 2), [1, 2]),
        (set[str], {"b", "a"}, ["a", "b"]),
        (Colour, Colour.RED, "red"),
        (Inner, Inner(), {"x": 1, "at": "2026-01-31"}),
        (list[Inner], [Inner(x=2)], [{"x": 2, "at": "2026-01-31"}]),
        (float | None, None, None),
    ],
)
def test_defaults_are_json_and_fit_their_own_field(hint: Any, default: Any, wanted: Any) -> None:
    schema = schema_of(a=(hint, default))
    assert schema["a"].default == wanted
    assert compile_input(schema)([{}]).rows == 1


def test_defaults_of_numpy_and_dataclasses() -> None:
    point = dataclasses.make_dataclass("Point", [("x", float)])
    made = dataclasses.make_dataclass(
        "Row",
        [
            ("a", int, dataclasses.field(default=np.int64(3))),
            ("b", point, dataclasses.field(default_factory=lambda: point(1.5))),
        ],
    )
    assert [field.default for field in Schema.of(made)] == [3, {"x": 1.5}]


@pytest.mark.parametrize("default", [float("nan"), float("inf"), object(), {1: 2}])
def test_what_json_cannot_hold_is_named(default: Any) -> None:
    with pytest.raises(UsageError, match="has the default") as caught:
        Schema.of(dataclasses.make_dataclass("Row", [("a", float, dataclasses.field(default_factory=lambda: default))]))
    assert caught.value.defects[0].field == "a"


def test_a_default_that_holds_itself_has_an_end() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UsageError, match="has the default"):
        Schema.of(
            dataclasses.make_dataclass("Row", [("a", list[int], dataclasses.field(default_factory=lambda: endless))])
        )


UTC_NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("hint", "limit", "refused", "taken"),
    [
        (dt.date, at.Ge(dt.date(2026, 1, 31)), "2026-01-30", "2026-01-31"),
        (dt.date, at.Gt(dt.date(2026, 1, 31)), "2026-01-31", "2026-02-01"),
        (pydantic.AwareDatetime, at.Le(UTC_NOON), "2026-01-31T12:00:01Z", "2026-01-31T12:00:00Z"),
        (pydantic.AwareDatetime, at.Lt(UTC_NOON), "2026-01-31T12:00:00Z", "2026-01-31T11:59:59.999999Z"),
        (dt.timedelta, at.Gt(dt.timedelta(0)), "PT0S", "PT0.000001S"),
        (decimal.Decimal, at.Ge(decimal.Decimal("0.5")), "0.4", "0.5"),
        (decimal.Decimal, at.Lt(1), "1", "0.9999999999"),
        (int, at.Gt(0), 0, 1),
        (int, at.Ge(0.5), 0, 1),
        (int, at.Gt(0.5), 0, 1),
        (int, at.Lt(2.5), 3, 2),
        (float, at.Gt(0), 0.0, 5e-324),
        (np.float32, at.Gt(0), 0.0, 1e-40),
        (np.float32, at.Lt(1), 1.0, 0.9999999),
    ],
)
def test_bounds_are_kept_exactly(hint: Any, limit: Any, refused: Any, taken: Any) -> None:
    schema = Schema(fields=(field_of("a", Annotated[hint, limit]),))
    json.dumps(schema.to_dict(), allow_nan=False)
    check = compile_input(schema)
    assert check([{"a": taken}]).rows == 1
    with pytest.raises(InputError):
        check([{"a": refused}])


def test_bounds_that_bound_nothing_are_none() -> None:
    field = field_of("a", Annotated[float, at.Ge(-np.inf), at.Le(np.inf)])
    assert (field.minimum, field.maximum) == (None, None)


def test_a_strict_bound_needs_an_order_with_steps() -> None:
    with pytest.raises(HintError, match="gt"):
        field_of("a", Annotated[str, at.Gt("a")])


Limited = Annotated[int, pydantic.Field(ge=1, le=9, description="how many")]
Digits = Annotated[decimal.Decimal | None, pydantic.Field(max_digits=6)]


def test_what_stands_in_a_field_of_pydantic_is_read_wherever_it_stands() -> None:
    for hint in (Limited, Limited | None, Annotated[Limited, "how many"]):
        field = field_of("a", hint)
        assert (field.minimum, field.maximum, field.description) == (1, 9, "how many")

    def predict(count: Limited, size: Digits = None) -> int:
        del count, size
        return 0

    count, size = Schema.of(predict)
    assert (count.minimum, str(size.type)) == (1, "decimal(12, 6)")


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({}, "decimal(38, 10)"),
        ({"max_digits": 6, "decimal_places": 2}, "decimal(6, 2)"),
        ({"decimal_places": 0}, "decimal(38, 0)"),
    ],
)
def test_decimals_have_the_digits_of_pydantic(limits: dict[str, Any], kind: str) -> None:
    assert str(schema_of(a=(decimal.Decimal, pydantic.Field(**limits)))["a"].type) == kind


PATTERNS = [
    "[a-z]",
    "^[a-z]+$",
    "^a|b$",
    "^ab",
    "ab$",
    r"ab\$",
    r"a\\$",
    "(?i)AB",
    "(?i)^AB$",
    "(?x) a b # ab",
    "(?m)^b$",
]
TEXTS = ["", "a", "ab", "b", "xaby", "AB", "ab\n", "b\na", "ab$", "a\\", "zzb", "azz"]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_of_pydantic_are_searched_for(pattern: str) -> None:
    whole = re.compile(whole_pattern(pattern))
    searched = re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern) if "m)" not in pattern else pattern)
    for text in TEXTS:
        if pattern == "^a|b$" and text.endswith("\n"):
            continue
        assert bool(whole.fullmatch(text)) is bool(searched.search(text)), (pattern, whole.pattern, text)


def test_a_pattern_that_python_cannot_read_is_named() -> None:
    with pytest.raises(UsageError, match="which Python cannot read"):
        Schema.of(pydantic.create_model("Model", a=(str, pydantic.Field(pattern=r"\p{Greek}"))))


def test_a_compiled_pattern() -> None:
    assert field_of("a", Annotated[str, pydantic.StringConstraints(pattern=re.compile("^a+$"))]).pattern == "a+"


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (int | float, "float64"),
        (int | float | None, "float64"),
        (UserId, "int64"),
        (Final[int], "int64"),
        (tuple[float, float], "list[float64]"),
        (list[tuple[int, int]], "list[list[int64]]"),
        (pydantic.RootModel[list[int]], "list[int64]"),
    ],
)
def test_more_hints(hint: Any, kind: str) -> None:
    assert str(field_of("a", hint).type) == kind


def test_tuples_have_a_length() -> None:
    field = field_of("a", tuple[float, float, float])
    assert (field.min_length, field.max_length) == (3, 3)


@pytest.mark.parametrize("hint", [tuple[int, str], tuple[()], list[Any], 3, {}])
def test_no_type(hint: Any) -> None:
    with pytest.raises(HintError):
        field_of("a", hint)


def test_classes_that_hold_themselves_or_are_not_finished_are_refused() -> None:
    with pytest.raises(UsageError, match="holds Node inside itself") as caught:
        Schema.of(Node)
    assert caught.value.defects[0].field == "children"
    with pytest.raises(UsageError, match="Missing"):
        Schema.of(Broken)
    with pytest.raises(UsageError) as caught:
        Schema.of(pydantic.create_model("Outer", inner=(pydantic.create_model("In", deep=(complex, ...)), ...)))
    assert caught.value.defects[0].field == "inner.deep"


def test_pydantic_dataclasses() -> None:
    @pydantic.dataclasses.dataclass(config=pydantic.ConfigDict(extra="forbid"))
    class Row:
        a: int = pydantic.Field(ge=0, description="how many")
        b: Annotated[float, pydantic.Field(le=3)] = 1.0

    schema = Schema.of(Row)
    a, b = schema
    assert (a.minimum, a.description, a.required, b.maximum, b.default, schema.extra) == (
        0,
        "how many",
        True,
        3,
        1.0,
        "error",
    )


def test_aliases_with_choices_and_paths() -> None:
    choices = pydantic.AliasChoices("x", "y")
    assert schema_of(a=(int, pydantic.Field(validation_alias=choices))).names == ("x",)
    path = pydantic.Field(validation_alias=pydantic.AliasPath("x", 0))
    with pytest.raises(UsageError, match="AliasPath"):
        Schema.of(pydantic.create_model("Model", a=(int, path)))
    with pytest.raises(UsageError, match="not a dataclass"):
        Schema.of(pydantic.RootModel[list[int]])


def test_callables_without_a_signature_and_partial_ones() -> None:
    def predict(a: int, b: float = 1.0) -> float:
        return a * b

    assert Schema.of(functools.partial(predict, 1)).names == ("b",)
    with pytest.raises(UsageError, match="signature"):
        Schema.of(max)


def test_hints_that_name_what_is_not_there() -> None:
    def predict(a: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
        del a

    with pytest.raises(UsageError, match="a name is not known here"):
        Schema.of(predict)


def test_a_schema_with_lists_for_defaults_has_a_hash() -> None:
    schema = schema_of(a=(list[int], [1]))
    assert hash(schema) == hash(Schema.from_dict(schema.to_dict()))
