"""The pickler: cloudpickle's rules on the pickler that Python has in Python, without what differs between processes.

The same model gives the same stream whatever the hash seed, the notebook's temporary path, the identity of equal
texts, and whether the model was loaded from a file. Needs cloudpickle; `dump.py` is the way in.

* Texts, short bytes and dtypes are shared by value, not by identity, which loading changes.
* Sets are written in an order that follows from their members.
* Code loses the path of its file, functions and modules lose `__file__` and `__path__`.
* Classes by value carry no tracker id: cloudpickle's is random, and with one, loading would change the live class.
* Arrays lose what memory happens to hold: padding between fields, strides, and whether they were read-only.
* Modules that no distribution provides are written by value, decided here and not in cloudpickle's global registry.
"""

# ruff: noqa: SLF001 - the pickler in Python and cloudpickle's reducers have underscores, and both are the only way in
from __future__ import annotations

import dataclasses
import dis
import hashlib
import io
import pickle
import re
import struct
import sys
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator
from importlib.util import resolve_name
from itertools import pairwise
from pathlib import PurePosixPath
from types import CodeType, FunctionType, ModuleType
from typing import Any, ClassVar, TypeVar

import numpy as np
from cloudpickle import cloudpickle

from modelwheel_loader.run import parameter, tensor

from .culprit import is_on_gpu, is_reference

OUT_OF_BAND = 64 * 1024
"""Arrays of at least this many bytes lie beside the stream, where they are mapped; smaller ones stay in it."""
_SHARED_BYTES = 4096
_HOST_NAMES = ("__file__", "__path__", "__cached__", "__spec__", "__loader__", "__builtins__")
_TAKE_THE_FILE_ALONG = (
    "Keep in the model what it reads there; or let its package travel, Dependencies(code=(…,)), with the files in it, "
    "which importlib.resources reads."
)
_PLAIN_DTYPES = frozenset("?bhilqBHILQefdgFDGSUmM")


_Pickler: Any = pickle._Pickler  # its stubs leave out what a subclass needs


