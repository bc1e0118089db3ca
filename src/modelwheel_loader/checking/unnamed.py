"""Data without names: what may stand for a matrix, and how anything else is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..batch import Array
from ..contract.schema import Schema
from ..errors import InputError
from ..incoming.frames import is_a, is_sparse
from ..problems import Problems
from ..text import clip, shown


def matrix_of(data: Any) -> Array | None:
    """An array, sparse matrix or list of rows as an array; None for anything else."""
    if is_sparse(data):
        return data.toarray()  # type: ignore[no-any-return]
    if isinstance(data, np.ndarray):
        return np.asarray(data) if getattr(data, "mask", None) is None else data
    if isinstance(data, list | tuple):
        return _from_rows(data) if all(_is_row(row) for row in data) else None
    if hasattr(data, "__array__") and not isinstance(data, np.generic) and not is_a(data, "pandas", "Series"):
        try:
            return np.asarray(data)
        except (TypeError, ValueError, RuntimeError):
            return None
    return None


def _is_row(row: Any) -> bool:
    return isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim > 0)


def _from_rows(rows: Sequence[Any]) -> Array:
    """Lists of rows as an array of objects, whose values are checked one by one."""
    width = len(rows[0])
    problems = Problems()
    made = np.empty((len(rows), width), dtype=object)
    for index, row in enumerate(rows):
        if len(row) != width:
            found, expected = f"{len(row)} values", f"{width}, as in row 0"
            problems.add("input.shape", "has another length", row=index, found=found, expected=expected)
        elif not problems.counted:
            made[index] = row if not isinstance(row, np.ndarray) or row.ndim == 1 else list(row)
    if problems.counted:
        problems.raise_all(len(rows))
    return made


def shape_error(data: Array, names: Sequence[str]) -> InputError:
    """The error for an array of another shape."""
    hint = ""
    if data.ndim == 1:
        hint = "one row is data.reshape(1, -1)" if len(data) == len(names) else "pass a 2-D array, one row for each row"
    expected = f"(rows, {len(names)})"
    found = str(data.shape)
    return InputError.of("input.shape", "the array has another shape", found=found, expected=expected, hint=hint)


def container_error(schema: Schema, data: Any) -> InputError:
    """The error for data of a kind that the model does not take."""
    names = ", ".join(clip(name, 30) for name in schema.names[:8]) + (", …" if len(schema) > 8 else "")
    expected = f"rows or columns named {names}"
    if schema.layout == "matrix":
        expected = f"a 2-D array with {len(schema)} columns, or {expected}"
    elif schema.layout == "array":
        expected = f"a list or array of {schema.fields[0].type}, one for each row"
    message = "this is no data that the model takes"
    found = shown(data)
    if isinstance(data, list | tuple) and data:
        found += f", the first of its items {shown(data[0])}"
    return InputError.of(
        "input.container", message, found=clip(found, 120), expected=expected, hint=_hint(schema, data)
    )


def _hint(schema: Schema, data: Any) -> str:
    if is_a(data, "pandas", "Series"):
        return (
            "A Series has no columns: for one row pass series.to_dict(), or frame.iloc[[0]] instead of frame.iloc[0]."
        )
    several = isinstance(data, list | tuple) and len(data) > 0 and not hasattr(data, "_asdict")
    if record := _as_dict(data[0] if several else data):
        return f"Pass rows as dicts: {record}."
    if isinstance(data, Iterator):
        return "Reading an iterator would use it up: pass list(…)."
    if isinstance(data, str | bytes):
        return "Parse JSON first: json.loads(…)." if schema.layout != "array" else "Pass a list: [text]."
    if isinstance(data, np.ndarray):
        return "The model knows its columns by name: pass a DataFrame, a dict of arrays, or a list of dicts."
    return "Pass one row as a dict, rows as a list of dicts, columns as a dict of arrays, or a DataFrame."


def _as_dict(row: Any) -> str:
    """How a row that is an object of a class is made a dict; empty for anything else."""
    if isinstance(row, type):
        return ""
    if hasattr(row, "model_dump"):
        return "row.model_dump(by_alias=True)"
    if hasattr(row, "__dataclass_fields__"):
        return "dataclasses.asdict(row)"
    return "row._asdict()" if hasattr(row, "_asdict") else ""
