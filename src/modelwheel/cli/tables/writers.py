"""Writes answers as JSON lines, CSV or Parquet, chunk by chunk."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Literal, Protocol

import numpy as np

from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.text import clip, safe, safe_json

from .chunks import plain_list

KINDS = ("jsonl", "csv", "parquet")
Labels = Mapping[str, Sequence[object]]
"""For a method that answers several numbers per row: what to call each."""


class Writer(Protocol):
    """Takes columns of one length, again and again."""

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""

    def close(self) -> None:
        """Write what comes last. The stream stays open."""


def writer(kind: str, stream: BinaryIO, labels: Labels, *, watched: bool = False) -> Writer:
    """A writer of that kind. `watched` when a terminal shows what is written: nothing may move its cursor."""
    if kind == "csv":
        return CsvWriter(stream, labels, watched=watched)
    if kind == "parquet":
        return ParquetWriter(stream, labels)
    return JsonWriter(stream)


class JsonWriter:
    """One object per line. NaN and infinities, which JSON has not, become null."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""
        if not columns:
            return
        names = [json.dumps(name, ensure_ascii=False).replace("%", "%%") for name in columns]
        line = "{" + ", ".join(f"{name}: %s" for name in names) + "}\n"
        parts = [_json_texts(values) for values in columns.values()]
        text = "".join(map(line.__mod__, zip(*parts, strict=True)))
        # whatever a terminal would obey is escaped, also in files: one prints them some day
        self._stream.write(safe_json(text).encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Nothing comes last."""


def _json_texts(values: Any) -> list[str]:
    items = _items(values)
    kinds = set(map(type, items))
    if kinds == {float}:
        return [float.__repr__(item) if math.isfinite(item) else "null" for item in items]
    if kinds == {int}:
        return list(map(int.__repr__, items))
    return [json.dumps(_finite(item), ensure_ascii=False, default=str) for item in items]


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple | np.ndarray) else value


def _items(values: Any) -> list[Any]:
    """The answers of a column as Python's values; times as ISO 8601 text."""
    values = _dense(values)
    if getattr(getattr(values, "dtype", None), "kind", None) in ("m", "M"):
        values = values.astype(str)
    return plain_list(values)


def _dense(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else values


def flattened(columns: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    """Columns of one value per row: an array of more axes becomes one for each place, named by class where known."""
    made: dict[str, Any] = {}
    for name, column in columns.items():
        values = _dense(column)
        if not isinstance(values, np.ndarray) or values.ndim < 2:
            made[name] = values
            continue
        places = list(np.ndindex(*values.shape[1:]))
        endings = ["_".join(map(str, place)) for place in places]
        known = [str(label) for label in labels.get(name, ())]
        if values.ndim == 2 and len(set(known)) == values.shape[1] == len(known):
            endings = known
        made |= {
            f"{name}_{ending}": values[(slice(None), *place)] for ending, place in zip(endings, places, strict=True)
        }
    return made


def _quoting(cells: Iterable[Iterable[object]]) -> Literal[0, 1]:
    """Quotes around everything where a text holds a carriage return: the csv module only sees its own line end."""
    odd = any("\r" in cell for column in cells for cell in column if type(cell) is str)
    return csv.QUOTE_ALL if odd else csv.QUOTE_MINIMAL


class CsvWriter:
    """A header line, then one line per row. Null is an empty cell; what is no single value is JSON."""

    def __init__(self, stream: BinaryIO, labels: Labels, *, watched: bool) -> None:
        self._stream = stream
        self._labels = labels
        self._watched = watched
        self._begun = False

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""
        flat = flattened(columns, self._labels)
        text = io.StringIO()
        cells = [list(map(self._cell, _items(values))) for values in flat.values()]
        names = [safe(name) if self._watched else name for name in flat]
        lines = csv.writer(text, lineterminator="\n", quoting=_quoting([names, *cells]))
        if not self._begun and flat:
            lines.writerow(names)
            self._begun = True
        lines.writerows(zip(*cells, strict=True))
        self._stream.write(text.getvalue().encode("utf-8", "backslashreplace"))

    def _cell(self, value: Any) -> Any:
        if isinstance(value, list | dict | tuple | np.ndarray):
            return safe_json(json.dumps(_finite(value), ensure_ascii=False, default=str))
        return safe(value) if self._watched and isinstance(value, str) else value

    def close(self) -> None:
        """Nothing comes last."""


class ParquetWriter:
    """A Parquet file; its columns have the types of the first rows that were written."""

    def __init__(self, stream: BinaryIO, labels: Labels) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            message = "writing Parquet needs pyarrow"
            raise MissingExtra.of("input.library", message, hint="pip install pyarrow") from None
        self._pa = pa
        self._make: Callable[..., Any] = parquet.ParquetWriter
        self._stream = stream
        self._labels = labels
        self._file: Any = None

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""
        pa = self._pa
        flat = {name: _arrow(values, pa) for name, values in flattened(columns, self._labels).items()}
        try:
            table = pa.table(flat)
            if self._file is None:
                fields = [pa.field(f.name, pa.string() if pa.types.is_null(f.type) else f.type) for f in table.schema]
                self._file = self._make(self._stream, pa.schema(fields))
            self._file.write_table(table.cast(self._file.schema))
        except pa.ArrowException as error:
            message = "the rows do not have the types of those before them, as Parquet demands"
            hint = "Write JSON lines: --to jsonl."
            raise InputError.of("input.file", message, found=clip(error, 200), hint=hint) from None

    def close(self) -> None:
        """The footer."""
        if self._file is not None:
            self._file.close()


def _arrow(values: Any, pa: Any) -> Any:
    if hasattr(values, "to_arrow"):
        return values.to_arrow()
    if hasattr(values, "to_pylist"):
        return values
    plain = values if isinstance(values, np.ndarray) else plain_list(values)
    try:
        return pa.array(plain, from_pandas=True)
    except pa.ArrowException:
        return pa.array([None if item is None else str(item) for item in plain_list(plain)])
