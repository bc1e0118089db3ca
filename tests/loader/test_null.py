"""What null is: one definition, which everything else calls."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from modelwheel_loader.validate.batch import is_null, may_be_null, null_name, where_null

SRC = Path(__file__).parents[2] / "src"
HOME = "modelwheel_loader/validate/batch.py"
IDIOMS = r"NAType|NaTType|[\"']NoneType[\"']|\bisnat\(|def _?(?:is_null|null_of|null_name|is_nan)\b|\bnp\.isnan\("
NUMBERS = {"modelwheel_loader/proof/comparison.py"}
"""Where NaN and NaT are numbers that equal themselves, and nothing is missing, as in all of `modelwheel.onnx`."""
NULLS: list[tuple[Any, str]] = [
    (None, "none"), (float("nan"), "nan"), (np.float64("nan"), "nan"), (np.float16("nan"), "nan"),
    (np.longdouble("nan"), "nan"), (Decimal("NaN"), "nan"),
    (np.datetime64("NaT"), "nat"), (np.timedelta64(-(2**63)), "nat"),
    (pd.NaT, "nat"), (pd.NA, "na"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "name"), NULLS, ids=repr)
def test_null_however_it_is_written(value: Any, name: str) -> None:
    assert null_name(value) == name
    assert is_null(value)
    holder = np.array([None], dtype=object)
    holder[0] = value
    mask = where_null(holder)
    assert mask is not None
    assert mask.tolist() == [True]


@pytest.mark.parametrize("value", [0, 0.0, "", "nan", b"", False, [], {}, -np.inf, np.int8(0), dt.date(2026, 1, 1)])
def test_what_is_not_null(value: Any) -> None:
    assert null_name(value) is None
    assert not is_null(value)


def test_a_type_that_only_has_the_name_of_a_null_is_not_null() -> None:
    assert not is_null(type("NAType", (), {})())
    assert may_be_null(type("NAType", (), {}))  # so each value is asked


def test_null_in_arrays() -> None:
    assert where_null(np.array([1.0, 2.0])) is None
    assert where_null(np.array([1, 2])) is None
    assert where_null(np.array(["nan"])) is None
    for values in (np.array([1.0, np.nan]), np.array(["2026-01-01", "NaT"], dtype="M8[D]"), np.array([1, None])):
        mask = where_null(values)
        assert mask is not None
        assert mask.tolist() == [False, True]


def test_null_is_defined_in_one_place() -> None:
    for path in sorted(SRC.rglob("*.py")):
        name = path.relative_to(SRC).as_posix()
        if name == HOME or name in NUMBERS or name.startswith("modelwheel/onnx/"):
            continue
        found = re.findall(IDIOMS, path.read_text(encoding="utf-8"))
        assert not found, f"{name}: {found}; use what {HOME} has"
