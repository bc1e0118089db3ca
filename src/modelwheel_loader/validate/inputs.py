"""Checks what a caller passes against the input schema. Compiled once.

The quick path, for one row, takes only what is plainly right. All else is for `careful.py`, which explains every
defect; it is imported, with all that knows DataFrames, when there is something for it.

`compile_column(field)` checks one field for many values (a list, or an array of any dtype), `compile_input(schema)`
checks rows, columns and tables.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import countOf, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelwheelError, UsageError
from ..opening.schema import Field, compile_pattern
from ..opening.types import Category, Float, List
from ..text import clip, shown
from .batch import Array, Batch, Column, Raw, where_null
from .kinds import Accept, Check, Kind, Mismatch, found, kind_of, not_allowed
from .numbers import EXACT_IN_FLOAT, OVERFLOW, all_finite, also_missing

if TYPE_CHECKING:
    from ..opening.schema import Schema
    from .careful import Careful
    from .problems import Problems


Rule = Callable[[Column, "Problems"], None]


def compile_column(field: Field) -> Check:
    """The check of one field: canonical values, or None after its defects were recorded.

    Raises `UsageError` when the type is not valid, or a limit or the default does not fit it.
    """
    kind = kind_of(field.type)
    if message := kind.misfit():
        raise UsageError.of("schema.type", f"the type {message}", field=field.name)
    convert = kind.compile(field, compile_column)
    nulls = None if field.nullable else _never_null(field)
    rules = list(_rules(field, kind))

    def check(raw: Raw, problems: Problems) -> Column | None:
        before = problems.counted
        column, rejected = convert(raw, problems)
        if nulls is not None and column.missing is not None:
            nulls(column, problems)
        if rules:
            visible = column if rejected is None else also_missing(column, rejected)
            for rule in rules:
                rule(visible, problems)
        return column if problems.counted == before else None

    if not field.required:
        _check_default(field, check)
    return check


def _check_default(field: Field, check: Check) -> None:
    from .problems import Problems

    problems = Problems()
    check(Raw([field.default]), problems)
    for defect in problems.defects:
        message = f"the default {defect.message}"
        given = defect.found or shown(field.default)
        raise UsageError.of("schema.default", message, field=defect.field, found=given, expected=defect.expected)


def _never_null(field: Field) -> Rule:
    place = {"code": "input.null", "message": "is null", "field": field.name, "expected": str(field.type)}

    def check(column: Column, problems: Problems) -> None:
        if column.missing is not None:
            problems.rows(column.missing, lambda _: place)

    return check


# -- limits of the field ------------------------------------------------------------------------------------------


def _rules(field: Field, kind: Kind) -> Iterator[Rule]:
    """The checks that the field needs beside that for null, in the order in which their defects are reported."""
    if isinstance(field.type, Float) and not field.allow_infinity:
        yield _finite(field)
    low = high = None
    if field.minimum is not None or field.maximum is not None:
        low, high = _limits(field, kind)
    if low is not None:
        expected = f"at least {field.minimum}"
        yield _compare(field, "input.too-small", "is too small", expected, lambda values: values < low)
    if high is not None:
        expected = f"at most {field.maximum}"
        yield _compare(field, "input.too-large", "is too large", expected, lambda values: values > high)
    if field.allowed is not None:
        known, values = allowed_values(field), field.allowed
        yield _each(field, known.__contains__, lambda value: not_allowed(value, values).describe(value))
    if field.pattern is not None:
        yield _pattern(field, kind)
    if field.min_length is not None or field.max_length is not None:
        yield _length(field, kind)


def _wrong(field: Field, message: str, **place: str) -> UsageError:
    return UsageError.of("schema.bound", message, field=field.name, **place)


def _limits(field: Field, kind: Kind) -> tuple[Any, Any]:
    """The minimum and maximum; raises `UsageError` where there is no order, or when they leave no value."""
    given = [value for value in (field.minimum, field.maximum) if value is not None]
    if given and not kind.has_order:
        message = f"{clip(field.type)} has no order: only numbers and times have a minimum and a maximum"
        raise _wrong(field, message)
    low, high = (None if value is None else bound(field, value) for value in (field.minimum, field.maximum))
    if low is not None and high is not None and low > high:
        raise _wrong(field, "the minimum is above the maximum", found=f"{clip(given[0])} > {clip(given[1])}")
    return low, high


def bound(field: Field, value: Any) -> Any:
    """A limit as a scalar that compares with canonical ones; raises `UsageError` when it does not have the type."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _wrong(field, "a limit is not a finite number", found=shown(value))
    try:
        return kind_of(field.type).bound(value)
    except Mismatch as error:
        raise _wrong(field, f"the bound {shown(value)} {error.message}", expected=error.expected) from None


