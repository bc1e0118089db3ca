"""What is made of rows lies in memory as the sample does: sums of products depend on it in their last bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

import modelwheel
from modelwheel import Options, Trust

NUMBERS = np.random.default_rng(0).normal(size=(300, 30))
LABELS = NUMBERS.sum(axis=1) > 0
NAMES = [f"c{index}" for index in range(30)]
BY_ROWS = pd.DataFrame(NUMBERS, columns=NAMES, copy=False)  # as the data sets of scikit-learn lie


@pytest.mark.parametrize(
    ("sample", "order"),
    [
        (BY_ROWS, "C"),
        (BY_ROWS[::2], "C"),
        (BY_ROWS.iloc[:, 3:20], "C"),
        (BY_ROWS.astype("float32"), "C"),
        ((BY_ROWS * 1000).astype("int32"), "C"),
        (pd.DataFrame({name: NUMBERS[:, index] for index, name in enumerate(NAMES)}), None),
    ],
    ids=["of-an-array", "some-rows", "some-columns", "narrow", "whole", "of-columns"],
)
def test_rows_and_columns_lie_as_the_frame_of_the_sample(sample: Any, order: str | None, tmp_path: Path) -> None:
    model = LogisticRegression().fit(sample, LABELS[:: 300 // len(sample)])
    bundle = modelwheel.pack(
        model, name="lies", version="1", sample=sample, out=tmp_path, options=Options(runtimes=("native",))
    )
    assert bundle.schema.order == order
    expected = model.predict_proba(sample)
    loaded = modelwheel.load(bundle.path, trust=Trust.unsafe_run_code())
    for data in (
        sample,
        sample.to_dict("records"),
        {name: sample[name].to_numpy() for name in sample},
        pa.Table.from_pandas(sample),
        sample.assign(other=1)[["other", *reversed(sample.columns)]],
    ):
        assert np.array_equal(loaded.predict_proba(data), expected)


@pytest.mark.parametrize(("usual", "order"), [(np.ascontiguousarray, None), (np.asfortranarray, "F")])
def test_lists_lie_as_the_array_of_the_sample(usual: Any, order: str | None, tmp_path: Path) -> None:
    sample = usual(NUMBERS)
    model = LogisticRegression().fit(sample, LABELS)
    bundle = modelwheel.pack(
        model, name="lies", version="1", sample=sample, out=tmp_path, options=Options(runtimes=("native",))
    )
    assert bundle.schema.order == order
    rows = [dict(zip(bundle.schema.names, row, strict=True)) for row in sample.tolist()]
    for data in (sample, sample.tolist(), rows):
        assert np.array_equal(bundle.load().predict_proba(data), model.predict_proba(sample))


def test_what_has_no_order_of_its_own() -> None:
    infer = modelwheel.infer_schema
    assert infer(BY_ROWS[["c1"]]).schema.order is None
    assert infer(BY_ROWS[:1]).schema.order is None
    assert infer(BY_ROWS.assign(c0="text")).schema.order is None
    assert infer(BY_ROWS.convert_dtypes()).schema.order is None
    assert infer(NUMBERS[:, ::2]).schema.order is None


def test_an_order_that_is_none_is_refused() -> None:
    with pytest.raises(modelwheel.errors.UsageError, match="order must be one of C, F"):
        modelwheel.Schema(fields=(), layout="matrix", order="K")  # type: ignore[arg-type]
    with pytest.raises(modelwheel.errors.InvalidBundle, match="order"):
        modelwheel.Schema.from_dict({"fields": [], "layout": "matrix", "order": "K"})
    schema = modelwheel.Schema(fields=(), layout="frame", order="C")
    assert modelwheel.Schema.from_dict(schema.to_dict()) == schema
