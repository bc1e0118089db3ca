from __future__ import annotations

import gc
import mmap
import pickle
import sys
import threading
import warnings
import weakref
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LinearRegression

from modelwheel_loader.errors import EnvironmentMismatch, InvalidBundle, MissingExtra
from modelwheel_loader.run.unpickle import load_pickle

ARRAY = np.arange(20_000, dtype="float64")


def dumped(value: object) -> tuple[bytes, list[memoryview]]:
    buffers: list[pickle.PickleBuffer] = []
    stream = pickle.dumps(value, 5, buffer_callback=buffers.append)
    return stream, [buffer.raw() for buffer in buffers]


class Raising:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild, (self.error,)


def rebuild(error: BaseException) -> None:
    raise error


class WithWarning:
    def __init__(self, message: str) -> None:
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_with_warning, (self.message,)


def rebuild_with_warning(message: str) -> str:
    warnings.warn(message, UserWarning, stacklevel=2)
    return message


def test_an_object_and_its_arrays_come_back() -> None:
    stream, buffers = dumped({"weights": ARRAY, "name": "x"})
    loaded: Any = load_pickle(stream, buffers)
    assert loaded["name"] == "x"
    assert np.array_equal(loaded["weights"], ARRAY)
    assert np.shares_memory(loaded["weights"], ARRAY)


def test_a_model_may_write_into_a_mapped_array_and_the_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "buffers.bin"
    path.write_bytes(ARRAY.tobytes())
    stream, _ = dumped(ARRAY)
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    loaded: Any = load_pickle(stream, [mapped])
    loaded[:] = -1
    assert loaded.flags.writeable
    assert path.read_bytes() == ARRAY.tobytes()


def test_buffers_that_the_model_copies_are_given_free() -> None:
    class Buffer(bytearray):
        """A bytearray that can be watched."""

    stream, _ = dumped([ARRAY])
    store = Buffer(ARRAY.tobytes())
    watched = weakref.ref(store)
    loaded: Any = load_pickle(stream, [memoryview(store)])
    del store
    gc.collect()
    assert watched() is not None
    del loaded
    gc.collect()
    assert watched() is None


@pytest.mark.parametrize("count", [0, 2])
def test_a_wrong_number_of_buffers_is_refused(count: int) -> None:
    stream, buffers = dumped(ARRAY)
    with pytest.raises(InvalidBundle) as caught:
        load_pickle(stream, buffers * count)
    assert caught.value.code == "native.buffers"


def test_a_missing_module_is_named() -> None:
    with pytest.raises(EnvironmentMismatch, match=r"no_such_module\.Model") as caught:
        load_pickle(b"\x80\x04cno_such_module\nModel\n.")
    assert caught.value.code == "native.module"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert not isinstance(caught.value, MissingExtra)


def test_a_missing_name_is_named() -> None:
    with pytest.raises(EnvironmentMismatch, match=r"json\.NoSuchThing") as caught:
        load_pickle(b"\x80\x04cjson\nNoSuchThing\n.")
    assert caught.value.code == "native.reference"
    assert isinstance(caught.value.__cause__, AttributeError)


@pytest.mark.parametrize(
    ("error", "named"), [(ModuleNotFoundError("gone", name="gone"), "the module gone"), (ImportError("x"), "a module")]
)
def test_an_import_that_fails_while_the_model_is_rebuilt_is_named(error: ImportError, named: str) -> None:
    with pytest.raises(EnvironmentMismatch, match=named) as caught:
        load_pickle(pickle.dumps(Raising(error)))
    assert caught.value.code == "native.module"


@pytest.mark.parametrize(
    ("bundle", "hints"),
    [
        ("churn", ['pip install "modelwheel[pack]"', 'pip install "churn[native]"']),
        ("", ['pip install "modelwheel[pack]"']),
    ],
)
def test_code_by_value_without_cloudpickle_names_the_extra(
    bundle: str, hints: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = cloudpickle.dumps(lambda value: value + 1)
    for name in [name for name in sys.modules if name.partition(".")[0] == "cloudpickle"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [])
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    with pytest.raises(MissingExtra) as caught:
        load_pickle(stream, bundle=bundle)
    assert caught.value.code == "native.cloudpickle"
    assert caught.value.hint.split(", or ") == hints


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(3), MemoryError(), RecursionError(), AttributeError("x"), KeyError("k")]
)
def test_whatever_a_model_raises_becomes_our_error(error: BaseException) -> None:
    with pytest.raises(InvalidBundle) as caught:
        load_pickle(pickle.dumps(Raising(error)))
    assert caught.value.code == "native.unpickle"
    assert type(caught.value.__cause__) is type(error)


def test_an_interrupt_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        load_pickle(pickle.dumps(Raising(KeyboardInterrupt())))


@pytest.mark.parametrize("data", [b"", b"N", b"\xff.", b"\x80\x05\x95\xff\xff\xff\xff\xff\xff\xff\xff."])
def test_broken_streams_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidBundle) as caught:
        load_pickle(data)
    assert caught.value.code == "native.unpickle"


def test_text_of_the_bundle_is_made_safe() -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        load_pickle(b"\x80\x04cno_such\x1b[31m\nX\n.")
    assert "\x1b" not in str(caught.value)


# --- scikit-learn's versions ---


def model_of(version: str) -> bytes:
    stream = pickle.dumps(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), 5)
    here = sklearn.__version__.encode()
    assert stream.count(here) == 1
    assert len(version) == len(here)
    return stream.replace(here, version.encode())


def patch(change: int) -> str:
    major, minor, micro = sklearn.__version__.split(".")[:3]
    return f"{major}.{minor}.{int(micro) + change}"


def test_an_older_patch_loads_without_a_warning() -> None:
    older = patch(0) if patch(0).endswith(".0") else patch(-1)  # the first patch of a minor has none before it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded: Any = load_pickle(model_of(older))
    assert loaded.coef_.shape == (1,)


@pytest.mark.parametrize("version", ["0.9.9", "9.9.9"])
def test_another_minor_is_refused_not_warned_about(version: str) -> None:
    with pytest.raises(EnvironmentMismatch) as caught:
        load_pickle(model_of(version))
    (defect,) = caught.value.defects
    assert defect.code == "environment.version"
    assert defect.found == sklearn.__version__
    assert f'pip install "scikit-learn~={version}"' == defect.advice


def test_other_warnings_reach_the_caller() -> None:
    stream = pickle.dumps([WithWarning("look"), LinearRegression()], 5)
    with pytest.warns(UserWarning, match="look"):
        load_pickle(stream)


def test_other_warnings_that_the_caller_made_errors_are_errors() -> None:
    stream = pickle.dumps([WithWarning("look"), LinearRegression()], 5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidBundle, match="look"):
            load_pickle(stream)


def test_the_filters_of_the_process_are_as_before() -> None:
    before = list(warnings.filters)
    with pytest.raises(EnvironmentMismatch):
        load_pickle(model_of("9.9.9"))
    load_pickle(pickle.dumps(LinearRegression()))
    with pytest.raises(InvalidBundle):
        load_pickle(pickle.dumps([LinearRegression(), Raising(ValueError())]))
    assert list(warnings.filters) == before


def test_many_threads_load_at_once() -> None:
    stream, failures = model_of(sklearn.__version__), []

    def load() -> None:
        try:
            load_pickle(stream)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
