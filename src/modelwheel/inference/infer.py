"""Schemas from samples: what a model is fed, and what its methods answer.

A schema is inferred from the *whole* sample. Ranges and counts that were seen are recorded as information, never as
limits; text of few different values stays text; null is allowed where it was seen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwheel_loader.errors import PackError
from modelwheel_loader.text import clip

from .answers import Answers, classes_lost, read_answers
from .bound import named
from .columns import Note
from .samples import Inferred, Sample
from .spread import choose_rows

if TYPE_CHECKING:
    from modelwheel_loader.opening import Schema

__all__ = [
    "MAX_CATEGORIES",
    "Inferred",
    "Note",
    "Sample",
    "classes_lost",
    "infer_output",
    "infer_outputs",
    "infer_schema",
    "spread",
]

_NAMED = 6
"""How many fields a note names; more are counted."""
MAX_CATEGORIES = 1000
"""A categorical column with more categories than this is taken as plain values: its list would be data, not a type."""


def infer_schema(sample: Any, *, max_categories: int = MAX_CATEGORIES) -> Inferred:
    """The schema of everything in `sample`, with notes for its author.

    | sample                                                | layout  | fields                                     |
    | ----------------------------------------------------- | ------- | ------------------------------------------ |
    | pandas or Polars DataFrame, pyarrow Table             | frame   | one per column                             |
    | array of 2 axes, up to 4,096 columns                  | matrix  | `x0`, `x1`, …                              |
    | wider arrays, arrays of more axes, sparse matrices    | array   | `x`, a tensor per row                      |
    | array of 1 axis, list of texts or numbers, Series     | array   | `text` or `x`, or the name of the Series   |
    | dict of arrays                                        | columns | one per key                                |
    | list of dicts                                         | records | one per key                                |

    Raises `PackError` with every column that no type describes, and `UsageError` for an object that is not a sample.
    """
    return infer_named(sample, None, max_categories)


def infer_named(sample: Any, names: Sequence[str] | None, max_categories: int) -> Inferred:
    """As `infer_schema`, with the model's `names` for the columns of an array in place of `x0`, `x1`, …."""
    given = Sample.of(sample)
    if given.rows == 0:
        raise PackError.of("infer.empty", "the sample has no rows")
    inferred = named(given.infer(max_categories), names)
    fields = inferred.schema.fields
    never = [field.name for field in fields if not field.nullable]
    if never:
        few = len(never) <= _NAMED
        which = ", ".join(clip(name) for name in never) if few else f"{len(never)} of {len(fields)} fields"
        message = f"no nulls seen in {which}: nulls will be rejected"
        note = Note(code="never-null", message=message)
        return dataclasses.replace(inferred, notes=(*inferred.notes, note))
    return inferred


def infer_output(answer: Any, rows: int) -> Schema:
    """The schema of what a method answered for `rows` rows.

    An array of 1 axis is a column `value`, one of more axes a tensor per row; a list of arrays is one answer per
    output; tables, sparse matrices, dicts of arrays and lists of one item per row are themselves. Floats may be NaN
    or infinite whatever the sample showed. Raises `PackError` when no layout describes the answer.
    """
    return infer_outputs([(answer, rows)])


def infer_outputs(answers: Answers) -> Schema:
    """The schema of what a method answered for several numbers of rows: answers, each with its number of rows."""
    return read_answers(answers)


def spread(sample: Any, *, rows: int = 16) -> np.ndarray[Any, Any]:
    """The numbers of at most `rows` rows that show what the sample holds: ends, nulls, extremes, rare values."""
    return choose_rows(sample if isinstance(sample, Sample) else Sample.of(sample), rows)
