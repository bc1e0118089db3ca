"""The measures of `run.py`: each gives rows of the table."""

from __future__ import annotations

import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

import modelwheel

warnings.filterwarnings("ignore")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; times in seconds."""

    what: str
    ours: float
    beside: str
    theirs: float
    target: str
    difference: bool = False

    def markdown(self) -> str:
        """The line."""
        more, ratio = self.ours - self.theirs, self.ours / self.theirs
        times = f"{ratio:.2f} ×" if ratio >= 0.1 else f"{ratio:.1g} ×"
        told = f"{'+' if more >= 0 else '−'} {shown(abs(more))}" if self.difference else times
        return f"| {self.what} | {shown(self.ours)} | {self.beside} | {shown(self.theirs)} | {told} | {self.target} |"


def shown(seconds: float) -> str:
    """A time for people."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if abs(seconds) * factor >= 1 or unit == "µs":
            return f"{seconds * factor:.3g} {unit}"
    return ""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def in_turn(*functions: Callable[[], Any], runs: int = 7, repeat: int = 1) -> list[float]:
    """The median time of each function, run in turn: A B A B …; each run calls it `repeat` times."""
    times: list[list[float]] = [[] for _ in functions]
    for function in functions:
        function()
    for _ in range(runs):
        for place, function in enumerate(functions):
            start = time.perf_counter()
            for _ in range(repeat):
                function()
            times[place].append((time.perf_counter() - start) / repeat)
    return [statistics.median(each) for each in times]


BYTECODE = tempfile.TemporaryDirectory(prefix="modelwheel-bytecode-")
"""Where the processes keep compiled modules, as an installation would."""


def process(code: str, *arguments: object, python: Path = Path(sys.executable)) -> Callable[[], None]:
    """A function that runs `code` in a new process."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": BYTECODE.name}
    for name in ("PYTHONDONTWRITEBYTECODE", "ORT_DISABLE_TELEMETRY"):  # the latter is left by packing in this process
        environment.pop(name, None)

    def run() -> None:
        command = [python, "-W", "ignore", "-c", code, *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)

    return run


def thirty(rows: int = 2000) -> tuple[pd.DataFrame, np.ndarray]:  # type: ignore[type-arg]
    """Thirty floats and a label."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(rows, 30)), columns=[f"f{number}" for number in range(30)])
    return frame, (frame["f0"] + frame["f1"] > 0).to_numpy().astype(int)


def imports(folder: Path, quick: bool) -> list[Row]:
    """The cost of importing"""
    lean, both, full, alone = in_turn(
        process("import numpy, modelwheel_loader"),
        process("import numpy, modelwheel"),
        process("import numpy, modelwheel_loader.bundle"),
        process("import numpy"),
        runs=15,
    )
    return [
        Row("`import numpy, modelwheel_loader`", lean, "`import numpy`", alone, "+ 15 ms", difference=True),
        Row("`import numpy, modelwheel`", both, "`import numpy`", alone, "+ 15 ms", difference=True),
        Row("… and all that `load` needs", full, "`import numpy`", alone, "–", difference=True),
    ]


START = """
import sys, modelwheel
model = modelwheel.load(sys.argv[1], runtime=sys.argv[2], trust=modelwheel.Trust.unsafe_run_code())
model.predict({f"f{n}": 0.5 for n in range(30)})
"""
START_ONNX = """
import sys, numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
row = {f"f{n}": 0.5 for n in range(30)}
(x,) = session.get_inputs()
dtype = np.float64 if "double" in x.type else np.float32
session.run(["predict"], {x.name: np.array([list(row.values())], dtype=dtype)})
"""
# ours turns onnxruntime's telemetry off: the row with a target is beside a hand that does too
START_QUIET = f"import os; os.environ['ORT_DISABLE_TELEMETRY'] = '1'\n{START_ONNX}"
START_JOBLIB = """
import sys, joblib, pandas as pd
model = joblib.load(sys.argv[1])
model.predict(pd.DataFrame([{f"f{n}": 0.5 for n in range(30)}]))
"""


