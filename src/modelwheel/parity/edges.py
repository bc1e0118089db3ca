"""Rows made up to find where a graph answers otherwise than the original: what training data seldom holds.

Each changes one field of a row of the sample, or all fields at once, within what the contract accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from modelwheel_loader.opening import Bool, Category, Field, Float, Integer, Schema, String
from modelwheel_loader.proof import decode_input, encode_input
from modelwheel_loader.validate import Batch

MOST_FIELDS = 16
"""Fields that are changed one by one; of more, as many spread over all."""
_UNSEEN = "\N{SNOWMAN} never seen"
_SCALARS = (Bool, Category, Float, Integer, String)

Columns = dict[str, list[Any]]
Check = Callable[[Any], Batch]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What differs from the row of the sample with number `base`, and what `kind` of edge that is."""

    kind: str
    base: int
    changes: Mapping[str, Any]


class Rows:
    """Rows of the sample as lists of plain values by field, from which others are made."""

    def __init__(self, schema: Schema, batch: Batch) -> None:
        columns = decode_input(encode_input(batch, schema), schema, "examples")
        self.columns: Columns = {name: list(values) for name, values in columns.items()}
        self.count = batch.rows

    def changed(self, rows: Sequence[Row]) -> Columns:
        """The columns of the changed rows."""
        made = {name: [values[row.base] for row in rows] for name, values in self.columns.items()}
        for place, row in enumerate(rows):
            for name, value in row.changes.items():
                made[name][place] = value
        return made


def edge_rows(schema: Schema, rows: int) -> list[Row]:
    """The rows to try; `rows` is how many there are to change. The same schema gives the same rows."""
    fields = varied(schema)
    tried = {"nulls": _nulls, "unseen": _unseen, "extremes": _extremes, "zeros": _zeros}
    return [
        Row(kind=kind, base=number % rows, changes=changes)
        for kind, values in tried.items()
        for number, changes in enumerate(_distinct(values, fields, schema))
    ]


def varied(schema: Schema) -> list[Field]:
    """The fields that are changed: scalars, at most `MOST_FIELDS` of them."""
    fields = [field for field in schema.fields if isinstance(field.type, _SCALARS)]
    places = np.unique(np.linspace(0, len(fields) - 1, min(len(fields), MOST_FIELDS)).astype(int))
    return [fields[place] for place in places.tolist()]


def _distinct(
    values: Callable[[Field], Iterator[Any]], fields: Sequence[Field], schema: Schema
) -> Iterator[dict[str, Any]]:
    """Each value of each field alone, then the first of every field together."""
    for field in fields:
        yield from ({field.name: value} for value in values(field))
    scalars = [field for field in schema.fields if isinstance(field.type, _SCALARS)]
    together = {field.name: value for field in scalars for value in [*values(field)][:1]}
    if len(together) > 1:
        yield together


def _nulls(field: Field) -> Iterator[Any]:
    if field.nullable:
        yield None


def _unseen(field: Field) -> Iterator[Any]:
    if isinstance(field.type, String):
        yield _UNSEEN
    elif isinstance(field.type, Integer) and field.observed is not None and isinstance(field.observed.maximum, int):
        yield field.observed.maximum + 1  # numbers may be categories, too


def _zeros(field: Field) -> Iterator[Any]:
    if isinstance(field.type, Float):
        yield from (0.0, -0.0)
    elif isinstance(field.type, Integer):
        yield 0
    elif isinstance(field.type, Bool):
        yield False
    elif isinstance(field.type, String):
        yield ""


def _extremes(field: Field) -> Iterator[Any]:
    """The ends of what was seen, and as far again beyond them."""
    seen = field.observed
    if isinstance(field.type, Category):
        yield from field.type.values[:1]
        yield from field.type.values[-1:]
    elif isinstance(field.type, Float | Integer) and seen is not None:
        low, high = seen.minimum, seen.maximum
        if isinstance(low, int | float) and isinstance(high, int | float):
            yield from dict.fromkeys((low, high, low - (high - low), high + (high - low)))
