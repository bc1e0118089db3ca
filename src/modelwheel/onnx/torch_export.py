"""A module of PyTorch as a graph, by PyTorch's own exporter, with the first axis of every input free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from modelwheel_loader.opening import Schema, Tensor

from .exporting import exported, quiet
from .modelfile import OnnxModel, read_model
from .result import Conversion

_ROWS = 2
"""Rows of the example that the exporter traces: it treats an axis of length 0 or 1 as a constant."""


def export_module(model: Any, schema: Schema, method: str) -> Conversion:
    """The exported graph, or why there is none. Needs onnxscript."""
    return exported(lambda: _exported(model, schema), schema, method, framework="PyTorch", by="PyTorch")


def _exported(model: Any, schema: Schema) -> OnnxModel:
    import torch

    data = _example(schema, model.inputs)
    positional, named = model.fed(data if model.inputs else data[""])
    free = {0: torch.export.Dim.DYNAMIC}
    with quiet():
        program = torch.onnx.export(
            model.module,
            positional,
            kwargs=named,
            dynamo=True,
            input_names=[*model.inputs] or None,
            dynamic_shapes=(*(free for _ in positional), *(free for _ in named)),
            verbose=False,
        )
        return read_model(program.model_proto)


def _example(schema: Schema, names: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Arrays of zeros of the shapes and dtypes of the sample; one array is called ""."""
    if schema.layout in ("matrix", "frame"):
        return {"": np.zeros((_ROWS, len(schema)), schema.dtype or "float64")}
    made = {}
    for name in names or ("",):
        kind = (schema[name] if name else schema.fields[0]).type
        inner = tuple(axis or _ROWS for axis in kind.shape) if isinstance(kind, Tensor) else ()
        made[name] = np.zeros((_ROWS, *inner), kind.dtype if isinstance(kind, Tensor) else kind.canonical)
    return made
