"""What a column of a table shows, by the library of the table. No library is imported: its objects are here already."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from modelwheel_loader.bridges import from_arrow_type
from modelwheel_loader.opening import (
    Binary,
    Bool,
    Category,
    CategoryValue,
    DataType,
    Decimal,
    Field,
    Float,
    Integer,
    List,
    String,
    Struct,
    Tensor,
    Timestamp,
    TypeTextError,
    parse_type,
)
from modelwheel_loader.text import clip
from modelwheel_loader.validate import arrow_type_of, null_name, unwrapped

from .columns import Column, ColumnError, Note, from_array, has_range, object_array
from .objects import from_values

_NUMBERS = (Bool, Integer, Float)
_SCALARS = (str, int, float, bool)


def from_pandas(series: Any, max_categories: int) -> Column:
    """What a pandas Series shows; raises `ColumnError`."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        column = from_values(series.to_numpy())
        return column if column.normalised is None else dataclasses.replace(column, normalised=_objects(series, column))
    nulls = int(series.isna().sum())
    match type(dtype).__name__:
        case "StringDtype":
            missing = null_name(dtype.na_value)
            return _extension(series, String(), nulls, missing)
        case "CategoricalDtype":
            return _pandas_category(series, nulls, max_categories)
        case "DatetimeTZDtype":
            return _extension(series, Timestamp(dtype.unit, str(dtype.tz)), nulls, "nat")
        case "ArrowDtype":
            return _extension(series, _arrow_type(dtype.pyarrow_dtype), nulls, "na")
    try:
        kind = parse_type({"boolean": "bool"}.get(str(dtype), str(dtype).lower()))
    except TypeTextError:
        hint = next((told for start, told in _PANDAS_HINTS.items() if str(dtype).startswith(start)), "")
        raise ColumnError("is of a pandas type that the contract does not have", found=str(dtype), hint=hint) from None
    return _extension(series, kind, nulls, "na")


_PANDAS_HINTS = {
    "Sparse": "Make it dense, series.sparse.to_dense(), or fit the model on a sparse matrix of SciPy.",
    "period": "Make it a timestamp: series.dt.to_timestamp().",
    "interval": "Make it text, series.astype(str), or numbers.",
}
"""What to make of columns of these types."""


def _objects(series: Any, column: Column) -> Any:
    values = object_array(column.normalised)
    return type(series)(values, index=series.index, name=series.name, dtype=object)


def _extension(series: Any, kind: DataType, nulls: int, null: Any) -> Column:
    """A column of an extension dtype, which has one way to write null."""
    present = series.dropna() if nulls else series
    values: Any = None
    if isinstance(kind, _NUMBERS):
        values = present.to_numpy(dtype=kind.canonical)
    elif isinstance(kind, Timestamp) and kind.zone:
        values = present.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    elif isinstance(kind, String):
        values = present.to_numpy(dtype=object)
    infinite = isinstance(kind, Float) and bool(np.isinf(values).any())
    return Column(
        type=kind,
        dtype=str(series.dtype),
        nulls=nulls,
        null=null if nulls else None,
        present=values,
        infinite=infinite,
    )


def _pandas_category(series: Any, nulls: int, max_categories: int) -> Column:
    dtype = series.dtype
    values, ordered = _category_values(dtype.categories.tolist()), bool(dtype.ordered)
    counts = np.bincount(series.cat.codes.to_numpy().astype(np.int64) + 1, minlength=1)
    if len(values) > max_categories:
        return _taken_as(series.astype(dtype.categories.dtype), from_pandas, _not_stored(len(values)))
    null: Any = "nan" if nulls else None
    distinct = int(np.count_nonzero(counts[1:]))
    return Column(type=Category(values, ordered), dtype="category", nulls=nulls, null=null, distinct=distinct)


def _category_values(values: list[Any]) -> tuple[CategoryValue, ...]:
    kinds = {type(value) for value in values}
    if len(kinds) > 1 or not kinds <= set(_SCALARS):
        found = " and ".join(sorted(kind.__name__ for kind in kinds))
        raise ColumnError(
            "has categories that are not plain values of one type",
            expected="texts, numbers or Booleans",
            found=found,
            hint="Name them by texts: series.cat.rename_categories(str).",
        )
    return tuple(values)


