from __future__ import annotations

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwheel_loader.errors import InvalidBundle
from modelwheel_loader.opening.graph import FIXED32, FIXED64, LENGTH, VARINT, Item, Reader, signed, signed32

AttributeProto = onnx.AttributeProto
TAGS = {"floats": 0x3D, "ints": 0x40, "strings": 0x4A}


def items(data: bytes, *, runs: bool = False) -> list[Item]:
    return list(Reader(data).items(0, len(data), runs=runs))


def places(found: list[Item]) -> list[tuple[int, int, int, int]]:
    return [(item.number, item.wire, item.value, item.end) for item in found]


def test_every_wire_type_is_read_with_its_place() -> None:
    data = bytes([1 << 3, 0x96, 1, 2 << 3 | 1, *range(8), 3 << 3 | 2, 2, 65, 66, 4 << 3 | 5, 1, 2, 3, 4])
    assert places(items(data)) == [
        (1, VARINT, 150, 3),
        (2, FIXED64, 4, 12),
        (3, LENGTH, 14, 16),
        (4, FIXED32, 17, 21),
    ]
    assert Reader(data).text(Item(3, LENGTH, 14, 16)) == "AB"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x08", "cut off"),
        (b"\x08\x80", "cut off"),
        (b"\x08" + b"\x80" * 11, "64 bits"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "64 bits"),  # parsers drop what is above 64 bits, each in its way
        (b"\x0a\x05abc", "cut off"),
        (b"\x09abc", "cut off"),
        (b"\x0d\x00", "cut off"),
        (b"\x00\x00", "number 0"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0e\x00", "wire type 6"),
        (b"\x80", "cut off"),
        (b"\xb8\x80\x80\x80\x10\x01", "32 bits"),  # parsers read the tag 7 here: they keep 32 bits
    ],
)
def test_what_is_no_protobuf_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(InvalidBundle, match=message):
        items(data)


def test_the_number_of_fields_is_bounded() -> None:
    data = b"\x08\x01" * 1000
    with pytest.raises(InvalidBundle, match="too many fields"):
        list(Reader(data, most_fields=999).items(0, len(data)))
    assert len(list(Reader(data, most_fields=1000).items(0, len(data)))) == 1000


def test_numbers_of_a_field_are_read_single_and_packed() -> None:
    tensor = onnx.TensorProto(dims=[1, -1, 300]).SerializeToString()
    reader = Reader(tensor)
    assert [number for item in items(tensor) for number in reader.packed(item)] == [1, -1, 300]
    data = onnx.TensorProto(int64_data=range(1000)).SerializeToString()
    (item,) = items(data)
    assert Reader(data).packed(item) == list(range(65))
    assert Reader(data).varints(item) == 1000
    assert Reader(data).varints(Item(1, VARINT, 5, 0)) == 1


def test_signs() -> None:
    assert (signed(2**64 - 1), signed(5), signed32(2**64 - 1), signed32(2**32 + 1)) == (-1, 5, -1, 1)


one = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300)


@given(
    st.lists(st.floats(width=32), max_size=20),
    st.lists(one, max_size=20),
    st.lists(st.binary(max_size=40), max_size=20),
    st.integers(1, 90),
)
def test_lists_are_skipped_whatever_they_hold(
    floats: list[float], ints: list[int], strings: list[bytes], times: int
) -> None:
    attribute = AttributeProto(name="a", floats=floats * times, ints=ints * times, strings=strings * times, type=7)
    data = attribute.SerializeToString()
    left = items(data, runs=True)
    others = [item for item in items(data) if item.number not in (7, 8, 9)]
    assert places([item for item in left if item.number not in (7, 8, 9)]) == places(others)
    # what is too short for a run, or too long a text, is read one by one
    assert sum(1 for item in left if item.number in (7, 8)) <= 260


# few numbers, many times: drawing hundreds takes a tenth of a second, which hypothesis refuses on a busy machine
@given(st.lists(one, min_size=1, max_size=12), st.integers(200, 600), st.binary(max_size=4), st.integers(0, 3))
def test_a_run_ends_where_single_steps_say(ints: list[int], count: int, tail: bytes, cut: int) -> None:
    data = AttributeProto(ints=(ints * count)[:count]).SerializeToString() + tail
    data = data[: len(data) - cut]

    def last(*, runs: bool) -> object:
        try:
            found = items(data, runs=runs)
        except InvalidBundle as error:
            return error.message
        return places([item for item in found if item.number not in (7, 8, 9)])

    assert last(runs=True) == last(runs=False)


def test_a_run_of_floats_ends_at_the_first_other_field() -> None:
    data = b"\x3d\0\0\x3d\0" * 700 + b"\x0a\x02\x3d\x3d" + b"\x3d\0\0\0\0" * 100
    assert [item.number for item in items(data, runs=True) if item.number != 7] == [1]


def test_a_run_of_overlong_numbers_is_refused() -> None:
    data = b"\x40\x01" * 200 + b"\x40" + b"\x80" * 12 + b"\x01" + b"\x40\x01" * 200
    with pytest.raises(InvalidBundle, match="64 bits"):
        items(data, runs=True)


def test_a_run_of_numbers_beyond_64_bits_is_refused() -> None:
    largest = b"\x40" + b"\xff" * 9 + b"\x01"
    assert items(largest * 100, runs=True) == []
    beyond = b"\x40" + b"\xff" * 9 + b"\x02"  # parsers drop what is above 64 bits, each in its way
    for data in (beyond * 100, largest * 100 + beyond + largest * 100):
        with pytest.raises(InvalidBundle, match="64 bits"):
            items(data, runs=True)


@pytest.mark.parametrize("tag", TAGS.values())
def test_many_short_runs_cost_no_more_than_long_ones(tag: int) -> None:
    one = {0x3D: b"\x3d\0\0\0\0", 0x40: b"\x40\x01", 0x4A: b"\x4a\x01a"}[tag]
    data = (one * 10 + b"\x0a\x00") * 2_000
    assert len([item for item in items(data, runs=True) if item.number == 1]) == 2_000
