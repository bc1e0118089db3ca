"""Values travel unchanged; whatever else comes over the wire is a `WireError` or `Closed`, and never anything worse."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import json
import os
import socket
import sys
import time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from modelwheel_loader.errors import PredictionError, WorkerError
from modelwheel_loader.isolated import channel as channels
from modelwheel_loader.isolated.channel import Channel, Closed, Kind, Segment
from modelwheel_loader.isolated.wire import Buffers, RemoteError, WireError, decode, encode, from_document, to_document

calm = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def travelled(value: Any) -> Any:
    buffers = Buffers()
    tree = json.loads(json.dumps(encode(value, buffers)))
    memory = bytearray(buffers.size)
    buffers.write(memoryview(memory))
    return decode(tree, memoryview(memory))


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.dates(),
    st.times().map(lambda time: time.replace(fold=0)),  # of a naive time it says nothing
    st.datetimes().map(lambda moment: moment.replace(fold=0)),
    st.timedeltas(),
    st.decimals(allow_nan=False),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@calm
@given(VALUES)
def test_values_of_python_travel_unchanged(value: Any) -> None:
    back = travelled(value)
    assert back == value
    assert repr(back) == repr(value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(24.0).reshape(2, 3, 4)[:, ::2],
        np.array([True, False]),
        np.array(["a", "bcd"]),
        np.array([b"a", b"bcd"]),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[s]"),
        np.array([1, 2], dtype="timedelta64[ms]"),
        np.array([1 + 2j]),
        np.array([1, 2], dtype=">i4"),
        np.zeros((0, 3)),
        np.array(["a", "b\0c", "é", "\ud800"], dtype=object),
        np.array(["a", "é", ""], dtype=object),
        np.array([None, 1, "x", b"y"], dtype=object),
        np.array(3.5),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_arrays_travel_unchanged(array: Any) -> None:
    back = travelled(array)
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


def test_what_libraries_give_travels_as_what_it_is() -> None:
    zone = ZoneInfo("Europe/Vienna")
    assert travelled(dt.datetime(2020, 6, 1, 12, tzinfo=zone)) == dt.datetime(2020, 6, 1, 12, tzinfo=zone)
    offset = dt.timezone(dt.timedelta(hours=2))
    assert travelled(dt.datetime(2020, 6, 1, tzinfo=offset)) == dt.datetime(2020, 6, 1, tzinfo=offset)
    assert travelled(pd.Timestamp("2020-01-01")) == np.datetime64("2020-01-01")
    assert travelled(pd.Timestamp("2020-01-01", tz="UTC")) == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert travelled(pd.Timedelta("3s")) == np.timedelta64(3, "s")
    assert np.isnat(travelled(pd.NaT))
    assert travelled(pd.NA) is None
    assert travelled(np.float32(1.5)) == np.float32(1.5)
    assert type(travelled(np.float32(1.5))) is np.float32
    assert travelled(decimal.Decimal("1.10")).as_tuple() == decimal.Decimal("1.10").as_tuple()
    for kind in (sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix):
        matrix = kind(np.array([[0.0, 1.0], [2.0, 0.0]]))
        back = travelled(matrix)
        assert type(back) is kind
        np.testing.assert_array_equal(back.toarray(), matrix.toarray())


def test_without_scipy_a_sparse_matrix_is_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    buffers = Buffers()
    tree = encode(sparse.csc_matrix(np.array([[0.0, 1.0]])), buffers)
    memory = bytearray(buffers.size)
    buffers.write(memoryview(memory))
    monkeypatch.setitem(sys.modules, "scipy.sparse", None)
    back = decode(tree, memoryview(memory))
    assert type(back).__name__ == "SparseRows"
    assert back.indices.tolist() == [1]


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, np.zeros(2, dtype=[("a", "i4")]), np.zeros(1, dtype=np.longdouble), lambda: 0]
)
def test_what_cannot_travel_is_refused(value: object) -> None:
    with pytest.raises(WireError):
        encode(value, Buffers())


def test_depth_is_bounded() -> None:
    deep: Any = []
    for _ in range(300):
        deep = [deep]
    with pytest.raises(WireError, match="deeply"):
        encode(deep, Buffers())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "t", "o", "n", "p", "l", "u", "d", "b", "D", "T", "s", "csr"]), inner, max_size=1
        )
        | st.builds(lambda dtype, shape, start: {"a": [dtype, shape, "C", start]}, st.text(max_size=4), inner, inner)
    ),
    max_leaves=12,
)


@calm
@given(JSON)
def test_any_tree_is_a_value_or_an_error_of_the_wire(tree: Any) -> None:
    with contextlib.suppress(WireError):
        decode(tree, memoryview(bytes(64)))


@pytest.mark.parametrize(
    "tree",
    [
        {"a": ["O", [1], "C", 0]},
        {"a": ["<f8", [9], "C", 0]},
        {"a": ["<f8", [-1], "C", 0]},
        {"a": ["<f8", [1 << 62, 4], "C", 0]},
        {"a": ["<f8", [1], "C", -8]},
        {"a": ["<f8", [1], "X", 0]},
        {"a": ["V8", [1], "C", 0]},
        {"a": ["?b1", [1], "C", 0]},
        {"a": ["S0", [1 << 40, 1 << 10], "C", 0]},
        {"t": [[1], 0, -1]},
        {"t": [[3], 0, 2]},
        {"o": [[2], {"p": [1]}]},
        {"o": [[1], 1]},
        {"p": [[1]]},
        {"l": 1},
        {"d": [[1], []]},
        {"d": [[{"l": []}], [1]]},
        {"T": ["2020-01-01", "No/Where"]},
        {"b": "*"},
        {"D": "x"},
        {"s": [1 << 80, 0, 0]},
        {"csr": ["csr_matrix", [1, 1], 1, 2, 3]},
        {
            "csr": [
                "csr_matrix",
                [1, 1],
                {"a": ["<f8", [1], "C", 0]},
                {"a": ["<i8", [1], "C", 8]},
                {"a": ["<i8", [2], "C", 8]},
            ]
        },
        {"no": 1},
        {"a": 1, "b": 2},
        [1],
    ],
    ids=json.dumps,
)
def test_broken_trees_are_refused(tree: Any) -> None:
    with pytest.raises(WireError):
        decode(tree, memoryview(b"\x07" * 64))


def failure(**changes: Any) -> dict[str, Any]:
    """The document of an error with one defect, of which something is changed."""
    defect = {"code": "input.wrong-type", "message": "x", "row": 1, **changes}
    return {"error": "InputError", "message": "x", "defects": [defect], "counted": 1, "cause": None}


def test_errors_are_rebuilt() -> None:
    error = from_document(failure())
    assert type(error).__name__ == "InputError"
    assert error.defects[0].row == 1


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ValueError("x"), ValueError),
        (ExceptionGroup("x", [ValueError()]), RemoteError),
        (ImportError("x"), RemoteError),
    ],
)
def test_causes_are_rebuilt_from_their_message_where_that_is_enough(cause: Exception, kind: type) -> None:
    error = PredictionError.of("predict.failed", "predict() raised")
    error.__cause__ = cause
    back = from_document(json.loads(json.dumps(to_document(error))))
    assert type(back) is PredictionError
    assert type(back.__cause__) is kind


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"error": "SystemExit"},
        {"error": "InputError", "message": "x", "defects": [1], "counted": 1},
        failure(code="no such code"),
        failure(row=[1]),
        failure(row=True),
        {**failure(), "counted": float("inf")},
        {**failure(), "counted": "1"},
    ],
)
def test_broken_errors_are_errors_of_the_protocol(document: Any) -> None:
    error = from_document(document)
    assert isinstance(error, WorkerError)
    assert error.code == "worker.protocol"


# --- messages ---


def pair() -> tuple[Channel, socket.socket]:
    mine, other = socket.socketpair()
    return Channel(mine), other


def header(magic: bytes = b"MWI1", kind: int = 4, flags: int = 0, length: int = 4, size: int = 0) -> bytes:
    return channels._HEADER.pack(magic, kind, flags, length, size)


@pytest.mark.parametrize(
    "data",
    [
        header(magic=b"MWI2") + b"null",
        header(kind=9) + b"null",
        header() + b"nope",
        header() + b"\xff\xff\xff\xff",
        header() + b"null more",
        header(length=100_000) + b"[" * 100_000,
        header(flags=2) + b"null",
        header(flags=1, size=10) + b"null",
        header(size=1 << 40) + b"null",
        b"x" * 24,
    ],
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    channel, other = pair()
    with other:
        other.sendall(data)
        with pytest.raises(WireError):
            channel.receive(time.monotonic() + 10)
    channel.close()


@calm
@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_an_error_of_the_wire(data: bytes) -> None:
    channel, other = pair()
    with other:
        other.sendall(data)
    try:
        channel.receive()
    except (WireError, Closed):
        pass
    finally:
        channel.close()


def test_half_a_message_waits_until_the_deadline_or_the_end() -> None:
    for data in (b"", b"MW", header() + b"nu"):
        channel, other = pair()
        with other:
            other.sendall(data)
            with pytest.raises(TimeoutError):
                channel.receive(time.monotonic() + 0.01)
        with pytest.raises((Closed, WireError)):
            channel.receive()
        channel.close()


def test_sending_has_a_deadline_too() -> None:
    channel, other = pair()
    with other, pytest.raises(TimeoutError):
        channel.send(Kind.CALL, "x" * (1 << 24), Buffers(), time.monotonic() + 0.05)
    with pytest.raises(Closed):
        channel.send(Kind.CALL, "x" * (1 << 24), Buffers())
    channel.close()


def test_memory_that_could_be_cut_off_is_refused() -> None:
    channel, other = pair()
    descriptor = os.memfd_create("test")
    os.ftruncate(descriptor, 4096)
    with other:
        socket.send_fds(other, [header(flags=3, size=4096)], [descriptor])
        other.sendall(b"null")
        with pytest.raises(WireError, match="not sealed"):
            channel.receive()
    channel.close()
    channel, other = pair()
    with other:
        socket.send_fds(other, [header() + b"null"], [descriptor])
        with pytest.raises(WireError, match="the other way round"):
            channel.receive()
    os.close(descriptor)
    channel.close()


def test_segments_are_used_again_while_nobody_looks_at_them() -> None:
    outgoing, incoming = Segment(), Segment()
    buffers = Buffers()
    buffers.add(b"abc", 3)
    descriptor = outgoing.write(buffers)
    assert descriptor is not None
    incoming.accept(descriptor)
    view = incoming.view(3)
    assert bytes(view) == b"abc"
    assert outgoing.write(buffers) is None
    with pytest.raises(WireError, match="less shared memory"):
        incoming.view(1 << 20)
    assert incoming.retained()
    assert not incoming.retained()
    with pytest.raises(WireError, match="less shared memory"):
        incoming.view(1)
    view.release()
    incoming.release()
    outgoing.release()
    with pytest.raises(WireError, match="cannot be mapped"):
        incoming.accept(os.open(os.devnull, os.O_RDONLY))


def test_files_without_a_name_do_where_there_is_no_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelwheel_loader.isolated.channel._SEALED", False)
    outgoing, incoming = Segment(), Segment()
    buffers = Buffers()
    buffers.add(np.arange(1000), 8000)
    descriptor = outgoing.write(buffers)
    assert descriptor is not None
    incoming.accept(descriptor)
    np.testing.assert_array_equal(np.frombuffer(incoming.view(8000), np.int64), np.arange(1000))
    incoming.release()
    outgoing.release()
