"""An order for the members of a set that follows from the members alone, not from the process that holds them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


def ordered(members: Collection[Any], content: Callable[[object], bytes] | None) -> tuple[list[Any], bool]:
    """The members in order, and whether two of them could not be told apart.

    `content` gives bytes for members that are neither plain values nor tuples and frozensets of them; without it
    such members are left out.
    """
    if content is None:
        members = [member for member in members if is_plain(member)]
    keyed = [(_key(member, content), member) for member in members]
    if len(keyed) < 2:
        return [member for _, member in keyed], False
    keyed.sort(key=lambda item: item[0])
    return [member for _, member in keyed], any(one[0] == two[0] for one, two in pairwise(keyed))


def is_plain(member: object) -> bool:
    """Whether a value is compared by what it is, all the way down."""
    kind = type(member)
    if kind in (tuple, frozenset):
        return all(map(is_plain, member))  # type: ignore[call-overload]
    return kind in _PLAIN


def _key(member: Any, content: Callable[[object], bytes] | None) -> bytes:
    """Bytes that are equal for equal plain values of one type only."""
    kind = type(member)
    if kind in _PLAIN:
        value = member if kind is bytes else repr(member).encode("utf-8", "surrogatepass")
    elif kind is tuple:
        value = b"".join(_framed(_key(item, content)) for item in member)
    elif kind is frozenset:
        value = b"".join(map(_framed, sorted(_key(item, content) for item in member)))
    elif content is None:
        value = b""
    else:
        value = content(member)
    return kind.__qualname__.encode() + b"\0" + value


def _framed(key: bytes) -> bytes:
    return len(key).to_bytes(8, "big") + key
