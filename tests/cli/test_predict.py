"""predict: the same answers whatever the file, rows that are refused, what is written."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import modelwheel
from modelwheel.cli import main
from modelwheel.cli.tables import arrowfile, csvfile
from modelwheel.cli.tables.chunks import Chunk, Refusals, rebatch
from modelwheel_loader.errors import InputError, MissingExtra
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Bool, Float, Integer, String
from terminals import in_terminal, piped

SCHEMA = Schema(
    fields=(
        Field(name="x", type=Float(64), nullable=True),
        Field(name="n", type=Integer()),
        Field(name="t", type=String()),
    )
)


def run(*arguments: object, status: int = 0) -> None:
    assert main(["predict", *map(str, arguments)]) == status


def answers(path: Path) -> list[Any]:
    return [json.loads(line)["predict"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def expected(wheel: Path, flights: pd.DataFrame) -> list[Any]:
    return list(modelwheel.load(wheel).predict(flights).tolist())


def _stream(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with path.open("wb") as stream, pa.ipc.new_stream(stream, table.schema) as batches:
        batches.write_table(table, max_chunksize=70)


WRITERS: dict[str, Any] = {
    "rows.csv": lambda frame, path: frame.to_csv(path, index=False),
    "rows.tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "rows.csv.gz": lambda frame, path: frame.to_csv(path, index=False),
    "rows.json": lambda frame, path: frame.to_json(path, orient="records", indent=1),
    "rows.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "rows.parquet": lambda frame, path: frame.to_parquet(path),
    "rows.arrow": lambda frame, path: frame.to_feather(path),
    "quoted.csv": lambda frame, path: frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL),
    "crlf.csv": lambda frame, path: frame.to_csv(path, index=False, lineterminator="\r\n"),
    "bom.csv": lambda frame, path: frame.to_csv(path, index=False, encoding="utf-8-sig"),
    "STREAM.arrow": _stream,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_answers(
    name: str, wheel: Path, flights: pd.DataFrame, expected: list[Any], tmp_path: Path
) -> None:
    WRITERS[name](flights, tmp_path / name)
    run(wheel, tmp_path / name, "-o", tmp_path / "out.jsonl", "--batch", 64)
    assert answers(tmp_path / "out.jsonl") == expected


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_polars_where_there_is_no_pyarrow(
    kind: str, wheel: Path, flights: pd.DataFrame, expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"rows.{kind}"
    WRITERS[f"rows.{kind}"](flights, path)
    monkeypatch.setattr(arrowfile, "LIBRARIES", ("no_such_library", "polars"))
    run(wheel, path, "-o", tmp_path / "out.jsonl", "--batch", 64)
    assert answers(tmp_path / "out.jsonl") == expected
    path.write_bytes(b"nothing of the kind")
    run(wheel, path, "-o", tmp_path / "out.jsonl", status=1)
    with pytest.raises(InputError, match="pipe"):
        list(arrowfile.arrow_chunks("-", io.BytesIO(), kind, 10))


def test_without_a_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrowfile, "LIBRARIES", ("no_such_library",))
    with pytest.raises(MissingExtra, match="pyarrow or Polars"):
        list(arrowfile.arrow_chunks("x.parquet", io.BytesIO(), "parquet", 10))


def test_pipes(wheel: Path, flights: pd.DataFrame, expected: list[Any]) -> None:
    done = piped("predict", wheel, "--from", "csv", text=flights.to_csv(index=False))
    assert [json.loads(row)["predict"] for row in done.stdout.splitlines()] == expected
    assert done.stderr == ""
    done = piped("predict", wheel, text=flights.to_json(orient="records", lines=True))
    assert [json.loads(row)["predict"] for row in done.stdout.splitlines()] == expected
    done = piped("predict", wheel, "--from", "parquet", text="x")
    assert done.returncode == 1
    assert "cannot be read from a pipe" in done.stderr


def test_methods_and_kept_columns(wheel: Path, flights: pd.DataFrame, tmp_path: Path) -> None:
    flights.assign(id=range(400)).to_csv(tmp_path / "rows.csv", index=False)
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "a.csv", "-m", "predict", "-m", "predict_proba", "-k", "id")
    made = pd.read_csv(tmp_path / "a.csv")
    assert list(made) == ["id", "predict", "predict_proba_late", "predict_proba_on time"]
    assert np.allclose(made["predict_proba_late"], modelwheel.load(wheel).predict_proba(flights)[:, 0])
    assert made["id"].tolist() == list(range(400))
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "a.csv", "-k", "nothing", status=2)
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "a.csv", "-m", "nothing", status=2)
    assert len(pd.read_csv(tmp_path / "a.csv")) == 400


def test_parquet_is_written(wheel: Path, flights: pd.DataFrame, expected: list[Any], tmp_path: Path) -> None:
    flights.to_parquet(tmp_path / "rows.parquet")
    out = tmp_path / "out.parquet"
    run(
        wheel,
        tmp_path / "rows.parquet",
        "-o",
        out,
        "-m",
        "predict",
        "-m",
        "predict_proba",
        "-k",
        "built",
        "--batch",
        90,
    )
    table = parquet.read_table(out)
    assert table.column("predict").to_pylist() == expected
    assert table.schema.names == ["built", "predict", "predict_proba_late", "predict_proba_on time"]
    assert table.column("built").null_count == flights["built"].isna().sum()


def test_no_rows(wheel: Path, flights: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(",".join(flights.columns) + "\n")
    for name, content in (("out.csv", "predict\n"), ("out.jsonl", "")):
        run(wheel, tmp_path / "rows.csv", "-o", tmp_path / name)
        assert (tmp_path / name).read_text() == content
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.parquet")
    assert parquet.read_table(tmp_path / "out.parquet").schema.names == ["predict"]
    (tmp_path / "rows.csv").write_text("")
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.jsonl")


BAD = (
    "delay,distance,built,carrier,origin,id\n1.5,100,1990,AA,JFK,0\nx,100,1990,AA,JFK,1\n"
    "1.5,,1990,AA,JFK,2\n1,2\n2.5,200,,DL,EWR,4\n"
)


def test_the_first_bad_row_stops_the_run(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text(BAD)
    (tmp_path / "out.csv").write_text("as it was")
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", status=1)
    assert "line 5: must have as many cells as the header" in capsys.readouterr().err
    assert (tmp_path / "out.csv").read_text() == "as it was"
    (tmp_path / "rows.csv").write_text(BAD.replace("1,2\n", ""))
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", "--batch", 1, status=1)
    assert "row 1, field 'delay'" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.csv"]


def test_bad_rows_are_skipped(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text(BAD)
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", "--on-error", "skip", "-k", "id", "--json")
    made = json.loads(capsys.readouterr().out)
    assert (made["rows"], made["refused"]) == (2, 3)
    assert made["codes"] == {"input.line": 1, "input.wrong-type": 1, "input.null": 1}
    assert pd.read_csv(tmp_path / "out.csv")["id"].tolist() == [0, 4]


def test_bad_rows_are_separated(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text(BAD)
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", "--on-error", "separate", "--batch", 2)
    assert "3 rows rejected, in" in capsys.readouterr().err
    lines = (tmp_path / "out.csv.rejected.jsonl").read_text().splitlines()
    rejected = {row["row"]: row for row in map(json.loads, lines)}
    assert set(rejected) == {1, 2, 3}
    assert rejected[1]["values"]["delay"] == "x"
    assert rejected[2]["errors"][0] == {
        "code": "input.null",
        "message": "is null",
        "field": "distance",
        "expected": "int64",
    }
    assert rejected[3]["values"] == {"line": "1,2"}


def test_when_all_rows_are_refused(wheel: Path, tmp_path: Path) -> None:
    header = BAD.partition("\n")[0]
    (tmp_path / "rows.csv").write_text(header + "\n" + "x,y,z,,JFK,1\n" * 300)
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", "--on-error", "skip", status=1)
    assert (tmp_path / "out.csv").read_text() == "predict\n"


def test_a_missing_column_is_no_bad_row(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("delay,distance\n1,2\n")
    run(wheel, tmp_path / "rows.csv", "-o", tmp_path / "out.csv", "--on-error", "skip", status=1)
    assert "input.missing-field" in capsys.readouterr().err
    rows = tmp_path / "rows.jsonl"  # in JSON each row has its own fields
    rows.write_text('{"delay": 1}\n{"delay": 1.5, "distance": 1, "built": null, "carrier": "AA", "origin": "JFK"}\n')
    run(wheel, rows, "-o", tmp_path / "out.jsonl", "--on-error", "skip")
    assert len(answers(tmp_path / "out.jsonl")) == 1


def _odd(rows: list[dict[str, Any]]) -> list[float]:
    if any(row["a"] == 13 for row in rows):
        raise ValueError("13 brings bad luck")
    if any(row["a"] == 7 for row in rows):
        return ["seven"] * len(rows)  # type: ignore[list-item]
    return [row["a"] * 2.0 for row in rows]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("odd")
    sample = [{"a": 1.0}, {"a": 2.0}]
    options = modelwheel.Options(runtimes=("native",))
    return Path(modelwheel.pack(_odd, name="odd", version="1", sample=sample, options=options, out=out).path)


def test_rows_at_which_the_model_fails(odd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"a": value}) + "\n" for value in [1, "x", *range(2, 20)]))
    out = tmp_path / "out.jsonl"
    run(odd, rows, "-o", out, "--unsafe-run-code", "--on-error", "separate")
    assert answers(out) == [2.0 * value for value in range(1, 20) if value not in (7, 13)]
    rejected = [json.loads(line) for line in (tmp_path / "out.jsonl.rejected.jsonl").read_text().splitlines()]
    assert {row["row"]: row["errors"][0]["code"] for row in rejected} == {
        1: "input.wrong-type",
        7: "output.dtype",
        13: "predict.failed",
    }
    capsys.readouterr()
    rows.write_text('{"a": 13}\n')
    run(odd, rows, "--unsafe-run-code", status=1)
    assert "13 brings bad luck" in capsys.readouterr().err


def test_parameters_of_a_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def above(rows: list[dict[str, Any]], threshold: float = 0.5, word: str = "yes") -> list[str]:
        return [word if row["a"] > threshold else "no" for row in rows]

    options = modelwheel.Options(runtimes=("native",))
    sample = [{"a": 0.1}, {"a": 0.9}]
    bundle = modelwheel.pack(above, name="above", version="1", sample=sample, options=options, out=tmp_path)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 0.4}\n{"a": 0.6}\n')
    call = [bundle.path, rows, "-o", tmp_path / "o.jsonl", "--unsafe-run-code"]
    run(*call)
    assert answers(tmp_path / "o.jsonl") == ["no", "yes"]
    run(*call, "-p", "threshold=0.3", "-p", "word=sure")
    assert answers(tmp_path / "o.jsonl") == ["sure", "sure"]
    run(*call, "-p", "threshold=low", status=1)
    assert "threshold" in capsys.readouterr().err
    run(*call, "-p", "threshold", status=2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"a": 1}, 2]', "must be a JSON object"),
        ('[{"a": 1} {"a": 2}]', "a comma is missing"),
        ('[{"a": 1}', "the array is cut off"),
        ('[{"a": 1}] 5', "more after the array"),
        ('[{"a": 1', "is not JSON"),
        ("nonsense", "is not JSON"),
        ("[" * 100_000, "too deep"),
        ('{"a": 1}\n\n 3', "line 3"),
    ],
)
def test_broken_json(odd: Path, text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.json").write_text(text)
    run(odd, tmp_path / "rows.json", "--unsafe-run-code", status=1)
    assert said in capsys.readouterr().err


def test_json_of_any_shape(odd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwheel.cli.tables.jsonfile._PIECE", 7)
    monkeypatch.setattr("modelwheel.cli.tables.jsonfile._ROWS", 2)
    out = tmp_path / "out.jsonl"
    for text in (
        '[{"a": 1}, {"a": 2},\n {"a": 3.5}\n]\n',
        '{"a": 1}{"a": 2}\n {"a":\n3.5}',
        '\n{"a":1}\n\n{"a":2}\n{"a":3.5}',
    ):
        (tmp_path / "rows.json").write_text(text)
        run(odd, tmp_path / "rows.json", "-o", out, "--unsafe-run-code")
        assert answers(out) == [2.0, 4.0, 7.0]
    (tmp_path / "rows.json").write_text("[]")
    run(odd, tmp_path / "rows.json", "-o", out, "--unsafe-run-code")
    assert answers(out) == []


def test_broken_json_lines_are_refused_one_by_one(odd: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes(b'{"a": 1}\n{"a": \n\n"x"\n{"a": 2}\n{"a": "\xff"}\n')
    run(odd, rows, "-o", tmp_path / "out.jsonl", "--unsafe-run-code", "--on-error", "skip")
    assert answers(tmp_path / "out.jsonl") == [2.0, 4.0]


def test_answers_of_every_shape(tmp_path: Path) -> None:
    def many(rows: list[dict[str, Any]]) -> dict[str, Any]:
        count = len(rows)
        return {
            "cube": np.ones((count, 2, 2)),
            "when": np.full(count, np.datetime64("2026-01-02", "D")),
            "nan": np.full(count, np.nan),
            "text": np.array(["a\rb"] * count, dtype=object),
        }

    options = modelwheel.Options(runtimes=("native",))
    bundle = modelwheel.pack(many, name="many", version="1", sample=[{"a": 1.0}] * 2, options=options, out=tmp_path)
    rows = '{"a": 1, "tags": [1, null]}\n' * 2
    call: list[str | Path] = ["predict", bundle.path, "--unsafe-run-code", "-k", "tags"]
    done = piped(*call, text=rows)
    expected = {"tags": [1, None], "cube": [[1.0, 1.0], [1.0, 1.0]], "when": "2026-01-02", "nan": None, "text": "a\rb"}
    assert [json.loads(line) for line in done.stdout.splitlines()] == [expected] * 2
    assert piped(*call, "-o", tmp_path / "o.csv", text=rows).returncode == 0
    with (tmp_path / "o.csv").open(newline="") as stream:
        made = list(csv.DictReader(stream))
    assert (
        made
        == [
            {"cube_0_0": "1.0", "cube_0_1": "1.0", "cube_1_0": "1.0", "cube_1_1": "1.0"}
            | {"tags": "[1, null]", "when": "2026-01-02", "nan": "nan", "text": "a\rb"}
        ]
        * 2
    )
    assert piped(*call, "-o", tmp_path / "o.parquet", text=rows).returncode == 0
    assert parquet.read_table(tmp_path / "o.parquet").column("tags").to_pylist() == [[1, None]] * 2


def test_kept_columns_that_change_their_type_are_refused_in_parquet(odd: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"a": 1, "id": 1}\n{"a": 2, "id": "x"}\n')
    run(odd, rows, "-o", tmp_path / "o.parquet", "-k", "id", "--batch", 1, "--unsafe-run-code", status=1)
    rows.write_text('{"a": 1, "id": 1}\n{"a": 2, "id": "x"}\n{"a": 3}\n')
    run(odd, rows, "-o", tmp_path / "o.parquet", "-k", "id", "--unsafe-run-code")
    assert parquet.read_table(tmp_path / "o.parquet").column("id").to_pylist() == ["1", "x", None]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rows.csv", "--rejected", "x"], "goes with"),
        (["rows.csv", "--on-error", "separate"], "needs --rejected"),
        (["rows.csv", "-o", "rows.csv"], "different files"),
        (["rows.xyz"], "unknown file type"),
        (["rows.csv", "-o", "out.arrow"], "unknown file type"),
        (["rows.csv", "--delimiter", "ab"], "one ASCII character"),
        (["rows.csv", "--batch", "0"], "x>=1"),
        (["none.csv"], "No such file"),
    ],
)
def test_wrong_usage(
    wheel: Path,
    arguments: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(BAD)
    run(wheel, *arguments, status=2)
    assert said in capsys.readouterr().err


def test_broken_gzip(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = gzip.compress(BAD.encode() * 50)
    (tmp_path / "rows.csv.gz").write_bytes(packed[: len(packed) // 2])
    run(wheel, tmp_path / "rows.csv.gz", status=1)
    assert "cannot be unpacked" in capsys.readouterr().err


def test_broken_parquet(wheel: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("rows.parquet", "rows.arrow"):
        (tmp_path / name).write_bytes(b"PAR1 and nothing else")
        run(wheel, tmp_path / name, status=1)
        assert "input.file" in capsys.readouterr().err


def test_progress_with_rows_per_second(wheel: Path, flights: pd.DataFrame, tmp_path: Path) -> None:
    flights.to_csv(tmp_path / "rows.csv", index=False)
    text, status = in_terminal(
        "predict", wheel, tmp_path / "rows.csv", "-o", tmp_path / "o.csv", "--batch", "50", width=100
    )
    assert status == 0
    assert "rows/s" in text
    assert "100%" in text
    text, _ = in_terminal("predict", wheel, tmp_path / "rows.csv")
    assert "rows/s" not in text
    text, status = in_terminal("predict", wheel, tmp_path / "rows.csv", "--to", "parquet")
    assert status == 2


# -- CSV ------------------------------------------------------------------------------------------------------------


def read_csv(data: bytes, *, quick: bool, schema: Schema = SCHEMA, mode: Any = "skip") -> tuple[list[Any], Any]:
    """All rows by their numbers, and what was refused."""
    out = io.BytesIO()
    refusals = Refusals(mode, out)
    file = csvfile.CsvFile(io.BytesIO(data), schema, refusals)
    with pytest.MonkeyPatch.context() as patch:
        if not quick:
            patch.setitem(sys.modules, "pyarrow.csv", None)
        rows = [
            (int(number), row)
            for chunk in file.chunks()
            for number, row in zip(chunk.numbers, chunk.rows(), strict=True)
        ]
    return rows, [json.loads(line) for line in out.getvalue().splitlines()]


ODD = [
    *[
        "\u2028",
        "é",
        " ",
        "1 ",
        "+1",
        "0x1F",
        "1_0",
        "1e5",
        "inf",
        "-0",
        "1.",
        ".5",
        "x\x00",
        "Infinity",
        "nan(1)",
        "1d5",
        "0x1p3",
        "\t1",
        "١",
    ],
    *("True", "007", "NaN", "null", "9e999", '"q"', '""', '"1"', '"1,5"', '"a""b"', "9" * 40, ""),
]
PLAIN = st.one_of(
    st.floats(allow_nan=False).map(str),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(ODD),
    st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=5),
)
CELLS = PLAIN | PLAIN.map(lambda cell: f'"{cell}"')
LINES = st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LINES, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.sampled_from([b"", b"\xff\n", b'"q"\n', b"\n\n"]))
@example(lines=[["nan(1)", "0", "0"], ["NAN(x)", "0", "0"], ["1", "0", "n(1)"]], end="\n", last=False, odd=b"")
def test_arrow_and_python_read_the_same(lines: list[list[str]], end: str, last: bool, odd: bytes) -> None:
    text = end.join(["x,n,t", *(",".join(cells) for cells in lines)]) + (end if last else "")
    data = text.encode() + (odd if last else b"")
    quick, quick_refused = read_csv(data, quick=True)
    slow, slow_refused = read_csv(data, quick=False)
    assert repr(quick) == repr(slow)
    assert quick_refused == slow_refused


def test_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"{number}.5,{number},text{number}" for number in range(200)]
    lines[77] = "1,2"
    lines[150] = '"1.5",7,"a\nb"'
    lines[180] = '1,2,"3,4'
    data = "\n".join(["x,n,t", *lines, ""]).encode()
    whole = read_csv(data, quick=True)
    monkeypatch.setattr(csvfile, "BLOCK", 64)
    monkeypatch.setattr(csvfile, "_LINES", 7)
    assert repr(read_csv(data, quick=True)) == repr(read_csv(data, quick=False)) == repr(whole)
    assert [row["row"] for row in whole[1]] == [77, 180]
    assert dict(whole[0])[150] == {"x": 1.5, "n": 7, "t": "a\nb"}


def test_quotes_in_the_header_and_blank_lines() -> None:
    rows, refused = read_csv(b'\xef\xbb\xbf"x",n,t\n\n1,2,a\n\n', quick=True)
    assert rows == [(0, {"x": 1.0, "n": 2, "t": "a"})]
    with pytest.raises(InputError, match="line 1 is not CSV"):
        read_csv(b'x,n,"a\n1,2,b\n', quick=True)
    assert not refused


def test_headers_that_cannot_be() -> None:
    with pytest.raises(InputError, match="twice"):
        read_csv(b"x,x\n1,2\n", quick=True)
    assert read_csv(b"", quick=True) == ([], [])
    assert read_csv(b"x,n,t", quick=True) == ([], [])


def test_other_types_are_read_by_the_schema() -> None:
    schema = Schema(fields=(Field(name="b", type=Bool()), Field(name="x", type=Float(64))))
    rows, _ = read_csv(b"b,x,more\ntrue,1,a\n0,,\n", quick=True, schema=schema)
    assert [row for _, row in rows] == [{"b": True, "x": 1.0, "more": "a"}, {"b": False, "x": None, "more": ""}]


def test_lines_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csvfile, "MAX_LINE", 1000)
    monkeypatch.setattr(csvfile, "BLOCK", 100)
    with pytest.raises(InputError, match="longer than"):
        read_csv(b"x,n,t\n" + b"1" * 5000, quick=True)
    rows, refused = read_csv(b'x,n,t\n1,2,"\n' + b"1" * 5000, quick=True)
    assert not rows
    assert refused


def test_batches_are_of_one_size_however_the_file_is_read() -> None:
    numbers = [np.arange(start, end) for start, end in ((0, 3), (3, 4), (4, 11), (11, 12))]
    columns = [Chunk(part, columns={"a": part.tolist(), "b": part, "c": pa.array(part)}) for part in numbers]
    mixed = [*columns[:1], Chunk(numbers[1], columns={"a": [3], "b": [3.0], "c": ["x"]}), *columns[2:]]
    rows = [Chunk(part, rows=[{"a": int(value)} for value in part]) for part in numbers]
    for chunks in (columns, mixed, rows):
        made = list(rebatch(chunks, 5))
        assert [chunk.numbers.tolist() for chunk in made] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11]]
        assert [row["a"] for chunk in made for row in chunk.rows()] == list(range(12))
    assert list(rebatch([], 5)) == []
    assert columns[0].take([2, 0]).column("c") == [2, 0]
    assert columns[0].column("none") is None
