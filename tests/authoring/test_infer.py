from __future__ import annotations

import datetime as dt
import decimal
import subprocess
import sys
import uuid
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

from modelwheel.inference.infer import Sample, infer_schema, spread
from modelwheel_loader.errors import PackError, UsageError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Category, Tensor


def only(sample: Any, **options: Any) -> Field:
    schema = infer_schema(sample, **options).schema
    assert len(schema) == 1
    return schema.fields[0]


def series(values: Any, dtype: Any = None) -> pd.DataFrame:
    return pd.DataFrame({"c": pd.Series(values, dtype=dtype)})


def codes(sample: Any) -> set[str]:
    return {note.code for note in infer_schema(sample).notes}


BERLIN = dt.timezone(dt.timedelta(hours=1))
PANDAS: list[tuple[Any, Any, str, str, str | None]] = [
    ([1, 2], "int64", "int64", "int64", None),
    ([1, 2], "uint8", "uint8", "uint8", None),
    ([1.0, 2.0], "float64", "float64", "float64", None),
    ([1.0, None], "float64", "float64", "float64", "nan"),
    ([1.5, None], "float32", "float32", "float32", "nan"),
    ([True, False], "bool", "bool", "bool", None),
    ([True, None], "boolean", "bool", "boolean", "na"),
    ([1, None], "Int8", "int8", "Int8", "na"),
    ([1, None], "UInt64", "uint64", "UInt64", "na"),
    ([1.5, None], "Float32", "float32", "Float32", "na"),
    (["a", None], "str", "string", "str", "nan"),
    (["a", None], "string", "string", "string", "na"),
    (["a", None], object, "string", "object", "none"),
    (["a", np.nan], object, "string", "object", "nan"),
    ([True, None], object, "bool", "object", "none"),
    ([1, None], object, "int64", "object", "none"),
    ([2**63, 1], object, "uint64", "object", None),
    ([1.5, None], object, "float64", "object", "none"),
    ([b"a"], object, "binary", "object", None),
    ([dt.date(2026, 1, 1), None], object, "date", "object", "none"),
    ([dt.datetime(2026, 1, 1), None], object, "timestamp[us]", "object", "none"),  # noqa: DTZ001
    ([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], object, "timestamp[us, UTC]", "object", None),
    ([dt.timedelta(1)], object, "duration[us]", "object", None),
    ([decimal.Decimal("1.25"), decimal.Decimal(100)], object, "decimal(5, 2)", "object", None),
    ([decimal.Decimal("1e3")], object, "decimal(4, 0)", "object", None),
    ([[1, 2], [], None], object, "list[int64]", "object", "none"),
    ([[1.5, None]], object, "list[float64?]", "object", None),
    ([{"a": 1}, {"a": 2, "b": "x"}], object, "struct[a: int64, b: string?]", "object", None),
    ([pd.NA, "a"], object, "string", "object", "na"),
    (["2026-01-01", None], "datetime64[ns]", "timestamp[ns]", "datetime64[ns]", "nat"),
    (["2026-01-01", None], "datetime64[s]", "timestamp[s]", "datetime64[s]", "nat"),
    (
        ["2026-01-01"],
        "datetime64[us, Europe/Berlin]",
        "timestamp[us, Europe/Berlin]",
        "datetime64[us, Europe/Berlin]",
        None,
    ),
    ([1, None], "timedelta64[ms]", "duration[ms]", "timedelta64[ms]", "nat"),
    ([1, None], "int64[pyarrow]", "int64", "int64[pyarrow]", "na"),
    (["a", None], "category", "category", "category", "nan"),
]


