from __future__ import annotations

import collections
import contextlib
import datetime as dt
import decimal
import fractions
import io
import pickle
import pickletools
import struct
from typing import Any

import cloudpickle
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwheel_loader.errors import InvalidBundle
from modelwheel_loader.limits import Limits
from modelwheel_loader.run.pickle_names import COMPUTED, Reference, references


class Recorder(pickle._Unpickler):
    """Python's own unpickler, noting each name that it looks up."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.found: dict[Reference, None] = {}

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if getattr(self, "proto", 0) < 3 and module in {"copy_reg", "__builtin__"}:
            module = {"copy_reg": "copyreg", "__builtin__": "builtins"}[module]
        self.found[Reference(module, name)] = None
        return found


def looked_up(data: bytes) -> tuple[Reference, ...]:
    recorder = Recorder(data)
    recorder.load()
    return tuple(recorder.found)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=300)
    | st.binary(max_size=300)
    | st.sampled_from([collections.OrderedDict, dt.date, decimal.Decimal, len, fractions.Fraction, "datetime", "date"])
    | st.dates()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.binary(max_size=20).map(bytearray)
)
hashables = st.integers() | st.text(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.lists(inner, max_size=6).map(tuple)
        | st.lists(inner, max_size=3).map(lambda items: (items, items))
        | st.dictionaries(hashables, inner, max_size=5)
        | st.sets(hashables)
        | st.frozensets(hashables)
        | st.dictionaries(hashables, inner, max_size=3).map(collections.OrderedDict)
    ),
    max_leaves=25,
)


@given(values, st.integers(0, 5))
def test_finds_what_pythons_unpickler_looks_up(value: object, protocol: int) -> None:
    data = pickle.dumps(value, protocol)
    assert references(data) == looked_up(data)


@given(values, st.integers(0, 5))
def test_the_pickler_written_in_python_and_optimized_pickles_are_read_as_well(value: object, protocol: int) -> None:
    for data in (pickle._dumps(value, protocol), pickletools.optimize(pickle.dumps(value, protocol))):  # type: ignore[attr-defined]
        assert references(data) == looked_up(data)


@given(values, st.integers(0, 5), st.data())
def test_every_truncation_is_refused(value: object, protocol: int, data: st.DataObject) -> None:
    whole = pickle.dumps(value, protocol)
    with pytest.raises(InvalidBundle) as caught:
        references(whole[: data.draw(st.integers(0, len(whole) - 1))])
    assert caught.value.code == "native.stream"


@given(st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_our_error(data: bytes) -> None:
    with contextlib.suppress(InvalidBundle):
        references(data)


@given(values, st.integers(0, 5), st.data())
def test_a_flipped_byte_gives_an_answer_or_our_error(value: object, protocol: int, data: st.DataObject) -> None:
    broken = bytearray(pickle.dumps(value, protocol))
    broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidBundle):
        references(bytes(broken))


class Opened:
    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("/tmp/never-written-by-a-scan", "w")


def test_nothing_is_run() -> None:
    assert references(pickle.dumps(Opened(), 5)) == (Reference(open.__module__, "open"),)


def test_a_pickle_inside_bytes_is_not_followed() -> None:
    assert references(pickle.dumps([pickle.dumps(Opened())], 5)) == ()


def test_cloudpickles_imports_are_found_by_the_name_of_the_module() -> None:
    def clean(table: Any) -> Any:
        return pd.isna(table)

    clean.__module__ = "__main__"
    assert Reference("pandas", "") in references(cloudpickle.dumps(clean))
    assert str(Reference("pandas", "")) == "pandas"
    assert str(Reference("os", "path.join")) == "os.path.join"


def text(value: bytes) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value


NAMES = text(b"os") + text(b"system")


@pytest.mark.parametrize(
    "body",
    [
        b"cos\nsystem\n",
        NAMES + b"\x93",
        text(b"os") + b"N0" + text(b"system") + b"\x93",
        text(b"os") + b"(NNN1" + text(b"system") + b"\x93",
        text(b"os") + b"(0" + text(b"system") + b"\x93",
        text(b"system") + b"\x940" + text(b"os") + b"\x94h\x00\x93",
        text(b"system") + b"q\x070" + text(b"os") + b"h\x07\x93",
        text(b"system") + b"p07\n0" + text(b"os") + b"g7\n\x93",
        text(b"system") + b"r\xff\xff\xff\xff0" + text(b"os") + b"j\xff\xff\xff\xff\x93",
        text(b"x") + b"q\x050" + text(b"system") + b"\x940" + text(b"os") + b"h\x01\x93",
        text(b"x") + b"q\x00q\x05" + b"0" + text(b"system") + b"q\x00q\x050" + text(b"os") + b"h\x05\x93",
        b"X\x02\x00\x00\x00os" + b"\x8d\x06" + bytes(7) + b"system" + b"\x93",
        b"Vos\nVsyst\\u0065m\n\x93",
        b"S'os'\nS'syst\\x65m'\n\x93",
        b"U\x02osT\x06\x00\x00\x00system\x93",
        text(b"os") + b"2\x94" + b"0" + text(b"system") + b"\x93",
        b"(ios\nsystem\n",
    ],
)
def test_names_are_found_however_they_get_onto_the_stack(body: bytes) -> None:
    data = b"\x80\x04" + body + b"."
    assert Reference("os", "system") in references(data)


def test_a_computed_name_is_marked() -> None:
    data = b"\x80\x04" + text(b"os") + b"cbuiltins\nstr\n)R\x93."
    assert references(data) == (Reference("builtins", "str"), Reference("os", COMPUTED))


def test_names_of_python_2_are_translated_below_protocol_3() -> None:
    assert references(b"\x80\x02c__builtin__\nxrange\n.") == (Reference("builtins", "range"),)
    assert references(b"\x80\x02ccopy_reg\n_reconstructor\n.") == (Reference("copyreg", "_reconstructor"),)
    assert references(b"\x80\x04ccopy_reg\n_reconstructor\n.") == (Reference("copy_reg", "_reconstructor"),)


@pytest.mark.parametrize(
    ("opcode", "code"), [(b"\x82\x07", 7), (b"\x83\x01\x01", 257), (b"\x84\x00\x00\x01\x00", 65536)]
)
def test_registered_extensions_are_named_by_their_code(opcode: bytes, code: int) -> None:
    assert references(b"\x80\x04" + opcode + b".") == (Reference("copyreg", f"extension {code}"),)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"N",
        b".",
        b"\xffN.",
        b"N.N",
        b"\x80\x06N.",
        b"h\x00.",
        b"gx\n.",
        b"g" + b"1" * 30 + b"\n.",
        b"0.",
        b"R.",
        b"N\x94s.",
        b"t.",
        b"2.",
        b"\x94.",
        b"\x85.",
        b"\x93.",
        b"NR.",
        b"cos",
        b"cos\nsystem",
        b"c" + b"o" * 5000 + b"\nx\n.",
        b"c\xff\nx\n.",
        b"VX\\u12\nVx\n\x93.",
        b"S'\\x'\nVx\n\x93.",
        b"S'\\xff'\nVx\n\x93.",
        b"X" + struct.pack("<I", 5000) + b"o" * 5000 + b"Vx\n\x93.",
        b"X\xff\xff\xff\xffos.",
        b"\x8e" + b"\xff" * 8 + b".",
        b"N.\x00",
    ],
)
def test_what_is_no_pickle_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidBundle) as caught:
        references(data)
    assert caught.value.code == "native.stream"


def test_the_number_of_names_is_bounded() -> None:
    data = b"".join(b"cos\nx%d\n0" % number for number in range(11)) + b"N."
    assert len(references(data, limits=Limits(pickle_references=11))) == 11
    with pytest.raises(InvalidBundle, match="more than 10 names"):
        references(data, limits=Limits(pickle_references=10))


def test_payloads_are_skipped() -> None:
    assert references(pickle.dumps([bytes(50_000_000), bytearray(50_000_000)], 5)) == ()
