"""What the exporters of all frameworks share: they print and warn, raise anything, and give a whole graph."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from modelwheel_loader.errors import ModelwheelError
from modelwheel_loader.opening import GraphInfo, Schema
from modelwheel_loader.run import import_onnxruntime
from modelwheel_loader.text import clip

from .interface import fitted, graph_inputs
from .modelfile import OnnxModel
from .result import USUAL, Conversion, Graph


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter: it warns, prints and logs about what parity shows anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def exported(export: Callable[[], OnnxModel], schema: Schema, method: str, *, framework: str, by: str) -> Conversion:
    """The graph that `export` returns, whose outputs together are the output of `method`; or why there is none."""
    try:
        made: Graph | str = _graph(export(), schema, method)
    except ModelwheelError as error:
        made = f"the graph of {framework} does not accept the sample: {clip(error, 300)}"
    except Exception as error:  # noqa: BLE001 - exporters raise anything
        told = str(error).strip().partition("\n")[0]
        made = f"{by} does not export it: {type(error).__name__}: {clip(told, 200)}"
    yield made


def _graph(read: OnnxModel, schema: Schema, method: str) -> Graph:
    return Graph(
        data=read.graph,
        inputs=graph_inputs(fitted(schema, read.info), read.info),
        outputs={method: tuple(read.info.outputs)},
        opsets=read.info.opsets,
        weights=read.weights,
        onnxruntime=onnxruntime_range(read.info),
    )


# --- operator sets ---

_OPSETS = {"": 21, "ai.onnx": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
_IR = 10
"""The largest version that onnxruntime 1.20 reads."""


def onnxruntime_range(info: GraphInfo) -> str:
    """The versions of onnxruntime for a graph that was made elsewhere: `USUAL`, or the installed one and newer.

    onnxruntime runs every older operator set. No package records which release brought which newer one, so the version
    that was seen to run the graph is the least.
    """
    own = info.opsets.keys() - _OPSETS.keys()  # functions that the graph brings are written in the others
    opsets = ((name, number) for name, number in info.opsets.items() if name not in own)
    if info.ir_version <= _IR and all(number <= _OPSETS[name] for name, number in opsets):
        return USUAL
    major, minor = import_onnxruntime().__version__.split(".")[:2]
    return f">={major}.{minor}"


def sort_opsets(model: Any) -> None:
    """Put the operator sets of a `ModelProto` in the order of their domains: exporters list them from a set."""
    found = sorted(model.opset_import, key=lambda item: str(item.domain))
    del model.opset_import[:]
    model.opset_import.extend(found)