@pytest.mark.parametrize(("values", "dtype", "kind", "physical", "null"), PANDAS)
def test_pandas_columns(values: Any, dtype: Any, kind: str, physical: str, null: str | None) -> None:
    field = only(series(values, dtype))
    assert str(field.type) == kind
    assert field.physical is not None
    assert (field.physical.dtype, field.physical.null) == (physical, null)
    assert field.nullable == (null is not None)
    assert field.observed is not None
    assert (field.observed.rows, field.observed.nulls) == (len(values), int(null is not None))
    schema = infer_schema(series(values, dtype)).schema
    assert Schema.from_dict(schema.to_dict()) == schema


POLARS: list[tuple[pl.Series, str, str | None]] = [
    (pl.Series([1, None], dtype=pl.Int16), "int16", "none"),
    (pl.Series([1.5, float("nan")]), "float64", "nan"),
    (pl.Series([1.5, None], dtype=pl.Float32), "float32", "none"),
    (pl.Series(["a", None]), "string", "none"),
    (pl.Series([True]), "bool", None),
    (pl.Series([b"a"]), "binary", None),
    (pl.Series([dt.date(2026, 1, 1), None]), "date", "none"),
    (pl.Series([dt.datetime(2026, 1, 1)], dtype=pl.Datetime("ms")), "timestamp[ms]", None),  # noqa: DTZ001
    (pl.Series([dt.datetime(2026, 1, 1)], dtype=pl.Datetime("us", "UTC")), "timestamp[us, UTC]", None),  # noqa: DTZ001
    (pl.Series([dt.timedelta(1)], dtype=pl.Duration("ns")), "duration[ns]", None),
    (pl.Series([decimal.Decimal("1.25")], dtype=pl.Decimal(5, 2)), "decimal(5, 2)", None),
    (pl.Series([[1, 2], None]), "list[int64?]", "none"),
    (pl.Series([{"a": 1}]), "struct[a: int64?]", None),
    (pl.Series([[1.0, 2.0]], dtype=pl.Array(pl.Float64, 2)), "tensor[float64, (2)]", None),
    (pl.Series(["a", None], dtype=pl.Categorical), "category", "none"),
    (pl.Series(["a"], dtype=pl.Enum(["b", "a"])), "category", None),
    (pl.Series([None, None]), "string", "none"),
]


@pytest.mark.parametrize(("column", "kind", "null"), POLARS)
def test_polars_columns(column: pl.Series, kind: str, null: str | None) -> None:
    inferred = infer_schema(pl.DataFrame({"c": column}))
    (field,) = inferred.schema.fields
    assert inferred.schema.container == "polars"
    assert str(field.type) == kind
    assert field.physical is not None
    assert field.physical.null == null
    assert field.nullable == (null is not None)


ARROW: list[tuple[Any, str, str | None]] = [
    (pa.array([1, None], pa.int8()), "int8", "none"),
    (pa.array([1.5, None], pa.float16()), "float16", "none"),
    (pa.array([1.5, float("nan")]), "float64", "nan"),
    (pa.array(["a"], pa.large_string()), "string", None),
    (pa.array([True, None]), "bool", "none"),
    (pa.array([b"a"]), "binary", None),
    (pa.array([b"ab"], pa.binary(2)), "binary", None),
    (pa.array([dt.date(2026, 1, 1)], pa.date64()), "date", None),
    (pa.array([1], pa.timestamp("ns", "UTC")), "timestamp[ns, UTC]", None),
    (pa.array([1], pa.duration("s")), "duration[s]", None),
    (pa.array([decimal.Decimal("1.25")]), "decimal(3, 2)", None),
    (pa.array([[1]]), "list[int64?]", None),
    (pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)), "tensor[float64, (2)]", None),
    (pa.array([[["a"] * 2] * 2], pa.list_(pa.list_(pa.string(), 2), 2)), "list[list[string?]?]", None),
    (pa.array([[[1.0] * 2] * 3], pa.list_(pa.list_(pa.float64(), 2), 3)), "tensor[float64, (3, 2)]", None),
    (pa.array([{"a": 1}]), "struct[a: int64?]", None),
    (pa.array(["b", "a", None]).dictionary_encode(), "category", "none"),
    (pa.nulls(1), "string", "none"),
]


