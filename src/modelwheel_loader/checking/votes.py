"""Whether a mapping is one row or columns, decided by the types of the fields, never by guessing from one value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from ..contract.schema import Field, Schema
from ..contract.types import DataType, List, Struct, Tensor
from ..incoming.frames import depth, is_sequence, is_sparse
from ..problems import Problems
from ..text import clip, shown


def is_columns(schema: Schema, data: Mapping[str, Any]) -> bool:
    """Whether the values are columns; raises `InputError` when some are and some are not."""
    present = [field for field in schema.fields if field.name in data]
    # fields of single values say it plainly; only without them the depth of lists and tensors decides
    deciding = [field for field in present if not _levels(field.type)] or present
    votes = {field.name: _vote(field, data[field.name]) for field in deciding}
    column = next((name for name, vote in votes.items() if vote is True), None)
    single = next((name for name, vote in votes.items() if vote is False), None)
    if column is not None and single is not None:
        _refuse(column, single, data)
    return column is not None


def _refuse(column: str, single: str, data: Mapping[str, Any]) -> NoReturn:
    problems = Problems()
    problems.add(
        "input.ambiguous",
        f"is a column while {clip(single)!r} is a single value",
        field=column,
        found=shown(data[column]),
        hint="Pass either one row (scalars only) or columns (sequences only).",
    )
    problems.raise_all()


def _vote(field: Field, value: Any) -> bool | None:
    """True for a column, False for a single value, None for what may be either, such as an empty list of lists."""
    levels = _levels(field.type)
    if not levels:
        return is_sequence(value) or is_sparse(value)
    if is_sparse(value):
        return True
    if not is_sequence(value):
        return None if value is None else False
    deep = depth(value)
    if deep == levels and len(value):
        return False
    return True if deep > levels else None


def _levels(kind: DataType) -> int:
    """How deep one value of the type is nested itself."""
    if isinstance(kind, Tensor):
        return len(kind.shape)
    if isinstance(kind, List):
        return 1 + _levels(kind.item) if not isinstance(kind.item, Struct) else 1
    return 0
