from __future__ import annotations

import pyarrow as pa
import pytest

from modelwheel_loader.errors import UsageError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, DataType, Decimal, List, Struct, Tensor, parse_type

NAMES = "bool int8 uint64 float16 float32 float64 string binary date timestamp[ns] duration[ms]"
KINDS: list[DataType] = [
    *map(parse_type, NAMES.split()),
    parse_type("timestamp[us, Europe/Berlin]"),
    Decimal(5, 2),
    Decimal(50, 3),
    Category(("a", "b"), ordered=True),
    Category((1, 2)),
    Category((0.5,)),
    Category((True,)),
    List(parse_type("int64"), nullable=True),
    List(parse_type("string")),
    Struct((Field(name="a", type=parse_type("int64"), nullable=True), Field(name="b", type=List(parse_type("date"))))),
    Tensor("float32", (2, 3)),
    Tensor("bool", (None, 3)),
    Tensor("uint8", (4,)),
]


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_there_and_back(kind: DataType, nullable: bool) -> None:
    field = Field(name="v", type=kind, nullable=nullable, description="äö", unit="km", deprecated=True)
    schema = Schema(fields=(field,), layout="frame", container="pandas", extra="error")
    assert Schema.from_arrow(schema.to_arrow()) == schema


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_without_our_metadata_arrow_says_the_most_of_it(kind: DataType) -> None:
    schema = Schema(fields=(Field(name="v", type=kind, nullable=True),))
    plain = pa.schema([field.remove_metadata() for field in schema.to_arrow()])
    back = Schema.from_arrow(plain)
    assert (back.layout, back.container) == ("frame", "pyarrow")
    if not isinstance(kind, Category | Tensor):
        assert back.fields == schema.fields


def test_metadata_that_no_longer_fits_the_type_is_not_believed() -> None:
    made = Schema(fields=(Field(name="v", type=parse_type("int64"), minimum=3),)).to_arrow()
    changed = pa.schema([pa.field("v", pa.string(), nullable=False, metadata=made.field(0).metadata)])
    assert Schema.from_arrow(changed)["v"] == Field(name="v", type=parse_type("string"))
    for text in (b"{", b"[]", b'{"name": 5}'):
        broken = pa.schema(
            [pa.field("v", pa.int8(), nullable=False, metadata={b"modelwheel": text})], metadata={b"modelwheel": text}
        )
        assert Schema.from_arrow(broken)["v"] == Field(name="v", type=parse_type("int8"))


def test_types_without_counterpart_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        Schema.from_arrow(pa.schema([("a", pa.int8()), ("b", pa.time32("s")), ("c", pa.map_(pa.string(), pa.int8()))]))
    assert [defect.field for defect in caught.value.defects] == ["b", "c"]
    assert caught.value.code == "schema.arrow"