def _taken_as(plain: Any, read: Callable[[Any, int], Column], note: Note, max_categories: int = 0) -> Column:
    """What a column shows after its values were converted to `plain`, which replaces it."""
    column = read(plain, max_categories)
    taken = plain if column.normalised is None else column.normalised
    return dataclasses.replace(column, notes=(note, *column.notes), normalised=taken)


def _not_stored(number: int) -> Note:
    message = f"has {number:,} categories, too many to store: taken as plain values (Options(categories=…) stores more)"
    return Note(code="categories-not-stored", message=message)


def _arrow_type(kind: Any) -> DataType:
    try:
        return from_arrow_type(kind)
    except TypeTextError:
        raise ColumnError("is of an Arrow type that the contract does not have", found=str(kind)) from None


_ARROW_PLAIN = {"date64": "date32", "fixed_size_binary": "binary", "null": "string"}
"""Arrow's types whose values another type holds as well."""


def from_arrow(values: Any, max_categories: int) -> Column:
    """What a pyarrow ChunkedArray or Array shows; raises `ColumnError`."""
    plain = _arrow_plain(values)
    if plain is not None:
        message = f"is of Arrow's type {values.type}: taken as {plain.type}"
        return _taken_as(plain, from_arrow, Note(code="converted", message=message), max_categories)
    kind = _arrow_type(values.type)
    nulls = int(values.null_count)
    if isinstance(kind, Category):
        return _arrow_category(values, kind, nulls, max_categories)
    present = values.drop_null()
    if isinstance(kind, Float):
        return _with_nan(values, from_array(present.to_numpy()), nulls, str(values.type), _arrow_nan_to_null)
    statistics: Any = None
    if has_range(kind):
        statistics = present.to_numpy()
    elif isinstance(kind, Bool | String | Binary):
        statistics = present.to_pylist()
    null: Any = "none" if nulls else None
    return Column(type=kind, dtype=str(values.type), nulls=nulls, null=null, present=statistics)


