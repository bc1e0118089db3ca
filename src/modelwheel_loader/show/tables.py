"""Rows from JSON lines and CSV, and predictions back to them: what both command lines read and write.

CSV has only text, so the schema says how to read a cell. Whoever reads decides by `refuse` what a broken line does.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, BinaryIO, Literal

import numpy as np

from ..defects import Defect
from ..errors import InputError
from ..opening.schema import Field, Schema
from ..opening.types import Bool, Category, Float, Integer
from ..text import safe, safe_json, shown

Row = dict[str, Any]
Refuse = Callable[[InputError, str], object]
"""Called with the error of a line that is not a row, and the line; what it does not raise, it skips."""
Labels = Mapping[str, Sequence[object]]
"""For a method that returns several numbers per row: the name of each."""
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_UNDECODED = re.compile("[\udc80-\udcff]")
MAX_LINE = 64 * 1024 * 1024
"""Characters of one line of input; a longer one is rejected before it fills the memory."""
_LIST = (
    "Write one object per line: frame.to_json(path, orient='records', lines=True). "
    "`modelwheel predict --from json` reads a list too."
)


def stop(error: InputError, _: str) -> None:
    """Refuse a line by ending the run."""
    raise error


def bad_line(number: int, message: str, found: str = "", expected: str = "", hint: str = "") -> InputError:
    """The error for one line that cannot be read."""
    where = f"line {number}"
    defect = Defect(code="input.line", message=message, where=where, found=found, expected=expected, hint=hint)
    return InputError(f"line {number} {message}", [defect])


# --- reading ---


def json_rows(lines: IO[str], refuse: Refuse = stop) -> Iterator[Row]:
    """The objects of JSON lines; empty lines are skipped."""
    for number, line in enumerate(iter(lambda: lines.readline(MAX_LINE), ""), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            refuse(bad_line(number, f"is not JSON: {error}"), line)
            continue
        if isinstance(row, dict):
            yield row
        else:
            hint = _LIST if isinstance(row, list) else ""
            refuse(bad_line(number, "must be a JSON object", shown(row), hint=hint), line)


def csv_rows(lines: Iterable[str], schema: Schema) -> Iterator[Row]:
    """The rows of a CSV with a header line, its cells read by the type of their field; an empty cell is null.

    A cell that cannot be read stays text, so that the validator reports it with all other defects.
    """
    reader = CsvLines(lines)
    header = reader.header()
    readers = cell_readers(header, schema)
    for cells in reader.rows(len(header)):
        yield {name: read(cell) for name, read, cell in zip(header, readers, cells, strict=True)}


class CsvLines:
    """The lines of a CSV text as lists of cells. `line` is the number of the last one read."""

    def __init__(self, lines: Iterable[str], *, delimiter: str = ",", before: int = 0) -> None:
        """`before`: how many lines of the file come before `lines`."""
        csv.field_size_limit(MAX_LINE)
        self._reader: Any = csv.reader(lines, delimiter=delimiter, strict=True)
        self._delimiter = delimiter
        self._before = before

    @property
    def line(self) -> int:
        """The number of the last line."""
        return self._before + int(self._reader.line_num)

    def header(self) -> list[str]:
        """The cells of the first line; empty for an empty text."""
        try:
            first: list[str] = next(self._reader, [])
        except csv.Error as error:
            raise bad_line(1, f"is not CSV: {error}") from None
        return first

    def rows(self, width: int, refuse: Refuse = stop) -> Iterator[list[str]]:
        """The cells of each further line, which must be `width`; empty lines are skipped."""
        while True:
            try:
                cells: list[str] = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                refuse(bad_line(self.line, f"is not CSV: {error}"), "")
                continue
            if cells and len(cells) != width:
                message = "must have as many cells as the header"
                wrong = bad_line(self.line, message, f"{len(cells)} cells", f"{width} cells")
                refuse(wrong, self._delimiter.join(cells))
            elif any(_UNDECODED.search(cell) for cell in cells if not cell.isascii()):
                refuse(bad_line(self.line, "is not UTF-8"), self._delimiter.join(cells))
            elif cells:
                yield cells


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
    if isinstance(kind, Integer | Float):
        number = int if isinstance(kind, Integer) else float
        return lambda cell: _number(cell, number)
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


# --- writing: columns of predictions as text ---


def answer_columns(answer: Any, method: str) -> dict[str, Any]:
    """The columns of a prediction for many rows by name; one without a name of its own has the name of the method."""
    if isinstance(answer, dict):
        return {str(name): values for name, values in answer.items()}
    if isinstance(answer, list) and answer and hasattr(answer[0], "tolist"):
        return {f"{method}_{index}": values for index, values in enumerate(answer)}
    if hasattr(answer, "columns") and hasattr(answer, "__getitem__"):
        return {str(name): answer[name] for name in answer.columns}
    return {method: answer}


def plain_list(values: Any) -> list[Any]:
    """A column of any library as a list of Python's values."""
    for name in ("to_pylist", "tolist", "to_list"):
        if hasattr(values, name):
            return list(getattr(values, name)())
    return list(values)


