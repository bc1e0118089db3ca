"""The output schema of a method, from what it answered for the sample.

Outputs are described loosely on purpose: floats may be NaN or infinite even where the sample's were not, for a model
may answer so tomorrow, and refusing its own answer would help nobody. An author who knows better narrows the schema
(`schema.with_field("value", nullable=False, minimum=0, maximum=1)`), and then every answer is checked.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.opening import DataType, Field, Float, List, Schema, Struct, Tensor
from modelwheel_loader.text import clip, shown

from .arrays import tensor_field
from .columns import Array
from .objects import from_objects, from_values
from .samples import Fields, Sample, single

_PLAIN = (tuple, list, dict, str, bytes, int, float, dt.datetime, dt.timedelta)
"""What the values of a list are to another process, whatever their own class."""
VALUE = "value"
"""The name of an answer that has none of its own."""
_ALL_CATEGORIES = 100_000
"""Categories of an answer are the model's own, so they are all stored."""


Answers = Sequence[tuple[Any, int]]
"""Answers of one method for different numbers of rows, each with its number."""


def read_answers(answers: Answers) -> Schema:
    """The schema that describes every answer; raises `PackError` when no layout does.

    One number of rows does not show which axis of an answer counts the rows: sixteen numbers for each of sixteen rows
    look like sixteen outputs.
    """
    by_output = all(_has_one_array_per_output(answer, rows) for answer, rows in answers)
    schemas = [_read(answer, rows, by_output=by_output) for answer, rows in answers]
    known = max(zip(answers, schemas, strict=True), key=lambda pair: pair[0][1])[1]
    fields = zip(*(_fields_like(known, schema) for schema in schemas), strict=True)
    merged = [_merged(field, seen) for field, seen in zip(known.fields, fields, strict=True)]
    return known.replace(fields=tuple(map(_loose, merged)))


def _fields_like(known: Schema, schema: Schema) -> tuple[Field, ...]:
    """The fields of `schema`, which must have the form of `known`."""
    one, other = (f"{item.layout} of {', '.join(item.names)}" for item in (known, schema))
    if (known.container, one) != (schema.container, other):
        message = "the form of the answer depends on the number of rows"
        raise PackError.of("infer.answer", message, expected=clip(one, 200), found=clip(other, 200))
    return schema.fields


def _merged(field: Field, seen: Sequence[Field]) -> Field:
    """The field of the most rows, nullable where any is; an axis of a tensor that changes with the rows has no length.

    Whether the other types fit is seen when the answers are checked.
    """
    kind, infinite = field.type, any(one.allow_infinity for one in seen)
    shapes = [one.type.shape for one in seen if isinstance(one.type, Tensor)]
    if isinstance(kind, Tensor) and all(len(shape) == len(kind.shape) for shape in shapes):
        axes = tuple(lengths[0] if len(set(lengths)) == 1 else None for lengths in zip(*shapes, strict=True))
        kind = Tensor(kind.dtype, axes, kind.sparse)
    null = field if field.nullable else next((one for one in seen if one.nullable), field)
    return field.replace(type=kind, nullable=null.nullable, physical=null.physical, allow_infinity=infinite)


def _read(answer: Any, rows: int, *, by_output: bool) -> Schema:
    if isinstance(answer, np.ndarray):
        return _read_array(answer, rows)
    if isinstance(answer, Mapping):
        return _read_named(answer, rows)
    if isinstance(answer, list | tuple):
        return _read_several(answer, rows) if by_output else _read_list(answer, rows)
    try:
        sample = Sample.of(answer)
    except UsageError:
        message = "the method's output has a type that no output schema describes"
        raise PackError.of("infer.answer", message, found=shown(answer)) from None
    _check_rows(sample.rows, rows)
    return _renamed(sample.infer(_ALL_CATEGORIES).schema)


def _check_rows(found: int, rows: int) -> None:
    if found != rows:
        message = "the method does not give one row for each row of the sample"
        raise PackError.of("infer.answer", message, expected=f"{rows} rows", found=f"{found}")


def _renamed(schema: Schema) -> Schema:
    """The schema with its one field called `value` where the answer has no name for it."""
    if schema.layout != "array":
        return schema
    (field,) = schema.fields
    name = VALUE if field.name in ("x", "text") else field.name
    return schema.replace(fields=(field.replace(name=name),))


def _loose(field: Field) -> Field:
    """The field as a promise that a model can keep: without ranges seen, and floats of any kind."""
    free = isinstance(field.type, Float) or (isinstance(field.type, Tensor) and field.type.dtype.startswith("float"))
    nullable, infinite = field.nullable or free, field.allow_infinity or free
    return field.replace(type=_free_type(field.type), nullable=nullable, allow_infinity=infinite, observed=None)


def _free_type(kind: DataType) -> DataType:
    match kind:
        case List():
            return List(_free_type(kind.item), kind.nullable)
        case Struct():
            return Struct(tuple(_loose(field) for field in kind.fields))
    return kind


