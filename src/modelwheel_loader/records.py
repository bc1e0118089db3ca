"""Immutable records. They read as dataclasses do, for people and type checkers, and cost next to nothing to define.

A dataclass writes and compiles source code when it is defined, up to a millisecond at every start of every process.
"""

from __future__ import annotations

from typing import Any, ClassVar, NoReturn, Self, dataclass_transform


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Record:
    """Attributes by annotation, given by keyword, the class's values as defaults; equal when all attributes are."""

    _fields: ClassVar[tuple[str, ...]] = ()
    _required: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(cls) -> None:
        cls._fields = (*cls._fields, *cls.__annotations__)
        cls._required = frozenset(name for name in cls._fields if not hasattr(cls, name))

    def __init__(self, **values: Any) -> None:
        if unknown := values.keys() - self._fields:
            raise TypeError(f"{type(self).__name__} has no {', '.join(map(repr, sorted(unknown)))}")
        if missing := self._required - values.keys():
            raise TypeError(f"{type(self).__name__} needs {', '.join(map(repr, sorted(missing)))}")
        self.__dict__.update(values)
        self.__post_init__()

    def __post_init__(self) -> None:
        """What a class does once its attributes are there; it may put others into `__dict__`."""

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
