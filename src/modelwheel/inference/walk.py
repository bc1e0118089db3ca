"""A sample's columns become fields, one by one, and everything wrong with any of them is collected."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwheel_loader.defects import Defect
from modelwheel_loader.errors import PackError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.text import clip

from .columns import Array, Column, ColumnError, Note, to_field

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Inferred:
    """A schema inferred from a sample of `rows` rows, what is to be noted about it, and the sample as it was taken.

    `sample` is the caller's own, unless two ways to write null or two types of number were made one in it.
    """

    schema: Schema
    notes: tuple[Note, ...]
    sample: Any
    rows: int


@dataclass(slots=True)
class Walk:
    """Walks over named columns; collects fields, notes and defects."""

    rows: int
    fields: list[Field]
    notes: list[Note]
    defects: list[Defect]

    def add(self, name: str, infer: Callable[[], Column], label: int | None = None) -> Any:
        """Infer one column; the column that replaces it, or None."""
        try:
            column = infer()
        except ColumnError as error:
            self.defects.append(error.defect(name))
            return None
        field, notes = to_field(name, column, self.rows, label=label)
        self.fields.append(field)
        self.notes += notes
        return column.normalised

    def finish(self) -> None:
        """Raise `PackError` with every column that no type describes."""
        if self.defects:
            raise PackError("no schema can be inferred from the sample", self.defects)


def walk(rows: int) -> Walk:
    """A walk that has seen nothing yet."""
    return Walk(rows, [], [], [])


def key_names(keys: Sequence[Any]) -> list[str]:
    """The names of the fields for the keys of dicts, which must be text."""
    wrong = [key for key in keys if not isinstance(key, str)]
    if wrong:
        found = f"{clip(wrong[0])} ({type(wrong[0]).__name__})"
        raise PackError.of("infer.labels", "a key is no text", found=found)
    return field_names(keys)


def field_names(labels: Sequence[Any]) -> list[str]:
    """The names of the fields for a table's labels: text, or integers written as text."""
    defects = []
    for label in labels:
        if not isinstance(label, str) and (
            isinstance(label, bool | np.bool_) or not isinstance(label, int | np.integer)
        ):
            found = f"{clip(label)} ({type(label).__name__})"
            defects.append(
                Defect(code="infer.labels", message="a column's label is neither text nor integer", found=found)
            )
    names = [str(label) for label in labels]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            defects.append(Defect(code="infer.labels", message="two columns have the same label", field=name))
        seen.add(name)
    if not names:
        defects.append(Defect(code="infer.empty", message="the sample has no columns"))
    if defects:
        raise PackError("the columns cannot be told apart by name" if names else "the sample has no columns", defects)
    return names


def single(infer: Callable[[], Column], sample: Any, rows: int, container: Any, label: Any = None) -> Inferred:
    """Layout `array`: one field, named by its label, or `text` or `x`."""
    seen = walk(rows)
    made = seen.add("x", infer)
    seen.finish()
    (field,) = seen.fields
    name = str(label) if isinstance(label, str | int) and str(label) else "text" if str(field.type) == "string" else "x"
    notes = tuple(dataclasses.replace(note, field=name) for note in seen.notes)
    schema = Schema(fields=(field.replace(name=name),), layout="array", container=container)
    return Inferred(schema=schema, notes=notes, sample=sample if made is None else made, rows=rows)


def object_array(values: Sequence[Any]) -> Array:
    """The values as an array of objects, whatever they are: numpy would make a matrix of equal lists."""
    made = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        made[index] = value
    return made
