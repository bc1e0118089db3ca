"""pack: a model file and a sample file become a bundle; a pickle is read only when that is said."""

from __future__ import annotations

import importlib
import json
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

import modelwheel
from modelwheel.cli import main, packfiles
from modelwheel_loader.errors import MissingExtra, PackError, UsageError

FRAME = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0) ** 2})
MODEL = LinearRegression().fit(FRAME, FRAME["a"] + FRAME["b"])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    joblib.dump(MODEL, "model.joblib")
    FRAME.assign(target=1).to_csv("sample.csv", index=False)
    return tmp_path


def pack(*arguments: str, status: int = 0) -> None:
    assert main(["pack", *arguments, "--name", "acme-line", "--version", "1.0"]) == status


def packed() -> modelwheel.Bundle:
    return modelwheel.open("dist/acme_line-1.0-py3-none-any.whl")


def test_a_pickle_runs_only_when_that_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = folder / "bomb.pkl"
    bomb.write_bytes(b"cbuiltins\nopen\n(Vowned\nVw\ntR.")
    for path in ("bomb.pkl", "model.joblib"):
        pack(path, "sample.csv", status=1)
        assert "--unsafe-run-code" in capsys.readouterr().err
    assert not (folder / "owned").exists()
    assert not (folder / "dist").exists()
    pack("bomb.pkl", "sample.csv", "--json", status=1)
    assert json.loads(capsys.readouterr().out)["code"] == "trust.refused"


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.PICKLE"])
def test_pickles(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(MODEL))
    (folder / "model.PICKLE").write_bytes(pickle.dumps(MODEL))
    about = ["--summary", "Adds", "--author", "Ada", "--license", "mit"]
    pack(name, "sample.csv", "--unsafe-run-code", "--runtime", "native", *about)
    printed = capsys.readouterr()
    assert "left out, for the model was not fitted on them: target" in printed.err
    assert "wrote dist/acme_line-1.0-py3-none-any.whl" in printed.out
    with packed() as bundle:
        assert bundle.schema.names == ("a", "b")
        assert bundle.metadata["license-expression"] == ("MIT",)
        assert [payload.kind for payload in bundle.runtimes] == ["native"]


SAMPLES: dict[str, Any] = {
    "s.csv": lambda path: FRAME.to_csv(path, index=False),
    "s.tsv": lambda path: FRAME.to_csv(path, index=False, sep="\t"),
    "s.json": lambda path: FRAME.to_json(path, orient="records"),
    "s.jsonl": lambda path: FRAME.to_json(path, orient="records", lines=True),
    "s.parquet": FRAME.to_parquet,
    "s.feather": FRAME.to_feather,
}


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("library", packfiles.LIBRARIES)
def test_samples(name: str, library: str, tmp_path: Path) -> None:
    SAMPLES[name](tmp_path / name)
    sample, notes = packfiles.shaped(packfiles.read_sample(str(tmp_path / name), library), MODEL, drop=[], column=None)
    assert type(sample).__module__.startswith(library)
    assert np.allclose(np.column_stack([np.asarray(sample["a"]), np.asarray(sample["b"])]), FRAME)
    assert not notes


def test_arrays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = LinearRegression().fit(FRAME.to_numpy(), FRAME["a"])
    joblib.dump(bare, "bare.joblib")
    np.save("sample.npy", FRAME.to_numpy())
    pack("bare.joblib", "sample.npy", "--unsafe-run-code", "--json")
    made = json.loads(capsys.readouterr().out)
    assert made["digest"] == packed().digest
    assert packed().schema.layout == "matrix"
    pack("bare.joblib", "sample.csv", "--unsafe-run-code", status=1)
    assert "was fitted on 2 columns, and the sample has 3" in capsys.readouterr().err
    pack("bare.joblib", "sample.csv", "--unsafe-run-code", "--drop", "target", "--overwrite")
    assert "fitted without names of columns" in capsys.readouterr().err
    for library in packfiles.LIBRARIES:
        sample = packfiles.read_sample("sample.csv", library)
        made = packfiles.shaped(sample, bare, drop=["target"], column=None)[0]
        assert np.allclose(made, FRAME)