def packed(folder: Path, model: Any, sample: Any, name: str) -> modelwheel.Bundle:
    """The packed model, its parts also as plain files beside it."""
    unlocked = modelwheel.Dependencies(lock="none")
    bundle = modelwheel.pack(model, name=name, version="1", sample=sample, out=folder, dependencies=unlocked)
    joblib.dump(model, folder / f"{name}.joblib")
    with zipfile.ZipFile(bundle.path) as archive:
        for payload in bundle.runtimes:
            if payload.kind == "onnx":
                data = archive.read(f"modelwheel_bundles/{bundle.name.replace('-', '_')}/{payload.member}")
                (folder / f"{name}.onnx").write_bytes(data)
    return bundle


def starts(folder: Path, quick: bool) -> list[Row]:
    """From the start of a process to its first answer"""
    frame, labels = thirty()
    bundle = packed(folder, LogisticRegression().fit(frame, labels), frame, "start")
    graph = folder / "start.onnx"
    ours, quiet, plain = in_turn(
        process(START, bundle.path, "onnx"), process(START_QUIET, graph), process(START_ONNX, graph), runs=21
    )
    native, by_joblib = in_turn(process(START, bundle.path, "native"), process(START_JOBLIB, folder / "start.joblib"))
    return [
        Row("start → first answer, onnx", ours, "by hand, onnxruntime without telemetry", quiet, "1.15 ×"),
        Row("start → first answer, onnx", ours, "by hand, onnxruntime as it comes", plain, "–"),
        Row("start → first answer, native", native, "by hand, joblib", by_joblib, "1.05 ×"),
    ]


def rows(folder: Path, quick: bool) -> list[Row]:
    """One dict row of 30 floats"""
    import onnxruntime
    from pydantic import create_model

    frame, labels = thirty()
    matrix = frame.to_numpy()
    bundle = packed(folder, LogisticRegression().fit(matrix, labels), matrix, "row")
    model = bundle.load(runtime="onnx")
    settings = onnxruntime.SessionOptions()
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(folder / "row.onnx", settings, providers=["CPUExecutionProvider"])
    (graph_input,) = session.get_inputs()
    dtype = np.float64 if "double" in graph_input.type else np.float32
    names = list(bundle.schema.names)
    row = dict.fromkeys(names, 0.5)
    body = create_model("Body", **dict.fromkeys(names, (float, ...)))

    def by_hand() -> Any:
        values = np.array([[row[name] for name in names]], dtype=dtype)
        return session.run(["predict"], {graph_input.name: values})[0][0]

    def with_pydantic() -> Any:
        checked = body.model_validate(row)
        values = [[getattr(checked, name) for name in names]]
        return session.run(["predict"], {graph_input.name: np.array(values, dtype=dtype)})[0][0]

    ours, hand, pydantic = in_turn(lambda: model.predict(row), by_hand, with_pydantic, runs=15, repeat=2000)
    return [
        Row(
            "one dict row, 30 floats, checked",
            ours,
            "by hand, onnxruntime, unchecked",
            hand,
            "+ 10 µs",
            difference=True,
        ),
        Row("… pydantic before onnxruntime", pydantic, "by hand, onnxruntime, unchecked", hand, "–", difference=True),
    ]


