"""Golden examples as strict JSON: recorded inputs, and the answers that the original gave.

One document holds `rows`, their number, and `columns`, one per field in the schema's order, each with its `name` and
one of `values` (`codec.py`), `tensor` or `sparse`. What is read is checked as any input from
outside: types, sizes and structure, before anything is built from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..defects import Defect
from ..errors import InvalidBundle, UsageError
from ..opening.strictjson import COUNT, LIST, OBJECT, TEXT, Array, Cursor, dump_json, parse_json
from ..opening.types import List, Struct, Tensor
from ..text import clip
from ..validate.batch import objects
from ..validate.outputs import answer_dtype
from .codec import CodecError, SparseRows, as_scipy, decoder, encoder, read_tensor, write_tensor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..limits import Limits
    from ..opening.integrity import Members
    from ..opening.manifest import ExampleFiles, Manifest
    from ..opening.schema import Field, Schema
    from ..validate.batch import Batch


Form = Literal["array", "list", "input"]
"""How a column is given: as an array, as a list of Python values, or as an array that input checks accept."""


def encode_columns(columns: Mapping[str, Any], schema: Schema, rows: int) -> bytes:
    """The document for named columns: arrays, lists, Series, or sparse matrices. Raises `UsageError` per bad column."""
    defects: list[Defect] = []
    made = []
    for field in schema.fields:
        try:
            made.append({"name": field.name, **_write_column(columns[field.name], field)})
        except (CodecError, ValueError, TypeError, AttributeError, OverflowError) as error:
            message = f"cannot be written as {field.type}: {error}"
            defects.append(Defect(code="examples.write", message=message, field=field.name))
    if defects:
        raise UsageError("the golden examples cannot be written", defects)
    return dump_json({"rows": rows, "columns": made})


def _write_column(values: Any, field: Field) -> dict[str, Any]:
    if isinstance(field.type, Tensor):
        return {"sparse" if field.type.sparse else "tensor": write_tensor(values, field.type)}
    write = encoder(field.type)
    return {"values": [write(value) for value in values]}


def encode_input(batch: Batch, schema: Schema) -> bytes:
    """The document for a checked batch of inputs, null as null in every column."""
    columns: dict[str, Any] = {}
    for name in schema.names:
        values, missing = batch.column(name)
        if missing is not None and getattr(values, "ndim", 1) == 1:
            values = [None if absent else value for value, absent in zip(values, missing.tolist(), strict=True)]
        columns[name] = values
    return encode_columns(columns, schema, batch.rows)


def encode_output(answer: Any, schema: Schema, rows: int) -> bytes:
    """The document for what a method answered for `rows` rows."""
    return encode_columns(dict(zip(schema.names, _split(answer, schema), strict=True)), schema, rows)


def _split(answer: Any, schema: Schema) -> Sequence[Any]:
    """The columns of an answer, by its layout."""
    match schema.layout:
        case "array":
            return [answer]
        case "arrays":
            return list(answer)
        case "columns":
            return [answer[name] for name in schema.names]
        case "records":
            return [[record[name] for record in answer] for name in schema.names]
        case "matrix":
            return list(np.asarray(answer).T)
    frame, places = answer, range(len(schema.fields))  # by position: labels may be of any type
    if hasattr(frame, "iloc"):
        return [list(frame.iloc[:, index]) for index in places]
    arrow = hasattr(frame, "column_names")
    return [frame.column(index).to_pylist() if arrow else frame.to_series(index).to_list() for index in places]


def decode_input(data: bytes, schema: Schema, where: str) -> dict[str, Any]:
    """The recorded inputs as named columns, which `compile_input(schema)` accepts. Raises `InvalidBundle`."""
    return dict(zip(schema.names, _read(data, schema, where, "input"), strict=True))


def decode_output(data: bytes, schema: Schema, where: str) -> Any:
    """The recorded answer as the method gives it; a table comes back as a dict of columns, without its library.

    Raises `InvalidBundle` with every defect.
    """
    columns = _read(data, schema, where, "list" if schema.container == "list" else "array")
    try:
        return _together(columns, schema)
    except (ValueError, TypeError, AttributeError) as error:  # of types that no answer of that layout has
        message = f"the columns make no answer of the layout {schema.layout!r}: {clip(error, 200)}"
        raise InvalidBundle.of("manifest.invalid", message, where=where) from None


def _together(columns: list[Any], schema: Schema) -> Any:
    """The answer that the columns make up."""
    match schema.layout:
        case "array":
            return list(columns[0]) if schema.container == "list" else columns[0]
        case "arrays":
            return columns
        case "records":
            lists = [column if isinstance(column, list) else column.tolist() for column in columns]
            return [dict(zip(schema.names, values, strict=True)) for values in zip(*lists, strict=True)]
        case "matrix":
            if columns and schema.dtype is None:
                return np.stack(columns, axis=1)
            matrix = np.empty((len(columns[0]) if columns else 0, len(columns)), dtype=schema.dtype or object)
            for index, column in enumerate(columns):
                matrix[:, index] = column
            return matrix
    return dict(zip(schema.names, columns, strict=True))


def _read(data: bytes, schema: Schema, where: str, form: Form) -> list[Any]:
    defects: list[Defect] = []
    document = Cursor(parse_json(data, where), where, defects)
    rows = document.get("rows", COUNT)
    entries: Sequence[Cursor] = document.get("columns", Array(OBJECT))
    if [entry.get("name", TEXT) for entry in entries] != list(schema.names):
        document.wrong("columns", "are not those of the schema")
        entries = ()
    columns = [_read_column(entry, field, rows, form) for entry, field in zip(entries, schema.fields, strict=False)]
    if defects:
        raise InvalidBundle("the golden examples are not valid", defects)
    return columns


def _read_column(entry: Cursor, field: Field, rows: int, form: Form) -> Any:
    """The column of `field`; what is wrong becomes a defect and an empty column."""
    key = "values"
    try:
        if isinstance(field.type, Tensor):
            key = "sparse" if field.type.sparse else "tensor"
            column = read_tensor(entry.value.get(key), field.type, rows)
            return as_scipy(column) if isinstance(column, SparseRows) else column
        return _read_values(entry.get(key, LIST), field, rows, form)
    except CodecError as error:
        entry.wrong(key, str(error))
    return np.zeros(0)


def _read_values(values: list[Any], field: Field, rows: int, form: Form) -> Any:
    if len(values) != rows:
        raise CodecError(f"holds {len(values)} values for {rows} rows")
    convert = decoder(field.type)
    made = [convert(value) for value in values]
    if form == "input" and getattr(field.type, "zone", None):
        return build_column(values, field, np.dtype(object))  # numpy's times have no zone; the checked text has
    return made if form == "list" else build_column(made, field, answer_dtype(field))


def build_column(values: list[Any], field: Field, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Values and None as an array of `dtype`; of objects when that cannot hold the nulls."""
    nulls = any(value is None for value in values)
    null = field.physical.null if field.physical is not None else None
    if nulls and (null == "nan" or (dtype.kind == "f" and null is None)):
        values = [float("nan") if value is None else value for value in values]
        nulls = dtype.kind != "f"
    if (dtype.kind in "biufSU" and nulls) or isinstance(field.type, List | Struct):
        dtype = np.dtype(object)
    if dtype.kind == "O":
        return objects(values)
    return np.array(values, dtype=dtype)


