"""What other tools get wrong, as a table: each line is a bug of theirs, what is sent, and what has to happen here.

Found in MLflow's enforcement, vetiver's prototypes, bare pipelines and pydantic's errors; see issue 4.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

import modelwheel
from modelwheel_loader.errors import InputError
from modelwheel_loader.model import Model

GOOD: dict[str, Any] = {"age": 41, "income": 14.5, "city": "Bern", "member": True}

COLUMNS = {name: [value] for name, value in GOOD.items()}
TWICE = pd.DataFrame([[1, 2.0, "Bern", True, 3]], columns=[*GOOD, "age"])


class Case(NamedTuple):
    """A bug of a peer, the data, and the codes that have to come; none when the data is good."""

    bug: str
    data: Any
    codes: tuple[str, ...] = ()


def row(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


GOOD_DATA = [
    Case(
        "MLflow refuses the JSON number 14 for a float column",
        json.loads('{"age": 1, "income": 14, "city": "Bern", "member": true}'),
    ),
    Case("MLflow refuses whole floats for an integer column", row(age=3.0)),
    Case("MLflow refuses integers with a missing value", [row(age=None), row()]),
    Case("vetiver refuses null in a column that had nulls", row(age=None)),
    Case("vetiver refuses NaN for null", row(age=float("nan"))),
    Case("float32 refuses float64", pd.DataFrame([GOOD]).astype({"income": "float32"})),
    Case("integers of another width are refused", pd.DataFrame([GOOD]).astype({"age": "int8"})),
    Case("categories are refused for text", pd.DataFrame([GOOD]).astype({"city": "category"})),
    Case("nullable dtypes of pandas are refused", pd.DataFrame([GOOD]).convert_dtypes()),
    Case("columns are bound by position", pd.DataFrame([GOOD])[["member", "city", "income", "age"]]),
    Case("a column too many breaks the call", row(extra=1)),
    Case("a city that was never seen is refused by the schema, not left to the encoder", row(city="Zug")),
    Case("no rows is an error", pd.DataFrame([GOOD])[:0]),
]
WRONG_DATA = [
    Case("MLflow lets the text '1.5' through as a number", row(income="1.5"), ("input.wrong-type",)),
    Case("MLflow lets Booleans through as numbers", row(income=True), ("input.wrong-type",)),
    Case("pydantic's lax mode lets 1 through as true", row(member=1), ("input.wrong-type",)),
    Case("pydantic's lax mode lets 'yes' through as true", row(member="yes"), ("input.wrong-type",)),
    Case("MLflow lets a column through that one row lacks", [row(), without("income")], ("input.missing-field",)),
    Case("pipelines take a number for text", row(city=3), ("input.wrong-type",)),
    Case("pipelines cut 3.5 to 3", row(age=3.5), ("input.not-whole",)),
    Case("pipelines impute a null that was never seen", row(income=None), ("input.null",)),
    Case("pipelines impute NaN that was never seen", [row(), row(income=float("nan"))], ("input.null",)),
    Case("pipelines take infinity", row(income=float("inf")), ("input.not-finite",)),
    Case("numbers too large for the type wrap around", row(age=2**63), ("input.out-of-range",)),
    Case("a misspelt column is only missing", {**without("income"), "incom": 1.0}, ("input.missing-field",)),
    Case("an array without names is bound by position", np.zeros((1, 4)), ("input.container",)),
    Case("a list without names is bound by position", [[41, 14.5, "Bern", True]], ("input.container",)),
    Case(
        "columns of different lengths are broadcast",
        {k: [v] * (2 if k == "age" else 1) for k, v in GOOD.items()},
        ("input.rows-differ",),
    ),
    Case("a scalar beside columns is broadcast", {**COLUMNS, "age": 41}, ("input.ambiguous",)),
    Case(
        "two columns of one name: the last one wins",
        TWICE,
        ("input.duplicate-field",),
    ),
    Case("null for a whole row is a row of nulls", [row(), None], ("input.container",)),
    Case("a number as text in a column of objects is converted", pd.DataFrame([row(age="41")]), ("input.wrong-type",)),
    Case("dates become numbers", row(income=pd.Timestamp("2026-01-31")), ("input.wrong-type",)),
    Case("bytes become text", row(city=b"Bern"), ("input.wrong-type",)),
    Case("a list is taken for a value", row(income=[1.0]), ("input.ambiguous",)),
    Case("complex numbers lose their imaginary part", row(income=1 + 2j), ("input.wrong-type",)),
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    random = np.random.default_rng(0)
    sample = pd.DataFrame(
        {
            "age": pd.array([None if number % 7 == 0 else number for number in range(80)], dtype="Int64"),
            "income": random.random(80) * 100,
            "city": random.choice(["Bern", "Basel"], 80),
            "member": random.random(80) > 0.5,
        }
    )
    columns = make_column_transformer(
        (SimpleImputer(), ["age", "income", "member"]), (OneHotEncoder(handle_unknown="ignore"), ["city"])
    )
    pipeline: Pipeline = make_pipeline(columns, LogisticRegression()).fit(sample, sample["income"] > 50)
    out: Path = tmp_path_factory.mktemp("peers")
    return modelwheel.pack(pipeline, name="peers", version="1", sample=sample, out=out).load(runtime="native")


@pytest.mark.parametrize("case", GOOD_DATA, ids=lambda case: case.bug)
def test_good_data_is_taken(model: Model, case: Case) -> None:
    answer = model.predict(case.data)
    rows = 1 if isinstance(case.data, dict) else len(case.data)
    assert np.size(answer) == rows


@pytest.mark.parametrize("case", WRONG_DATA, ids=lambda case: case.bug)
def test_wrong_data_is_refused_with_the_reason(model: Model, case: Case) -> None:
    with pytest.raises(InputError) as caught:
        model.predict(case.data)
    assert tuple(defect.code for defect in caught.value.defects) == case.codes


def test_many_wrong_rows_are_told_in_few_words(model: Model) -> None:
    """pydantic prints 41,000 characters for 200 bad rows, and the value of each."""
    with pytest.raises(InputError) as caught:
        model.predict([row(income="secret") for _ in range(200)])
    assert len(str(caught.value)) < 3_000
    assert "… and 197 more" in str(caught.value)
    assert (len(caught.value.defects), caught.value.counted) == (100, 200)
    problem = json.dumps(caught.value.to_problem())
    assert "secret" not in problem
    assert len(problem) < 30_000
    assert "secret" in json.dumps(caught.value.to_problem(values=True))


def test_the_misspelt_column_is_named(model: Model) -> None:
    with pytest.raises(InputError, match="'incom' is there: did you mean 'income'"):
        model.predict({**without("income"), "incom": 1.0})
