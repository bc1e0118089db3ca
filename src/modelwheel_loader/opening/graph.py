"""Walks an ONNX file before any runtime sees it (THREATS row 13): no onnx, no onnxruntime, bounded work.

First a reader of protobuf's wire format (https://protobuf.dev/programming-guides/encoding/), which copies nothing:
spans are offsets into the one buffer. Where parsers differ (overlong tags, numbers beyond 64 bits), the bytes are
refused: what is walked here must be what onnxruntime reads. Then tensors and types, then the walk. Field numbers are
those of onnx.proto (ONNX IR version 13).

Refused: data outside the file but for the weights that the manifest declares, operators beyond the standard domains
and a list of Microsoft's, recursion and explosion of functions, constants that ask for absurd sizes, training
information, and configuration of the runtime. Sizes that a graph computes while it runs are not seen here: nothing
short of a memory limit of the process bounds those.
"""

from __future__ import annotations

import math
import re
import struct
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from ..defects import Defect
from ..errors import InvalidBundle
from ..limits import DEFAULT, Limits
from ..text import clip
from .manifest import Weight

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 5_000_000
"""Fields that are read one by one, a few seconds of work (a file of millions of one-byte fields)."""
_FLOATS, _INTS, _STRINGS = 7 << 3 | FIXED32, 8 << 3 | VARINT, 9 << 3 | LENGTH
# ONNX's lists of attributes are not packed: each number and text has a tag, and trees have millions of them. Texts up
# to 31 bytes are skipped by the regular expression engine, modes of tree nodes (LEAF, BRANCH_LEQ) tried first
_SIZES = sorted(range(32), key=lambda size: size not in (4, 10))
_SHORT_STRING = rb"\x4a(?:" + b"|".join(rb"\x%02x.{%d}" % (size, size) for size in _SIZES) + rb")"
_SHORT_STRINGS = rb"(?s)(?:" + _SHORT_STRING + rb"){1,20000}+"  # bounded, as is its memory
_SMALL_RUN = 256
"""Bytes below which reading one by one is quicker than starting numpy."""
_MOST_NUMBERS = 64
"""Whole numbers of one field that are read; what has more (the shape of a tensor) is refused for it."""
_LARGE_RUN = 1 << 15
"""Bytes that are checked together; the arrays made from them fit the processor's cache."""


@cache
def _short_strings() -> re.Pattern[bytes]:
    """Compiled when a file has long lists, which takes a millisecond."""
    return re.compile(_SHORT_STRINGS)


class Item:
    """A field of a message: its number, and its value (a number), or where its bytes lie."""

    __slots__ = ("end", "number", "value", "wire")

    def __init__(self, number: int, wire: int, value: int, end: int) -> None:
        self.number = number
        self.wire = wire
        self.value = value
        self.end = end


def broken(message: str) -> InvalidBundle:
    """The error for bytes that are not a protobuf message."""
    return InvalidBundle.of("onnx.graph", f"the ONNX file is not whole: {message}")


