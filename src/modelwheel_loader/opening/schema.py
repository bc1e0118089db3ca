"""A field of a schema: a name, a type, its limits, and what people and the model need to know of it. And its reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, get_args

from ..defects import Defect
from ..doors import door
from ..errors import InvalidBundle, UsageError
from ..records import Record
from ..text import clip, nearest, shown
from .strictjson import Cursor
from .types import (
    NESTED,
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
    type_to_json,
)

Null = Literal["none", "nan", "nat", "na"]
NULLS: tuple[str, ...] = get_args(Null)


class _NoDefault:
    """The type of `NO_DEFAULT`: None is a default that a field may have."""

    def __repr__(self) -> str:
        return "NO_DEFAULT"

    def __reduce__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Final = _NoDefault()


class Physical(Record):
    """How the model saw a column, restored exactly when it is called.

    `dtype` is the name of the numpy or pandas dtype (`object`, `float64`, `Int64`, `category`, `str`); `null` is what
    stood for a missing value, None when none was seen; `label` is the column's label when that was an integer.
    """

    dtype: str
    null: Null | None = None
    label: int | None = None


class Observed(Record):
    """What the sample held: information for people, never a limit.

    `minimum` and `maximum` are of numbers and times (as text); `distinct` counts values up to a bound, None above it.
    """

    rows: int
    nulls: int
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    distinct: int | None = None


class Field(Record):
    """One named value. `type` may be given as text (`"int64"`).

    `minimum` and `maximum` are inclusive, in the unit of the type (times as ISO 8601 text); `allowed` lists the only
    values that are accepted; `pattern` is a regular expression that the whole text matches; lengths count characters,
    bytes or list items. Floats are finite unless `allow_infinity`.
    """

    name: str
    type: DataType
    nullable: bool = False
    default: Any = NO_DEFAULT
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    allowed: tuple[CategoryValue, ...] | None = None
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    allow_infinity: bool = False
    unit: str = ""
    description: str = ""
    deprecated: bool = False
    physical: Physical | None = None
    observed: Observed | None = None

    def __post_init__(self) -> None:
        name: object = self.name
        if not isinstance(name, str):
            raise UsageError.of("schema.name", "the name of a field is no text", found=shown(name))
        self.__dict__["type"] = _type(self.type, name)
        allowed: object = self.allowed
        if isinstance(allowed, str | bytes):
            message = "the allowed values are one text, and must be several"
            raise UsageError.of("schema.bound", message, field=name, found=shown(allowed))
        if self.allowed is not None:
            self.__dict__["allowed"] = tuple(self.allowed)

    def __hash__(self) -> int:
        return hash((self.name, self.type, self.nullable))  # defaults may be lists

    @property
    def required(self) -> bool:
        """Whether the field must be present in every row."""
        return isinstance(self.default, _NoDefault)

    def to_dict(self) -> dict[str, Any]:
        """The field as JSON types, without what is at its default."""
        made: dict[str, Any] = {"name": self.name, "type": type_to_json(self.type)}
        for name in self._fields[2:]:
            value, usual = getattr(self, name), getattr(Field, name)
            if value is usual or value == usual:
                continue
            if isinstance(value, Record):
                value = {k: v for k, v in value.attributes().items() if v is not None}
            made[name] = list(value) if isinstance(value, tuple) else value
        return made


def _type(kind: object, name: str) -> DataType:
    """The type that was given, or that its text names; raises `UsageError`."""
    if isinstance(kind, DataType):
        return kind
    if isinstance(kind, str):
        try:
            return parse_type(kind, complete=True)
        except TypeTextError as error:
            raise UsageError.of("schema.type", str(error), field=name) from None
    message, expected = "the type of a field is no type", "a text such as 'int64', or a type of modelwheel"
    raise UsageError.of("schema.type", message, field=name, found=shown(kind), expected=expected)


UNREADABLE: Final = (re.error, OverflowError, RecursionError, Warning)
"""What `re` raises for a text that is no pattern; a warning when the process makes errors of warnings."""


def compile_pattern(field: Field) -> re.Pattern[str]:
    """The pattern of a field; raises `UsageError` when Python cannot read it."""
    try:
        return re.compile(field.pattern or "")
    except UNREADABLE as error:
        message = f"the pattern of {clip(field.name)!r} is no regular expression: {clip(error)}"
        raise UsageError.of("schema.bound", message) from None


def usual_physical(kind: DataType, label: int | None = None) -> Physical:
    """How a model sees a field of that type, unless a sample said otherwise."""
    if isinstance(kind, Timestamp) and kind.zone:
        return Physical(dtype=f"datetime64[{kind.unit}, {kind.zone}]", null="nat", label=label)
    return Physical(dtype=kind.canonical, null="nan" if isinstance(kind, Float) else "none", label=label)


def read_field(cursor: Cursor) -> Field:
    """The field in an object of a schema; what is wrong is collected by the cursor."""
    optional: dict[str, Any] = {key: _bound(cursor, key) for key in ("minimum", "maximum") if cursor.has(key)}
    optional |= {key: cursor.integer(key) for key in ("min_length", "max_length") if cursor.has(key)}
    optional |= {key: cursor.flag(key, default=False) for key in ("nullable", "allow_infinity", "deprecated")}
    optional |= {key: cursor.text(key, "") for key in ("unit", "description")}
    if cursor.has("pattern"):
        optional["pattern"] = cursor.text("pattern")
    if cursor.has("allowed"):
        optional["allowed"] = _scalars(cursor, "allowed")
    if "default" in cursor.value:
        optional["default"] = cursor.value["default"]
    if cursor.has("physical"):
        optional["physical"] = _physical(cursor.object("physical"))
    if cursor.has("observed"):
        optional["observed"] = _observed(cursor.object("observed"))
    return Field(name=cursor.text("name"), type=read_type(cursor, "type"), **optional)


def read_type(cursor: Cursor, key: str) -> DataType:
    """The type at `key`: a text, or an object with one key that names a type which holds others."""
    value = cursor.value.get(key)
    if isinstance(value, str):
        try:
            return parse_scalar(value)
        except TypeTextError:
            cursor.wrong(key, "names no type", found=shown(value))
            return DataType()
    if not (isinstance(value, dict) and len(value) == 1 and next(iter(value)) in NESTED):
        cursor.wrong(
            key, f"must be the name of a type, or an object with one of {', '.join(NESTED)}", found=shown(value)
        )
        return DataType()
    (kind,) = value
    inner = cursor.object(key).object(kind)
    match kind:
        case "category":
            return Category(_scalars(inner, "values"), inner.flag("ordered", default=False))
        case "list":
            return List(read_type(inner, "item"), inner.flag("nullable", default=False))
        case "struct":
            return Struct(tuple(read_field(item) for item in inner.objects("fields")))
    return Tensor(inner.choice("dtype", TENSOR_DTYPES), _shape(inner), inner.flag("sparse", default=False))


def _scalars(cursor: Cursor, key: str) -> tuple[CategoryValue, ...]:
    values = cursor.list(key)
    if not all(type(value) in (str, int, float, bool) for value in values):
        cursor.wrong(key, "must hold texts, numbers or Booleans only")
        return ()
    if len({type(value) for value in values}) > 1 or len(set(values)) != len(values):
        cursor.wrong(key, "must hold different values of one type")
    return tuple(values)


def _shape(cursor: Cursor) -> tuple[int | None, ...]:
    axes = cursor.list("shape")
    if not all(axis is None or (type(axis) is int and axis >= 0) for axis in axes) or len(axes) > 32:
        cursor.wrong("shape", "must hold at most 32 lengths, each an integer or null")
        return ()
    return tuple(axes)


def _bound(cursor: Cursor, key: str) -> float | int | str | None:
    value = cursor.value[key]
    if type(value) not in (int, float, str):
        cursor.wrong(key, "must be a number, or a time as text", found=shown(value))
        return None
    return value  # type: ignore[no-any-return]


def _physical(cursor: Cursor) -> Physical:
    null: Any = cursor.choice("null", NULLS) if cursor.has("null") else None
    label = cursor.integer("label", minimum=-(2**63)) if cursor.has("label") else None
    return Physical(dtype=cursor.text("dtype", limit=100), null=null, label=label)


def _observed(cursor: Cursor) -> Observed:
    bounds = {key: _bound(cursor, key) for key in ("minimum", "maximum") if cursor.has(key)}
    distinct = cursor.integer("distinct") if cursor.has("distinct") else None
    return Observed(rows=cursor.integer("rows"), nulls=cursor.integer("nulls"), distinct=distinct, **bounds)


# The schema: what a model takes or answers, as data. Immutable, usable without a model, written as JSON.
#
# `validate/inputs.py` and `validate/columns.py` compile it into validators; this file only describes.


__all__ = [
    "NO_DEFAULT",
    "Container",
    "Extra",
    "Field",
    "Layout",
    "Null",
    "Observed",
    "Physical",
    "Schema",
    "read_schema",
]
Layout = Literal["frame", "matrix", "array", "arrays", "columns", "records"]
Container = Literal["numpy", "pandas", "polars", "pyarrow", "list"]
Extra = Literal["ignore", "error"]
Order = Literal["C", "F"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
CONTAINERS: tuple[str, ...] = get_args(Container)


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

    fields: tuple[Field, ...]
    layout: Layout = "frame"
    container: Container = "numpy"
    dtype: str | None = None
    order: Order | None = None
    extra: Extra = "ignore"
    min_rows: int | None = None
    max_rows: int | None = None
    unique: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        fields: object = self.fields
        self.__dict__["fields"] = (fields,) if isinstance(fields, Field) else tuple(self.fields)
        unique: object = self.unique
        self.__dict__["unique"] = (unique,) if isinstance(unique, str) else tuple(self.unique)
        if defects := list(_contradictions(self)):
            raise UsageError("the schema contradicts itself", defects)

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
        door("check.column")(changed)
        return self.replace(fields=tuple(changed if f.name == name else f for f in self.fields))

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON types; `Schema.from_dict` reads it back equal."""
        made: dict[str, Any] = {"fields": [field.to_dict() for field in self.fields], "layout": self.layout}
        made |= {"container": self.container, "extra": self.extra}
        made |= {"dtype": self.dtype} if self.dtype else {}
        made |= {"order": self.order} if self.order else {}
        made |= {"unique": list(self.unique)} if self.unique else {}
        counts = {"min_rows": self.min_rows, "max_rows": self.max_rows}
        return made | {name: count for name, count in counts.items() if count is not None}

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
        defects: list[Defect] = []
        schema = read_schema(Cursor(dict(value), "schema", defects))
        if defects:
            raise InvalidBundle("the schema is not valid", defects)
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

        A first argument that is a class with fields, or a list of it, is the row; else every argument is a field.
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


