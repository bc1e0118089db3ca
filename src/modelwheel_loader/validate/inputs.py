"""Checks what a caller passes against the input schema. Compiled once.

The quick path, for one row, takes only what is plainly right. All else is for `careful.py`, which explains every
defect; it is imported, with all that knows DataFrames, when there is something for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ModelwheelError
from ..opening.types import Tensor
from .batch import Batch, Column, Raw
from .blocks import Block, Quick, compile_scalar
from .columns import Check, compile_column

if TYPE_CHECKING:
    from ..opening.schema import Field, Schema
    from .careful import Careful
    from .table_rules import Rule


_OF_SCALARS = frozenset({"builtins", "numpy", "datetime", "decimal"})
"""The modules whose objects are never a column of another library."""


def compile_input(schema: Schema) -> InputCheck:
    """The check for `schema`; raises `UsageError` when a bound or pattern of a field does not fit its type."""
    return InputCheck(schema)


class InputCheck:
    """Call it with data of any supported kind; it gives a `Batch`, or raises `InputError` with every defect."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._names = schema.names
        self._checks = {field.name: compile_column(field) for field in schema.fields}
        self._block = Block(schema)
        together = frozenset(self._block.names)
        self._scalars = [
            (field.name, compile_scalar(field) or _compile_alone(field, self._checks[field.name]))
            for field in schema.fields
            if field.name not in together
        ]
        self._refuse_extra = schema.extra == "error"
        self._table_rule = _compile_table(schema)
        self._careful: Careful | None = None

    def __call__(self, data: object) -> Batch:
        """The checked batch. Never changes `data`."""
        try:
            row = data[0] if type(data) is list and len(data) == 1 else data
            if type(row) is dict and self._names:
                batch = self._quick_row(row, single=row is data)
                if batch is not None and self._table_rule is None:
                    return batch
            batch = (self._careful or self._make_careful())(data)
            if self._table_rule is not None:
                self._table_rule(batch)
        except (ModelwheelError, MemoryError):
            raise
        except Exception as error:  # the border to the caller's objects, which may raise whatever they are asked
            from .careful import unreadable

            raise unreadable(error, data) from error
        return batch

    def _make_careful(self) -> Careful:
        from .careful import Careful

        self._careful = Careful(self.schema, self._checks, self._block)
        return self._careful

    def _quick_row(self, row: dict[str, Any], *, single: bool) -> Batch | None:
        if self._refuse_extra and len(row) != len(self._names):
            return None
        block = None
        try:
            if self._block.names:
                block = self._block.row(row)
                if block is None:
                    return None
            columns = {}
            for name, check in self._scalars:
                column = check(row[name])
                if column is None:
                    return None
                columns[name] = column
        except KeyError:
            return None
        return Batch(1, columns, single=single, block=block, block_names=self._block.names, narrow=True)


def _compile_table(schema: Schema) -> Rule | None:
    """The rule for the table as a whole, which few schemas have."""
    if schema.min_rows is None and schema.max_rows is None and not schema.unique:
        return None
    from .table_rules import compile_table

    return compile_table(schema)


def _compile_alone(field: Field, check: Check) -> Quick:
    """One value as a column of one; None when it is refused, or may be a column, which the slow path then tells."""
    from .problems import Problems
    from .reading import library_of

    axes = len(field.type.shape) if isinstance(field.type, Tensor) else None

    def alone(value: Any) -> Column | None:
        if library_of(value) not in _OF_SCALARS:
            return None
        if axes is not None and getattr(value, "ndim", axes) != axes:  # many rows, as an array: no need to try
            return None
        return check(Raw([value]), Problems())

    return alone
