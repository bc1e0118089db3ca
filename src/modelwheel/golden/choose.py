"""Chooses the golden rows: from the sample, given by the author, made up, or none that travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.text import shown
from modelwheel_loader.validate.batch import Batch
from modelwheel_loader.validate.building import compile_native
from modelwheel_loader.validate.inputs import compile_input

from ..inference.infer import infer_schema, spread, take
from ..options import Examples, Source
from .synthetic import synthetic_columns


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """The golden rows: as the model is fed them (`data`), and checked (`batch`)."""

    data: Any
    batch: Batch
    rows: int
    source: Source

    @property
    def stored(self) -> bool:
        """Whether they travel in the bundle."""
        return self.source != "none"


def choose_goldens(examples: Examples, schema: Schema, sample: Any) -> Golden:
    """The golden rows. With source `none` a few rows of the sample are still asked about, and not stored.

    Raises `InputError` when rows do not fit `schema`, `PackError` when rows cannot be made up.
    """
    if examples.source not in get_args(Source):
        choices = ", ".join(get_args(Source))
        raise UsageError.of(
            "usage.argument", "no such source of examples", found=shown(examples.source), expected=choices
        )
    check = compile_input(schema.replace(min_rows=None, max_rows=None))  # a call's rows are not the sample's
    check(sample)  # the whole of it: a limit that the sample breaks is wrong, or the sample is
    if examples.source == "synthetic":
        batch = check(synthetic_columns(schema, _rows(examples.rows, schema)))
        data = compile_native(schema)(batch)
    elif examples.source == "given":
        if examples.data is None:
            raise PackError.of("pack.examples", "examples are to be given, and are not", expected="Examples(data=…)")
        data = infer_schema(examples.data).sample
        batch = check(data)
    else:
        data = take(sample, spread(sample, rows=_rows(examples.rows, schema)))
        batch = check(data)
    return Golden(data=data, batch=batch, rows=batch.rows, source=examples.source)


def _rows(wanted: int, schema: Schema) -> int:
    """How many golden rows there are: as many as wanted, and as a call may have."""
    most = schema.max_rows if schema.max_rows is not None else wanted
    return max(min(wanted, most), schema.min_rows or 1, 1)
