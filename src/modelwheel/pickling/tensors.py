"""How tensors of PyTorch are pickled: as arrays, which lie beside the stream and are mapped when they are large."""

from __future__ import annotations

from typing import Any

from modelwheel_loader.run import parameter, tensor

_NAMES = frozenset({"Tensor", "Parameter"})


def is_tensor(kind: type) -> bool:
    """Whether objects of this class are plain tensors or parameters. Imports nothing."""
    return kind.__name__ in _NAMES and kind.__module__.partition(".")[0] == "torch"


def reduce_tensor(obj: Any) -> Any:
    """The array and what makes a tensor of it; NotImplemented for those that numpy cannot hold."""
    try:
        array = obj.detach().contiguous().numpy()
    except (TypeError, RuntimeError):  # bfloat16, sparse, quantized, or on another device
        return NotImplemented
    return (parameter if type(obj).__name__ == "Parameter" else tensor), (array, bool(obj.requires_grad))
