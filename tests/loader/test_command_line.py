"""`python -m modelwheel_loader`: what it prints, what it exits with, and what it never leaves behind."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import modelwheel
from modelwheel_loader.errors import InputError
from modelwheel_loader.show import tables
from modelwheel_loader.show.commandline import main

FRAME = pd.DataFrame(
    {
        "plan": ["basic", "plus", "basic", "pro"] * 10,
        "calls": range(40),
        "rate": np.linspace(0, 1, 40),
        "new": [True, False] * 20,
    }
)
LABELS = ["yes", "no"] * 20


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> str:
    encoder = make_column_transformer((OneHotEncoder(), ["plan"]), remainder="passthrough")
    model = make_pipeline(encoder, LogisticRegression(max_iter=1000)).fit(FRAME, LABELS)
    about = modelwheel.About(summary="Will they call?")
    out = tmp_path_factory.mktemp("dist")
    return str(modelwheel.pack(model, name="calls", version="1", sample=FRAME, about=about, out=out).path)


@pytest.fixture
def broken(wheel: str, tmp_path: Path) -> str:
    data = bytearray(Path(wheel).read_bytes())
    place = data.index(b"native/model.pkl") + 5000
    data[place] ^= 1
    path = tmp_path / Path(wheel).name
    path.write_bytes(data)
    return str(path)


def test_inspect(wheel: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", wheel]) == 0
    text = capsys.readouterr().out
    for part in ("calls 1", "plan", "methods", "predict_proba", "classes: no, yes", "examples"):
        assert part in text
    assert main(["inspect", wheel, "--verbose"]) == 0
    assert "sklearn" in capsys.readouterr().out


def test_inspect_as_json(wheel: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", wheel, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["name"], said["version"]) == ("calls", "1")


def test_verify(wheel: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", wheel, "--unsafe-run-code"]) == 0
    assert "native predict: identical to the golden examples" in capsys.readouterr().out
    assert main(["verify", wheel, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert {step["outcome"] for step in report["steps"]} == {"passed", "not run"}


def test_verify_shows_progress_on_a_terminal(
    wheel: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert main(["verify", wheel]) == 0
    assert "100%\n" in capsys.readouterr().err


def test_a_broken_bundle(broken: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", broken]) == 1
    assert "FAILED" in capsys.readouterr().out
    assert main(["verify", broken, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_verify_of_what_is_no_bundle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.whl").write_bytes(b"PK\x05\x06" + bytes(18))
    assert main(["verify", str(tmp_path / "x.whl")]) == 1
    assert "structure" in capsys.readouterr().out


def test_errors_are_said_once_and_in_json_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "./none.whl"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("ResolutionError: ./none.whl cannot be read")
    assert main(["inspect", "./none.whl", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["code"] == "resolve.missing"


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "WHEEL", "--batch", "0"],
        ["predict", "WHEEL", "--method", "fly"],
        ["predict", "WHEEL", "--runtime", "java"],
        ["predict", "WHEEL", "--trust-digest", "12"],
        ["predict", "WHEEL", "--input", "not-there.csv"],
        ["inspect", "no good name"],
    ],
)
def test_wrong_usage(wheel: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([wheel if part == "WHEEL" else part for part in arguments]) == 2
    assert capsys.readouterr().err.strip()


def test_wrong_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["predict"])
    assert caught.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_each_command_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    for command, said in (("predict", "Run predictions on rows"), ("verify", "Check every byte")):
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert said in capsys.readouterr().out


ROWS = FRAME.to_dict(orient="records")


@pytest.fixture
def lines(tmp_path: Path) -> str:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(json.dumps(row) for row in ROWS))
    return str(path)


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "rows.csv"
    FRAME.assign(other=1).to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("source", ["lines", "table"])
@pytest.mark.parametrize("batch", ["7", "1000"])
def test_predict_reads_json_lines_and_csv(
    wheel: str, source: str, batch: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = modelwheel.load(wheel, runtime="onnx").predict(FRAME).tolist()
    path = request.getfixturevalue(source)
    assert main(["predict", wheel, "-i", path, "--runtime", "onnx", "--batch", batch]) == 0
    said = [json.loads(line)["predict"] for line in capsys.readouterr().out.splitlines()]
    assert said == expected


def test_the_file_of_rows_may_stand_beside_the_bundle(
    wheel: str, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for arguments in ([wheel, table], [wheel, "-i", table]):
        assert main(["predict", *arguments, "--runtime", "onnx"]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != ""


def test_predict_writes_csv_with_one_column_per_number(
    wheel: str, table: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.csv"
    arguments = ["predict", wheel, "-i", table, "-o", str(out), "--method", "predict_proba", "--batch", "9"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == ""
    answers = pd.read_csv(out)
    assert list(answers.columns) == ["predict_proba_0", "predict_proba_1"]
    assert len(answers) == len(FRAME)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_predict_from_standard_input(
    wheel: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("plan,calls,rate,new\nbasic,3.0,0.5,TRUE\n"))
    assert main(["predict", wheel, "--from", "csv", "--to", "csv"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "predict"


def test_a_bad_row_leaves_nothing_half_written(wheel: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "rows.jsonl", tmp_path / "answers.jsonl"
    out.write_text("before")
    source.write_text("\n".join(json.dumps(row) for row in [*ROWS, {**ROWS[0], "calls": "many"}]))
    assert main(["predict", wheel, "-i", str(source), "-o", str(out), "--batch", "40"]) == 1
    said = capsys.readouterr().err
    assert "in the batch that begins at row 40 of the input" in said
    assert "input.wrong-type" in said
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "rows.jsonl"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.jsonl", '{"a": 1\n', "line 1 is not JSON"),
        ("rows.jsonl", "\n[1]\n", "line 2 must be a JSON object"),
        ("rows.jsonl", '[{"a": 1}, {"a": 2}]', "lines=True"),
        ("rows.jsonl", "[" * 100_000, "line 1 is not JSON"),
        ("rows.csv", "a,a\n1,2\n", "line 1 names a column twice"),
        ("rows.csv", "plan,calls\n1\n", "line 2 must have as many cells"),
        ("rows.csv", 'plan,calls\n"x,1\n', "is not CSV"),
        ("rows.csv", "plan,calls\n\udcff,1\n", "is not UTF-8"),
    ],
)
def test_lines_that_cannot_be_read_are_named(
    wheel: str, tmp_path: Path, name: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["predict", wheel, "-i", str(tmp_path / name)]) == 1
    assert message in capsys.readouterr().err


def test_no_rows_are_no_answers(wheel: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("")
    assert main(["predict", wheel, "-i", str(tmp_path / "rows.csv")]) == 0
    assert capsys.readouterr().out == ""


def test_interrupted(wheel: str, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "answer_columns", interrupt)
    assert main(["predict", wheel, "-i", lines]) == 130


def test_a_reader_that_has_gone(wheel: str, lines: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def __init__(self, file: io.TextIOBase) -> None:
            super().__init__()
            self.fileno = file.fileno  # type: ignore[method-assign]

        def write(self, _: str) -> int:
            raise BrokenPipeError

    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", Gone(stream))
        assert main(["predict", wheel, "-i", lines]) == 1


@pytest.mark.parametrize(
    ("cell", "type_", "value"),
    [
        ("3", "int64", 3),
        ("3.0", "int64", 3.0),
        ("", "int64", None),
        (" ", "float64", None),
        ("x", "int64", "x"),
        ("1e3", "float64", 1000.0),
        ("True", "bool", True),
        ("0", "bool", False),
        ("maybe", "bool", "maybe"),
        ("", "bool", None),
        ("", "string", None),
        ("3", "string", "3"),
    ],
)
def test_cells_are_read_by_the_type_of_their_field(cell: str, type_: Any, value: object) -> None:
    schema = modelwheel.Schema(fields=(modelwheel.Field(name="a", type=type_),))
    (row,) = tables.csv_rows(["a\n", f'"{cell}"\n'], schema)
    assert row == {"a": value}
    assert type(row["a"]) is type(value)


def test_cells_of_categories_of_numbers_are_numbers() -> None:
    from modelwheel_loader.opening.types import Category

    schema = modelwheel.Schema(fields=(modelwheel.Field(name="a", type=Category((1, 2), ordered=False)),))
    assert list(tables.csv_rows(["a", "2", "x"], schema)) == [{"a": 2}, {"a": "x"}]


def test_answers_of_every_shape_become_rows() -> None:
    import scipy.sparse

    def rows(answer: object) -> list[Any]:
        return [json.loads(line) for line in tables.json_text(tables.answer_columns(answer, "p")).splitlines()]

    assert rows(np.array([1.5, np.nan])) == [{"p": 1.5}, {"p": None}]
    assert rows([np.array([1]), np.array([2])]) == [{"p_0": 1, "p_1": 2}]
    assert rows({"a": [1], "b": ["x"]}) == [{"a": 1, "b": "x"}]
    assert rows(pd.DataFrame({"a": [1]})) == [{"a": 1}]
    assert rows(scipy.sparse.csr_matrix([[0, 1]])) == [{"p": [0, 1]}]
    assert rows(np.array(["2026-01-01"], "datetime64[D]")) == [{"p": "2026-01-01"}]
    assert rows(["x", "y"]) == [{"p": "x"}, {"p": "y"}]
    assert rows(pd.Series([1])) == [{"p": 1}]


def test_rows_are_written_so_that_others_can_read_them() -> None:
    text = tables.json_text({"a": [float("nan")], "b": [[float("inf"), {"c": -0.0}]], "d": ["ä"]})
    assert json.loads(text) == {"a": None, "b": [None, {"c": -0.0}], "d": "ä"}
    write = tables.CsvText()
    assert write({"a": np.array([[[1, 2]]]), "b": [None], "c": [[1, None]]}) == 'a_0_0,a_0_1,b,c\n1,2,,"[1, null]"\n'
    assert write({"a": np.array([[[3, 4]]]), "b": ["x\ry"], "c": [2]}) == '"3","4","x\ry","2"\n'


def test_a_line_as_long_as_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 10)
    with pytest.raises(InputError, match="line 1 is not JSON"):
        list(tables.json_rows(io.StringIO('{"a": "' + "x" * 100 + '"}')))


def test_a_model_of_one_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    X = np.arange(20.0).reshape(10, 2)
    path = modelwheel.pack(LinearRegression().fit(X, X), name="m", version="1", sample=X, out=tmp_path).path
    names = list(modelwheel.open(path).schema.names)
    (tmp_path / "rows.jsonl").write_text(json.dumps(dict(zip(names, [2.0, 3.0], strict=True))))
    assert main(["predict", str(path), "-i", str(tmp_path / "rows.jsonl")]) == 0
    assert json.loads(capsys.readouterr().out)["predict"] == pytest.approx([2.0, 3.0])
