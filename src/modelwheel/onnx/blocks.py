"""Computes rows in blocks, one after the other, where the values of a whole batch would not fit into memory.

A vocabulary of 50,000 words is 400 kB per row; a call of 100,000 rows must not ask for 40 GB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

WIDE = 1024
"""Graphs whose values have at most this many columns compute all rows at once."""
_ELEMENTS = 1 << 21
"""The largest number of elements of a value in a block: 16 MiB of doubles."""


class Blocks:
    """The nodes of a graph as the body of a Scan over blocks of rows."""

    def __init__(self, widest: int) -> None:
        self.rows = max(_ELEMENTS // widest, 8)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def wrap(
        self, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], shapes: Mapping[str, Sequence[int]]
    ) -> None:
        """Fill `nodes` and `constants`; `shapes` has, for each output, the axes behind that of rows."""
        from onnx import helper

        count = self._node("Shape", [inputs[0].name], start=0, end=1)
        rows = self._node("Min", [count, self._constant("most", [self.rows])])
        one = self._constant("one", [1])
        above = self._node("Sub", [self._node("Add", [count, rows]), one])
        blocks = self._node("Div", [above, rows])
        last = self._node("Sub", [count, one])
        zero, step = self._constant("zero", 0), self._constant("step", 1)
        whole = self._node("Squeeze", [self._node("Mul", [blocks, rows])])
        places = self._node("Min", [self._node("Range", [zero, whole, step]), last])  # the last row fills up
        cut = []
        for item in inputs:
            width = item.type.tensor_type.shape.dim[1].dim_value
            shape = self._node("Concat", [blocks, rows, self._constant(f"width_{width}", [width])], axis=0)
            cut.append(self._node("Reshape", [self._node("Gather", [item.name, places], axis=0), shape]))
        body = self._body(nodes, inputs, outputs)
        names = [f"blocks_{output.name}" for output in outputs]
        self.nodes.append(helper.make_node("Scan", cut, names, body=body, num_scan_inputs=len(cut)))
        begin = self._constant("begin", [0])
        for output, name in zip(outputs, names, strict=True):
            flat = self._node("Reshape", [name, self._constant(f"shape_{output.name}", [-1, *shapes[output.name]])])
            self.nodes.append(helper.make_node("Slice", [flat, begin, count], [output.name]))

    def _body(self, nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """The nodes with renamed inputs and outputs: a name may be defined once only, inside and outside the body."""
        from onnx import helper

        inside = {item.name: f"block_{item.name}" for item in [*inputs, *outputs]}
        for node in nodes:
            node.input[:] = [inside.get(name, name) for name in node.input]
            node.output[:] = [inside.get(name, name) for name in node.output]
        infos: list[list[Any]] = [[], []]
        for place, group in enumerate((inputs, outputs)):
            for item in group:
                kind = item.type.tensor_type
                shape = [axis.dim_value or None for axis in kind.shape.dim]
                infos[place].append(helper.make_tensor_value_info(inside[item.name], kind.elem_type, shape))
        return helper.make_graph(list(nodes), "block", *infos)

    def _node(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"rows_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def _constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        name = f"rows_{name}"
        if name not in {item.name for item in self.constants}:
            self.constants.append(numpy_helper.from_array(np.array(value, np.int64), name))
        return name
