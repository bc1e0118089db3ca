"""What a schema says of a table as a whole: how many rows a call may have, and the fields in which no two rows agree.

Judged when every value is right. The cost is one set of the keys: linear in rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from ..opening.types import List, Struct, Tensor
from ..text import clip
from .problems import Problems
from .values import found

if TYPE_CHECKING:
    from ..opening.schema import Schema
    from .batch import Batch


Rule = Callable[["Batch"], None]


def compile_table(schema: Schema) -> Rule:
    """The rule for batches; raises `UsageError` when a key cannot be one."""
    for name in schema.unique:
        if isinstance(schema[name].type, List | Struct | Tensor):
            message = f"the field {clip(name)!r} is a {clip(schema[name].type)}, and only single values can be a key"
            raise UsageError.of("schema.bound", message, field=name)

    def judge(batch: Batch) -> None:
        _count(batch.rows, schema)
        if schema.unique:
            _unique(batch, schema)

    return judge


def _count(rows: int, schema: Schema) -> None:
    low = schema.min_rows or 0
    if rows < low or (schema.max_rows is not None and rows > schema.max_rows):
        expected = f"at least {low:,}" if schema.max_rows is None else f"{low:,} … {schema.max_rows:,}"
        raise InputError.of("input.row-count", "the number of rows is not right", found=f"{rows:,}", expected=expected)


def _unique(batch: Batch, schema: Schema) -> None:
    """Raise `InputError` with every row whose key an earlier row has. Null is a value like any other."""
    columns = [_values(batch, name) for name in schema.unique]
    keys = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
    if len(set(keys)) == len(keys):
        return
    problems = Problems()
    first: dict[Any, int] = {}
    names = ", ".join(schema.unique)
    for row, key in enumerate(keys):
        before = first.setdefault(key, row)
        if before == row:
            continue
        if problems.full:
            problems.count()
        else:
            value = ", ".join(found(part) for part in (key if len(columns) > 1 else (key,)))
            expected = f"other values than in row {before:,}"
            problems.add("input.not-unique", "comes twice", row=row, field=names, found=clip(value), expected=expected)
    problems.raise_all(batch.rows)


def _values(batch: Batch, name: str) -> list[Any]:
    values, missing = batch.column(name)
    items: list[Any] = values.tolist()
    if missing is None:
        return items
    return [None if absent else item for item, absent in zip(items, missing.tolist(), strict=True)]
