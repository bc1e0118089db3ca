"""Files of data beside the author's source travel with it, for `importlib.resources` to read wherever it loads."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import modelwheel
from modelwheel import Dependencies, Options
from modelwheel.capturing import sources
from modelwheel.capturing.sources import read_code
from modelwheel_loader.errors import EnvironmentMismatch, InvalidBundle, PackError
from modelwheel_loader.run.bundled_code import Node, Source, read_sources

ROOT = Path(__file__).resolve().parents[2]
TRUST = modelwheel.Trust.unsafe_run_code()
X = np.arange(6.0).reshape(3, 2)
CODE = """
import json
from importlib.resources import as_file, files
import numpy as np

RATES = json.loads(files("rated").joinpath("tables", "rates.json").read_text("utf-8"))


class Rated:
    def __call__(self, rows):
        with as_file(files(__package__) / "tables/deep/offset.bin") as path, open(path, "rb") as stream:
            offset = len(stream.read())
        texts = [item for item in files("rated.below").iterdir() if item.name.endswith(".txt")]
        return np.asarray(rows)[:, 0] * RATES["a"] + offset + len(texts)
"""


@pytest.fixture
def rated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "work" / "rated"
    for name in ("tables/deep", "below", ".hidden", "__pycache__"):
        (folder / name).mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "model.py").write_text(CODE)
    (folder / "below" / "__init__.py").write_text("")
    (folder / "below" / "names.txt").write_text("a\n")
    (folder / "tables" / "rates.json").write_text('{"a": 3.0}')
    (folder / "tables" / "deep" / "offset.bin").write_bytes(bytes(range(7)))
    for name in (".env", ".hidden/secret.txt", "__pycache__/model.pyc", "py.typed", "model.pyi", "model.py~"):
        (folder / name).write_text("not to travel")
    monkeypatch.syspath_prepend(str(folder.parent))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "rated"]:
        del sys.modules[name]


def packed(folder: Path, out: Path) -> Any:
    model = importlib.import_module("rated.model").Rated()
    dependencies = Dependencies(code=(folder,))
    options = Options(overwrite=True)
    return modelwheel.pack(
        model, name="rated", version="1", sample=X, out=out, dependencies=dependencies, options=options
    )


ELSEWHERE = """
import sys
import modelwheel
model = modelwheel.load(sys.argv[1], trust=modelwheel.Trust.unsafe_run_code())
assert model.check().ok
print(model.predict([[2.0, 0.0]]).tolist())
from importlib.resources import files
top = files("rated")
assert top.name == "rated" and top.is_dir() and not top.is_file(), top
assert sorted(item.name for item in top.iterdir()) == ["below", "tables"]
assert (top / "tables" / "rates.json").is_file()
assert not (top / "tables" / "none.json").is_file()
with (top / "below/names.txt").open() as text, (top / "below/names.txt").open("rb") as raw:
    assert (text.read(), raw.read()) == ("a\\n", b"a\\n")
