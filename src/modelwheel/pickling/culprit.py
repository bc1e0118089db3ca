"""Where in a model the object lies that could not be pickled, as a path that a person can follow."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from modelwheel_loader.bundle import Bundle
from modelwheel_loader.model import BoundMethod, Model
from modelwheel_loader.text import clip

PACK_THE_ORIGINAL = "Pack or hold the object itself, load(…, runtime='native').original, or pass the bundle on."
_STEPS = 30
"""How many steps of a path are shown; a cycle of objects could make it endless."""


def path_of(trail: Sequence[object]) -> str:
    """The path to the innermost object of `trail`, which lists objects from the inside out.

    Between an object and its attributes lie the tuples and dictionaries that its `__reduce__` made; they give no step
    of their own, but the keys of its state are its attributes.
    """
    steps = ["model"]
    attributes = False
    for parent, child in pairwise(reversed(trail)):
        is_container = type(parent) in (dict, list, tuple, set, frozenset)
        if not is_container:
            attributes = type(child) in (dict, tuple)
            continue
        key = _key(parent, child)
        if isinstance(parent, dict):
            steps.append(f".{clip(key, 60)}" if attributes and isinstance(key, str) else f"[{clip(repr(key), 60)}]")
        elif not attributes:
            steps.append(f"[{key}]" if isinstance(key, int) else "{…}")
        attributes = attributes and isinstance(parent, tuple) and type(child) in (dict, tuple)
    return "".join(steps[:_STEPS]) + ("…" if len(steps) > _STEPS else "")


def _key(parent: object, child: object) -> object:
    """The key or the index under which the child lies in a container; None when it is a member or a key itself."""
    if isinstance(parent, dict):
        return next((key for key, value in parent.items() if value is child), None)
    if isinstance(parent, list | tuple):
        return next((index for index, value in enumerate(parent) if value is child), None)
    return None


_RENEW = "Leave it out in `__getstate__`, and make it anew in `__setstate__` or when it is first used."
_KINDS: tuple[tuple[str, str, str], ...] = (
    ("_io.|io.|tempfile.", "an open file", "Keep what the file holds, or its name, instead of the file."),
    ("_socket.|socket.|ssl.|select.", "a network connection", _RENEW),
    ("sqlite3.|psycopg2.|psycopg.|sqlalchemy.engine.|pymysql.|duckdb.", "a connection to a database", _RENEW),
    ("_thread.|threading.|multiprocessing.|asyncio.|_asyncio.|concurrent.", "a lock, or what waits for one", _RENEW),
    ("subprocess.|mmap.|weakref.|builtins.weakref", "a thing of this process", _RENEW),
    ("builtins.generator|builtins.coroutine|builtins.async_generator", "a generator", "Keep a list of its values."),
    ("builtins.frame|builtins.traceback", "a frame of running code", "Keep its text, or leave it out."),
    ("pycuda.|torch.cuda|cupy.cuda|numba.cuda|jaxlib.|tensorrt.", "a handle of a GPU", _RENEW),
)
"""By the beginning of a type's full name: what it is to people, and what helps."""


def kind_of(culprit: object) -> tuple[str, str] | None:
    """What the object is, in words, and what to do about it; None for what is not known to be unpicklable."""
    kind = type(culprit)
    if is_reference(culprit):
        return "a loaded model or a bundle", PACK_THE_ORIGINAL
    if is_on_gpu(culprit):
        return "an array in the memory of a GPU", "Move it to the processor's memory first, by .cpu() or .get()."
    for candidate in kind.__mro__[:-1]:
        name = f"{candidate.__module__}.{candidate.__qualname__}"
        for beginnings, words, hint in _KINDS:
            if name.startswith(tuple(beginnings.split("|"))):
                return words, hint
    return None


def is_reference(thing: object) -> bool:
    """Whether an object stands for a bundle somewhere, and pickles as its place."""
    return isinstance(thing, Bundle | Model | BoundMethod)


def is_on_gpu(thing: object) -> bool:
    """Whether an array says that its values lie in the memory of a GPU (the CUDA array interface)."""
    if not hasattr(type(thing), "__cuda_array_interface__"):
        return False
    try:
        return thing.__cuda_array_interface__ is not None  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - tensors of the processor raise what they like
        return False