@pytest.mark.parametrize(("column", "kind", "null"), ARROW)
def test_arrow_columns(column: Any, kind: str, null: str | None) -> None:
    (field,) = infer_schema(pa.table({"c": column})).schema.fields
    assert str(field.type) == kind
    assert field.physical is not None
    assert field.physical.null == null


def test_categories_come_from_the_dtype_with_their_order() -> None:
    values = pd.Categorical(["lo", "hi"], categories=["lo", "mid", "hi"], ordered=True)
    assert only(pd.DataFrame({"c": values})).type == Category(("lo", "mid", "hi"), ordered=True)
    assert only(pd.DataFrame({"c": pd.Categorical([3, 1, 3])})).type == Category((1, 3))
    assert only(pl.DataFrame({"c": pl.Series(["a"], dtype=pl.Enum(["b", "a"]))})).type == Category(
        ("b", "a"), ordered=True
    )
    assert only(pa.table({"c": pa.array(["b", "a"]).dictionary_encode()})).type == Category(("b", "a"))


@pytest.mark.parametrize(
    "sample",
    [
        pd.DataFrame({"c": pd.Categorical([f"v{i}" for i in range(30)])}),
        pl.DataFrame({"c": pl.Series([f"v{i}" for i in range(30)], dtype=pl.Categorical)}),
        pa.table({"c": pa.array([f"v{i}" for i in range(30)]).dictionary_encode()}),
    ],
)
def test_too_many_categories_are_not_stored_unless_asked(sample: Any) -> None:
    inferred = infer_schema(sample, max_categories=29)
    (field,) = inferred.schema.fields
    assert str(field.type) == "string"
    assert "categories-not-stored" in {note.code for note in inferred.notes}
    again = infer_schema(inferred.sample, max_categories=29).schema.fields[0]
    assert again.physical == field.physical
    assert str(only(sample, max_categories=30).type) == "category"


def test_text_of_few_values_stays_text() -> None:
    assert str(only(series(["a", "b"] * 50)).type) == "string"


def test_every_column_that_no_type_describes_is_told_at_once() -> None:
    frame = pd.DataFrame(
        {
            "good": [1, 2],
            "mixed": pd.Series(["a", 1], dtype=object),
            "truth": pd.Series([True, 2], dtype=object),
            "object": [uuid.uuid4(), uuid.uuid4()],
            "period": pd.period_range("2026", periods=2),
            "interval": pd.Categorical(pd.interval_range(0, 2)),
            "complex": [1j, 2j],
            "huge": pd.Series([2**64, 1], dtype=object),
            "both signs": pd.Series([2**63, -1], dtype=object),
            "zones": pd.Series([dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)], dtype=object),  # noqa: DTZ001
            "decimals": [decimal.Decimal("Infinity"), decimal.Decimal(1)],
            "long": [decimal.Decimal("1e-80"), decimal.Decimal(1)],
            "keys": [{1: 2}, {1: 3}],
            "fine": pd.Series([pd.Timestamp("2026-01-01T00:00:00.000000001")] * 2, dtype=object),
            "fine too": pd.Series([pd.Timedelta(1, "ns")] * 2, dtype=object),
            "time": pd.Series([1, 2], dtype=pd.ArrowDtype(pa.time64("us"))),
        }
    )
    with pytest.raises(PackError) as caught:
        infer_schema(frame)
    assert [defect.field for defect in caught.value.defects] == list(frame)[1:]
    assert "bool and int" in str(caught.value)
    with pytest.raises(PackError):
        infer_schema(pl.DataFrame({"c": [dt.time(1)]}))
    with pytest.raises(PackError):
        infer_schema(pl.DataFrame({"c": pl.Series([object()], dtype=pl.Object)}))
    with pytest.raises(PackError):
        infer_schema(pa.table({"c": pa.array([1], pa.time32("s"))}))


