"""How long a runtime took when it was measured at packing, and which runtime the numbers speak for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError
from ..records import Record
from ..text import counted

if TYPE_CHECKING:
    from ..documents import Cursor
    from .records import Payload

LATENCY = "latency"
THROUGHPUT = "throughput"
PREFERENCES = (LATENCY, THROUGHPUT)
Preference = Literal["latency", "throughput"]
ISOLATED_CALL = 0.0003
"""Seconds that a call through another process takes on top."""


class MethodCost(Record):
    """Seconds that a method took: `row` for one row, `batch` for `rows` rows at once."""

    row: float
    batch: float
    rows: int


class Cost(Record):
    """Seconds that a runtime took on the machine that packed, which had `cores`: to `open`, and per method."""

    open: float
    cores: int
    methods: Mapping[str, MethodCost]

    def lines(self) -> list[str]:
        """The cost in words: per method, then opening."""
        made = [
            f"{name}: one row {seconds_text(one.row)}, {counted(one.rows, 'row')} {seconds_text(one.batch)}"
            for name, one in self.methods.items()
        ]
        return [
            *made,
            f"opens in {seconds_text(self.open)} (all measured when packed, on {counted(self.cores, 'core')})",
        ]


def read_cost(cursor: Cursor) -> Cost:
    """The cost in a runtime's part of the manifest; what is wrong is collected by the cursor."""
    cost = cursor.object("cost")
    return Cost(
        open=cost.number("open"),
        cores=cost.integer("cores", minimum=1),
        methods={name: _read_method(item) for name, item in cost.object("methods").items()},
    )


def _read_method(cursor: Cursor) -> MethodCost:
    rows = cursor.integer("rows", minimum=1)
    return MethodCost(row=cursor.number("row"), batch=cursor.number("batch"), rows=rows)


def seconds_text(seconds: float) -> str:
    """A duration for people: `0.28 ms`."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def checked_preference(value: object, runtime: str) -> str | None:
    """`value` when it is None or one of `PREFERENCES`; raises `UsageError` otherwise, or beside a named runtime."""
    if value is None:
        return None
    if value not in PREFERENCES:
        expected = " or ".join(repr(item) for item in PREFERENCES)
        raise UsageError.argument("prefer", value, expected)
    if runtime != "auto":
        message = f"prefer chooses a runtime, and runtime={runtime!r} names one: give one of the two"
        raise UsageError.of("usage.argument", message)
    return str(value)


def costs(payload: Payload) -> Mapping[str, MethodCost]:
    """What was measured of a payload, by method; nothing when it was not."""
    return {} if payload.cost is None else payload.cost.methods


def seconds(cost: Mapping[str, MethodCost], methods: Sequence[str], prefer: str, *, isolated: bool) -> float:
    """What `prefer` counts: the seconds of one row, or of a row in a batch, summed over `methods`."""
    if prefer == LATENCY:
        return sum(cost[name].row + (ISOLATED_CALL if isolated else 0.0) for name in methods)
    return sum(cost[name].batch / cost[name].rows for name in methods)
