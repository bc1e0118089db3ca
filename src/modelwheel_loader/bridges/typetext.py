"""Reads the text of a type that holds others, as `str(type)` writes it: `list[struct[a: int64?, b: category]]`."""

from __future__ import annotations

import json
import re

from ..opening.schema import Field
from ..opening.types import (
    BARE_NAME,
    TENSOR_DTYPES,
    Category,
    DataType,
    List,
    Struct,
    Tensor,
    TypeTextError,
    parse_scalar,
)
from ..text import shown

_LONGEST = 100_000
_DEEPEST = 32
"""How long a text may be, and how deep types may be nested in it."""
_SCALAR = re.compile(r"[a-z]+[0-9]*(?:\[[^\[\]\"]*\]|\([^()]*\))?")
_AXIS = r"(?:\d{1,18}|\*)"
_TENSOR = re.compile(rf"(sparse )?tensor\[(\w+), \(((?:{_AXIS}(?:, {_AXIS})*)?)\)\]")
_NAME = re.compile(BARE_NAME)


def parse_nested(text: str, *, complete: bool = False) -> DataType:
    """The type that the text names; raises `TypeTextError`, with `complete` also for a category, which lacks values."""
    if len(text) > _LONGEST:
        raise TypeTextError(f"the text of a type is too long: {len(text):,} characters")
    return _Reader(text, complete=complete).whole()


class _Reader:
    """A text and how far it was read."""

    def __init__(self, text: str, *, complete: bool) -> None:
        self._text, self._complete = text, complete
        self._at = 0

    def whole(self) -> DataType:
        made = self._type(0)
        if self._at != len(self._text):
            raise self._wrong()
        return made

    def _wrong(self) -> TypeTextError:
        place = "" if self._at in (0, len(self._text)) else f" at character {self._at + 1}"
        return TypeTextError(f"unknown type {shown(self._text)}{place}")

    def _take(self, word: str) -> bool:
        found = self._text.startswith(word, self._at)
        self._at += len(word) if found else 0
        return found

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        self._at = match.end() if match else self._at
        return match

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise self._wrong()

    def _type(self, depth: int) -> DataType:
        if depth > _DEEPEST:
            raise TypeTextError(f"types are nested deeper than {_DEEPEST}")
        if self._take("list["):
            item = self._type(depth + 1)
            nullable = self._take("?")
            self._expect("]")
            return List(item, nullable)
        if self._take("struct["):
            return Struct(tuple(self._members(depth + 1)))
        if match := self._match(_TENSOR):
            axes = tuple(None if axis == "*" else int(axis) for axis in match[3].split(", ") if axis)
            if match[2] in TENSOR_DTYPES and len(axes) <= _DEEPEST:
                return Tensor(match[2], axes, bool(match[1]))
        elif match := self._match(_SCALAR):
            if match[0] != "category":
                return parse_scalar(match[0])
            if not self._complete:
                return Category()
            raise TypeTextError("a category has values: give it as Category((…))")
        raise self._wrong()

    def _members(self, depth: int) -> list[Field]:
        fields: list[Field] = []
        while not self._take("]"):
            if fields:
                self._expect(", ")
            name = self._name()
            self._expect(": ")
            kind = self._type(depth)
            fields.append(Field(name=name, type=kind, nullable=self._take("?")))
        if len({field.name for field in fields}) != len(fields):
            raise TypeTextError(f"two members of a struct have the same name: {shown(self._text)}")
        return fields

    def _name(self) -> str:
        if match := self._match(_NAME):
            return match[0]
        try:
            name, self._at = json.JSONDecoder().raw_decode(self._text, self._at)
        except ValueError:
            raise self._wrong() from None
        if not isinstance(name, str):
            raise self._wrong()
        return name
