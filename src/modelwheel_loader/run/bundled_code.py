"""Modules whose source an author put into the bundle, made importable when the native payload is loaded, never before.

They and their files of data (for `importlib.resources`) are a JSON member that needs the same trust as the pickle.
Modules are imported under their own names, because the pickle and the modules name each other; so a name that means
something else in this process is refused, not shadowed.
"""

from __future__ import annotations

import importlib.util
import io
import os
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from threading import Lock
from types import CodeType, MappingProxyType, ModuleType
from typing import IO, Any

from ..defects import Defect
from ..errors import EnvironmentMismatch, InvalidBundle
from ..opening.strictjson import FLAG, OBJECT, Cursor, Text, parse_json
from ..records import Record
from ..text import clip

MEMBER = "native/code.json"
_LOCK = Lock()
_RESERVED = {"modelwheel", "modelwheel_loader", "modelwheel_bundles", "numpy", "__main__", "__mp_main__"}


class Source(Record):
    """The source of a module, whether it is a package, and the files of data of a package by their path in it."""

    text: str
    package: bool
    files: Mapping[str, bytes] = MappingProxyType({})


def read_sources(data: bytes, tops: Sequence[str]) -> dict[str, Source]:
    """The modules in the member `data`, by dotted name, below the names `tops`. Runs nothing.

    Raises `InvalidBundle` with all defects.
    """
    defects: list[Defect] = []
    cursor = Cursor(parse_json(data, MEMBER), MEMBER, defects).get("modules", OBJECT)
    found: dict[str, Source] = {}
    for name in cursor.value:
        item: Cursor = cursor.get(name, OBJECT)
        top, parent = name.partition(".")[0], name.rpartition(".")[0]
        if not all(part.isidentifier() for part in name.split(".")):
            cursor.wrong(name, "must be the dotted name of a module")
        elif top in _RESERVED or top in sys.stdlib_module_names:
            cursor.wrong(name, "must not have the name of a module of Python or of modelwheel")
        elif top not in tops:
            cursor.wrong(name, "must be among the modules that the manifest names")
        elif parent and not (type(cursor.value.get(parent)) is dict and cursor.value[parent].get("package")):
            cursor.wrong(name, "must be in a package that is there too")
        files = dict(_files(item.get("files", OBJECT, Cursor({}, "", []))))
        text = item.get("source", Text(len(data)))
        found[name] = Source(text=text, package=item.get("package", FLAG), files=files)
    if defects:
        raise InvalidBundle("the code of the bundle is not valid", defects)
    return found


def _files(cursor: Cursor) -> Iterator[tuple[str, bytes]]:
    for path in cursor.value:
        text = cursor.get(path, Text(len(str(cursor.value[path]))))
        if not all(part.strip(".") and not set(part) & set("\\\0") for part in path.split("/")):
            cursor.wrong(path, "must be the path of a file below the package")
        try:
            yield path, b64decode(text, validate=True)
        except ValueError:
            cursor.wrong(path, "must be base64")


def make_importable(sources: Mapping[str, Source], bundle: str) -> None:
    """Let `sources` be imported in this process; the bundle is trusted by now.

    A module that is already here, with the same source, is used. Raises `EnvironmentMismatch` that lists the names that
    mean something else here.
    """
    tops = [name for name in sources if "." not in name]
    with _LOCK:
        defects = [_clash(top) for top in tops if not _is_free(top) and not _is_same(top, sources)]
        if defects:
            raise EnvironmentMismatch("other modules in this process have the names of modules of the bundle", defects)
        for top in filter(_is_free, tops):
            _FINDER.sources.update(_below(top, sources))
            _FINDER.bundles[top] = bundle
        if _FINDER not in sys.meta_path:
            sys.meta_path.append(_FINDER)


def _below(top: str, sources: Mapping[str, Source]) -> dict[str, Source]:
    return {name: source for name, source in sources.items() if name.partition(".")[0] == top}


def _is_free(top: str) -> bool:
    """Whether nothing has the name: no bundle, no imported module, none that could be imported."""
    return top not in _FINDER.bundles and top not in sys.modules and _spec(top) is None


