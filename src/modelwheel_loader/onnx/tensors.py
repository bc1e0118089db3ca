"""Reads the tensors and types of an ONNX file: what they are, and whether their data is there and fits.

Field numbers are those of onnx.proto: TensorProto, SparseTensorProto, ValueInfoProto.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

from .protobuf import FIXED32, FIXED64, LENGTH, VARINT, Item, Reader, signed, signed32

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
    parts = {part.number: reader.text(part) for part in reader.inside(item) if part.wire == LENGTH}
    return f"{parts.get(1, '')}={parts.get(2, '')}"


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
    """The name, and the dtype (`?` for what is no tensor) and shape of an input or output."""
    name, dtype = "", "?"
    shape: Shape = ()
    for part in reader.inside(item):
        if part.number == 1 and part.wire == LENGTH:
            name = reader.text(part, 10_000)
        elif part.number == 2 and part.wire == LENGTH:
            dtype, shape = _tensor_type(reader, part)
    return name, (dtype, shape)


def _tensor_type(reader: Reader, item: Item) -> tuple[str, Shape]:
    kind, axes = 0, []
    for part in reader.inside(item):
        if part.number != 1 or part.wire != LENGTH:
            continue
        for inner in reader.inside(part):
            if inner.number == 1 and inner.wire == VARINT:
                kind = signed32(inner.value)
            elif inner.number == 2 and inner.wire == LENGTH:
                axes = [_axis(reader, axis) for axis in reader.inside(inner) if axis.wire == LENGTH]
    return DTYPES.get(kind, "?"), tuple(axes)


def _axis(reader: Reader, item: Item) -> int | None:
    for part in reader.inside(item):
        if part.number == 1 and part.wire == VARINT:
            return signed(part.value)
    return None
