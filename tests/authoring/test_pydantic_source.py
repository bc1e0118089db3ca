"""The source of pydantic models: it is Python whatever a bundle holds, and judges as the row validator does."""

from __future__ import annotations

import sys
from typing import Any

import pydantic
import pytest

from modelwheel.schemas.pydantic_source import to_pydantic_source
from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, List, Struct, Tensor, parse_type
from modelwheel_loader.validate.inputs import compile_input


def model_of(schema: Schema) -> type[pydantic.BaseModel]:
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(to_pydantic_source(schema), "generated", "exec"), names)
    made: type[pydantic.BaseModel] = names["Row"]
    made.model_rebuild(_types_namespace=names)
    return made


def one(kind: DataType | str, **more: Any) -> Schema:
    return Schema(fields=(Field(name="x", type=parse_type(kind) if isinstance(kind, str) else kind, **more),))


VALUES: list[Any] = [True, 0, 1, 300, -(2**40), 2**63, 1.5, 1e39, "", "a", "abcd", "2026-01-02", None, [1, 2], {"a": 1}]
SCHEMAS = [
    one("bool"),
    one("int8", nullable=True),
    one("int64", minimum=1, maximum=300),
    one("uint8"),
    one("float64"),
    one("float64", minimum=0.5, nullable=True),
    one("string", pattern="[a-c]*", min_length=1),
    one("string", allowed=("a", "it's")),
    one("int64", allowed=(1, 300)),
    one(Category(("a", "\n'\"\\"), ordered=False)),
    one(Category((1, 300), ordered=False), nullable=True),
    one(Category((True,), ordered=False)),
    one(Category((1.5, 2.5), ordered=False)),
    one(List(parse_type("int64"), nullable=False)),
    one(List(parse_type("string"), nullable=True)),
    one(Struct((Field(name="a", type=parse_type("int64")),))),
    one(Tensor("int64", (2,))),
    one(Tensor("int64", (None,))),
    one("int64", default=7),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema.fields[0].type))
def test_it_judges_as_the_row_validator(schema: Schema) -> None:
    model, check = model_of(schema), compile_input(schema)
    for row in [*({"x": value} for value in VALUES), {}]:
        expected = accepts(check, [row], InputError)
        assert accepts(model.model_validate, row, pydantic.ValidationError) == expected, row


def accepts(call: Any, value: Any, error: type[Exception]) -> bool:
    try:
        call(value)
    except error:
        return False
    return True


def test_times_and_the_rest() -> None:
    kinds = ["date", "timestamp[us]", "timestamp[us, UTC]", "duration[ms]", "decimal(10, 2)", "binary", "float32"]
    fields = [Field(name=f"f{index}", type=parse_type(kind)) for index, kind in enumerate(kinds)]
    fields += [
        Field(name="from", type=parse_type("date"), minimum="2026-01-01"),
        Field(name="at", type=parse_type("timestamp[us]"), maximum="2026-12-31T00:00:00"),
        Field(name="for", type=parse_type("duration[ms]"), minimum="PT1S"),
        Field(name="level", type=Category((1.5, 2.5), ordered=True), description="says \"'''", deprecated=True),
    ]
    model = model_of(Schema(fields=tuple(fields), extra="error"))
    row = {"f0": "2026-01-02", "f1": "2026-01-02T03:04:05", "f2": "2026-01-02T03:04:05Z", "f3": "PT1S", "f4": "1.25"}
    row |= {"f5": "YWJj", "from": "2026-01-02", "at": "2026-01-02T00:00:00", "for": "PT2S"}
    made = model.model_validate({**row, "f6": 1.5, "level": 1.5}).model_dump(by_alias=True)
    assert made["f5"] == b"abc"
    assert made["from"].isoformat() == "2026-01-02"
    for name, value in {
        "from": "2025-01-02",
        "at": "2027-01-02T00:00:00",
        "for": "PT0.5S",
        "more": 1,
        "level": 3.5,
    }.items():
        with pytest.raises(pydantic.ValidationError):
            model.model_validate({**row, "f6": 1.5, "level": 1.5, name: value})


EVIL = ["x: int\n    import os", "'''", '"', "\\", "class", "model_config", "", "1", "\x1b[31m", "a b", "ä"]


def test_names_are_only_ever_text() -> None:
    fields = tuple(Field(name=name, type=parse_type("string"), description=name) for name in EVIL)
    model = model_of(Schema(fields=fields))
    row = dict.fromkeys(EVIL, "value")
    assert model.model_validate(row).model_dump(by_alias=True) == row
    source = to_pydantic_source(Schema(fields=fields))
    assert source.isprintable() is False
    assert "\x1b" not in source


def test_without_pydantic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(MissingExtra, match="pydantic"):
        to_pydantic_source(SCHEMAS[0])