"""


def test_data_travels_with_the_code_and_is_read_where_it_loads(rated: Path, tmp_path: Path) -> None:
    bundle = packed(rated, tmp_path / "dist")
    note = "3 data files beside the code, 19 bytes: rated/tables/deep/offset.bin, rated/tables/rates.json"
    assert note in str(bundle.report).replace("19 B", "19 bytes")
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(bundle.path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[14.0]"


def test_hidden_files_and_what_python_makes_stay_here(rated: Path) -> None:
    found = read_code([rated])
    assert found.files == {
        "rated/tables/deep/offset.bin": 7,
        "rated/tables/rates.json": 10,
        "rated/below/names.txt": 2,
    }
    assert b"not to travel" not in found.member()
    assert read_sources(found.member(), ("rated",)) == found.modules


def test_other_data_under_the_same_name_is_other_code(rated: Path, tmp_path: Path) -> None:
    bundle = packed(rated, tmp_path / "dist")
    assert modelwheel.load(bundle.path, trust=TRUST).check().ok
    (rated / "tables" / "rates.json").write_text('{"a": 4.0}')
    with pytest.raises(EnvironmentMismatch, match="rated of the bundle differs from the one"):
        modelwheel.load(bundle.path, trust=TRUST, runtime="native")
    (rated / "tables" / "rates.json").unlink()
    with pytest.raises(EnvironmentMismatch, match="rated of the bundle differs from the one"):
        modelwheel.load(bundle.path, trust=TRUST, runtime="native")


def test_too_much_data_is_refused_with_the_largest_files(rated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MOST_DATA", 10)
    with pytest.raises(PackError, match="10 bytes of data, and with the others more than 10") as caught:
        read_code([rated])
    assert [defect.where for defect in caught.value.defects][:2] == [
        "rated/tables/rates.json", "rated/tables/deep/offset.bin"
    ]  # fmt: skip
    assert "let the model hold what it needs" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("from pathlib import Path\nHERE = Path(__file__).parent\n", True),
        ("def read():\n    return open(__file__)\n", True),
        ("if __name__ == '__main__':\n    print(__file__)\n", False),
        ("if 1:\n    TEXT = '__file__'\n", False),
    ],
)
def test_code_that_asks_where_it_is_on_the_disk_is_refused(rated: Path, text: str, refused: bool) -> None:
    (rated / "where.py").write_text(text)
    if not refused:
        assert "rated.where" in read_code([rated]).modules
        return
    with pytest.raises(PackError, match="uses __file__, and modules in a bundle are not on a disk") as caught:
        read_code([rated])
    assert [defect.where for defect in caught.value.defects] == ["rated/where.py"]
    assert "importlib.resources" in str(caught.value)


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a\\b", "a/./b", "a\0b"])
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    document = {"modules": {"a": {"source": "", "package": True, "files": {path: "QQ=="}}}}
    with pytest.raises(InvalidBundle, match="must be the path of a file below the package"):
        read_sources(json.dumps(document).encode(), ("a",))


@pytest.mark.parametrize("content", ["%", "QQ", 3, None])
def test_data_that_is_no_base64_is_refused(content: object) -> None:
    document = {"modules": {"a": {"source": "", "package": True, "files": {"x": content}}}}
    with pytest.raises(InvalidBundle):
        read_sources(json.dumps(document).encode(), ("a",))
    document["modules"]["a"]["files"] = {"x": b64encode(b"A").decode()}
    assert read_sources(json.dumps(document).encode(), ("a",)) == {
        "a": Source(text="", package=True, files={"x": b"A"})
    }


def test_what_is_not_there_is_said_as_on_a_disk() -> None:
    top = Node("a", {"a/x": b"\xe9"})
    with pytest.raises(FileNotFoundError, match="the bundle holds no file a/y"):
        (top / "y").read_bytes()
    assert (top / "x").read_text("latin-1") == "\xe9"
    assert (top / "x").read_text("ascii", "replace") == "\ufffd"
    assert repr(top / "x") == "<a/x of a bundle>"
    assert list((top / "y").iterdir()) == []


def test_functions_by_value_that_read_beside_their_file_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tabled.py").write_text(
        "from pathlib import Path\n"
        "def factor():\n    return float((lambda: Path(__file__).parent / 'factor.txt')().read_text())\n"
        "def predict(rows):\n    return rows[:, 0] * factor()\n"
    )
    (tmp_path / "factor.txt").write_text("3")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = importlib.import_module("tabled").predict
    with pytest.raises(PackError, match=r"tabled\.factor uses __file__, which is a place on this disk alone") as caught:
        modelwheel.pack(model, name="tabled", version="1", sample=X, out=tmp_path / "dist")
    assert caught.value.code == "pack.pickle"
    assert "Dependencies(code=(…,)), with the files in it" in caught.value.hint
    assert not list(tmp_path.glob("dist/*"))
