"""A13: the layout of answers is found on two numbers of rows at least, and checked on the whole sample."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import modelwheel
from field.elsewhere import answers_elsewhere, differs, pack, refused, said
from modelwheel.errors import PackError

WORDS = [f"word{number}" for number in range(50)]
VECTORS = {word: np.random.default_rng(number).normal(size=16) for number, word in enumerate(WORDS)}
X = np.random.default_rng(0).normal(size=(50, 3))


def vectors(words: Any) -> Any:
    return [VECTORS[word] for word in words]


def lists(words: Any) -> Any:
    return [VECTORS[word].tolist() for word in words]


def tuples(words: Any) -> Any:
    return [tuple(VECTORS[word].tolist()) for word in words]


def stacked(words: Any) -> Any:
    return np.stack(vectors(words))


def per_output(words: Any) -> Any:
    """One answer per output, sixteen of them: a list of arrays with an item for each row."""
    return list(np.stack(vectors(words)).T)


def named(words: Any) -> Any:
    return {f"d{number}": column for number, column in enumerate(np.stack(vectors(words)).T)}


def matrices(words: Any) -> Any:
    return [np.outer(VECTORS[word], VECTORS[word]) for word in words]


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a vector for each row": vectors,
    "a list for each row": lists,
    "a tuple for each row": tuples,
    "a matrix": stacked,
    "an array for each output": per_output,
    "a dict of arrays": named,
    "a square matrix for each row": matrices,
}


@pytest.mark.parametrize("rows", [50, 16])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_number_of_rows_is_answered(name: str, rows: int, tmp_path: Path) -> None:
    """Sixteen golden rows of sixteen numbers look alike from both sides."""
    function, words = FUNCTIONS[name], WORDS[:rows]
    try:
        bundle = pack(function, words, tmp_path)
    except PackError as error:
        refused(error, "vector|array|rows|layout")
        return
    with bundle.load() as loaded:
        for asked in (words, words[:3], words[:1], words[:15]):
            found = loaded.predict(asked)
            assert not differs(function(asked), found) or "comes back" in said(bundle), (len(asked), name)


@pytest.mark.parametrize("golden", [1, 2, 16, 17])
def test_whatever_the_number_of_golden_rows(golden: int, tmp_path: Path) -> None:
    examples = modelwheel.Examples(rows=golden)
    bundle = pack(vectors, WORDS, tmp_path, examples=examples)
    with bundle.load() as loaded:
        assert not differs(vectors(WORDS[:4]), loaded.predict(WORDS[:4]))
    assert bundle.verify().ok


def test_elsewhere_and_isolated(tmp_path: Path, isolated: Callable[[Any], modelwheel.Model]) -> None:
    bundle = pack(vectors, WORDS, tmp_path)
    assert not differs(vectors(WORDS[:3]), answers_elsewhere(bundle, WORDS[:3]))
    with isolated(bundle) as loaded:
        assert not differs(vectors(WORDS[:3]), loaded.predict(WORDS[:3]))


def pairwise(rows: Any) -> Any:
    return rows @ rows.T


def centred(rows: Any) -> Any:
    return rows[:, 0] - rows[:, 0].mean()


def one_for_all(rows: Any) -> Any:
    return [float(rows.mean())] * 16


def of_the_first(rows: Any) -> Any:
    return {"a": rows[:, 0], "b": rows[:16, 1]}


def test_an_answer_as_wide_as_there_are_rows(tmp_path: Path) -> None:
    """(rows, rows): free in its second axis, or refused; never sixteen columns for ever."""
    try:
        bundle = pack(pairwise, X, tmp_path)
    except PackError as error:
        refused(error, "rows")
        return
    with bundle.load() as loaded:
        for rows in (50, 16, 3):
            assert not differs(pairwise(X[:rows]), loaded.predict(X[:rows]), 1e-9)


@pytest.mark.parametrize("function", [one_for_all, of_the_first])
def test_an_answer_of_sixteen_whatever_it_is_asked(function: Callable[[Any], Any], tmp_path: Path) -> None:
    with pytest.raises(PackError) as caught:
        pack(function, X, tmp_path)
    refused(caught.value, "row")


def test_answers_that_depend_on_the_other_rows_are_named(tmp_path: Path) -> None:
    """What the batch changes is not what a service gets, that asks for one row: the second number of rows shows it."""
    try:
        bundle = pack(centred, X, tmp_path)
    except PackError as error:
        refused(error, "row")
        return
    assert "other rows" in said(bundle)


def tags(frame: Any) -> Any:
    return [["big", "odd"] if value > 0 else ["small"] for value in frame["a"]]


def late_tags(frame: Any) -> Any:
    """Ragged only where the golden rows may not look."""
    return [["big"] * (2 if index == 37 else 1) for index, _ in enumerate(frame["a"])]


@pytest.mark.parametrize("function", [tags, late_tags])
def test_ragged_answers(function: Callable[[Any], Any], tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": X[:, 0]})
    try:
        bundle = pack(function, frame, tmp_path)
    except PackError as error:
        refused(error, "list|length|answer")
        return
    with bundle.load() as loaded:
        assert not differs(function(frame), loaded.predict(frame))
