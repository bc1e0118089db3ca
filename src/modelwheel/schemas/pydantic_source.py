"""A schema as the Python source of pydantic models: to read, to paste into a service, and to change there.

`Schema.to_pydantic` makes the class itself. The source is shorter: it does not take 3.0 for the integer 3, and it
leaves the reading of times and decimals to pydantic, which takes numbers for them as well. Every name and value of a
bundle is written as a literal, so that none of it can become code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from modelwheel_loader.bridges import SCALARS, anchored, attribute_name, datetime_name, enumerated
from modelwheel_loader.errors import MissingExtra
from modelwheel_loader.opening import (
    Category,
    DataType,
    Field,
    Float,
    List,
    Schema,
    Struct,
    Tensor,
    Timestamp,
    parse_type,
)
from modelwheel_loader.validate import duration_count

_HEAD = """\
from __future__ import annotations

import datetime
import decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, NaiveDatetime, Strict
"""
_ONE_OF = """\
def one_of(*values):
    def check(value):
        if value not in values:
            raise ValueError("is not one of the allowed values")
        return value

    return check
"""
_FROM_BASE64 = """\
def from_base64(value):
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value
"""


def to_pydantic_source(schema: Schema) -> str:
    """The source of the model `Row` of one row, and of those inside it; raises `MissingExtra` without pydantic."""
    try:
        import pydantic
    except ImportError:
        message = "writing the source of a pydantic model needs pydantic"
        raise MissingExtra.of("schema.pydantic", message, hint='pip install "modelwheel[pydantic]"') from None
    writer = _Writer(pydantic.BaseModel)
    writer.model("Row", schema.fields, extra="forbid" if schema.extra == "error" else "ignore")
    body = "\n\n".join(writer.classes)
    helpers = [helper for name, helper in (("one_of(", _ONE_OF), ("from_base64)", _FROM_BASE64)) if name in body]
    head = _HEAD.replace("import datetime", "import base64\nimport datetime") if _FROM_BASE64 in helpers else _HEAD
    return "\n\n".join([head, *helpers, body])


class _Writer:
    """Collects the classes, inner ones first."""

    def __init__(self, base: type) -> None:
        self.base = base
        self.classes: list[str] = []

    def model(self, name: str, fields: Sequence[Field], *, extra: str) -> str:
        """Write a class; its name."""
        taken: dict[str, str] = {}
        for field in fields:
            attribute = attribute_name(field.name, taken, self.base)
            taken[attribute] = self._member(field, attribute, name)
        settings = f"extra={extra!r}, populate_by_name=True, protected_namespaces=()"
        if any(field.pattern for field in fields):  # pydantic's own engine has no look-ahead
            settings += ", regex_engine='python-re'"
        config = f"    model_config = ConfigDict({settings})\n"
        members = "".join(f"    {attribute}: {text}\n" for attribute, text in taken.items())
        self.classes.append(f"class {name}(BaseModel):\n{config}\n{members}")
        return name

    def _member(self, field: Field, attribute: str, parent: str) -> str:
        annotation = self._annotation(field, f"{parent}{_camel(attribute)}")
        details = {
            "alias": field.name if attribute != field.name else None,
            "description": field.description or None,
            "deprecated": field.deprecated or None,
        }
        arguments = [f"{key}={value!r}" for key, value in details.items() if value is not None]
        if not field.required:
            arguments.insert(0, f"default={field.default!r}")
        return f"{annotation} = Field({', '.join(arguments)})" if arguments else annotation

    def _annotation(self, field: Field, name: str) -> str:
        values = enumerated(field)
        made = _annotated(self._type(field.type, name), _limits(field)) if values is None else _one_of(values)
        return f"{made} | None" if field.nullable else made

    def _type(self, kind: DataType, name: str) -> str:
        match kind:
            case Category():
                return _one_of(kind.values)
            case List():
                item = self._type(kind.item, name)
                return f"list[{item} | None]" if kind.nullable else f"list[{item}]"
            case Struct():
                return self.model(name, kind.fields, extra="ignore")
            case Tensor():
                return self._tensor(kind, name)
        scalar = SCALARS[type(kind)]
        return scalar.source.format(kind=kind, datetime=datetime_name(kind) if isinstance(kind, Timestamp) else "")

    def _tensor(self, kind: Tensor, name: str) -> str:
        made = self._type(parse_type(kind.dtype), name)
        for axis in reversed(kind.shape):
            limits = [] if axis is None else [f"min_length={axis}", f"max_length={axis}"]
            made = _annotated(f"list[{made}]", limits)
        return made


def _camel(attribute: str) -> str:
    return "".join(part.capitalize() for part in re.split("_+", attribute))


def _annotated(kind: str, limits: Sequence[str]) -> str:
    return f"Annotated[{kind}, Field({', '.join(limits)})]" if limits else kind


def _one_of(values: Sequence[object]) -> str:
    listed = ", ".join(repr(value) for value in values)
    kind = type(values[0]) if values else float
    if kind is str:
        return f"Literal[{listed}]"
    # no literal is a float, and to pydantic the literal 1 is True as well
    return f"Annotated[{kind.__name__}, Strict(), AfterValidator(one_of({listed}))]"


def _limits(field: Field) -> list[str]:
    """The arguments of `Field` for the limits of a field; bounds of times are objects of Python."""
    bounds: dict[str, object] = {"ge": field.minimum, "le": field.maximum}
    bounds["pattern"] = anchored(field.pattern) if field.pattern else None
    bounds |= {"min_length": field.min_length, "max_length": field.max_length}
    made = [f"{key}={_literal(value, field.type)}" for key, value in bounds.items() if value is not None]
    if isinstance(field.type, Float):
        made.append(f"allow_inf_nan={field.allow_infinity}")
    return made


def _literal(bound: object, kind: DataType) -> str:
    """A bound as Python source: times and decimals as their objects."""
    text = SCALARS[type(kind)].bound if type(kind) in SCALARS else "{bound!r}"
    count = duration_count(str(bound), "us") if "{microseconds}" in text else 0
    return text.format(bound=bound, microseconds=count)
