"""JSON from a bundle, read strictly; and records in it, read and written by the specification that their class is.

Parsing follows THREATS row 9: bounded bytes, UTF-8, no duplicate keys, no NaN, no integer beyond 64 bits, bounded
depth that is measured before the parser recurses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from ..defects import MOST_DEFECTS, Defect
from ..errors import InvalidBundle
from ..limits import DEFAULT, Limits
from ..records import NEEDED, Contradiction, Key, Record
from ..text import clip, counted, shown

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


class Cursor:
    """A JSON object, its path, and the list that collects what is wrong with it.

    Reading does not raise: a wrong value adds a defect and gives a harmless one of the right type, so that one reading
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
            self._add(path, "must be an object", shown(value))

    def _add(self, where: str, message: str, found: str) -> None:
        self.defects.append(Defect(code="manifest.invalid", where=where, message=message, found=found))
        if len(self.defects) >= MOST_DEFECTS:
            raise InvalidBundle(f"{clip(self.path, 120)} is wrong in {MOST_DEFECTS:,} places or more", self.defects)

    def _at(self, key: str) -> str:
        return f"{self.path}.{clip(key, 80)}" if self.path else clip(key, 80)

    def wrong(self, key: str, message: str, found: str = "") -> None:
        """Record that the value of `key` breaks a rule."""
        self._add(self._at(key), message, found)

    def get(self, key: str, kind: Kind, default: Any = NEEDED) -> Any:
        """The value of `key`, which must be of `kind`; required when there is no default. Null is as absent."""
        value = self.value.get(key)
        if value is None and not (kind is ANYTHING and key in self.value):
            if default is not NEEDED:
                return default
            self.wrong(key, "is missing")
            return kind.harmless
        return kind.read(self, key, value)

    def inner(self, key: str, value: object) -> Cursor:
        """The object that is the value of `key`."""
        return Cursor(value, self._at(key), self.defects, self.limits)


class Kind:
    """What a value may be: how it is checked when it is read, and how it is written. Without types, it is anything."""

    types: frozenset[type] = frozenset()
    must = ""
    harmless: Any = None
    plain = False
    """Whether nothing but the type is checked."""

    def read(self, at: Cursor, key: str, value: Any) -> Any:
        """The value of `key` in `at`; for a wrong one a defect, and a value that does no harm."""
        if self.types and type(value) not in self.types:
            at.wrong(key, f"must be {self.must}", shown(value))
            return self.harmless
        return self.take(at, key, value)

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: ARG002 - what more there is to check
        """The value, whose type is right."""
        return value

    def write(self, value: Any) -> Any:
        """The value as JSON types."""
        return value


class Plain(Kind):
    """A value of one of some types, of which nothing more is checked."""

    plain = True

    def __init__(self, *types: type, must: str = "", harmless: Any = None) -> None:
        self.must = must
        self.harmless = harmless
        self.types = frozenset(types)


class Integer(Kind):
    """A whole number, at least `minimum`."""

    types = frozenset({int})
    must = "an integer"

    def __init__(self, minimum: int = 0) -> None:
        self.minimum = self.harmless = minimum

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        if value < self.minimum:
            at.wrong(key, f"must be at least {self.minimum}", shown(value))
            return self.minimum
        return value


class Number(Integer):
    """A number from 0 on, as a float."""

    types = frozenset({int, float})
    must = "a number"

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        return float(super().take(at, key, value))


class Text(Kind):
    """A text of at most `limit` characters for which `rule` holds; `must` says that rule."""

    types = frozenset({str})
    must = "a text"
    harmless = ""

    def __init__(self, limit: int = 10_000, rule: Callable[[str], bool] | None = None, must: str = "") -> None:
        self.limit = limit
        self.rule = rule
        self.meaning = must

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        if len(value) > self.limit:
            at.wrong(key, f"is longer than {self.limit:,} characters", counted(len(value), "character"))
            return self.harmless
        if self.rule is not None and not self.rule(value):
            at.wrong(key, f"must be {self.meaning}", shown(value))
        return value


class Choice(Kind):
    """One of several texts."""

    types = frozenset({str})
    must = "a text"

    def __init__(self, *choices: str) -> None:
        self.choices = choices
        self.harmless = choices[0]

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        if value not in self.choices:
            at.wrong(key, f"must be one of {', '.join(self.choices)}", shown(value))
            return self.harmless
        return value


