from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse

from modelwheel_loader.proof.comparison import compare

EQUAL: list[tuple[Any, Any]] = [
    (np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan, np.inf])),
    (np.array(["a", "bb"]), np.array(["a", "bb"], dtype="<U9")),
    (np.array(["a", None], dtype=object), np.array(["a", None], dtype=object)),
    (pd.DataFrame({"a": [1.5]}), {"a": np.array([1.5])}),
    (pl.DataFrame({"a": [1.5]}), {"a": np.array([1.5])}),
    ([{"a": 1.5, "b": [1, 2]}], [{"a": 1.5, "b": [1, 2]}]),
    ([{"a": {"b": 1}}], [{"a": {"b": 1}}]),
    ([2**70], [2**70]),
    (scipy.sparse.csr_matrix([[0.0, 1.0]]), scipy.sparse.csr_matrix([[0.0, 1.0]])),
    (scipy.sparse.csr_matrix([[0.0, 1.0]]), scipy.sparse.csc_matrix([[0.0, 1.0]])),
    (np.array(["2026", "NaT"], "M8[us]"), np.array(["2026", "NaT"], "M8[us]")),
    ([], []),
    (5, 5),
]


@pytest.mark.parametrize(("left", "right"), EQUAL)
def test_equal_answers_are_exact(left: Any, right: Any) -> None:
    result = compare(left, right)
    assert result.exact
    assert result.within
    assert result.disagreements == 0


CLOSE: list[tuple[Any, Any]] = [
    (np.array([1.0, 0.0]), np.array([1.0, -0.0])),
    (np.array([1.0]), np.array([1.0], dtype=np.float32)),
    (np.array([1]), np.array([1], dtype=np.int8)),
    (np.array([100.0]), np.array([100.5])),
    ([{"a": 100.0}], [{"a": 100.5}]),
    (np.array([100.0, "x"], dtype=object), np.array([100.5, "x"], dtype=object)),
    (scipy.sparse.csr_matrix([[100.0, 0.0]]), scipy.sparse.csr_matrix([[100.0, 0.5]])),
]


@pytest.mark.parametrize(("left", "right"), CLOSE)
def test_close_answers_are_within_the_tolerance_and_not_exact(left: Any, right: Any) -> None:
    result = compare(left, right, absolute=0.5, relative=0.01)
    assert not result.exact
    assert result.within


DIFFERENT: list[tuple[Any, Any, int]] = [
    (np.array(["a", "b", "c"]), np.array(["a", "x", "y"]), 2),
    (np.array([1, 2]), np.array([1, 3]), 1),
    (np.array([np.nan, 1.0]), np.array([1.0, 1.0]), 1),
    (np.array([np.inf]), np.array([-np.inf]), 1),
    (np.array(["a", None], dtype=object), np.array(["a", "None"], dtype=object), 1),
    (np.array([True], dtype=object), np.array([1], dtype=object), 1),
    (np.array([1.0]), np.array([[1.0]]), 1),
    (np.array([1.0, 2.0]), np.array([1.0]), 1),
    (np.array(["1"]), np.array([1]), 1),
    ([np.ones(2)], [np.ones(2), np.ones(2)], 1),
    (scipy.sparse.csr_matrix([[1.0]]), np.array([[1.0]]), 1),
    (np.array(["2026"], "M8[us]"), np.array(["NaT"], "M8[us]"), 1),
    ([[1, 2]], [[1]], 1),
]


@pytest.mark.parametrize(("left", "right", "disagreements"), DIFFERENT)
def test_different_answers_are_outside_whatever_the_tolerance(left: Any, right: Any, disagreements: int) -> None:
    result = compare(left, right, absolute=10.0, relative=10.0)
    assert not result.exact
    assert not result.within
    assert result.disagreements == disagreements
    assert result.first is not None
    assert result.first.code == "predict.differs"


def test_the_largest_differences_and_the_first_place_are_told() -> None:
    expected = np.array([[1.0, 2.0], [0.0, 10.0]])
    found = np.array([[1.0, 2.5], [0.25, 10.0]])
    result = compare({"p": expected}, {"p": found}, absolute=0.1)
    assert not result.within
    assert result.max_absolute == 0.5
    assert result.max_relative == 0.25
    assert result.disagreements == 0
    assert result.first is not None
    assert (result.first.row, result.first.field) == (0, "p")
    assert (result.first.expected, result.first.found) == ("2.0", "2.5")


def test_differences_too_large_for_a_float_stay_finite() -> None:
    result = compare(np.array([1.7e308]), np.array([-1.7e308]))
    assert result.max_absolute == np.finfo(np.float64).max
    assert not result.within


def test_numbers_beyond_64_bits_and_other_objects_are_compared_as_objects() -> None:
    assert compare([2**70, 1], [2**70, 1]).exact
    assert not compare([2**70, 1], [2**70, 2]).within
    assert compare([[1, {"a": None}]], [[1, {"a": None}]]).exact
    assert compare("text", "text").exact
