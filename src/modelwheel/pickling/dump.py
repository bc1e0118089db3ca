"""Pickles a model so that the same model gives the same bytes, with its large arrays beside the stream.

Protocol 5, by the pickler of `canonical.py`. What is kept is the second of pickle → load → pickle, which a model that
was loaded from the bundle gives again. Arrays are shared with the original all the way, never copied, but those that
are not contiguous or have padding.
"""

from __future__ import annotations

import io
import pickle
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from modelwheel_loader.errors import PackError
from modelwheel_loader.opening import ALIGNMENT
from modelwheel_loader.text import clip

from ..extras import needed
from ..origins import Origins
from .culprit import kind_of, path_of

if TYPE_CHECKING:
    from .canonical import CanonicalPickler

OUT_OF_BAND = 64 * 1024
"""Arrays of at least this many bytes lie beside the stream, where they are mapped; smaller ones stay in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pickled:
    """A pickle stream and its out-of-band buffers.

    `reproducible` is false, with the `reason`, where another process may make other bytes of the same model.
    `by_value` are the functions, classes and modules whose code is inside, each with its module; `imports` the
    modules that this code imports when it runs, each with the function that does; `nested` the pickles that are bytes
    in this one. `mapped_bytes` stay where they are mapped when the model is loaded, `copied_bytes` are copied: measured
    by loading it (scikit-learn copies the nodes of its trees).
    """

    stream: bytes
    buffers: tuple[memoryview, ...]
    reproducible: bool
    reason: str = ""
    by_value: dict[str, str] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    nested: tuple[bytes, ...] = ()
    mapped_bytes: int = 0
    copied_bytes: int = 0

    @property
    def format(self) -> str:
        """The name of the format in the manifest."""
        return "pickle"

    @property
    def data(self) -> bytes:
        """The content of the payload's member."""
        return self.stream

    @property
    def settings(self) -> dict[str, Any]:
        """A pickle needs none to be loaded."""
        return {}

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """Offset and size of each buffer when they are laid one after another, each aligned."""
        spans, position = [], 0
        for buffer in self.buffers:
            spans.append((position, buffer.nbytes))
            position += buffer.nbytes + -buffer.nbytes % ALIGNMENT
        return tuple(spans)

    @property
    def pieces(self) -> list[bytes | memoryview]:
        """The buffers with the zeros between them: the content of the buffers member."""
        return [piece for buffer in self.buffers for piece in (buffer, bytes(-buffer.nbytes % ALIGNMENT))]


def dump(model: object, origins: Origins | None = None) -> Pickled:
    """The normalised pickle of `model`. Code of modules that no distribution provides, by `origins`, goes in by value.

    Raises PackError when the model cannot be pickled, with the path to what cannot, or not unpickled again, and
    MissingExtra without cloudpickle.
    """
    origins = origins or Origins()
    first = _once(model, origins)
    second, measured = _again(first, origins)
    reason = "" if _same(first, second) else _drift(second, origins)
    if not reason and not (first.reproducible and second.reproducible):
        reason = "a set holds objects that cannot be told apart"
    mapped = sum(measured)
    return replace(
        second,
        reproducible=not reason,
        reason=reason,
        by_value=first.by_value,
        imports=first.imports,
        mapped_bytes=mapped,
        copied_bytes=len(second.stream) + sum(buffer.nbytes for buffer in second.buffers) - mapped,
    )


def _drift(pickled: Pickled, origins: Origins) -> str:
    third, _ = _again(pickled, origins)
    return "" if _same(pickled, third) else "the model changes each time that it is loaded and pickled"


def _again(pickled: Pickled, origins: Origins) -> tuple[Pickled, list[int]]:
    """The pickle of the loaded model, and the sizes of the buffers that it uses where they lie."""
    model, mapped = _load(pickled)
    return _once(model, origins), mapped


# --- pickling ---


