"""The quick check of one value of one field: takes what is plainly right, and leaves all else to `columns.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .batch import Column
from .constraints import compile_rules
from .problems import Problems
from .schema import Field
from .types import Bool, Category, Integer, String

Quick = Callable[[Any], Column | None]
_MISSING = np.array([True])
_MISSING.setflags(write=False)


def compile_scalar(field: Field) -> Quick | None:
    """A function from a value to its one-row column, or to None when a closer look is needed; None for other types."""
    kind = field.type
    plain = _PLAIN.get(type(kind))
    if plain is None:
        return None
    accepts: Callable[[Any], bool] = plain(kind)
    dtype = kind.canonical
    # one null for all calls: nobody may write into a checked batch
    filler: Any = None if dtype == "object" else 0
    null = Column(np.array([filler], dtype=dtype), _MISSING) if field.nullable else None
    rules = compile_rules(field)

    def check(value: Any) -> Column | None:
        if value is None:
            return null
        if not accepts(value):
            return None
        column = Column(np.array([value], dtype=dtype))
        if rules:
            problems = Problems()
            for rule in rules:
                rule(column, problems)
            if problems.counted:
                return None
        return column

    return check


def _accept_bool(kind: Bool) -> Callable[[Any], bool]:  # noqa: ARG001 - all are made alike
    return lambda value: type(value) is bool


def _accept_integer(kind: Integer) -> Callable[[Any], bool]:
    low, high = kind.range
    return lambda value: type(value) is int and low <= value <= high


def _accept_string(kind: String) -> Callable[[Any], bool]:  # noqa: ARG001 - all are made alike
    # text that is not ASCII might hold half of a surrogate pair
    return lambda value: type(value) is str and value.isascii()


def _accept_category(kind: Category) -> Callable[[Any], bool]:
    values = frozenset(kind.values)
    types = {type(value) for value in kind.values}
    return lambda value: type(value) in types and value in values


_PLAIN: dict[type, Callable[[Any], Callable[[Any], bool]]] = {
    Bool: _accept_bool,
    Integer: _accept_integer,
    String: _accept_string,
    Category: _accept_category,
}
