"""One field, many values: plainly right ones at once (`quick.py`), all others one by one (`validate/values.py`).

`compile_column(field)` gives a function from raw values (a list, or an array of any dtype) to the canonical `Column`.
Lists, structs and tensors are taken apart into columns of what they hold (`nested.py`, `tensors.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..opening.schema import Field
from ..opening.types import Bool, DataType, Date, Duration, Float, List, Struct, Tensor, Timestamp
from ..text import shown
from .batch import Array, Column, Raw, items, objects
from .constraints import compile_rules, null_rule, type_misfit
from .quick import quick_array, quick_list
from .values import Mismatch, converter, is_null

if TYPE_CHECKING:
    from .problems import Problems


Check = Callable[[Raw, "Problems"], Column | None]
Judged = tuple[Column, Array | None]
"""A column, and where its values were refused: those are told already, and no rule judges them."""
Judge = Callable[[Raw, "Problems"], Judged]


def compile_column(field: Field) -> Check:
    """The check of one field: canonical values, or None after the problems were told.

    Raises `UsageError` when the type is none, or a limit or the default does not fit it.
    """
    if message := type_misfit(field.type):
        raise UsageError.of("schema.type", f"the type {message}", field=field.name)
    judge = _compile_type(field)
    nulls = None if field.nullable else null_rule(field)
    rules = compile_rules(field)

    def check(raw: Raw, problems: Problems) -> Column | None:
        before = problems.counted
        column, refused = judge(raw, problems)
        if nulls is not None and column.missing is not None:
            nulls(column, problems)
        if rules:
            judged = column if refused is None else _hide(column, refused)
            for rule in rules:
                rule(judged, problems)
        return column if problems.counted == before else None

    if not field.required:
        _check_default(field, check)
    return check


def _check_default(field: Field, check: Check) -> None:
    from .problems import Problems

    problems = Problems()
    check(Raw([field.default]), problems)
    for defect in problems.defects:
        message = f"the default {defect.message}"
        found = defect.found or shown(field.default)
        raise UsageError.of("schema.default", message, field=defect.field, found=found, expected=defect.expected)


def _hide(column: Column, refused: Array) -> Column:
    return Column(column.values, refused if column.missing is None else column.missing | refused)


def _compile_type(field: Field) -> Judge:
    match field.type:
        case List():
            from .nested import compile_list

            return compile_list(field, compile_column)
        case Struct():
            from .nested import compile_struct

            return compile_struct(field, compile_column)
        case Tensor():
            from .tensors import compile_tensor

            return compile_tensor(field, compile_column)
    return _compile_scalar(field)


def _compile_scalar(field: Field) -> Judge:
    kind = field.type
    slowly = _one_by_one(field)

    def judge(raw: Raw, problems: Problems) -> Judged:
        values = raw.values
        column = quick_list(values, kind) if isinstance(values, list) else quick_array(raw, kind)
        if column is not None:
            return column, None
        if isinstance(values, np.ndarray) and values.ndim > 1:
            expected = "one value for each row"
            message = "is an array of more than one axis"
            problems.add("input.shape", message, field=field.name, found=str(values.shape), expected=expected)
            return Column(build([], kind)), None
        return slowly(raw, problems)

    return judge


def _one_by_one(field: Field) -> Judge:
    """The rule of the type on each value."""
    convert = converter(field.type)
    filler = _filler(field.type)

    def judge(raw: Raw, problems: Problems) -> Judged:
        found = items(raw)
        values = [filler] * len(found)
        missing = np.zeros(len(found), dtype=bool)
        refused = np.zeros(len(found), dtype=bool)
        for row, item in enumerate(found):
            if is_null(item):
                missing[row] = True
                continue
            try:
                values[row] = convert(item)
            except Mismatch as error:
                refused[row] = True
                problems.refuse(error, item, row=row, field=field.name)
        return Column(build(values, field.type), missing if missing.any() else None), refused if refused.any() else None

    return judge


def _filler(kind: DataType) -> Any:
    """What stands where a value is missing."""
    if isinstance(kind, Float):
        return np.nan
    if isinstance(kind, Bool):
        return False
    return None if kind.canonical == "object" else 0


def build(values: list[Any], kind: DataType) -> Array:
    """Canonical scalars as the canonical array."""
    if isinstance(kind, Date | Timestamp | Duration):
        return np.array(values, dtype=np.int64).view(kind.canonical)
    if kind.canonical == "object":
        return objects(values)
    with np.errstate(over="ignore"):
        return np.array(values, dtype=kind.canonical)
