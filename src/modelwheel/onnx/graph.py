"""A graph under construction: its nodes, forests and constants, and its bytes in the end."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from .blocks import WIDE, Blocks
from .forest import Forest
from .trees import DOMAIN, are_modern, written

OPSETS: Mapping[str, int] = {"": 21, "ai.onnx.ml": 4}
"""Operator sets that onnxruntime 1.20 and newer run."""
MICROSOFT = "com.microsoft"
_PENDING = "modelwheel"
"""The domain of forests that `Builder.model` has yet to write."""
IR_VERSION = 10
T = TypeVar("T")
STRING = np.dtype(object)
"""The dtype of texts in NumPy: Python objects."""


class Builder:
    """A graph under construction. Names are counted, so equal steps give equal bytes."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._known: dict[Any, str] = {}
        self._inputs: list[Any] = []
        self._count = 0
        self._made: dict[Any, Any] = {}
        self._forests: dict[str, Forest] = {}
        self.ties: list[Any] = []
        """Booleans of shape (rows,): where the original chooses one of several equals, and any of them is right."""
        self.widest = 0
        """The largest number of columns of a value whose width the inputs do not determine: see `blocks`."""
        self.used: set[str] = set()
        """After `model`: the names that are read."""
        self.opsets: dict[str, int] = {}
        """After `model`: the operator sets that are used."""

    def once(self, what: str, owners: Sequence[object], make: Callable[[], T]) -> T:
        """The result of `make`, computed once for these owners, so that methods share common steps.

        Owners are compared by identity. They are kept alive, because the id of a deleted object is used again.
        """
        key = (what, *map(id, owners))
        if key not in self._made:
            self._made[key] = (make(), owners)
        made: T = self._made[key][0]
        return made

    def name(self) -> str:
        """A new name."""
        self._count += 1
        return f"v{self._count}"

    def input(self, name: str, dtype: np.dtype[Any], shape: Sequence[int | None]) -> str:
        """Declare an input and return its name."""
        self._inputs.append(_value_info(name, dtype, shape))
        return name

    def constant(self, array: np.ndarray[Any, Any]) -> str:
        """The name of a constant; the same array is stored once."""
        key = (str(array.dtype), array.shape, repr(array.tolist()) if array.dtype == STRING else array.tobytes())
        if key not in self._known:
            self._known[key] = name = f"c{len(self._known)}"
            self._constants[name] = tensor(array, name)
        return self._known[key]

    def node(self, operator: str, inputs: Sequence[str], outputs: int = 1, domain: str = "", **attributes: Any) -> Any:
        """Add a node; returns the name of its output, or a list of names when there are several."""
        from onnx import helper

        names = [self.name() for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def forest(self, source: str, forest: Forest) -> str:
        """Add the sums of a forest for the rows of `source`; returns the name of the output.

        `model` writes its operators: which they are depends on all trees of the graph.
        """
        name: str = self.node("Forest", [source], domain=_PENDING)
        self._forests[name] = forest
        return name

    def splice(self, nodes: Sequence[Any], constants: Mapping[str, Any]) -> None:
        """Add nodes from another graph, whose names are new here, with their constants."""
        self._nodes += nodes
        self._constants.update(constants)

    def model(self, outputs: Mapping[str, tuple[str, np.dtype[Any], Sequence[int | None]]]) -> bytes:
        """The serialized model. `outputs` has the value, dtype and shape of each output by name."""
        from onnx import helper

        ends = [helper.make_node("Identity", [value], [name]) for name, (value, _, _) in outputs.items()]
        nodes, self.used = _needed(self._nodes, ends)
        nodes, modern = self._with_forests(nodes)
        self.opsets = {**OPSETS, **({DOMAIN: 5} if modern else {})}
        if any(node.domain == MICROSOFT for node in nodes):
            self.opsets[MICROSOFT] = 1
        used = self.used
        inputs = [item for item in self._inputs if item.name in used]
        results = [_value_info(name, dtype, shape) for name, (_, dtype, shape) in outputs.items()]
        constants = [constant for name, constant in self._constants.items() if name in used]
        tails = {name: shape[1:] for name, (_, _, shape) in outputs.items()}
        if self.widest > WIDE and inputs and None not in [axis for tail in tails.values() for axis in tail]:
            blocks = Blocks(self.widest)
            nodes = copy.deepcopy(nodes)  # `wrap` renames them, and `model` may be called again
            blocks.wrap(nodes, inputs, results, tails)  # type: ignore[arg-type]
            nodes, constants = blocks.nodes, [*constants, *blocks.constants]
        made = helper.make_graph(
            nodes,
            "model",
            inputs,
            results,
            constants,
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        model = helper.make_model(made, opset_imports=imports, producer_name="modelwheel", ir_version=IR_VERSION)
        return bytes(model.SerializeToString(deterministic=True))

    def _with_forests(self, nodes: Sequence[Any]) -> tuple[list[Any], bool]:
        """The nodes with every forest written as operators, and whether these are of operator set 5."""
        forests = [self._forests[node.output[0]] for node in nodes if node.domain == _PENDING]
        modern = bool(forests) and are_modern(forests, nodes)
        made: list[Any] = []
        for node in nodes:
            if node.domain == _PENDING:
                made += written(self._forests[node.output[0]], node.input[0], node.output[0], modern=modern)
            else:
                made.append(node)
        return made, modern


def tensor(array: np.ndarray[Any, Any], name: str) -> Any:
    """The array as a `TensorProto`."""
    from onnx import TensorProto, helper, numpy_helper

    if array.dtype == STRING:
        texts = [str(value).encode("utf-8", "surrogatepass") for value in array.ravel().tolist()]
        return helper.make_tensor(name, TensorProto.STRING, array.shape, texts)
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def element_type(dtype: np.dtype[Any]) -> int:
    """The element type of a dtype in ONNX."""
    from onnx import TensorProto, helper

    return TensorProto.STRING if dtype == STRING else int(helper.np_dtype_to_tensor_dtype(dtype))


def _value_info(name: str, dtype: np.dtype[Any], shape: Sequence[int | None]) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, element_type(dtype), list(shape))


def _needed(nodes: Sequence[Any], ends: Sequence[Any]) -> tuple[list[Any], set[str]]:
    """The nodes that `ends` depend on, in order, and all names that these nodes read."""
    used: set[str] = set()
    kept: list[Any] = []
    for node in reversed([*nodes, *ends]):
        if node in ends or used & set(node.output):
            kept.append(node)
            used |= set(node.input) - {""}
    return kept[::-1], used
