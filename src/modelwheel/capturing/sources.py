"""Source that the author wants in the bundle: read from files, never run, with what it imports.

Files of data in a package travel with it. Hidden files and folders, and what Python makes itself, do not.
"""

from __future__ import annotations

import ast
import os
import sys
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import decode_source, resolve_name
from pathlib import Path
from typing import Any

from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.opening import dump_json
from modelwheel_loader.run import Source
from modelwheel_loader.text import clip

from ..origins import BASE, MAIN, is_standard

MOST_DATA = 1 << 24
"""The bytes of all files of data together: more belongs into the model or into a package."""
_MADE = frozenset({"__pycache__", "py.typed"})
_NO_DATA = (".py", ".pyc", ".pyo", ".pyi", "~")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Modules by dotted name, with data, and what they import: each module's name with the file that imports it."""

    modules: Mapping[str, Source]
    imports: Mapping[str, str]

    @property
    def files(self) -> dict[str, int]:
        """The files of data, by their path from the top, with their bytes."""
        return {
            f"{name.replace('.', '/')}/{path}": len(data)
            for name, item in self.modules.items()
            for path, data in item.files.items()
        }

    @property
    def tops(self) -> tuple[str, ...]:
        """The names at the top."""
        return tuple(name for name in self.modules if "." not in name)

    def member(self) -> bytes:
        """The member of the bundle that holds them."""
        return dump_json({"modules": {name: _document(item) for name, item in self.modules.items()}})


def _document(item: Source) -> dict[str, Any]:
    files = {path: b64encode(data).decode("ascii") for path, data in item.files.items()}
    return {"source": item.text, "package": item.package, **({"files": files} if files else {})}


NO_SOURCES = Sources(modules={}, imports={})
"""What travels when nothing does."""


def read_code(paths: Sequence[str | os.PathLike[str]]) -> Sources:
    """The modules and packages at `paths`: files that end in `.py`, and folders.

    Raises PackError with everything that keeps them from travelling.
    """
    defects: list[Defect] = []
    modules: dict[str, Source] = {}
    imports: dict[str, str] = {}
    for path in map(Path, paths):
        defects += _objections(path)
        if defects:
            continue
        for name, file in _files(path):
            try:
                text = decode_source(file.read_bytes()) if file.is_file() else ""
                tree = ast.parse(text)
            except (SyntaxError, ValueError, UnicodeError) as error:
                defects.append(_defect(file, f"cannot be read as Python: {clip(error, 120)}"))
                continue
            package = file.name == "__init__.py"
            modules[name] = Source(text=text, package=package, files=_data(file.parent, path) if package else {})
            shown = f"{name.replace('.', '/')}{'/__init__' if package else ''}.py"
            if _asks_where_it_is(tree):
                defects.append(_nowhere(shown))
            for imported in _imports(tree, name if package else name.rpartition(".")[0]):
                imports.setdefault(imported, shown)
    made = Sources(modules=dict(sorted(modules.items())), imports=imports)
    if sum(made.files.values()) > MOST_DATA:
        defects += _too_much(made.files)
    if defects:
        raise PackError("the code that is to travel cannot", defects)
    return made


def _defect(path: Path, message: str) -> Defect:
    return Defect(code="pack.code", message=message, where=clip(path.name, 120))


# --- files of data ---


def _data(folder: Path, top: Path) -> dict[str, bytes]:
    """The files of a package, by their path in it, but for modules and for what lies in packages below."""
    packages = {
        file.parent for file in top.absolute().rglob("*.py") if _is_module(file.relative_to(top.absolute().parent))
    }
    packages |= {parent for package in packages for parent in package.parents}
    found = {}
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        hidden = any(part.startswith(".") or part in _MADE for part in parts)
        nearest = next(parent for parent in file.parents if parent in packages)
        if file.is_file() and nearest == folder and not hidden and not file.name.endswith(_NO_DATA):
            found["/".join(parts)] = file.read_bytes()
    return found


def _too_much(files: Mapping[str, int]) -> Iterator[Defect]:
    """The largest files, which together are too much."""
    for path, size in sorted(files.items(), key=lambda item: -item[1])[:5]:
        yield Defect(
            code="pack.code",
            message=f"{size:,} bytes of data, and with the others more than {MOST_DATA:,}",
            where=clip(path, 120),
            hint="Name a folder without it, let the model hold what it needs, or put it into an installed package.",
        )


def _asks_where_it_is(tree: ast.Module) -> bool:
    """Whether the module uses `__file__`, but where it runs as a script."""
    scripts = (node for node in tree.body if isinstance(node, ast.If) and "__main__" in ast.unparse(node.test))
    excused = {id(inner) for script in scripts for inner in ast.walk(script)}
    return any(
        isinstance(node, ast.Name) and node.id == "__file__" and id(node) not in excused for node in ast.walk(tree)
    )


def _nowhere(shown: str) -> Defect:
    return Defect(
        code="pack.code",
        message="it uses __file__, and modules in a bundle are not on a disk",
        where=clip(shown, 120),
        hint='Files beside it travel too: importlib.resources.files("package") reads them.',
    )


# --- modules ---


def _objections(path: Path) -> Iterator[Defect]:
    """What is wrong with a path that the author named."""
    name = path.stem if path.suffix == ".py" else path.name
    if not (path.is_dir() or (path.is_file() and path.suffix == ".py")):
        yield _defect(path, "is neither a Python file nor a folder")
    elif not name.isidentifier() or is_standard(name) or name in BASE | MAIN:
        yield _defect(path, "has no name by which a module of its own can be imported")
    elif (path.absolute().parent / "__init__.py").exists():
        yield _defect(path, f"is a part of the package {clip(path.absolute().parent.name)}: name that one")
    elif path.is_dir() and not any(path.rglob("*.py")):
        yield _defect(path, "holds no Python file")
    elif not _is_the_imported(path, name):
        yield _defect(path, f"is not the {clip(name)} that this process has imported")
    for file in path.rglob("*") if path.is_dir() else ():
        if file.name.endswith(tuple(EXTENSION_SUFFIXES)):
            yield _defect(file, "is compiled for one kind of machine: make it part of an installed package")


def _is_the_imported(path: Path, name: str) -> bool:
    file = getattr(sys.modules.get(name), "__file__", None)
    if name not in sys.modules or file is None:
        return True
    return Path(file).resolve() == (path / "__init__.py" if path.is_dir() else path).resolve()


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    """The modules below a path by dotted name; a folder without `__init__.py` is a package all the same."""
    if path.is_file():
        yield path.stem, path
        return
    root = path.absolute().parent
    files = sorted(file for file in path.absolute().rglob("*.py") if _is_module(file.relative_to(root)))
    packages = {root / parent for file in files for parent in file.relative_to(root).parents if parent.name}
    for folder in sorted(packages):
        yield ".".join(folder.relative_to(root).parts), folder / "__init__.py"
    for file in files:
        if file.name != "__init__.py":
            yield ".".join(file.relative_to(root).with_suffix("").parts), file


def _is_module(path: Path) -> bool:
    return all(part.isidentifier() for part in path.with_suffix("").parts)


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """The absolute names that a module imports, anywhere but for type checkers alone."""
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in node.body
        for inner in ast.walk(child)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, package)


def _from(node: ast.ImportFrom, package: str) -> Iterable[str]:
    if node.level == 0:
        return [node.module or ""]
    try:
        return [resolve_name("." * node.level + (node.module or ""), package or None)]
    except ImportError:
        return ["." * node.level + (node.module or "")]
