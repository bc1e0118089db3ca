"""`Schema.check`: the checked data as plain columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import modelwheel
from modelwheel import Field, Schema, types
from modelwheel.errors import InputError, UsageError

SCHEMA = Schema(
    fields=(
        Field(name="a", type=types.parse_type("float64"), nullable=True),
        Field(name="b", type=types.parse_type("int8")),
        Field(name="c", type=types.parse_type("string"), nullable=True),
        Field(name="t", type=types.Tensor("float32", (2,)), nullable=True),
    )
)


def test_rows_become_columns_of_the_types_masked_where_null_is() -> None:
    row = {"a": 1, "b": 2.0, "c": "x", "t": [1, 2]}
    found = SCHEMA.check([row, {"a": np.nan, "b": 3, "c": None, "t": None}])
    assert list(found) == ["a", "b", "c", "t"]
    assert (found["a"].dtype, found["b"].dtype, found["t"].dtype) == (np.float64, np.int8, np.float32)
    assert (type(found["b"]), found["b"].tolist()) == (np.ndarray, [2, 3])
    assert found["a"].tolist() == [1.0, None]
    assert found["c"].tolist() == ["x", None]
    assert found["t"].tolist() == [[1.0, 2.0], [None, None]]
    one = SCHEMA.check(row)
    assert [one[name].tolist() for name in "abc"] == [[1.0], [2], ["x"]]


def test_frames_matrices_and_sparse_rows() -> None:
    fields = tuple(Field(name=name, type=types.Float()) for name in "xy")
    floats = Schema(fields=fields, layout="matrix")
    data = np.arange(4.0).reshape(2, 2)
    for given in (data, pd.DataFrame(data, columns=["x", "y"]), data.tolist()):
        assert floats.check(given)["y"].tolist() == [1.0, 3.0]
    sparse = Schema(fields=(Field(name="s", type=types.Tensor("float64", (2,), sparse=True)),), layout="array")
    assert scipy.sparse.issparse(sparse.check(scipy.sparse.csr_matrix(data))["s"])


def test_every_defect_is_reported_and_data_stays_as_it_is() -> None:
    data = {"a": ["1", 2.0], "b": [1, 300], "c": ["x", "y"]}
    with pytest.raises(InputError) as caught:
        SCHEMA.check(data)
    assert {defect.code for defect in caught.value.defects} == {
        "input.wrong-type", "input.out-of-range", "input.missing-field",
    }  # fmt: skip
    assert data == {"a": ["1", 2.0], "b": [1, 300], "c": ["x", "y"]}
    with pytest.raises(UsageError):
        Schema(fields=(Field(name="a", type=types.parse_type("bool"), minimum=0),)).check([])


def test_the_types_are_public() -> None:
    assert modelwheel.types is types
    for name in types.__all__:
        assert getattr(types, name).__doc__
    assert {kind.__name__ for kind in types.DataType.__subclasses__()} <= set(types.__all__)