class CanonicalPickler(_Pickler):  # type: ignore[misc]
    """Writes one object to `stream`; afterwards `buffers` are its large arrays, and the rest says what was met."""

    dispatch: ClassVar[dict[type, Callable[..., None]]] = dict(_Pickler.dispatch)
    dispatch_table: ClassVar[Any] = ChainMap({}, cloudpickle.Pickler.dispatch_table)
    _dynamic_function_reduce = cloudpickle.Pickler._dynamic_function_reduce

    def __init__(self, stream: io.BytesIO, is_local: Callable[[str], bool], *, for_order: bool = False) -> None:
        super().__init__(stream, protocol=5, buffer_callback=_nothing)
        self.is_local = is_local
        self.for_order = for_order
        """Whether the stream is only compared, to bring the members of a set into order."""
        self.globals_ref: dict[int, Any] = {}
        self.buffers: list[memoryview] = []
        self.by_value: dict[str, str] = {}
        """Functions, classes and modules whose code is in the stream, each with its module."""
        self.imports: dict[str, str] = {}
        """Modules that code by value imports when it runs, with the function that does."""
        self.nested: list[bytes] = []
        """Texts of bytes that are pickles themselves, by how they begin and end."""
        self.trail: list[object] = []
        """After an exception: the objects on the way to it, innermost first."""
        self.sought: tuple[str, str] | None = None
        """A module and a name in it, at which to stop."""
        self.ambiguous = False
        """Whether a set holds members that cannot be told apart, so that their order is the process's own."""
        self._shared: dict[Any, int] = {}

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT001, FBT002 - the base's signature
        """Write `obj`; when that fails, the way to it is in `trail`."""
        try:
            if type(obj) in _UNREDUCED:
                self._save_plain(obj)
            elif isinstance(obj, np.dtype) and obj.char in _PLAIN_DTYPES and obj.metadata is None:
                self._save_shared(("dtype", obj.str), obj, super().save)
            else:
                super().save(obj, save_persistent_id)
        except Exception:
            self.trail.append(obj)
            raise

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Write `obj` as a name in a module."""
        if self.sought is not None:
            qualname = name or getattr(obj, "__qualname__", None) or obj.__name__
            if self.sought == (pickle.whichmodule(obj, qualname), qualname):  # type: ignore[attr-defined]
                raise Found
        super().save_global(obj, name)

    def _save_plain(self, obj: Any) -> None:
        """What `save` of the base does for the types that no reducer changes, without asking one."""
        self.framer.commit_frame()
        entry = self.memo.get(id(obj))
        if entry is None:
            self.dispatch[type(obj)](self, obj)
        else:
            self.write(self.get(entry[0]))

    def _save_shared(self, key: Any, obj: Any, save: Callable[[Any], None]) -> None:
        """Write `obj` once, and a reference to it for everything that has the same key."""
        index = self._shared.get(key)
        if index is not None:
            self.write(self.get(index))
            return
        save(obj)
        self._shared[key] = self.memo[id(obj)][0]

    def _save_text(self, obj: str) -> None:
        self._save_shared(obj, obj, super().save_str)

    def _save_bytes(self, obj: bytes) -> None:
        if obj[:1] == pickle.PROTO and obj[-1:] == pickle.STOP:
            self.nested.append(obj)
        if 0 < len(obj) <= _SHARED_BYTES:
            self._save_shared(obj, obj, super().save_bytes)
        else:
            super().save_bytes(obj)

    def _save_buffer(self, obj: pickle.PickleBuffer) -> None:
        view = obj.raw()
        if self.for_order:
            self.save(hashlib.sha256(view).digest())
        elif view.nbytes >= OUT_OF_BAND:
            self.buffers.append(view)
            self.write(pickle.NEXT_BUFFER)
        else:
            # as a bytearray even when it is read-only, so that the array is writable wherever it comes back
            self.write(pickle.BYTEARRAY8 + struct.pack("<Q", view.nbytes) + view.tobytes())

    def _save_set(self, obj: set[Any]) -> None:
        self.write(pickle.EMPTY_SET)
        self.memoize(obj)
        members = self._in_order(obj)
        for start in range(0, len(members), 1000):
            self.write(pickle.MARK)
            for member in members[start : start + 1000]:
                self.save(member)
            self.write(pickle.ADDITEMS)

    def _save_frozenset(self, obj: frozenset[Any]) -> None:
        self.write(pickle.MARK)
        for member in self._in_order(obj):
            self.save(member)
        if id(obj) in self.memo:  # a member refers to the set itself
            self.write(pickle.POP_MARK + self.get(self.memo[id(obj)][0]))
            return
        self.write(pickle.FROZENSET)
        self.memoize(obj)

    def _in_order(self, members: set[Any] | frozenset[Any]) -> list[Any]:
        if self.for_order:
            # deeper sets count by their plain members: looking into all would never end where objects know each other
            return [len(members), *ordered(members, None)[0]]
        found, ambiguous = ordered(members, self._order_key)
        self.ambiguous |= ambiguous
        return found

    def _order_key(self, member: object) -> bytes:
        stream = io.BytesIO()
        CanonicalPickler(stream, self.is_local, for_order=True).dump(member)
        return stream.getvalue()

    # --- reducers ---

    def reducer_override(self, obj: Any) -> Any:
        """How to write what must not be written as it is; NotImplemented leaves it to the usual ways."""
        kind = type(obj)
        if issubclass(kind, type):
            return self._reduce_class(obj)
        if kind is FunctionType:
            return self._reduce_function(obj)
        if kind is ModuleType:
            return self._reduce_module(obj)
        if kind is np.ndarray or kind is np.memmap:
            return _reduce_array(obj)
        if is_tensor(kind):
            return reduce_tensor(obj)
        if hasattr(kind, "_check_stop_words_consistency"):
            return _reduce_vectorizer(obj)
        if is_reference(obj):
            raise pickle.PicklingError("it pickles as the place of a file, which is on this disk alone")
        if is_on_gpu(obj):
            raise pickle.PicklingError("its values would need the same device where it is loaded")
        return "MISSING" if obj is dataclasses.MISSING else NotImplemented

    def _reduce_class(self, obj: type) -> Any:
        local = obj.__module__ not in ("builtins", "__main__") and self.is_local(obj.__module__)
        reduced = cloudpickle._dynamic_class_reduce(obj) if local else cloudpickle._class_reduce(obj)
        if reduced is NotImplemented or reduced[0] not in _SKELETONS:
            return reduced
        self.by_value[f"{obj.__module__}.{obj.__qualname__}"] = str(obj.__module__)
        constructor, arguments, state, *rest = reduced
        # without a tracker id loading always makes a new class, and never changes one that is in use
        return (constructor, (*arguments[:-2], None, arguments[-1]), _class_state(state), *rest)

    def _reduce_function(self, obj: FunctionType) -> Any:
        if cloudpickle._should_pickle_by_reference(obj) and not self.is_local(obj.__module__):
            return NotImplemented
        name = f"{obj.__module__}.{obj.__qualname__}"
        if "__file__" in cloudpickle._extract_code_globals(obj.__code__):
            raise Refused(f"{name} uses __file__, which is a place on this disk alone", _TAKE_THE_FILE_ALONG)
        self.by_value[name] = str(obj.__module__)
        for module in imports_of(obj):
            self.imports.setdefault(module, name)
        reduced = self._dynamic_function_reduce(obj)
        # the order is that of this process's imports
        reduced[2][1]["_cloudpickle_submodules"].sort(key=lambda module: module.__name__)
        return reduced

    def _function_getnewargs(self, function: FunctionType) -> Any:
        arguments = cloudpickle.Pickler._function_getnewargs(self, function)
        for name in _HOST_NAMES:
            arguments[1].pop(name, None)
        return arguments

    def _reduce_module(self, obj: ModuleType) -> Any:
        name = obj.__name__
        if name == "__main__":
            raise pickle.PicklingError("the module __main__ is used as a value; use the names in it instead")
        if sys.modules.get(name) is obj and not self.is_local(name):
            return NotImplemented
        self.by_value[name] = name
        content = {key: value for key, value in vars(obj).items() if key not in _HOST_NAMES}
        # the content comes as state: two modules that import each other would otherwise never end
        return cloudpickle.dynamic_subimport, (name, {}), content


class Refused(pickle.PicklingError):
    """Something that must not be packed, and what helps."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Found(Exception):
    """The name that was sought is about to be written."""


