"""PyTorch: any `nn.Module`, pickled with its tensors as arrays beside the stream, and exported to ONNX."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.opening import Schema
from modelwheel_loader.run import TorchInputs
from modelwheel_loader.text import clip
from modelwheel_loader.validate import is_a

from ..extras import needed
from ..onnx import Conversion, export_module
from .base import Adapter, refuse_own_predict

_MANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class TorchAdapter(Adapter):
    """Modules in evaluation mode on the CPU. They are fed arrays, or a dict with an array for each input."""

    framework = "torch"

    def recognises(self, model: object) -> bool:
        """Whether it is a module. Where PyTorch was never imported, nothing is."""
        return is_a(model, "torch.nn", "Module")

    def opened(self, model: Any) -> TorchInputs:
        """The module behind a `predict` that takes and answers arrays."""
        return TorchInputs(model)

    def class_name(self, model: TorchInputs) -> str:
        """The class of the module."""
        return super().class_name(type(model.module))

    def sample(self, sample: Any) -> Any:
        """Tensors as arrays, alone or in a dict. Raises `PackError` for those of a dtype that NumPy does not have."""
        if isinstance(sample, Mapping):
            return {name: self.sample(item) for name, item in sample.items()}
        if not is_a(sample, "torch", "Tensor"):
            return sample
        try:
            return sample.detach().cpu().numpy()
        except TypeError as error:
            hint = "Pass what callers have, such as float32, and cast it in forward()."
            found = str(sample.dtype)
            raise PackError.of("infer.column", "NumPy has no such tensors", found=found, hint=hint) from error

    def contract(self, model: TorchInputs, schema: Schema) -> Schema:
        """The schema as it is: every field of a dict is an input that `forward` names, and none is missing."""
        if schema.layout == "columns":
            model.inputs, model.leading = _inputs(model.module, schema.names)
        return schema

    def bind(self, model: TorchInputs, rows: Any) -> None:
        """Floats are fed as they are, or in the widest precision of the weights that the module takes."""
        import torch

        found = {item.dtype for item in model.module.parameters() if item.dtype.is_floating_point}
        widths = sorted(found, key=lambda dtype: (-torch.finfo(dtype).bits, str(dtype)))
        names = [str(dtype).removeprefix("torch.") for dtype in widths]
        # a module takes what its weights are; others are tried, on a copy: running may leave traces
        given = {str(value.dtype) for value in _arrays(model, rows) if value.dtype.kind == "f"}
        if names and given - set(names if len(names) == 1 else ()):
            model.precision = next((name for name in (None, *names) if _takes(model, rows, name)), names[0])

    def check(self, model: TorchInputs) -> None:
        """Raise `PackError` for a module with a `predict` of its own, in training mode, or not on the CPU."""
        refuse_own_predict(model.module, "torch", "forward()")
        if model.module.training:
            hint = "Call model.eval() first. Its forward() must then give an answer for each row, not a loss."
            raise PackError.of("pack.training", "the module is in training mode", hint=hint)
        devices = {item.device.type for item in (*model.module.parameters(), *model.module.buffers())}
        if devices - {"cpu"}:
            found = ", ".join(sorted(devices))
            raise PackError.of("pack.training", "the module is not on the CPU", found=found, hint="Call model.cpu().")

    def convert(self, model: TorchInputs, schema: Schema, methods: Sequence[str]) -> Conversion:
        """By `torch.onnx.export`; raises `MissingExtra` without onnxscript."""
        with needed("onnxscript", "exporting PyTorch modules to ONNX", extra="torch", or_native=True):
            import onnxscript  # noqa: F401
        return export_module(model, schema, "predict")


def _inputs(module: Any, names: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """The inputs `names` in the order of `forward`, and how many of them have no keyword.

    Raises `PackError` with the names that `forward` does not have, and those that it needs.
    """
    try:
        signature = inspect.signature(module.forward)
    except ValueError as error:  # a traced module
        message, hint = "forward() does not tell the names of its inputs", "Pack the module before it is traced."
        raise PackError.of("pack.schema", message, hint=hint) from error
    known = {name: given for name, given in signature.parameters.items() if given.kind not in _MANY}
    free = any(given.kind is given.VAR_KEYWORD for given in signature.parameters.values())
    unknown = [] if free else [name for name in names if name not in known]
    missing = [name for name, given in known.items() if given.default is given.empty and name not in names]
    defects = [Defect(code="pack.schema", message="is not an input of forward()", field=name) for name in unknown]
    defects += [Defect(code="pack.schema", message="is not in the sample", field=name) for name in missing]
    if defects:
        hint = f"The keys of the sample are the inputs of forward: forward{clip(signature, 200)}."
        raise PackError("the module's forward() does not take the sample", [d.replace(hint=hint) for d in defects])
    ordered = [name for name in known if name in names]
    leading = sum(known[name].kind is inspect.Parameter.POSITIONAL_ONLY for name in ordered)
    return (*ordered, *(name for name in names if name not in known)), leading


def _arrays(model: TorchInputs, rows: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(rows[name]) for name in model.inputs] or [np.asarray(rows)]


def _takes(model: TorchInputs, rows: Any, precision: str | None) -> bool:
    try:
        TorchInputs(copy.deepcopy(model.module), model.inputs, model.leading, precision).predict(rows)
    except Exception:  # noqa: BLE001 - the border to foreign code
        return False
    return True
