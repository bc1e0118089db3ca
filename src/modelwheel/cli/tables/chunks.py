"""Rows of an input file on their way to a model, whatever library holds them, and what happens to rejected ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np

from modelwheel_loader.errors import Defect, InputError, ModelwheelError
from modelwheel_loader.show import Row, plain_list
from modelwheel_loader.text import clip, safe_json

Numbers = np.ndarray[Any, Any]


class Chunk:
    """Some rows. `numbers` are their places in the input, from 0: unreadable lines count too.

    Either columns by name (lists, numpy or Arrow arrays, Polars series), or a list of dicts.
    """

    def __init__(self, numbers: Numbers, *, columns: Mapping[str, Any] | None = None, rows: Sequence[Row] = ()) -> None:
        self.numbers = numbers
        self.columns = columns
        self.dicts = rows

    def __len__(self) -> int:
        return len(self.numbers)

    def data(self, names: Iterable[str] | None) -> Any:
        """The input of a model; of columns only those in `names`, unless that is None."""
        if self.columns is None:
            return list(self.dicts)
        wanted = self.columns if names is None else set(names)
        return {name: values for name, values in self.columns.items() if name in wanted}

    def take(self, places: Sequence[int]) -> Chunk:
        """The rows at these places within the chunk."""
        numbers = self.numbers[list(places)]
        if self.columns is None:
            return Chunk(numbers, rows=[self.dicts[place] for place in places])
        return Chunk(numbers, columns={name: _take(values, places) for name, values in self.columns.items()})

    def column(self, name: str) -> list[Any] | None:
        """The values of one column; None when there is no such column."""
        if self.columns is None:
            return [row.get(name) for row in self.dicts]
        return plain_list(self.columns[name]) if name in self.columns else None

    def rows(self) -> Iterator[Row]:
        """The rows as dicts of plain values."""
        if self.columns is None:
            yield from self.dicts
            return
        lists = [plain_list(values) for values in self.columns.values()]
        for values in zip(*lists, strict=True):
            yield dict(zip(self.columns, values, strict=True))

    @classmethod
    def empty(cls) -> Chunk:
        """No rows."""
        return cls(np.arange(0))

    @staticmethod
    def joined(chunks: Sequence[Chunk]) -> Chunk:
        """Chunks of one input one after the other."""
        if len(chunks) == 1:
            return chunks[0]
        numbers = np.concatenate([chunk.numbers for chunk in chunks])
        first = chunks[0].columns
        if first is None:
            return Chunk(numbers, rows=[row for chunk in chunks for row in chunk.dicts])
        parts = {name: [(chunk.columns or {})[name] for chunk in chunks] for name in first}
        return Chunk(numbers, columns={name: _concatenate(values) for name, values in parts.items()})


def _take(values: Any, places: Sequence[int]) -> Any:
    if isinstance(values, list):
        return [values[place] for place in places]
    if hasattr(values, "to_pylist"):
        return values.take(np.asarray(places, dtype=np.int64))
    return values[list(places)]


def _concatenate(parts: Sequence[Any]) -> Any:
    if all(hasattr(part, "to_pylist") for part in parts):
        import pyarrow as pa

        if len({part.type for part in parts}) == 1:
            pieces = [piece for part in parts for piece in getattr(part, "chunks", [part])]
            return pa.chunked_array(pieces, type=parts[0].type).combine_chunks()
    return [value for part in parts for value in plain_list(part)]


def rebatch(chunks: Iterable[Chunk], size: int) -> Iterator[Chunk]:
    """The same rows in chunks of exactly `size`, the last one less: how a file is read must not change answers."""
    held: list[Chunk] = []
    rows = 0
    for chunk in chunks:
        start = 0
        while rows + len(chunk) - start >= size:
            end = start + size - rows
            yield Chunk.joined([*held, _part(chunk, start, end)])
            held, rows, start = [], 0, end
        if start < len(chunk):
            held.append(_part(chunk, start, len(chunk)))
            rows += len(chunk) - start
    if held:
        yield Chunk.joined(held)


def _part(chunk: Chunk, start: int, end: int) -> Chunk:
    if (start, end) == (0, len(chunk)):
        return chunk
    numbers = chunk.numbers[start:end]
    if chunk.columns is None:
        return Chunk(numbers, rows=chunk.dicts[start:end])
    return Chunk(numbers, columns={name: values[start:end] for name, values in chunk.columns.items()})


# --- rejected rows: the run stops, or skips them, or writes them to a separate file ---


OnError = Literal["stop", "skip", "separate"]


class Refusals:
    """Counts rejected rows, and writes them as JSON lines to `stream` if there is one."""

    def __init__(self, mode: OnError, stream: BinaryIO | None = None) -> None:
        self.mode = mode
        self.rows = 0
        self.codes: Counter[str] = Counter()
        self._stream = stream

    @property
    def stops(self) -> bool:
        """Whether the first rejected row ends the run."""
        return self.mode == "stop"

    def line(self, number: int, error: InputError, text: str) -> None:
        """A line of the input that is not a row; raises `error` when the run stops at it."""
        if self.stops:
            raise error
        self.row(number, error.defects, {"line": clip(text, 1000)})

    def row(self, number: int, defects: Sequence[Defect], values: dict[str, Any]) -> None:
        """One rejected row and its defects."""
        self.rows += 1
        self.codes.update({defect.code for defect in defects})
        if self._stream is not None:
            errors = [defect.replace(row=None).to_dict() for defect in defects]
            line = json.dumps({"row": number, "errors": errors, "values": values}, ensure_ascii=False, default=str)
            self._stream.write(safe_json(line).encode("utf-8", "backslashreplace") + b"\n")


def placed(error: ModelwheelError, numbers: Numbers) -> ModelwheelError:
    """The error with the rows of the input instead of those of the batch."""
    moved = [defect if defect.row is None else defect.replace(row=int(numbers[defect.row])) for defect in error.defects]
    made = type(error)(error.message, moved, counted=error.counted)
    made.__cause__ = error.__cause__
    return made
