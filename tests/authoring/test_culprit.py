"""What cannot be packed is named for what it is, and the place in the model is given."""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import socket
import sqlite3
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from modelwheel.origins import Origins
from modelwheel.pickling.culprit import is_on_gpu, kind_of
from modelwheel.pickling.dump import dump, place_of
from modelwheel_loader.errors import PackError


class OnTheDevice:
    __cuda_array_interface__: ClassVar = {"shape": (1,), "version": 3}


class OnTheProcessor:
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        raise AttributeError("not on a device")


class Holder:
    def __init__(self, thing: object) -> None:
        self.deep = {"list": [1, (thing,)]}


def generator() -> Iterator[int]:
    yield 1


async def coroutine() -> None: ...


@pytest.fixture
def things() -> Iterator[dict[str, object]]:
    with ExitStack() as stack:
        waiting = coroutine()
        stack.callback(waiting.close)
        process = subprocess.Popen([sys.executable, "-c", ""])
        stack.callback(process.wait)
        database = sqlite3.connect(":memory:")
        stack.callback(database.close)
        yield {
            "text file": stack.enter_context(Path(__file__).open()),
            "binary file": stack.enter_context(Path(__file__).open("rb")),
            "raw file": stack.enter_context(io.FileIO(__file__)),
            "socket": stack.enter_context(socket.socket()),
            "database": database,
            "lock": threading.Lock(),
            "re-entrant lock": threading.RLock(),
            "generator": generator(),
            "coroutine": waiting,
            "process": process,
            "weak reference": weakref.ref(Holder),
            "frame": sys._getframe(),
            "array of a GPU": OnTheDevice(),
        }


KINDS = {
    "text file": "an open file",
    "binary file": "an open file",
    "raw file": "an open file",
    "socket": "a network connection",
    "database": "a connection to a database",
    "lock": "a lock",
    "re-entrant lock": "a lock",
    "generator": "a generator",
    "coroutine": "a generator",
    "process": "a lock",
    "weak reference": "a thing of this process",
    "frame": "a frame of running code",
    "array of a GPU": "an array in the memory of a GPU",
}


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_is_named_with_its_place_and_a_cure(name: str, things: dict[str, object]) -> None:
    with pytest.raises(PackError) as caught:
        dump(Holder(things[name]))
    (defect,) = caught.value.defects
    assert f"the model holds {KINDS[name]}" in defect.message
    assert (defect.where or "").startswith("model.deep['list'][1][0]")
    assert defect.hint


def test_what_is_not_known_is_told_in_the_words_of_python() -> None:
    class Stubborn:
        def __reduce__(self) -> Any:
            raise ValueError("not today")

    assert kind_of(Stubborn()) is None
    with pytest.raises(PackError, match="the model cannot be pickled: ValueError: not today"):
        dump(Holder(Stubborn()))


def test_arrays_of_the_processor_are_not_on_a_gpu() -> None:
    assert not is_on_gpu(np.zeros(3))
    assert not is_on_gpu(OnTheProcessor())
    assert is_on_gpu(OnTheDevice())
    assert kind_of(asyncio.Lock()) is not None
    assert kind_of(multiprocessing.get_context("spawn").Lock()) is not None


def test_the_place_of_a_name() -> None:
    origins = Origins()
    assert place_of(Holder(np.add), "numpy", "add", origins) == "model.deep['list'][1][0]"
    assert place_of(Holder(len), "builtins", "len", origins) == "model.deep['list'][1][0]"
    assert place_of(Holder(1), "numpy", "add", origins) == ""
