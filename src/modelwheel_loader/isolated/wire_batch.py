"""Checked batches on the wire, and answers that are tables: as batches too, since a caller may lack their library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..batch import Batch, Column
from ..errors import InputError, OutputError
from .wire import Buffers, WireError, decode, encode

if TYPE_CHECKING:
    from ..contract.schema import Schema

_TABLES = frozenset({"pandas", "polars", "pyarrow"})


def encode_batch(batch: Batch, buffers: Buffers) -> dict[str, Any]:
    """The tree of a checked batch."""
    columns = {
        name: [encode(_sendable(column), buffers), encode(column.missing, buffers)]
        for name, column in batch.columns.items()
    }
    return {"rows": batch.rows, "block": encode(batch.block, buffers), "columns": columns}


def _sendable(column: Column) -> Any:
    """The values; what lies where they are missing means nothing, and may be of any kind."""
    values = column.values
    if column.missing is None or not isinstance(values, np.ndarray) or values.dtype.kind != "O" or values.ndim != 1:
        return values
    cleaned = values.copy()
    cleaned[column.missing] = None
    return cleaned


def decode_batch(tree: Any, memory: memoryview, schema: Schema) -> Batch:
    """The batch of a tree. Its memory belongs to the batch: who binds it need not copy it again."""
    try:
        rows, block, given = tree["rows"], decode(tree["block"], memory), tree["columns"]
        columns = {
            name: Column(decode(values, memory), decode(missing, memory)) for name, (values, missing) in given.items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise WireError(f"a batch is broken: {type(error).__name__}") from None
    names = tuple(name for name in schema.names if name not in columns) if columns else schema.names
    _check(rows, block, columns, schema, names)
    return Batch(rows, columns, block=block, block_names=names if block is not None else (), owned=True)


def _check(rows: Any, block: Any, columns: dict[str, Column], schema: Schema, names: tuple[str, ...]) -> None:
    right = type(rows) is int and set(columns) <= set(schema.names)
    if block is None:
        right = right and not names
    else:
        right = right and isinstance(block, np.ndarray) and block.shape == (rows, len(names))
    for values, missing in columns.values():
        right = right and hasattr(values, "shape") and values.shape[:1] == (rows,)
        right = right and (missing is None or (missing.shape == (rows,) and missing.dtype == bool))
    if not right:
        raise WireError("a batch does not fit its schema")


def is_table(schema: Schema) -> bool:
    """Whether answers of `schema` are tables, or columns of tables, of some library."""
    return schema.container in _TABLES and schema.layout in ("frame", "array")


def _is_named(schema: Schema) -> bool:
    """Whether answers are columns with a name of their own, which the schema does not know."""
    return schema.layout == "array" and schema.container in ("pandas", "polars")


def compile_answer_encoder(schema: Schema) -> Callable[[Any, int, Buffers], Any]:
    """The function of the worker that turns an answer to some rows into a tree."""
    if not is_table(schema):
        return lambda answer, _, buffers: encode(answer, buffers)
    from ..checking.inputs import compile_input
    from ..checking.outputs import compile_output

    check, take_apart = compile_output(schema), compile_input(schema)
    named = _is_named(schema)

    def write(answer: Any, rows: int, buffers: Buffers) -> Any:
        try:
            checked = check(answer, rows, False)  # noqa: FBT003 - by position, as ever
            name = encode(checked.name if named else None, buffers)
            return {"name": name, "table": encode_batch(take_apart(checked), buffers)}
        except InputError as error:
            raise OutputError(error.message, error.defects, counted=error.counted) from error

    return write


def compile_answer_decoder(schema: Schema) -> Callable[[Any, memoryview], Any]:
    """The function of the caller that makes the answer of a tree; tables are built by the caller's own library."""
    if not is_table(schema):
        return decode
    bind: list[Callable[[Batch], Any]] = []

    def read(tree: Any, memory: memoryview) -> Any:
        if not bind:
            from ..binding.bind import compile_native

            bind.append(compile_native(schema))
        try:
            name, table = tree["name"], tree["table"]
        except (KeyError, TypeError):
            raise WireError("an answer is no table") from None
        made = bind[0](decode_batch(table, memory, schema))
        return made.rename(decode(name, memory)) if _is_named(schema) else made

    return read
