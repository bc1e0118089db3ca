"""Checked batches travel unchanged, whatever their columns are; what is no batch of the schema is refused."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from modelwheel_loader.isolated.wire import (
    Buffers,
    WireError,
    compile_answer_decoder,
    compile_batch_decoder,
    encode_batch,
)
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Float
from modelwheel_loader.proof.codec import SparseRows
from modelwheel_loader.validate.batch import Batch, Column, objects

SCHEMA = Schema(
    fields=(Field(name="a", type=Float(64)), Field(name="b", type=Float(64))), layout="frame", container="pandas"
)


def travelled(batch: Batch, *names: str) -> tuple[Batch, Any]:
    """The batch on the other side, whose schema has fields of these names, and the tree that went."""
    buffers = Buffers()
    tree = json.loads(json.dumps(encode_batch(batch, buffers)))
    memory = bytearray(buffers.size)
    buffers.write(memoryview(memory))
    schema = Schema(fields=tuple(Field(name=name, type=Float(64)) for name in names), layout="frame")
    return compile_batch_decoder(schema)(tree, memoryview(memory)), tree


def test_batches_travel_with_their_nulls() -> None:
    values = np.array([1.0, None, "x"], dtype=object)
    missing = np.array([False, True, False])
    batch = Batch(3, {"a": Column(values, missing), "b": Column(np.arange(3.0), None)})
    back, _ = travelled(batch, "a", "b")
    assert back.column("a").values.tolist() == [1.0, None, "x"]
    assert back.column("a").missing is not None
    assert back.column("b").values.tolist() == [0, 1, 2]
    assert values[1] is None


def test_columns_of_one_dtype_travel_as_one_array() -> None:
    none, second = np.array([False, False, False]), np.array([False, True, False])
    columns = {
        "n": Column(np.arange(3.0)),
        "m": Column(np.arange(12.0)[::4], second),
        "i": Column(np.arange(3)),
        "s": Column(objects(["a", "é", ""])),
        "t": Column(objects(["b", float("nan"), "c"]), second),
        "u": Column(objects(["d\0e", "f", "g"]), none),
        "when": Column(np.array(["2020-01-01", "NaT", "2020-01-03"], "datetime64[us]"), second),
        "price": Column(objects([Decimal("1.10"), None, Decimal(2)]), second),
        "day": Column(objects([dt.date(2020, 1, 1)] * 3)),
        "flag": Column(np.array([True, False, True])),
        "tensor": Column(np.arange(6, dtype="float32").reshape(3, 2)),
        "texts": Column(np.array(["a", "bc", "d"])),
    }
    back, tree = travelled(Batch(3, columns), *columns)
    assert [names for names, _ in tree["together"]] == [
        ["n", "m"],
        ["i"],
        ["s", "t", "u"],
        ["when"],
        ["price", "day"],
        ["flag"],
    ]
    assert set(back.columns) == set(columns)
    for name, (values, missing) in columns.items():
        there = back.column(name)
        assert there.values.dtype == values.dtype
        present = np.ones(3, dtype=bool) if missing is None else ~missing
        np.testing.assert_array_equal(there.values[present], values[present])
        if missing is None:
            assert there.missing is None
        else:
            np.testing.assert_array_equal(there.missing, missing)
    assert back.column("t").values[1] == ""  # it is missing: anything may be there


def test_floats_in_a_block_travel_beside_columns() -> None:
    batch = Batch(2, {"k": Column(np.arange(2))}, block=np.ones((2, 2)), block_names=("a", "b"))
    back, _ = travelled(batch, "a", "k", "b")
    assert back.block_names == ("a", "b")
    assert back.owned
    np.testing.assert_array_equal(back.block, np.ones((2, 2)))
    np.testing.assert_array_equal(back.column("k").values, [0, 1])


def test_sparse_columns_and_no_rows_travel() -> None:
    rows = SparseRows(np.ones(1), np.array([2], "int32"), np.array([0, 0, 1], "int32"), (2, 3))
    back, _ = travelled(Batch(2, {"s": Column(rows)}), "s")
    np.testing.assert_array_equal(back.column("s").values.toarray(), [[0, 0, 0], [0, 0, 1]])
    back, _ = travelled(Batch(0, {"a": Column(np.zeros(0)), "b": Column(objects([]))}), "a", "b")
    assert back.rows == 0
    assert back.column("b").values.dtype == object


NUMBERS = {"a": ["<f8", [2, 1], "C", 0]}
BOTH = ["a", "b"]


def wrong(**changed: Any) -> dict[str, Any]:
    return {"rows": 1, "together": [[BOTH, NUMBERS]], "alone": {}} | changed


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {},
        {"rows": 1},
        {"rows": "1", "block": {"a": ["<f8", [1, 2], "C", 0]}},
        {"rows": 1, "block": {"p": [1]}},
        {"rows": 1, "block": {"a": ["<f8", [1, 3], "C", 0]}},
        {"rows": 1, "together": []},
        wrong(rows="1"),
        wrong(rows=2),
        wrong(together=1),
        wrong(together=[1]),
        wrong(together=[[BOTH, {"p": [1, 2]}]]),
        wrong(together=[[["a", "b", "c"], NUMBERS]]),
        wrong(together=[[["a", "c"], NUMBERS]]),
        wrong(together=[[["a", []], NUMBERS]]),
        wrong(together=[[["a"], {"a": ["<f8", [1, 1], "C", 0]}]]),
        wrong(alone=1),
        wrong(alone={"a": 1}),
        wrong(alone={"a": {"p": [1]}}),
        wrong(alone={"a": {"a": ["<f8", [2], "C", 0]}}),
        wrong(missing=1),
        wrong(missing=[["a"], {"a": ["<f8", [1, 1], "C", 0]}]),
        wrong(missing=[["c"], {"a": ["|b1", [1, 1], "C", 0]}]),
        wrong(missing=[["a"], {"a": ["|b1", [2, 1], "C", 0]}]),
        wrong(block={"a": ["<f8", [1, 1], "C", 0]}),
    ],
)
def test_batches_that_do_not_fit_are_refused(tree: Any) -> None:
    memory = memoryview(bytes(64))
    with pytest.raises(WireError):
        compile_batch_decoder(SCHEMA)(tree, memory)
    read: Callable[[Any, memoryview], Any] = compile_answer_decoder(SCHEMA)
    for answer in (tree, {"name": None, "table": tree}):
        with pytest.raises(WireError):
            read(answer, memory)


def test_the_smallest_batch_that_fits_is_taken() -> None:
    batch = compile_batch_decoder(SCHEMA)(wrong(), memoryview(bytes(64)))
    assert {name: column.values.tolist() for name, column in batch.columns.items()} == {"a": [0.0], "b": [0.0]}