def classes_lost(answer: Any, output: Schema) -> Iterator[str]:
    """What of the classes in an answer a bundle does not give back, in words, each once."""
    if output.layout in ("arrays", "columns") and type(answer) not in (list, dict):
        yield f"{_named(answer)} comes back as a {'list' if output.layout == 'arrays' else 'dict'}"
    if isinstance(answer, np.ndarray) and type(answer) is not np.ndarray:
        yield f"{_named(answer)} comes back as a plain array"
    if isinstance(answer, list | tuple):
        for kind, item in {type(item): item for item in (answer, *answer)}.items():
            plain = next((base for base in _PLAIN if issubclass(kind, base)), kind)
            if plain is not kind and not issubclass(kind, bool | np.generic):
                yield f"{_named(item)} comes back as a plain {plain.__name__} from the isolated runtime"


def _named(item: object) -> str:
    """The class of an object, with its article."""
    name = type(item).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _check_items(items: Iterable[Any]) -> None:
    """Raise `PackError` for members of an Enum, which are values to some readers and objects to others."""
    kind = next((kind for kind in set(map(type, items)) if issubclass(kind, enum.Enum)), None)
    if kind is not None:
        message, hint = "the answer holds members of an Enum", "Answer with their values: member.value."
        raise PackError.of("infer.answer", message, found=clip(kind.__name__), hint=hint)


def _check_mask(values: Array) -> None:
    if isinstance(values, np.ma.MaskedArray):
        message, hint = "the answer is a masked array, whose mask is not kept", "Fill it: answer.filled(…)."
        raise PackError.of("infer.answer", message, hint=hint)


def _read_array(answer: Array, rows: int) -> Schema:
    _check_mask(answer)
    _check_items(answer.ravel() if answer.dtype.kind == "O" else ())
    if answer.ndim == 0:
        raise PackError.of("infer.answer", "the method gives one value for all rows", found=str(answer.dtype))
    _check_rows(answer.shape[0], rows)
    if answer.ndim > 1 and answer.dtype.kind in "biuf":
        return Schema(fields=(tensor_field(VALUE, answer),), layout="array")
    if answer.ndim == 2 and answer.dtype.kind in "US":  # the labels of several outputs
        seen = Fields(rows)
        for index, column in enumerate(answer.T):
            seen.add(f"x{index}", from_values, column)
        return Schema(fields=seen.done(), layout="matrix")
    sample = Sample.of(np.asarray(answer))  # objects and times: columns with types of their own
    return _renamed((single(sample, from_values, "numpy") if answer.ndim == 1 else sample.infer(0)).schema)


def _check_names(names: Iterable[Any]) -> None:
    wrong = [name for name in names if not isinstance(name, str)]
    if wrong:
        message, hint = "the names of the outputs are not text", "Answer with names that are text: str(name)."
        raise PackError.of("infer.answer", message, found=shown(wrong[0]), hint=hint)


def _read_named(answer: Mapping[Any, Any], rows: int) -> Schema:
    _check_names(answer)
    fields = []
    for name, values in answer.items():
        if not isinstance(values, np.ndarray) or values.ndim == 0:
            message, expected = "a named output is not an array", "a NumPy array"
            raise PackError.of("infer.answer", message, field=name, found=shown(values), expected=expected)
        fields.append(_array_field(values, rows, name))
    return Schema(fields=tuple(fields), layout="columns")


def _array_field(values: Array, rows: int, name: str) -> Field:
    """One array among several: a column, or a tensor per row."""
    _check_mask(values)
    _check_rows(values.shape[0], rows)
    if values.ndim > 1:
        return tensor_field(name, values)
    seen = Fields(rows)
    seen.add(name, from_values, values)
    return seen.done()[0]


def _has_one_array_per_output(answer: Any, rows: int) -> bool:
    """Whether an answer may be a list of one array for each output; any other list has one item per row."""
    return (
        isinstance(answer, list | tuple)
        and bool(answer)
        and all(isinstance(part, np.ndarray) and part.ndim and part.shape[0] == rows for part in answer)
    )


def _read_several(answer: Sequence[Array], rows: int) -> Schema:
    fields = [_array_field(part, rows, f"{VALUE}{index}") for index, part in enumerate(answer)]
    return Schema(fields=tuple(fields), layout="arrays")


def _is_tensor(item: Any) -> bool:
    return type(item) is np.ndarray and item.ndim > 0 and item.dtype.kind in "biuf"


def _read_list(answer: Sequence[Any], rows: int) -> Schema:
    _check_rows(len(answer), rows)
    _check_items(answer)
    if all(map(_is_tensor, answer)) and len({(item.shape, item.dtype) for item in answer}) == 1:
        return Schema(fields=(tensor_field(VALUE, np.stack(answer)),), layout="array", container="list")
    if all(isinstance(item, Mapping) for item in answer):
        return _read_records(answer, rows)
    return _renamed(single(Sample.of(answer), from_objects, "list").schema)


def _read_records(answer: Sequence[Mapping[Any, Any]], rows: int) -> Schema:
    names = list(answer[0])
    _check_names(names)
    if any(list(record) != names and set(record) != set(names) for record in answer):
        raise PackError.of("infer.answer", "the rows of the answer have different names")
    seen = Fields(rows)
    for name in names:
        seen.add(str(name), from_objects, [record[name] for record in answer])
    return Schema(fields=seen.done(), layout="records", container="list")