def _nothing(_buffer: pickle.PickleBuffer) -> None:
    """Stands for a buffer callback, which only says that out-of-band buffers are wanted."""


CanonicalPickler.dispatch.update(
    {
        str: CanonicalPickler._save_text,
        bytes: CanonicalPickler._save_bytes,
        pickle.PickleBuffer: CanonicalPickler._save_buffer,
        set: CanonicalPickler._save_set,
        frozenset: CanonicalPickler._save_frozenset,
        FunctionType: CanonicalPickler.save_global,
    }
)
_UNREDUCED = frozenset({type(None), bool, int, float, str, bytes, bytearray, tuple, list, dict, set, frozenset})
_SKELETONS = (cloudpickle._make_skeleton_class, cloudpickle._make_skeleton_enum)


def _class_state(state: tuple[dict[str, Any], dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of a class by value with the parts sorted that Python keeps in the order of a set."""
    content, slots = state
    if "__static_attributes__" in content:
        content["__static_attributes__"] = tuple(sorted(content["__static_attributes__"]))
    if "_abc_impl" in content:
        content["_abc_impl"] = sorted(content["_abc_impl"], key=lambda item: (item.__module__, item.__qualname__))
    return content, slots


def _reduce_array(array: Any) -> Any:
    """An array as its content: contiguous, without padding, and no longer a view of somebody's file."""
    plain = array.view(np.ndarray)
    if plain.dtype.hasobject:
        return NotImplemented if type(array) is np.ndarray else plain.__reduce_ex__(5)
    if plain.dtype.names and sum(plain.dtype[name].itemsize for name in plain.dtype.names) != plain.dtype.itemsize:
        clean = np.zeros(plain.shape, plain.dtype)
        for name in plain.dtype.names:
            clean[name] = plain[name]
        plain = clean
    elif not (plain.flags.c_contiguous or plain.flags.f_contiguous):
        plain = plain.copy(order="C")
    return plain.__reduce_ex__(5)


def _reduce_vectorizer(vectorizer: Any) -> Any:
    """scikit-learn's text vectorizers remember a memory address, to warn only once about their stop words."""
    constructor, arguments, state, *rest = vectorizer.__reduce_ex__(5)
    if isinstance(state, dict):
        state = {name: value for name, value in state.items() if name != "_stop_words_id"}
    return constructor, arguments, state, *rest


def _reduce_code(code: CodeType) -> Any:
    return cloudpickle._code_reduce(code.replace(co_filename=_file_name(code.co_filename)))


def _file_name(path: str) -> str:
    """What a traceback may show of the place of code: the name of a file, nothing of the host or the session."""
    if "ipykernel" in path or re.fullmatch(r"<.*\d.*>", path):
        return "<notebook>"
    return path if path.startswith("<") else PurePosixPath(path.replace("\\", "/")).name


def _reduce_typevar(variable: TypeVar) -> Any:
    constructor, arguments = cloudpickle._typevar_reduce(variable)
    return constructor, (*arguments[:-1], None) if constructor is cloudpickle._make_typevar else arguments


def _reduce_file(file: io.TextIOWrapper) -> Any:
    if file in (sys.stdout, sys.stderr):
        return cloudpickle._file_reduce(file)
    # cloudpickle would pack what the file holds
    raise pickle.PicklingError("an open file cannot be packed")


CanonicalPickler.dispatch_table.maps[0].update(
    {CodeType: _reduce_code, TypeVar: _reduce_typevar, io.TextIOWrapper: _reduce_file}
)


# --- which modules a function imports when it runs, read from its bytecode ---


def imports_of(function: FunctionType) -> list[str]:
    """The absolute names of the modules in the function's own `import` statements, and in those of code inside it."""
    package = function.__globals__.get("__package__") or ""
    found: dict[str, None] = {}
    for level, name in _imports(function.__code__):
        try:
            found[resolve_name("." * level + name, package or None)] = None
        except ImportError:
            found["." * level + name] = None  # relative, and nowhere to start from
    return list(found)


def _imports(code: CodeType) -> Iterator[tuple[int, str]]:
    """Level and name of each IMPORT_NAME; the level is the constant loaded two instructions before."""
    constants: list[object] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level = constants[-2] if len(constants) > 1 else 0
            yield (level if isinstance(level, int) else 0), str(instruction.argval)
        elif instruction.opname.startswith("LOAD_"):
            constants.append(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imports(constant)


# --- an order for the members of a set that follows from the members alone ---


_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes})


def ordered(members: Collection[Any], content: Callable[[object], bytes] | None) -> tuple[list[Any], bool]:
    """The members in order, and whether two of them could not be told apart.

    `content` gives bytes for members that are neither plain values nor tuples and frozensets of them; without it
    such members are left out.
    """
    if content is None:
        members = [member for member in members if is_plain(member)]
    keyed = [(_key(member, content), member) for member in members]
    if len(keyed) < 2:
        return [member for _, member in keyed], False
    keyed.sort(key=lambda item: item[0])
    return [member for _, member in keyed], any(one[0] == two[0] for one, two in pairwise(keyed))


def is_plain(member: object) -> bool:
    """Whether a value is compared by what it is, all the way down."""
    kind = type(member)
    if kind in (tuple, frozenset):
        return all(map(is_plain, member))  # type: ignore[call-overload]
    return kind in _PLAIN


def _key(member: Any, content: Callable[[object], bytes] | None) -> bytes:
    """Bytes that are equal for equal plain values of one type only."""
    kind = type(member)
    if kind in _PLAIN:
        value = member if kind is bytes else repr(member).encode("utf-8", "surrogatepass")
    elif kind is tuple:
        value = b"".join(_framed(_key(item, content)) for item in member)
    elif kind is frozenset:
        value = b"".join(map(_framed, sorted(_key(item, content) for item in member)))
    elif content is None:
        value = b""
    else:
        value = content(member)
    return kind.__qualname__.encode() + b"\0" + value


def _framed(key: bytes) -> bytes:
    return len(key).to_bytes(8, "big") + key


# --- tensors of PyTorch: arrays, which lie beside the stream and are mapped when they are large ---


_NAMES = frozenset({"Tensor", "Parameter"})


def is_tensor(kind: type) -> bool:
    """Whether objects of this class are plain tensors or parameters. Imports nothing."""
    return kind.__name__ in _NAMES and kind.__module__.partition(".")[0] == "torch"


def reduce_tensor(obj: Any) -> Any:
    """The array and what makes a tensor of it; NotImplemented for those that numpy cannot hold."""
    try:
        array = obj.detach().contiguous().numpy()
    except (TypeError, RuntimeError):  # bfloat16, sparse, quantized, or on another device
        return NotImplemented
    return (parameter if type(obj).__name__ == "Parameter" else tensor), (array, bool(obj.requires_grad))