def _contradictions(schema: Schema) -> Iterator[Defect]:
    """What is wrong with a schema that was made by hand; `read_schema` tells the same of one in a file."""
    choices = {"layout": LAYOUTS, "container": CONTAINERS, "extra": get_args(Extra), "order": get_args(Order)}
    for name, known in choices.items():
        value: object = getattr(schema, name)
        if value not in known and not (name == "order" and value is None):
            yield _wrong(f"{name} is none of {', '.join(known)}", shown(value))
    if strange := [item for item in schema.fields if not isinstance(item, Field)]:
        yield _wrong("what is no Field stands among the fields", shown(strange[0]))
        return
    names = schema.names
    if len(set(names)) != len(names):
        yield _wrong("two fields have the same name", clip(next(name for name in names if names.count(name) > 1)))
    if schema.layout == "array" and len(names) > 1:
        yield _wrong("layout 'array' is for one field", f"{len(names)} fields")
    if unknown := [name for name in schema.unique if name not in names]:
        yield _wrong("unique names what is no field", clip(", ".join(map(str, unknown))))
    if (schema.min_rows or 0) > (schema.max_rows if schema.max_rows is not None else schema.min_rows or 0):
        yield _wrong("min_rows is more than max_rows", f"{schema.min_rows} and {schema.max_rows}")