def _present(column: Column, bad: Array) -> Array:
    return bad if column.missing is None else bad & ~column.missing


def _finite(field: Field) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        if not all_finite(column.values):
            bad = _present(column, np.isinf(column.values))
            problems.rows(bad, _describe(field, "input.not-finite", "is infinite", "", column))

    return check


def _describe(field: Field, code: str, message: str, expected: str, column: Column) -> Callable[[int], dict[str, Any]]:
    """A function from a row to the parts of its defect."""
    place = {"code": code, "message": message, "expected": clip(expected, 200), "field": field.name}
    return lambda row: {**place, "found": found(column.values[row])}


def _compare(field: Field, code: str, message: str, expected: str, outside: Callable[[Any], Any]) -> Rule:
    def check(column: Column, problems: Problems) -> None:
        values = column.values
        if values.dtype == object:  # decimals, and None where one is missing
            bad = np.fromiter((item is not None and outside(item) for item in values), dtype=bool, count=len(values))
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                bad = np.asarray(outside(values), dtype=bool)
        if bad.any():
            problems.rows(_present(column, bad), _describe(field, code, message, expected, column))

    return check


def _each(field: Field, accepts: Callable[[Any], bool], describe: Callable[[Any], dict[str, Any]]) -> Rule:
    """A rule for one value at a time; each different value is checked once, and described only when it is shown."""

    def check(column: Column, problems: Problems) -> None:
        values, missing = column
        items = list(values) if values.dtype.kind in "mM" else values.tolist()
        visible = items if missing is None else [items[row] for row in (~missing).nonzero()[0].tolist()]
        rejected = {item for item in set(visible) if not accepts(item)}
        if not rejected:
            return
        bad = np.fromiter((item in rejected for item in items), dtype=bool, count=len(items))
        problems.rows(
            _present(column, bad), lambda row: {"found": found(items[row]), **describe(items[row]), "field": field.name}
        )

    return check


def allowed_values(field: Field) -> frozenset[Any]:
    """The allowed values as `tolist` of the canonical array gives them: a float32 has fewer digits than its text."""
    values = [value if isinstance(field.type, Category) else bound(field, value) for value in field.allowed or ()]
    if isinstance(field.type, Float):
        with np.errstate(over="ignore"):
            return frozenset(np.array(values, dtype=field.type.canonical).tolist())
    return frozenset(values)


def _pattern(field: Field, kind: Kind) -> Rule:
    if not kind.is_text:
        raise _wrong(field, f"only texts have a pattern, and not {clip(field.type)}")
    pattern = compile_pattern(field)
    expected = clip(f"text matching {field.pattern}", 100)
    place = {"code": "input.pattern", "message": "does not match the pattern", "expected": expected}
    return _each(field, lambda value: pattern.fullmatch(value) is not None, lambda _: place)


