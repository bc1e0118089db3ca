"""The schema: what a model takes or returns, as data. Immutable, usable without a model, written as JSON.

`validate/` compiles it into validators; this file only describes. The declaration of an attribute says how it is read,
written, and checked when it is given by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, get_args

from ..doors import door
from ..errors import InvalidBundle, UsageError
from ..records import Contradiction, Record, optional, required, sparse
from ..text import clip, nearest, shown
from .strictjson import (
    ANYTHING,
    COUNT,
    FLAG,
    OBJECT,
    SCALAR,
    TEXT,
    Array,
    Choice,
    Cursor,
    Integer,
    Kind,
    Nullable,
    Object,
    Plain,
    Text,
    defects_by_hand,
    plain,
    read_keys,
    write_keys,
)
from .types import (
    TENSOR_DTYPES,
    Category,
    CategoryValue,
    DataType,
    Float,
    List,
    Struct,
    Tensor,
    Timestamp,
    TypeTextError,
    parse_scalar,
    parse_type,
)

Null = Literal["none", "nan", "nat", "na"]
Layout = Literal["frame", "matrix", "array", "arrays", "columns", "records"]
Container = Literal["numpy", "pandas", "polars", "pyarrow", "list"]
Extra = Literal["ignore", "error"]
Order = Literal["C", "F"]


class _NoDefault:
    """The type of `NO_DEFAULT`: None is a default that a field may have."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"

    def __reduce__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()


class TypeKind(Kind):
    """A type: a text, or an object whose one key names a type that holds others (`NESTED`)."""

    harmless = DataType()

    def read(self, at: Cursor, key: str, value: Any) -> Any:  # noqa: D102
        if isinstance(value, DataType):
            return value
        if isinstance(value, str):
            try:
                return parse_scalar(value)
            except TypeTextError:
                at.wrong(key, "names no type", shown(value))
                return self.harmless
        if not (isinstance(value, dict) and len(value) == 1 and next(iter(value)) in NESTED):
            at.wrong(key, f"must be the name of a type, or an object with one of {', '.join(NESTED)}", shown(value))
            return self.harmless
        (name,) = value
        kind, keys = NESTED[name]
        before = len(at.defects)
        found = read_keys(keys, at.inner(key, value).get(name, OBJECT))
        try:
            return kind(**found) if len(at.defects) == before else self.harmless
        except UsageError as error:
            at.wrong(key, error.message)
        return self.harmless

    def write(self, value: Any) -> Any:  # noqa: D102
        for name, (kind, keys) in NESTED.items():
            if type(value) is kind:
                return {name: write_keys(keys, value)}
        return str(value)


TYPE, SCALARS = TypeKind(), Array(SCALAR, distinct=True)
BOUND = Plain(int, float, str, must="a number, or a time as text")


class Physical(Record):
    """How the model saw a column, restored exactly when it is called.

    `dtype` is the name of the numpy or pandas dtype (`object`, `float64`, `Int64`, `category`, `str`); `null` is what
    stood for a missing value, None when none was seen; `label` is the column's label when that was an integer.
    """

    dtype: str = required(Text(100))
    null: Null | None = sparse(Choice(*get_args(Null)), default=None)
    label: int | None = sparse(Integer(-(2**63)), default=None)


class Observed(Record):
    """What the sample held: information for people, never a limit.

    `minimum` and `maximum` are of numbers and times (as text); `distinct` counts values up to a bound, None above it.
    """

    rows: int = required(COUNT)
    nulls: int = required(COUNT)
    minimum: float | int | str | None = sparse(BOUND, default=None)
    maximum: float | int | str | None = sparse(BOUND, default=None)
    distinct: int | None = sparse(COUNT, default=None)