def _arrow_plain(values: Any) -> Any:
    """The same values in the layout in which a loaded model is fed them; None when they are in it.

    Views, large lists, runs and extension types say how values are stored, not what they are.
    """
    import pyarrow as pa

    kind, name = values.type, str(values.type)
    if name.startswith(("run_end_encoded", "extension")):
        pieces = values.chunks if hasattr(values, "chunks") else [values]
        made = [unwrapped(piece, pa) for piece in pieces]
        return pa.chunked_array(made, type=made[0].type) if made else values.cast(kind.value_type)
    if name.startswith("dictionary"):
        return None
    wanted = _ARROW_PLAIN.get(name.partition("[")[0]) or arrow_type_of(_arrow_type(kind), name, pa)
    if name.replace(" not null", "") == str(wanted):
        return None
    if "list_view" in name:  # pyarrow's cast of them loses values (seen in 26.0)
        return pa.chunked_array([pa.array(values.to_pylist(), type=wanted)])
    try:
        return values.cast(wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        hint = f"Convert it to {wanted} before: {clip(error, 200)}"
        raise ColumnError("is in an Arrow layout that cannot be converted", found=name, hint=hint) from error


def _with_nan(values: Any, column: Column, nulls: int, dtype: str, to_null: Any) -> Column:
    """A float column of a library that knows both null and NaN: where both occur, they become null."""
    if column.nulls and nulls:
        message = f"null was written as null ({nulls:,}) and as NaN ({column.nulls:,}): made null everywhere"
        note = Note(code="mixed-nulls", message=message)
        changes: dict[str, Any] = {"null": "none", "normalised": to_null(values), "notes": (note,)}
    else:
        changes = {"null": "none" if nulls else column.null}
    return dataclasses.replace(column, dtype=dtype, nulls=column.nulls + nulls, **changes)


def _arrow_nan_to_null(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _arrow_category(values: Any, kind: Category, nulls: int, max_categories: int) -> Column:
    pieces = values.chunks if hasattr(values, "chunks") else [values]
    found = list(dict.fromkeys(item for piece in pieces for item in piece.dictionary.to_pylist()))
    categories = _category_values(found)
    if len(categories) > max_categories:
        return _taken_as(values.cast(values.type.value_type), from_arrow, _not_stored(len(found)))
    null: Any = "none" if nulls else None
    return Column(type=Category(categories, kind.ordered), dtype=str(values.type), nulls=nulls, null=null)


def from_polars(series: Any, max_categories: int) -> Column:
    """What a Polars Series shows; raises `ColumnError`."""
    name = type(series.dtype).__name__ if not isinstance(series.dtype, type) else series.dtype.__name__
    if name == "Object":
        raise ColumnError("is of a Polars type that the contract does not have", found="Object")
    if name in ("Categorical", "Enum"):
        return _polars_category(series, name, max_categories)
    kind = from_polars_type(series.dtype)
    if name == "Null":
        text = series.cast(sys.modules["polars"].String)
        note = Note(code="all-null", message="has no value in the whole sample: taken as text")
        return dataclasses.replace(from_polars(text, max_categories), notes=(note,), normalised=text)
    nulls = int(series.null_count())
    present = series.drop_nulls() if nulls else series
    if isinstance(kind, Float):
        return _with_nan(series, from_array(present.to_numpy()), nulls, name, lambda values: values.fill_nan(None))
    statistics: Any = None
    if isinstance(kind, Bool) or has_range(kind):
        statistics = present.to_numpy()
    elif isinstance(kind, String | Binary):
        statistics = present.to_list()
    null: Any = "none" if nulls else None
    return Column(type=kind, dtype=name, nulls=nulls, null=null, present=statistics)


def _polars_category(series: Any, name: str, max_categories: int) -> Column:
    nulls = int(series.null_count())
    values = (
        series.dtype.categories.to_list()
        if name == "Enum"
        else series.drop_nulls().unique(maintain_order=True).to_list()
    )
    if len(values) > max_categories:
        return _taken_as(series.cast(sys.modules["polars"].String), from_polars, _not_stored(len(values)))
    categories = _category_values([str(value) for value in values])
    null: Any = "none" if nulls else None
    return Column(type=Category(categories, ordered=name == "Enum"), dtype=name, nulls=nulls, null=null)


_POLARS_WORDS = {
    "Boolean": "bool",
    "String": "string",
    "Utf8": "string",
    "Binary": "binary",
    "Date": "date",
    "Null": "string",
}


def from_polars_type(dtype: Any) -> DataType:
    """The type of the contract for a Polars dtype; raises `ColumnError`."""
    name = dtype.__name__ if isinstance(dtype, type) else type(dtype).__name__
    match name:
        case "Datetime":
            return Timestamp(dtype.time_unit or "us", dtype.time_zone)
        case "Decimal":
            return Decimal(dtype.precision or 38, dtype.scale)
        case "List":
            return List(from_polars_type(dtype.inner), nullable=True)
        case "Array":
            leaf = dtype
            while type(leaf).__name__ == "Array":
                leaf = leaf.inner
            inner = from_polars_type(leaf)
            return Tensor(inner.canonical, tuple(dtype.shape)) if isinstance(inner, _NUMBERS) else List(inner)
        case "Struct":
            return Struct(tuple(_polars_member(field) for field in dtype.fields))
    try:
        unit = f"[{dtype.time_unit or 'us'}]" if hasattr(dtype, "time_unit") else ""
        return parse_type(_POLARS_WORDS.get(name, name.lower() + unit))
    except TypeTextError:
        raise ColumnError("is of a Polars type that the contract does not have", found=name) from None


def _polars_member(field: Any) -> Field:
    return Field(name=field.name, type=from_polars_type(field.dtype), nullable=True)


READERS: Mapping[str, Callable[[Any, int], Column]] = {
    "pandas": from_pandas,
    "polars": from_polars,
    "pyarrow": from_arrow,
}
"""What reads a column of each library; the number is the most categories that are stored."""