def _spec(top: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(top)
    except ValueError:
        return None  # a module made by hand


def _is_same(top: str, sources: Mapping[str, Source]) -> bool:
    """Whether the modules that are here have exactly the source and files of those in the bundle. Imports nothing."""
    mine = _below(top, sources)
    if top in _FINDER.bundles:
        return mine == _below(top, _FINDER.sources)
    spec = _spec(top)
    if spec is None:
        return False
    folders = list(spec.submodule_search_locations or ())  # also of a package without `__init__.py`
    if len(folders) != 1 and not spec.has_location:
        return False
    root = os.path.dirname(folders[0] if folders else spec.origin or "")
    return all(_is_at(os.path.join(root, *name.split(".")), source) for name, source in mine.items())


def _is_at(path: str, source: Source) -> bool:
    """Whether that text and those files are there; a folder without `__init__.py` is a package without text."""
    file = os.path.join(path, "__init__.py") if source.package else f"{path}.py"
    try:
        bare = source.package and not source.text and os.path.isdir(path) and not os.path.exists(file)
        same = bare or importlib.util.decode_source(_bytes_at(file)) == source.text
        return same and all(_bytes_at(path, *name.split("/")) == data for name, data in source.files.items())
    except (OSError, ValueError, SyntaxError):
        return False


def _bytes_at(*parts: str) -> bytes:
    with open(os.path.join(*parts), "rb") as stream:
        return stream.read()


def _clash(top: str) -> Defect:
    return Defect(
        code="native.code",
        message=f"the module {clip(top, 80)} of the bundle differs from the one in this process",
        hint='Load it where nothing else has that name: load(…, runtime="isolated").',
    )


class _Finder:
    """Finds the modules of bundles; the last of `sys.meta_path`, so that it hides nothing."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.bundles: dict[str, str] = {}

    def find_spec(self, name: str, _path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        """The specification of a module of a bundle."""
        source = self.sources.get(name)
        if source is None:
            return None
        loader: Any = _Loader(source, self.bundles[name.partition(".")[0]])
        return importlib.util.spec_from_loader(name, loader, is_package=source.package)


_FINDER: Any = _Finder()


class _Loader:
    """Runs the source of one module."""

    def __init__(self, source: Source, bundle: str) -> None:
        self._source = source
        self._bundle = bundle

    def create_module(self, spec: ModuleSpec) -> None:
        """None: Python makes an ordinary module."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the source in `module`."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102 - code of a bundle that the caller trusts

    def get_code(self, name: str) -> CodeType:
        """The compiled source; its file name, which tracebacks show, says which bundle it is of."""
        return compile(self._source.text, f"{self._bundle}/{name}", "exec", dont_inherit=True)

    def get_resource_reader(self, name: str) -> Any:
        """What `importlib.resources` reads a package with."""
        files = {
            f"{module.replace('.', '/')}/{path}": data
            for module, source in _FINDER.sources.items()
            for path, data in source.files.items()
        }
        return Node(name.replace(".", "/"), files)

    def get_source(self, _name: str) -> str:
        """The source, for tracebacks."""
        return self._source.text


class Node:
    """A folder or a file of data, in memory, by its path from the top (`acme/tables/rates.csv`): a `Traversable`.

    `files("acme").joinpath("tables/rates.csv").read_text()` works as for a package on a disk; `as_file` writes a copy
    for code that needs a path.
    """

    def __init__(self, path: str, files: Mapping[str, bytes]) -> None:
        self._path = path
        self._data = files

    def files(self) -> Node:
        """The node itself: the node of a package is also the reader that `importlib.resources` asks for."""
        return self

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._path.rpartition("/")[2]

    def is_file(self) -> bool:
        """Whether the bundle holds such a file."""
        return self._path in self._data

    def is_dir(self) -> bool:
        """Whether files of the bundle are below."""
        return any(path.startswith(f"{self._path}/") for path in self._data)

    def iterdir(self) -> Iterator[Node]:
        """What is in this folder."""
        start = len(self._path) + 1
        below = (path[start:] for path in self._data if path.startswith(f"{self._path}/"))
        for name in dict.fromkeys(path.partition("/")[0] for path in below):
            yield self / name

    def joinpath(self, *descendants: str) -> Node:
        """The node at these paths from here."""
        parts = [part for path in descendants for part in str(path).split("/") if part not in ("", ".")]
        return Node("/".join([self._path, *parts]), self._data)

    def __truediv__(self, child: str) -> Node:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        """The bytes of a file; raises `FileNotFoundError`."""
        if not self.is_file():
            raise FileNotFoundError(f"the bundle holds no file {self._path}")
        return self._data[self._path]

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """The text of a file."""
        with self.open("r", encoding=encoding, errors=errors) as stream:
            text: str = stream.read()
        return text

    def open(
        self, mode: str = "r", encoding: str | None = None, errors: str | None = None, newline: str | None = None
    ) -> IO[Any]:
        """A stream to read a file; the options of texts are those of `io.TextIOWrapper`."""
        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, encoding, errors, newline)

    def __repr__(self) -> str:
        return f"<{self._path} of a bundle>"