def test_two_ways_to_write_null_become_one_and_the_callers_data_stays() -> None:
    frame = series(["a", None, np.nan, None], object)
    inferred = infer_schema(frame)
    assert inferred.schema["c"].physical is not None
    assert inferred.schema["c"].physical.null == "none"
    assert [note.code for note in inferred.notes if note.field == "c"] == ["mixed-nulls"]
    assert inferred.sample["c"].tolist() == ["a", None, None, None]
    assert isinstance(frame["c"][2], float)
    array = np.array([["a", None], [np.nan, 1.5], [None, None]], dtype=object)
    made = infer_schema(array)
    assert made.sample[1, 0] is None
    assert isinstance(array[1, 0], float)


@pytest.mark.parametrize(
    "sample",
    [pl.DataFrame({"c": [1.5, None, float("nan")]}), pa.table({"c": [1.5, None, float("nan")]})],
)
def test_null_and_nan_in_one_column_become_null(sample: Any) -> None:
    inferred = infer_schema(sample)
    assert inferred.schema["c"].observed is not None
    assert inferred.schema["c"].observed.nulls == 2
    column = inferred.sample["c"]
    nulls = [
        values.null_count() if callable(values.null_count) else values.null_count for values in (column, sample["c"])
    ]
    assert nulls == [2, 1]
    assert "mixed-nulls" in {note.code for note in inferred.notes}


def test_integers_and_floats_in_one_column_become_floats() -> None:
    inferred = infer_schema(series([1, 2.5], object))
    assert str(inferred.schema["c"].type) == "float64"
    assert [type(value) for value in inferred.sample["c"]] == [float, float]


def test_labels_that_are_integers_are_kept() -> None:
    schema = infer_schema(pd.DataFrame({0: [1], 7: [2], "a": [3]})).schema
    assert schema.names == ("0", "7", "a")
    assert [field.physical and field.physical.label for field in schema] == [0, 7, None]


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pd.DataFrame([[1, 2]], columns=["0", 0]),
        pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)])),
        pd.DataFrame([[1, 2]], columns=[1.5, True]),
        pd.DataFrame(index=[1, 2]),
        [{1: 2}],
        {1: np.ones(2)},
    ],
)
def test_columns_that_cannot_be_told_apart_by_name_are_refused(frame: Any) -> None:
    with pytest.raises(PackError) as caught:
        infer_schema(frame)
    assert caught.value.code in ("infer.labels", "infer.empty")


def test_arrays() -> None:
    matrix = infer_schema(np.array([[1.5, np.nan], [2.5, np.inf]], dtype=np.float32)).schema
    assert (matrix.layout, matrix.dtype, matrix.names) == ("matrix", "float32", ("x0", "x1"))
    assert [field.nullable for field in matrix] == [False, True]
    assert [field.allow_infinity for field in matrix] == [False, True]
    assert matrix["x1"].observed is not None
    assert matrix["x1"].observed.maximum is None
    whole = infer_schema(np.array([[1, 2]], dtype=np.int16)).schema
    assert [str(field.type) for field in whole] == ["int16", "int16"]
    truth = infer_schema(np.array([[True]])).schema
    assert (str(truth["x0"].type), truth.dtype) == ("bool", "bool")
    mixed = infer_schema(np.array([["a", 1.5], [None, 2.5]], dtype=object)).schema
    assert (mixed.dtype, [str(field.type) for field in mixed]) == ("object", ["string", "float64"])
    texts = infer_schema(np.array([["a", "b"]]))
    assert (texts.schema.layout, texts.schema.dtype, texts.sample.dtype) == ("matrix", "object", object)
    wide = infer_schema(np.ones((2, 5000))).schema
    assert (wide.layout, wide["x"].type) == ("array", Tensor("float64", (5000,)))
    images = infer_schema(np.zeros((2, 3, 4), dtype=np.uint8)).schema
    assert images["x"].type == Tensor("uint8", (3, 4))
    assert only(np.array(["a", "b"])).name == "text"
    assert only(np.array([1.5])).name == "x"
    assert str(only(np.array([b"a"])).type) == "binary"