def _length(field: Field, kind: Kind) -> Rule:
    if not kind.has_length:
        raise _wrong(field, f"only texts, bytes and lists have a length, and not {clip(field.type)}")
    for length in (field.min_length, field.max_length):
        if length is not None and (type(length) is not int or length < 0):
            raise _wrong(field, "a length must be a whole number from 0", found=shown(length))
    low = field.min_length or 0
    high = field.max_length if field.max_length is not None else np.iinfo(np.int64).max
    if low > high:
        raise _wrong(field, "the minimum length is above the maximum", found=f"{low} > {high}")
    expected = f"a length of {low} … {high}" if field.max_length is not None else f"a length of at least {low}"

    def check(column: Column, problems: Problems) -> None:
        lengths = np.array([low if value is None else len(value) for value in column.values], dtype=np.int64)
        for code, message, bad in (
            ("input.too-short", "is too short", lengths < low),
            ("input.too-long", "is too long", lengths > high),
        ):
            if bad.any():
                problems.rows(_present(column, bad), _describe(field, code, message, expected, column))

    return check


# -- whole data: rows and columns ---------------------------------------------------------------------------------


Quick = Callable[[Any], Column | None]
_MISSING = np.array([True])
_MISSING.setflags(write=False)
_OF_SCALARS = frozenset({"builtins", "numpy", "datetime", "decimal"})
"""The modules whose objects are never a column of another library."""


def compile_input(schema: Schema) -> InputCheck:
    """The check for `schema`; raises `UsageError` when a bound or pattern of a field does not fit its type."""
    return InputCheck(schema)


def check_data(schema: Schema, data: object) -> dict[str, Any]:
    """The checked columns by name: arrays, masked where null is, or sparse matrices."""
    batch = compile_input(schema)(data)
    columns = {name: batch.column(name) for name in schema.names}
    return {
        name: values if missing is None else np.ma.MaskedArray(values, mask=_whole_rows(values, missing))
        for name, (values, missing) in columns.items()
    }


def _whole_rows(values: Array, missing: Array) -> Array:
    return np.broadcast_to(missing.reshape(-1, *[1] * (values.ndim - 1)), values.shape)


