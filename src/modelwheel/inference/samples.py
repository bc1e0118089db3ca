"""From a whole sample to the columns in it, and how the model wants them: one function per kind of sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.text import shown
from modelwheel_loader.validate.reading import is_table

from .arrays import memory_order, read_numpy, read_sparse, read_tensor
from .columns import Array, Note
from .containers import kind_of, library_of, rows_of
from .objects import from_objects, from_values
from .tables import from_arrow, from_pandas, from_polars
from .walk import Inferred, field_names, key_names, object_array, single, walk


def read_sample(sample: Any, max_categories: int) -> Inferred:
    """The schema of a sample of any kind; raises `PackError` with all defects, `UsageError` for no sample at all."""
    kind = kind_of(sample)
    rows = rows_of(sample)
    if rows == 0:
        raise PackError.of("infer.empty", "the sample has no rows")
    match kind:
        case "pandas" | "polars" | "pyarrow":
            return read_table(sample, rows, max_categories)
        case "series":
            return read_series(sample, rows, max_categories)
        case "sparse":
            return read_sparse(sample, rows)
        case "numpy":
            return read_numpy(sample, rows)
        case "columns":
            return _read_columns(sample, rows)
    return _read_list(sample, rows)


def read_table(sample: Any, rows: int, max_categories: int) -> Inferred:
    """A DataFrame of pandas or Polars, or a pyarrow Table."""
    library: Any = kind_of(sample)
    labels = list(sample.column_names if library == "pyarrow" else sample.columns)
    names = field_names(labels)
    seen = walk(rows)
    replaced: dict[int, Any] = {}
    for index, (name, label) in enumerate(zip(names, labels, strict=True)):
        values = _table_column(sample, library, index)
        infer = {"pandas": from_pandas, "polars": from_polars, "pyarrow": from_arrow}[library]
        number = None if isinstance(label, str) else int(label)
        made = seen.add(name, lambda values=values, infer=infer: infer(values, max_categories), number)  # type: ignore[misc]
        if made is not None:
            replaced[index] = made
    seen.finish()
    if library == "pandas" and (sample.index.nlevels > 1 or sample.index.name is not None):
        seen.notes.append(Note(code="index-ignored", message="the index of the DataFrame is no part of the schema"))
    few = library == "pandas" and min(sample.shape) > 1
    order = memory_order(sample.iloc[:2]) if few else None
    schema = Schema(fields=tuple(seen.fields), layout="frame", container=library, order=order)
    return Inferred(schema=schema, notes=tuple(seen.notes), sample=_replace(sample, library, replaced), rows=rows)


def _table_column(sample: Any, library: str, index: int) -> Any:
    if library == "pandas":
        return sample.iloc[:, index]
    return sample.column(index) if library == "pyarrow" else sample.to_series(index)


def _replace(sample: Any, library: str, columns: Mapping[int, Any]) -> Any:
    """The table with some columns replaced; the caller's own stays as it is."""
    if not columns:
        return sample
    if library == "pandas":
        changed = sample.copy(deep=False)
        for index, values in columns.items():
            changed.isetitem(index, values)
        return changed
    if library == "polars":
        return sample.with_columns([values.alias(sample.columns[index]) for index, values in columns.items()])
    for index, values in columns.items():
        sample = sample.set_column(index, sample.column_names[index], values)
    return sample


def read_series(sample: Any, rows: int, max_categories: int) -> Inferred:
    """A column of a library of tables, alone."""
    library: Any = library_of(sample)
    infer = {"pandas": from_pandas, "polars": from_polars, "pyarrow": from_arrow}[library]
    label = getattr(sample, "name", None)
    return single(lambda: infer(sample, max_categories), sample, rows, library, label)


