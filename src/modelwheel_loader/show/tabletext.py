"""Rows from JSON lines and CSV, and answers back to them. CSV has only text, so the schema says what a cell means."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO, Any

from ..defects import Defect
from ..errors import InputError
from ..opening.schema import Field, Schema
from ..opening.types import Bool, Category, Float, Integer
from ..text import shown

Row = dict[str, Any]
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
MAX_LINE = 64 * 1024 * 1024
"""Characters of one line of input; a longer one is refused before it fills the memory."""
_LIST = (
    "Write one object a line, frame.to_json(path, orient='records', lines=True); `modelwheel predict` reads a list too."
)


def json_rows(lines: IO[str]) -> Iterator[Row]:
    """The objects of JSON lines; empty lines are skipped. Raises `InputError` with the number of the line."""
    for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE), ""), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise bad_line(number, f"is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise bad_line(number, "must be a JSON object", shown(row), hint=_LIST if isinstance(row, list) else "")
        yield row


def csv_rows(lines: Iterable[str], schema: Schema) -> Iterator[Row]:
    """The rows of a CSV with a header line, its cells read by the type of their field; an empty cell is null.

    A cell that cannot be read stays text, so that the validator names it with all the other defects.
    """
    reader = csv.reader(lines)
    try:
        header = next(reader, None)
        if header is None:
            return
        readers = cell_readers(header, schema)
        for cells in reader:
            if len(cells) != len(header):
                found = f"{len(cells)} cells"
                raise bad_line(reader.line_num, "must have as many cells as the header", found, f"{len(header)}")
            yield {name: read(cell) for name, read, cell in zip(header, readers, cells, strict=True)}
    except csv.Error as error:
        raise bad_line(reader.line_num, f"is not CSV: {error}") from None


def bad_line(number: int, message: str, found: str = "", expected: str = "", hint: str = "") -> InputError:
    """The error for one line that cannot be read."""
    where = f"line {number}"
    defect = Defect(code="input.line", message=message, where=where, found=found, expected=expected, hint=hint)
    return InputError(f"line {number} {message}", [defect])


def cell_readers(header: Sequence[str], schema: Schema) -> list[Callable[[str], Any]]:
    """For each column, what reads its cells by the type of the field; raises `InputError` when two have one name."""
    if len(set(header)) != len(header):
        raise bad_line(1, "names a column twice")
    fields = {field.name: field for field in schema.fields}
    return [_cell_reader(fields[name]) if name in fields else str for name in header]


def _cell_reader(field: Field) -> Callable[[str], Any]:
    kind: Any = field.type
    if isinstance(kind, Category) and kind.values:
        kind = {bool: Bool(), int: Integer(), float: Float()}.get(type(kind.values[0]), kind)
    if isinstance(kind, Bool):
        return _boolean
    if isinstance(kind, Integer):
        return lambda cell: _number(cell, int)
    if isinstance(kind, Float):
        return lambda cell: _number(cell, float)
    return lambda cell: cell or None


def _boolean(cell: str) -> Any:
    word = cell.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else cell or None


def _number(cell: str, kind: type) -> Any:
    try:
        return kind(cell)
    except ValueError:
        if not cell.strip():
            return None
    try:
        return float(cell)  # 3.0 for an integer: the validator decides whether it is whole
    except ValueError:
        return cell


def batches(rows: Iterator[Row], size: int) -> Iterator[list[Row]]:
    """`rows` in lists of at most `size`."""
    while batch := list(itertools.islice(rows, size)):
        yield batch


def answer_rows(answer: Any, method: str) -> list[Row]:
    """The answer of a method for many rows, as one JSON object per row. Arrays become lists."""
    columns = {name: _plain(values) for name, values in answer_columns(answer, method).items()}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def answer_columns(answer: Any, method: str) -> dict[str, Any]:
    """The parts of an answer for many rows by name; one that has no name of its own is called as the method."""
    if isinstance(answer, dict):
        return {str(name): values for name, values in answer.items()}
    if isinstance(answer, list) and answer and hasattr(answer[0], "tolist"):
        return {f"{method}_{index}": values for index, values in enumerate(answer)}
    if hasattr(answer, "columns") and hasattr(answer, "__getitem__"):
        return {str(name): answer[name] for name in answer.columns}
    return {method: answer}


def _plain(values: Any) -> list[Any]:
    if hasattr(values, "toarray"):
        values = values.toarray()
    if getattr(getattr(values, "dtype", None), "kind", None) in ("m", "M"):
        values = values.astype(str)
    for name in ("tolist", "to_list"):
        if hasattr(values, name):
            return list(getattr(values, name)())
    return list(values)


def write_json_rows(rows: Iterable[Row], out: IO[str]) -> None:
    """One JSON object per line. NaN and infinities, which JSON has not, are written as null."""
    for row in rows:
        out.write(json.dumps(_finite(row), ensure_ascii=False, default=str))
        out.write("\n")


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def write_csv_rows(rows: Iterable[Row], out: IO[str], *, header: bool) -> None:
    """CSV with one column per number: a list is spread over the columns `name_0`, `name_1` and so on."""
    writer = csv.writer(out, lineterminator="\n")
    # the csv module puts quotes around its own line end, and not around a carriage return, which ends lines as well
    quoting = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for index, row in enumerate(rows):
        flat = dict(_flat(row))
        if header and index == 0:
            writer.writerow(flat)
        cells = ["" if value is None else value for value in flat.values()]
        odd = any("\r" in cell for cell in cells if isinstance(cell, str))
        (quoting if odd else writer).writerow(cells)


def _flat(row: Row) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, list):
            yield from _flat({f"{name}_{index}": item for index, item in enumerate(value)})
        else:
            yield name, value
