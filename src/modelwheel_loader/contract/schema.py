"""The schema: what a model takes or answers, as data. Immutable, usable without a model, written as JSON.

`checking/inputs.py` and `checking/columns.py` compile it into validators; this file only describes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..documents import Cursor
from ..errors import Defect, InvalidBundle, UsageError
from ..nearest import nearest
from ..records import Record
from ..text import clip, shown
from .fields import NO_DEFAULT, Field, Null, Observed, Physical, read_field, usual_physical
from .types import TENSOR_DTYPES

if TYPE_CHECKING:
    from .diff import SchemaDiff

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
        from ..checking.columns import compile_column

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
        compile_column(changed)
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
        from .json_schema import to_json_schema

        return to_json_schema(self, rows=rows, title=title)

    def to_pydantic(self, name: str = "Row") -> Any:
        """A pydantic model class of one row, good as the body of a web framework's request; needs pydantic 2.

        Raises `UsageError` for limits and patterns that do not fit their fields.
        """
        from ..checking.columns import compile_column
        from .pydantic_model import to_pydantic

        for field in self.fields:
            compile_column(field)
        return to_pydantic(self, name)

    def to_arrow(self) -> Any:
        """The `pyarrow.Schema` of the fields, from which `from_arrow` gives this schema back; needs pyarrow."""
        from .arrow_schema import to_arrow

        return to_arrow(self)

    def diff(self, other: Schema) -> SchemaDiff:
        """What changes for callers when this schema is replaced by `other`."""
        from .diff import diff

        return diff(self, other)

    def _repr_html_(self) -> str:
        from ..views.html import schema_view

        return schema_view(self)

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
        from .hints import class_extra, fields_of

        return cls(fields=fields_of(kind), layout="records", container="list", extra=class_extra(kind))

    @classmethod
    def from_callable(cls, function: Callable[..., Any]) -> Schema:
        """The schema of what a callable takes, by its type hints; layout `records`.

        A first argument that is a class with fields, or a list of it, is the row; else every argument is a field.
        Raises `UsageError` for arguments without a type hint.
        """
        from .signatures import fields_of_callable, row_class

        row = row_class(function)
        if row is not None:
            return cls.from_class(row)
        return cls(fields=fields_of_callable(function), layout="records", container="list")

    @classmethod
    def from_arrow(cls, schema: Any) -> Schema:
        """The schema for a `pyarrow.Schema`; layout `frame`, unless `to_arrow` made it. Raises `UsageError`."""
        from .arrow_schema import read_arrow

        fields, stored = read_arrow(schema)
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
