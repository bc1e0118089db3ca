"""What the exporters of all frameworks have in common: they are loud, raise anything, and give a whole graph."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator

from modelwheel_loader.errors import MissingExtra, ModelwheelError
from modelwheel_loader.opening.schema import Schema
from modelwheel_loader.text import clip

from .candidates import Candidate, Conversion
from .interface import fitted, graph_inputs
from .modelfile import OnnxModel
from .versions import onnxruntime_range


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Exporters warn, print and log about what parity shows anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def exported(export: Callable[[], OnnxModel], schema: Schema, method: str, *, framework: str, by: str) -> Conversion:
    """The graph that `export` gives, all of its outputs the answer of `method`; or why there is none.

    Raises `MissingExtra` where the exporter (`by`) is not installed.
    """
    try:
        made: Candidate | str = _candidate(export(), schema, method)
    except MissingExtra:
        raise
    except ModelwheelError as error:
        made = f"the graph of {framework} does not take the sample: {clip(error, 300)}"
    except Exception as error:  # noqa: BLE001 - exporters raise anything
        told = str(error).strip().partition("\n")[0]
        made = f"{by} does not export it: {type(error).__name__}: {clip(told, 200)}"
    yield made


def _candidate(read: OnnxModel, schema: Schema, method: str) -> Candidate:
    return Candidate(
        graph=read.graph,
        inputs=graph_inputs(fitted(schema, read.info), read.info),
        outputs={method: tuple(read.info.outputs)},
        opsets=read.info.opsets,
        weights=read.weights,
        onnxruntime=onnxruntime_range(read.info),
    )