@pytest.mark.parametrize(
    "sample",
    [
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([1j]),
        np.array([[1j]]),
        np.array([[[1j]]]),
        np.array(["2026"], dtype="datetime64[Y]"),
        np.array([1], dtype="timedelta64[2s]"),
        np.array([1], dtype=np.longdouble),
        np.ones((2, 0, 3)).astype(object),
        scipy.sparse.csr_matrix(np.array([[1j]])),
    ],
)
def test_arrays_that_no_type_describes_are_refused(sample: Any) -> None:
    with pytest.raises(PackError) as caught:
        infer_schema(sample)
    assert caught.value.code == "infer.column"


def test_sparse_matrices() -> None:
    for make in (scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_matrix):
        field = only(make(np.eye(3)))
        assert field.type == Tensor("float64", (3,), sparse=True)
        assert field.physical is not None
        assert field.physical.dtype == make.__name__


def test_lists() -> None:
    assert infer_schema(["a", "b"]).schema.container == "list"
    assert only(["a", None]).nullable
    assert str(only([1, 2]).type) == "int64"
    assert str(only([[1], [2, 3]]).type) == "list[int64]"
    rows = infer_schema([[1.5, 2.0], [3.0, 4.0]])
    assert rows.schema.layout == "matrix"
    assert isinstance(rows.sample, np.ndarray)
    records = infer_schema([{"a": 1, "b": "x"}, {"a": None}])
    assert records.schema.layout == "records"
    assert [field.nullable for field in records.schema] == [True, True]
    assert records.sample == [{"a": 1, "b": "x"}, {"a": None, "b": None}]
    assert {note.code for note in records.notes} >= {"absent"}
    widened = infer_schema([{"a": 1}, {"a": 2.5}])
    assert [type(record["a"]) for record in widened.sample] == [float, float]


def test_series() -> None:
    assert infer_schema(pd.Series(["a"], name="review")).schema.names == ("review",)
    assert infer_schema(pd.Series(["a"])).schema.names == ("text",)
    assert infer_schema(pl.Series("", [1])).schema.names == ("x",)
    assert infer_schema(pa.chunked_array([["a"]])).schema.container == "pyarrow"
    mixed = infer_schema(pd.Series(["a", None, np.nan, None], dtype=object))
    assert mixed.sample.tolist() == ["a", None, None, None]


def test_dicts_of_columns() -> None:
    sample = {
        "a": np.array([1, 2]),
        "b": [1.5, None],
        "c": pd.Series(["x", "y"]),
        "d": np.ones((2, 3)),
        "e": scipy.sparse.csr_matrix(np.eye(2)),
        "f": [1, 2.5],
        "g": [[1, 2], [3, 4]],
        "h": [[1], [2, 3]],
    }
    inferred = infer_schema(sample)
    assert inferred.schema.layout == "columns"
    kinds = ["int64", "float64", "string", "tensor[float64, (3)]", "sparse tensor[float64, (2)]", "float64"]
    assert [str(field.type) for field in inferred.schema] == [*kinds, "tensor[int64, (2)]", "list[int64]"]
    assert all(hasattr(values, "shape") for values in inferred.sample.values())
    assert isinstance(sample["b"], list)


@pytest.mark.parametrize(
    "sample",
    [5, "text", None, {"a": 1}, {"a": "text"}, {"a": np.array(5)}, np.ma.array([1]), object(), {1, 2}, iter([1])],
)
def test_what_is_no_sample_is_refused_as_wrong_use(sample: Any) -> None:
    with pytest.raises(UsageError):
        infer_schema(sample)