class Nullable(Kind):
    """Null, or a value of another kind."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        return None if value is None else self.kind.read(at, key, value)


class Array(Kind):
    """A list, as a tuple, of `least` to `most` elements of a kind; `distinct` ones differ and have one type."""

    types = frozenset({list})
    must = "a list"

    def __init__(
        self, kind: Kind, *, least: int = 0, most: int | None = None, distinct: bool = False, harmless: Any = ()
    ) -> None:
        self.kind = kind
        self.harmless = harmless
        self.least = least
        self.most = most
        self.distinct = distinct

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        count = len(value)
        if count < self.least or (self.most is not None and count > self.most):
            bound = f"at least {self.least}" if count < self.least else f"at most {self.most}"
            at.wrong(key, f"must hold {bound} elements", counted(count, "element"))
            return self.harmless
        if not (self.kind.plain and (not self.kind.types or self.kind.types.issuperset(map(type, value)))):
            before = len(at.defects)
            value = [self.kind.read(at, f"{key}[{index}]", item) for index, item in enumerate(value)]
            if len(at.defects) > before:
                return tuple(value)
        if self.distinct and (len(set(map(type, value))) > 1 or len(set(value)) != count):
            at.wrong(key, "must hold different values of one type")
        return tuple(value)

    def write(self, value: Any) -> Any:  # noqa: D102
        return list(value) if self.kind.plain else [self.kind.write(item) for item in value]


class Table(Kind):
    """An object whose keys are names, and whose values are of one kind."""

    types = frozenset({dict})
    must = "an object"
    harmless: Any = MappingProxyType({})

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        inner = at.inner(key, value)
        return {name: self.kind.read(inner, name, item) for name, item in value.items()}

    def write(self, value: Any) -> Any:  # noqa: D102
        return {name: self.kind.write(item) for name, item in value.items()}


class Inner(Kind):
    """An object, to be read by hand."""

    types = frozenset({dict})
    must = "an object"
    plain = False

    @property
    def harmless(self) -> Cursor:
        """An empty object that collects nothing."""
        return Cursor({}, "", [])

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        return at.inner(key, value)


class Object(Inner):
    """A record, by the specification that its class is: `KEYS`, and what `also` and its `contradictions` say of it."""

    def __init__(self, record: type[Record], also: Callable[[Any], Iterable[Contradiction]] | None = None) -> None:
        self.record = record
        self.also = also

    @property
    def harmless(self) -> Any:
        """The record of an empty object."""
        return self.record.unchecked(read_keys(self.record.KEYS, Cursor({}, "", [])))

    def read(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        return value if isinstance(value, self.record) else super().read(at, key, value)

    def take(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        return self.read_from(at.inner(key, value))

    def read_from(self, at: Cursor) -> Any:
        """The record in the object `at`."""
        made = self.record.unchecked(read_keys(self.record.KEYS, at))
        for contradiction in (*made.contradictions(), *(self.also(made) if self.also else ())):
            at.wrong(*contradiction)
        return made

    def write(self, value: Any) -> Any:  # noqa: D102
        return plain(value)


ANYTHING = Plain()
FLAG = Plain(bool, must="true or false", harmless=False)
SCALAR = Plain(str, int, float, bool, must="a text, a number or a Boolean", harmless="")
COUNT, NUMBER, TEXT, OBJECT = Integer(), Number(), Text(), Inner()
LIST = Array(ANYTHING)


def read_keys(keys: Mapping[str, Key], at: Cursor) -> dict[str, Any]:
    """The attributes that the object `at` gives to a record, without those that are at their default."""
    made: dict[str, Any] = {}
    holders: dict[str, Cursor | None] = {"": at}
    for name, key in keys.items():
        default = NEEDED if key.presence == "required" else key.default
        if key.within:
            if key.within not in holders:
                holders[key.within] = at.get(key.within, OBJECT, default if default is NEEDED else None)
            default = NEEDED  # an object that may lack is whole where it is there
        holder = holders[key.within]
        value = key.default if holder is None else holder.get(key.name or name, key.kind, default)
        if value is not key.default:
            made[name] = value
    return made


def plain(record: Record | None) -> Any:
    """A record as JSON types, by the same specification; None as null."""
    return None if record is None else write_keys(record.KEYS, record)


def write_keys(keys: Mapping[str, Key], record: object) -> dict[str, Any]:
    """The attributes of a record as the object of JSON that `read_keys` reads."""
    made: dict[str, Any] = {}
    idle: dict[str, str] = {}
    for name, key in keys.items():
        value = getattr(record, name)
        usual = key.presence != "required" and (value is key.default or value == key.default)
        written = None if value is None else key.kind.write(value)
        if key.within:
            made.setdefault(key.within, {})[key.name or name] = written
            idle[key.within] = key.presence if usual and idle.get(key.within, "sparse") else ""
        elif not (usual and key.presence == "sparse"):
            made[key.name or name] = written
    for within, presence in idle.items():
        if presence == "sparse":
            del made[within]
        elif presence:
            made[within] = None
    return made


def defects_by_hand(record: Record) -> list[Defect]:
    """What is wrong with a record that was made in Python, by the same specification."""
    at = Cursor({}, "", [])
    for name, key in record.KEYS.items():
        value = record.__dict__.get(name, key.default)
        if value is not key.default and key.kind is not ANYTHING:
            record.__dict__[name] = key.kind.read(at, name, _as_parsed(value))
    for contradiction in record.contradictions():
        at.wrong(*contradiction)
    return at.defects


def _as_parsed(value: Any) -> Any:
    """What a parser of JSON would give: lists for tuples, Python's own texts and numbers for those of numpy."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, tuple | list):
        return [_as_parsed(item) for item in value]
    if type(value) is not bool:
        for kind, own in ((str, str.__str__), (int, int), (float, float)):
            if isinstance(value, kind):
                return own(value)
    return value
