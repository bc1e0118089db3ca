"""Parameters of a loaded method: typed, checked, passed on, and told with all other defects."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import modelwheel
from modelwheel_loader.defects import Defect
from modelwheel_loader.errors import InputError, UsageError
from modelwheel_loader.model import BoundMethod
from modelwheel_loader.opening.manifest import PARAMETERS
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.strictjson import Cursor
from modelwheel_loader.opening.types import Category, List, parse_type
from modelwheel_loader.validate.inputs import compile_input
from modelwheel_loader.validate.parameters import ParameterCheck

FRAME = pd.DataFrame({"a": [0.1, 0.4, 0.6, 0.9], "b": [1.0, 2.0, 3.0, 4.0]})
SCHEMA = Schema(
    fields=(
        Field(name="threshold", type=parse_type("float64"), default=0.3, minimum=0, maximum=1),
        Field(name="top", type=parse_type("int64"), default=None, nullable=True),
        Field(name="mode", type=Category(("hard", "soft")), default="hard"),
        Field(name="day", type=parse_type("date"), default="2026-01-31"),
        Field(name="weights", type=List(parse_type("float64")), default=[]),
    ),
    layout="records",
    container="list",
    extra="error",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> modelwheel.Bundle:
    def predict(rows: Any, threshold: float = 0.5, *, scale: int = 1) -> Any:
        return (rows["a"].to_numpy() > threshold).astype(np.int64) * scale

    out = tmp_path_factory.mktemp("parameters")
    return modelwheel.pack(predict, name="p", version="1", sample=FRAME, out=out)


def test_parameters_reach_the_original_and_else_its_defaults_hold(bundle: modelwheel.Bundle) -> None:
    model = bundle.load()
    assert model.predict(FRAME).tolist() == [0, 0, 1, 1]
    assert model.predict(FRAME, threshold=0.2, scale=3).tolist() == [0, 3, 3, 3]
    assert model.predict({"a": 0.3, "b": 1.0}, threshold=0) == 1
    assert model.predict(FRAME[:0], threshold=0.2).tolist() == []


def test_their_schema_is_in_the_manifest_and_on_the_method(bundle: modelwheel.Bundle) -> None:
    schema = bundle.methods["predict"].parameters
    assert schema is not None
    assert [(field.name, str(field.type), field.default) for field in schema] == [
        ("threshold", "float64", 0.5),
        ("scale", "int64", 1),
    ]
    assert bundle.load().predict.parameters == schema
    assert json.loads(json.dumps(bundle.manifest.to_dict()))["methods"][0]["parameters"]["extra"] == "error"
    made = schema.to_json_schema()
    assert made["properties"]["threshold"] == {"type": "number", "default": 0.5}
    assert made["required"] == []
    assert made["additionalProperties"] is False
    assert schema.to_pydantic("Parameters")().threshold == 0.5


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ({"treshold": 0.2}, ["input.no-parameter"]),
        ({"threshold": "0.2"}, ["input.wrong-type"]),
        ({"threshold": None}, ["input.null"]),
        ({"threshold": True, "scale": 1.5}, ["input.wrong-type", "input.not-whole"]),
        ({"scale": 2**70}, ["input.out-of-range"]),
    ],
)
def test_wrong_parameters_are_input_errors(bundle: modelwheel.Bundle, given: dict[str, Any], codes: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        bundle.load().predict(FRAME, **given)
    assert [defect.code for defect in caught.value.defects] == codes
    assert {defect.where for defect in caught.value.defects} == {"parameters"}
    assert {defect.row for defect in caught.value.defects} == {None}


def test_wrong_data_and_wrong_parameters_are_told_together(bundle: modelwheel.Bundle) -> None:
    with pytest.raises(InputError, match="did you mean 'threshold'") as caught:
        bundle.load().predict({"a": "x", "b": 1.0}, treshold=1)
    assert [defect.code for defect in caught.value.defects] == ["input.no-parameter", "input.wrong-type"]
    assert caught.value.counted == 2
    places = [(error.get("where"), error["field"]) for error in caught.value.to_problem()["errors"]]
    assert places == [("parameters", "treshold"), (None, "a")]


def test_values_are_pythons_and_of_the_type() -> None:
    check = ParameterCheck("predict", SCHEMA)
    made = check({"threshold": 1, "top": np.int8(3), "mode": "soft", "day": "2026-02-01", "weights": [1, 2.5]})
    assert made == {"threshold": 1.0, "top": 3, "mode": "soft", "day": dt.date(2026, 2, 1), "weights": [1.0, 2.5]}
    assert [type(made[name]) for name in ("threshold", "top")] == [float, int]
    assert check({"top": None}) == {"top": None}
    assert check({"top": np.nan}) == {"top": None}
    with pytest.raises(InputError) as caught:
        check({"threshold": 2.0, "mode": "x", "weights": ["1"]})
    assert [defect.code for defect in caught.value.defects] == [
        "input.too-large",
        "input.not-allowed",
        "input.wrong-type",
    ]


def test_a_method_without_parameters_says_so(bundle: modelwheel.Bundle) -> None:
    with pytest.raises(InputError, match="is not a parameter of transform") as caught:
        ParameterCheck("transform", None)({"x": 1})
    assert caught.value.defects[0].expected == "none"


def test_a_graph_has_the_defaults_built_in(tmp_path: Path) -> None:
    fitted = LinearRegression().fit(FRAME, FRAME["a"])
    bundle = modelwheel.pack(fitted, name="r", version="1", sample=FRAME, out=tmp_path)
    model = bundle.load(runtime="onnx")
    method = bundle.methods["predict"].replace(parameters=SCHEMA)
    call = BoundMethod(method, compile_input(bundle.schema), model._runtime.prepare("predict"), model._recipe)
    assert call(FRAME).shape == (4,)
    with pytest.raises(UsageError, match="defaults of its parameters") as caught:
        call(FRAME, threshold=0.2)
    assert caught.value.code == "usage.parameter-runtime"
    with pytest.raises(InputError, match="is not a parameter of predict"):
        model.predict(FRAME, threshold=0.2)


@pytest.mark.parametrize(
    "field",
    [
        {"name": "threshold", "type": "float64"},
        {"name": "_hidden", "type": "float64", "default": 1.0},
        {"name": "class", "type": "float64", "default": 1.0},
        {"name": "data", "type": "float64", "default": 1.0},
        {"name": "a b", "type": "float64", "default": 1.0},
    ],
)
def test_a_manifest_with_other_parameters_is_refused(field: dict[str, Any]) -> None:
    defects: list[Defect] = []
    PARAMETERS.read_from(Cursor({"fields": [field], "layout": "records"}, "parameters", defects))
    assert [defect.code for defect in defects] == ["manifest.invalid"]


def test_a_closed_model_says_so_with_parameters_too(bundle: modelwheel.Bundle) -> None:
    model = bundle.load()
    model.close()
    with pytest.raises(UsageError, match="closed"):
        model.predict(FRAME, threshold=0.2)


def test_inspect_shows_them(bundle: modelwheel.Bundle) -> None:
    from modelwheel_loader.show.inspection import describe

    page = "\n".join(describe(bundle))
    assert "parameter threshold=0.5 (float64), parameter scale=1 (int64)" in page
