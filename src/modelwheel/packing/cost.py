"""Measures what a packed model costs: to open, for one row, and for many rows, by each runtime, as users load it."""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.model import Model
from modelwheel_loader.opening import Cost, MethodCost

from ..inference.infer import Sample
from ..parity.edges import Rows
from .draft import Draft
from .stages import open_packed

ROWS = 10_000
"""Rows of a batch; fewer where those would take longer than `LONGEST`."""
LONGEST = 2.0
"""Seconds that one batch may take, judged by a smaller one."""
_CALLS = 30
_ROW_SECONDS = 0.1


def measure_costs(draft: Draft) -> dict[str, Cost]:
    """The cost of each runtime, by its kind: of a bundle that is written for this, then deleted."""
    columns = Rows(draft.contract.schema, draft.golden.batch).columns
    row = {name: values[0] for name, values in columns.items()}
    with tempfile.TemporaryDirectory(prefix="modelwheel-") as folder:
        path = Path(folder) / draft.identity.file_name
        with path.open("wb") as stream:
            draft.write(stream, None)
        with open_packed(path) as bundle, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the author has seen these warnings
            return {
                payload.kind: _cost(bundle, payload.kind, row, draft.contract.sample) for payload in bundle.runtimes
            }


def _cost(bundle: Bundle, kind: str, row: dict[str, Any], sample: Sample) -> Cost:
    def opened() -> Model:
        return bundle.load(runtime=kind, integrity="code")

    gc.collect()
    with opened() as model:  # this one imports what the runtime needs
        methods = {name: _method(getattr(model, name), row, sample) for name in model.methods}
    return Cost(open=min(_seconds(lambda: opened().close()) for _ in range(3)), cores=_cores(), methods=methods)


def _method(call: Callable[[Any], Any], row: dict[str, Any], sample: Sample) -> MethodCost:
    rows, batch = 0, 0.0
    for wanted in (100, 1_000, ROWS):
        if rows and batch * wanted / rows > LONGEST:
            break
        rows = wanted
        data = sample.take(np.arange(rows) % sample.rows)
        batch = min(_seconds(lambda data=data: call(data)) for _ in range(2))  # type: ignore[misc]
    return MethodCost(row=_row(call, row), batch=_rounded(batch), rows=rows)


def _row(call: Callable[[Any], Any], row: dict[str, Any]) -> float:
    call(row)
    spent: list[float] = []
    while len(spent) < 3 or (len(spent) < _CALLS and sum(spent) < _ROW_SECONDS):
        spent.append(_seconds(lambda: call(row)))
    return _rounded(statistics.median(spent))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return _rounded(time.perf_counter() - start)


def _rounded(seconds: float) -> float:
    """Three digits: more would be noise."""
    return float(f"{seconds:.3g}")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
