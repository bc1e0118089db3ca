"""Which parameters a method offers, by its signature."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import annotated_types
import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression

import modelwheel
from modelwheel.packing.contract import parameters_of
from modelwheel_loader.errors import PackError

X = np.arange(12.0).reshape(6, 2)


def bare(rows: Any, threshold=0.3, deep=True, top=3, name="a"):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    return rows


def hinted(
    rows: Any,
    threshold: Annotated[float, annotated_types.Ge(0), annotated_types.Le(1)] = 0.5,
    *,
    mode: Literal["hard", "soft"] = "hard",
    top: int | None = None,
    weights: tuple[float, ...] = (1.0, 2.0),
    size: np.float32 = np.float32(0.5),  # noqa: B008
    **more: Any,
) -> Any:
    return rows


def fields(function: Callable[..., Any]) -> list[tuple[str, str, Any]]:
    schema, _ = parameters_of("predict", function)
    return [] if schema is None else [(field.name, str(field.type), field.default) for field in schema]


def test_defaults_tell_the_type_where_hints_do_not() -> None:
    assert fields(bare) == [
        ("threshold", "float64", 0.3),
        ("deep", "bool", True),
        ("top", "int64", 3),
        ("name", "string", "a"),
    ]


def test_hints_tell_types_and_limits() -> None:
    assert fields(hinted) == [
        ("threshold", "float64", 0.5),
        ("mode", "category", "hard"),
        ("top", "int64", None),
        ("weights", "list[float64]", [1.0, 2.0]),
        ("size", "float32", 0.5),
    ]
    schema, notes = parameters_of("predict", hinted)
    assert schema is not None
    assert (schema["threshold"].minimum, schema["threshold"].maximum) == (0, 1)
    assert schema["top"].nullable
    assert schema.extra == "error"
    assert notes == ()


class Scorer:
    def __call__(self, rows: Any, threshold: float = 0.5) -> Any:
        return rows

    def predict(self, rows: Any, offset: int = 0) -> Any:
        return rows


def test_objects_methods_and_partials_offer_theirs() -> None:
    assert fields(Scorer()) == [("threshold", "float64", 0.5)]
    assert fields(Scorer().predict) == [("offset", "int64", 0)]
    assert fields(functools.partial(hinted, threshold=0.7))[0] == ("threshold", "float64", 0.7)
    assert fields(lambda rows: rows) == []
    assert fields(max) == []
    assert fields(dict) == []


def test_what_cannot_be_offered_is_noted() -> None:
    def predict(  # type: ignore[no-untyped-def]
        rows: Any,
        limit: float = math.inf,
        data: int = 1,
        _hidden: int = 2,
        how: Callable[..., Any] | None = None,
        untold=None,  # noqa: ANN001
        good: int = 3,
    ) -> Any:
        return rows

    assert fields(predict) == [("good", "int64", 3)]
    _, notes = parameters_of("predict", predict)
    told = {note.message.split("'")[1]: note.message for note in notes}
    assert set(told) == {"limit", "data", "_hidden", "how", "untold"}
    assert "which a manifest cannot hold" in told["limit"]
    assert {note.code for note in notes} == {"parameter-left-out"}


def test_none_as_default_makes_it_nullable() -> None:
    def predict(rows: Any, top: int = None) -> Any:  # type: ignore[assignment]  # noqa: RUF013
        return rows

    schema, _ = parameters_of("predict", predict)
    assert schema is not None
    assert schema["top"].nullable


def test_a_default_that_breaks_its_own_limit_is_the_authors_mistake() -> None:
    def predict(rows: Any, threshold: Annotated[float, annotated_types.Le(1)] = 3) -> Any:
        return rows

    with pytest.raises(PackError, match="default is too large") as caught:
        parameters_of("predict", predict)
    assert caught.value.code == "pack.parameter"


def test_a_limit_that_fits_no_type_is_the_authors_mistake() -> None:
    def predict(rows: Any, name: Annotated[str, annotated_types.Le(1)] = "a") -> Any:
        return rows

    with pytest.raises(PackError, match=r"limit|minimum|maximum|bound") as caught:
        parameters_of("predict", predict)
    assert caught.value.code == "pack.parameter"


class Shifted(LinearRegression):  # type: ignore[misc]
    """An author's own estimator."""

    def predict(self, X: Any, offset: float = 0.0) -> Any:
        return super().predict(X) + offset


def test_frameworks_own_arguments_are_none_and_an_authors_are(tmp_path: Path) -> None:
    assert fields(GaussianProcessRegressor().predict) == []
    fitted = Shifted().fit(X, X[:, 0])
    bundle = modelwheel.pack(fitted, name="shifted", version="1", sample=X, out=tmp_path)
    model = bundle.load(runtime="native")
    assert model.predict(X, offset=10.0) == pytest.approx(X[:, 0] + 10)
    assert bundle.methods["predict"].parameters is not None


def test_notes_are_in_the_report(tmp_path: Path) -> None:
    def predict(rows: Any, how: object = None) -> Any:
        return rows.sum(axis=1)

    bundle = modelwheel.pack(predict, name="p", version="1", sample=X, out=tmp_path)
    assert "the parameter 'how'" in str(bundle.report)
    assert bundle.methods["predict"].parameters is None
