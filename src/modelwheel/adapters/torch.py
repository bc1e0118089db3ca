"""PyTorch: any `nn.Module`, pickled with its tensors as arrays beside the stream, and exported to ONNX."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import Schema
from modelwheel_loader.run import TorchModule
from modelwheel_loader.validate import is_a

from ..extras import needed
from ..onnx import Conversion, export_module
from .base import Adapter


class TorchAdapter(Adapter):
    """Modules in evaluation mode on the CPU. They are fed arrays, or a dict with an array for each input."""

    framework = "torch"

    def recognises(self, model: object) -> bool:
        """Whether it is a module. Where PyTorch was never imported, nothing is."""
        return is_a(model, "torch.nn", "Module")

    def opened(self, model: Any) -> TorchModule:
        """The module behind a `predict` that takes and answers arrays."""
        names = tuple(
            name
            for name, given in inspect.signature(model.forward).parameters.items()
            if given.default is given.empty and given.kind in (given.POSITIONAL_ONLY, given.POSITIONAL_OR_KEYWORD)
        )
        return TorchModule(model, names)

    def class_name(self, model: TorchModule) -> str:
        """The class of the module."""
        return super().class_name(type(model.module))

    def sample(self, sample: Any) -> Any:
        """Tensors as arrays, alone or in a dict."""
        if isinstance(sample, Mapping):
            return {name: self.sample(item) for name, item in sample.items()}
        return sample.detach().cpu().numpy() if is_a(sample, "torch", "Tensor") else sample

    def check(self, model: TorchModule) -> None:
        """Raise `PackError` for a module in training mode, whose answers differ, or not on the CPU."""
        if model.module.training:
            raise PackError.of("pack.training", "the module is in training mode", hint="Call model.eval() first.")
        devices = {item.device.type for item in (*model.module.parameters(), *model.module.buffers())}
        if devices - {"cpu"}:
            found = ", ".join(sorted(devices))
            raise PackError.of("pack.training", "the module is not on the CPU", found=found, hint="Call model.cpu().")

    def convert(self, model: TorchModule, schema: Schema, methods: Sequence[str]) -> Conversion:
        """By `torch.onnx.export`; raises `MissingExtra` without onnxscript."""
        with needed("onnxscript", "exporting PyTorch modules to ONNX", extra="torch", or_native=True):
            import onnxscript  # noqa: F401
        return export_module(model, schema, "predict")
