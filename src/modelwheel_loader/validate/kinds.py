"""The table of types: `kind_of(type)` gives all that the contract does with one type.

Each family of types is a file of its own (`numbers`, `texts`, `times`, `decimals`, `nested`, `tensors`), which is
imported only for a schema that has such a type.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..opening.types import DataType, TypeTextError, parse_scalar
from ..text import clip, shown
from .batch import Array, Column, Instant, Raw, is_decimal, is_null, items, may_be_null, null_name, objects

if TYPE_CHECKING:
    from ..opening.schema import Field
    from .problems import Problems


Accept = Callable[[Any], bool]
Check = Callable[[Raw, "Problems"], Column | None]
Compile = Callable[["Field"], Check]
Converted = tuple[Column, Array | None]
"""A column, and where its values were rejected: those defects are recorded already, and no rule checks them again."""
ConvertColumn = Callable[[Raw, "Problems"], Converted]
Types = tuple[type, ...]
_NONE = type(None)


class Mismatch(Exception):
    """A value does not have its type: `code`, a sentence, what was expected, and a hint made when it is shown."""

    def __init__(self, code: str, message: str, expected: str, hint: Callable[[], str] | str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.expected = expected
        self.hint = hint

    def describe(self, value: object) -> dict[str, Any]:
        """The parts of the defect of this value."""
        hint = self.hint if isinstance(self.hint, str) else self.hint()
        if not hint and getattr(value, "ndim", None) == 0 and not isinstance(value, np.generic):
            hint = "an array without axes is not a number: send value.item()"
        parts = {"code": self.code, "message": self.message, "expected": self.expected}
        return {**parts, "hint": hint, "found": found(value)}


def found(item: object) -> str:
    """A bounded piece of a value for an error, times and decimals written out."""
    if isinstance(item, np.generic) and not isinstance(item, np.datetime64 | np.timedelta64):
        item = item.item()
    if isinstance(item, dt.date | dt.timedelta | np.datetime64 | np.timedelta64 | Instant) or is_decimal(item):
        return clip(item)
    return shown(item)


class Kind:
    """The rules of one type; `type` has its parameters. What is here is what types of Python objects share."""

    type: DataType
    filler: Any = None
    """Stands where a value is missing."""
    has_order = False
    has_length = False
    is_text = False
    at_once = False
    """Whether columns of other libraries take the canonical array as it is."""
    answers: Types | None = None
    """The Python types of its values in answers that are objects; None when they are not checked."""
    arrow_name = ""
    polars_name = ""

    def __init__(self, kind: Any) -> None:
        self.type = kind

    def misfit(self) -> str:
        """What is wrong with a type made by hand, without the types inside it; empty when nothing."""
        try:
            known = parse_scalar(str(self.type)) == self.type
        except TypeTextError:
            known = False
        return "" if known else f"is not a type of the contract: {str(self.type)[:60]}"

    def levels(self) -> int:
        """How deep one value is nested itself."""
        return 0

    # -- one value ------------------------------------------------------------------------------------------------

    def convert(self, value: Any) -> Any:
        """The canonical scalar of a value that is not null, without loss; raises `Mismatch`."""
        raise NotImplementedError

    def wrong(self, hint: Callable[[], str] | str = "") -> NoReturn:
        """Raise the `Mismatch` for a value of another type."""
        raise Mismatch("input.wrong-type", "has the wrong type", str(self.type), hint)

    def accepts(self, field: Field) -> Accept | None:  # noqa: ARG002 - families override it
        """A quick test of one value in a row, within the limits of the type; None when there is none."""
        return None

    def bound(self, value: Any) -> Any:
        """A minimum, maximum or allowed value as a scalar that compares with canonical ones; raises `Mismatch`."""
        return self.convert(value)

    # -- many values ----------------------------------------------------------------------------------------------

    def from_list(self, values: list[Any]) -> Column | None:  # noqa: ARG002
        """The column of Python values that are plainly right; None when they need the check one by one."""
        return None

    def from_array(self, raw: Raw) -> Column | None:  # noqa: ARG002
        """The column of an array of one axis that does not hold objects; None as above."""
        return None

    def build(self, values: list[Any]) -> Array:
        """Canonical scalars as the canonical array."""
        return objects(values)

    def compile(self, field: Field, compile_column: Compile) -> ConvertColumn:  # noqa: ARG002
        """The check of a column: at once where all is plainly right, else one by one."""
        name = field.name

        def convert(raw: Raw, problems: Problems) -> Converted:
            values = raw.values
            column = self.from_list(values) if isinstance(values, list) else self._from_any_array(raw)
            if column is not None:
                return column, None
            if isinstance(values, np.ndarray) and values.ndim > 1:
                message, expected = "is an array of more than one axis", "one value for each row"
                problems.add("input.shape", message, field=name, found=str(values.shape), expected=expected)
                return Column(self.build([])), None
            return self._one_by_one(raw, name, problems)

        return convert

    def _from_any_array(self, raw: Raw) -> Column | None:
        values: Array = raw.values
        if values.ndim != 1:
            return None
        if values.dtype.kind in "OUT":
            return None if raw.missing is not None else self.from_list(values.tolist())
        return self.from_array(raw)

    def _one_by_one(self, raw: Raw, name: str, problems: Problems) -> Converted:
        values, missing, rejected = each(items(raw), self.convert, self.filler, name, problems)
        return Column(self.build(values), missing), rejected

    # -- what models and libraries get ----------------------------------------------------------------------------

    def to_objects(self, field: Field) -> Callable[[Column], Array]:  # noqa: ARG002
        """A function from a column to an array of Python objects; anything may stand where it is missing."""
        return lambda column: column.values

    def inside(self, field: Field) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """A function that makes one canonical value inside a list or struct Python's; None when it is that already."""
        return None

    def arrow(self, pyarrow: Any) -> Any:
        """The `pyarrow.DataType`."""
        return getattr(pyarrow, self.arrow_name)()

    def polars(self, polars: Any) -> Any:
        """The Polars dtype."""
        return getattr(polars, self.polars_name)

    def polars_series(self, name: str, column: Column, dtype: Any, polars: Any) -> Any:
        """The canonical array as a Polars Series without null, for types that have it at once."""
        return polars.Series(name, column.values, dtype=dtype, nan_to_null=False)


