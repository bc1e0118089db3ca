"""A module of PyTorch as a graph, by PyTorch's own exporter, with the first axis of every input free."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from modelwheel_loader.contract.schema import Schema
from modelwheel_loader.contract.types import Tensor
from modelwheel_loader.errors import MissingExtra, ModelwheelError
from modelwheel_loader.native.wrappers import TorchModule
from modelwheel_loader.text import clip

from .candidates import Candidate, Conversion
from .interface import fitted, graph_inputs
from .modelfile import read_model
from .versions import onnxruntime_range

_ROWS = 2
"""Rows of the example that the exporter traces: it takes an axis of length 0 or 1 for a constant."""


def export_module(model: TorchModule, schema: Schema, method: str) -> Conversion:
    """The exported graph, or why there is none. Raises `MissingExtra` without onnxscript."""
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        hint = 'pip install "modelwheel[torch]", or pack with options=Options(runtimes=("native",))'
        message = "exporting PyTorch modules to ONNX needs onnxscript, which is not installed"
        raise MissingExtra.of("pack.extra", message, hint=hint) from error
    try:
        yield _exported(model, schema, method)
    except ModelwheelError as error:
        yield f"PyTorch's graph does not take the sample: {clip(error, 300)}"
    except Exception as error:  # noqa: BLE001 - the exporter raises anything
        told = str(error).strip().partition("\n")[0]
        yield f"PyTorch does not export it: {type(error).__name__}: {clip(told, 200)}"


def _exported(model: TorchModule, schema: Schema, method: str) -> Candidate:
    import torch

    names = list(model.inputs) if schema.layout == "columns" else list(model.inputs[:1])
    example = _example(schema, names)
    precision = next((item.dtype for item in model.module.parameters() if item.dtype.is_floating_point), None)
    tensors = [torch.from_numpy(item) for item in example]
    fed = [item.to(precision) if precision is not None and item.dtype.is_floating_point else item for item in tensors]
    with quiet():
        program = torch.onnx.export(
            model.module,
            tuple(fed),
            dynamo=True,
            input_names=names,
            dynamic_shapes=tuple({0: torch.export.Dim.DYNAMIC} for _ in names),
            verbose=False,
        )
        read = read_model(program.model_proto)
    return Candidate(
        graph=read.graph,
        inputs=graph_inputs(fitted(schema, read.info), read.info),
        outputs={method: tuple(read.info.outputs)},
        opsets=read.info.opsets,
        weights=read.weights,
        onnxruntime=onnxruntime_range(read.info),
    )


def _example(schema: Schema, names: list[str]) -> list[np.ndarray[Any, Any]]:
    """Arrays of zeros of the shapes and dtypes of the sample."""
    if schema.layout in ("matrix", "frame"):
        return [np.zeros((_ROWS, len(schema)), schema.dtype or "float64")]
    fields = [schema[name] for name in names] if schema.layout == "columns" else list(schema.fields[:1])
    made = []
    for field in fields:
        inner = tuple(axis or _ROWS for axis in field.type.shape) if isinstance(field.type, Tensor) else ()
        dtype = field.type.dtype if isinstance(field.type, Tensor) else field.type.canonical
        made.append(np.zeros((_ROWS, *inner), dtype))
    return made


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The exporter warns, prints and logs of what parity shows anyway."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