class Passes:
    """The raw call after one pass that reads the input and one that copies it, as checking and binding do."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def predict(self, many: np.ndarray) -> Any:  # type: ignore[type-arg]
        """The answer for a copy."""
        many.sum()
        return self._model.predict(many.copy())


def tables(folder: Path, quick: bool) -> list[Row]:
    """100,000 rows, checked"""
    frame, labels = thirty()
    matrix = frame.to_numpy()
    many = np.random.default_rng(1).normal(size=(100_000, 30))
    linear = LogisticRegression().fit(matrix, labels)
    forest = RandomForestClassifier(50, max_depth=10, random_state=0).fit(matrix, labels)
    found = []
    for name, model in (("linear", linear), ("forest", forest)):
        loaded = packed(folder, model, matrix, f"table-{name}").load(runtime="native")
        answers = (loaded.predict, model.predict, Passes(model).predict)
        calls = [lambda answer=answer: answer(many) for answer in answers]
        # the second thread of BLAS waits in a loop after each product: in one process of four on the core that copies,
        # and all that is measured takes twice as long there
        with threadpool_limits(1, "blas"):
            ours, raw, both = in_turn(*calls, runs=51 if name == "linear" else 9)
        if name == "linear":
            found.append(Row("100,000 × 30, checked, linear", ours, "the raw call after two passes", both, "1 ×"))
        else:
            found.append(Row("100,000 × 30, checked, forest of 50", ours, "the raw call", raw, "1.03 ×"))
    return found


class Big(BaseEstimator):  # type: ignore[misc]
    """A model that is one large array."""

    def fit(self, X: Any, y: Any = None) -> Big:
        """Nothing is learned."""
        self.is_fitted_ = True
        return self

    def predict(self, X: Any) -> Any:
        """Touches a little of the array."""
        return np.asarray(X)[:, 0] + self.array_[0]


LOAD = """
import sys, time, modelwheel
modelwheel.load(sys.argv[1], runtime="native", trust=modelwheel.Trust.unsafe_run_code(), cache=sys.argv[2])
"""


def large(folder: Path, quick: bool) -> list[Row]:
    """A model of one large array"""
    size = (12 if quick else 125) * 10**6
    model = Big().fit(None)
    model.array_ = np.random.default_rng(0).random(size)
    sample = np.zeros((20, 2))
    source = folder / "plain.bin"

    def write_and_hash() -> None:
        with source.open("wb") as stream:
            stream.write(model.array_)
            stream.flush()
            os.fsync(stream.fileno())
        hashlib.sha256(model.array_).hexdigest()

    def pack() -> modelwheel.Bundle:
        options = modelwheel.Options(overwrite=True, runtimes=("native",))
        unlocked = modelwheel.Dependencies(lock="none")  # how soon an index answers is not ours to measure
        return modelwheel.pack(
            model, name="big", version="1", sample=sample, options=options, dependencies=unlocked, out=folder
        )

    packing, plain = in_turn(pack, write_and_hash, runs=3)
    bundle = pack()
    joblib.dump(model, folder / "big.joblib")
    cache = folder / "cache"
    trust = modelwheel.Trust.unsafe_run_code()

    def seen() -> None:
        modelwheel.load(bundle.path, runtime="native", trust=trust, cache=cache)

    def never_seen() -> None:
        for note in cache.glob("*"):
            note.unlink()
        seen()

    def hash_file() -> None:
        with Path(bundle.path).open("rb") as stream:
            hashlib.file_digest(stream, "sha256")

    again, by_joblib = in_turn(seen, lambda: joblib.load(folder / "big.joblib"), runs=5)
    first, hashed = in_turn(never_seen, hash_file, runs=5)
    verified, hashed_again = in_turn(lambda: modelwheel.verify(bundle.path), hash_file, runs=5)
    return [
        Row("load of the large model, seen before", again, "`joblib.load`", by_joblib, "0.02 ×"),
        Row("load of it, never seen", first, "sha256 of the file", hashed, "1.1 ×"),
        Row("pack of it", packing, "writing the bytes, sync and sha256", plain, "1.3 ×"),
        Row("verify of it", verified, "sha256 of the file", hashed_again, "1.1 ×"),
    ]


def peers(folder: Path, quick: bool) -> list[Row]:
    """Loading beside skops"""
    import skops.io

    frame, labels = thirty()
    model = RandomForestClassifier(50, max_depth=10, random_state=0).fit(frame, labels)
    bundle = packed(folder, model, frame, "peer")
    skops.io.dump(model, folder / "peer.skops")
    trust = modelwheel.Trust.unsafe_run_code()
    ours, theirs, by_joblib = in_turn(
        lambda: modelwheel.load(bundle.path, runtime="native", trust=trust),
        lambda: skops.io.load(folder / "peer.skops", trusted=skops.io.get_untrusted_types(file=folder / "peer.skops")),
        lambda: joblib.load(folder / "peer.joblib"),
    )
    return [
        Row("load of a forest of 50, native", ours, "`skops.io.load`", theirs, "–"),
        Row("load of a forest of 50, native", ours, "`joblib.load`", by_joblib, "–"),
    ]


ALL = (imports, starts, rows, tables, large, peers)
