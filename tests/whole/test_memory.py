"""A model with a large array: mapped, shared between processes, before and after installing, never written back."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator

import modelwheel
from environments import environment, modelwheel_wheel, run, uv

SMALL, GIGABYTE = 200 * 10**6, 10**9


class Big(BaseEstimator):  # type: ignore[misc]
    """A model that is one large array."""

    def fit(self, X: Any, y: Any = None) -> Big:
        self.fitted_ = True
        return self

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0] + self.array_[0]

    def transform(self, X: Any) -> Any:
        """Reads all of the array, then writes into it."""
        total = self.array_.sum()
        self.array_[:2048] = -1.0
        return np.full((len(X), 1), total)


def pack(size: int, out: Path) -> modelwheel.Bundle:
    model = Big().fit(None)
    model.array_ = np.arange(size // 8, dtype=np.float64)
    options = modelwheel.Options(runtimes=("native",), methods=("predict",))
    return modelwheel.pack(model, name="big", version="1", sample=np.zeros((20, 2)), options=options, out=out)


ASK = """
import json, sys
import numpy as np

def own():
    # memory that is no file's: the heap, and pages of a private map that were written to
    found = dict(line.split()[:2] for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous"))
    return int(found["Anonymous:"]) * 1024

import cloudpickle, modelwheel, modelwheel_loader.bundle, sklearn.base, sklearn.utils
reference, cache = sys.argv[1:]
trust = None if "==" in reference else modelwheel.Trust.unsafe_run_code()
before = own()
model = modelwheel.load(reference, runtime="native", trust=trust, cache=cache)
inner = model._runtime._model
total = float(inner.array_.sum())
first = float(model.predict([[0.0, 0.0]])[0])
after = own()
inner.array_[:2048] = -1.0
found = {"own": after - before, "total": total, "first": first, "written": float(inner.array_[0])}
print(json.dumps(found), flush=True)
sys.stdin.readline()
"""


def ask_twice(python: Path | str, reference: object, cache: Path, *flags: str) -> list[dict[str, float]]:
    """Two processes at the same time; what each found."""
    command = [str(python), *flags, "-W", "ignore", "-c", ASK, str(reference), str(cache)]
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(2)
    ]
    found = []
    for process in both:
        assert process.stdout is not None
        found.append(json.loads(process.stdout.readline() or "null"))
    for process in both:
        process.communicate("\n")
        assert process.returncode == 0
    return found


@pytest.mark.parametrize("size", [SMALL, pytest.param(GIGABYTE, marks=pytest.mark.slow)])
def test_array_is_mapped_and_shared_before_and_after_installing(size: int, tmp_path: Path) -> None:
    bundle = pack(size, tmp_path / "dist")
    count = size // 8
    digest = hashlib.sha256(Path(bundle.path).read_bytes()).hexdigest()
    (payload,) = bundle.runtimes
    assert payload.kind == "native"
    assert payload.mapped_bytes == size
    assert payload.copied_bytes < 100_000

    def good(found: list[dict[str, float]]) -> None:
        for one in found:
            assert one["own"] < 10 * 10**6
            assert one["total"] == float(np.arange(count, dtype=np.float64).sum())
            assert (one["first"], one["written"]) == (0.0, -1.0)

    good(ask_twice(sys.executable, bundle.path, tmp_path / "cache"))
    assert hashlib.sha256(Path(bundle.path).read_bytes()).hexdigest() == digest

    python = environment(tmp_path / "venv", modelwheel_wheel(), "scikit-learn", "cloudpickle")
    run(uv(), "pip", "install", "--quiet", "--no-deps", "--python", python, bundle.path)
    good(ask_twice(python, "big==1", tmp_path / "cache", "-I"))
    assert len(list((tmp_path / "cache").iterdir())) == 2  # one note for the wheel, one for the installed file
    assert "big 1: OK" in run(python, "-I", "-m", "modelwheel_loader", "verify", "big").stdout


ASK_GRAPH = """
import json, sys
import numpy as np, onnxruntime, modelwheel, modelwheel_loader.bundle
from modelwheel_loader import SessionOptions

def own():
    return int(next(line.split()[1] for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous"))) * 1024

before = own()
model = modelwheel.load(sys.argv[1], onnx=SessionOptions(prepacking=sys.argv[2] == "rearranged", threads=1))
answer = model.predict({"x": np.arange(3)})
print(json.dumps({"own": own() - before, "answer": np.asarray(answer).tolist()}))
"""


def test_large_weights_of_a_graph_stay_in_the_map(tmp_path: Path) -> None:
    """A table of 64 MB is never copied; 16 MB of multiplications are, unless nothing is to be rearranged."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    table = random.standard_normal((8000, 2048), np.float32)
    weight = random.standard_normal((2048, 2048), np.float32) / np.float32(45)
    graph = helper.make_graph(
        [helper.make_node("Gather", ["t", "x"], ["g"]), helper.make_node("MatMul", ["g", "w"], ["predict"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [None])],
        [helper.make_tensor_value_info("predict", TensorProto.FLOAT, [None, 2048])],
        [numpy_helper.from_array(table, "t"), numpy_helper.from_array(weight, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(made, str(tmp_path / "large.onnx"))
    unlocked = modelwheel.Dependencies(lock="none")
    sample = {"x": np.arange(4)}
    bundle = modelwheel.pack(
        tmp_path / "large.onnx", name="large", version="1", sample=sample, dependencies=unlocked, out=tmp_path
    )
    found = {
        how: json.loads(run(sys.executable, "-W", "ignore", "-c", ASK_GRAPH, bundle.path, how).stdout)
        for how in ("rearranged", "shared")
    }
    for one in found.values():
        np.testing.assert_allclose(one["answer"], table[:3] @ weight, rtol=1e-3, atol=1e-3)
    assert found["shared"]["own"] < 10 * 10**6
    assert weight.nbytes < found["rearranged"]["own"] < table.nbytes / 2


def test_changed_array_is_found_again_after_it_was_remembered(tmp_path: Path) -> None:
    bundle = pack(10**6, tmp_path / "dist")
    trust = modelwheel.Trust.unsafe_run_code()
    modelwheel.load(bundle.path, trust=trust, cache=tmp_path / "cache")
    path = Path(bundle.path)
    data = bytearray(path.read_bytes())
    place = data.index(np.arange(1000, 1010, dtype=np.float64).tobytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(modelwheel.errors.IntegrityError):
        modelwheel.load(path, trust=trust, cache=tmp_path / "cache")
    # `code` is for images whose build has verified them: arrays are not compared
    assert modelwheel.load(path, trust=trust, integrity="code").predict([[0.0, 0.0]]).tolist() == [0.0]
    with pytest.raises(modelwheel.errors.IntegrityError):
        modelwheel.load(path, trust=trust, integrity="always")


def test_a_cache_that_others_can_write_proves_nothing(tmp_path: Path) -> None:
    bundle = pack(10**6, tmp_path / "dist")
    trust = modelwheel.Trust.unsafe_run_code()
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    modelwheel.load(bundle.path, trust=trust, cache=cache)
    assert not list(cache.iterdir())
    cache.chmod(0o700)
    modelwheel.load(bundle.path, trust=trust, cache=cache)
    (note,) = cache.iterdir()
    assert note.stat().st_mode & 0o777 == 0o600
    with pytest.raises(modelwheel.errors.UsageError, match="integrity"):
        modelwheel.load(bundle.path, trust=trust, integrity="never")  # type: ignore[arg-type]
