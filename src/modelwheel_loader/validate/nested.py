"""Lists and structs: taken apart into one column of what they hold, checked as such, and put together again.

So values inside others are judged by the same rules as those outside, all at once, and a defect says where it is:
`tags[3]`, `address.city`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any

import numpy as np

from ..opening.schema import Field
from ..opening.types import List, Struct
from .batch import Array, Column, Raw, objects
from .problems import Inside, Problems
from .values import Mismatch, is_null

Check = Callable[[Raw, Problems], Column | None]
Compile = Callable[[Field], Check]
Judge = Callable[[Raw, Problems], tuple[Column, Array | None]]


def compile_list(field: Field, compile_column: Compile) -> Judge:
    """The check of a field of lists; canonical values are Python lists with None for null."""
    kind = field.type
    if not isinstance(kind, List):
        raise TypeError
    infinity = field.allow_infinity
    item = Field(name=f"{field.name}[]", type=kind.item, nullable=kind.nullable, allow_infinity=infinity)
    check = compile_column(item)

    def judge(raw: Raw, problems: Problems) -> tuple[Column, Array | None]:
        rows, missing, refused = _present(raw, as_sequence, field, problems)
        lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
        owners = np.repeat(np.arange(len(rows)), lengths)
        starts = np.cumsum(lengths) - lengths
        column = check(Raw(_joined(rows)), Inside(problems, owners, field.name, starts))
        if column is None:  # only their lengths can still be judged
            return Column(objects(rows), missing), refused
        made = column_items(column)
        ends = (starts + lengths).tolist()
        values = [made[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]
        return Column(objects(values), missing), refused

    return judge


def compile_struct(field: Field, compile_column: Compile) -> Judge:
    """The check of a field of structs; canonical values are dicts with every field, None for null."""
    kind = field.type
    if not isinstance(kind, Struct):
        raise TypeError
    members = [inner.replace(name=f"{field.name}.{inner.name}") for inner in kind.fields]
    checks = [(inner, compile_column(member)) for inner, member in zip(kind.fields, members, strict=True)]

    def judge(raw: Raw, problems: Problems) -> tuple[Column, Array | None]:
        rows, missing, refused = _present(raw, _as_mapping, field, problems)
        here = np.array([row for row, value in enumerate(rows) if value is not _NOTHING], dtype=np.int64)
        structs = [rows[row] for row in here.tolist()]
        columns = [_member(field, inner, check, structs, here, problems) for inner, check in checks]
        names = [inner.name for inner, _ in checks]
        values: list[Any] = [None] * len(rows)
        full = [column for column in columns if column is not None]
        if len(full) == len(columns):
            for index, row in enumerate(here.tolist()):
                values[row] = {name: column[index] for name, column in zip(names, full, strict=True)}
        return Column(objects(values), missing), refused

    return judge


def _member(
    field: Field, inner: Field, check: Check, structs: list[Mapping[str, Any]], here: Array, problems: Problems
) -> list[Any] | None:
    """The values of one member of all structs; None after problems were told."""
    name = inner.name
    lacking = [index for index, struct in enumerate(structs) if name not in struct] if inner.required else []
    for index in lacking:
        place = {"row": int(here[index]), "field": f"{field.name}.{name}", "expected": str(inner.type)}
        problems.add("input.missing-field", "is missing", **place)
    if lacking:
        having = [index for index, struct in enumerate(structs) if name in struct]
        structs, here = [structs[index] for index in having], here[having]
    values = [struct.get(name, inner.default) for struct in structs]
    column = check(Raw(values), Inside(problems, here, field.name))
    return None if column is None or lacking else column_items(column)


class _Nothing(tuple[()]):
    """Stands for a null or refused value: an empty one, so that it holds nothing to check."""

    __slots__ = ()


_NOTHING = _Nothing()


def _present(
    raw: Raw, take: Callable[[Any, Field], Any], field: Field, problems: Problems
) -> tuple[list[Any], Array | None, Array | None]:
    """Every value as a sequence or mapping, and where it is missing or was refused."""
    items = raw.values if isinstance(raw.values, list) else list(raw.values)
    rows: list[Any] = [_NOTHING] * len(items)
    missing = np.zeros(len(items), dtype=bool)
    refused = np.zeros(len(items), dtype=bool)
    for row, item in enumerate(items):
        if is_null(item) or (raw.missing is not None and raw.missing[row]):
            missing[row] = True
            continue
        try:
            rows[row] = take(item, field)
        except Mismatch as error:
            refused[row] = True
            problems.refuse(error, item, row=row, field=field.name)
    return rows, missing if missing.any() else None, refused if refused.any() else None


def as_sequence(value: Any, field: Field) -> Any:
    """A list, tuple or one-axis array; other things are refused, also those whose order or reading is not certain."""
    if isinstance(value, list | tuple):
        return value
    if isinstance(value, np.ndarray) and value.ndim:
        return value
    if hasattr(value, "__array__") and hasattr(value, "__len__") and not isinstance(value, np.generic | np.ndarray):
        # a Series of any library
        return value.to_list() if hasattr(value, "to_list") else np.asarray(value)
    raise Mismatch("input.wrong-type", "has the wrong type", str(field.type))


def _as_mapping(value: Any, field: Field) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise Mismatch("input.wrong-type", "has the wrong type", str(field.type))


def _joined(rows: list[Any]) -> Any:
    """The items of all rows: one array when the rows are arrays of one dtype, else a list."""
    full = [row for row in rows if len(row)]
    kinds = {row.dtype if isinstance(row, np.ndarray) and row.ndim == 1 else None for row in full}
    if len(kinds) == 1 and None not in kinds:
        return np.concatenate(full)
    return list(chain.from_iterable(row.tolist() if _is_flat(row) else row for row in full))


def _is_flat(row: Any) -> bool:
    return isinstance(row, np.ndarray) and row.ndim == 1 and row.dtype.kind not in "mM"


def column_items(column: Column) -> list[Any]:
    """The values of a column as they are inside others: None for null, times as numpy's scalars, which have a unit."""
    values = column.values
    items = list(values) if values.dtype.kind in "mM" or values.ndim > 1 else values.tolist()
    if column.missing is None:
        return items
    return [None if absent else item for item, absent in zip(items, column.missing.tolist(), strict=True)]
