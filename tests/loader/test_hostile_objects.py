"""Objects that raise whatever they are asked: the caller gets `InputError`, caused by the error of the object."""

from __future__ import annotations

import collections.abc
import datetime as dt
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
import pytest

from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, Decimal, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.inputs import compile_input

NUMBER = Schema(fields=(Field(name="a", type=parse_type("float64")),))


class NoArray:
    ndim = 1

    def __len__(self) -> int:
        return 2

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise OSError("the disk is gone")


class NoLength:
    ndim = 1

    def __len__(self) -> NoReturn:
        raise KeyError("length")


class NoItems:
    ndim = 1

    def __iter__(self) -> NoReturn:
        raise ZeroDivisionError


class NoAttributes:
    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(name)


class AnyAttribute:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: 1


class NoCapsule:
    def __arrow_c_stream__(self, requested_schema: object = None) -> NoReturn:
        raise KeyError("stream")


class NoValues(collections.abc.Mapping[str, Any]):
    def __getitem__(self, key: str) -> NoReturn:
        raise LookupError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(["a"])

    def __len__(self) -> int:
        return 1


class NoEquality(float):
    def __eq__(self, other: object) -> NoReturn:
        raise RuntimeError

    __ne__ = __eq__
    __hash__ = float.__hash__


class NoOffset(dt.tzinfo):
    def utcoffset(self, _: Any) -> NoReturn:
        raise RuntimeError("offset")

    dst = tzname = utcoffset


class NoText:
    def __str__(self) -> NoReturn:
        raise RuntimeError("text")


def endless() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def deep() -> list[Any]:
    made: list[Any] = []
    for _ in range(50_000):
        made = [made]
    return made


OBJECTS: dict[str, Any] = {
    "no array": NoArray(),
    "no length": NoLength(),
    "no items": NoItems(),
    "no attributes": NoAttributes(),
    "any attribute": AnyAttribute(),
    "no capsule": NoCapsule(),
    "no values": NoValues(),
    "no equality": NoEquality(1.0),
    "no offset": dt.datetime(2026, 1, 31, tzinfo=NoOffset()),
    "no text": NoText(),
    "endless": endless(),
    "deep": deep(),
    "huge": 10**5000,
}
KINDS: list[DataType] = [
    *map(parse_type, ("float64", "int64", "string", "bool", "date", "timestamp[us, UTC]", "duration[us]", "binary")),
    Decimal(6, 2),
    Category(("a", "b")),
    List(parse_type("float64")),
    Struct((Field(name="x", type=parse_type("float64")),)),
    Tensor("float32", (2,)),
    Tensor("float32", (None, None)),
]


def judged(schema: Schema, data: Any) -> None:
    try:
        compile_input(schema)(data)
    except InputError as error:
        told = f"{error} {error.to_problem(values=True)}"
        assert len(told) < 5_000


@pytest.mark.parametrize("name", OBJECTS)
def test_whatever_they_raise(name: str) -> None:
    value = OBJECTS[name]
    schemas = [NUMBER, NUMBER.replace(layout="matrix"), NUMBER.replace(extra="error")]
    schemas += [Schema(fields=(Field(name="a", type=Tensor("float32", (2,))),), layout="array")]
    for schema in schemas:
        for data in (value, [value], [{"a": 1.0}, value], {"a": 1.0, "b": value}):
            judged(schema, data)
    for kind in KINDS:
        schema = Schema(fields=(Field(name="a", type=kind, nullable=True),))
        for data in (
            {"a": value},
            [{"a": value}, {"a": None}],
            {"a": [value, None]},
            [{"a": [value]}, {"a": {"x": value}}],
        ):
            judged(schema, data)


@pytest.mark.parametrize("key", [10**5000, NoText()], ids=["huge", "no text"])
def test_keys(key: Any) -> None:
    judged(NUMBER.replace(extra="error"), {key: 1.0, "a": 1.0})
    judged(NUMBER, {key: 1.0})
    judged(NUMBER, {key: [1.0], "a": [1.0]})


def test_the_cause_is_kept() -> None:
    with pytest.raises(InputError) as caught:
        compile_input(NUMBER)({"a": NoLength(), "b": np.zeros(2)})
    assert caught.value.code == "input.unreadable"
    assert isinstance(caught.value.__cause__, KeyError)
    assert "NoLength" not in str(caught.value.to_problem())
