"""The values inside type hints as the contract writes them: defaults, bounds and patterns of pydantic and others."""

from __future__ import annotations

import base64
import dataclasses
import datetime as dt
import decimal
import enum
import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..text import clip
from .fields import UNREADABLE
from .types import DataType, Date, Decimal, Duration, Float, Integer, Timestamp

_NAMES = {"ge": "minimum", "gt": "minimum", "le": "maximum", "lt": "maximum"}
_LENGTHS = ("min_length", "max_length")
_FLAGS = r"\(\?([aiLmsux]+)\)"
_END = r"(?<!\\)(?:\\\\)*\$\Z"
_ANYTHING = r"[\s\S]*"
_DEEPEST = 20


class HintError(ValueError):
    """No type of the contract describes an annotation; whoever reads several adds the name and collects."""


def plain_default(value: Any, depth: int = 0) -> Any:
    """A default as a JSON type, as the validators read it back; raises `HintError` for what JSON cannot hold."""
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, enum.Enum):
        return plain_default(value.value)
    if isinstance(value, np.generic):
        return plain_default(value.item())
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, dt.date | dt.timedelta | decimal.Decimal):
        return plain_time(value)
    if depth < _DEEPEST:
        if isinstance(value, list | tuple):
            return [plain_default(item, depth + 1) for item in value]
        if isinstance(value, set | frozenset):
            return sorted((plain_default(item, depth + 1) for item in value), key=repr)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return plain_default(dataclasses.asdict(value), depth + 1)
        if hasattr(value, "model_dump") and not isinstance(value, type):
            return plain_default(value.model_dump(by_alias=True), depth + 1)
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: plain_default(item, depth + 1) for key, item in value.items()}
    raise HintError(f"has the default {_piece(value)}, which a manifest cannot hold")


def _piece(value: Any) -> str:
    return clip(value) if isinstance(value, float) else f"of type {clip(type(value).__qualname__)}"


def plain_time(value: Any) -> Any:
    """Times as ISO 8601 text and decimals as text; anything else as it is."""
    if isinstance(value, dt.timedelta):
        sign, length = ("-", -value) if value < dt.timedelta() else ("", value)
        fraction = f".{length.microseconds:06}" if length.microseconds else ""
        return f"{sign}P{length.days}DT{length.seconds}{fraction}S"
    if isinstance(value, dt.date):
        return value.isoformat()
    return str(value) if isinstance(value, decimal.Decimal) else value


def constraints_of(extra: Any, kind: DataType) -> dict[str, Any]:
    """What an object inside `Annotated` says of a field of type `kind`; nothing when it is not known."""
    if isinstance(extra, str):
        return {"description": extra}
    made: dict[str, Any] = {}
    for theirs, ours in _NAMES.items():
        value = getattr(extra, theirs, None)
        if value is not None and (limit := _bound(theirs, value, kind)) is not None:
            made[ours] = limit
    made |= {name: value for name in _LENGTHS if isinstance(value := getattr(extra, name, None), int) and value}
    pattern = getattr(extra, "pattern", None)
    if isinstance(pattern, str | re.Pattern):
        made["pattern"] = whole_pattern(pattern if isinstance(pattern, str) else pattern.pattern)
    if getattr(extra, "allow_inf_nan", None):
        made["allow_infinity"] = True
    return made


def _bound(name: str, value: Any, kind: DataType) -> Any:
    """A bound as a field has it, inclusive; None for none."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    strict, up = name in ("gt", "lt"), name in ("ge", "gt")
    if isinstance(kind, Integer):
        whole = math.ceil(value) if up else math.floor(value)
        return whole + (1 if up else -1) if strict and whole == value else whole
    if not strict:
        return plain_time(value)
    if isinstance(kind, Float):
        width = np.dtype(kind.canonical).type
        return float(np.nextafter(width(value), width(math.inf if up else -math.inf)))
    step = _STEPS.get(type(kind), decimal.Decimal(1).scaleb(-kind.scale) if isinstance(kind, Decimal) else None)
    if step is None:
        raise HintError(f"has the limit {name}, which its type has not")
    exact = decimal.Decimal(value) if isinstance(kind, Decimal) else value
    return plain_time(exact + step if up else exact - step)


_STEPS: dict[type[DataType], Any] = {
    Date: dt.timedelta(days=1),
    Timestamp: dt.timedelta(microseconds=1),
    Duration: dt.timedelta(microseconds=1),
}


def whole_pattern(pattern: str) -> str:
    """A pattern that is searched for, as pydantic does, as one that the whole text matches, as a field's is.

    Raises `HintError` when it is no regular expression of Python.
    """
    try:
        re.compile(pattern)
    except UNREADABLE as error:
        raise HintError(f"has the pattern {clip(pattern)}, which Python cannot read: {clip(error)}") from None
    flags = re.match(_FLAGS, pattern)
    inner = pattern[flags.end() :] if flags else pattern
    front, back = inner.startswith("^"), re.search(_END, inner) is not None
    if "|" in inner or (flags and "m" in flags[1]):  # an anchor may belong to one branch, or to a line
        front = back = False
        core = f"(?:{inner})"
    else:
        core = inner[1 if front else 0 : -1 if back else None]
    if flags:
        core = f"(?{flags[1]}:{core}\n)" if "x" in flags[1] else f"(?{flags[1]}:{core})"
    return ("" if front else _ANYTHING) + core + ("" if back else _ANYTHING)
