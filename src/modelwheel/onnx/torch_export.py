"""A module of PyTorch as a graph, by PyTorch's own exporter, with the first axis of every input free."""

from __future__ import annotations

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
        return read_model(program.model_proto)


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
