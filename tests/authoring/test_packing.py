"""What `pack` does with wishes and with failures: nothing is left behind, and everything that is wrong is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import modelwheel
from modelwheel import About, Examples, Options, Trust
from modelwheel.errors import InputError, ModelwheelError, PackError, ParityError, UsageError, WriteError
from modelwheel_loader.proof.comparison import compare

FRAME = pd.DataFrame(
    {
        "age": np.arange(20, 60, dtype=float),
        "kind": pd.Categorical(["a", "b"] * 20),
        "seen": pd.date_range("2024-01-01", periods=40),
        "text": [f"t{number % 3}" for number in range(40)],
        "flag": [True, False] * 20,
        "count": np.arange(40),
    }
)
X = FRAME[["age", "count"]]
MODEL = LogisticRegression().fit(X, X["age"] > 40)


def ages(frame: Any) -> Any:
    return np.asarray(frame["age"]) + 1


def holds_a_lock() -> Callable[[Any], Any]:
    """A callable that no pickle can hold."""
    lock = threading.Lock()
    return lambda rows: (lock, rows)[1]


FAILURES: dict[str, Callable[[Path], object]] = {
    "not fitted": lambda out: modelwheel.pack(LogisticRegression(), name="a", version="1", sample=X, out=out),
    "no model": lambda out: modelwheel.pack(3, name="a", version="1", sample=X, out=out),
    "name and version": lambda out: modelwheel.pack(MODEL, name="-", version="-", sample=X, out=out),
    "no sample": lambda out: modelwheel.pack(MODEL, name="a", version="1", sample=None, out=out),
    "empty sample": lambda out: modelwheel.pack(MODEL, name="a", version="1", sample=X[:0], out=out),
    "wrong sample": lambda out: modelwheel.pack(MODEL, name="a", version="1", sample=FRAME[["text"]], out=out),
    "unpicklable": lambda out: modelwheel.pack(holds_a_lock(), name="a", version="1", sample=X, out=out),
    "method unknown": lambda out: modelwheel.pack(
        MODEL, name="a", version="1", sample=X, options=Options(methods=("fly",)), out=out
    ),
    "method reserved": lambda out: modelwheel.pack(
        MODEL, name="a", version="1", sample=X, options=Options(methods=("close",)), out=out
    ),
    "runtime unknown": lambda out: modelwheel.pack(
        MODEL, name="a", version="1", sample=X, options=Options(runtimes=("shell",)), out=out
    ),
    "no runtime left": lambda out: modelwheel.pack(
        ages, name="a", version="1", sample=FRAME, options=Options(runtimes=("onnx",)), out=out
    ),
    "header in a summary": lambda out: modelwheel.pack(
        MODEL, name="a", version="1", sample=X, about=About(summary="a\nb"), out=out
    ),
    "sample breaks the schema": lambda out: modelwheel.pack(
        MODEL,
        name="a",
        version="1",
        sample=X,
        schema=modelwheel.infer_schema(X).schema.with_field("age", maximum=30),
        out=out,
    ),
    "schema of other fields": lambda out: modelwheel.pack(
        MODEL, name="a", version="1", sample=X, schema=modelwheel.infer_schema(FRAME).schema, out=out
    ),
    "examples not given": lambda out: modelwheel.pack(
        MODEL, name="a", version="1", sample=X, examples=Examples(source="given"), out=out
    ),
    "examples of nowhere": lambda out: modelwheel.pack(
        MODEL,
        name="a",
        version="1",
        sample=X,
        examples=Examples(source="moon"),  # type: ignore[arg-type]
        out=out,
    ),
    "model raises": lambda out: modelwheel.pack(lambda rows: 1 / 0, name="a", version="1", sample=X, out=out),
    "answers of another length": lambda out: modelwheel.pack(
        lambda rows: [1, 2, 3], name="a", version="1", sample=X, out=out
    ),
}
KINDS = {"sample breaks the schema": InputError, "no runtime left": ParityError, "runtime unknown": UsageError}


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("failure", FAILURES)
def test_failing_leaves_nothing_behind(failure: str, tmp_path: Path) -> None:
    with pytest.raises(KINDS.get(failure, ModelwheelError)) as caught:
        FAILURES[failure](tmp_path / "dist")
    assert caught.value.defects
    assert caught.value.hint
    assert not list(tmp_path.iterdir())


def test_interrupting_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(what: str, done: int, total: int) -> None:
        if what == "writing":
            raise KeyboardInterrupt

    large = np.zeros(4_000_000)

    def model(rows: Any) -> Any:
        return np.asarray(rows)[:, 0] + large[0]

    with pytest.raises(KeyboardInterrupt):
        modelwheel.pack(model, name="a", version="1", sample=X, out=tmp_path / "dist", progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_other_bytes_for_the_same_version_are_refused(tmp_path: Path) -> None:
    first = modelwheel.pack(MODEL, name="a", version="1", sample=X, out=tmp_path)
    again = modelwheel.pack(MODEL, name="a", version="1", sample=X, out=tmp_path)
    assert again.digest == first.digest
    with pytest.raises(WriteError, match="exists"):
        modelwheel.pack(MODEL, name="a", version="1", sample=X, about=About(summary="new"), out=tmp_path)
    options = Options(overwrite=True)
    changed = modelwheel.pack(
        MODEL, name="a", version="1", sample=X, about=About(summary="new"), options=options, out=tmp_path
    )
    assert modelwheel.open(changed.path).manifest.summary == "new"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("source", ["sample", "given", "synthetic", "none"])
def test_whose_rows_the_examples_are(source: Any, tmp_path: Path) -> None:
    frame = FRAME.assign(half=np.where(np.arange(40) % 2, np.nan, 1.0).astype("float32"))
    examples = Examples(rows=5, source=source, data=frame.tail(7) if source == "given" else None)
    bundle = modelwheel.pack(ages, name="a", version="1", sample=frame, examples=examples, out=tmp_path)
    assert bundle.verify().ok is (source != "none")  # nothing is compared
    assert bundle.verify(structure_only=True).ok
    report = str(bundle.report)
    if source == "none":
        assert bundle.examples is None
        assert "no golden examples" in report
        return
    assert bundle.examples is not None
    assert (bundle.examples.source, len(bundle.examples)) == (source, 7 if source == "given" else 5)
    assert bundle.examples.methods == ("predict",)
    assert len(bundle.examples.output("predict")) == len(bundle.examples)
    assert ("real rows" in report or "of your sample" in report) == (source == "sample")
    with pytest.raises(UsageError):
        bundle.examples.output("transform")
    data = Path(bundle.path).read_bytes()
    assert (b"t1" in data[: data.index(b"manifest.json")]) == (source in ("sample", "given"))


def _only_known(frame: pd.DataFrame) -> Any:
    if unknown := set(frame["place"]) - {"north", "south"}:
        raise ValueError(f"unknown: {sorted(unknown)}")
    return frame["load"].to_numpy()


def test_made_up_rows_that_the_model_refuses_are_told_from_the_sample(tmp_path: Path) -> None:
    sample = pd.DataFrame({"place": ["north", "south"] * 4, "load": np.linspace(-5.0, 0.0, 8)})
    packing: dict[str, Any] = {"name": "a", "version": "1", "sample": sample, "out": tmp_path}
    packing["examples"] = Examples(source="synthetic", rows=4)
    with pytest.raises(PackError, match="fails on generated rows: ValueError: unknown") as caught:
        modelwheel.pack(_only_known, **packing)
    assert "allowed=" in caught.value.hint
    assert isinstance(caught.value.__cause__, ValueError)
    schema = modelwheel.infer_schema(sample).schema.with_field("place", allowed=("north", "south"))
    bundle = modelwheel.pack(_only_known, schema=schema, **packing)
    assert bundle.examples is not None
    assert max(bundle.examples.input["load"]) <= 0.0  # never beyond what was seen, when that ends at zero too
    with pytest.raises(PackError, match="fails on the sample: ValueError: unknown"):
        modelwheel.pack(_only_known, **{**packing, "sample": sample.replace("south", "west")})


def test_options_choose_methods_and_runtimes(tmp_path: Path) -> None:
    options = Options(methods=("predict_proba",), runtimes=("native", "onnx"))
    bundle = modelwheel.pack(MODEL, name="a", version="1", sample=X, options=options, out=tmp_path)
    assert [payload.kind for payload in bundle.runtimes] == ["native", "onnx"]
    assert list(bundle.methods) == ["predict_proba"]
    assert bundle.load().runtime == "native"
    assert bundle.methods["predict_proba"].classes == (False, True)


def test_a_model_that_answers_differently_each_time_is_marked(tmp_path: Path) -> None:
    def model(rows: Any) -> Any:
        return np.random.default_rng().random(len(rows))

    bundle = modelwheel.pack(model, name="a", version="1", sample=X, out=tmp_path)
    assert not bundle.methods["predict"].deterministic
    report = bundle.verify()
    assert report.ok
    assert "not deterministic" in str(report)


def test_a_given_schema_keeps_its_limits(tmp_path: Path) -> None:
    schema = modelwheel.infer_schema(FRAME).schema.with_field("age", minimum=0, unit="years", description="at signup")
    schema = schema.with_field("text", pattern="t[0-9]", nullable=True)
    bundle = modelwheel.pack(ages, name="a", version="1", sample=FRAME, schema=schema, out=tmp_path)
    opened = modelwheel.open(bundle.path)
    assert opened.schema["age"].unit == "years"
    assert opened.schema["age"].physical == modelwheel.infer_schema(FRAME).schema["age"].physical
    row = {"age": -1.0, "kind": "a", "seen": "2024-01-01T00:00:00", "text": "x", "flag": True, "count": 1}
    with pytest.raises(InputError) as caught:
        bundle.load().predict(row)
    assert [defect.code for defect in caught.value.defects] == ["input.too-small", "input.pattern"]
    problem = caught.value.to_problem()
    assert problem["status"] == 422
    assert "-1" not in str(problem)


def test_partial_methods_are_left_out_with_the_reason(tmp_path: Path) -> None:
    from sklearn.base import BaseEstimator

    class Half(BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, y: Any = None) -> Half:
            self.fitted_ = True
            return self

        def predict(self, X: Any) -> Any:
            return np.zeros(len(X))

        def transform(self, X: Any) -> Any:
            raise ValueError("not today")

    bundle = modelwheel.pack(Half().fit(X), name="a", version="1", sample=X, out=tmp_path)
    assert list(bundle.methods) == ["predict"]
    assert "not today" in str(bundle.report)
    assert bundle.report.to_dict()["methods_left_out"].keys() == {"transform"}
    with pytest.raises(PackError, match="not today"):
        modelwheel.pack(
            Half().fit(X), name="b", version="1", sample=X, options=Options(methods=("transform",)), out=tmp_path
        )


def answers_zoned_times(frame: Any) -> list[Any]:
    """Times with a zone, one by one."""
    return [datetime.fromtimestamp(int(value), tz=ZoneInfo("Europe/Berlin")) for value in frame["x"]]


@pytest.mark.parametrize(
    "answer",
    [
        answers_zoned_times,
        lambda frame: pd.to_datetime(frame["x"], unit="s", utc=True).dt.tz_convert("Asia/Tokyo").to_numpy(),
        lambda frame: {"when": pd.to_datetime(frame["x"], unit="s", utc=True).to_numpy()},
        lambda frame: [{"when": pd.Timestamp(value, unit="s", tz="UTC")} for value in frame["x"]],
    ],
    ids=["python", "array", "columns", "records"],
)
def test_answers_of_times_with_a_zone_are_replayed(answer: Any, tmp_path: Path) -> None:
    sample = pd.DataFrame({"x": range(0, 10**6, 50_000)})
    bundle = modelwheel.pack(answer, name="when", version="1", sample=sample, out=tmp_path)
    assert bundle.verify(trust=Trust.unsafe_run_code()).ok
    changed = modelwheel.pack(
        lambda frame: [value + timedelta(seconds=1) for value in answers_zoned_times(frame)],
        name="later", version="1", sample=sample, out=tmp_path,
    )  # fmt: skip
    expected, found = (item.load().predict(sample) for item in (bundle, changed))
    assert not compare(expected, found).within


def test_what_is_wrong_with_an_answer_is_told_whole(tmp_path: Path) -> None:
    sample = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    with pytest.raises(PackError) as error:
        modelwheel.pack(lambda frame: {"a": [1.0] * len(frame)}, name="a", version="1", sample=sample, out=tmp_path)
    (defect,) = error.value.defects
    assert (defect.code, defect.field) == ("infer.answer", "predict: a")
    assert "a list of length 3" in defect.found
    assert "NumPy array" in defect.expected


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        (LogisticRegression, "LogisticRegression().fit"),
        ("model.pkl", "joblib.load"),
        (Path("model.joblib"), "joblib.load"),
        ({"model": MODEL}, "the model in it"),
        ((MODEL, MODEL), "the model in it"),
        (3, ""),
    ],
)
def test_what_is_often_passed_for_a_model_is_told(model: Any, hint: str, tmp_path: Path) -> None:
    with pytest.raises(PackError) as error:
        modelwheel.pack(model, name="a", version="1", sample=X, out=tmp_path)
    assert hint in error.value.defects[0].hint


def test_data_with_its_target_is_no_sample(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"sample=X, not \(X, y\)"):
        modelwheel.pack(MODEL, name="a", version="1", sample=(X, X["age"] > 40), out=tmp_path)


def test_what_all_methods_say_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(PackError) as error:
        modelwheel.pack(MODEL, name="a", version="1", sample=X.rename(columns={"age": "years"}), out=tmp_path)
    (defect,) = error.value.defects
    assert defect.field == "predict"
    assert "years" in defect.message
    assert "\\n" not in str(error.value)


def test_labels_that_are_numbers_are_keys_of_rows_and_columns(tmp_path: Path) -> None:
    frame = X.set_axis([10, 20], axis=1)
    model = LogisticRegression().fit(frame, X["age"] > 40)
    loaded = modelwheel.pack(model, name="a", version="1", sample=frame, out=tmp_path).load(runtime="native")
    expected = model.predict_proba(frame)
    for data in (
        frame.to_dict("records"),
        [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")],
        {name: frame[name].to_numpy() for name in frame},
        tuple({np.int64(name): value for name, value in row.items()} for row in frame.to_dict("records")),
    ):
        assert np.array_equal(loaded.predict_proba(data), expected)
    assert np.array_equal(loaded.predict_proba(frame.iloc[0].to_dict()), expected[0])
    with pytest.raises(InputError, match="field '20': is missing"):
        loaded.predict([{10: 1.0}, 3])


def test_one_note_for_several_fields(tmp_path: Path) -> None:
    sample = X.assign(**{f"same{index}": 1.0 for index in range(9)}, other="one")
    report = str(modelwheel.pack(ages, name="a", version="1", sample=sample, out=tmp_path).report)
    named = "same0, same1, same2, same3, same4, same5 and 4 more: each has one value in the whole sample"
    assert named in report
    alone = str(modelwheel.pack(ages, name="b", version="1", sample=X.assign(same=1.0), out=tmp_path).report)
    assert "same: has one value in the whole sample" in alone