class Reader:
    """Walks the messages in `data`. It reads at most `most_fields` fields in all."""

    def __init__(self, data: bytes | memoryview, *, most_fields: int = MOST_FIELDS) -> None:
        self.data = data
        self._array = np.frombuffer(data, np.uint8)
        self._left = most_fields

    def varint(self, position: int, end: int) -> tuple[int, int]:
        """The number at `position` and the position behind it."""
        data = self.data
        value = shift = 0
        while True:
            if position >= end:
                raise broken("a number is cut off")
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 2**64:
                    raise broken("a number has more than 64 bits")
                return value, position
            shift += 7
            if shift > 63:
                raise broken("a number has more than 64 bits")

    def items(self, start: int, end: int, *, runs: bool = False) -> Iterator[Item]:
        """The fields of the message in `data[start:end]`. With `runs`, lists of an attribute are left out."""
        data, position = self.data, start
        while position < end:
            tag = data[position]
            if runs and tag in _SKIPS and end - position > _SMALL_RUN:
                behind = _SKIPS[tag](self, position, end)
                if behind > position:
                    position = behind
                    self._count()
                    continue
            position += 1
            if tag >= 0x80:
                tag, position = self.varint(position - 1, end)
                if tag >= 2**32:
                    raise broken("a tag has more than 32 bits")
            number, wire = tag >> 3, tag & 7
            if not number:
                raise broken("a field has the number 0")
            self._count()
            if wire == VARINT:
                value, position = self.varint(position, end)
                yield Item(number, wire, value, position)
                continue
            if wire == LENGTH:
                size, position = self.varint(position, end)
            elif wire in (FIXED32, FIXED64):
                size = 4 if wire == FIXED32 else 8
            else:
                raise broken(f"a field has the wire type {wire}")
            if size > end - position:
                raise broken("a field is cut off")
            yield Item(number, wire, position, position + size)
            position += size

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise broken("it has too many fields")

    def inside(self, item: Item, *, runs: bool = False) -> Iterator[Item]:
        """The fields of the message that a field holds."""
        return self.items(item.value, item.end, runs=runs)

    def message(self, item: Item) -> Message:
        """The fields of a message by their number; for messages that are not long lists."""
        found: dict[int, list[Item]] = {}
        for part in self.inside(item):
            found.setdefault(part.number, []).append(part)
        return Message(self, found)

    def text(self, item: Item, limit: int = 200) -> str:
        """The text of a field with bytes, at most `limit` bytes of it."""
        return bytes(self.data[item.value : min(item.end, item.value + limit)]).decode("utf-8", "replace")

    def packed(self, item: Item) -> list[int]:
        """Whole numbers of a repeated field, packed or single; no more than tell that they are too many."""
        if item.wire == VARINT:
            return [signed(item.value)]
        numbers: list[int] = []
        position = item.value
        while position < item.end and len(numbers) <= _MOST_NUMBERS:
            value, position = self.varint(position, item.end)
            numbers.append(signed(value))
        return numbers

    def varints(self, item: Item) -> int:
        """How many whole numbers a repeated field holds, packed or single."""
        if item.wire == VARINT:
            return 1
        return int(np.count_nonzero(self._array[item.value : item.end] < 0x80))

    # -- runs: positions behind the longest run that begins at `position`, or `position` when there is none -----------

    def skip_floats(self, position: int, end: int) -> int:
        """Behind a run of `floats`: a tag and four bytes each."""
        chunk = _SMALL_RUN
        while count := min(chunk, (end - position) // 5):
            others = self._array[position : position + 5 * count : 5] != _FLOATS
            first = int(others.argmax())
            if others[first]:
                return position + 5 * first
            position += 5 * count
            chunk *= 2  # so that many short runs cost no more than one long run
        return position

    def skip_ints(self, position: int, end: int) -> int:
        """Behind a run of `ints`: a tag and a varint each. Bytes below 128 are thus tags and ends in turn."""
        chunk = _SMALL_RUN
        while position < end:
            part = self._array[position : min(end, position + chunk)]
            ends = np.flatnonzero(part < 0x80)
            tags, lasts = ends[0:-1:2], ends[1::2]
            good = part[tags] == _INTS
            # ten bytes hold 70 bits: of the last one, only the lowest bit is left
            good &= (lasts - tags < 10) | ((lasts - tags == 10) & (part[lasts] < 2))
            good[:1] &= tags[:1] == 0
            good[1:] &= tags[1:] == lasts[:-1] + 1
            count = len(good) if good.all() else int(good.argmin())
            if not count:
                return position
            position += int(lasts[count - 1]) + 1
            if count < len(good):
                return position
            chunk = min(2 * chunk, _LARGE_RUN)
        return position

    def skip_strings(self, position: int, end: int) -> int:
        """Behind a run of short `strings`."""
        match = _short_strings().match(self.data, position, end)
        return match.end() if match else position


class Message:
    """The fields of a message by number. Of those that are there once, the last counts, as for every parser."""

    __slots__ = ("fields", "reader")

    def __init__(self, reader: Reader, fields: Mapping[int, Sequence[Item]]) -> None:
        self.reader = reader
        self.fields = fields

    def parts(self, number: int) -> list[Item]:
        """The fields of that number that hold bytes."""
        return [part for part in self.fields.get(number, ()) if part.wire == LENGTH]

    def texts(self, number: int, limit: int = 200) -> list[str]:
        """Their texts."""
        return [self.reader.text(part, limit) for part in self.parts(number)]

    def text(self, number: int, limit: int = 200) -> str:
        """The text of the field, empty when there is none."""
        return self.reader.text(parts[-1], limit) if (parts := self.parts(number)) else ""

    def number(self, number: int) -> int | None:
        """The number of the field, as it is encoded; None when there is none."""
        return next((part.value for part in reversed(self.fields.get(number, ())) if part.wire == VARINT), None)


_SKIPS = {_FLOATS: Reader.skip_floats, _INTS: Reader.skip_ints, _STRINGS: Reader.skip_strings}


def signed(value: int) -> int:
    """A varint read as int64."""
    return value - 2**64 if value >= 2**63 else value


def signed32(value: int) -> int:
    """A varint read as int32 or an enumeration, as parsers do: higher bits are dropped."""
    low = value & 0xFFFFFFFF
    return low - 2**32 if low >= 2**31 else low


Call = tuple[str, str]
"""The domain and name of an operator or function."""
_HUGE = 1e18


def expanded(calls: Sequence[Call], functions: Mapping[Call, Sequence[Call]]) -> float:
    """How many nodes `calls` are with `functions` written out, which is not done; infinity when one calls itself.

    Every node is a call of an operator or of a function. Linear in the number of calls.
    """
    sizes: dict[Call, float] = {}
    inner = {name: {call for call in made if call in functions} for name, made in functions.items()}
    users: dict[Call, list[Call]] = {name: [] for name in functions}
    for name, called in inner.items():
        for call in called:
            users[call].append(name)
    ready = [name for name, called in inner.items() if not called]
    while ready:
        name = ready.pop()
        sizes[name] = min(sum(sizes.get(call, 1.0) for call in functions[name]), _HUGE)
        for user in users[name]:
            inner[user].remove(name)
            if not inner[user]:
                ready.append(user)
    if len(sizes) < len(functions):
        return math.inf
    return sum(sizes.get(call, 1.0) for call in calls)


# Tensors and types: what they are, and whether their data is there and fits (TensorProto, SparseTensorProto,
# ValueInfoProto).


DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
"""The element types that numpy has, by ONNX's number."""
MOST_ELEMENTS = 2**28
"""Elements that a shape with no data behind it may ask for; a gigabyte of float32."""
_MOST_AXES = 64
_STRING, _EXTERNAL = 8, 1
# bits of an element in raw data; 14 and 15 are complex, 16 bfloat16, 17 to 20 and 24 float8, and the rest 4 or 2 bits
_BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
_ENTRIES = {14: 2.0, 15: 2.0, 21: 0.5, 22: 0.5, 23: 0.5, 25: 0.25, 26: 0.25}
"""Entries of a typed list for each element, where that is not one."""
_FORMATS = {1: "<f", 6: "<i", 7: "<q", 11: "<d"}
"""Element types whose few numbers are read, as they may be a shape."""

Wrong = Callable[[str, str], None]
Shape = tuple[int | None, ...]


class TensorHead:
    """What a tensor says of itself. `numbers` are its elements when they are few."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.kind = 0
        self.shape: list[int] = []
        self.raw: Item | None = None
        self.entries = 0
        self.numbers: list[float] | None = None
        self.external = False
        self.locations: list[str] = []

    @property
    def elements(self) -> int:
        """The product of the shape, -1 when there is none."""
        return math.prod(self.shape) if all(axis >= 0 for axis in self.shape) else -1


def read_tensor(reader: Reader, item: Item, wrong: Wrong) -> TensorHead:
    """The head of a tensor; that its data is all there is checked, unless it says that it lies elsewhere."""
    head = TensorHead()
    pieces: list[Item] = []
    for part in reader.inside(item):
        if part.number == 1:
            head.shape += reader.packed(part)
            if len(head.shape) > _MOST_AXES:
                wrong(f"a tensor has more than {_MOST_AXES} axes", head.name)
                return TensorHead(name=head.name)
        elif part.number == 2 and part.wire == VARINT:
            head.kind = signed32(part.value)
        elif part.number == 8 and part.wire == LENGTH:
            head.name = reader.text(part, 10_000)
        elif part.number == 9 and part.wire == LENGTH:
            head.raw = part
        elif part.number in _COUNTS:
            head.entries += _COUNTS[part.number](reader, part)
            if len(pieces) <= _MOST_AXES:
                pieces.append(part)
        elif part.number == 13:
            head.external = True
            if part.wire == LENGTH and len(head.locations) < _MOST_AXES:
                head.locations.append(_entry(reader, part))
        elif part.number == 14 and signed32(part.value) == _EXTERNAL:
            head.external = True
    if not head.external:
        _check_size(head, wrong)
    if head.kind in _FORMATS and 0 <= head.elements <= _MOST_AXES:
        head.numbers = _numbers(reader, head, pieces)
    return head


def _entry(reader: Reader, item: Item) -> str:
    """A pair of `external_data`, as text."""
    pair = reader.message(item)
    return f"{pair.text(1)}={pair.text(2)}"


def _check_size(head: TensorHead, wrong: Wrong) -> None:
    elements = head.elements
    if elements < 0:
        wrong("a tensor has a negative axis", head.name)
    elif head.kind not in _BITS and head.kind != _STRING:
        wrong(f"a tensor has the unknown element type {head.kind}", head.name)
    elif head.raw is not None:
        if head.kind == _STRING or -(-elements * _BITS[head.kind] // 8) != head.raw.end - head.raw.value:
            wrong("a tensor's bytes do not fit its shape", head.name)
    elif math.ceil(elements * _ENTRIES.get(head.kind, 1)) != head.entries:
        # onnxruntime reserves memory by the shape: it must not be larger than what the file holds
        wrong("a tensor's values do not fit its shape", head.name)


def _packed_fixed(wire: int, size: int) -> Callable[[Reader, Item], int]:
    return lambda _, item: 1 if item.wire == wire else (item.end - item.value) // size


_COUNTS: dict[int, Callable[[Reader, Item], int]] = {
    4: _packed_fixed(FIXED32, 4),  # float_data
    5: Reader.varints,  # int32_data, also of all narrower types
    6: lambda _, item: int(item.wire == LENGTH),  # string_data
    7: Reader.varints,  # int64_data
    10: _packed_fixed(FIXED64, 8),  # double_data
    11: Reader.varints,  # uint64_data, also of uint32
}


def _numbers(reader: Reader, head: TensorHead, pieces: list[Item]) -> list[float] | None:
    """The elements, when exactly as many are there as the shape says."""
    form = _FORMATS[head.kind]
    if head.raw is not None:
        whole = head.raw.end - head.raw.value == head.elements * struct.calcsize(form)
        return floats(reader, head.raw, form) if whole else None
    if head.entries != head.elements:
        return None
    return [number for item in pieces for number in _listed(reader, item, form)]


def _listed(reader: Reader, item: Item, form: str) -> Sequence[float]:
    return reader.packed(item) if item.number in (5, 7, 11) else floats(reader, item, form)


def floats(reader: Reader, item: Item, form: str = "<f") -> list[float]:
    """The numbers in a field of fixed width, single or packed."""
    data = bytes(reader.data[item.value : item.end])
    return [number for (number,) in struct.iter_unpack(form, data)] if len(data) % struct.calcsize(form) == 0 else []


def read_sparse(reader: Reader, item: Item, wrong: Wrong) -> list[TensorHead]:
    """The two tensors of a sparse tensor, and that its shape is none that fills the memory when made dense."""
    heads: list[TensorHead] = []
    shape: list[int] = []
    for part in reader.inside(item):
        if part.number in (1, 2) and part.wire == LENGTH:
            heads.append(read_tensor(reader, part, wrong))
        elif part.number == 3 and len(shape) <= _MOST_AXES:
            shape += reader.packed(part)
    if len(shape) > _MOST_AXES or any(axis < 0 for axis in shape) or math.prod(shape) > MOST_ELEMENTS:
        wrong(f"a sparse tensor asks for more than {MOST_ELEMENTS:,} elements", heads[0].name if heads else "")
    return heads


def read_value(reader: Reader, item: Item) -> tuple[str, tuple[str, Shape]]:
    """The name, and the dtype (`?` if it is not a tensor) and shape of an input or output."""
    value = reader.message(item)
    dtype, axes = "?", []
    for kind in value.parts(2):
        for tensor in map(reader.message, reader.message(kind).parts(1)):
            dtype = DTYPES.get(signed32(tensor.number(1) or 0), "?")
            for shape in map(reader.message, tensor.parts(2)):  # parsers merge what is there twice
                axes += [_axis(reader, axis) for axis in shape.parts(1)]
    return value.text(1, 10_000), (dtype, tuple(axes))


def _axis(reader: Reader, item: Item) -> int | None:
    length = reader.message(item).number(1)
    return None if length is None else signed(length)


# The walk.


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
            self.defects.append(Defect(code="onnx.graph", where=where, message=message))

    # -- the model ------------------------------------------------------------------------------------------------

    def model(self, item: Item) -> None:
        whole = self.reader.message(item)
        self.info.ir_version = signed(whole.number(1) or 0)
        for part in whole.parts(8):
            self.opset(part)
        for key in (self.reader.message(part).text(1) for part in whole.parts(14)):
            if key.lower() in _REFUSED_METADATA:
                self.wrong("its metadata configure the runtime", key)
        if 20 in whole.fields:
            self.wrong("holds training information")
        if not 0 < self.info.ir_version <= _NEWEST_IR:
            self.wrong(f"has the IR version {self.info.ir_version}")
        for part in whole.parts(25):
            self.function(part)
        graphs = whole.parts(7)
        if len(graphs) != 1:
            self.wrong("must hold one graph")
        for part in graphs:
            self.graph(part, self.calls, ChainMap(), 0)
        self.info.nodes = len(self.calls)
        self.judge()

    def judge(self) -> None:
        """The checks that need the whole graph."""
        size = expanded(self.calls, self.functions)
        if math.isinf(size):
            self.wrong("its functions call themselves")
        elif size > self.limits.onnx_nodes:
            self.wrong(f"has more than {self.limits.onnx_nodes:,} nodes when its functions are written out")
        for domain, operator in sorted(set(self.calls).union(*self.functions.values()) - self.functions.keys()):
            if domain not in STANDARD_DOMAINS and not (domain == MICROSOFT and operator in MICROSOFT_OPERATORS):
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

    def opset(self, item: Item) -> None:
        opset = self.reader.message(item)
        domain, version = opset.text(1), signed(opset.number(2) or 0)
        self.info.opsets[domain] = max(version, self.info.opsets.get(domain, version), key=abs)

    def function(self, item: Item) -> None:
        function = self.reader.message(item)
        for part in function.parts(9):
            self.opset(part)
        # overloads of one name count as one function: more than what is really written out, never less
        calls = self.functions.setdefault((_plain(function.text(10)), function.text(1)), [])
        constants: Constants = ChainMap()
        for part in function.parts(11):
            self.attribute(part, calls, constants, 0)
        for part in function.parts(7):
            self.node(part, calls, constants, 0)

    # -- graphs and nodes --------------------------------------------------------------------------------------------

    def graph(self, item: Item, calls: list[Call], constants: Constants, depth: int) -> None:
        if depth > self.limits.onnx_depth:
            self.wrong(f"nests graphs deeper than {self.limits.onnx_depth} levels")
            return
        graph, top = self.reader.message(item), depth == 0
        for part in graph.parts(5):
            self.initializer(part, constants, top=top)
        for part in graph.parts(15):
            self.sparse(part)
        if top:
            self.info.inputs.update(read_value(self.reader, part) for part in graph.parts(11))
            self.info.outputs.update(read_value(self.reader, part) for part in graph.parts(12))
        nodes = graph.parts(1)
        if len(nodes) + len(calls) > self.limits.onnx_nodes:
            self.wrong(f"has more than {self.limits.onnx_nodes:,} nodes")
            return
        for part in nodes:
            self.node(part, calls, constants, depth)

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
        node = self.reader.message(item)
        operator, inputs, outputs = node.text(4), node.texts(1, 10_000), node.texts(2, 10_000)
        calls.append((_plain(node.text(7)), operator))
        for attribute in node.parts(5):
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
                found = [*(found or ()), *_graph_listed(self.reader, part)] or None
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
            self.wrong(f"a weight must be in {WEIGHTS_LOCATION}", head.name)
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


def _graph_listed(reader: Reader, part: Item) -> Iterator[float]:
    """The numbers of an attribute's i, ints, f and floats."""
    if part.number in (3, 8):
        yield from reader.packed(part)
    elif part.number in (2, 7) and part.wire in (FIXED32, LENGTH):
        yield from floats(reader, part)
