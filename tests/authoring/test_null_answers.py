"""Null inside answers of objects, however it is written: packed, verified, and given back by both runtimes."""

from __future__ import annotations

import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwheel
from modelwheel_loader.isolated.wire import Buffers, decode, encode
from modelwheel_loader.proof.comparison import compare
from modelwheel_loader.validate.batch import is_null, objects

NAN, NAN32, NAN64 = float("nan"), np.float32("nan"), np.float64("nan")
MOMENT, SPAN, PRICE = np.datetime64("2020-01-01"), np.timedelta64(1, "s"), decimal.Decimal("1.5")
NO_TIME, NO_SPAN, NO_PRICE = np.datetime64("NaT"), np.timedelta64("NaT"), decimal.Decimal("NaN")
ANSWERS: dict[str, list[Any]] = {
    "texts": ["x", NAN64, NAN, None, pd.NA, np.str_("y")],
    "integers": [1, NAN64, NAN, None, pd.NA, np.int32(4)],
    "booleans": [True, NAN32, NAN64, None, pd.NA, np.bool_(False)],
    "moments": [MOMENT, NO_TIME, pd.NaT, None, MOMENT, pd.Timestamp(2020, 1, 2)],
    "spans": [SPAN, NO_SPAN, pd.NaT, None, SPAN, SPAN * 2],
    "decimals": [PRICE, NO_PRICE, NAN64, None, PRICE, PRICE * 2],
    "bytes": [b"x", NAN64, NAN32, None, pd.NA, b""],
}
WITHIN: dict[str, Callable[[Any], Any]] = {"alone": lambda v: v, "list": lambda v: [v], "dict": lambda v: {"a": v}}
X = pd.DataFrame({"row": np.arange(6)})


def travelled(value: Any) -> Any:
    """What another process gets of an answer of an isolated model."""
    buffers = Buffers()
    tree = json.loads(json.dumps(encode(value, buffers)))
    memory = bytearray(buffers.size)
    buffers.write(memoryview(memory))
    return decode(tree, memoryview(memory))


def inner(value: Any) -> Any:
    if isinstance(value, list | dict):
        (value,) = value.values() if isinstance(value, dict) else value
    return value


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("within", WITHIN)
@pytest.mark.parametrize("form", [objects, list])
def test_null_in_objects_comes_back(kind: str, within: str, form: Callable[[Any], Any], tmp_path: Path) -> None:
    values = list(map(WITHIN[within], ANSWERS[kind]))

    def predict(data: Any) -> Any:
        return form([values[row] for row in data["row"]])

    bundle = modelwheel.pack(
        predict,
        name="nulls",
        version="1.0",
        sample=X,
        out=tmp_path,
        examples=modelwheel.Examples(rows=6),
        dependencies=modelwheel.Dependencies(lock="none"),
    )
    report = bundle.verify()
    assert report.ok, str(report)
    assert bundle.examples is not None
    rows = bundle.examples.input["row"]
    golden, answer = bundle.examples.output("predict"), bundle.load().predict({"row": rows})
    assert [repr(item) for item in answer] == [repr(values[row]) for row in rows]
    recorded, asked = [list(map(inner, part)) for part in (golden, answer)]
    assert list(map(is_null, recorded)) == list(map(is_null, asked))
    assert set(map(is_null, recorded)) == {True, False}
    assert compare(golden, answer).within
    assert compare(golden, travelled(answer)).within


def test_a_list_of_numbers_may_hold_lists_of_other_lengths(tmp_path: Path) -> None:
    def predict(data: Any) -> Any:
        return [[1.0] * int(row) for row in data["row"]]

    bundle = modelwheel.pack(
        predict,
        name="ragged",
        version="1.0",
        sample=X,
        out=tmp_path,
        dependencies=modelwheel.Dependencies(lock="none"),
    )
    assert bundle.verify().ok


@pytest.mark.parametrize(("one", "other"), [(True, NAN32), (0, None), ("", NAN64), ("nan", NAN), (PRICE, NO_PRICE)])
def test_null_equals_nothing_but_null(one: Any, other: Any) -> None:
    assert not compare([one, "x"], [other, "x"]).within
    assert not compare([[one]], [[other]]).within
