"""Writes predictions as JSON lines, CSV or Parquet, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Protocol

import numpy as np

from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.show import CsvText, Labels, encoded, flattened, json_text, plain_list
from modelwheel_loader.text import clip

KINDS = ("jsonl", "csv", "parquet")


class Writer(Protocol):
    """Takes columns of one length, again and again."""

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""

    def close(self) -> None:
        """Write what comes last. The stream stays open."""


def writer(kind: str, stream: BinaryIO, labels: Labels, *, watched: bool = False) -> Writer:
    """A writer of that kind. `watched` when a terminal shows what is written: nothing may move its cursor."""
    if kind == "csv":
        return TextWriter(stream, CsvText(labels, watched=watched))
    return ParquetWriter(stream, labels) if kind == "parquet" else TextWriter(stream, json_text)


class TextWriter:
    """Writes what `text` makes of the columns."""

    def __init__(self, stream: BinaryIO, text: Callable[[Mapping[str, Any]], str]) -> None:
        self._put = encoded(stream)
        self._text = text

    def write(self, columns: Mapping[str, Any]) -> None:
        """Write the rows."""
        self._put(self._text(columns))

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
