"""Walks an ONNX file before any runtime sees it (THREATS row 13): no onnx, no onnxruntime, bounded work.

Field numbers are those of onnx.proto (ONNX IR version 13). Refused: data outside the file but for the weights that the
manifest declares, operators beyond the standard domains and a list of Microsoft's, recursion and explosion of
functions, constants that ask for absurd sizes, training information, and configuration of the runtime.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import Defect, InvalidBundle
from .limits import DEFAULT, Limits
from .manifest import Weight
from .protobuf import LENGTH, VARINT, Item, items, packed, signed, text
from .text import clip

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MICROSOFT = "com.microsoft"
MICROSOFT_OPERATORS = frozenset(
    {"Gelu", "FusedMatMul", "Inverse", "MurmurHash3", "Tokenizer", "Unique", "CDist", "Trilu", "BiasGelu", "FastGelu"}
)
"""Operators of onnxruntime that compute and do nothing else."""
NEWEST_OPSET = 100
MOST_ELEMENTS = 2**28
"""Elements that a constant shape may ask for; a tensor of a gigabyte of float32."""
_ITEM_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16}
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
_INT64, _EXTERNAL = 7, 1
_REFUSED_METADATA = frozenset({"ort_config", "ep_context"})


@dataclass(slots=True)
class GraphInfo:
    """What a graph takes and gives: dtype (numpy's name or `string`) and shape (None for free axes) by name."""

    inputs: dict[str, tuple[str, tuple[int | None, ...]]] = field(default_factory=dict)
    outputs: dict[str, tuple[str, tuple[int | None, ...]]] = field(default_factory=dict)
    opsets: dict[str, int] = field(default_factory=dict)
    nodes: int = 0


@dataclass(slots=True)
class _Function:
    nodes: int = 0
    calls: list[tuple[str, str]] = field(default_factory=list)


class _Walker:
    """One walk over one model; collects defects."""

    def __init__(self, data: bytes | memoryview, weights: Mapping[str, Weight], limits: Limits) -> None:
        self.data = data
        self.weights = weights
        self.limits = limits
        self.info = GraphInfo()
        self.defects: list[Defect] = []
        self.functions: dict[tuple[str, str], _Function] = {}
        self.used: list[tuple[str, str]] = []
        self.found_weights: set[str] = set()

    def wrong(self, message: str, where: str = "") -> None:
        if len(self.defects) < 100:
            self.defects.append(Defect(code="onnx.graph", where=clip(where, 120), message=message))

    # -- the model ------------------------------------------------------------------------------------------------

    def model(self) -> None:
        graphs, functions = [], []
        for item in items(self.data, 0, len(self.data)):
            if item.number == 7 and item.wire == LENGTH:
                graphs.append(item)
            elif item.number == 8 and item.wire == LENGTH:
                self.opset(item)
            elif item.number == 14 and item.wire == LENGTH:
                self.metadata(item)
            elif item.number == 20:
                self.wrong("holds training information")
            elif item.number == 25 and item.wire == LENGTH:
                functions.append(item)
        for item in functions:
            self.function(item)
        if len(graphs) != 1:
            self.wrong("must hold one graph")
        for item in graphs:
            self.graph(item, self.used, 0, top=True)
        self.expansion()
        for name in sorted(set(self.weights) - self.found_weights):
            self.wrong("the manifest declares a weight that the graph does not have", name)

    def opset(self, item: Item) -> None:
        domain, version = "", 0
        for part in items(self.data, item.value, item.end):
            if part.number == 1 and part.wire == LENGTH:
                domain = text(self.data, part, 200)
            elif part.number == 2 and part.wire == VARINT:
                version = part.value
        if domain not in STANDARD_DOMAINS and domain != MICROSOFT and not version:
            self.wrong("uses a domain of operators that is not allowed", domain)
        if not 0 < version <= NEWEST_OPSET:
            self.wrong(f"asks for the operator set {version}", domain)
        self.info.opsets[domain] = version

    def metadata(self, item: Item) -> None:
        for part in items(self.data, item.value, item.end):
            if part.number == 1 and part.wire == LENGTH and text(self.data, part, 200).lower() in _REFUSED_METADATA:
                self.wrong("its metadata configure the runtime", text(self.data, part, 200))

    def function(self, item: Item) -> None:
        name = domain = ""
        nodes = []
        for part in items(self.data, item.value, item.end):
            if part.number == 1 and part.wire == LENGTH:
                name = text(self.data, part, 200)
            elif part.number == 10 and part.wire == LENGTH:
                domain = text(self.data, part, 200)
            elif part.number == 7 and part.wire == LENGTH:
                nodes.append(part)
            elif part.number == 9 and part.wire == LENGTH:
                self.opset(part)
        made = self.functions.setdefault((domain, name), _Function())
        made.nodes += len(nodes)
        for node in nodes:
            self.node(node, made.calls, {}, 0)

    def expansion(self) -> None:
        """Functions must not call themselves, and all of them written out must stay within the limit of nodes."""
        sizes: dict[tuple[str, str], float] = {}
        for key in self.functions:
            self.size(key, sizes)
        total = self.info.nodes + sum(sizes.get(call, 0) for call in self.used if call in self.functions)
        if any(math.isinf(size) for size in sizes.values()):
            self.wrong("its functions call themselves")
        elif total > self.limits.onnx_nodes:
            self.wrong(f"has more than {self.limits.onnx_nodes:,} nodes when its functions are written out")
        for domain, operator in self.used:
            self.allowed(domain, operator)
        for made in self.functions.values():
            for domain, operator in made.calls:
                self.allowed(domain, operator)

    def size(self, key: tuple[str, str], sizes: dict[tuple[str, str], float]) -> None:
        """The nodes of a function with the functions that it calls written out, by an explicit stack."""
        stack = [key]
        while stack:
            current = stack[-1]
            made = self.functions[current]
            if current in sizes and sizes[current] >= 0:
                stack.pop()
                continue
            inner = [call for call in made.calls if call in self.functions]
            if current not in sizes:
                sizes[current] = -1  # being measured
                waiting = [call for call in dict.fromkeys(inner) if call not in sizes]
                if any(sizes.get(call) == -1 for call in inner):
                    sizes[current] = math.inf
                    continue
                stack += waiting
                if waiting:
                    continue
            sizes[current] = made.nodes + sum(sizes[call] if sizes[call] >= 0 else math.inf for call in inner)

    def allowed(self, domain: str, operator: str) -> None:
        if (domain, operator) in self.functions or domain in STANDARD_DOMAINS:
            return
        if domain != MICROSOFT or operator not in MICROSOFT_OPERATORS:
            self.wrong("uses an operator that is not allowed", f"{domain}::{operator}")

    # -- graphs and nodes --------------------------------------------------------------------------------------------

    def graph(self, item: Item, calls: list[tuple[str, str]], depth: int, *, top: bool) -> None:
        if depth > self.limits.onnx_depth:
            self.wrong(f"nests graphs deeper than {self.limits.onnx_depth} levels")
            return
        nodes, constants = [], {}
        for part in items(self.data, item.value, item.end):
            if part.wire != LENGTH:
                continue
            if part.number == 1:
                nodes.append(part)
            elif part.number == 5:
                name, value = self.tensor(part, weights=top)
                if value is not None:
                    constants[name] = value
            elif part.number == 15:
                self.sparse(part)
            elif top and part.number in (11, 12):
                self.value(part, self.info.inputs if part.number == 11 else self.info.outputs)
        self.info.nodes += len(nodes)
        if self.info.nodes > self.limits.onnx_nodes:
            self.wrong(f"has more than {self.limits.onnx_nodes:,} nodes")
            return
        for node in nodes:
            self.node(node, calls, constants, depth)

    def node(self, item: Item, calls: list[tuple[str, str]], constants: dict[str, list[int]], depth: int) -> None:
        operator = domain = ""
        inputs, outputs, value = [], [], None
        for part in items(self.data, item.value, item.end):
            if part.wire != LENGTH:
                continue
            if part.number == 1:
                inputs.append(text(self.data, part, 500))
            elif part.number == 2:
                outputs.append(text(self.data, part, 500))
            elif part.number == 4:
                operator = text(self.data, part, 200)
            elif part.number == 7:
                domain = text(self.data, part, 200)
            elif part.number == 5:
                found = self.attribute(part, calls, depth)
                value = found if found is not None else value
        calls.append(("" if domain == "ai.onnx" else domain, operator))
        if operator == "Constant" and value is not None and outputs:
            constants[outputs[0]] = value
        self.bomb(operator, inputs, constants)

    def bomb(self, operator: str, inputs: list[str], constants: Mapping[str, list[int]]) -> None:
        """Operators that make as many elements as a constant says."""
        known = [constants.get(name) for name in inputs]
        elements = 0.0
        if operator == "ConstantOfShape" and known and known[0] is not None:
            elements = math.prod(float(abs(axis)) for axis in known[0])
        elif operator in ("Expand", "Tile", "Reshape") and len(known) > 1 and known[1] is not None:
            elements = math.prod(float(abs(axis)) for axis in known[1])
        elif operator == "Range" and len(known) == 3 and all(known):
            start, limit, delta = (part[0] for part in known if part)
            elements = abs(limit - start) / max(abs(delta), 1)
        if elements > MOST_ELEMENTS:
            self.wrong(f"{operator} asks for {elements:.3g} elements")

    def attribute(self, item: Item, calls: list[tuple[str, str]], depth: int) -> list[int] | None:
        """Walk an attribute; the numbers of a small constant tensor, if it is one."""
        found = None
        for part in items(self.data, item.value, item.end, runs=True):
            if part.wire != LENGTH:
                continue
            if part.number in (5, 10):
                _, value = self.tensor(part, weights=False)
                found = value if value is not None else found
            elif part.number in (6, 11):
                self.graph(part, calls, depth + 1, top=False)
            elif part.number in (22, 23):
                self.sparse(part)
        return found

    # -- tensors ------------------------------------------------------------------------------------------------------

    def sparse(self, item: Item) -> None:
        for part in items(self.data, item.value, item.end):
            if part.number in (1, 2) and part.wire == LENGTH:
                self.tensor(part, weights=False)

    def tensor(self, item: Item, *, weights: bool) -> tuple[str, list[int] | None]:
        """Check a tensor; its name, and its numbers when they are few and whole."""
        name, kind, external = "", 0, False
        shape: list[int] = []
        raw = single = None
        for part in items(self.data, item.value, item.end):
            if part.number == 1:
                shape += packed(self.data, part)
            elif part.number == 2 and part.wire == VARINT:
                kind = part.value
            elif part.number == 7:
                single = (single or []) + packed(self.data, part)
            elif part.number == 8 and part.wire == LENGTH:
                name = text(self.data, part, 500)
            elif part.number == 9 and part.wire == LENGTH:
                raw = part
            elif part.number == 13 or (part.number == 14 and part.value == _EXTERNAL):
                external = True
        if external:
            self.external(name, kind, shape, allowed=weights)
        elements = math.prod(shape) if all(axis >= 0 for axis in shape) else -1
        if elements < 0:
            self.wrong("a tensor has a negative axis", name)
        elif raw is not None and kind in _ITEM_BITS and elements * _ITEM_BITS[kind] != 8 * (raw.end - raw.value):
            self.wrong("a tensor's bytes do not fit its shape", name)
        if kind != _INT64 or not 0 <= elements <= 64:
            return name, None
        if raw is not None and raw.end - raw.value == 8 * elements:
            return name, [number for (number,) in struct.iter_unpack("<q", bytes(self.data[raw.value : raw.end]))]
        return name, single

    def external(self, name: str, kind: int, shape: Collection[int], *, allowed: bool) -> None:
        weight = self.weights.get(name) if allowed else None
        if weight is None:
            self.wrong("a tensor lies outside the file", name)
        elif (weight.dtype, weight.shape) != (DTYPES.get(kind), tuple(shape)):
            self.wrong("a weight has another type or shape than the manifest says", name)
        self.found_weights.add(name)

    def value(self, item: Item, into: dict[str, tuple[str, tuple[int | None, ...]]]) -> None:
        name, kind, shape = "", 0, ()
        for part in items(self.data, item.value, item.end):
            if part.number == 1 and part.wire == LENGTH:
                name = text(self.data, part, 500)
            elif part.number == 2 and part.wire == LENGTH:
                kind, shape = self.tensor_type(part)
        into[name] = (DTYPES.get(kind, "?"), shape)

    def tensor_type(self, item: Item) -> tuple[int, Any]:
        """The element type and shape of a TypeProto that is a tensor."""
        kind, axes = 0, []
        for part in items(self.data, item.value, item.end):
            if part.number != 1 or part.wire != LENGTH:
                continue
            for inner in items(self.data, part.value, part.end):
                if inner.number == 1 and inner.wire == VARINT:
                    kind = inner.value
                elif inner.number == 2 and inner.wire == LENGTH:
                    axes = [self.axis(axis) for axis in items(self.data, inner.value, inner.end) if axis.wire == LENGTH]
        return kind, tuple(axes)

    def axis(self, item: Item) -> int | None:
        for part in items(self.data, item.value, item.end):
            if part.number == 1 and part.wire == VARINT:
                return signed(part.value)
        return None


def check_graph(
    data: bytes | memoryview, *, weights: Collection[Weight] = (), limits: Limits = DEFAULT
) -> GraphInfo:
    """What the graph takes and gives; raises `InvalidBundle` with every defect. Runs nothing, and is linear in size."""
    walker = _Walker(data, {weight.name: weight for weight in weights}, limits)
    walker.model()
    if walker.defects:
        raise InvalidBundle("the ONNX graph is not one that may be run", walker.defects)
    return walker.info
