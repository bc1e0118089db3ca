"""Walks an ONNX file before any runtime sees it (THREATS row 13): no onnx, no onnxruntime, bounded work.

Field numbers are those of onnx.proto (ONNX IR version 13). Refused: data outside the file but for the weights that the
manifest declares, operators beyond the standard domains and a list of Microsoft's, recursion and explosion of
functions, constants that ask for absurd sizes, training information, and configuration of the runtime. Sizes that a
graph computes while it runs are not seen here: nothing short of a memory limit of the process bounds those.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping, Sequence

from ..errors import Defect, InvalidBundle
from ..limits import DEFAULT, Limits
from ..manifest.records import Weight
from ..text import clip
from .functions import Call, expanded
from .protobuf import FIXED32, LENGTH, VARINT, Item, Reader, signed
from .tensors import DTYPES, MOST_ELEMENTS, Shape, TensorHead, floats, read_sparse, read_tensor, read_value

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
MICROSOFT = "com.microsoft"
MICROSOFT_OPERATORS = frozenset(
    {"Gelu", "FusedMatMul", "Inverse", "MurmurHash3", "Tokenizer", "Unique", "CDist", "Trilu", "BiasGelu", "FastGelu"}
)
"""Operators of onnxruntime that compute and do nothing else."""
NEWEST_OPSET = 100
_NEWEST_IR = 100
WEIGHTS_LOCATION = "weights.bin"
"""What a declared weight says about where it lies. It is never opened by that name: the loader gives the array."""
_REFUSED_METADATA = frozenset({"ort_config", "ep_context"})
_SHOWN = 100
_SMALL_LIST = 4096
# the operators that make as many elements as inputs say, and which inputs those are; or as an attribute says
_WINDOWS = ("HannWindow", "HammingWindow", "BlackmanWindow")
_SHAPE_INPUTS: dict[str, tuple[int, ...]] = dict.fromkeys(("ConstantOfShape", "Loop", *_WINDOWS), (0,))
_SHAPE_INPUTS |= dict.fromkeys(("Expand", "Tile", "OneHot", "Upsample", "CenterCropPad", "Pad"), (1,))
_SHAPE_INPUTS |= {"Resize": (1, 2, 3)}
_SHAPE_ATTRIBUTES = frozenset({"RandomNormal", "RandomUniform"})
_READ_NUMBERS = frozenset({"Constant", *_SHAPE_ATTRIBUTES})

Constants = ChainMap[str, Sequence[float]]
"""The small constant tensors that a node can see, by name: those of its graph, then of the graphs around it."""


class GraphInfo:
    """What a graph takes and gives: dtype (numpy's name or `string`) and shape (None for free axes) by name."""

    def __init__(self) -> None:
        self.inputs: dict[str, tuple[str, Shape]] = {}
        self.outputs: dict[str, tuple[str, Shape]] = {}
        self.opsets: dict[str, int] = {}
        self.nodes = 0
        self.ir_version = 0


def check_graph(data: bytes | memoryview, *, weights: Collection[Weight] = (), limits: Limits = DEFAULT) -> GraphInfo:
    """What the graph takes and gives; raises `InvalidBundle` with every defect. Runs nothing, and is linear in size."""
    walk = _Walk(Reader(data), {weight.name: weight for weight in weights}, limits)
    walk.model(Item(0, LENGTH, 0, len(data)))
    if walk.defects:
        raise InvalidBundle("the ONNX graph is not one that may be run", walk.defects, counted=walk.counted)
    return walk.info


class _Walk:
    """One walk over one model; collects defects."""

    def __init__(self, reader: Reader, weights: Mapping[str, Weight], limits: Limits) -> None:
        self.reader = reader
        self.weights = weights
        self.limits = limits
        self.info = GraphInfo()
        self.defects: list[Defect] = []
        self.counted = 0
        self.elements = 0.0
        self.functions: dict[Call, list[Call]] = {}
        self.calls: list[Call] = []
        self.found_weights: set[str] = set()
        self.initializers: set[str] = set()

    def wrong(self, message: str, where: str = "") -> None:
        self.counted += 1
        if len(self.defects) < _SHOWN:
            self.defects.append(Defect(code="onnx.graph", where=clip(where, 120), message=message))

    # -- the model ------------------------------------------------------------------------------------------------

    def model(self, whole: Item) -> None:
        graphs, functions = [], []
        for item in self.reader.inside(whole):
            if item.number == 1 and item.wire == VARINT:
                self.info.ir_version = signed(item.value)
            elif item.number == 7 and item.wire == LENGTH:
                graphs.append(item)
            elif item.number == 8 and item.wire == LENGTH:
                self.opset(item)
            elif item.number == 14 and item.wire == LENGTH:
                self.metadata(item)
            elif item.number == 20:
                self.wrong("holds training information")
            elif item.number == 25 and item.wire == LENGTH:
                functions.append(item)
        if not 0 < self.info.ir_version <= _NEWEST_IR:
            self.wrong(f"has the IR version {self.info.ir_version}")
        for item in functions:
            self.function(item)
        if len(graphs) != 1:
            self.wrong("must hold one graph")
        for item in graphs:
            self.graph(item, self.calls, ChainMap(), 0)
        self.info.nodes = len(self.calls)
        self.judge()

    def judge(self) -> None:
        """What can be told only when all has been read."""
        size = expanded(self.calls, self.functions)
        if math.isinf(size):
            self.wrong("its functions call themselves")
        elif size > self.limits.onnx_nodes:
            self.wrong(f"has more than {self.limits.onnx_nodes:,} nodes when its functions are written out")
        for domain, operator in sorted(self.all_calls()):
            if not self.is_allowed(domain, operator):
                self.wrong("uses an operator that is not allowed", f"{domain}::{operator}")
        own = {domain for domain, _ in self.functions}
        for domain, version in self.info.opsets.items():
            if domain not in STANDARD_DOMAINS and domain != MICROSOFT and domain not in own:
                self.wrong("uses a domain of operators that is not allowed", domain)
            if not 0 < version <= NEWEST_OPSET:
                self.wrong(f"asks for the operator set {version}", domain)
        for name in self.initializers & self.info.inputs.keys():
            del self.info.inputs[name]  # files of older IR versions list weights among the inputs
        for name in sorted(self.weights.keys() - self.found_weights):
            self.wrong("the manifest declares a weight that the graph does not have", name)

    def all_calls(self) -> set[Call]:
        return set(self.calls).union(*self.functions.values())

    def is_allowed(self, domain: str, operator: str) -> bool:
        if (domain, operator) in self.functions or domain in STANDARD_DOMAINS:
            return True
        return domain == MICROSOFT and operator in MICROSOFT_OPERATORS

    def opset(self, item: Item) -> None:
        domain, version = "", 0
        for part in self.reader.inside(item):
            if part.number == 1 and part.wire == LENGTH:
                domain = self.reader.text(part)
            elif part.number == 2 and part.wire == VARINT:
                version = signed(part.value)
        self.info.opsets[domain] = max(version, self.info.opsets.get(domain, version), key=abs)

    def metadata(self, item: Item) -> None:
        for part in self.reader.inside(item):
            if part.number == 1 and part.wire == LENGTH and self.reader.text(part).lower() in _REFUSED_METADATA:
                self.wrong("its metadata configure the runtime", self.reader.text(part))

    def function(self, item: Item) -> None:
        name = domain = ""
        nodes, defaults = [], []
        for part in self.reader.inside(item):
            if part.wire != LENGTH:
                continue
            if part.number == 1:
                name = self.reader.text(part)
            elif part.number == 10:
                domain = self.reader.text(part)
            elif part.number == 7:
                nodes.append(part)
            elif part.number == 9:
                self.opset(part)
            elif part.number == 11:
                defaults.append(part)
        # overloads of one name count as one function: more than what is really written out, never less
        calls = self.functions.setdefault((_plain(domain), name), [])
        constants: Constants = ChainMap()
        for default in defaults:
            self.attribute(default, calls, constants, 0)
        for node in nodes:
            self.node(node, calls, constants, 0)

    # -- graphs and nodes --------------------------------------------------------------------------------------------

    def graph(self, item: Item, calls: list[Call], constants: Constants, depth: int) -> None:
        if depth > self.limits.onnx_depth:
            self.wrong(f"nests graphs deeper than {self.limits.onnx_depth} levels")
            return
        top = depth == 0
        nodes = []
        for part in self.reader.inside(item):
            if part.wire != LENGTH:
                continue
            if part.number == 1:
                nodes.append(part)
            elif part.number == 5:
                self.initializer(part, constants, top=top)
            elif part.number == 15:
                self.sparse(part)
            elif top and part.number in (11, 12):
                name, value = read_value(self.reader, part)
                (self.info.inputs if part.number == 11 else self.info.outputs)[name] = value
        if len(nodes) + len(calls) > self.limits.onnx_nodes:
            self.wrong(f"has more than {self.limits.onnx_nodes:,} nodes")
            return
        for node in nodes:
            self.node(node, calls, constants, depth)

    def initializer(self, item: Item, constants: Constants, *, top: bool) -> None:
        head = read_tensor(self.reader, item, self.wrong)
        if head.external:
            self.external(head, allowed=top)
        if head.numbers is not None:
            constants[head.name] = head.numbers
        if top and head.name in self.initializers:
            self.wrong("an initializer is there twice", head.name)  # onnxruntime takes the last, others the first
        if top:
            self.initializers.add(head.name)

    def node(self, item: Item, calls: list[Call], constants: Constants, depth: int) -> None:
        operator = domain = ""
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: list[Item] = []
        for part in self.reader.inside(item):
            if part.wire != LENGTH:
                continue
            if part.number == 1:
                inputs.append(self.reader.text(part, 10_000))
            elif part.number == 2:
                outputs.append(self.reader.text(part, 10_000))
            elif part.number == 4:
                operator = self.reader.text(part)
            elif part.number == 5:
                attributes.append(part)
            elif part.number == 7:
                domain = self.reader.text(part)
        calls.append((_plain(domain), operator))
        for attribute in attributes:
            numbers = self.attribute(attribute, calls, constants, depth, numbers=operator in _READ_NUMBERS)
            if operator == "Constant" and outputs and numbers is not None:
                constants[outputs[0]] = numbers
            elif operator in _SHAPE_ATTRIBUTES and numbers is not None:
                self.size(operator, _product(numbers))
        self.bomb(operator, inputs, constants)

    def bomb(self, operator: str, inputs: list[str], constants: Constants) -> None:
        """Refuse a node that makes as many elements, or turns of a loop, as a constant says, if too many."""
        for name in (inputs[place] for place in _SHAPE_INPUTS.get(operator, ()) if place < len(inputs)):
            if name in constants:
                numbers = constants[name]
                self.size(operator, _product(_padded(numbers) if operator == "Pad" else numbers))
        if operator == "Range" and all(name in constants and constants[name] for name in inputs) and len(inputs) == 3:
            start, limit, delta = (constants[name][0] for name in inputs)
            self.size(operator, abs((limit - start) / delta) if delta else math.inf)

    def size(self, operator: str, elements: float) -> None:
        self.elements += elements  # onnxruntime works out constants when it opens a graph, and keeps all of them
        if not self.elements <= MOST_ELEMENTS:  # also for NaN
            self.wrong(f"{clip(operator)} asks for {elements:.3g} elements, with all before it {self.elements:.3g}")

    def attribute(
        self, item: Item, calls: list[Call], constants: Constants, depth: int, *, numbers: bool = False
    ) -> list[float] | None:
        """Walk an attribute; with `numbers`, those that it holds when they are few."""
        found: list[float] | None = None
        lists = numbers and item.end - item.value <= _SMALL_LIST
        for part in self.reader.inside(item, runs=not lists):
            if part.wire == LENGTH and part.number in (5, 10):
                head = read_tensor(self.reader, part, self.wrong)
                if head.external:
                    self.external(head, allowed=False)
                found = head.numbers
            elif part.wire == LENGTH and part.number in (6, 11):
                self.graph(part, calls, constants.new_child(), depth + 1)
            elif part.number in (22, 23) and part.wire == LENGTH:
                self.sparse(part)
            elif lists:
                found = [*(found or ()), *_listed(self.reader, part)] or None
        return found if numbers else None

    def sparse(self, item: Item) -> None:
        for head in read_sparse(self.reader, item, self.wrong):
            if head.external:
                self.external(head, allowed=False)

    def external(self, head: TensorHead, *, allowed: bool) -> None:
        weight = self.weights.get(head.name) if allowed else None
        if weight is None:
            self.wrong("a tensor lies outside the file", head.name)
        elif (weight.dtype, weight.shape) != (DTYPES.get(head.kind), tuple(head.shape)):
            self.wrong("a weight has another type or shape than the manifest says", head.name)
        elif head.locations != [f"location={WEIGHTS_LOCATION}"]:
            self.wrong(f"a weight must lie in {WEIGHTS_LOCATION}", head.name)
        self.found_weights.add(head.name)


def _plain(domain: str) -> str:
    """`ai.onnx` is another spelling of the default domain."""
    return "" if domain == "ai.onnx" else domain


def _product(shape: Sequence[float]) -> float:
    return math.prod(float(abs(axis)) for axis in shape)


def _padded(numbers: Sequence[float]) -> list[float]:
    """The length of each axis by what is put at its start and at its end."""
    half = len(numbers) // 2
    return [1 + abs(start) + abs(end) for start, end in zip(numbers[:half], numbers[half:], strict=False)]


def _listed(reader: Reader, part: Item) -> Iterator[float]:
    """The numbers of an attribute's i, ints, f and floats."""
    if part.number in (3, 8):
        yield from reader.packed(part)
    elif part.number in (2, 7) and part.wire in (FIXED32, LENGTH):
        yield from floats(reader, part)
