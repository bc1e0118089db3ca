"""Made-up rows within what a sample showed: for golden examples where no real row may travel."""

from __future__ import annotations

from typing import Any

import numpy as np

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Bool, Category, Date, Float, Integer, String, Timestamp


def synthetic_columns(schema: Schema, rows: int) -> dict[str, list[Any]]:
    """`rows` rows as columns: numbers and times between the observed ends, categories in turn, text that is no one's.

    Raises `PackError` with the fields whose type cannot be made up. The same schema gives the same rows.
    """
    random = np.random.default_rng(0)
    made = {}
    for field in schema.fields:
        values = _values(field, rows, random)
        if field.nullable and rows > 1:
            values[-1] = None
        made[field.name] = values
    return made


def _values(field: Field, rows: int, random: np.random.Generator) -> list[Any]:
    kind, seen = field.type, field.observed
    choices = field.allowed or (kind.values if isinstance(kind, Category) else None)
    if choices:
        return [choices[index % len(choices)] for index in range(rows)]
    if isinstance(kind, Bool):
        return [index % 2 == 0 for index in range(rows)]
    if isinstance(kind, String):
        return [f"text {index}" for index in range(rows)]
    low, high = (seen.minimum, seen.maximum) if seen is not None else (None, None)
    if isinstance(kind, Integer) and isinstance(low, int) and isinstance(high, int):
        return [int(value) for value in random.integers(low, high, rows, endpoint=True)]
    if isinstance(kind, Float):
        ends = (0.0, 1.0) if low is None or high is None else (float(low), float(high))
        return [float(value) for value in random.uniform(*ends, rows).astype(kind.canonical)]
    if isinstance(kind, Date | Timestamp) and isinstance(low, str):
        return [low.removesuffix("Z") + ("Z" if low.endswith("Z") else "")] * rows
    message = f"rows of type {kind} cannot be made up"
    raise PackError.of(
        "pack.examples", message, field=field.name, hint="Give rows: examples=Examples(source='given', data=…)"
    )
