"""Chooses the golden rows: from the sample, given by the author, generated, or none that are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.opening import Bool, Category, Date, Field, Float, Integer, Schema, String, Timestamp
from modelwheel_loader.text import shown
from modelwheel_loader.validate import Batch, compile_input, compile_native

from ..inference.infer import Sample, infer_schema, spread
from ..options import Examples, Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """The golden rows: as the model is fed them (`sample`), and validated (`batch`)."""

    sample: Sample
    batch: Batch
    source: Source

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.batch.rows

    @property
    def stored(self) -> bool:
        """Whether they are stored in the bundle."""
        return self.source != "none"


def choose_goldens(examples: Examples, schema: Schema, sample: Sample) -> Golden:
    """The golden rows. With source `none` a few rows of the sample are still predicted, and not stored.

    Raises `InputError` when rows do not fit `schema`, `PackError` when rows cannot be generated.
    """
    if examples.source not in get_args(Source):
        choices = ", ".join(get_args(Source))
        raise UsageError.of(
            "usage.argument", "unknown source of examples", found=shown(examples.source), expected=choices
        )
    check = compile_input(schema.replace(min_rows=None, max_rows=None))  # a call's rows are not the sample's
    check(sample.data)  # the whole of it: a limit that the sample breaks is wrong, or the sample is
    rows = _rows(examples.rows, schema)
    if examples.source == "synthetic":
        batch = check(synthetic_columns(schema, rows))
        return Golden(sample=Sample.of(compile_native(schema)(batch)), batch=batch, source="synthetic")
    if examples.source == "given":
        if examples.data is None:
            raise PackError.of("pack.examples", "source is 'given', and no data is", expected="Examples(data=…)")
        golden = infer_schema(examples.data).taken
    else:
        golden = Sample.of(sample.take(spread(sample, rows=rows)))
    return Golden(sample=golden, batch=check(golden.data), source=examples.source)


def _rows(wanted: int, schema: Schema) -> int:
    """How many golden rows there are: as many as wanted, and as a call may have."""
    most = schema.max_rows if schema.max_rows is not None else wanted
    return max(min(wanted, most), schema.min_rows or 1, 1)


# --- generated rows ---


def synthetic_columns(schema: Schema, rows: int) -> dict[str, list[Any]]:
    """`rows` rows as columns: numbers and times between the observed ends, categories in turn, text of nobody.

    Raises `PackError` with the fields whose type cannot be generated. The same schema gives the same rows.
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
    message = f"rows of type {kind} cannot be generated"
    raise PackError.of(
        "pack.examples", message, field=field.name, hint="Give rows: examples=Examples(source='given', data=…)"
    )