def _read_columns(sample: Mapping[Any, Any], rows: int) -> Inferred:
    """A dict of columns: each an array, a list or a Series; tensors and sparse matrices too."""
    seen = walk(rows)
    changed: dict[str, Any] = {}
    for name, values in zip(key_names(list(sample)), sample.values(), strict=True):
        plain = values if isinstance(values, np.ndarray) or hasattr(values, "tocsr") else _to_array(values)
        if hasattr(plain, "tocsr") or plain.ndim > 1:
            part = read_sparse(plain, rows) if hasattr(plain, "tocsr") else read_tensor(plain, rows)
            seen.fields.append(part.schema.fields[0].replace(name=name))
        else:
            made = seen.add(name, lambda plain=plain: from_values(plain))  # type: ignore[misc]
            plain = plain if made is None else object_array(made)
        if plain is not values:
            changed[name] = plain
    seen.finish()
    schema = Schema(fields=tuple(seen.fields), layout="columns")
    taken = {**sample, **changed} if changed else sample
    return Inferred(schema=schema, notes=tuple(seen.notes), sample=taken, rows=rows)


def _to_array(values: Any) -> Array:
    """A list or a Series as an array: of its own dtype when its values have one, of objects when they do not."""
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    items = list(values)
    column = object_array(items) if not any(isinstance(item, list | tuple) for item in items) else None
    kinds = {type(item) for item in items}
    if column is not None and (not kinds <= {bool} and not kinds <= {int} and not kinds <= {float, int}):
        return column
    try:
        return np.array(items)
    except (ValueError, OverflowError):
        made = np.empty(len(items), dtype=object)
        for index, item in enumerate(items):
            made[index] = item
        return made


def _read_list(sample: Sequence[Any], rows: int) -> Inferred:
    """A list of dicts (records), of equally long rows of numbers (a matrix), or of single values such as texts."""
    if all(isinstance(item, Mapping) for item in sample):
        return _read_records(sample, rows)
    if any(is_table(item) for item in sample):
        raise UsageError.of(
            "infer.sample",
            "the sample is a list of tables",
            found=shown(sample),
            hint="Pass what the model is fed alone, without its target: sample=X, not (X, y).",
        )
    if all(isinstance(item, list | tuple | np.ndarray) for item in sample):
        matrix = _rectangle(sample)
        if matrix is not None:
            inferred = read_numpy(matrix, rows)
            note = Note(
                code="taken-as-array", message="a list of rows of numbers: taken as an array, and passed as one"
            )
            return dataclasses.replace(inferred, notes=(note, *inferred.notes))
    return single(lambda: from_objects(sample), sample, rows, "list")


def _rectangle(sample: Sequence[Any]) -> Array | None:
    try:
        made = np.array(sample)
    except ValueError:  # rows of different lengths
        return None
    return made if made.dtype.kind in "biuf" and made.ndim > 1 else None


def _read_records(sample: Sequence[Mapping[Any, Any]], rows: int) -> Inferred:
    names = list(dict.fromkeys(key for record in sample for key in record))
    seen = walk(rows)
    changed: dict[str, Any] = {}
    absent = _absent(sample, names)
    for name in key_names(names):
        made = seen.add(name, lambda name=name: from_objects([record.get(name) for record in sample]))  # type: ignore[misc]
        if made is not None:
            changed[name] = made
    seen.finish()
    seen.notes += [Note(code="absent", message="is missing in some rows: taken as null", field=name) for name in absent]
    taken: Any = sample
    if changed or absent:
        taken = [{name: record.get(name) for name in names} for record in sample]
        for name, values in changed.items():
            for record, value in zip(taken, values, strict=True):
                record[name] = value
    schema = Schema(fields=tuple(seen.fields), layout="records", container="list")
    return Inferred(schema=schema, notes=tuple(seen.notes), sample=taken, rows=rows)


def _absent(sample: Iterable[Mapping[Any, Any]], names: Sequence[Any]) -> list[str]:
    missing: set[Any] = set()
    for record in sample:
        if len(record) < len(names):
            missing.update(name for name in names if name not in record)
    return [str(name) for name in names if name in missing]
