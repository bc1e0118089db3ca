"""The schema: what a model takes or answers, as data. Immutable, usable without a model, written as JSON.

`values.py`, `columns.py` and `rows.py` compile it into validators; this file only describes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from .documents import Cursor
from .errors import Defect, InvalidBundle, UsageError
from .limits import DEFAULT
from .records import Record
from .text import clip, shown
from .types import (
    NESTED,
    TENSOR_DTYPES,
    Category,
    CategoryValue,
    DataType,
    List,
    Struct,
    Tensor,
    TypeTextError,
    parse_type,
    type_to_json,
)

if TYPE_CHECKING:
    from .schema_diff import SchemaDiff

Layout = Literal["frame", "matrix", "array", "arrays", "columns", "records"]
Container = Literal["numpy", "pandas", "polars", "pyarrow", "list"]
Null = Literal["none", "nan", "nat", "na"]
Extra = Literal["ignore", "error"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
CONTAINERS: tuple[str, ...] = get_args(Container)
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
        kind: object = self.type
        if isinstance(kind, str):
            try:
                self.__dict__["type"] = parse_type(kind)
            except TypeTextError as error:
                raise UsageError.of("schema.type", str(error), field=self.name) from None
        if self.allowed is not None:
            self.__dict__["allowed"] = tuple(self.allowed)

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
    """

    fields: tuple[Field, ...]
    layout: Layout = "frame"
    container: Container = "numpy"
    dtype: str | None = None
    extra: Extra = "ignore"

    def __post_init__(self) -> None:
        self.__dict__["fields"] = tuple(self.fields)

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)

    def __getitem__(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise UsageError.of("schema.no-field", f"there is no field {clip(name)!r}", field=clip(name))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the fields, in order."""
        return tuple(field.name for field in self.fields)

    def with_field(self, name: str, /, **changes: Any) -> Schema:
        """A copy in which the field `name` has other attributes: `schema.with_field("age", minimum=0)`."""
        if unknown := sorted(set(changes) - set(Field._fields[1:])):
            raise UsageError.of("schema.attribute", f"a field has no attribute {', '.join(unknown)}", field=name)
        changed = self[name].replace(**changes)
        return self.replace(fields=tuple(changed if f.name == name else f for f in self.fields))

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON types; `Schema.from_dict` reads it back equal."""
        made: dict[str, Any] = {"fields": [field.to_dict() for field in self.fields], "layout": self.layout}
        made |= {"container": self.container, "extra": self.extra}
        return made | ({"dtype": self.dtype} if self.dtype else {})

    def to_json_schema(self, *, rows: Literal["one", "many"] = "one", title: str = "") -> dict[str, Any]:
        """The schema of one row, or of a list of rows, as JSON Schema 2020-12."""
        from .json_schema import to_json_schema

        return to_json_schema(self, rows=rows, title=title)

    def to_pydantic(self, name: str = "Row") -> Any:
        """A pydantic model class of one row, good as the body of a web framework's request; needs pydantic 2."""
        from .pydantic_model import to_pydantic

        return to_pydantic(self, name)

    def diff(self, other: Schema) -> SchemaDiff:
        """What changes for callers when this schema is replaced by `other`."""
        from .schema_diff import diff

        return diff(self, other)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Schema:
        """The schema that `to_dict` wrote; raises `InvalidBundle` with every defect."""
        defects: list[Defect] = []
        schema = read_schema(Cursor(dict(value), "schema", defects))
        if defects:
            raise InvalidBundle("the schema is not valid", defects)
        return schema


def read_schema(cursor: Cursor) -> Schema:
    """The schema in an object of a manifest; what is wrong is collected by the cursor."""
    if len(cursor.list("fields")) > DEFAULT.fields:
        cursor.wrong("fields", f"more than {DEFAULT.fields:,} fields")
        return Schema(fields=())
    fields = tuple(read_field(item) for item in cursor.objects("fields"))
    names = [field.name for field in fields]
    if len(set(names)) != len(names):
        cursor.wrong("fields", "two fields have the same name")
    layout: Any = cursor.choice("layout", LAYOUTS)
    container: Any = cursor.choice("container", CONTAINERS, "numpy")
    extra: Any = cursor.choice("extra", get_args(Extra), "ignore")
    if layout == "array" and len(fields) != 1:
        cursor.wrong("layout", "'array' is for exactly one field", found=f"{len(fields)} fields")
    dtype = cursor.choice("dtype", (*TENSOR_DTYPES, "object"), "") if cursor.has("dtype") else None
    return Schema(fields=fields, layout=layout, container=container, dtype=dtype, extra=extra)


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
            return parse_type(value)
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
