"""Wrappers that pickles of some models hold, so that those answer rows: arrays for tensors, one argument for two.

Pickles refer to the names here: they are kept as long as format 1 is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


class TorchModule:
    """What bundles of before hold in place of `TorchInputs`; `inputs` are the names of what its `forward` takes."""

    def __init__(self, module: Any, inputs: tuple[str, ...]) -> None:
        self.module = module
        self.inputs = inputs

    def predict(self, data: Any) -> Any:
        """What `forward` answers for a matrix or array, or for a mapping with an array for each input.

        Floats are fed in the precision of the module's own weights. No gradients are kept.
        """
        import torch

        given = [data[name] for name in self.inputs] if isinstance(data, Mapping) else [data]
        precision = next((item.dtype for item in self.module.parameters() if item.dtype.is_floating_point), None)
        fed = [torch.from_numpy(np.ascontiguousarray(item)) for item in given]
        if precision is not None:
            fed = [item.to(precision) if item.dtype.is_floating_point else item for item in fed]
        with torch.inference_mode():
            return _arrays(self.module(*fed))


class TorchInputs:
    """A PyTorch module, called as its author calls it: `module(**sample)`, or one array, in their dtypes.

    `inputs` are the names of its inputs, empty for one array; `leading` of them have no keyword. `precision` is
    the dtype that floats are cast to, None where the module takes those of the sample.
    """

    def __init__(
        self, module: Any, inputs: tuple[str, ...] = (), leading: int = 0, precision: str | None = None
    ) -> None:
        self.module = module
        self.inputs = inputs
        self.leading = leading
        self.precision = precision

    def predict(self, data: Any) -> Any:
        """What `forward` answers for a matrix or array, or for a mapping with an array for each input."""
        import torch

        positional, named = self.fed(data)
        with torch.inference_mode():
            return _arrays(self.module(*positional, **named))

    def fed(self, data: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The tensors that the module gets for `data`: by position, and by keyword."""
        if not self.inputs:
            return (self._tensor(data),), {}
        tensors = {name: self._tensor(data[name]) for name in self.inputs}
        return tuple(tensors.pop(name) for name in self.inputs[: self.leading]), tensors

    def _tensor(self, array: Any) -> Any:
        import torch

        made = torch.from_numpy(np.ascontiguousarray(array))
        cast = self.precision is not None and made.dtype.is_floating_point
        return made.to(getattr(torch, str(self.precision))) if cast else made


def _arrays(answer: Any) -> Any:
    if isinstance(answer, Mapping):
        return {str(name): _arrays(item) for name, item in answer.items()}
    if isinstance(answer, list | tuple):
        return [_arrays(item) for item in answer]
    return answer.numpy() if hasattr(answer, "numpy") else answer


def tensor(array: Any, requires_grad: bool) -> Any:  # noqa: FBT001 - called by pickles
    """A tensor over the array's memory."""
    import torch

    return torch.from_numpy(array).requires_grad_(requires_grad)


def parameter(array: Any, requires_grad: bool) -> Any:  # noqa: FBT001 - called by pickles
    """A parameter over the array's memory."""
    import torch

    return torch.nn.Parameter(torch.from_numpy(array), requires_grad=requires_grad)


class ContextModel:
    """A model whose `predict` takes a context first, as MLflow's Python models do; it is given none."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, data: Any) -> Any:
        """What the model answers."""
        return self.model.predict(None, data)
