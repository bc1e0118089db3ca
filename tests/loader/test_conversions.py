"""Lossless or refused: every type of value sent to every type of field, as a row, a column and one of several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversions import CELLS, SENT, TAKEN, is_taken, table
from modelwheel_loader.errors import InputError
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.validate.inputs import compile_input

PAGE = Path(__file__).parents[2] / "docs" / "contract.md"


def schema(taken: str) -> Schema:
    return Schema(fields=(Field(name="n", type=TAKEN["int64"]), Field(name="x", type=TAKEN[taken])))


def outcome(taken: str, data: Any) -> str:
    """The canonical value as text, or the codes of the defects."""
    try:
        batch = compile_input(schema(taken))(data)
    except InputError as error:
        return ", ".join(dict.fromkeys(defect.code.removeprefix("input.") for defect in error.defects))
    array, missing = batch.column("x")
    assert missing is None
    value = array[0]
    if isinstance(value, np.ndarray):
        return str(value.tolist())
    if isinstance(value, np.generic) and value.dtype.kind not in "mM":
        value = value.item()
    return repr(value) if isinstance(value, str | bytes) else str(value)


@pytest.mark.parametrize("sent", SENT)
def test_every_cell(sent: str) -> None:
    value = SENT[sent]
    column = np.fromiter([value], dtype=object, count=1)
    for taken in TAKEN:
        expected = CELLS[sent].get(taken, "wrong-type")
        for data in ([{"n": 0, "x": value}], {"n": [0], "x": [value]}, {"n": [0], "x": column}):
            assert outcome(taken, data) == expected, taken


@pytest.mark.parametrize("taken", TAKEN)
def test_a_whole_column_is_as_its_values(taken: str) -> None:
    """Values that are taken one by one are taken together, and one that is refused is told alone."""
    good = [value for sent, value in SENT.items() if is_taken(sent, taken)]
    batch = compile_input(schema(taken))({"n": [0] * len(good), "x": good})
    assert batch.rows == len(good)
    for sent, value in SENT.items():
        if not is_taken(sent, taken):
            with pytest.raises(InputError) as caught:
                compile_input(schema(taken))({"n": [0] * (len(good) + 1), "x": [*good, value]})
            assert {defect.row for defect in caught.value.defects} == {len(good)}


def test_the_page_shows_the_table() -> None:
    assert table() in PAGE.read_text(encoding="utf-8"), "run docs/tools/write_contract_docs.py"
