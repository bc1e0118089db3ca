"""Source that the author wants in the bundle: read from files, never run, with what it imports."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import decode_source, resolve_name
from pathlib import Path

from modelwheel_loader.documents import dump_json
from modelwheel_loader.errors import Defect, PackError
from modelwheel_loader.native.code_modules import Source
from modelwheel_loader.text import clip

from ..origins import BASE, MAIN, is_standard


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Modules by dotted name, and what they import: each module's name with the file that imports it."""

    modules: Mapping[str, Source]
    imports: Mapping[str, str]

    @property
    def tops(self) -> tuple[str, ...]:
        """The names at the top."""
        return tuple(name for name in self.modules if "." not in name)

    def member(self) -> bytes:
        """The member of the bundle that holds them."""
        modules = {name: {"source": item.text, "package": item.package} for name, item in self.modules.items()}
        return dump_json({"modules": modules})


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
            modules[name] = Source(text=text, package=package)
            shown = f"{name.replace('.', '/')}{'/__init__' if package else ''}.py"
            for imported in _imports(tree, name if package else name.rpartition(".")[0]):
                imports.setdefault(imported, shown)
    if defects:
        raise PackError("the code that is to travel cannot", defects)
    return Sources(modules=dict(sorted(modules.items())), imports=imports)


def _defect(path: Path, message: str) -> Defect:
    return Defect(code="pack.code", message=message, where=clip(path.name, 120))


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
