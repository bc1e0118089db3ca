"""JSON from a bundle, read strictly, and typed access to it that says where something is wrong.

Parsing follows THREATS row 9: bounded bytes, UTF-8, no duplicate keys, no NaN, no integer beyond 64 bits, bounded
depth that is measured before the parser recurses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np

from ..defects import MOST_DEFECTS, Defect
from ..errors import InvalidBundle
from ..limits import DEFAULT, Limits
from ..text import clip, shown

# possessive, and an unclosed string ends with the document: otherwise one that hides many quotes costs quadratic time
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_PIECE = 1 << 16
_LONGEST_INTEGER = 20
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1


def parse_json(data: bytes, where: str, *, depth: int = DEFAULT.json_depth) -> Any:
    """The document in `data`; raises `InvalidBundle` naming `where` for anything that is not strict JSON."""

    def refuse(message: str) -> NoReturn:
        raise InvalidBundle.of("json.invalid", message, where=where)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(items)
        if len(made) != len(items):
            refuse("a key appears twice in one object")
        return made

    def integer(text: str) -> int:
        if len(text) > _LONGEST_INTEGER or not _SMALLEST <= int(text) <= _LARGEST:
            refuse(f"the integer {clip(text, 24)} does not fit 64 bits")
        return int(text)

    def real(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            refuse(f"the number {clip(text, 24)} is too large")
        return value

    _check_depth(data, depth, refuse)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=pairs,
            parse_int=integer,
            parse_float=real,
            parse_constant=lambda text: refuse(f"{text} is not JSON"),
        )
        if b"\\ud" in data or b"\\uD" in data:  # half of a surrogate pair, perhaps
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        refuse("the text is not valid UTF-8")
    except json.JSONDecodeError as error:
        refuse(f"not JSON: {clip(error.msg)} at line {error.lineno}, column {error.colno}")
    return value


def _check_depth(data: bytes, depth: int, refuse: Any) -> None:
    """Refuse nesting deeper than `depth`, before the parser recurses."""
    steps = np.frombuffer(_STRING.sub(b"", data).translate(_STEPS, _NOT_BRACKETS), dtype=np.int8)
    level = 0
    for start in range(0, len(steps), _PIECE):  # in pieces: the levels of all would take eight times the document
        levels = np.cumsum(steps[start : start + _PIECE], dtype=np.int64)
        if level + levels.max() > depth:
            refuse(f"nested deeper than {depth} levels")
        level += int(levels[-1])


def dump_json(value: Any) -> bytes:
    """`value` as the one form in which our writer stores JSON: sorted keys, one space of indent, final newline."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    return (text + "\n").encode("utf-8")


_KINDS: dict[type, str] = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


class Cursor:
    """A JSON object, its path, and the list that collects what is wrong with it.

    Getters do not raise: a wrong value adds a defect and gives a harmless one of the right type, so that one reading
    finds every defect. Whoever started the reading raises when it is over. Only the thousandth defect raises
    `InvalidBundle` at once: a document may be wrong in millions of places.
    """

    __slots__ = ("defects", "limits", "path", "value")

    def __init__(self, value: object, path: str, defects: list[Defect], limits: Limits = DEFAULT) -> None:
        self.path = path
        self.defects = defects
        self.limits = limits
        self.value: dict[str, Any] = value if isinstance(value, dict) else {}
        if not isinstance(value, dict):
            self._add(path, "must be an object", found=shown(value))

    def _add(self, where: str, message: str, *, found: str = "") -> None:
        self.defects.append(Defect(code="manifest.invalid", where=where, message=message, found=found))
        if len(self.defects) >= MOST_DEFECTS:
            raise InvalidBundle(f"{clip(self.path, 120)} is wrong in {MOST_DEFECTS:,} places or more", self.defects)

    def _at(self, key: str) -> str:
        return f"{self.path}.{clip(key, 80)}"

    def wrong(self, key: str, message: str, *, found: str = "") -> None:
        """Record that the value of `key` breaks a rule."""
        self._add(self._at(key), message, found=found)

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.value.get(key) is not None

    def _get(self, key: str, kind: type, default: Any, *, required: bool) -> Any:
        value = self.value.get(key)
        if value is None:
            if required:
                self.wrong(key, "is missing")
            return default
        if type(value) is not kind and not (kind is float and type(value) is int):
            self.wrong(key, f"must be {_KINDS[kind]}", found=shown(value))
            return default
        return value

    def text(self, key: str, default: str | None = None, *, limit: int = 10_000) -> str:
        """The text at `key`; required when there is no default."""
        value: str = self._get(key, str, default or "", required=default is None)
        if len(value) > limit:
            self.wrong(key, f"is longer than {limit:,} characters", found=f"{len(value):,} characters")
            return default or ""
        return value

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        """The text at `key`, one of `choices`."""
        value = self.text(key, default)
        if value not in choices and self.has(key):
            self.wrong(key, f"must be one of {', '.join(choices)}", found=shown(value))
        return value if value in choices else choices[0]

    def integer(self, key: str, default: int | None = None, *, minimum: int = 0) -> int:
        """The integer at `key`, at least `minimum`; required when there is no default."""
        value: int = self._get(key, int, minimum if default is None else default, required=default is None)
        if value < minimum:
            self.wrong(key, f"must be at least {minimum}", found=shown(value))
            return minimum
        return value

    def number(self, key: str) -> float:
        """The number at `key`; required."""
        return float(self._get(key, float, 0.0, required=True))

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """The Boolean at `key`; required when there is no default."""
        return bool(self._get(key, bool, bool(default), required=default is None))

    def object(self, key: str) -> Cursor:
        """The object at `key`; required."""
        return Cursor(self._get(key, dict, {}, required=True), self._at(key), self.defects, self.limits)

    def list(self, key: str, *, required: bool = True) -> list[Any]:
        """The list at `key`, its elements unchecked."""
        value: list[Any] = self._get(key, list, [], required=required)
        return value

    def objects(self, key: str, *, required: bool = True) -> Iterator[Cursor]:
        """The objects of the list at `key`."""
        for index, value in enumerate(self.list(key, required=required)):
            yield Cursor(value, f"{self._at(key)}[{index}]", self.defects, self.limits)

    def texts(self, key: str, *, required: bool = True) -> tuple[str, ...]:
        """The texts of the list at `key`."""
        values = self.list(key, required=required)
        for index, value in enumerate(values):
            if type(value) is not str:
                self.wrong(f"{key}[{index}]", "must be a text", found=shown(value))
        return tuple(value for value in values if type(value) is str)

    def items(self) -> Iterator[tuple[str, Cursor]]:
        """Every key of this object, whose values must be objects, in order."""
        for key, value in self.value.items():
            yield key, Cursor(value, self._at(key), self.defects, self.limits)