class Field(Record):
    """One named value. `type` may be given as text (`"int64"`).

    `minimum` and `maximum` are inclusive, in the unit of the type (times as ISO 8601 text); `allowed` lists the only
    values that are accepted; `pattern` is a regular expression that the whole text matches; lengths count characters,
    bytes or list items. Floats are finite unless `allow_infinity`. Raises `UsageError` with everything that is wrong.
    """

    name: str = required(TEXT)
    type: DataType = required(TYPE)
    nullable: bool = sparse(FLAG, default=False)
    default: Any = sparse(ANYTHING, default=NO_DEFAULT)
    minimum: float | int | str | None = sparse(BOUND, default=None)
    maximum: float | int | str | None = sparse(BOUND, default=None)
    allowed: tuple[CategoryValue, ...] | None = sparse(SCALARS, default=None)
    pattern: str | None = sparse(TEXT, default=None)
    min_length: int | None = sparse(COUNT, default=None)
    max_length: int | None = sparse(COUNT, default=None)
    allow_infinity: bool = sparse(FLAG, default=False)
    unit: str = sparse(TEXT, default="")
    description: str = sparse(TEXT, default="")
    deprecated: bool = sparse(FLAG, default=False)
    physical: Physical | None = sparse(Object(Physical), default=None)
    observed: Observed | None = sparse(Object(Observed), default=None)

    def __post_init__(self) -> None:
        given = self.__dict__.get("allowed")
        if isinstance(given, Iterable) and not isinstance(given, str | bytes):
            listed: tuple[Any, ...] = tuple(given)
            mixed = set(map(type, listed)) == {int, float}
            self.__dict__["allowed"] = tuple(map(float, listed)) if mixed else listed
        name: object = self.name
        kind: object = self.type
        if isinstance(kind, str):
            try:
                self.__dict__["type"] = parse_type(kind, complete=True)
            except TypeTextError as error:
                raise UsageError.of("schema.type", str(error), field=clip(name)) from None
        defects = []
        for defect in defects_by_hand(self):
            code = _CODES.get(defect.where.partition("[")[0], "schema.attribute")
            message = f"{defect.where} {defect.message}"
            defects.append(defect.replace(code=code, field=clip(name), where="", message=message))
        if defects:
            raise UsageError(f"the field {clip(name)!r} contradicts its own rules", defects)
        if not self.required or any(getattr(self, limit) is not None for limit in _LIMITS):
            door("check.column")(self)

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.nullable))  # defaults may be lists

    @property
    def required(self) -> bool:
        """Whether the field must be present in every row."""
        return isinstance(self.default, _NoDefault)

    def to_dict(self) -> dict[str, Any]:
        """The field as JSON types, without what is at its default."""
        made: dict[str, Any] = plain(self)
        return made


FIELD = Object(Field)
_LIMITS = ("minimum", "maximum", "allowed", "pattern", "min_length", "max_length")
"""What must fit the type of a field: the contract engine compares them where a field is made by hand."""
_CODES = {"name": "schema.name", "type": "schema.type", **dict.fromkeys(_LIMITS, "schema.bound")}

NESTED: dict[str, tuple[Callable[..., DataType], dict[str, Any]]] = {
    "category": (Category, {"values": required(SCALARS), "ordered": optional(FLAG, default=False)}),
    "list": (List, {"item": required(TYPE), "nullable": optional(FLAG, default=False)}),
    "struct": (Struct, {"fields": required(Array(FIELD))}),
    "tensor": (
        Tensor,
        {
            "dtype": required(Choice(*TENSOR_DTYPES)),
            "shape": required(Array(Nullable(COUNT), most=32)),
            "sparse": optional(FLAG, default=False),
        },
    ),
}
"""The types that JSON writes as an object with one key, the name of the type; all others are a text."""


UNREADABLE: Final = (re.error, OverflowError, RecursionError, Warning)
"""What `re` raises for a text that is not a pattern; a warning when the process makes errors of warnings."""


def compile_pattern(field: Field) -> re.Pattern[str]:
    """The pattern of a field; raises `UsageError` when Python cannot read it."""
    try:
        return re.compile(field.pattern or "")
    except UNREADABLE as error:
        message = f"the pattern of {clip(field.name)!r} is not a regular expression: {clip(error)}"
        raise UsageError.of("schema.bound", message) from None


def usual_physical(kind: DataType, label: int | None = None) -> Physical:
    """How a model sees a field of that type, unless a sample said otherwise."""
    if isinstance(kind, Timestamp) and kind.zone:
        return Physical(dtype=f"datetime64[{kind.unit}, {kind.zone}]", null="nat", label=label)
    return Physical(dtype=kind.canonical, null="nan" if isinstance(kind, Float) else "none", label=label)


