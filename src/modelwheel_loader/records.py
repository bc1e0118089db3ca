"""Immutable records. They read as dataclasses do, for people and type checkers, and cost next to nothing to define.

A dataclass writes and compiles source code when it is defined, up to a millisecond at every start of every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, NoReturn, Self, dataclass_transform

from .doors import door

NEEDED: Any = object()
"""The default of an attribute that has none."""
Contradiction = tuple[str, str, str]
"""The place inside a record, what is wrong there, and what was found."""
Presence = Literal["required", "optional", "sparse"]


class Key:
    """How an attribute is written in a JSON object: what its value may be (`kind`), and whether the key may lack.

    A `required` key is always there. An `optional` one may lack and then has its default; a `sparse` one is left out
    when it has its default. `within` names an object that holds the key, `name` the key where it is another.
    """

    __slots__ = ("default", "kind", "name", "presence", "within")

    def __init__(self, kind: Any, default: Any, presence: Presence, name: str, within: str) -> None:
        self.kind = kind
        self.default = default
        self.presence = presence
        self.name = name
        self.within = within


def required(kind: Any, *, default: Any = NEEDED, name: str = "", within: str = "") -> Any:
    """An attribute whose key is in every file; `default` is for records that are made in Python."""
    return Key(kind, default, "required", name, within)


def optional(kind: Any, *, default: Any, name: str = "", within: str = "") -> Any:
    """An attribute whose key a file may lack."""
    return Key(kind, default, "optional", name, within)


def sparse(kind: Any, *, default: Any, name: str = "", within: str = "") -> Any:
    """An attribute whose key is written only where it is not at its default."""
    return Key(kind, default, "sparse", name, within)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(required, optional, sparse))
class Record:
    """Attributes by annotation, given by keyword, the class's values as defaults; equal when all attributes are.

    What a file holds declares its attributes by `required`, `optional` and `sparse`: `KEYS` is the one specification
    from which they are read, written and described (`opening/strictjson.py`).
    """

    KEYS: ClassVar[Mapping[str, Key]] = {}
    _fields: ClassVar[tuple[str, ...]] = ()
    _needed: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        own = [(name, cls.__dict__.get(name)) for name in cls.__annotations__]
        cls.KEYS = {**cls.KEYS, **{name: key for name, key in own if isinstance(key, Key)}}
        for name, key in own:
            if isinstance(key, Key):
                if key.default is NEEDED:
                    delattr(cls, name)
                else:
                    setattr(cls, name, key.default)
        cls._fields = (*cls._fields, *cls.__annotations__)
        cls._needed = frozenset(name for name in cls._fields if not hasattr(cls, name))

    def __init__(self, *unnamed: object, **values: Any) -> None:
        if unnamed or values.keys() - self._fields or self._needed - values.keys():
            raise door("misfit")(type(self), self._fields, self._needed, unnamed, values)
        self.__dict__.update(values)
        self.__post_init__()

    @classmethod
    def unchecked(cls, values: Mapping[str, Any]) -> Self:
        """A record of values that a reader has checked: nothing is checked again."""
        made = cls.__new__(cls)
        made.__dict__.update(values)
        return made

    def __post_init__(self) -> None:
        """What a class does once its attributes are there; it may put others into `__dict__`."""

    def contradictions(self) -> Iterable[Contradiction]:
        """What is wrong with the attributes together, when each is right."""
        return ()

    def attributes(self) -> dict[str, Any]:
        """All attributes by name, in the order of the class."""
        return {name: getattr(self, name) for name in self._fields}

    def replace(self, **changes: Any) -> Self:
        """A copy in which these attributes differ."""
        return type(self)(**(self.attributes() | changes))

    __replace__ = replace  # copy.replace, from Python 3.13

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.attributes() == self.attributes()

    def __hash__(self) -> int:
        return hash((type(self), *self.attributes().values()))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{k}={v!r}' for k, v in self.attributes().items())})"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} cannot be deleted")
