"""From a checked batch to what the original model saw: its own containers, dtypes, labels and nulls.

It is always memory of its own: a model that works in place must not change the caller's data. `onnx/feeds.py` has the
inputs of graphs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..batch import Array, Batch, Column
from ..contract.schema import Field, Schema
from ..contract.types import Bool, Float, Integer, Tensor
from .frames import compile_frame, compile_series
from .physical import compile_numpy, compile_objects, own_rows, physical_of

Bind = Callable[[Batch], Any]


def compile_native(schema: Schema) -> Bind:
    """The function that makes what the original model was fed: container, dtypes, labels and nulls of the sample."""
    match schema.layout:
        case "frame":
            return compile_frame(schema)
        case "matrix":
            return _matrix(schema)
        case "array":
            return _array(schema)
        case "records":
            return _records(schema)
    return _columns(schema)


def _matrix(schema: Schema) -> Bind:
    dtype = schema.dtype or "float64"
    if dtype == "object":
        return _object_matrix(schema)
    if all(isinstance(field.type, Bool | Integer | Float) for field in schema.fields):
        return _number_matrix(schema, dtype)
    return _object_matrix(schema)


def _number_matrix(schema: Schema, dtype: str) -> Bind:
    names, order = schema.names, schema.memory_order
    nullable = [field.name for field in schema.fields if field.nullable]
    if dtype.startswith("float") or not nullable:
        return lambda batch: batch.matrix(names, dtype, own=True, order=order)

    def bind(batch: Batch) -> Array:
        """Whole numbers; floats, as numpy would make of it, where one is null."""
        absent = any(batch.column(name).missing is not None for name in nullable)
        return batch.matrix(names, "float64" if absent else dtype, own=True, order=order)

    return bind


def _object_matrix(schema: Schema) -> Bind:
    restores = [(field.name, compile_objects(field)) for field in schema.fields]

    def bind(batch: Batch) -> Array:
        matrix = np.empty((batch.rows, len(restores)), dtype=object)
        for index, (name, restore) in enumerate(restores):
            matrix[:, index] = restore(batch.column(name))
        return matrix

    return bind


def _array(schema: Schema) -> Bind:
    field = schema.fields[0]
    if schema.container in ("pandas", "polars", "pyarrow"):
        return compile_series(schema)
    restore = _restore(field)
    if schema.container == "list":
        as_list = compile_objects(field) if not isinstance(field.type, Tensor) else restore
        return lambda batch: list(as_list(batch.column(field.name)))
    return lambda batch: restore(batch.column(field.name))


def _restore(field: Field) -> Callable[[Column], Any]:
    if not isinstance(field.type, Tensor):
        return compile_numpy(field)
    if field.type.sparse:
        return _sparse(field)
    return own_rows(field)


def _sparse(field: Field) -> Callable[[Column], Any]:
    """Rows as the SciPy class and format of the sample."""
    name = physical_of(field).dtype
    dtype = field.type.canonical

    def restore(column: Column) -> Any:
        from scipy import sparse

        kind = sparse.csr_array if name.endswith("_array") else sparse.csr_matrix
        made = kind(column.values, dtype=dtype, copy=True)
        found = name.partition("_")[0]
        return made.asformat(found) if found in ("csc", "coo", "lil", "dok", "bsr", "dia") else made

    return restore


def _columns(schema: Schema) -> Bind:
    restores = [(field.name, _restore(field)) for field in schema.fields]
    return lambda batch: {name: restore(batch.column(name)) for name, restore in restores}


def _records(schema: Schema) -> Bind:
    restores = [(field.name, compile_objects(field)) for field in schema.fields]

    def bind(batch: Batch) -> list[dict[str, Any]]:
        columns = [restore(batch.column(name)) for name, restore in restores]
        names = [name for name, _ in restores]
        return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    return bind