class InputCheck:
    """Call it with data of any supported kind; it gives a `Batch`, or raises `InputError` with every defect."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._names = schema.names
        self._checks = {field.name: compile_column(field) for field in schema.fields}
        self._block = Block(schema)
        together = frozenset(self._block.names)
        self._scalars = [
            (field.name, _compile_scalar(field) or _compile_alone(field, self._checks[field.name]))
            for field in schema.fields
            if field.name not in together
        ]
        self._refuse_extra = schema.extra == "error"
        self._careful: Careful | None = None
        self._has_table_rule = schema.min_rows is not None or schema.max_rows is not None or bool(schema.unique)
        if self._has_table_rule:
            self._make_careful()

    def __call__(self, data: object) -> Batch:
        """The checked batch. Never changes `data`."""
        try:
            row = data[0] if type(data) is list and len(data) == 1 else data
            if type(row) is dict and self._names:
                batch = self._quick_row(row, single=row is data)
                if batch is not None and not self._has_table_rule:
                    return batch
            return (self._careful or self._make_careful())(data)
        except (ModelwheelError, MemoryError):
            raise
        except Exception as error:  # the border to the caller's objects, which may raise anything
            from .careful import unreadable

            raise unreadable(error, data) from error

    def _make_careful(self) -> Careful:
        from .careful import Careful

        self._careful = Careful(self.schema, self._checks, self._block)
        return self._careful

    def _quick_row(self, row: dict[str, Any], *, single: bool) -> Batch | None:
        if self._refuse_extra and len(row) != len(self._names):
            return None
        block = None
        try:
            if self._block.names:
                block = self._block.row(row)
                if block is None:
                    return None
            columns = {}
            for name, check in self._scalars:
                column = check(row[name])
                if column is None:
                    return None
                columns[name] = column
        except KeyError:
            return None
        return Batch(1, columns, single=single, block=block, block_names=self._block.names, narrow=True)


def _compile_alone(field: Field, check: Check) -> Quick:
    """One value as a column of one; None when it is rejected, or may be a column, which the careful path decides."""
    from .problems import Problems
    from .reading import library_of

    levels, is_list = kind_of(field.type).levels(), isinstance(field.type, List)

    def alone(value: Any) -> Column | None:
        if library_of(value) not in _OF_SCALARS or (not levels and type(value) is list):
            return None
        if not is_list and getattr(value, "ndim", levels) != levels:  # many rows, as an array: no need to try
            return None
        return check(Raw([value]), Problems())

    return alone


# -- one value of one field ---------------------------------------------------------------------------------------


def _compile_scalar(field: Field) -> Quick | None:
    """A function from a value to its one-row column, or to None when a closer look is needed; None for other types."""
    accepts = _compile_accept(field)
    if accepts is None:
        return None
    dtype = field.type.canonical
    # one null for all calls: nobody may write into a checked batch
    null = Column(np.array([None if dtype == "object" else 0], dtype=dtype), _MISSING) if field.nullable else None

    def check(value: Any) -> Column | None:
        if value is None:
            return null
        return Column(np.array([value], dtype=dtype)) if accepts(value) else None

    return check


def _compile_accept(field: Field) -> Accept | None:
    kind = kind_of(field.type)
    accept = kind.accepts(field)
    if accept is None or isinstance(field.type, Category):
        return accept
    accepts = [accept]
    if field.allowed is not None:
        accepts.append(allowed_values(field).__contains__)
    if field.pattern is not None:
        pattern = compile_pattern(field)
        accepts.append(lambda value: pattern.fullmatch(value) is not None)
    if field.min_length is not None or field.max_length is not None:
        low, high = field.min_length or 0, math.inf if field.max_length is None else field.max_length
        accepts.append(lambda value: low <= len(value) <= high)
    return accept if len(accepts) == 1 else lambda value: all(accept(value) for accept in accepts)


# -- plain floats -------------------------------------------------------------------------------------------------

_FLOAT64 = np.dtype(np.float64)
_FLOATS = frozenset({float, np.float64})
_NUMBERS = frozenset({float, int, np.float64})


class Block:
    """The plain float fields of a schema that have the most common width; `names` may be empty."""

    __slots__ = (
        "_has_bounds",
        "_high",
        "_limit",
        "_low",
        "_nullable",
        "_pack",
        "_row_limit",
        "_row_shape",
        "dtype",
        "get",
        "is_whole",
        "names",
    )

    def __init__(self, schema: Schema) -> None:
        plain = [field for field in schema.fields if _is_plain(field)]
        widths = Counter(field.type for field in plain)
        kind = max(widths, key=widths.__getitem__, default=Float())
        fields = [field for field in plain if field.type == kind]
        self.names = tuple(field.name for field in fields)
        self.dtype = np.dtype(kind.canonical)
        self.is_whole = len(fields) == len(schema.fields) > 0
        self.get = _getter(self.names)
        self._limit = OVERFLOW[kind.bits] if isinstance(kind, Float) else math.inf
        self._row_limit = min(self._limit, OVERFLOW[32])
        self._row_shape = (1, len(fields))
        self._pack = struct.Struct(f"{len(fields)}d").pack
        self._nullable = np.array([field.nullable for field in fields], dtype=bool)
        self._low = _bounds(fields, "minimum", -math.inf, self.dtype)
        self._high = _bounds(fields, "maximum", math.inf, self.dtype)
        self._has_bounds = any(field.minimum is not None or field.maximum is not None for field in fields)

    def row(self, row: Mapping[str, Any]) -> Array | None:
        """One row as an array (1, fields); None when it needs a closer look; `KeyError` when a field is missing.

        No number in it is beyond what float32 holds. The array may be one that cannot be written into.
        """
        values = self.get(row)
        limit = self._row_limit
        if countOf(map(type, values), float) != len(values):
            kinds = set(map(type, values))
            if not kinds <= _NUMBERS:
                found = self._from_rows([values], kinds)
                # in double precision, for the limit of a narrower float does not fit into that float itself
                wide = found is None or bool((np.abs(found, dtype=np.float64) >= limit).any())
                return None if wide else found
            if not kinds <= _FLOATS:
                limit = min(limit, EXACT_IN_FLOAT)
        try:
            size = math.hypot(*values)
        except OverflowError:
            return None
        # a length below the limit says that each is below it; NaN compares as false
        if not size < limit:
            return None
        block: Array = np.ndarray(self._row_shape, _FLOAT64, self._pack(*values))
        if self.dtype != _FLOAT64:
            block = block.astype(self.dtype)
        return block if not self._has_bounds or self._within(block) else None

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> Array | None:
        """Many rows as an array (rows, fields); None when one needs a closer look."""
        try:
            values = [self.get(row) for row in rows]
        except KeyError:
            return None
        return self._from_rows(values, set(map(type, chain.from_iterable(values))))

    def columns(self, columns: Sequence[Raw]) -> Array | None:
        """The columns of all fields, all of one length, as an array (rows, fields); None as above."""
        values = [column.values for column in columns if column.missing is None]
        if len(values) != len(self.names):
            return None
        kinds = set(map(type, values))
        if kinds == {list}:
            block = _numbers(values, set(map(type, chain.from_iterable(values))))
            return None if block is None else self.array(block.T)
        if kinds != {np.ndarray} or len({item.dtype for item in values}) != 1 or any(item.ndim != 1 for item in values):
            return None
        return self.array(np.array(values).T) if values[0].dtype.kind == "f" else None

    def _from_rows(self, rows: Sequence[Sequence[Any]], kinds: set[type]) -> Array | None:
        block = _numbers(rows, kinds)
        return None if block is None else self.array(block.reshape(len(rows), len(self.names)))

    def array(self, block: Array) -> Array | None:
        """A 2-D array of numbers in the width of the fields, the same memory where it is that; None as above."""
        made = block
        if block.dtype.kind in "iu":
            largest = min(self._limit, EXACT_IN_FLOAT)
            if block.size and max(abs(int(block.min())), abs(int(block.max()))) >= largest:
                return None
            made = block.astype(self.dtype)
        elif block.dtype != self.dtype:
            with np.errstate(over="ignore"):
                made = block.astype(self.dtype)
        if not all_finite(made) and not self._only_nulls(block, made):
            return None
        return made if not self._has_bounds or self._within(made) else None

    def _only_nulls(self, before: Array, after: Array) -> bool:
        """Whether all that is not finite is NaN, was so before, and stands where null may be."""
        if bool(np.isinf(after).any()):
            return False
        missing = where_null(before)
        return missing is None or bool(self._nullable[missing.any(axis=0)].all())

    def _within(self, block: Array) -> bool:
        return not bool(((block < self._low) | (block > self._high)).any())


def _numbers(values: Sequence[Sequence[Any]], kinds: set[type]) -> Array | None:
    """Floats, whole numbers and None as an array of two axes; `kinds` are the types among them. None as above."""
    if not kinds - {type(None)} <= _NUMBERS:
        return None
    try:
        made = np.array(values, dtype=np.float64)
    except OverflowError:
        return None
    return None if int in kinds and bool((np.abs(made) >= EXACT_IN_FLOAT).any()) else made


def _is_plain(field: Field) -> bool:
    """Whether nothing but finiteness, null and range has to be checked."""
    return isinstance(field.type, Float) and field.allowed is None and not field.allow_infinity


def _bounds(fields: Sequence[Field], attribute: str, free: float, dtype: np.dtype[Any]) -> Array:
    """The bound of each field, in the same rounding as the values that are compared with it."""
    limits = [getattr(field, attribute) for field in fields]
    with np.errstate(over="ignore"):
        bounds = [free if limit is None else bound(field, limit) for field, limit in zip(fields, limits, strict=True)]
        return np.array(bounds, dtype=dtype)


def _getter(names: tuple[str, ...]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """A function from a mapping to the values of `names`."""
    if len(names) == 1:
        name = names[0]
        return lambda row: (row[name],)
    return itemgetter(*names) if names else lambda _: ()
