"""Pickles a model so that the same model gives the same bytes, with its large arrays beside the stream.

cloudpickle at protocol 5. What differs from process to process is taken out: paths of notebooks and scripts in code,
random ids of classes by value, the order of sets, the padding of structured arrays, and the sharing of texts (by
loading once and pickling again).
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any, ClassVar

from modelwheel_loader.errors import MissingExtra, PackError
from modelwheel_loader.picklescan import has_sets
from modelwheel_loader.text import clip
from modelwheel_loader.zipformat import ALIGNMENT

OUT_OF_BAND = 64 * 1024
"""Arrays of at least this many bytes lie beside the stream, where they are mapped; smaller ones stay in it."""
_FILE_NAME = "<modelwheel>"
_TRACKER = re.compile(rb"\x8c\x20([0-9a-f]{32})")
_ROUNDS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Pickled:
    """A pickle stream, its out-of-band buffers, and whether another process would have made the same bytes."""

    stream: bytes
    buffers: tuple[memoryview, ...]
    reproducible: bool

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


def dump(model: object) -> Pickled:
    """The normalised pickle of `model`; raises `PackError` when it cannot be pickled, `MissingExtra` without cloudpickle.

    Arrays are never copied, but those that are not contiguous.
    """
    current = _once(model)
    for _ in range(_ROUNDS):
        again = _once(_load(current))
        if again[0] == current[0]:
            return _pickled(again, reproducible=True)
        current = again
    return _pickled(current, reproducible=False)


def _pickled(dumped: tuple[bytes, list[pickle.PickleBuffer]], *, reproducible: bool) -> Pickled:
    stream, buffers = dumped
    return Pickled(stream=stream, buffers=tuple(buffer.raw() for buffer in buffers), reproducible=reproducible)


def _load(dumped: tuple[bytes, list[pickle.PickleBuffer]]) -> object:
    """The object again, its large arrays over the memory of the original's."""
    stream, buffers = dumped
    try:
        return pickle.loads(stream, buffers=buffers)  # noqa: S301 - made by this process a moment ago
    except Exception as error:  # foreign __setstate__ and __reduce__ raise anything
        message = f"the model can be pickled but not unpickled: {type(error).__name__}: {clip(error, 200)}"
        raise PackError.of("pack.pickle", message) from error


def _once(model: object) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """One pickling: by the quick pickler, or, when there are sets to be sorted, by the one in Python."""
    fast, exact = _picklers()
    dumped = _dump(fast, model)
    if has_sets(dumped[0]):
        dumped = _dump(exact, model)
    return _stable_trackers(dumped[0]), dumped[1]