@pytest.mark.parametrize("sample", [[], np.empty((0, 2)), pd.DataFrame({"a": []}), {}, np.array(5)])
def test_an_empty_sample_is_refused(sample: Any) -> None:
    with pytest.raises(PackError) as caught:
        infer_schema(sample)
    assert caught.value.code == "infer.empty"


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(PackError) as caught:
        infer_schema({"a": [1, 2], "b": [1]})
    assert caught.value.code == "infer.lengths"


def test_what_was_seen_is_information_and_no_limit() -> None:
    field = only(series([3, 1, 2]))
    assert field.observed is not None
    assert (field.observed.minimum, field.observed.maximum, field.observed.distinct) == (1, 3, 3)
    assert (field.minimum, field.maximum) == (None, None)
    moment = only(series(["2026-01-02", "2026-01-01"], "datetime64[s]")).observed
    assert moment is not None
    assert (moment.minimum, moment.maximum) == ("2026-01-01T00:00:00", "2026-01-02T00:00:00")
    zoned = only(series(["2026-01-02"], "datetime64[s, Europe/Berlin]")).observed
    assert zoned is not None
    assert zoned.minimum == "2026-01-01T23:00:00Z"
    infinite = only(series([1.0, np.inf, -np.inf]))
    assert infinite.allow_infinity
    assert infinite.observed is not None
    assert (infinite.observed.minimum, infinite.observed.maximum) == (1.0, 1.0)


def test_constant_and_identifier_columns_are_noticed() -> None:
    assert "constant" in codes(series(["a"] * 5))
    assert "constant" in codes(series([1.5] * 5))
    assert "constant" in codes(np.ones((5, 2)))
    assert "constant" not in codes(series([1.5]))
    assert "constant" not in codes(series([1.5, None, 1.5])), "that something is missing is a value as well"
    assert "constant" not in codes(np.array([[1.5], [np.nan], [1.5]]))
    assert "constant" not in codes(series([1.5, np.inf, 1.5]))
    assert "identifier" in codes(series([f"user-{i}" for i in range(30)]))
    assert "identifier" in codes(series(list(range(5000))))
    assert "identifier" not in codes(series([*range(4999), 0]))
    assert "identifier" not in codes(series([1, 2, 3, 4]))
    assert "identifier" not in codes(series([0.5 + i for i in range(50)]))
    assert "all-null" in codes(series([None, None], object))
    assert "index-ignored" in codes(pd.DataFrame({"a": [1]}, index=pd.Index([1], name="customer")))
    assert "never-null" in codes(series([1]))
    assert "never-null" not in codes(series([1.0, None]))