def _wrong(message: str, found: str) -> Defect:
    return Defect(code="schema.table", message=message, found=found)


def read_schema(cursor: Cursor) -> Schema:
    """The schema in an object of a manifest; what is wrong is collected by the cursor."""
    before = len(cursor.defects)
    if len(cursor.list("fields")) > cursor.limits.fields:
        cursor.wrong("fields", f"more than {cursor.limits.fields:,} fields")
        return Schema(fields=())
    listed = list(cursor.objects("fields"))
    fields = tuple(read_field(item) for item in listed)
    names = [field.name for field in fields]
    if len(set(names)) != len(names):
        cursor.wrong("fields", "two fields have the same name")
    layout: Any = cursor.choice("layout", LAYOUTS)
    container: Any = cursor.choice("container", CONTAINERS, "numpy")
    extra: Any = cursor.choice("extra", get_args(Extra), "ignore")
    if layout == "array" and len(fields) != 1:
        cursor.wrong("layout", "'array' is for exactly one field", found=f"{len(fields)} fields")
    dtype = cursor.choice("dtype", (*TENSOR_DTYPES, "object"), "") if cursor.has("dtype") else None
    order: Any = cursor.choice("order", get_args(Order), "C") if cursor.has("order") else None
    counts = {key: cursor.integer(key) for key in ("min_rows", "max_rows") if cursor.has(key)}
    unique = cursor.texts("unique", required=False)
    if unknown := [name for name in unique if name not in names]:
        cursor.wrong("unique", "names what is no field", found=clip(", ".join(unknown)))
    if counts.get("min_rows", 0) > counts.get("max_rows", 2**63):
        cursor.wrong("min_rows", "is more than max_rows", found=str(counts["min_rows"]))
    if len(cursor.defects) > before:
        return Schema(fields=())
    return Schema(
        fields=fields,
        layout=layout,
        container=container,
        dtype=dtype,
        order=order,
        extra=extra,
        unique=unique,
        min_rows=counts.get("min_rows"),
        max_rows=counts.get("max_rows"),
    )