def test_texts(folder: Path) -> None:
    texts = pd.DataFrame({"text": ["good thing", "bad thing"] * 10, "label": [1, 0] * 10})
    texts.to_csv("texts.csv", index=False)
    joblib.dump(make_pipeline(CountVectorizer(), LogisticRegression()).fit(texts["text"], texts["label"]), "t.joblib")
    pack("t.joblib", "texts.csv", "--unsafe-run-code", "--column", "text", "--examples", "none", "--method", "predict")
    with packed() as bundle:
        assert bundle.schema.layout == "array"
        assert tuple(bundle.methods) == ("predict",)
        assert bundle.examples is None
    for library in packfiles.LIBRARIES:
        sample = packfiles.read_sample("texts.csv", library)
        assert packfiles.shaped(sample, None, drop=[], column="text")[0] == texts["text"].tolist()
    whole, notes = packfiles.shaped(texts, len, drop=["label"], column=None)
    assert (list(whole), notes) == (["text"], [])


def test_columns_that_are_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack("model.joblib", "sample.csv", "--unsafe-run-code", "--drop", "nothing", status=1)
    assert "field 'nothing': is not in the sample" in capsys.readouterr().err
    pack("model.joblib", "sample.csv", "--unsafe-run-code", "--drop", "a", status=1)
    assert "field 'a'" in capsys.readouterr().err


def test_the_description_comes_from_a_file(folder: Path) -> None:
    (folder / "card.md").write_text("# A card\n", encoding="utf-8")
    pack("model.joblib", "sample.csv", "--unsafe-run-code", "--description", "card.md", "--public")
    assert packed().manifest.description == "# A card\n"


def test_onnx_is_read_without_running_anything(folder: Path) -> None:
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 2])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None, 2])],
    )
    onnx.save(onnx.helper.make_model(graph), "model.onnx")
    assert packfiles.read_model(Path("model.onnx"), run_code=False) == Path("model.onnx")


@pytest.mark.parametrize("name", ["broken.joblib", "broken.pkl", "broken.onnx"])
def test_broken_model_files(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / name).write_bytes(b"\x80\x05nothing of the kind")
    pack(name, "sample.csv", "--unsafe-run-code", status=1)
    assert "[pack.file]" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["s.parquet", "s.json", "s.feather", "s.npy"])
def test_broken_samples(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / name).write_bytes(b"{nothing of the kind")
    pack("model.joblib", name, "--unsafe-run-code", status=1)
    assert "[pack.file]" in capsys.readouterr().err


class Library:
    """Stands in for a booster's library: what is tested is that the right door is used."""

    def __init__(self, model_file: str = "") -> None:
        self.path = model_file

    def load_model(self, path: Any) -> Library:
        self.path = str(path)
        return self


@pytest.mark.parametrize(
    ("ending", "kind"), [(".ubj", "Booster"), (".json", "Booster"), (".txt", "Booster"), (".cbm", "CatBoost")]
)
def test_boosters_are_read_by_their_own_libraries(
    ending: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"model{ending}"
    path.write_bytes(b"")
    module = type("module", (), {kind: Library})
    monkeypatch.setattr(importlib, "import_module", lambda _: module)
    assert packfiles.read_model(path, run_code=False).path == str(path)


def test_what_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> Any:
        raise ImportError(name)

    (tmp_path / "model.cbm").write_bytes(b"")
    monkeypatch.setattr(importlib, "import_module", nothing)
    with pytest.raises(MissingExtra, match="needs catboost"):
        packfiles.read_model(tmp_path / "model.cbm", run_code=False)
    with pytest.raises(MissingExtra, match="needs pandas, Polars or pyarrow"):
        packfiles.read_sample("x.csv", None)
    with pytest.raises(MissingExtra, match="needs polars"):
        packfiles.read_sample("x.csv", "polars")


def test_files_that_go_away(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        packfiles.read_model(tmp_path / "model.pkl", run_code=True)
    with pytest.raises(OSError, match="No such file"):
        packfiles.read_sample(str(tmp_path / "sample.csv"), None)


def test_names_that_say_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="what kind of model"):
        packfiles.read_model(tmp_path / "model.bin", run_code=True)


def test_a_sample_of_another_shape() -> None:
    array = np.ones((3, 2))
    assert packfiles.shaped(array, MODEL, drop=[], column=None) == (array, [])
    with pytest.raises(PackError, match="lacks columns"):
        packfiles.shaped(FRAME[["a"]], MODEL, drop=[], column=None)
