"""A10: what the resolver accepts, the loader accepts; and what is packed is the model, not a reference to one."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler

import modelwheel
from field.elsewhere import ONNX, answers_elsewhere, differs, kinds, options, pack, refused
from modelwheel.errors import PackError

FRAME = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2)), columns=["a", "b"])
PYTHONS = ("3.11.0", "3.11.9", "3.12.1", "3.13.0", "3.14.0")


def total(frame: Any) -> Any:
    return frame["a"].to_numpy() + frame["b"].to_numpy()


def requires_python(bundle: Any) -> SpecifierSet:
    (text,) = bundle.metadata["requires-python"]
    return SpecifierSet(text)


def extra(bundle: Any, name: str) -> dict[str, Requirement]:
    made = [Requirement(text) for text in bundle.metadata["requires-dist"]]
    wanted = [item for item in made if item.marker is not None and item.marker.evaluate({"extra": name})]
    return {item.name: item for item in wanted}


def accepted(bundle: Any, python: str) -> bool:
    """Whether some runtime of the bundle runs on that Python, by what the loader judges."""
    judged = [getattr(payload, "python_specifier", ">=3.11") for payload in bundle.runtimes]
    return any(Version(python) in SpecifierSet(text) for text in judged)


@pytest.mark.parametrize("model", [total, LinearRegression().fit(FRAME, FRAME["a"])], ids=["by value", "estimator"])
@pytest.mark.parametrize("runtimes", [("onnx", "native"), ("native",)], ids=["both", "native"])
def test_requires_python_is_what_the_loader_accepts(model: Any, runtimes: tuple[str, ...], tmp_path: Path) -> None:
    bundle = pack(model, FRAME, tmp_path, options=options(runtimes=runtimes))
    for python in PYTHONS:
        assert (Version(python) in requires_python(bundle)) == accepted(bundle, python), python


def test_a_graph_beside_code_by_value_is_for_every_python(tmp_path: Path) -> None:
    class Local(LinearRegression):  # type: ignore[misc]
        """By value, and converted as what it derives from, or not at all."""

    bundle = pack(Local().fit(FRAME, FRAME["a"]), FRAME, tmp_path)
    for python in PYTHONS:
        assert (Version(python) in requires_python(bundle)) == accepted(bundle, python)


def test_source_that_travels_is_for_newer_pythons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_sums.py").write_text("def total(frame):\n    return (frame['a'] + frame['b']).to_numpy()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = __import__("own_sums")
    dependencies = modelwheel.Dependencies(lock="none", code=(tmp_path / "own_sums.py",))
    bundle = pack(own.total, FRAME, tmp_path / "dist", dependencies=dependencies)
    for python in PYTHONS:
        assert (Version(python) in requires_python(bundle)) == accepted(bundle, python)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_extra_of_a_graph_has_what_its_answers_are_made_of(library: str, tmp_path: Path) -> None:
    model = StandardScaler().set_output(transform=library).fit(FRAME)
    bundle = pack(model, FRAME, tmp_path)
    assert "onnx" in kinds(bundle)
    assert library in extra(bundle, "onnx")
    assert "onnxruntime" in extra(bundle, "onnx")
    assert not differs(model.transform(FRAME), answers_elsewhere(bundle, FRAME, "transform", "onnx"), ONNX)


def test_so_it_is_with_sparse_answers(tmp_path: Path) -> None:
    texts = ["good day", "bad day", "day"] * 10
    bundle = pack(CountVectorizer().fit(texts), texts, tmp_path)
    assert "onnx" in kinds(bundle)
    assert "scipy" in extra(bundle, "onnx")


def test_what_the_author_adds_is_for_every_runtime(tmp_path: Path) -> None:
    dependencies = modelwheel.Dependencies(lock="none", add=("pyarrow",))
    bundle = pack(LinearRegression().fit(FRAME, FRAME["a"]), FRAME, tmp_path, dependencies=dependencies)
    assert "pyarrow" in extra(bundle, "native")
    assert "pyarrow" in extra(bundle, "onnx")


def test_a_graph_of_numbers_needs_nothing_more(tmp_path: Path) -> None:
    bundle = pack(LinearRegression().fit(FRAME, FRAME["a"]), FRAME, tmp_path)
    assert set(extra(bundle, "onnx")) == {"onnxruntime"}


def holds(path: Path, text: str) -> list[str]:
    with zipfile.ZipFile(path) as wheel:
        return [name for name in wheel.namelist() if text.encode() in wheel.read(name)]


class Holder:
    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, frame: Any) -> Any:
        return np.asarray(self.model.predict(frame)) * 2


@pytest.mark.parametrize(
    "wrap", [lambda model: model, Holder, lambda model: model.predict], ids=["it", "held", "bound"]
)
@pytest.mark.parametrize("runtime", ["native", "onnx"])
def test_a_loaded_model_is_packed_as_what_is_inside_or_refused(wrap: Any, runtime: str, tmp_path: Path) -> None:
    inner = LinearRegression().fit(FRAME, FRAME["a"])
    first = pack(inner, FRAME, tmp_path / "first")
    loaded = first.load(runtime=runtime)
    model = wrap(loaded)
    expected = np.asarray(getattr(model, "predict", model)(FRAME))
    try:
        bundle = pack(model, FRAME, tmp_path / "second")
    except PackError as error:
        refused(error, "loaded model|modelwheel.Model|a bundle")
        return
    finally:
        loaded.close()
    assert not holds(Path(bundle.path), str(tmp_path))
    Path(first.path).unlink()
    for kind in kinds(bundle):
        assert not differs(expected, np.asarray(answers_elsewhere(bundle, FRAME, runtime=kind)), ONNX)