_KINDS: dict[type[DataType], type[Kind]] = {}
"""The families that were imported so far."""


def kind_of(kind: DataType) -> Kind:
    """The rules of `kind`; those of a foreign class say that it is a misfit."""
    if type(kind) not in _KINDS and kind.family:
        _KINDS.update(import_module(f".{kind.family}", __package__).KINDS)
    return _KINDS.get(type(kind), Kind)(kind)


def some(mask: Array) -> Array | None:
    """A mask, or None when it is false everywhere."""
    return mask if mask.any() else None


def each(
    given: list[Any], convert: Callable[[Any], Any], filler: Any, name: str, problems: Problems
) -> tuple[list[Any], Array | None, Array | None]:
    """Every value converted, or `filler` where it is null or rejected; and the masks of those."""
    values = [filler] * len(given)
    missing = np.zeros(len(given), dtype=bool)
    rejected = np.zeros(len(given), dtype=bool)
    for row, item in enumerate(given):
        if null_name(item) is not None:
            missing[row] = True
            continue
        try:
            values[row] = convert(item)
        except Mismatch as error:
            rejected[row] = True
            problems.refuse(error, item, row=row, field=name)
    return values, some(missing), some(rejected)


def split(values: list[Any], wanted: set[type], filler: Any) -> tuple[list[Any], Array | None] | None:
    """The values with `filler` for null, and the mask of null; None when there is any type beside `wanted` and null."""
    others = set(map(type, values)) - wanted
    if not others:
        return values, None
    if not all(map(may_be_null, others)):
        return None
    missing = np.fromiter((type(value) in others for value in values), dtype=bool, count=len(values))
    if others != {_NONE} and not all(is_null(values[index]) for index in missing.nonzero()[0].tolist()):
        return None
    return [filler if absent else value for value, absent in zip(values, missing.tolist(), strict=True)], missing


def not_allowed(value: object, values: tuple[Any, ...]) -> Mismatch:
    """The mismatch for a value that is not one of `values`, with the nearest one as a hint."""
    from ..text import nearest

    listed = ", ".join(clip(item, 40) for item in values[:10]) + (", …" if len(values) > 10 else "")
    message = "is not one of the allowed values"
    return Mismatch("input.not-allowed", message, f"one of {listed}", lambda: nearest(value, values))
