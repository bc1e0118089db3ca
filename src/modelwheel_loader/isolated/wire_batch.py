"""Checked batches on the wire, and answers that are tables: as batches too, since a caller may lack their library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, OutputError
from ..validate.batch import Array, Batch, Column
from .wire import Buffers, WireError, decode, encode, encode_together

if TYPE_CHECKING:
    from ..opening.schema import Schema


_NUMBERS = frozenset("biufcmM")
_TABLES = frozenset({"pandas", "polars", "pyarrow"})


def encode_batch(batch: Batch, buffers: Buffers) -> dict[str, Any]:
    """The tree of a checked batch.

    Columns of one dtype travel as one array, each a row of it: for few rows, a column costs more than what is in it.
    """
    tree: dict[str, Any] = {"rows": batch.rows}
    if batch.block is not None:
        tree["block"] = encode(batch.block, buffers)
    if batch.columns:
        together, alone = _grouped(batch)
        tree["together"] = [[list(group), _encode_group(list(group.values()), buffers)] for group in together]
        tree["alone"] = {name: encode(values, buffers) for name, values in alone.items()}
        missing = {name: column.missing for name, column in batch.columns.items() if column.missing is not None}
        if missing:
            tree["missing"] = [list(missing), encode_together(list(missing.values()), buffers)]
    return tree


def _grouped(batch: Batch) -> tuple[Iterable[dict[str, Array]], dict[str, Any]]:
    """The columns that can travel together, and all others; what lies where they are missing means nothing."""
    together: dict[str, dict[str, Array]] = {}
    alone: dict[str, Any] = {}
    for name, (values, missing) in batch.columns.items():
        if not isinstance(values, np.ndarray) or values.ndim != 1 or not batch.rows:
            alone[name] = values
        elif values.dtype.kind in _NUMBERS:
            together.setdefault(values.dtype.str, {})[name] = values
        elif values.dtype.kind != "O":
            alone[name] = values
        else:
            known = values if missing is None else _filled(values, missing)
            kind = "texts" if set(map(type, known.tolist())) == {str} else "objects"
            together.setdefault(kind, {})[name] = known
    return together.values(), alone


def _filled(values: Array, missing: Array) -> Array:
    """Objects of one kind: what is missing may be of any."""
    texts = set(map(type, values[~missing].tolist())) <= {str}
    filled = values.copy()
    filled[missing] = "" if texts else None
    return filled


def _encode_group(columns: list[Array], buffers: Buffers) -> Any:
    if columns[0].dtype.kind != "O":
        return encode_together(columns, buffers)
    return encode(np.concatenate(columns).reshape(len(columns), -1), buffers)


def compile_batch_decoder(schema: Schema) -> Callable[[Any, memoryview], Batch]:
    """The function that makes a batch of its tree. Memory belongs to the batch: who binds it need not copy it again."""
    every = schema.names
    known = frozenset(every)

    def read(tree: Any, memory: memoryview) -> Batch:
        try:
            rows, block = _number(tree["rows"]), decode(tree.get("block"), memory)
            columns = _decode_columns(tree, rows, memory) if "together" in tree else {}
        except WireError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise WireError(f"a batch is broken: {type(error).__name__}") from None
        names = tuple(name for name in every if name not in columns) if columns else every
        if not columns.keys() <= known or not _is_block(block, rows, len(names)):
            raise WireError("a batch does not fit its schema")
        return Batch(rows, columns, block=block, block_names=names if block is not None else (), owned=True)

    return read


def _number(rows: Any) -> int:
    if type(rows) is not int:
        raise WireError("the number of rows is a whole number")
    return rows


def _is_block(block: Any, rows: int, fields: int) -> bool:
    """Whether the fields that are in no column can be those of `block`."""
    return not fields if block is None else isinstance(block, np.ndarray) and block.shape == (rows, fields)


def _decode_columns(tree: dict[str, Any], rows: int, memory: memoryview) -> dict[str, Column]:
    missing: dict[str, Array] = {}
    if "missing" in tree:
        names, group = tree["missing"]
        missing.update(_decode_group(names, group, rows, memory))
        if any(mask.dtype != bool for mask in missing.values()):
            raise WireError("what is missing is told by Booleans")
    values: dict[str, Any] = {}
    for names, group in tree["together"]:
        values.update(_decode_group(names, group, rows, memory))
    for name, alone in tree["alone"].items():
        values[name] = decode(alone, memory)
        if getattr(values[name], "shape", ())[:1] != (rows,):
            raise WireError("a column does not have a value for each row")
    if not missing.keys() <= values.keys():
        raise WireError("what is missing belongs to no column")
    return {name: Column(column, missing.get(name)) for name, column in values.items()}


def _decode_group(names: list[str], tree: Any, rows: int, memory: memoryview) -> Iterable[tuple[str, Array]]:
    array = decode(tree, memory)
    if not isinstance(array, np.ndarray) or array.shape != (len(names), rows):
        raise WireError("columns that travel together are the rows of an array")
    return zip(names, array, strict=True)


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
    from ..validate.inputs import compile_input
    from ..validate.outputs import compile_output

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
    batch = compile_batch_decoder(schema)

    def read(tree: Any, memory: memoryview) -> Any:
        if not bind:
            from ..validate.building import compile_native

            bind.append(compile_native(schema))
        try:
            name, table = tree["name"], tree["table"]
        except (KeyError, TypeError):
            raise WireError("an answer is no table") from None
        made = bind[0](batch(table, memory))
        return made.rename(decode(name, memory)) if _is_named(schema) else made

    return read