class _Fields(Array):
    """The fields of a schema, within its limit."""

    def take(self, at: Cursor, key: str, value: Any) -> Any:
        if len(value) > at.limits.fields:
            at.wrong(key, f"more than {at.limits.fields:,} fields")
            return self.harmless
        return super().take(at, key, value)


class Schema(Record):
    """The fields of a table and how the model wants them.

    | layout    | the model is passed, or answers                                                     |
    | --------- | ----------------------------------------------------------------------------------- |
    | `frame`   | a DataFrame of `container`, one column per field                                    |
    | `matrix`  | one 2-D array of `dtype`, one column per field                                      |
    | `array`   | the one field alone: a 1-D array, list or Series, an n-D array, or a CSR matrix     |
    | `arrays`  | a list with one array per field (multi-output `predict_proba`)                      |
    | `columns` | a dict of arrays, one per field                                                     |
    | `records` | a list of dicts                                                                     |

    `order` is how the numbers of a frame or matrix lie in memory: row by row (`C`, which is usual for a matrix) or
    column by column (`F`, usual for a frame). Sums of products depend on it in their last bits.

    One call takes `min_rows` to `max_rows` rows, and no two rows that agree in all fields of `unique`.
    """

    fields: tuple[Field, ...] = required(_Fields(FIELD))
    layout: Layout = required(Choice(*get_args(Layout)), default="frame")
    container: Container = optional(Choice(*get_args(Container)), default="numpy")
    dtype: str | None = sparse(Choice(*TENSOR_DTYPES, "object"), default=None)
    order: Order | None = sparse(Choice(*get_args(Order)), default=None)
    extra: Extra = optional(Choice(*get_args(Extra)), default="ignore")
    min_rows: int | None = sparse(COUNT, default=None)
    max_rows: int | None = sparse(COUNT, default=None)
    unique: tuple[str, ...] = sparse(Array(TEXT), default=())

    def __post_init__(self) -> None:
        fields: object = self.fields
        unique: object = self.unique
        self.__dict__["fields"] = (fields,) if isinstance(fields, Field | str) else tuple(self.fields)
        self.__dict__["unique"] = (unique,) if isinstance(unique, str) else tuple(self.unique)
        if found := defects_by_hand(self):
            defects = [
                item.replace(code="schema.table", message=f"{item.where} {item.message}", where="") for item in found
            ]
            raise UsageError("the schema contradicts itself", defects)

    def contradictions(self) -> Iterator[Contradiction]:
        """Fields of one name, and rules for fields or rows that are not possible."""
        names = self.names
        known = {name: place for place, name in enumerate(names)}
        if len(known) != len(names):
            twice = next(name for place, name in enumerate(names) if known[name] != place)
            yield "fields", "holds two fields with the same name", clip(twice)
        if self.layout == "array" and len(names) != 1:
            yield "layout", "'array' is for exactly one field", f"{len(names)} fields"
        if unknown := [name for name in self.unique if name not in known]:
            yield "unique", "names what is not a field", clip(", ".join(unknown))
        if self.min_rows is not None and self.max_rows is not None and self.min_rows > self.max_rows:
            yield "min_rows", "is more than max_rows", f"{self.min_rows} and {self.max_rows}"

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        message = f"there is no field {clip(name)!r}"
        raise UsageError.of("schema.no-field", message, field=clip(name), hint=nearest(name, self.names))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    @property
    def memory_order(self) -> Order:
        """`order`, or what is usual for the layout."""
        return self.order or ("F" if self.layout == "frame" else "C")

    def with_field(self, name: str, /, **changes: Any) -> Schema:
        """A copy in which the field `name` has other attributes: `schema.with_field("age", minimum=0)`.

        With another `type` the model is fed that one, in its usual dtype. Raises `UsageError` for limits and defaults
        that do not fit.
        """
        for attribute in changes:
            if attribute not in Field._fields[1:]:
                hint = nearest(attribute, Field._fields[1:])
                if attribute == "name":
                    hint = "The model knows the field by its name: rename it where the model is fitted."
                message = f"a field has no attribute {clip(attribute)} to change"
                raise UsageError.of("schema.attribute", message, field=name, hint=hint)
        before = self[name]
        changed = before.replace(**changes)
        if changed.type != before.type and "physical" not in changes:
            label = before.physical.label if before.physical is not None else None
            changed = changed.replace(physical=usual_physical(changed.type, label))
        return self.replace(fields=tuple(changed if f.name == name else f for f in self.fields))

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON types; `Schema.from_dict` reads it back equal."""
        made: dict[str, Any] = plain(self)
        return made

    def to_json_schema(self, *, rows: Literal["one", "many"] = "one", title: str = "") -> dict[str, Any]:
        """The schema of one row, or of a list of rows, as JSON Schema 2020-12."""
        made: dict[str, Any] = door("json_schema")(self, rows=rows, title=title)
        return made

    def to_pydantic(self, name: str = "Row") -> Any:
        """A pydantic model class of one row, good as the body of a web framework's request; needs pydantic 2.

        Raises `UsageError` for limits and patterns that do not fit their fields.
        """
        for field in self.fields:
            door("check.column")(field)
        return door("pydantic")(self, name)

    def to_arrow(self) -> Any:
        """The `pyarrow.Schema` of the fields, from which `from_arrow` gives this schema back; needs pyarrow."""
        return door("arrow.write")(self)

    def check(self, data: Any) -> dict[str, Any]:
        """The checked columns of `data`, which is anything that a model may be passed; it is never changed.

        Each is a numpy array of the field's canonical dtype, masked where null is, or a sparse matrix. It may share the
        memory of `data`. Raises `InputError` with every defect, `UsageError` when the schema contradicts itself.
        """
        checked: dict[str, Any] = door("check.data")(self, data)
        return checked

    def diff(self, other: Schema) -> Any:
        """What changes for callers when this schema is replaced by `other`."""
        return door("diff")(self, other)

    def _repr_html_(self) -> str:
        return str(door("html.schema")(self))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Schema:
        """The schema that `to_dict` wrote; raises `InvalidBundle` with every defect."""
        at = Cursor(dict(value), "schema", [])
        schema: Schema = SCHEMA.read_from(at)
        if at.defects:
            raise InvalidBundle("the schema is not valid", at.defects)
        return schema

    @classmethod
    def of(cls, source: Any) -> Schema:
        """The schema that `source` describes: whatever one of the `from_` methods takes, or a schema itself.

        Raises `UsageError` with everything that has no type.
        """
        if isinstance(source, Schema):
            return source
        if isinstance(source, Mapping):
            return cls.from_dict(source)
        if isinstance(source, type):
            return cls.from_class(source)
        if type(source).__module__.partition(".")[0] == "pyarrow":
            return cls.from_arrow(source)
        if callable(source):
            return cls.from_callable(source)
        expected = "a Schema, a pydantic model, dataclass or TypedDict, a callable with type hints, or an Arrow schema"
        raise UsageError.of("schema.source", "this describes no schema", found=shown(source), expected=expected)

    @classmethod
    def from_class(cls, kind: type) -> Schema:
        """The schema of rows described by a dataclass, a TypedDict or a pydantic model; layout `records`.

        Of pydantic models (version 2) constraints, descriptions, defaults and aliases are kept, and `extra="forbid"`.
        """
        fields, extra = door("hints.class")(kind), door("hints.extra")(kind)
        return cls(fields=fields, layout="records", container="list", extra=extra)

    @classmethod
    def from_callable(cls, function: Callable[..., Any]) -> Schema:
        """The schema of what a callable takes, by its type hints; layout `records`.

        A first argument that is a class with fields, or a list of it, is the row; otherwise every argument is a field.
        Raises `UsageError` for arguments without a type hint.
        """
        row = door("hints.row")(function)
        if row is not None:
            return cls.from_class(row)
        return cls(fields=door("hints.callable")(function), layout="records", container="list")

    @classmethod
    def from_arrow(cls, schema: Any) -> Schema:
        """The schema for a `pyarrow.Schema`; layout `frame`, unless `to_arrow` made it. Raises `UsageError`."""
        fields, stored = door("arrow.read")(schema)
        try:
            if stored is not None:
                return cls.from_dict({**stored, "fields": [field.to_dict() for field in fields]})
        except InvalidBundle:  # something else wrote it
            pass
        return cls(fields=fields, layout="frame", container="pyarrow")


SCHEMA = Object(Schema)
