"""Prints what checking the input costs, beside pydantic, pandera and MLflow's enforcement, in one run.

    python benchmarks/contract.py > docs/benchmarks-contract.md

A peer that is not installed is left out: `pip install pydantic pandera mlflow-skinny pyarrow scipy`.
"""

from __future__ import annotations

import importlib.util
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from modelwheel_loader.opening.manifest import GraphInput
from modelwheel_loader.opening.schema import Field, Schema
from modelwheel_loader.opening.types import Float, Integer, String
from modelwheel_loader.run.onnx_runtime import compile_feeds
from modelwheel_loader.validate.inputs import compile_input

warnings.filterwarnings("ignore")
ROWS = 100_000
TURNS = 15
SLOW = 2e-3
"""What takes longer is run once a turn."""
Run = Callable[[], Any]


class Case(NamedTuple):
    """What is checked, and by whom; the first is what the others are compared with."""

    what: str
    runs: dict[str, Run]
    repeat: int


def installed(name: str) -> bool:
    """Whether a peer is here."""
    return importlib.util.find_spec(name) is not None


def names(count: int) -> list[str]:
    """Names of columns."""
    return [f"feature_{number}" for number in range(count)]


def floats(count: int, layout: Any = "frame") -> Schema:
    """A schema of floats."""
    return Schema(
        fields=tuple(Field(name=name, type=Float()) for name in names(count)),
        layout=layout,
        dtype="float64" if layout == "matrix" else None,
        container="numpy" if layout == "matrix" else "pandas",
    )


def one_row(count: int) -> Case:
    """One dict, checked and made into the array that a graph is fed."""
    row = {name: number / 7 for number, name in enumerate(names(count))}
    keys = tuple(row)
    schema = floats(count)
    check = compile_input(schema)
    feeds = compile_feeds(schema, [GraphInput(name="x", dtype="float32", fields=keys, shape=(None, count))])
    runs: dict[str, Run] = {
        "by hand, nothing checked": lambda: np.array([[row[name] for name in keys]], dtype=np.float32),
        "modelwheel": lambda: feeds(check(row)),
    }
    if installed("pydantic"):
        import pydantic

        parts: Any = dict.fromkeys(keys, (float, ...))
        model = pydantic.create_model("Row", __config__=pydantic.ConfigDict(strict=True, allow_inf_nan=False), **parts)

        def by_pydantic() -> Any:
            made = model.model_validate(row)
            return np.array([[getattr(made, name) for name in keys]], dtype=np.float32)

        runs["pydantic"] = by_pydantic
    if installed("mlflow"):
        runs["MLflow"] = mlflow_enforcement(pd.DataFrame([row]))
    return Case(f"one row of {count} floats, to the array for a graph", runs, 500 if count < 100 else 50)


def mlflow_enforcement(frame: pd.DataFrame) -> Run:
    """What MLflow does to a DataFrame before it calls a model."""
    from mlflow.models.utils import _enforce_schema
    from mlflow.types.utils import _infer_schema

    schema = _infer_schema(frame)
    return lambda: _enforce_schema(frame, schema)


def pandera_check(frame: pd.DataFrame) -> Run:
    """The same rules for pandera."""
    import pandera.pandas as pandera

    kinds = {name: float if frame[name].dtype == float else int if frame[name].dtype == int else str for name in frame}
    columns = {name: pandera.Column(kind) for name, kind in kinds.items()}
    schema = pandera.DataFrameSchema(columns)
    return lambda: schema.validate(frame)


def wide() -> Case:
    """A DataFrame of one row and 600 columns."""
    frame = pd.DataFrame([np.arange(600) / 7], columns=names(600))
    check = compile_input(floats(600))
    return Case("DataFrame, 1 row × 600 floats", {"modelwheel": lambda: check(frame), **table_peers(frame)}, 3)


def table_peers(frame: pd.DataFrame) -> dict[str, Run]:
    """The peers that check DataFrames."""
    runs: dict[str, Run] = {}
    if installed("pandera"):
        runs["pandera"] = pandera_check(frame)
    if installed("mlflow"):
        runs["MLflow"] = mlflow_enforcement(frame)
    return runs


def matrix() -> Case:
    """Many rows of floats that are right already."""
    data = np.random.default_rng(0).random((ROWS, 30))
    check = compile_input(floats(30, "matrix"))
    return Case(
        f"array, {ROWS:,} × 30 floats",
        {"one pass (`data.sum()`)": data.sum, "modelwheel": lambda: check(data)},
        5,
    )


def frame() -> Case:
    """The same as a DataFrame."""
    data = pd.DataFrame(np.random.default_rng(0).random((ROWS, 30)), columns=names(30))
    check = compile_input(floats(30))
    runs = {"one pass (`data.sum()`)": lambda: data.to_numpy().sum(), "modelwheel": lambda: check(data)}
    return Case(f"DataFrame, {ROWS:,} × 30 floats", {**runs, **table_peers(data)}, 1)