# The golden examples of a bundle: recorded inputs and the answers that the original gave.


class Goldens:
    """`rows` recorded rows from `source` (`sample`, `given` or `synthetic`). Values are decoded at each call."""

    def __init__(self, manifest: Manifest, members: Members, limits: Limits) -> None:
        if manifest.examples is None:
            raise UsageError.of("usage.no-examples", f"{manifest.name} has no golden examples")
        self._files: ExampleFiles = manifest.examples
        self._manifest = manifest
        self._members = members
        self._limits = limits

    @property
    def rows(self) -> int:
        """How many rows were recorded."""
        return self._files.rows

    @property
    def source(self) -> str:
        """Where the rows come from."""
        return self._files.source

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods with recorded answers."""
        return tuple(self._files.outputs)

    @property
    def input(self) -> Any:
        """The inputs, as a dict of columns that every method of the model accepts."""
        return decode_input(self._read(self._files.input), self._manifest.input, self._files.input)

    def output(self, method: str) -> Any:
        """The recorded answer of `method`, as the method returns it."""
        if method not in self._files.outputs:
            raise UsageError.of("usage.no-examples", f"there are no golden examples of {clip(method)!r}")
        member = self._files.outputs[method]
        schema = next(item.output for item in self._manifest.methods if item.name == method)
        return decode_output(self._read(member), schema, member)

    def _read(self, member: str) -> bytes:
        return self._members.example(member)

    def __len__(self) -> int:
        return self.rows

    def __repr__(self) -> str:
        return f"<{self.rows} golden examples from {self.source!r}: {', '.join(self.methods)}>"