SAMPLES: dict[str, Any] = {
    "pandas": pd.DataFrame({"a": [1.5, None, 3.0, 9.0], "b": ["x", "y", "y", "y"]}),
    "polars": pl.DataFrame({"a": [1.5, None, 3.0, 9.0], "b": ["x", "y", "y", "y"]}),
    "arrow": pa.table({"a": [1.5, None, 3.0, 9.0], "b": ["x", "y", "y", "y"]}),
    "matrix": np.arange(8.0).reshape(4, 2),
    "texts": ["a", "b", "c", "d"],
    "series": pd.Series(["a", "b", "c", "d"]),
    "sparse": scipy.sparse.csc_matrix(np.eye(4)),
    "records": [{"a": 1}, {"a": None}, {"a": 3}, {"a": 4}],
    "columns": {
        "a": np.arange(4),
        "t": np.ones((4, 2)),
        "l": [[1], [2], [3], [4]],
        "s": scipy.sparse.csr_matrix(np.eye(4)),
    },
    "images": np.zeros((4, 2, 2)),
    "chunked": pa.chunked_array([["a", "b"], ["c", "d"]]),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_are_counted_and_picked_in_every_kind_of_sample(name: str) -> None:
    sample = SAMPLES[name]
    assert Sample.of(sample).rows == 4
    part = Sample.of(sample).take([2, 0])
    assert type(part) is type(sample)
    assert Sample.of(part).rows == 2
    assert Sample.of(Sample.of(sample).take([])).rows == 0
    assert Sample.of(SAMPLES["texts"]).take([2, 0]) == ["c", "a"]
    assert Sample.of(SAMPLES["pandas"]).take([2, 0])["b"].tolist() == ["y", "x"]
    assert Sample.of(SAMPLES["sparse"]).take([1]).toarray().tolist() == [[0.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_spread_is_deterministic_and_bounded(name: str) -> None:
    sample = SAMPLES[name]
    for rows in (0, 1, 2, 3, 9):
        chosen = spread(sample, rows=rows)
        assert len(chosen) == min(rows, 4)
        assert chosen.tolist() == spread(sample, rows=rows).tolist() == sorted(set(chosen.tolist()))


def test_a_spread_shows_nulls_rare_values_and_extremes() -> None:
    frame = pd.DataFrame({"n": np.arange(1000) % 10 * 1.0, "s": ["common"] * 1000, "t": pd.Timestamp("2026-01-01")})
    frame.loc[500, "n"] = np.nan
    frame.loc[600, "n"] = -50.0
    frame.loc[700, "s"] = "rare"
    frame.loc[800, "t"] = pd.Timestamp("2030-01-01")
    chosen = spread(frame, rows=16)
    assert {0, 999, 500, 600, 700, 800} <= set(chosen.tolist())
    only_null_at_the_ends = pd.DataFrame({"n": [np.nan, 1.0, 2.0, np.nan]})
    assert set(spread(only_null_at_the_ends, rows=3).tolist()) & {1, 2}


def test_inference_imports_no_library_of_tables() -> None:
    code = (
        "import sys, numpy as np; from modelwheel.inference.infer import infer_schema, spread, Sample, infer_output;"
        "s = [{'a': 1.5, 'b': 'x'}] * 5; infer_schema(s);"
        "Sample.of(s).take(spread(s, rows=2)); infer_output(np.ones(3), 3);"
        "print(sorted({'pandas', 'polars', 'pyarrow', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nan_inside_a_tensor_is_no_null() -> None:
    field = only(np.array([[[np.nan]], [[1.0]]]))
    assert (field.nullable, field.allow_infinity) == (False, True)
    sparse = only(scipy.sparse.csr_matrix(np.array([[np.nan, 0.0]])))
    assert (sparse.nullable, sparse.allow_infinity) == (False, True)
    assert not only(np.zeros((2, 2, 2))).allow_infinity


def test_numpy_times_among_objects() -> None:
    field = only(series([np.datetime64("2026-01-01", "us"), np.datetime64("NaT", "us")], object))
    assert str(field.type) == "timestamp[us]"
    assert field.physical is not None
    assert field.physical.null == "nat"
    durations = only([np.timedelta64(5, "ms"), None])
    assert (str(durations.type), durations.observed and durations.observed.maximum) == (
        "duration[us]",
        "5000 microseconds",
    )
    lists = only(pa.table({"c": pa.array([[dt.date(2026, 1, 1)]], pa.list_(pa.date32(), 1))}))
    assert str(lists.type) == "list[date?]"


def test_notes_name_their_field() -> None:
    notes = [str(note) for note in infer_schema(series(["a"] * 5)).notes]
    assert notes[0].startswith("c: has one value")
    assert notes[1].startswith("no nulls seen in c")


@pytest.mark.parametrize(
    ("column", "hint"),
    [
        (pd.arrays.SparseArray([0.0, 1.0]), "to_dense"),
        (pd.period_range("2020", periods=2, freq="M"), "to_timestamp"),
        (pd.array(pd.interval_range(0, 2)), "astype"),
        (pd.cut([1.0, 2.0], 2), "rename_categories"),
    ],
)
def test_types_that_the_contract_lacks_say_what_to_make_of_them(column: Any, hint: str) -> None:
    with pytest.raises(PackError) as error:
        infer_schema(pd.DataFrame({"c": column}))
    assert hint in error.value.defects[0].hint
