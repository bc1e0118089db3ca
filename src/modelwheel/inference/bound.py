"""Binds a sample to the columns that the model was fitted on: by their names, in the model's order."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.text import clip, nearest

from .columns import Note
from .samples import Inferred, Sample

_NAMED = 20
"""How many names of columns an error lists."""


def labels_of(sample: Any) -> tuple[str, ...]:
    """The names of the columns of the sample; none for data whose columns have no names."""
    return tuple(map(str, Sample.of(sample).labels or ()))


def bind(sample: Any, names: Sequence[str] | None, *, complete: bool = True) -> tuple[Any, tuple[Note, ...]]:
    """The columns `names` of the sample, in that order, with notes on those that are left out or were moved.

    The sample itself where its columns have no names, the model knows none (None), or nothing has to change. Raises
    `PackError` for the columns that the sample lacks. Unless `complete`, the model refuses such a sample or takes it as
    it is: only one that lacks all of them raises.
    """
    given = Sample.of(sample)
    if names is None or given.labels is None:
        return sample, ()
    labels = list(map(str, given.labels))
    # LightGBM writes underscores for blanks
    places = {label.replace(" ", "_"): place for place, label in enumerate(labels)}
    places |= {label: place for place, label in enumerate(labels)}
    wanted = [places[name] for name in names if name in places]
    if not wanted or (complete and len(wanted) < len(names)):
        raise PackError("the sample lacks columns that the model was fitted on", list(_lacking(names, places, labels)))
    if wanted == list(range(len(labels))) or len(set(labels)) < len(labels):
        return sample, ()
    left = [label for place, label in enumerate(labels) if place not in wanted]
    if len(wanted) < len(names):  # the model says best what it makes of this
        message = "the model was not fitted on it; kept, for other columns are missing"
        return sample, tuple(Note(code="unknown-column", message=message, field=label) for label in left)
    message = "left out, for the model was not fitted on it"
    notes = [Note(code="left-out", message=message, field=label) for label in left]
    if wanted != sorted(wanted):
        message = "the model was fitted on the columns in another order: bound by name"
        notes.append(Note(code="ordered", message=message))
    return given.select(wanted), tuple(notes)


def _lacking(names: Sequence[str], places: Collection[str], labels: Sequence[str]) -> Iterator[Defect]:
    for name in names:
        if name not in places:
            message = "the model was fitted on it, and it is not in the sample"
            hint = nearest(name, labels) or "Pass the columns that the model was fitted on."
            yield Defect(code="pack.schema", message=message, field=name, hint=hint)


def named(inferred: Inferred, names: Sequence[str] | None) -> Inferred:
    """The columns of an array by the model's names for them, in place of `x0`, `x1`, ….

    Raises `PackError` when the array has another number of columns.
    """
    schema = inferred.schema
    if names is None or schema.layout != "matrix":
        return inferred
    if len(schema.fields) != len(names):
        listed = ", ".join(map(clip, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")
        message = f"the model was fitted on {len(names):,} columns, and the sample has {len(schema.fields):,}"
        raise PackError.of("pack.schema", message, expected=listed, hint="Pass an array of these columns.")
    known = dict(zip(schema.names, names, strict=True))
    fields = tuple(field.replace(name=known[field.name]) for field in schema.fields)
    notes = tuple(dataclasses.replace(note, field=known.get(note.field or "", note.field)) for note in inferred.notes)
    return dataclasses.replace(inferred, schema=schema.replace(fields=fields), notes=notes)