def _dump(pickler: Callable[..., Any], model: object) -> tuple[bytes, list[pickle.PickleBuffer]]:
    out = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []

    def in_band(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < OUT_OF_BAND:
            return True
        buffers.append(buffer)
        return False

    try:
        pickler(out, protocol=5, buffer_callback=in_band).dump(model)
    except Exception as error:  # whatever a foreign __reduce__ raises; named with where it was met
        where = _culprit(model)
        message = f"the model cannot be pickled: {type(error).__name__}: {clip(error, 200)}"
        raise PackError.of("pack.pickle", message, where=where) from error
    return out.getvalue(), buffers


def _culprit(model: object, path: str = "model", depth: int = 0) -> str:
    """The innermost attribute that cannot be pickled on its own, as a path."""
    fast, _ = _picklers()
    for name, value in _children(model):
        try:
            fast(io.BytesIO(), protocol=5).dump(value)
        except Exception:  # noqa: BLE001 - a probe: the error itself is reported by the caller
            below = f"{path}{name}"
            return _culprit(value, below, depth + 1) if depth < 20 else below
    return path


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        yield from ((f"[{clip(repr(key), 40)}]", item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    else:
        yield from ((f".{name}", item) for name, item in vars(value).items() if hasattr(value, "__dict__"))


def _stable_trackers(stream: bytes) -> bytes:
    """The stream with cloudpickle's random class ids replaced by ones that follow from the content."""
    from cloudpickle import cloudpickle

    known = {text.encode() for text in cloudpickle._DYNAMIC_CLASS_TRACKER_BY_CLASS.values()}  # noqa: SLF001
    used = list(dict.fromkeys(found for found in _TRACKER.findall(stream) if found in known))
    if not used:
        return stream
    neutral = stream
    for number, found in enumerate(used):
        neutral = neutral.replace(found, b"%032d" % number)
    content = hashlib.sha256(neutral).digest()
    for number, found in enumerate(used):
        stable = hashlib.sha256(content + b"%d" % number).hexdigest()[:32].encode()
        stream = stream.replace(found, stable)
    return stream


_made: list[tuple[Any, Any]] = []


def _picklers() -> tuple[Any, Any]:
    """The two pickler classes, made when cloudpickle is first needed."""
    if not _made:
        try:
            from cloudpickle import cloudpickle
        except ModuleNotFoundError as error:
            hint = 'pip install "modelwheel[pack]"'
            raise MissingExtra.of("pack.extra", "packing needs cloudpickle, which is not installed", hint=hint) from error
        _made.append(_make_picklers(cloudpickle))
    return _made[0]


def _make_picklers(cloudpickle: ModuleType) -> tuple[Any, Any]:
    base: Any = cloudpickle.Pickler

    class Fast(base):  # type: ignore[misc]
        """cloudpickle's pickler on C's, without what differs between processes."""

        def reducer_override(self, value: Any) -> Any:
            return _override(self, value, base.reducer_override)

        def _function_getnewargs(self, function: Any) -> Any:
            return _without_file(base._function_getnewargs(self, function))  # noqa: SLF001

    class Exact(pickle._Pickler):  # type: ignore[name-defined,misc]  # noqa: SLF001
        """The same on the pickler written in Python, whose handling of sets can be replaced."""

        dispatch: ClassVar[dict[type, Any]] = {
            **pickle._Pickler.dispatch,  # type: ignore[attr-defined]  # noqa: SLF001
            set: _save_set,
            frozenset: _save_frozenset,
        }
        dispatch_table = base.dispatch_table

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.globals_ref: dict[int, Any] = {}

        def reducer_override(self, value: Any) -> Any:
            return _override(self, value, base.reducer_override)

        def _function_getnewargs(self, function: Any) -> Any:
            return _without_file(base._function_getnewargs(self, function))  # noqa: SLF001

    for name in ("_dynamic_function_reduce", "_function_reduce"):
        setattr(Exact, name, getattr(base, name))
    return Fast, Exact


def _without_file(arguments: Any) -> Any:
    """A function's arguments without the path of the script or notebook that defined it."""
    for part in arguments:
        if isinstance(part, dict):
            part.pop("__file__", None)
            part.pop("__path__", None)
    return arguments


def _override(pickler: Any, value: Any, usual: Callable[[Any, Any], Any]) -> Any:
    if isinstance(value, CodeType):
        return pickler.dispatch_table[CodeType](value.replace(co_filename=_FILE_NAME))
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None and type(value) is numpy.ndarray and value.dtype.names and _padded(value.dtype):
        return _without_padding(numpy, value).__reduce_ex__(5)
    return usual(pickler, value)


def _padded(dtype: Any) -> bool:
    return sum(dtype.fields[name][0].itemsize for name in dtype.names) != dtype.itemsize


def _without_padding(numpy: Any, value: Any) -> Any:
    """A copy whose bytes between the fields are zero: tree nodes are allocated without clearing them."""
    clean = numpy.zeros(value.shape, value.dtype)
    for name in value.dtype.names:
        clean[name] = value[name]
    return clean


def _sorted(values: Any) -> list[Any]:
    """The members of a set in an order that depends on nothing but them."""
    return sorted(values, key=lambda value: (type(value).__qualname__, pickle.dumps(value, 4)))


def _save_set(pickler: Any, value: set[Any]) -> None:
    """As `pickle._Pickler.save_set`, with the members sorted."""
    pickler.write(pickle.EMPTY_SET)
    pickler.memoize(value)
    if value:
        pickler.write(pickle.MARK)
        for item in _sorted(value):
            pickler.save(item)
        pickler.write(pickle.ADDITEMS)


def _save_frozenset(pickler: Any, value: frozenset[Any]) -> None:
    """As `pickle._Pickler.save_frozenset`, with the members sorted."""
    pickler.write(pickle.MARK)
    for item in _sorted(value):
        pickler.save(item)
    if id(value) in pickler.memo:
        # a member refers to the set itself, which is in the memo by now
        pickler.write(pickle.POP_MARK + pickler.get(pickler.memo[id(value)][0]))
        return
    pickler.write(pickle.FROZENSET)
    pickler.memoize(value)
