"""Which versions of onnxruntime run a graph that was made elsewhere, by its operator sets."""

from __future__ import annotations

from typing import Any

from modelwheel_loader.opening.graph import GraphInfo
from modelwheel_loader.run.onnx_runtime import import_onnxruntime

USUAL = ">=1.20"
"""The versions of onnxruntime that run everything which modelwheel writes itself."""
_OPSETS = {"": 21, "ai.onnx": 21, "ai.onnx.ml": 5, "com.microsoft": 1}
_IR = 10
"""What onnxruntime 1.20 knows."""


def onnxruntime_range(info: GraphInfo) -> str:
    """The range for a graph: `USUAL`, or from the installed version on for operator sets that are newer than that.

    onnxruntime runs every older operator set; which release brought which newer one is told by no package, so what
    was seen to run the graph is the floor.
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
