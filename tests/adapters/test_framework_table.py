"""The table in docs/tasks/frameworks.md says what becomes of a model of every framework."""

from __future__ import annotations

from pathlib import Path

import pytest

from frameworks import MODELS, bound, recorded, row

TABLE = recorded()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_packed_as_the_table_says(name: str, tmp_path: Path) -> None:
    found = row(name, tmp_path)
    made, told = found.line().split(" | "), TABLE[name].split(" | ")
    assert made[:4] == told[:4], f"run docs/tools/framework_table.py: {found.line()}"
    assert found.labels == 0
    if found.largest is not None:
        assert found.largest <= max(float(told[4]) * 10, 1e-9)  # processors add in other orders


def test_the_table_is_whole() -> None:
    assert list(TABLE) == list(MODELS)


@pytest.mark.parametrize(
    ("difference", "told"), [(None, ""), (0.0, "0"), (2e-7, "1e-06"), (1e-6, "1e-06"), (3.0, "1e+01")]
)
def test_differences_are_rounded_up(difference: float | None, told: str) -> None:
    assert bound(difference) == told