def encoded(stream: BinaryIO) -> Callable[[str], object]:
    """The function that writes text to a binary stream."""
    return lambda text: stream.write(text.encode("utf-8", "backslashreplace"))


def json_text(columns: Mapping[str, Any]) -> str:
    """One JSON object per line. NaN and infinities, which JSON does not have, become null."""
    if not columns:
        return ""
    names = [json.dumps(name, ensure_ascii=False).replace("%", "%%") for name in columns]
    line = "{" + ", ".join(f"{name}: %s" for name in names) + "}\n"
    parts = [_json_texts(values) for values in columns.values()]
    # what a terminal would obey is escaped, also in files: somebody may print them
    return safe_json("".join(map(line.__mod__, zip(*parts, strict=True))))


def _json_texts(values: Any) -> list[str]:
    items = _items(values)
    kinds = set(map(type, items))
    if kinds == {float}:
        return [float.__repr__(item) if math.isfinite(item) else "null" for item in items]
    if kinds == {int}:
        return list(map(int.__repr__, items))
    return list(map(_json, items))


def _json(value: Any) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, default=str)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple | np.ndarray) else value


def _items(values: Any) -> list[Any]:
    """The values of a column as Python's; times as ISO 8601 text."""
    values = _dense(values)
    if getattr(getattr(values, "dtype", None), "kind", None) in ("m", "M"):
        values = values.astype(str)
    return plain_list(values)


def _dense(values: Any) -> Any:
    return values.toarray() if hasattr(values, "toarray") else values


def flattened(columns: Mapping[str, Any], labels: Labels) -> dict[str, Any]:
    """Columns of one value per row: an array of more axes becomes one per place, named by class where known."""
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


class CsvText:
    """A header line once, then one line per row. Null is an empty cell; a list or an object is JSON."""

    def __init__(self, labels: Labels | None = None, *, watched: bool = False) -> None:
        """`watched` when a terminal shows the text: nothing may move its cursor."""
        self._labels = labels or {}
        self._watched = watched
        self._begun = False

    def __call__(self, columns: Mapping[str, Any]) -> str:
        """The text of some rows."""
        flat = flattened(columns, self._labels)
        text = io.StringIO()
        cells = [list(map(self._cell, _items(values))) for values in flat.values()]
        names = [safe(name) if self._watched else name for name in flat]
        lines = csv.writer(text, lineterminator="\n", quoting=_quoting([names, *cells]))
        if not self._begun and flat:
            lines.writerow(names)
            self._begun = True
        lines.writerows(zip(*cells, strict=True))
        return text.getvalue()

    def _cell(self, value: Any) -> Any:
        if isinstance(value, list | dict | tuple | np.ndarray):
            return safe_json(_json(value))
        return safe(value) if self._watched and isinstance(value, str) else value
