"""Lists and structs: taken apart into one column of what they hold, checked as such, and put together again.

So values inside others follow the same rules as those outside, all at once, and a defect says where it is: `tags[3]`,
`address.city`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, TypeGuard

import numpy as np

from ..opening.schema import Field
from ..opening.types import DataType, List, Struct
from .batch import Array, Column, Raw, objects, with_none
from .kinds import Check, Compile, ConvertColumn, Converted, Kind, Mismatch, each, kind_of
from .problems import Inside, Problems

_NOT_A_TYPE = "holds what is not a type"


class _Nested(Kind):
    def bound(self, value: Any) -> Any:  # noqa: ARG002
        raise Mismatch("schema.bound", "has no order and no allowed values", str(self.type))

    def present(self, raw: Raw, name: str, problems: Problems) -> tuple[list[Any], Array | None, Array | None]:
        """Every value as a sequence or mapping, and where it is missing or was rejected."""
        given = raw.values if isinstance(raw.values, list) else list(raw.values)
        return each(with_none(given, raw.missing), self.convert, _NOTHING, name, problems)

    def to_objects(self, field: Field) -> Callable[[Column], Array]:
        inside = self.inside(field)
        if inside is None:
            return lambda column: column.values
        return lambda column: objects([value if value is None else inside(value) for value in column.values])


class _Nothing(tuple[()]):
    """Stands for a null or rejected value: an empty one, so that it holds nothing to check."""

    __slots__ = ()


_NOTHING = _Nothing()


class _List(_Nested):
    type: List
    has_length = True
    answers = (list, tuple, np.ndarray)

    def levels(self) -> int:
        return 1 + kind_of(self.type.item).levels()

    def misfit(self) -> str:
        return "" if isinstance(self.type.item, DataType) else _NOT_A_TYPE

    def compile(self, field: Field, compile_column: Compile) -> ConvertColumn:
        """Canonical values are Python lists with None for null."""
        name, infinity = field.name, field.allow_infinity
        item = Field(name=f"{name}[]", type=self.type.item, nullable=self.type.nullable, allow_infinity=infinity)
        check = compile_column(item)

        def convert(raw: Raw, problems: Problems) -> Converted:
            rows, missing, rejected = self.present(raw, name, problems)
            lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
            owners = np.repeat(np.arange(len(rows)), lengths)
            starts = np.cumsum(lengths) - lengths
            column = check(Raw(joined(rows)), Inside(problems, owners, name, starts))
            if column is None:  # only their lengths can still be checked
                return Column(objects(rows), missing), rejected
            made = _items(column)
            ends = (starts + lengths).tolist()
            values = [made[start:end] for start, end in zip(starts.tolist(), ends, strict=True)]
            return Column(objects(values), missing), rejected

        return convert

    def convert(self, value: Any) -> Any:  # noqa: RET503 - `wrong` does not return
        """A list, tuple or one-axis array; other things are rejected, also those whose order is not certain."""
        if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim):
            return value
        if hasattr(value, "__array__") and hasattr(value, "__len__") and not isinstance(value, np.generic | np.ndarray):
            # a Series of any library
            return value.to_list() if hasattr(value, "to_list") else np.asarray(value)
        self.wrong()

    def inside(self, field: Field) -> Callable[[Any], Any] | None:
        item = kind_of(self.type.item).inside(Field(name=f"{field.name}[]", type=self.type.item))
        if item is None:
            return None
        return lambda value: [part if part is None else item(part) for part in value]

    def arrow(self, pyarrow: Any) -> Any:
        return pyarrow.list_(kind_of(self.type.item).arrow(pyarrow))

    def polars(self, polars: Any) -> Any:
        return polars.List(kind_of(self.type.item).polars(polars))


class _Struct(_Nested):
    type: Struct
    answers = (dict,)

    def misfit(self) -> str:
        return "" if all(isinstance(field.type, DataType) for field in self.type.fields) else _NOT_A_TYPE

    def compile(self, field: Field, compile_column: Compile) -> ConvertColumn:
        """Canonical values are dicts with every field, None for null."""
        name = field.name
        members = [inner.replace(name=f"{name}.{inner.name}") for inner in self.type.fields]
        checks = [(inner, compile_column(member)) for inner, member in zip(self.type.fields, members, strict=True)]
        names = [inner.name for inner, _ in checks]

        def convert(raw: Raw, problems: Problems) -> Converted:
            rows, missing, rejected = self.present(raw, name, problems)
            here = np.array([row for row, value in enumerate(rows) if value is not _NOTHING], dtype=np.int64)
            structs = [rows[row] for row in here.tolist()]
            columns = [_member(name, inner, check, structs, here, problems) for inner, check in checks]
            values: list[Any] = [None] * len(rows)
            full = [column for column in columns if column is not None]
            if len(full) == len(columns):
                for index, row in enumerate(here.tolist()):
                    values[row] = {name: column[index] for name, column in zip(names, full, strict=True)}
            return Column(objects(values), missing), rejected

        return convert

    def convert(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            self.wrong()
        return value

    def inside(self, field: Field) -> Callable[[Any], Any] | None:
        members = {}
        for member in self.type.fields:
            inner = kind_of(member.type).inside(member.replace(name=f"{field.name}.{member.name}"))
            if inner is not None:
                members[member.name] = inner
        if not members:
            return None
        return lambda value: (
            value | {name: inner(value[name]) for name, inner in members.items() if value[name] is not None}
        )

    def arrow(self, pyarrow: Any) -> Any:
        return pyarrow.struct([(inner.name, kind_of(inner.type).arrow(pyarrow)) for inner in self.type.fields])

    def polars(self, polars: Any) -> Any:
        return polars.Struct({inner.name: kind_of(inner.type).polars(polars) for inner in self.type.fields})


def _member(
    outer: str, inner: Field, check: Check, structs: list[Mapping[str, Any]], here: Array, problems: Problems
) -> list[Any] | None:
    """The values of one member of all structs; None after its defects were recorded."""
    name = inner.name
    lacking = [index for index, struct in enumerate(structs) if name not in struct] if inner.required else []
    for index in lacking:
        place = {"row": int(here[index]), "field": f"{outer}.{name}", "expected": str(inner.type)}
        problems.add("input.missing-field", "is missing", **place)
    if lacking:
        having = [index for index, struct in enumerate(structs) if name in struct]
        structs, here = [structs[index] for index in having], here[having]
    values = [struct.get(name, inner.default) for struct in structs]
    column = check(Raw(values), Inside(problems, here, outer))
    return None if column is None or lacking else _items(column)


def joined(rows: list[Any]) -> Any:
    """The items of all rows: one array when the rows are arrays of one axis and dtype, else a list."""
    full = [row for row in rows if len(row)]
    if all(map(_is_flat, full)) and len({row.dtype for row in full}) == 1:
        return np.concatenate(full)
    # lists of numpy's times would be whole numbers
    plain = (row.tolist() if _is_flat(row) and row.dtype.kind not in "mM" else row for row in full)
    return list(chain.from_iterable(plain))


def _is_flat(row: object) -> TypeGuard[Array]:
    return isinstance(row, np.ndarray) and row.ndim == 1


def _items(column: Column) -> list[Any]:
    """The values of a column as they are inside others: None for null, times as numpy's scalars, which have a unit."""
    values = column.values
    return with_none(list(values) if values.dtype.kind in "mM" or values.ndim > 1 else values.tolist(), column.missing)


KINDS: dict[type[DataType], type[Kind]] = {List: _List, Struct: _Struct}