def mixed() -> Case:
    """A table as practitioners have it."""
    random = np.random.default_rng(0)
    data = pd.DataFrame(
        {f"number_{i}": random.random(ROWS) for i in range(4)}
        | {f"whole_{i}": random.integers(0, 100, ROWS) for i in range(4)}
        | {f"text_{i}": random.choice(["red", "green", "blue"], ROWS) for i in range(4)}
    )
    kinds = {"number": Float(), "whole": Integer(), "text": String()}
    fields = tuple(Field(name=name, type=kinds[name.partition("_")[0]]) for name in data)
    check = compile_input(Schema(fields=fields, container="pandas"))
    return Case(
        f"DataFrame, {ROWS:,} rows of 4 floats, integers, texts each",
        {"modelwheel": lambda: check(data), **table_peers(data)},
        1,
    )


def rows() -> Case:
    """A list of dicts, as a service gets them."""
    data = [{name: float(number) for number, name in enumerate(names(30))} for _ in range(1000)]
    check = compile_input(floats(30))
    runs: dict[str, Run] = {"modelwheel": lambda: check(data)}
    if installed("pydantic"):
        import pydantic

        parts: Any = dict.fromkeys(names(30), (float, ...))
        model = pydantic.create_model("Row", __config__=pydantic.ConfigDict(strict=True, allow_inf_nan=False), **parts)
        adapter = pydantic.TypeAdapter(list[model])  # type: ignore[valid-type]
        runs["pydantic"] = lambda: adapter.validate_python(data)
    return Case("1,000 rows (dicts) of 30 floats", runs, 5)


def wrong() -> Case:
    """Two hundred wrong rows: the peers' messages grow with them."""
    data = [dict.fromkeys(names(30), "x") for _ in range(200)]
    check = compile_input(floats(30))

    def refused() -> str:
        try:
            check(data)
        except ValueError as error:
            return str(error)
        return ""

    runs: dict[str, Run] = {f"modelwheel, {len(refused()):,} characters": refused}
    if installed("pydantic"):
        import pydantic

        parts: Any = dict.fromkeys(names(30), (float, ...))
        adapter = pydantic.TypeAdapter(list[pydantic.create_model("Row", **parts)])  # type: ignore[misc]

        def by_pydantic() -> str:
            try:
                adapter.validate_python(data)
            except ValueError as error:
                return str(error)
            return ""

        runs[f"pydantic, {len(by_pydantic()):,} characters"] = by_pydantic
    return Case("200 rows of 30 wrong values, to the message", runs, 2)


def measure(case: Case) -> Iterator[tuple[str, float]]:
    """The shortest time of each, run in turn: what else the machine does only adds to a time."""
    times: dict[str, list[float]] = {name: [] for name in case.runs}
    repeats: dict[str, int] = {}
    for name, run in case.runs.items():
        run()  # some make themselves ready at their first call
        start = time.perf_counter()
        run()
        repeats[name] = case.repeat if time.perf_counter() - start < SLOW else 1
    for _ in range(TURNS):
        for name, run in case.runs.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                run()
            times[name].append((time.perf_counter() - start) / repeats[name])
    for name, found in times.items():
        yield name, min(found)


def shown(seconds: float) -> str:
    """A time for people."""
    return f"{seconds * 1e6:.3g} µs" if seconds < 1e-3 else f"{seconds * 1e3:.3g} ms"


HEAD = """\
# Benchmarks of input checks

`benchmarks/contract.py` writes this page: the shortest of {turns} alternating runs, on one machine. The ratios hold
elsewhere; the times do not. On a busy machine, lines differ between runs by a factor of three: repeat it before you
quote one.

Machine: {machine}
"""
PEERS = ("modelwheel", "numpy", "pandas", "pyarrow", "pydantic", "pandera", "mlflow-skinny")


def machine() -> str:
    """The machine and the versions."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.processor())
    known = [name for name in PEERS if installed(name.removesuffix("-skinny"))]
    versions = ", ".join(f"{name} {version(name)}" for name in known)
    return f"{model}, {platform.system()}, Python {platform.python_version()}; {versions}."


def main() -> None:
    """Print the page."""
    print(HEAD.format(turns=TURNS, machine=machine()))
    print("| what | who | time | beside the first |", "| --- | --- | --- | --- |", sep="\n")
    for case in (one_row(30), one_row(600), rows(), wide(), matrix(), frame(), mixed(), wrong()):
        found = list(measure(case))
        for name, seconds in found:
            print(f"| {case.what} | {name} | {shown(seconds)} | {seconds / found[0][1]:.2f} × |", flush=True)


if __name__ == "__main__":
    main()