def _once(model: object, origins: Origins) -> Pickled:
    pickler_type = _pickler_type()
    stream = io.BytesIO()
    pickler = pickler_type(stream, origins.is_local)
    try:
        try:
            pickler.dump(model)
        except RecursionError:
            stream = io.BytesIO()
            pickler = pickler_type(stream, origins.is_local)
            _deeply(lambda: pickler.dump(model))
    except Exception as error:  # foreign __reduce__ and __getstate__ raise anything
        raise _refusal(error, pickler.trail) from error
    return Pickled(
        stream=stream.getvalue(),
        buffers=tuple(pickler.buffers),
        reproducible=not pickler.ambiguous,
        by_value=pickler.by_value,
        imports=pickler.imports,
        nested=tuple(pickler.nested),
    )


def _refusal(error: Exception, trail: Sequence[object]) -> PackError:
    """The error for what cannot be pickled: what it is, where it sits, what helps."""
    known = kind_of(trail[0]) if trail else None
    words, hint = known or ("what cannot be pickled", getattr(error, "hint", ""))
    said = f"{type(error).__name__}: {clip(error, 200)}"
    message = f"the model holds {words}: {said}" if known else f"the model cannot be pickled: {said}"
    return PackError.of("pack.pickle", message, where=path_of(trail), hint=hint)


def place_of(model: object, module: str, name: str, origins: Origins) -> str:
    """The path in `model` to the first object that is written as a name in a module; empty when there is none."""
    from .canonical import Found

    pickler = _pickler_type()(io.BytesIO(), origins.is_local)
    pickler.sought = (module, name)
    try:
        _deeply(lambda: pickler.dump(model))
    except Found:
        return path_of(pickler.trail)
    return ""


def _pickler_type() -> type[CanonicalPickler]:
    with needed("cloudpickle", "packing", extra="pack"):
        from .canonical import CanonicalPickler
    return CanonicalPickler


_DEEP_STACK = 512 * 1024 * 1024  # address space, not memory: only what is used becomes real
_DEEP_LIMIT = 200_000


def _deeply(function: Callable[[], None]) -> None:
    """Run `function` in a thread with room for deep recursion: objects nested a thousand times are rare, not wrong."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except Exception as error:  # noqa: BLE001 - raised again by the caller's thread
            failures.append(error)

    limit, stack = sys.getrecursionlimit(), threading.stack_size(_DEEP_STACK)
    try:
        thread = threading.Thread(target=run, name="modelwheel-pickle")
        sys.setrecursionlimit(max(limit, _DEEP_LIMIT))
        thread.start()
        thread.join()
    finally:
        sys.setrecursionlimit(limit)
        threading.stack_size(stack)
    if failures:
        raise failures[0]


# --- loading and comparing ---


def _load(pickled: Pickled) -> tuple[object, list[int]]:
    """The model again, over the original's arrays, and the sizes of the buffers that it holds on to."""
    watched: list[tuple[weakref.ref[object], int]] = []

    def supply() -> Iterator[memoryview]:
        for buffer in pickled.buffers:
            # the loader gives writable memory; a model over a read-only file gets a copy here
            owner = np.frombuffer(bytearray(buffer) if buffer.readonly else buffer, np.uint8)
            watched.append((weakref.ref(owner), owner.nbytes))
            yield owner.data
            del owner

    try:
        model = pickle.loads(pickled.stream, buffers=supply())  # noqa: S301 - made by this process a moment ago
    except Exception as error:  # foreign __setstate__ and constructors raise anything
        message = f"the model can be pickled but not unpickled: {type(error).__name__}: {clip(error, 200)}"
        raise PackError.of("pack.pickle", message) from error
    return model, [size for reference, size in watched if reference() is not None]


def _same(one: Pickled, two: Pickled) -> bool:
    if one.stream != two.stream or len(one.buffers) != len(two.buffers):
        return False
    return all(map(_same_bytes, one.buffers, two.buffers))


_PIECE = 1024 * 1024


def _same_bytes(one: memoryview, two: memoryview) -> bool:
    """Whether two buffers hold the same; the same memory does, without being read."""
    first, second = np.frombuffer(one, np.uint8), np.frombuffer(two, np.uint8)
    if first.size != second.size or _address(first) == _address(second):
        return first.size == second.size
    pieces: Sequence[int] = range(0, first.size, _PIECE)
    return all(np.array_equal(first[start : start + _PIECE], second[start : start + _PIECE]) for start in pieces)


def _address(array: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    return int(array.__array_interface__["data"][0])
